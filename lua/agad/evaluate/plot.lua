-- Plots: loss curves, drawn by gnuplot, and grids of pictures. A file is replaced only once its new contents are
-- complete; if gnuplot fails, its own message is passed on.

local core = require "agad.core"
local drawn = require "agad.data.drawn"
local format = require("agad.base.text").format
local places = require "agad.base.places"
local sort = require("agad.base.text").sort
local transfer = require "agad.data.transfer"

local plot = {}

local function fail(form, ...) error(format(form, ...), 0) end

-- A palette that colour-blind readers can distinguish (Okabe and Ito).
local colours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"}

local terminals = {
  png = "pngcairo size 960,600 font 'sans,11'", svg = "svg size 960,600 font 'sans,11' background 'white'",
  pdf = "pdfcairo size 16cm,10cm font 'sans,9'",
}

local function quote(text) return "'" .. text:gsub("'", "''") .. "'" end

--- Runs a gnuplot script that plots to `path` (.png, .svg, .pdf), or as characters to stdout for "-".
-- @param script string gnuplot's commands; the terminal is set before them
-- @raise gnuplot is missing or fails, or the file cannot be written
function plot.gnuplot(script, path)
  local ending = path == "-" and "-" or path:lower():match("%.(%a+)$")
  local term = terminals[ending]
  if path == "-" then term = ("dumb size %d,24"):format(math.min(120, core.terminal_width())) end
  if not term then fail("cannot plot to %s: the name must end in .png, .svg or .pdf", path) end
  local unfit = path ~= "-" and core.file_check(path)
  if unfit then fail("cannot plot to %s: %s", path, unfit) end
  if not os.execute("command -v gnuplot > /dev/null 2>&1") then
    fail("plots need gnuplot, which is not installed; on Debian: apt-get install gnuplot-nox")
  end
  local file, out, status, said = places.temporary(), {}, nil, nil
  local ok, err = pcall(function()
    core.file_replace(file, ("set terminal %s\n%s\n"):format(term, script))
    -- -d: what the user has in ~/.gnuplot is not read
    status, said = transfer.run("gnuplot", {"-d", file}, function(bytes) out[#out + 1] = bytes end)
  end)
  os.remove(file)
  if not ok then error(err, 0) end
  if status ~= 0 or #out == 0 then
    local words = table.concat(said, " "):gsub("^%s+", ""):gsub("%s+", " ")
    fail("cannot plot to %s: gnuplot %s", path, words ~= "" and "reports: " .. words or status ~= 0 and
      "ends with status " .. status or "draws nothing")
  end
  if path == "-" then io.stdout:write(table.concat(out)) else core.file_replace(path, table.concat(out)) end
end

-- The records of a log: a list of tables, a run directory, or its log.jsonl.
local function records(log)
  if type(log) == "table" then return log end
  local lfs = require "lfs"
  local path = lfs.attributes(log, "mode") == "directory" and log .. "/log.jsonl" or log
  local file, reason = io.open(path)
  if not file then fail("cannot read the log: %s", reason) end
  local list = {}
  for line in file:lines() do
    local ok, record = pcall(core.json_decode, line)
    if not ok then break end                      -- a line cut short by a kill is the last one
    list[#list + 1] = record
  end
  file:close()
  return list
end

local function finite(v) return type(v) == "number" and v == v and v - v == 0 end

--- Plots the losses over the steps, one curve each, on a logarithmic axis if all are positive.
-- @param log any a run directory, a log.jsonl, or a list of {step = n, losses = {name = value}}
-- @param path string the file to write (.png, .svg, .pdf), "-" for characters on the terminal
-- @param o table title, losses (a list of names: only these)
-- @raise there are no losses, gnuplot is missing, or the file cannot be written
function plot.losses(log, path, o)
  o = o or {}
  local curves, names, positive = {}, {}, true
  local wanted
  if o.losses then wanted = {}; for _, name in ipairs(o.losses) do wanted[name] = true end end
  for _, r in ipairs(records(log)) do
    if type(r.losses) == "table" and r.step then
      for name, v in pairs(r.losses) do
        if finite(v) and (not wanted or wanted[name]) then
          if not curves[name] then curves[name] = {}; names[#names + 1] = name end
          table.insert(curves[name], format("%d %.9g", r.step, v))
          positive = positive and v > 0
        end
      end
    end
  end
  if #names == 0 then fail("there are no losses to plot in %s", type(log) == "string" and log or "this log") end
  sort(names)
  local script = {
    "set title " .. quote(o.title or "Losses") .. " noenhanced",
    "set xlabel 'step'; set key outside right noenhanced; set border 3; set tics nomirror",
    "set grid ytics lt 1 lw 1 lc rgb '#dddddd'",
    positive and "set logscale y; set format y '%g'" or "set format y '%g'",
  }
  local parts = {}
  for i, name in ipairs(names) do
    script[#script + 1] = ("$c%d << EOD\n%s\nEOD"):format(i, table.concat(curves[name], "\n"))
    parts[i] = ("$c%d using 1:2 with %s lw 2 lc rgb '%s' title %s"):format(i,
      #curves[name] == 1 and "points pt 7" or "lines dt " .. (i - 1) // #colours + 1,
      colours[(i - 1) % #colours + 1], quote(name))
  end
  script[#script + 1] = "plot " .. table.concat(parts, ", ")
  plot.gnuplot(table.concat(script, "\n"), path)
end

-- Pictures ----------------------------------------------------------------------------------------

-- Black, violet, red, orange, yellow, of evenly rising lightness, for colour-blind readers too (after inferno).
local heat_stops = {{0, 0, 4}, {66, 10, 104}, {147, 38, 103}, {221, 81, 58}, {252, 165, 10}, {252, 255, 164}}
local BACKGROUND, OUTLINE, OPAQUE = 32, {70, 240, 140}, .75

local function heat_table()                       -- (3, 256), one column a colour
  local list = {}
  for k = 1, 3 do
    for i = 0, 255 do
      local at = i / 255 * (#heat_stops - 1)
      local j = math.min(#heat_stops - 1, math.floor(at) + 1)
      local a, b = heat_stops[j][k], heat_stops[j + 1][k]
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

--- Writes a grid of pictures, enlarged and framed.
-- @param rows list of lists of pictures: {picture, mask = tensor (height, width) or nil}; a picture is a tensor
--   of 0 to 255 (1 or 3, height, width), all of one size; the mask's border is drawn over it
-- @param path string a PNG
-- @param o table side (128): the approximate side of each picture in the grid; mark: what the file is marked as
--   (agad.data.drawn), so that it replaces only another one of that kind
function plot.grid(rows, path, o)
  local cat, pad = core.operator "cat", core.operator "constant_pad_nd"
  local zoom = math.max(1, (o and o.side or 128) // rows[1][1][1]:size(3))
  local lines = {}
  for i, row in ipairs(rows) do
    local tiles = {}
    for k, cell in ipairs(row) do
      local t = cell[1]:to("float32")
      if t:size(1) == 1 then t = t:expand {3, -1, -1} end
      t = zoomed(t, zoom)
      if cell.mask then t = outlined(t, cell.mask, zoom) end
      tiles[k] = pad(t, {3, 3, 3, 3}, BACKGROUND)
    end
    lines[i] = cat(tiles, {dim = 3})
  end
  local widest = 0
  for _, line in ipairs(lines) do widest = math.max(widest, line:size(3)) end
  for i, line in ipairs(lines) do lines[i] = pad(line, {0, widest - line:size(3)}, BACKGROUND) end
  local picture = pad(cat(lines, {dim = 2}), {5, 5, 5, 5}, BACKGROUND):round():to("uint8")
  if o and o.mark then drawn.write(path, picture, o.mark) else core.data.write_png(path, picture) end
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
