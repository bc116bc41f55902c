--- The grid of the test pictures that a model is most wrong about, with its map over them.

local core = require "agad.core"
local drawn = require "agad.data.drawn"
local plot = require "agad.evaluate.plot"
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"

local grid = {}

local LARGEST = 256                               -- side of a picture in the grid
local FAINT, BRIGHT = .9, .998                    -- quantiles of the maps: not seen below, brightest above

--- Pictures or maps at the size that grids show them in.
-- @param t tensor (n, channels, height, width) or (n, height, width)
-- @return tensor float32
function grid.reduced(t)
  local height, width = t:size(-2), t:size(-1)
  local factor = math.max(height, width) / LARGEST
  if factor <= 1 then return t:to "float32" end
  local size = {math.max(1, math.floor(height / factor)), math.max(1, math.floor(width / factor))}
  return core.operator "adaptive_avg_pool2d"(t:to "float32", size)
end

-- A row of pictures, with the outlines of their masks, and a row of the same with the maps over them, on one scale.
local function lines_of(task, maps, rows)
  local low, high
  if maps then
    maps = grid.reduced(maps)
    low, high = core.metrics.quantile(maps:flatten(), FAINT), core.metrics.quantile(maps:flatten(), BRIGHT)
  end
  local plain, over = {}, {}
  for i, row in ipairs(rows) do
    local index = core.from_table({row}, "int64")
    local x = grid.reduced(task.test.images:index_select(1, index)):squeeze(1)
    local mask = task.test.masks and grid.reduced(task.test.masks:index_select(1, index)):squeeze(1):gt(0)
    plain[i] = {x, mask = mask or nil}
    over[i] = maps and {plot.overlay(x, maps:select(1, i), low, high)}
  end
  return plain, maps and over
end

--- Draws the worst misses and below them the worst false alarms, each with the map over it in the row below.
-- @param row table a result row, with misses and false_alarms
-- @param task task
-- @param net net a scoring net
-- @param how table as for `agad.scorer.score`
-- @param path string the PNG to write
-- @return boolean false, and nothing is written, if the model is wrong about no picture
-- @raise it cannot be written
function grid.write(row, task, net, how, path)
  local lines = {}
  for _, side in ipairs {row.misses.worst, row.false_alarms.worst} do
    if #side > 0 then
      local rows = {}
      for i, p in ipairs(side) do rows[i] = p.picture - 1 end
      local maps = scorer.maps(net, tasks.pictures(task.test, rows), how)
      local plain, over = lines_of(task, maps, rows)
      lines[#lines + 1] = plain
      lines[#lines + 1] = over
    end
  end
  if #lines == 0 then return false end
  plot.grid(lines, path, {mark = drawn.GRID})
  return true
end

return grid
