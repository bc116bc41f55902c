-- bn_eval = mixture: batch norm is recalibrated on what the training saw, known anomalies included; on the normals
-- where it saw no others. To add a case: a run of trained(options), whose statistics statistics(run, bn) gives.

local agad = require "agad"
local core = agad.core
local evaluate = require "agad.evaluate"
local phase = require "agad.train.phase"
local scorer = require "agad.evaluate.scorer"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local scratch = dofile "spec/support/scratch.lua"
local path = scratch.path
teardown(scratch.remove)

local set = agad.data.weave {train_normals = 60, train_defects = 20, test_normals = 12, test_defects = 12}
local quiet = function() end

local function task_of(gamma) return agad.task.one_vs_rest(set, {gamma = gamma}) end     -- 40 normals, 20 held out
local known, none = task_of(.2), task_of(0)

local function with(more)
  local o = {method = "agad", net = "spec/support/small_net.lua", epochs = 2, batch = 16, min_anom = 4, seed = 5,
    threads = 1, precision = "fp32", ema = "1/4", bn_eval = "mixture"}
  for key, v in pairs(more or {}) do o[key] = v end
  return o
end

local function trained(more, task, o) return agad.trainer(task or known, with(more), o):fit(quiet) end

-- The batch-norm statistics of a run's averaged weights, by name.
local function statistics(run, bn)
  local net, found = scorer.net(run:scorer(), run:tensors(true), true, {dtype = run.dtype, device = run.device}), {}
  run:recalibrate(net, bn)
  for _, p in ipairs(net:buffers()) do found[p.name] = p.tensor end
  return found
end

local function furthest(a, b)
  local worst = 0
  for name, t in pairs(a) do
    worst = math.max(worst, ((t - b[name]):abs() / (b[name]:abs() + 1e-3)):max():item())
  end
  return worst
end

local function assert_same(a, b)
  for name, t in pairs(a) do assert.equal(t:tostring_bytes(), b[name]:tostring_bytes(), name) end
end

