--- Evaluation: columns of AUROC side by side, thresholds, and the result row.
-- A column is a way of scoring: which weights, which batch norm, which order of the test pictures.

local core = require "agad.core"
local scorer = require "agad.scorer"
local tasks = require "agad.task"

local evaluate = {}

-- What each preset means (the protocol's section 4).
evaluate.columns = {
  steady = {weights = "average", bn = "recalibrated", order = "shuffled"},
  plain = {weights = "raw", bn = "running", order = "shuffled"},
  paper_like = {weights = "raw", bn = "batch", order = "sorted"},
}

-- Rows of the test split, from 0: normals first and anomalies by class, or shuffled by a fixed rule.
local function test_order(task, order)
  local rows, labels = {}, task.test.labels:totable()
  for i = 1, #labels do rows[i] = i - 1 end
  if order == "sorted" then
    table.sort(rows, function(a, b)
      local la, lb = labels[a + 1], labels[b + 1]
      if la ~= lb and (la == task.normal or lb == task.normal) then return la == task.normal end
      if la ~= lb then return la < lb end
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

--- Scores and labels of the test split under one column.
-- @param source table net(weights, bn): a scoring net, or nil and the reason; input
-- @param task task
-- @param column table weights, bn, order
-- @param batch integer
-- @return tensor scores, or nil
-- @return list labels, 0 or 1; or the reason
function evaluate.scores(source, task, column, batch)
  local net, reason = source.net(column.weights, column.bn)
  if not net then return nil, reason end
  local rows = test_order(task, column.order)
  local pictures = tasks.pictures(task.test, rows)
  local scores = scorer.score(net, pictures, {input = source.input, batch = batch,
    bn = column.bn == "batch" and "batch" or "running"})
  local labels = {}
  for i, row in ipairs(rows) do labels[i] = task.test.anomalous[row + 1] end
  return scores, labels
end

local function check_spread(scores)
  local spread = (scores:max() - scores:min()):item()
  if spread ~= spread or spread == math.huge then
    error("evaluation: a score is NaN or infinite; no AUROC can be given", 0)
  end
  if spread == 0 then error("evaluation: every picture has the same score; the detector has collapsed", 0) end
end

--- The AUROC of one column, with its scores and labels; nil and the reason where it cannot be had.
function evaluate.column(source, task, column, batch)
  local scores, labels = evaluate.scores(source, task, column, batch)
  if not scores then return nil, labels end
  check_spread(scores)
  return core.metrics.auroc(scores, labels), scores, labels
end

--- The threshold: a quantile of the scores of held-out normals; nil without any.
function evaluate.threshold(source, task, quantile, batch)
  if #task.held_out == 0 then return nil end
  local pictures = tasks.pictures(task.train, task.held_out)
  local scores = scorer.score(source.net("average", "recalibrated"), pictures, {input = source.input, batch = batch})
  return core.metrics.quantile(scores, quantile)
end

--- All columns that can be had.
-- @param source table net, input, threshold, history (of evaluations during training)
-- @param task task
-- @param config table
-- @param on_event function progress
-- @return table part of a result row; what cannot be had is null, with a reason in notes
function evaluate.row(source, task, config, on_event)
  local row, notes = {}, {}
  local batch, null = config.eval_batch, core.null
  for _, note in ipairs(task.notes) do notes[#notes + 1] = note end
  if task.counts.test_normals == 0 or task.counts.test_anomalies == 0 then
    error(("%s: the test split has %d normal and %d anomalous pictures; AUROC needs both"):format(task.set.name,
      task.counts.test_normals, task.counts.test_anomalies), 0)
  end
  local wanted = {{"auroc_steady", evaluate.columns.steady}, {"auroc_plain", evaluate.columns.plain},
    {"auroc_paper_like", evaluate.columns.paper_like}}
  if config.preset == "custom" then
    wanted[4] = {"auroc", {weights = "average", bn = config.bn_eval, order = config.test_order}}
  end
  local own
  for i, want in ipairs(wanted) do
    local name, column = want[1], want[2]
    local auroc, scores, labels = evaluate.column(source, task, column, batch)
    row[name] = auroc or null
    if not auroc then notes[#notes + 1] = name .. ": " .. scores
    elseif name == "auroc" or name == "auroc_" .. config.preset then own, row.auroc = {scores, labels}, auroc end
    if on_event then on_event {kind = "evaluate", done = i, total = #wanted} end
  end
  row.auroc = row.auroc or null
  local history = source.history or {}
  row.auroc_best_on_test = null
  if #history > 0 then
    for _, h in ipairs(history) do
      row.auroc_best_on_test = math.max(row.auroc_best_on_test ~= null and row.auroc_best_on_test or 0, h.auroc_steady)
      if row.auroc_paper_like ~= null then row.auroc_paper_like = math.max(row.auroc_paper_like, h.auroc_paper_like) end
    end
    if config.preset == "paper_like" then row.auroc = row.auroc_paper_like end
  else
    notes[#notes + 1] = "auroc_best_on_test: needs evaluate_every; auroc_paper_like is the last epoch's"
  end
  row.aupr, row.tpr_at_1fpr, row.tpr_at_5fpr, row.f1, row.best_f1 = null, null, null, null, null
  if own then
    local scores, labels = own[1], own[2]
    row.aupr = core.metrics.average_precision(scores, labels)
    row.tpr_at_1fpr = core.metrics.tpr_at_fpr(scores, labels, 0.01)
    row.tpr_at_5fpr = core.metrics.tpr_at_fpr(scores, labels, 0.05)
    row.best_f1 = core.metrics.best_f1(scores, labels)
    if source.threshold and config.preset == "steady" then
      row.f1 = core.metrics.f1(scores, labels, source.threshold)
    end
  end
  row.threshold = source.threshold or null
  if not source.threshold then notes[#notes + 1] = "threshold, f1: no normals are held out; give holdout" end
  row.leak, row.shortcut = null, null
  notes[#notes + 1] = "leak, shortcut: not measured by this version"
  row.notes, row.counts = notes, task.counts
  return row
end

--- What every row says of where it was made.
function evaluate.provenance(agad)
  local capability = core.capability()
  return {versions = {agad = agad.version, libtorch = core.libtorch, lua = _VERSION:match "%S+$"},
    processor = ("%s (%s)"):format(core.processor(), capability)}
end

return evaluate
