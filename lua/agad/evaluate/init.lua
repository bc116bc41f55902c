--- Evaluation: AUROC in several columns (ways of scoring), the checks to read them with, and the result row.

local checks = require "agad.evaluate.checks"
local columns = require "agad.evaluate.columns"
local core = require "agad.core"
local metrics = require "agad.evaluate.metrics"
local verdict = require "agad.evaluate.verdict"

local evaluate = {columns = columns.presets, own = columns.own, column = columns.measure,
  threshold = columns.threshold, how = columns.how}

local null = core.null
local names = {"steady", "plain", "paper_like"}
local NO_HISTORY = "needs evaluate_every above 0"

local function add(notes, more) for _, note in ipairs(more) do notes[#notes + 1] = note end end

-- Whether there are test pictures of both kinds. With only one kind it raises an error, or else (partial) adds a note.
local function has_test(task, row, partial)
  if not task.test or #task.test.anomalous == 0 then
    table.insert(row.notes, "no figures for the test split: there are no test pictures")
    return false
  end
  local counts = task.counts
  if counts.test_normals == 0 or counts.test_anomalies == 0 then
    if partial then
      table.insert(row.notes, ("no figures for the test split: it has %d normal and %d anomalous pictures, and both "
        .. "are needed"):format(counts.test_normals, counts.test_anomalies))
      return false
    end
    error(("%s: the test split has %d normal and %d anomalous pictures; AUROC compares the two and is undefined " ..
      "without both"):format(task.set.name, counts.test_normals, counts.test_anomalies), 0)
  end
  return true
end

-- Adds the column of every preset to the row; returns the results by name.
local function measure_columns(row, source, task, config, on_done)
  local results, presets = {}, columns.presets(config, source)
  for _, name in ipairs(names) do
    local result, reason = columns.measure(source, task, presets[name], config.eval_batch)
    row["auroc_" .. name] = result and result.auroc or null
    if result then results[name] = result
    else table.insert(row.notes, ("auroc_%s: %s"):format(name, reason)) end
    on_done()
  end
  return results
end

-- The best of the evaluated epochs according to the test labels.
local function best_of_history(row, source, selection)
  local history = source.history or {}
  row.auroc_best_on_test = null
  if #history == 0 then
    table.insert(row.notes, ("auroc_best_on_test: %s; auroc_paper_like is the last epoch's"):format(NO_HISTORY))
    if selection == "best_on_test" then
      table.insert(row.notes, ("selection = best_on_test: %s; auroc is the last epoch's"):format(NO_HISTORY))
    end
    return
  end
  local function best(name)
    local value = row["auroc_" .. name]
    for _, h in ipairs(history) do
      local v = h["auroc_" .. name]
      if type(v) == "number" and (value == null or v > value) then value = v end
    end
    return value
  end
  row.auroc_best_on_test, row.auroc_paper_like = best "steady", best "paper_like"
end

--- The figures of the column that is reported as `auroc`.
-- @param source table threshold, stored (as for `columns.scores`)
-- @param result table as `evaluate.column` returns it
-- @param o table curves, seed
function evaluate.figures(source, task, result, o)
  local column = result.column
  local stored = column.weights == "average" and column.bn == (source.stored or "recalibrated")
  local threshold = stored and source.threshold or nil
  local row = metrics.of(result, task, {threshold = threshold, curves = o and o.curves, seed = o and o.seed})
  row.misses, row.false_alarms = null, null
  if threshold then row.misses, row.false_alarms = verdict.wrong(result, task, threshold) end
  return row
end

-- Everything about the column called `auroc`, with the checks to read it with.
local function measure_own(row, source, task, config, result, o)
  local batch, notes = config.eval_batch, row.notes
  for key, v in pairs(evaluate.figures(source, task, result, {curves = o.curves})) do row[key] = v end
  local best = config.selection == "best_on_test" and source.best_on_test
  if best and best.figures.auroc > row.auroc then
    for key, v in pairs(best.figures) do
      if o.curves or key ~= "roc" and key ~= "histogram" then row[key] = v end
    end
    table.insert(notes, ("selection = best_on_test: the figures are those of epoch %d, chosen by the test labels")
      :format(best.epoch))
  end
  if row.auroc_interval == null then
    table.insert(notes, "auroc_interval: not computed for more than a million scores")
  end
  local found, more = checks.leak(source, task, result, batch)
  row.leak = found
  add(notes, more)
  local located, reason = checks.localisation(source, task, result, batch)
  row.pixel_auroc, row.pro = located and located.pixel_auroc or null, located and located.pro or null
  if reason then table.insert(notes, "pixel_auroc, pro: " .. reason) end
  row.parts = verdict.parts(source, task, result, batch)
  add(notes, {verdict.warning(row.baselines, row.auroc)})
  if row.f1 == null and source.threshold then
    table.insert(notes, "f1, misses, false_alarms: not given, as the threshold is for averaged weights with " ..
      "the batch-norm statistics of the column steady")
  end
end

-- The most suspicious training normals, if the column called auroc has a net.
local function find_suspects(row, source, task, config)
  local column = columns.own(config, source)
  local net, reason = source.net(column.weights, column.bn)
  if net then row.suspects = verdict.suspects(source, task, net, column, config.eval_batch)
  else table.insert(row.notes, "suspects: " .. reason) end
end

--- Computes all columns that are available.
-- @param source table net(weights, bn), input, threshold, stored, padded, history (of evaluations during training),
--   best_on_test ({epoch, figures}), own (with selection = best_val: another source, for the column reported as auroc)
-- @param task task
-- @param config table
-- @param o table on_event (function: progress), curves (true: row.roc and row.histogram), partial (true: a test split
--   of one kind gives a row without figures)
-- @return table part of a result row; a figure that is unavailable is null, with the reason in notes
-- @return table the scores behind the column called auroc, as `columns.measure` gives them, or nil
-- @raise the test pictures are only normal or only anomalous; scores of the column called auroc are constant or not
--   finite
function evaluate.row(source, task, config, o)
  o = o or {}
  local row = metrics.none()
  for _, name in ipairs {"auroc_steady", "auroc_plain", "auroc_paper_like", "auroc_best_on_test", "leak", "shortcut",
    "shortcuts", "pixel_auroc", "pro", "baselines", "parts", "misses", "false_alarms", "suspects"} do
    row[name] = null
  end
  row.notes, row.counts = table.move(task.notes, 1, #task.notes, 1, {}), task.counts
  local own_source = source.own or source
  row.threshold = own_source.threshold or null
  if not own_source.threshold then
    table.insert(row.notes, "threshold, f1, misses, false_alarms: no normals are held out; set holdout above 0")
  end
  if config.selection == "best_val" and not source.own then
    table.insert(row.notes, "selection = best_val: no epoch was evaluated; the last weights are used")
  end
  find_suspects(row, own_source, task, config)
  if not has_test(task, row, o.partial) then return row end
  local done = 0
  local function on_done()
    done = done + 1
    if o.on_event then o.on_event {kind = "evaluate", done = done, total = 5} end
  end
  local results = measure_columns(row, source, task, config, on_done)
  best_of_history(row, source, config.selection)
  local result, reason, broken = results[config.preset], nil, nil
  if not result or source.own then
    result, reason, broken = columns.measure(own_source, task, columns.own(config, own_source), config.eval_batch)
  end
  on_done()
  row.baselines = verdict.baselines(task, config.eval_batch)
  if result then measure_own(row, own_source, task, config, result, o)
  elseif broken then error("evaluation: " .. reason, 0)
  else table.insert(row.notes, "auroc, leak, parts, misses, false_alarms: " .. reason) end
  local best, all, more = checks.shortcuts(task, result and row.auroc)
  row.shortcut, row.shortcuts = best, all
  add(row.notes, more)
  on_done()
  return row, result
end

--- The part of a result row that says where it was made: versions, processor and so on.
function evaluate.provenance(agad)
  local capability = core.capability()
  return {versions = {agad = agad.version, libtorch = core.libtorch, lua = _VERSION:match "%S+$"},
    processor = ("%s (%s)"):format(core.processor(), capability)}
end

return evaluate
