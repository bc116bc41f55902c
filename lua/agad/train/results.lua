--- Results of a run: evaluation during training, the result row, the saved model. These are methods of a run.

local columns = require "agad.evaluate.columns"
local core = require "agad.core"
local errors = require "agad.base.errors"
local evaluate = require "agad.evaluate"
local grid = require "agad.evaluate.grid"
local options = require "agad.base.configuration"
local phase = require "agad.train.phase"
local report = require "agad.evaluate.report"
local scorer = require "agad.evaluate.scorer"
local scores = require "agad.evaluate.scores"
local selection = require "agad.train.selection"
local tasks = require "agad.task"
local less = require("agad.base.text").less
local format = require("agad.base.text").format

local run = {}

-- The epoch whose weights a run has.
local function epoch_now(self) return math.max(1, math.min(self.epoch, phase.epochs(self))) end

--- Gives a scoring net the batch-norm statistics of training pictures, computed in one pass.
-- @param net net one with statistics of its own (`agad.evaluate.scorer`'s `net`)
-- @param bn string "recalibrated": of all normals; "training": of these and the known anomalies, each once; "mixture":
--   of one epoch's batches, in which known anomalies are many. The last two are the first where batches have none.
-- @param epoch integer whose known anomalies are meant (default: the current one's)
function run:recalibrate(net, bn, epoch)
  epoch = epoch or epoch_now(self)
  local rows, size = self.task.normals, self.config.eval_batch
  local mixes = phase.mixes(self, epoch)
  if bn == "training" and mixes then rows = phase.pictures(self, epoch) end
  if bn == "mixture" and mixes then rows, size = phase.mixture(self, epoch) end
  core.recalibrate(net, tasks.pictures(self.task.train, rows),
    {low = self.method.input[1], high = self.method.input[2], batch = size})
end

-- Scoring nets of an epoch by weights ("average", "raw") and by batch-norm statistics (the values of bn_eval); each is
-- made when it is first needed.
local function source_of(self, tensors, epoch)
  local where = {dtype = self.dtype, device = self.device}
  local input, batch, made = self.method.input, self.config.eval_batch, {}
  local function new(weights, bn)
    local program, all = self:scorer(), tensors(weights == "average")
    for name, t in pairs(self.score_keep) do all[scorer.kept(name)] = t:flatten():to(where):clone() end
    local own = columns.computed[bn]
    local net = scorer.net(program, all, own, where)
    if own then self:recalibrate(net, bn, epoch) end
    scorer.settle(net, self.config.score, function() return tasks.pictures(self.task.train, self.task.held_out) end,
      {input = input, batch = batch, bn = bn == "batch" and bn or "running"})
    return net
  end
  local function net(weights, bn)
    if self.method.recalibrate == false then
      if bn == "batch" then return nil, columns.RUNNING_ONLY end
      bn = "running"
    end
    if columns.computed[bn] and not phase.mixes(self, epoch) then bn = "recalibrated" end
    if not next(self.averaged) then weights = "raw" end
    local key = weights .. " " .. bn
    made[key] = made[key] or new(weights, bn)
    return made[key]
  end
  self:scorer()
  local unseen = self.config.score == "own" and self.method.held_out_scores
  return {net = net, input = input, padded = self.config.deterministic, parts = self.parts,
    stored = self.statistics, unseen = unseen and self.keep[unseen] or nil}
end

-- The scoring nets of the current weights.
local function sources(self)
  if self.source and self.source.steps == self.steps then return self.source end
  self.source = source_of(self, function(averaged) return self:tensors(averaged) end, epoch_now(self))
  self.source.steps, self.source.history = self.steps, self.history
  return self.source
end

-- The scoring nets of the column called `auroc`, with their threshold: of the epoch that best_val chose, or current.
local function chosen(self)
  local best, source = self.best, sources(self)
  if best then
    best.source = best.source or source_of(self, function() return best.tensors end, best.epoch)
    source = best.source
  end
  if not source.threshold then
    source.threshold, source.held_out_scores =
      evaluate.threshold(source, self.task, self.config.false_alarms, self.config.eval_batch)
  end
  return source
end

-- Selects the epoch just evaluated if it is the best so far.
local function select_epoch(self, source, entry)
  local config = self.config
  if config.selection == "best_val" or config.patience > 0 then
    entry.val, entry.criterion = selection.criterion(source, self.task, config)
  end
  if config.selection == "best_val" then
    self.best = selection.better(self.best, self.epoch, entry.val, entry.criterion, self:tensors(true))
  elseif config.selection == "best_on_test" then
    local result = evaluate.column(source, self.task, evaluate.own(config, source), config.eval_batch)
    if result and (not self.best_on_test or result.auroc > self.best_on_test.figures.auroc) then
      self.best_on_test = {epoch = self.epoch,
        figures = evaluate.figures(source, self.task, result, {curves = true})}
    end
  end
end

--- The scoring program, made when it is first needed.
-- @raise the score uses a kept tensor that no phase has computed yet
function run:scorer()
  local early = not phase.is_last(self) or self.phase > 1 and not self.started
  if early and self.method.keep then
    error(("method %s has no scores before its phase %s, and the run is still in phase %s"):format(self.method.name,
      self.method.phases[#self.method.phases].name, self:phase_name()), 0)
  end
  if self.scorer_program then return self.scorer_program end
  local score = self.config.score
  for _, need in ipairs(scores[score] and scores[score].needs or {}) do
    if need == "held_out" and #self.task.held_out == 0 then
      error(("score = %s needs held-out normals: set holdout above 0"):format(score), 0)
    end
  end
  self.score_keep = scorer.fit(self.method, score, function() return scorer.normals(self.task) end)
  self.scorer_program, self.parts = scorer.program(self.method, score, self.programs, self.shape,
    options.merge(options.merge({}, self.keep), self.score_keep))
  return self.scorer_program
end

-- Adds an evaluation of the current weights to the log.
local function log_evaluation(self, source, entry, on_event)
  local column = evaluate.columns(self.config, source).steady
  local net = source.net(column.weights, column.bn)
  self:log_evaluation(entry, net, evaluate.how(source, column, self.config.eval_batch), on_event)
end

--- Evaluates every column with the current weights and adds them to `history`; an unavailable column is null.
function run:measure(on_event)
  local began, source, batch = core.clock(), sources(self), self.config.eval_batch
  local entry, parts = {kind = "evaluate", epoch = self.epoch, step = self.steps}, {}
  local presets = evaluate.columns(self.config, source)
  for _, name in ipairs {"steady", "plain", "paper_like"} do
    local result = evaluate.column(source, self.task, presets[name], batch)
    entry["auroc_" .. name] = result and result.auroc or core.null
    if name ~= "paper_like" then
      parts[#parts + 1] = result and format("%s %.4f", name, result.auroc) or name .. " -"
    end
  end
  select_epoch(self, source, entry)
  entry.seconds = core.clock() - began
  log_evaluation(self, source, entry, on_event)
  table.insert(self.history, entry)
  if on_event then
    on_event {kind = "note", text = ("epoch %d: AUROC %s"):format(self.epoch, table.concat(parts, ", "))}
  end
  return entry
end

-- The epochs of the last phase that trained.
local function epochs_of(self) return self.epoch > 0 and self.epoch or self.epochs_before or 0 end

-- What rows and models record about the epoch that best_val chose.
local function about_best(best)
  return best and {epoch = best.epoch, value = best.value, criterion = best.criterion} or core.null
end

-- Writes the grid of errors to the run directory; self.grid is then its path.
local function draw_errors(self, row, source, result)
  self.grid = nil
  if not result or row.misses == core.null then return end
  local path, how = self.dir .. "/grid.png", evaluate.how(source, result.column, self.config.eval_batch)
  local ok, reason = errors.try(grid.write, row, self.task, result.net, how, path)
  if not ok then table.insert(row.notes, errors.text(reason)) end
  self.grid = ok and reason and path or nil
end

--- Evaluates under every preset. In a run directory it also writes result.json and grid.png (the pictures that the
-- model is most wrong about), whose path is then in the field `grid`.
-- @param on_event function progress
-- @param o table curves (false; true: points of the ROC curve and histograms of the scores in the row)
-- @return table the result row, as `agad train --json` prints it; printing it shows its columns
-- @raise scores are not finite or all equal
-- @example row = run:evaluate(); row.auroc
function run:evaluate(on_event, o)
  local began = core.clock()
  local source, own = sources(self), chosen(self)
  source.own, source.best_on_test = own ~= source and own or nil, self.best_on_test
  local row, result = evaluate.row(source, self.task, self.config,
    {on_event = on_event, curves = o and o.curves, partial = true})
  row.selected = about_best(self.best)
  options.merge(row, evaluate.provenance(require "agad"))
  for _, note in ipairs(self.notes) do table.insert(row.notes, note) end
  if self.unsaved then table.insert(row.notes, self.unsaved) end
  row.method, row.config = self.method.name, options.plain(self.config)
  local hashed, hash = errors.try(options.hash, self.config)
  row.hash = hashed and hash or core.null
  if not hashed then table.insert(row.notes, "hash: " .. errors.text(hash)) end
  row.params, row.epochs, row.steps = self.info.params, epochs_of(self), self.steps
  row.minutes = self.config.minutes > 0 and self.config.minutes or core.null
  row.precision, row.device, row.seed, row.preset = self.precision, self.device, self.config.seed, self.config.preset
  row.collapses = self.step:collapses()
  row.images_per_second = self.images_per_second or core.null
  row.train_seconds = self.train_seconds
  row.seconds = (self.seconds or 0) + core.clock() - began
  log_evaluation(self, source, {kind = "result", epoch = row.epochs, step = self.steps, auroc_steady = row.auroc_steady,
    auroc_plain = row.auroc_plain, auroc_paper_like = row.auroc_paper_like}, on_event)
  if self.rundir then
    local ok, reason = errors.try(self.rundir.result, self.rundir, row)
    if not ok then table.insert(row.notes, errors.text(reason)) end   -- the row is not lost
    draw_errors(self, row, own, result)
  end
  return setmetatable(row, {__tostring = report.text})
end

--- Saves the model: the scoring program with averaged, recalibrated weights, the discriminator, the threshold.
-- @param path string safetensors; written beside its target and renamed
-- @raise it cannot be written
-- @example run:save "weave.safetensors"
function run:save(path)
  local source = chosen(self)
  local about = evaluate.provenance(require "agad")
  about.method, about.config = self.method.name, options.plain(self.config)
  about.input, about.shape = self.method.input, self.shape
  about.threshold, about.eval_batch = source.threshold or core.null, self.config.eval_batch
  about.statistics = self.method.recalibrate == false and "running" or source.stored
  about.held_out_scores = source.held_out_scores or core.null       -- for other rates of false alarms
  about.score, about.parts = self.config.score, self.parts or core.null
  about.steps, about.epochs, about.programs = self.steps, epochs_of(self), self.programs
  local set = self.task.set
  about.set = {name = set.name, normal = self.task:normal_names(), options = set.options,
    files = tasks.files(self.task)}
  about.counts, about.params, about.selected = self.task.counts, self.info.params, about_best(self.best)
  local more = {}
  local scored = {}
  local average = source.net("average", source.stored)
  for _, p in ipairs(average:params()) do scored[p.name] = true end
  for _, p in ipairs(average:buffers()) do scored[p.name] = true end
  for name, tensor in pairs(self.best and self.best.tensors or self:tensors(false)) do
    if not scored[name] then more[#more + 1] = {name = name, tensor = tensor} end
  end
  table.sort(more, function(a, b) return less(a.name, b.name) end)
  core.model_save(path, core.json_encode(about), average, more)
end

local results = {}

--- Adds the methods of this file to those of a run.
-- @param class table
function results.extend(class) for name, method in pairs(run) do class[name] = method end end

return results