-- Trains, and returns the run with the rows of each batch of its first epoch.
local function watched(more, task)
  local batches, run = {}, agad.trainer(task or known, with(more))
  run:fit(function(e)
    if e.kind == "step" and run.epoch == 1 then
      batches[#batches + 1] = {rows = table.move(run.state.batch, 1, #run.state.batch, 1, {}), n = run.state.n_normal}
    end
  end)
  return run, batches
end

describe("statistics of the mixture", function()
  it("are the mean over the batches that training draws first, as float64 computes them", function()
    for _, more in ipairs {{}, {batch_mode = "append"}} do
      local run, batches = watched(more)
      local n, k = #batches[1].rows, more.batch_mode and 16 or 12
      assert.same({k + 4, k}, {n, batches[1].n})
      local tensors, mean = {}, {}
      for name, t in pairs(run:tensors(true)) do tensors[name] = t:to "float64" end
      for _, batch in ipairs(batches) do
        local net = scorer.net(run:scorer(), tensors, true, {dtype = "float64"})
        local before = {}
        for _, p in ipairs(net:buffers()) do before[p.name] = p.tensor:clone() end
        net(agad.task.pictures(known.train, batch.rows):to "float64" * (2 / 255) - 1, {track = true})
        for _, p in ipairs(net:buffers()) do                    -- a tenth of the batch's, with momentum .1
          local own = (p.tensor - before[p.name] * .9) * 10 / #batches
          mean[p.name] = mean[p.name] and mean[p.name] + own or own
        end
      end
      local found = statistics(run, "mixture")
      for name, t in pairs(found) do found[name] = t:to "float64" end
      assert.is_true(furthest(found, mean) < 1e-4, furthest(found, mean))
      local of_normals = statistics(run, "recalibrated")
      for name, t in pairs(of_normals) do of_normals[name] = t:to "float64" end
      assert.is_true(furthest(of_normals, mean) > 1e-2, furthest(of_normals, mean))
    end
  end)

  it("of training pictures are of the normals and of each known anomaly once, spread evenly", function()
    local run = trained()
    local rows, seen = phase.pictures(run, 1), {}
    for i, row in ipairs(rows) do seen[row] = i end
    assert.same({50, 10}, {#rows, #known.anomalies})
    for i, row in ipairs(known.anomalies) do assert.equal(5 * i, seen[row]) end
    for _, row in ipairs(known.normals) do assert.is_number(seen[row]) end
    local net = scorer.net(run:scorer(), run:tensors(true), true, {dtype = "float32"})
    core.recalibrate(net, agad.task.pictures(known.train, rows), {low = -1, high = 1, batch = 256})
    local found = statistics(run, "training")
    for _, p in ipairs(net:buffers()) do assert.equal(p.tensor:tostring_bytes(), found[p.name]:tostring_bytes()) end
    assert.is_true(furthest(found, statistics(run, "recalibrated")) > 1e-3)
    assert.is_true(furthest(found, statistics(run, "mixture")) > 1e-3)
    assert_same(statistics(trained(nil, none), "training"), statistics(trained(nil, none), "recalibrated"))
  end)

  it("come from training pictures alone", function()
    local dark = setmetatable({test = setmetatable({images = known.test.images * 0}, {__index = known.test})},
      {__index = known, __name = "dark"})
    local a, b = trained(), trained(nil, dark)
    assert_same(statistics(a, "mixture"), statistics(b, "mixture"))
    local train = {}
    for _, name in ipairs {"normals", "anomalies"} do for _, row in ipairs(known[name]) do train[row] = name end end
    local counts = {}
    for _, row in ipairs((phase.mixture(a, 1))) do counts[train[row]] = (counts[train[row]] or 0) + 1 end
    assert.same({normals = 36, anomalies = 12}, counts)
  end)

  it("are those of the normals, to the bit, where no anomaly is known", function()
    local run = trained(nil, none)
    local row = run:evaluate(quiet)
    assert.equal(run.source.net("average", "recalibrated"), run.source.net("average", "mixture"))
    assert_same(statistics(run, "mixture"), statistics(run, "recalibrated"))
    local other = trained({bn_eval = "recalibrated"}, none):evaluate(quiet)
    assert.same({other.auroc, other.threshold, other.f1}, {row.auroc, row.threshold, row.f1})
    assert.not_equal(other.hash, row.hash)
  end)

  it("are those of the normals where batch norm leaves known anomalies out, or batches have none", function()
    for _, value in ipairs {"freeze", "bypass"} do
      local run = trained {freeze_bn = value}
      assert_same(statistics(run, "mixture"), statistics(run, "recalibrated"))
    end
    package.loaded["agad.methods.apart"] = {name = "apart", extends = "agad", anomalies = {in_batches = false}}
    local run = trained {method = "apart"}
    package.loaded["agad.methods.apart"] = nil
    assert_same(statistics(run, "mixture"), statistics(run, "recalibrated"))
  end)

  it("are of the anomalies that an epoch knows, where gamma has a schedule", function()
    local task = task_of {0, .1, .2}
    local run = trained({epochs = 3, evaluate_every = 1, gamma = {0, .1, .2}}, task)
    assert.is_false(phase.mixes(run, 1))
    local counts = {}
    for epoch = 2, 3 do
      local pool, seen, rows = {}, {}, phase.mixture(run, epoch)
      for _, row in ipairs(task:anomalies_at(run.config.gamma[epoch])) do pool[row] = true end
      for _, row in ipairs(rows) do if pool[row] then seen[row] = true end end
      for _ in pairs(seen) do counts[epoch] = (counts[epoch] or 0) + 1 end
      assert.equal(12, #rows - 36)                               -- 3 batches of 12 and 4
      for i, row in ipairs(rows) do assert.equal((i - 1) % 16 >= 12, pool[row] == true) end
    end
    assert.is_true(counts[2] == 4 and counts[3] > 4, ("%d, %d"):format(counts[2], counts[3]))
    assert_same(statistics(run, "mixture"), statistics(run, "mixture"))
  end)
end)

describe("a run with bn_eval = mixture", function()
  it("reports, thresholds and saves by the mixture", function()
    local run = trained()
    local row = run:evaluate(quiet)
    assert.same({"steady", "mixture"}, {row.preset, row.config.bn_eval})
    local column = evaluate.column(run.source, known, {weights = "average", bn = "mixture", order = "shuffled"}, 256)
    assert.same({column.auroc, agad.metrics.f1(column.scores, column.labels, row.threshold)}, {row.auroc, row.f1})
    assert.equal(column.auroc, row.auroc_steady)
    local of_normals = {weights = "average", bn = "recalibrated", order = "shuffled"}
    local normals = evaluate.column(run.source, known, of_normals, 256)
    assert.is_false(normals.scores:equal(column.scores))
    run:save(path "mixture.safetensors")
    local stored = core.load(path "mixture.safetensors")
    for name, t in pairs(statistics(run, "mixture")) do
      assert.equal(t:flatten():tostring_bytes(), stored[name]:flatten():tostring_bytes(), name)
    end
    local model, held_out, test = agad.model.open(path "mixture.safetensors"), {}, {}
    assert.equal("mixture", model.info.statistics)
    for i, one in ipairs(model:score(agad.task.pictures(known.train, known.held_out))) do held_out[i] = one.score end
    assert.near(agad.metrics.quantile(held_out, .95), model.threshold, 1e-6 * model.threshold)
    for i, one in ipairs(model:score(known.test.images)) do test[i] = one.score end
    assert.near(row.auroc, agad.metrics.auroc(test, known.test.anomalous), 1e-6)
    local again = model:evaluate(known)
    assert.same({row.auroc, row.f1, row.auroc_steady}, {again.auroc, again.f1, again.auroc_steady})
    for _, preset in ipairs {"steady", "custom"} do
      local other = model:evaluate(known, {config = {preset = preset, bn_eval = "recalibrated"}})
      assert.same({core.null, core.null}, {other.auroc, other.auroc_steady})
      has(table.concat(other.notes, "\n"),
        "auroc_steady: the model file holds the statistics of bn_eval = mixture, not those of recalibrated")
    end
  end)

  it("saves a model for either where no anomaly is known", function()
    local run = trained(nil, none)
    local row = run:evaluate(quiet)
    run:save(path "normals.safetensors")
    local again = agad.model.open(path "normals.safetensors"):evaluate(none)
    assert.same({row.auroc, row.auroc_steady, row.threshold}, {again.auroc, again.auroc_steady, again.threshold})
  end)

  it("ends as one that never stopped, to the bit, and is not resumed with another bn_eval", function()
    local o, dir, count = {deterministic = true, selection = "best_val", evaluate_every = 1}, path "stopped", 0
    local undisturbed = trained(o)
    local run = agad.trainer(known, with(o), {dir = dir})
    run:fit(function(e)
      count = count + (e.kind == "step" and 1 or 0)
      return e.kind == "step" and count == 4 and "stop" or nil
    end)
    run:close()
    local other = {deterministic = true, selection = "best_val", evaluate_every = 1, bn_eval = "recalibrated"}
    has(refused(trained, other, known, {dir = dir, resume = true}), "bn_eval = mixture, now recalibrated")
    local again = trained(o, known, {dir = dir, resume = true})
    assert.equal(4, again.resumed)
    assert_same(statistics(undisturbed, "mixture"), statistics(again, "mixture"))
    local a, b = undisturbed:evaluate(quiet), again:evaluate(quiet)
    assert.same({a.auroc, a.auroc_steady, a.threshold, a.hash, a.selected},
      {b.auroc, b.auroc_steady, b.threshold, b.hash, b.selected})
    again:close()
  end)
end)
