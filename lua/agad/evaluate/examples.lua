--- A grid of the same few test pictures at each evaluation of a training: what the net makes of them.

local core = require "agad.core"
local grid = require "agad.evaluate.grid"
local plot = require "agad.evaluate.plot"
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"

local examples = {}

local EACH = 4                                    -- pictures of each side: normal and anomalous
local BRIGHT = .998                               -- quantile of the maps that is shown brightest

-- Some of a list, evenly spread over it.
local function spread(list, n)
  local some = {}
  n = math.min(n, #list)
  for i = 1, n do some[i] = list[(i - 1) * #list // n + 1] end
  return some
end

-- The split that the examples are from, and their rows: normal test pictures and then anomalous ones, or else normals
-- of the train split.
local function chosen(task)
  local kinds, test = {[0] = {}, {}}, task.test
  for i, kind in ipairs(test and test.anomalous or {}) do table.insert(kinds[kind], i - 1) end
  local rows, anomalous = spread(kinds[0], EACH), spread(kinds[1], EACH)
  table.move(anomalous, 1, #anomalous, #rows + 1, rows)
  if #rows > 0 then return test, rows end
  return task.train, spread(#task.held_out > 0 and task.held_out or task.normals, 2 * EACH)
end

--- The examples as rows for `agad.plot.grid`: pictures, with the outlines of their masks; their reconstructions; and
-- their error maps, on one scale. A row that the method does not give is left out.
-- @param task task
-- @param net net a scoring net
-- @param how table as for `agad.scorer.score`
-- @return list of rows; nil if the method gives neither reconstructions nor maps
function examples.rows(task, net, how)
  local split, rows = chosen(task)
  local pictures = tasks.pictures(split, rows)
  local again, maps = scorer.reconstructions(net, pictures, how), scorer.maps(net, pictures, how)
  if not again and not maps then return nil end
  local masks = split.masks and grid.reduced(split.masks:index_select(1, core.from_table(rows, "int64")))
  local x, top = grid.reduced(pictures), 0
  if again then again = grid.reduced(again) end
  if maps then
    maps = grid.reduced(maps)
    top = math.max(core.metrics.quantile(maps:reshape {-1}, BRIGHT), 1e-12)
  end
  local lines = {{}, again and {}, maps and {}}
  local shown = {lines[1]}
  for i = 1, #rows do
    lines[1][i] = {x:select(1, i), mask = masks and masks:select(1, i):gt(0) or nil}
    if again then lines[2][i] = {again:select(1, i)} end
    if maps then lines[3][i] = {plot.heat(maps:select(1, i), top)} end
  end
  if again then shown[#shown + 1] = lines[2] end
  if maps then shown[#shown + 1] = lines[3] end
  return shown
end

return examples
