-- Pictures: maps in heat colours, and grids of pictures with titles.

local core = require "agad.core"
local drawn = require "agad.data.drawn"
local format = require("agad.base.text").format
local gnuplot = require "agad.evaluate.plot.gnuplot"
local quote = require("agad.evaluate.plot.script").quote
local report = require "agad.evaluate.report"
local show = require "agad.tensor.show"
local stops = require("agad.evaluate.plot.script").heat

local plot = {}

local BACKGROUND, OUTLINE, OPAQUE = 32, {70, 240, 140}, .75
local FRAME, MARGIN, LETTER, LINE = 3, 5, 8, 22   -- pixels: round a picture and the grid; of a title's letters and line

local function heat_table()                       -- (3, 256), one column a colour
  local list = {}
  for k = 1, 3 do
    for i = 0, 255 do
      local at = i / 255 * (#stops - 1)
      local j = math.min(#stops - 1, math.floor(at) + 1)
      local a, b = stops[j][k], stops[j + 1][k]
      list[#list + 1] = a + (b - a) * (at - j + 1)
    end
  end
  return core.from_table(list):reshape {3, 256}
end

--- A map as a picture in heat colours.
-- @param map tensor (height, width), 0 or more
-- @param top number the value shown in the brightest colour
-- @return tensor float32 (3, height, width)
function plot.heat(map, top)
  local shades = (map * (255 / top)):clamp(0, 255):to("int64")
  return heat_table():index_select(2, shades:reshape {-1}):reshape {3, map:size(1), map:size(2)}
end

local function zoomed(t, zoom)                    -- (channels, height, width), each pixel a square
  return t:repeat_interleave(zoom, {dim = 2}):repeat_interleave(zoom, {dim = 3})
end

-- The outer border of a mask, drawn over an enlarged picture.
local function outlined(t, mask, zoom)
  local inside = zoomed(mask:to("float32"):unsqueeze(1), zoom)
  local thick = math.max(1, zoom // 3)
  local border = inside:max_pool2d({2 * thick + 1, 2 * thick + 1}, {1, 1}, {thick, thick}) - inside
  return t * (border * -1 + 1) + border * core.from_table(OUTLINE):reshape {3, 1, 1}
end

-- The grid as one picture, uint8 (3, height, width), and the size of a framed picture in it.
local function composed(rows, side)
  local cat, pad = core.operator "cat", core.operator "constant_pad_nd"
  local zoom = math.max(1, side // rows[1][1][1]:size(3))
  local lines, high, wide = {}, nil, nil
  for i, row in ipairs(rows) do
    local tiles = {}
    for k, cell in ipairs(row) do
      local t = cell[1]:to("float32")
      if t:size(1) == 1 then t = t:expand {3, -1, -1} end
      t = zoomed(t, zoom)
      if cell.mask then t = outlined(t, cell.mask, zoom) end
      tiles[k] = pad(t, {FRAME, FRAME, FRAME, FRAME}, BACKGROUND)
      high, wide = tiles[k]:size(2), tiles[k]:size(3)
    end
    lines[i] = cat(tiles, {dim = 3})
  end
  local widest = 0
  for _, line in ipairs(lines) do widest = math.max(widest, line:size(3)) end
  for i, line in ipairs(lines) do lines[i] = pad(line, {0, widest - line:size(3)}, BACKGROUND) end
  return pad(cat(lines, {dim = 2}), {MARGIN, MARGIN, MARGIN, MARGIN}, BACKGROUND):round():to "uint8", high, wide
end

local function longest(titles)
  local n = 0
  for _, title in ipairs(titles or {}) do n = math.max(n, utf8.len(title) or #title) end
  return n
end

-- Draws the picture with titles through gnuplot.
local function titled(picture, high, wide, path, o)
  local height, width = picture:size(2), picture:size(3)
  local left = math.ceil(longest(o.titles) * LETTER) + (o.titles and 12 or 0)
  local above = (o.title and LINE + 8 or 0) + (o.columns and LINE or 0)
  local all_width, all_height = left + width, above + height
  local out = {"set encoding utf8; unset border; unset tics; unset key; unset colorbox; set margins 0,0,0,0",
    format("set lmargin at screen %.9g; set rmargin at screen 1", left / all_width),
    format("set bmargin at screen 0; set tmargin at screen %.9g", height / all_height),
    format("set xrange [-.5:%d.5]; set yrange [%d.5:-.5]", width - 1, height - 1)}
  local function label(text, x, y, where)
    out[#out + 1] = format("set label %s at screen %.9g, screen %.9g %s noenhanced", quote(text), x / all_width,
      1 - y / all_height, where)
  end
  for i, title in ipairs(o.titles or {}) do label(title, left - 6, above + MARGIN + (i - .5) * high, "right") end
  for k, title in ipairs(o.columns or {}) do
    label(title, left + MARGIN + (k - .5) * wide, above - LINE / 2, "center")
  end
  if o.title then label(o.title, left + width / 2, LINE / 2 + 4, "center") end
  out[#out + 1] = ("plot data binary array=(%d,%d) format='%%uchar%%uchar%%uchar' using 1:2:3 with rgbimage"):format(
    width, height)
  return gnuplot.run(table.concat(out, "\n"), path, {width = all_width, height = all_height,
    data = picture:permute({2, 3, 1}):contiguous():tostring_bytes()})
end

-- The grid on a terminal without sixel pictures: titles as lines, then the picture in characters.
local function in_characters(picture, o)
  local lines = {}
  if o.title then lines[1] = o.title end
  if o.titles then lines[#lines + 1] = "rows: " .. table.concat(o.titles, "; ") end
  if o.columns then lines[#lines + 1] = "columns: " .. table.concat(o.columns, "; ") end
  if #lines > 0 then report.out(table.concat(lines, "\n")) end
  show.picture(picture)
end

--- Draws a grid of pictures, enlarged and framed.
-- @param rows list of lists of pictures: {picture, mask = tensor (height, width) or nil}; a picture is a tensor
--   of 0 to 255 (1 or 3, height, width), all of one size; the mask's border is drawn over it
-- @param path string a PNG; with titles also .svg and .pdf. "-" (or nil) is the terminal or the notebook, and an ending
--   alone (".png") stands for the bytes of the picture
-- @param o table titles: of the rows, a list; columns: titles of the columns; title: of the whole; side (128): the
--   approximate side of each picture in the grid; mark: what the file is marked as (agad.data.drawn), so that it
--   replaces only another one of that kind
-- @return string the bytes of the picture, with an ending alone; else nil
-- @raise it cannot be written; titles are wanted, and gnuplot is missing or fails (the grid is then in PATH.png without
--   them)
-- @example agad.plot.grid({{{set.test.images[1]}, {set.test.images[2]}}}, "two.png")
function plot.grid(rows, path, o)
  o = o or {}
  if type(rows) ~= "table" or not rows[1] or not rows[1][1] then error("plot.grid: there are no pictures", 0) end
  local picture, high, wide = composed(rows, o.side or 128)
  local words = o.titles or o.columns or o.title
  local png, notebook = path and path:lower():find "%.png$", gnuplot.notebook(path)
  if o.mark then drawn.write(path, picture, o.mark)
  elseif notebook and not words then notebook.picture(show.png(picture))
  elseif png and not words and gnuplot.is_bytes(path) then return show.png(picture)
  elseif png and not words then core.data.write_png(path, picture)
  elseif gnuplot.target(path) == "dumb" then in_characters(picture, o)
  else
    return gnuplot.or_else(path, ".png", function() return titled(picture, high, wide, path, o) end,
      function(beside) core.data.write_png(beside, picture) end)
  end
end

--- A picture with a map laid over it in heat colours: the larger the map, the less of the picture is seen.
-- @param picture tensor of 0 to 255 (1 or 3, height, width)
-- @param map tensor (height, width)
-- @param low number where the map begins to be seen
-- @param high number the value shown in the brightest colour
-- @return tensor float32 (3, height, width)
function plot.overlay(picture, map, low, high)
  local share = ((map - low) / math.max(high - low, 1e-12)):clamp(0, 1)
  local under, opaque = picture:to("float32"):expand {3, -1, -1}, (share * OPAQUE):unsqueeze(1)
  return under * (1 - opaque) + plot.heat(share, 1) * opaque
end

return plot
