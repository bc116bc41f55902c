--- Columns: ways of scoring the test pictures, by weights, batch-norm statistics and order.

local configuration = require "agad.base.configuration"
local core = require "agad.core"
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"

require "agad.evaluate.options"                  -- the presets are defined there

local columns = {}

--- Why a method whose key `recalibrate` is false has no column of batch statistics.
columns.RUNNING_ONLY = "what its scores are compared with was fitted under running statistics"

-- The values of bn_eval whose statistics are computed after training, of training pictures.
columns.computed = {recalibrated = true, training = true, mixture = true}

--- The batch-norm statistics of the column `steady`, the threshold and the saved model, all with averaged weights: of
-- bn_eval if they are computed after training, or else others.
-- @param config table bn_eval
-- @param others string what bn_eval = auto stands for (default: recalibrated)
-- @return string
function columns.statistics(config, others)
  return columns.computed[config.bn_eval] and config.bn_eval or others or "recalibrated"
end

--- The columns that every row has, by name: steady, plain, paper_like.
-- @param config table bn_eval
-- @param source table stored (as for `columns.scores`)
-- @return table name -> {weights, bn, order}
function columns.presets(config, source)
  local presets = configuration.presets "preset"
  local function last(name) return {weights = "raw", bn = presets[name].bn_eval, order = presets[name].test_order} end
  return {plain = last "plain", paper_like = last "paper_like", steady = {weights = "average",
    bn = columns.statistics(config, source.stored), order = presets.steady.test_order}}
end

--- The column that a configuration reports as `auroc`: that of its preset, or else (preset = "custom") the averaged
-- weights with the configuration's bn_eval and test_order.
-- @param config table preset, bn_eval, test_order
-- @param source table stored (as for `columns.scores`)
-- @return table weights, bn, order
function columns.own(config, source)
  return columns.presets(config, source)[config.preset] or
    {weights = "average", bn = config.bn_eval, order = config.test_order}
end

--- The rows of the test split, from 0: normals first and then anomalies by class, or shuffled, always in the same way.
-- @param test table the split
-- @param order string "sorted", "shuffled"
-- @return list
function columns.rows(test, order)
  local rows, labels, anomalous = {}, test.labels:totable(), test.anomalous
  for i = 1, #labels do rows[i] = i - 1 end
  if order == "sorted" then
    table.sort(rows, function(a, b)
      local one, two = anomalous[a + 1], anomalous[b + 1]
      if one ~= two then return one < two end
      if labels[a + 1] ~= labels[b + 1] then return labels[a + 1] < labels[b + 1] end
      return a < b
    end)
  else
    local state = 1
    for i = #rows, 2, -1 do
      state = state * 6364136223846793005 + 1442695040888963407
      local j = ((state >> 33) % i) + 1
      rows[i], rows[j] = rows[j], rows[i]
    end
  end
  return rows
end

--- The table of options that the scorer takes besides net and pictures.
-- @param source table input, padded
-- @param column table bn
-- @param batch integer
function columns.how(source, column, batch)
  return {input = source.input, batch = batch, padded = source.padded,
    bn = column.bn == "batch" and "batch" or "running"}
end

--- Scores and labels of the test split under one column.
-- @param source table net(weights, bn): a scoring net, or nil and the reason; input, padded; stored (the statistics of
--   the threshold; default: recalibrated)
-- @param task task
-- @param column table weights, bn, order
-- @param batch integer
-- @return table scores (tensor), labels (list of 0 and 1), rows (of the test split, from 0), net, column; or nil
-- @return string the reason
function columns.scores(source, task, column, batch)
  local net, reason = source.net(column.weights, column.bn)
  if not net then return nil, reason end
  local how = columns.how(source, column, batch)
  source.scored = source.scored or {}
  for _, done in ipairs(source.scored) do                 -- columns of one net that differ in nothing
    if done.net == net and done.test == task.test and done.bn == how.bn and done.column.order == column.order and
       done.batch == batch then
      return {scores = done.scores, labels = done.labels, rows = done.rows, net = net, column = column}
    end
  end
  local rows, labels = columns.rows(task.test, column.order), {}
  for i, row in ipairs(rows) do labels[i] = task.test.anomalous[row + 1] end
  local scores = scorer.score(net, tasks.pictures(task.test, rows), how)
  table.insert(source.scored, {scores = scores, labels = labels, rows = rows, net = net, column = column,
    test = task.test, bn = how.bn, batch = batch})
  return {scores = scores, labels = labels, rows = rows, net = net, column = column}
end

-- The reason why these scores have no AUROC, or nil. For constant scores it would be .5, and meaningless.
local function broken(scores)
  local wrong = scores:isfinite():logical_not()
  local count = wrong:sum():item()
  if count > 0 then
    return ("%d of %d scores are not finite, the first one that of picture %d; AUROC is undefined"):format(count,
      scores:numel(), wrong:to("uint8"):argmax():item() + 1)
  end
  if scores:max():item() == scores:min():item() then
    return "every picture has the same score; the detector has collapsed"
  end
end

--- As `columns.scores`, with the column's AUROC.
-- @return table as there, with auroc; or nil
-- @return string the reason: the column is unavailable, or its scores are constant or not finite
-- @return boolean true if the reason lies in the scores
function columns.measure(source, task, column, batch)
  if #task.test.anomalous == 0 then return nil, "there are no test pictures" end
  local result, reason = columns.scores(source, task, column, batch)
  if not result then return nil, reason end
  reason = broken(result.scores)
  if reason then return nil, reason, true end
  result.auroc = core.metrics.auroc(result.scores, result.labels)
  return result
end

--- The threshold, which this share of the held-out normals is above, under averaged weights, as the model stores it.
-- @param source table net(weights, bn), input, stored, padded; unseen: the scores of the first held-out normals, where
--   the scoring program has learned from these (tensor (n))
-- @return number nil if no normals are held out
-- @return list their scores, sorted
function columns.threshold(source, task, false_alarms, batch)
  if #task.held_out == 0 then return nil end
  local column = {weights = "average", bn = source.stored or "recalibrated"}
  local unseen, list = source.unseen, {}
  local others = table.move(task.held_out, (unseen and unseen:size(1) or 0) + 1, #task.held_out, 1, {})
  if unseen then list[1] = unseen:to {device = "cpu", dtype = "float64"} end
  if #others > 0 then
    list[#list + 1] = scorer.score(source.net(column.weights, column.bn), tasks.pictures(task.train, others),
      columns.how(source, column, batch)):to "float64"
  end
  local scores = core.operator "cat"(list, {dim = 1})
  return core.metrics.quantile(scores, 1 - false_alarms), scores:sort():totable()
end

return columns
