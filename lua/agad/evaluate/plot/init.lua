-- Plots: curves, points, bars, histograms, box plots and heat maps of numbers, grids of pictures, and the pictures of
-- results and models. gnuplot draws them to a file, to the terminal, or into bytes for a notebook.

local draw = require "agad.evaluate.plot.draw"

local plot = {gnuplot = require("agad.evaluate.plot.gnuplot").run}

for _, part in ipairs {"curves", "pictures", "reconstructions", "scores"} do
  for name, f in pairs(require("agad.evaluate.plot." .. part)) do plot[name] = f end
end

require("agad.base.options").takes(plot, 1, require("agad.evaluate.plot.figure").all)

return setmetatable(plot, {__name = "agad.plot", __call = function(_, ...) return draw(...) end})
