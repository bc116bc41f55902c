--- The figures of one column: AUROC with its interval and by class, further metrics, curves.

local core = require "agad.core"

local metrics = {}

local of_core = core.metrics
local RESAMPLES, MOST_SCORES = 1000, 1000000     -- an interval of more scores takes minutes and is narrow
local ROC_POINTS, BINS = 200, 50

--- AUROC of each class of anomalies against all test normals.
-- @param result table scores, labels, rows (`agad.evaluate.columns`)
-- @param task task
-- @return list of {class, n, auroc}, in the order of the set's classes
function metrics.per_class(result, task)
  local of, scores, list = task.test.labels:totable(), result.scores:totable(), {}
  local normals, by_class = {}, {}
  for i, row in ipairs(result.rows) do
    if result.labels[i] == 0 then
      normals[#normals + 1] = scores[i]
    else
      local label = of[row + 1]
      by_class[label] = by_class[label] or {}
      table.insert(by_class[label], scores[i])
    end
  end
  local truth = {}
  for i = 1, #normals do truth[i] = 0 end
  for label = 0, #task.set.classes - 1 do
    local bad = by_class[label]
    if bad then
      for i = 1, #bad do normals[#truth + i] = bad[i] end
      local both = table.move(truth, 1, #truth, 1, {})
      for i = 1, #bad do both[#truth + i] = 1 end
      list[#list + 1] = {class = task.set.classes[label + 1], n = #bad, auroc = of_core.auroc(normals, both)}
      for i = #normals, #truth + 1, -1 do normals[i] = nil end
    end
  end
  return list
end

-- Points of the ROC curve; the first threshold is above all scores.
local function roc(scores, labels)
  local curve = of_core.roc(scores, labels, ROC_POINTS)
  curve.thresholds[1] = core.null
  return curve
end

--- All figures of one column.
-- @param result table scores, labels, rows, auroc
-- @param task task
-- @param o table threshold (of these scores; nil: no F1), curves (true: roc and histogram too), seed
-- @return table part of a result row
function metrics.of(result, task, o)
  local scores, labels = result.scores, result.labels
  local row = {auroc = result.auroc, auroc_interval = core.null, f1 = core.null}
  if #labels <= MOST_SCORES then
    local low, high = of_core.auroc_interval(scores, labels, {resamples = RESAMPLES, seed = o.seed or 1})
    row.auroc_interval = {low = low, high = high}
  end
  row.aupr = of_core.average_precision(scores, labels)
  row.tpr_at_1fpr = of_core.tpr_at_fpr(scores, labels, 0.01)
  row.tpr_at_5fpr = of_core.tpr_at_fpr(scores, labels, 0.05)
  row.best_f1, row.best_f1_threshold = of_core.best_f1(scores, labels)
  if o.threshold then row.f1 = of_core.f1(scores, labels, o.threshold) end
  row.per_class = metrics.per_class(result, task)
  if o.curves then row.roc, row.histogram = roc(scores, labels), of_core.histogram(scores, labels, BINS) end
  return row
end

--- The same keys, all null, for a row without figures.
function metrics.none()
  local row = {}
  for _, name in ipairs {"auroc", "auroc_interval", "aupr", "tpr_at_1fpr", "tpr_at_5fpr", "f1", "best_f1",
    "best_f1_threshold", "per_class"} do row[name] = core.null end
  return row
end

return metrics
