--- What an AUROC is worth: the simple baselines beside it, what the score is made of, which pictures it is wrong about,
-- and which training normals look least normal.

local core = require "agad.core"
local columns = require "agad.evaluate.columns"
local format = require("agad.base.text").format
local keys = require("agad.base.values").keys
local printable = require("agad.base.text").printable
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"

local verdict = {}

local MORE = .01                                  -- by which a baseline must be above the model for a warning
local WORST, SUSPECTS, MOST_NORMALS = 8, 5, 1000

-- A list that is written to JSON as one even if it is empty.
local function list_of(t) return setmetatable(t or {}, {__jsontype = "array"}) end

-- AUROC of a column of numbers; null where they are all equal or not finite.
local function auroc(scores, labels)
  if not scores:isfinite():all():item() or scores:max():item() == scores:min():item() then return core.null end
  return core.metrics.auroc(scores, labels)
end

--- AUROC of each score that needs no net, fitted to the task's training normals.
-- @param task task with test pictures
-- @param batch integer pictures per scoring batch
-- @return table name -> AUROC; null where every picture has the same score
function verdict.baselines(task, batch)
  local net, names = scorer.simple(scorer.normals(task))
  local numbers, found = scorer.parts(net, task.test.images, {input = {0, 1}, batch = batch}), {}
  for i, name in ipairs(names) do found[name] = auroc(numbers:select(2, i), task.test.anomalous) end
  return found
end

--- A note if a baseline is above the model.
-- @param baselines table as above
-- @param own number the model's AUROC
-- @return string or nil
function verdict.warning(baselines, own)
  local best
  for _, name in ipairs(keys(baselines)) do
    local value = baselines[name]
    if type(value) == "number" and (not best or value > baselines[best]) then best = name end
  end
  if not best or baselines[best] <= own + MORE then return nil end
  return format("baseline: %s alone reaches %.4f, more than the model's %.4f; train with --set score=%s for it", best,
    baselines[best], own, best)
end

--- AUROC of each part of a score.
-- @param source table input, padded, parts (the parts' names, or nil)
-- @param task task with test pictures
-- @param result table as `columns.measure` gives it
-- @param batch integer
-- @return list of {name, auroc, correlation (with the score, over the test pictures)}; null where a part is constant
function verdict.parts(source, task, result, batch)
  local how, list = columns.how(source, result.column, batch), list_of()
  local numbers = source.parts and scorer.parts(result.net, tasks.pictures(task.test, result.rows), how)
  for i, name in ipairs(numbers and source.parts or {}) do
    local part = numbers:select(2, i):to "float64"
    local part_auroc, correlation = auroc(part, result.labels), core.null
    if part_auroc ~= core.null then
      local both = core.operator "stack"({part, result.scores:to "float64"}, {dim = 1})
      correlation = both:corrcoef()[1][2]:item()
    end
    list[i] = {name = name, auroc = part_auroc, correlation = correlation}
  end
  return list
end

-- A picture of a split in a row: its path, or else its number, with its score.
local function named(split, row, score, more)
  local picture = more or {}
  picture.path = split.paths and printable(split.paths[row + 1]) or core.null
  picture.picture, picture.score = row + 1, score
  return picture
end

--- The test pictures on the wrong side of the threshold.
-- @param result table as `columns.measure` gives it
-- @param task task
-- @param threshold number
-- @return table misses: of (how many anomalies), count, worst (a list of at most 8: picture, path, score; the lowest
--   score first)
-- @return table false_alarms: the same for normals, the highest score first
function verdict.wrong(result, task, threshold)
  local misses, alarms = {of = 0}, {of = 0}
  local scores = result.scores:totable()
  for i, row in ipairs(result.rows) do
    local anomalous = result.labels[i] == 1
    local side = anomalous and misses or alarms
    side.of = side.of + 1
    if (scores[i] > threshold) ~= anomalous then side[#side + 1] = {row = row, score = scores[i]} end
  end
  for sign, side in pairs {[1] = misses, [-1] = alarms} do
    table.sort(side, function(a, b)
      if a.score ~= b.score then return a.score * sign < b.score * sign end
      return a.row < b.row
    end)
    side.count, side.worst = #side, list_of()
    for i = 1, #side do
      if i <= WORST then side.worst[i] = named(task.test, side[i].row, side[i].score) end
      side[i] = nil
    end
  end
  return misses, alarms
end

--- The normals of the training side with the highest scores, among those held out and the first 1,000 others: some may
-- be labelled wrong.
-- @param source table input, padded
-- @param task task
-- @param net net
-- @param column table bn
-- @param batch integer
-- @return list of at most 5: picture, path, score, held_out (boolean); the highest score first; none if all are equal
function verdict.suspects(source, task, net, column, batch)
  local rows = table.move(task.held_out, 1, #task.held_out, 1, {})
  local held_out = #rows
  table.move(task.normals, 1, math.min(MOST_NORMALS, #task.normals), held_out + 1, rows)
  local how, parts = columns.how(source, column, batch), {}
  for first = 1, #rows, batch do
    local some = table.move(rows, first, math.min(first + batch - 1, #rows), 1, {})
    parts[#parts + 1] = scorer.score(net, tasks.pictures(task.train, some), how)
  end
  local scores = core.operator "cat"(parts, {dim = 1})
  if not scores:isfinite():all():item() or scores:max():item() == scores:min():item() then return list_of() end
  local highest, places = scores:topk(math.min(SUSPECTS, #rows))
  local list = list_of()
  for i, place in ipairs(places:totable()) do
    list[i] = named(task.train, rows[place + 1], highest[i]:item(), {held_out = place < held_out})
  end
  return list
end

return verdict
