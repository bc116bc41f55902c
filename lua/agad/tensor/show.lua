--- Pictures on the terminal: two pixels per character if it has colours, else in characters of increasing density. A
-- notebook shows them as they are.

local options = require "agad.base.options"
local places = require "agad.base.places"
local terminal = require "agad.base.terminal"

local show, option = {}, options.option

local known = {
  low = option {kind = "number"}, high = option {kind = "number"}, colour = option {kind = "boolean"},
  columns = option {kind = "integer", min = 1},
}

local SMALL = 192                                  -- pixels: the sides of a picture in a notebook, about
local RAMP = {" ", ".", ":", "-", "=", "+", "*", "#", "%", "@"}

--- A picture as a PNG file.
-- @param picture tensor uint8 (1 or 3, height, width)
-- @return string its bytes
function show.png(picture)
  local path = places.temporary()
  local ok, png = pcall(function()
    require("agad.core").data.write_png(path, picture)
    local file <close> = assert(io.open(path, "rb"))
    return file:read "a"
  end)
  os.remove(path)
  if not ok then error(png, 0) end
  return png
end

--- A small picture for a notebook: each pixel is a square.
-- @param picture tensor uint8 (1 or 3, height, width)
-- @return string a PNG file's bytes
function show.enlarged_png(picture)
  local zoom = math.max(1, SMALL // math.max(picture:size(2), picture:size(3)))
  return show.png(picture:repeat_interleave(zoom, {dim = 2}):repeat_interleave(zoom, {dim = 3}):contiguous())
end

-- Numbers from 0 to 255, (channels, height, width), no wider than `columns`.
local function prepared(t, o, columns)
  if #t.shape == 2 then t = t:unsqueeze(1) end
  if #t.shape ~= 3 or t:size(1) ~= 1 and t:size(1) ~= 3 then
    error(("show: a picture must be (height, width) or (1 or 3, height, width), not %s"):format(t:summary()), 0)
  end
  local bytes = t.dtype == "uint8" and not o.low and not o.high
  t = t:detach():cpu():to "float32"
  if not bytes then
    local low, high = o.low or t:min():item(), o.high or t:max():item()
    t = (t - low) * (255 / math.max(high - low, 1e-30))
  end
  if t:size(3) > columns then
    local height = math.max(1, t:size(2) * columns // t:size(3))
    t = t:unsqueeze(1):adaptive_avg_pool2d({height, columns})[1]
  end
  return t:nan_to_num(0):clamp(0, 255):round()
end

local function in_colours(pixels, height, width)
  local lines = {}
  local function colour(y, x)
    local r = pixels[1][y][x]
    return ("%d;%d;%d"):format(r, (pixels[2] or pixels[1])[y][x], (pixels[3] or pixels[1])[y][x])
  end
  for y = 1, height, 2 do
    local parts = {}
    for x = 1, width do
      parts[x] = "\27[38;2;" .. colour(y, x) .. "m" ..
        (y < height and "\27[48;2;" .. colour(y + 1, x) .. "m" or "\27[49m") .. "▀"
    end
    lines[#lines + 1] = table.concat(parts) .. "\27[0m"
  end
  return lines
end

local function in_characters(t, height, width)
  local lines = {}
  local grey = t:mean {dim = 1}:totable()
  for y = 1, height, 2 do                               -- a character is twice as high as it is wide
    local parts = {}
    for x = 1, width do
      local v = y < height and (grey[y][x] + grey[y + 1][x]) / 2 or grey[y][x]
      parts[x] = RAMP[math.min(#RAMP, 1 + math.floor(v / 256 * #RAMP))]
    end
    lines[#lines + 1] = (table.concat(parts):gsub("%s+$", ""))
  end
  return lines
end

--- @name tensor:show(o)
-- Draws a picture on the terminal or in the notebook: (height, width) or (1 or 3, height, width).
-- @param o table low, high: the values of black and white (default: smallest and largest; for uint8, 0 and 255); colour
--   (default: whether the output is a terminal with colours); columns (default: the terminal's width)
-- @raise a tensor of another shape
function show.picture(t, o)
  local core = require "agad.core"
  o = options.check("show", o, known, true)
  local colour = o.colour
  if terminal.notebook and colour == nil and not o.columns then
    return terminal.notebook.picture(show.enlarged_png(prepared(t, o, math.huge):to "uint8"))
  end
  if colour == nil then colour = terminal.has_colours(1) end
  local pixels = prepared(t, o, o.columns or math.max(1, core.terminal_width()))
  local height, width = pixels:size(2), pixels:size(3)
  local lines = colour and in_colours(pixels:totable(), height, width) or in_characters(pixels, height, width)
  io.stdout:write(table.concat(lines, "\n"), "\n")
end

return show
