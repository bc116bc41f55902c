-- One training whose generator is averaged by several rules at once: AUROC by each of them after some epochs; and what
-- could say without labels when to stop: held-out normals, and these against copies with synthetic defects.

local agad = require "agad"
local core = agad.core
local evaluate = require "agad.evaluate"
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"

local NET = "generator"

-- The synthetic defects of agad_local, in whole pictures, on the held-out normals.
local function synthetic(task, seed)
  local images = task.train.images
  local sample = scorer.normals(task):to "float32"
  local drawer = core.data.defects(images, task.normals, {window = {images:size(3), images:size(4)}, seed = seed,
    mean = sample:mean({dim = {1, 3, 4}}):totable(), sd = sample:std():item()})
  return (drawer:pictures(tasks.pictures(task.train, task.held_out), seed))
end

-- Averages over shares of the steps so far: as the step computes them for `ema = "1/4"` (csrc/train/update.c).
local function new_averages(shares)
  local averages, steps = {}, 0
  for name in pairs(shares) do averages[name] = {} end
  return averages, function(params)
    steps = steps + 1
    for name, share in pairs(shares) do
      for i, p in ipairs(params) do
        local w, weight = p.tensor:detach(), math.min(1, 1 / (share * steps))
        if steps == 1 then averages[name][i] = w:clone() else averages[name][i]:lerp_(w, weight) end
      end
    end
  end
end

local function mean_and_auroc(net, pictures, changed, how)
  local normal = scorer.score(net, pictures, how):totable()
  local all, labels, sum = scorer.score(net, changed, how):totable(), {}, 0
  for i = 1, #all do labels[i] = 1 end
  for _, v in ipairs(normal) do
    all[#all + 1], labels[#labels + 1], sum = v, 0, sum + v
  end
  return sum / #normal, core.metrics.auroc(all, labels)
end

--- Trains and measures. A column is called `plain`, `present` or by a share. Batch norm is as with bn_eval =
-- recalibrated; with " training" or " mixture" after the column's name, as with that bn_eval.
-- @param set set
-- @param o table task (options of the task), run (options of the run; ema is the rule of the column `present`), shares
--   (name -> share of the steps), columns (list), epochs (list: where all of these are measured), every (columns that
--   are measured after each epoch)
-- @return table a record: entries (a list of {epoch, step, columns = {NAME = {auroc, held_out, synthetic}}}: AUROC of
--   the test pictures, mean score of the held-out normals, AUROC of these against their copies with synthetic defects),
--   counts, config, hash, versions, processor, seconds
return function(set, o)
  local began, task = core.clock(), tasks.new(set, o.task)
  local run = agad.trainer(task, o.run)
  local held_out, entries = tasks.pictures(task.train, task.held_out), {}
  local changed = synthetic(task, run.config.seed)
  local averages, add = new_averages(o.shares)
  local how = {input = run.method.input, batch = run.config.eval_batch}

  -- The tensors of a column, and its bn_eval.
  local function weights_of(column)
    if column == "plain" then return run:tensors(false), "running" end
    local rule, bn = column:match "^(%S+) ?(.*)$"
    local tensors, average = run:tensors(true), averages[rule]
    for i, p in ipairs(average and run.nets[NET]:params() or {}) do tensors[NET .. "." .. p.name] = average[i] end
    return tensors, bn == "" and "recalibrated" or bn
  end

  local function measure(column)
    local tensors, bn = weights_of(column)
    local net = scorer.net(run:scorer(), tensors, bn ~= "running", {dtype = run.dtype, device = run.device})
    if bn ~= "running" then run:recalibrate(net, bn) end
    local scores = scorer.score(net, task.test.images, how)
    local mean, against = mean_and_auroc(net, held_out, changed, how)
    return {auroc = core.metrics.auroc(scores, task.test.anomalous), held_out = mean, synthetic = against}
  end

  local wanted = {}
  for _, epoch in ipairs(o.epochs) do wanted[epoch] = o.columns end
  run:fit(function(e)
    if e.kind == "step" then agad.no_grad(function() add(run.nets[NET]:params()) end) end
    if e.kind ~= "epoch" then return end
    local entry = {epoch = e.epoch, step = run.steps, columns = {}}
    for _, column in ipairs(wanted[e.epoch] or o.every) do entry.columns[column] = measure(column) end
    if next(entry.columns) then entries[#entries + 1] = entry end
  end)
  if run.interrupted then error("interrupted", 0) end      -- half a training is no figure
  local from = evaluate.provenance(agad)
  return {entries = entries, counts = task.counts, config = agad.options.plain(run.config),
    hash = agad.options.hash(run.config), versions = from.versions, processor = from.processor,
    seconds = core.clock() - began}
end
