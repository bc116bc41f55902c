-- Draws what `agad.plot` is given: to a file, to the terminal, or into bytes.

local core = require "agad.core"
local figure = require "agad.evaluate.plot.figure"
local gnuplot = require "agad.evaluate.plot.gnuplot"
local numbers = require "agad.evaluate.plot.numbers"
local pictures = require "agad.evaluate.plot.pictures"
local report = require "agad.evaluate.report"
local script = require "agad.evaluate.plot.script"
local show = require("agad.tensor.show").picture

local SMALL = 24                                  -- columns: a heat map on the terminal is enlarged to at least these

-- A heat map in characters, which gnuplot cannot draw.
local function show_heat(panel)
  local rows, all = panel.drawn[1].y, {}
  for _, row in ipairs(rows) do table.move(row, 1, #row, #all + 1, all) end
  local low, high = numbers.range(all)
  for i, v in ipairs(all) do all[i] = numbers.finite(v) and v or low end
  local t = core.from_table(all, "float64"):reshape {#rows, #rows[1]}:to "float32"
  local heat, zoom = pictures.heat(t - low, math.max(high - low, 1e-30)), math.max(1, SMALL // #rows[1])
  if zoom > 1 then heat = heat:repeat_interleave(zoom, {dim = 2}):repeat_interleave(zoom, {dim = 3}) end
  if panel.title then report.out(panel.title) end
  show(heat:round():to "uint8")
  report.out(("dark: %s, bright: %s"):format(numbers.text(low), numbers.text(high)))
end

-- Panels stand one below another on a terminal without sixel pictures.
local function in_characters(whole, path)
  if whole.title then report.out(whole.title) end
  for _, panel in ipairs(whole.panels) do
    if #panel.drawn > 0 then
      if panel.drawn[1].kind == "heat" then show_heat(panel)
      else gnuplot.run(script.of({panels = {panel}}, gnuplot.width("dumb", {}), true), path) end
    end
  end
end

--- @name agad.plot(what, path)
-- Plots numbers: lines, points, bars, histograms, box plots, heat maps.
--
-- `what` is one series or several, with options:
--   {1, 4, 9}, or a tensor      y over 1, 2, …; a curve for each row
--   {y =, x =, kind =, title =} one series
--   {a, b, title =}             several, each in one of the forms above
--
-- A series may have: y; x (numbers, or texts: categories); title (its name in the key); kind: "lines", "points",
-- "both", "steps", "bars", "band" (a line within low and high), "histogram" (of the numbers in y), "box" (Tukey's box
-- plots of the rows of y), "heat" (y is a matrix); error, or low and high (error bars); bins (50, of a histogram),
-- edges (of its bins: y then holds counts); outliers (true, of box plots); colour ("#0072B2").
--
-- The plot may have: title, xlabel, ylabel, log ("x", "y", "xy"), xrange and yrange ({low, high}), key ("outside",
-- "top", "bottom", "below", "none"), width and height (960 and 600 pixels), panels (a list of what plot takes) and
-- columns (of panels). An option of a series that is given for the whole plot holds for every series.
--
-- Values that are not finite are left out, as are those not above 0 on a logarithmic axis; a note counts them. Of
-- a line of more than 4,000 points, the lowest and the highest of each of 1,000 stretches are drawn.
-- @param what list|tensor|table
-- @param path string the file to write (.png, .svg, .pdf); "-" or nil: the cell of a notebook, or the terminal, in
--   characters, or as a picture where the terminal draws sixels; an ending alone (".png"): the bytes are returned
-- @return string the bytes of the plot, with an ending alone; else nil
-- @raise numbers are missing or of different lengths; there is nothing to draw; the file cannot be written; gnuplot is
--   missing or fails (the data are then in PATH.csv)
-- @example agad.plot(agad.randn(100):cumsum(1))
-- @example agad.plot({y = agad.randn(1000), kind = "histogram"}, "values.png")
-- @example agad.plot({{y = {9, 3, 1}, title = "steady"}, {y = {9, 5, 4}, title = "plain"}, log = "y"}, "curves.svg")
return function(given, path)
  local whole = figure.of(given)
  local target = gnuplot.target(path)
  for _, note in ipairs(script.prepare(whole)) do gnuplot.note(note) end
  return gnuplot.or_else(path, ".csv", function()
    if target == "dumb" then return in_characters(whole, path) end
    return gnuplot.run(script.of(whole, gnuplot.width(target, whole)), path, whole)
  end, function(beside) core.file_replace(beside, script.csv(whole)) end)
end
