-- Evaluation rows: which column is called auroc, what stands beside it, what is null and why; best_val; the text.
-- To add a case: a test over trained(options) or variant {other test pictures}; what a column is, by_hand(…) computes.

local agad = require "agad"
local core = require "agad.core"
local columns = require "agad.evaluate.columns"
local evaluate = require "agad.evaluate"
local report = require "agad.evaluate.report"
local scorer = require "agad.evaluate.scorer"
local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local metrics = agad.metrics

core.threads(1)

local quiet = function() end
local set = agad.data.weave {train_normals = 60, train_defects = 20, test_normals = 20, test_defects = 25}
local task = agad.task.one_vs_rest(set, {gamma = 0.05})
local small = {net = "examples/small_net.lua", epochs = 2, batch = 16, min_anom = 2, seed = 5, threads = 1,
  precision = "fp32"}

local function with(more)
  local o = {}
  for key, value in pairs(small) do o[key] = value end
  for key, value in pairs(more or {}) do o[key] = value end
  return o
end

local function trained(more, t) return agad.trainer(t or task, with(more)):fit(quiet) end

-- A task with other test pictures; `changes` replace fields of the test split.
local function variant(changes, of_task)
  local t = setmetatable({test = setmetatable(changes, {__index = task.test})}, {__index = task, __name = "variant"})
  for key, value in pairs(of_task or {}) do t[key] = value end
  return t
end

local function notes(row) return table.concat(row.notes, "\n") end

local function file_name()
  local path = os.tmpname()
  os.remove(path)
  return path .. ".safetensors"
end

-- AUROC of a run's nets by hand.
local function by_hand(run, weights, bn, order, batch)
  local scores = columns.scores(run.source, task, {weights = weights, bn = bn, order = order}, batch or 256)
  return metrics.auroc(scores.scores, scores.labels)
end

describe("the column called auroc", function()
  local run = trained()
  run:evaluate(quiet)
  local cases = {
    {{preset = "steady"}, "average", "mixture", "shuffled"},
    {{bn_eval = "auto"}, "average", "mixture", "shuffled"},
    {{bn_eval = "recalibrated"}, "average", "recalibrated", "shuffled"},
    {{preset = "steady", bn_eval = "training"}, "average", "training", "shuffled"},
    {{bn_eval = "recalibrated", test_order = "sorted"}, "average", "recalibrated", "sorted"},
    {{preset = "plain", bn_eval = "recalibrated"}, "average", "recalibrated", "shuffled"},
    {{preset = "plain"}, "raw", "running", "shuffled"},
    {{preset = "paper_like", eval_batch = 15}, "raw", "batch", "sorted"},
    {{bn_eval = "running"}, "average", "running", "shuffled"},
    {{bn_eval = "batch", eval_batch = 15}, "average", "batch", "shuffled"},
    {{bn_eval = "batch", test_order = "sorted", eval_batch = 15}, "average", "batch", "sorted"},
    {{preset = "plain", bn_eval = "batch", eval_batch = 15}, "average", "batch", "shuffled"},
    {{preset = "paper_like", selection = "last", eval_batch = 15}, "average", "batch", "sorted"},
  }
  for _, c in ipairs(cases) do
    local parts = {}
    for key, value in pairs(c[1]) do parts[#parts + 1] = key .. "=" .. value end
    table.sort(parts)
    it("is its own for " .. table.concat(parts, ", "), function()
      local config, steady = agad.options.resolve(run.method, with(c[1]), {gamma = 0.05}), c[3]
      if steady == "running" or steady == "batch" then steady = "mixture" end     -- what auto stands for
      local row, batch = evaluate.row(run.source, task, config), c[1].eval_batch
      assert.equal(by_hand(run, c[2], c[3], c[4], batch), row.auroc)
      assert.equal(by_hand(run, "average", steady, "shuffled", batch), row.auroc_steady)
      assert.equal(by_hand(run, "raw", "running", "shuffled", batch), row.auroc_plain)
      assert.equal(by_hand(run, "raw", "batch", "sorted", batch), row.auroc_paper_like)
      local of_steady = (c[1].preset or "steady") == "steady" and c[3] == steady and not c[1].test_order
      local preset = of_steady and "steady" or not (c[1].bn_eval or c[1].selection) and c[1].preset or "custom"
      assert.equal(preset, config.preset)
      if preset ~= "custom" then assert.equal(row["auroc_" .. preset], row.auroc) end
    end)
  end

  it("is the best epoch by the test labels where best_on_test is asked for, with that epoch's figures", function()
    for _, o in ipairs {{selection = "best_on_test"}, {preset = "paper_like", eval_batch = 15}} do
      o.evaluate_every, o.epochs = 1, 3
      local measured = trained(o)
      local key = o.preset and "auroc_paper_like" or "auroc_steady"
      local best, epoch = 0, nil
      for _, h in ipairs(measured.history) do if h[key] > best then best, epoch = h[key], h.epoch end end
      local row = measured:evaluate(quiet)
      assert.equal(best, row.auroc)
      assert.equal(best, row[o.preset and key or "auroc_best_on_test"])
      if measured.history[3][key] < best then
        has(notes(row), ("those of epoch %d, chosen by the test labels"):format(epoch))
      end
      assert.is_true(row.auroc_interval.low <= best and best <= row.auroc_interval.high)
      assert.equal(core.null, row.selected)
    end
    local row = trained {selection = "best_on_test"}:evaluate(quiet)
    has(notes(row), "selection = best_on_test: needs evaluate_every above 0; auroc is the last epoch's")
    assert.equal(row.auroc_steady, row.auroc)
    assert.equal(core.null, row.auroc_best_on_test)
  end)
end)

describe("a row", function()
  local run = trained()
  local row = run:evaluate(quiet)

  it("has an interval around its AUROC, and classes whose mean it is", function()
    assert.is_true(row.auroc_interval.low < row.auroc and row.auroc < row.auroc_interval.high)
    local sum, n, classes = 0, 0, {}
    for _, c in ipairs(row.per_class) do
      sum, n = sum + c.auroc * c.n, n + c.n
      classes[#classes + 1] = c.class
    end
    assert.equal(25, n)
    assert.same({"scratch", "hole", "stain", "missing_thread", "smudge"}, classes)
    assert.near(row.auroc, sum / n, 1e-12)
    local again = trained():evaluate(quiet)
    assert.same(row.auroc_interval, again.auroc_interval)
  end)

  it("has curves when they are asked for, and is small otherwise", function()
    assert.is_nil(row.roc)
    assert.is_nil(row.histogram)
    assert.is_true(#core.json_encode(row) < 6000)
    local full = run:evaluate(quiet, {curves = true})
    assert.equal(#full.roc.fpr, #full.roc.tpr)
    assert.equal(core.null, full.roc.thresholds[1])
    local area = 0
    for i = 2, #full.roc.fpr do
      area = area + (full.roc.fpr[i] - full.roc.fpr[i - 1]) * (full.roc.tpr[i] + full.roc.tpr[i - 1]) / 2
    end
    assert.near(row.auroc, area, 1e-12)
    local normal, anomalous = 0, 0
    for i = 1, #full.histogram.normal do
      normal, anomalous = normal + full.histogram.normal[i], anomalous + full.histogram.anomalous[i]
    end
    assert.same({20, 25}, {normal, anomalous})
    assert.equal(#full.histogram.normal + 1, #full.histogram.edges)
    assert.same(full.roc, core.json_decode(core.json_encode(full)).roc)
  end)

  it("has F1 at the stored threshold under the column steady only", function()
    local scores = columns.scores(run.source, task, columns.presets(run.config, run.source).steady, 256)
    assert.equal(metrics.f1(scores.scores, scores.labels, row.threshold), row.f1)
    assert.equal(row.f1, trained {test_order = "sorted"}:evaluate(quiet).f1)
    local plain = trained {preset = "plain"}:evaluate(quiet)
    assert.equal(core.null, plain.f1)
    has(notes(plain), "f1, misses, false_alarms: not given, as the threshold is for averaged weights")
    local without = trained(nil, agad.task.one_vs_rest(set, {holdout = 0})):evaluate(quiet)
    assert.same({core.null, core.null}, {without.threshold, without.f1})
    has(notes(without), "threshold, f1, misses, false_alarms: no normals are held out")
  end)

  it("says how well the error map points at the defects, or why it cannot", function()
    local scores = columns.scores(run.source, task, columns.presets(run.config, run.source).steady, 256)
    local maps = scorer.maps(scores.net, task.test.images, {input = {-1, 1}})
    assert.near(metrics.auroc(maps, task.test.masks), row.pixel_auroc, 1e-6)
    assert.is_true(row.pro > 0 and row.pro < 1)
    local bare = evaluate.row(run.source, variant {masks = false}, run.config)
    assert.same({core.null, core.null}, {bare.pixel_auroc, bare.pro})
    has(notes(bare), "pixel_auroc, pro: the test pictures have no masks")
    local empty = evaluate.row(run.source, variant {masks = task.test.masks * 0}, run.config)
    has(notes(empty), "pixel_auroc, pro: 0 defective and")
    local b = agad.nn.builder {1, 32, 32}
    local no_map = agad.nn.net(b:conv(1, {padding = 1}):l2(b.x):build("score"))
    assert.is_nil(scorer.maps(no_map, task.test.images, {input = {-1, 1}}))
  end)

  it("has the plain statistics of the test pictures, and warns where one does as well", function()
    local names = {}
    for i, s in ipairs(row.shortcuts) do names[i] = s.name end
    assert.same({"mean", "sd", "grad_x", "grad_y"}, names)
    local all = agad.data.shortcut(task.test.images, task.test.anomalous)
    assert.same(all, row.shortcuts)
    for _, s in ipairs(all) do assert.is_true(s.auroc <= row.shortcut.auroc) end
    local bytes = {}
    for i, a in ipairs(task.test.anomalous) do bytes[i] = 1000 + 50 * a + i % 7 end
    local sizes = {}
    for i = 1, 45 do sizes[i] = 64 end
    local of = function(list) return core.from_table(list, "int64") end
    local bad = evaluate.row(run.source,
      variant {origin = {height = of(sizes), width = of(sizes), file_bytes = of(bytes)}}, run.config)
    assert.same({name = "file_bytes", auroc = 1}, bad.shortcut)
    assert.equal(7, #bad.shortcuts)
    has(notes(bad), "shortcut: file_bytes of the picture alone reaches 1.00, more than the model")
  end)

  it("knows whether scores depend on order, and whether batches give labels away", function()
    assert.is_true(row.leak.order_invariant)
    assert.is_true(row.leak.order_difference <= 1e-5)
    assert.is_nil(notes(row):find "leak")
    local batch = trained {bn_eval = "batch", eval_batch = 10}:evaluate(quiet)
    assert.is_false(batch.leak.order_invariant)
    assert.is_nil(notes(batch):find "leak")                   -- shuffled: batches say nothing
    -- darker anomalies, sorted: every batch is one or the other
    local dark = variant {images = (task.test.images:to "float32" *
      (core.from_table(task.test.anomalous, "float32"):reshape {45, 1, 1, 1} * -0.3 + 1)):to "uint8"}
    local leaks = evaluate.row(trained({preset = "paper_like", eval_batch = 5}).source or run.source, dark,
      {preset = "paper_like", eval_batch = 5, selection = "best_on_test"})
    assert.is_true(leaks.leak.thermometer > .95)
    assert.is_false(leaks.leak.order_invariant)
    has(notes(leaks), "leak: batch statistics alone reach an AUROC of ", "bn_eval = batch")
  end)

  it("is an error where a class is missing, and all null without test pictures", function()
    local one = variant({}, {counts = {test_normals = 20, test_anomalies = 0}})
    has(refused(evaluate.row, run.source, one, run.config), "20 normal and 0 anomalous", "undefined without both")
    local partial = evaluate.row(run.source, one, run.config, {partial = true})  -- as of a training, which is not lost
    assert.equal(core.null, partial.auroc)
    has(table.concat(partial.notes, "\n"), "no figures for the test split: it has 20 normal and 0 anomalous pictures")
    local none = setmetatable({test = false}, {__index = task})
    local empty = evaluate.row(run.source, none, run.config)
    for _, key in ipairs {"auroc", "auroc_steady", "aupr", "leak", "shortcut", "per_class", "pro"} do
      assert.equal(core.null, empty[key], key)
    end
    has(notes(empty), "there are no test pictures")
  end)

  it("is an error where the scores are constant or not finite, a null column where another's are", function()
    local steady = run.source.net("average", "recalibrated")
    local function broken(weight)
      local net = scorer.net(run.scorer_program, setmetatable({}, {__index = function(_, name)
        for _, list in ipairs {steady:params(), steady:buffers()} do
          for _, p in ipairs(list) do if p.name == name then return p.tensor * weight end end
        end
      end}), false, {dtype = "float32"})
      return {input = {-1, 1}, net = function(weights, bn)
        if weights == "average" then return net end
        return run.source.net(weights, bn)
      end}
    end
    has(refused(evaluate.row, broken(0 / 0), task, run.config),
      "45 of 45 scores are not finite, the first one that of picture 1; AUROC is undefined")
    local grey = variant {images = task.test.images * 0}
    has(refused(evaluate.row, run.source, grey, run.config), "every picture has the same score", "collapsed")
    local config = setmetatable({preset = "plain"}, {__index = run.config})
    local partly = evaluate.row(broken(0 / 0), task, config)
    assert.equal(core.null, partly.auroc_steady)
    assert.is_number(partly.auroc)
    has(notes(partly), "auroc_steady: 45 of 45 scores are not finite")
  end)
end)

describe("selection = best_val", function()
  local every = {selection = "best_val", evaluate_every = 1, epochs = 3}

  it("keeps the weights of the epoch whose known anomalies stand out most from held-out normals", function()
    local run = trained(every)
    local best
    for _, h in ipairs(run.history) do
      assert.equal("AUROC of known anomalies against held-out normals", h.criterion)
      if not best or h.val > best.val then best = h end
    end
    local row = run:evaluate(quiet)
    assert.equal("custom", row.preset)
    assert.same({epoch = best.epoch, value = best.val, criterion = best.criterion}, row.selected)
    assert.equal(best.auroc_steady, row.auroc)
    assert.equal(run.history[3].auroc_steady, row.auroc_steady)    -- the other columns are the last epoch's
    -- the saved model holds that epoch's weights
    local path = file_name()
    run:save(path)
    local model = agad.model.open(path)
    local again = model:evaluate(task)
    local other = model:evaluate(task, {config = {preset = "paper_like", selection = "last"}})
    os.remove(path)
    assert.same({core.null, core.null}, {other.selected, other.auroc})
    assert.same({row.auroc, row.selected, row.threshold}, {again.auroc, again.selected, again.threshold})
    assert.equal(core.null, again.auroc_steady)
    has(notes(again), ("holds the weights of epoch %d (selection = best_val)"):format(best.epoch))
  end)

  it("takes a stored epoch even where later ones are worse", function()
    local run = trained(every)
    local kept = run.best.epoch
    local stop = agad.trainer(task, with {selection = "best_val", evaluate_every = 1, epochs = kept}):fit(quiet)
    local column = {weights = "average", bn = "mixture", order = "shuffled"}
    local a = columns.measure(run.best.source or (run:evaluate(quiet) and run.best.source), task, column, 256)
    stop:evaluate(quiet)
    local b = columns.measure(stop.source, task, column, 256)
    assert.is_true(a.scores:equal(b.scores))
  end)

  it("without known anomalies takes the lowest mean score of held-out normals", function()
    local run = trained(every, agad.task.one_vs_rest(set, {gamma = 0}))
    local lowest
    for _, h in ipairs(run.history) do
      assert.equal("mean held-out score", h.criterion)
      if not lowest or h.val > lowest.val then lowest = h end
    end
    assert.is_true(lowest.val < 0)
    assert.equal(lowest.epoch, run:evaluate(quiet).selected.epoch)
  end)

  it("is refused without held-out normals or evaluations, and says so where no epoch was measured", function()
    has(refused(agad.trainer, task, with {selection = "best_val"}), "set holdout (now 0.1) and " ..
      "evaluate_every (now 0) above 0")
    has(refused(agad.trainer, agad.task.one_vs_rest(set, {holdout = 0}), with(every)), "set holdout (now 0)")
    local run = agad.trainer(task, with(every))
    run:fit(function(e) if e.kind == "step" then return "stop" end end)
    local row = run:evaluate(quiet)
    assert.equal(core.null, row.selected)
    has(notes(row), "best_val: no epoch was evaluated; the last weights are used")
  end)
end)

describe("scores of one picture", function()
  -- Nets with activations of both signs and no even weights: DCGAN's start makes all scores alike.
  local function net_of(name)
    local method = {name = "agad", score = {"l2"}, picture = "generator", input = {-1, 1}}
    local program = scorer.program(method, "l2", {generator = agad.nn.program(name, {1, 32, 32}, {})}, {1, 32, 32})
    local net = agad.nn.net(program):init(4)
    for _, p in ipairs(net:params()) do if p.name:find "conv" then net:set(p.name, p.tensor * 4) end end
    return net
  end
  local pictures = set.train.images
  local n = pictures:size(1)

  for _, name in ipairs {"examples/small_net.lua", "naive"} do
    for _, bn in ipairs {"running", "recalibrated"} do
      it(("are the same to 1e-5 in 20 orders and batches of 1 to 512: %s, %s%s"):format(name, bn,
        name == "naive" and " #slow" or ""), function()
        agad.manual_seed(3)
        local net = net_of(name)
        local how = {input = {-1, 1}, batch = 64}
        if bn == "recalibrated" then core.recalibrate(net, pictures, {low = -1, high = 1, batch = 64}) end
        local want = scorer.score(net, pictures, how)
        assert.is_true((want:max() - want:min()):item() > 0.01 * want:mean():item())
        for round, batch in ipairs {1, 2, 3, 5, 7, 8, 16, 31, 32, 33, 45, 63, 64, 65, 79, 80, 81, 128, 256, 512} do
          local order = agad.randperm(n)
          how.batch = batch
          local scores = scorer.score(net, pictures:index_select(1, order), how):index_select(1, order:argsort())
          local worst = ((scores - want):abs() / want):max():item()
          assert.is_true(worst <= 1e-5, ("order %d, batch %d: %g"):format(round, batch, worst))
        end
      end)
    end
  end

  it("are the same to the bit in any order where batches are padded", function()
    agad.manual_seed(4)
    local net = net_of "naive"
    local how = {input = {-1, 1}, batch = 32, padded = true}
    local want = scorer.score(net, pictures, how)
    for _ = 1, 5 do
      local order = agad.randperm(n)
      assert.is_true(scorer.score(net, pictures:index_select(1, order), how):index_select(1, order:argsort())
        :equal(want))
    end
    for _, i in ipairs {1, 33, 80} do
      assert.equal(want:narrow(1, i, 1):item(), scorer.score(net, pictures:narrow(1, i, 1), how):item())
    end
    assert.is_true(((scorer.score(net, pictures, {input = {-1, 1}, batch = 32}) - want):abs() / want):max():item()
      <= 1e-5)
    -- the statistics of a batch are never those of padding
    local batch = {input = {-1, 1}, batch = 64, bn = "batch"}
    local bare = scorer.score(net, pictures, batch)
    batch.padded = true
    assert.is_true(scorer.score(net, pictures, batch):equal(bare))
  end)
end)

describe("deterministic mode", function()
  teardown(function() core.deterministic(false) end)

  it("gives every picture the same score to the bit in both orders of the test", function()
    local run = trained {deterministic = true, eval_batch = 16}
    run:evaluate(quiet)
    local column = columns.presets(run.config, run.source).steady
    local function by_row(order)
      local result = columns.scores(run.source, task, {weights = column.weights, bn = column.bn, order = order}, 16)
      return result.scores:index_select(1, core.from_table(result.rows, "int64"):argsort())
    end
    assert.is_true(by_row("sorted"):equal(by_row "shuffled"))
  end)
end)

describe("the printed row", function()
  local run = trained {evaluate_every = 1}
  local row = run:evaluate(quiet)

  it("shows the columns side by side within 80 columns", function()
    local text = tostring(row)
    has(text, "AUROC", "95 % interval", "steady", "plain", "paper-like", "best on test", "AUPR", "F1", "shortcut ",
      "thermometer ", "scores do not depend on the batch", "pixel AUROC", ("%.4f"):format(row.auroc_plain),
      ("%.4f-%.4f"):format(row.auroc_interval.low, row.auroc_interval.high))
    assert.is_nil(text:find "missing_thread")
    local classes = report.text(row, {classes = true})
    has(classes, "missing_thread", "against all normals")
    for _, r in ipairs {text, classes} do
      for line in r:gmatch "[^\n]+" do assert.is_true(utf8.len(line) < 80, line) end
    end
  end)

  it("marks the interval on the column that is called auroc, and copes with nulls", function()
    local function line_of(text, name) return text:match("\n  " .. name .. "[^\n]*") end
    local plain = tostring(trained {preset = "plain"}:evaluate(quiet))
    assert.is_truthy(line_of(plain, "plain"):find "%d%-0%.%d+")
    assert.is_nil(line_of(plain, "steady"):find "%d%-0%.%d+")
    local custom = tostring(trained {bn_eval = "batch"}:evaluate(quiet))
    has(line_of(custom, "custom"), "batch, shuffled, last")
    local none = evaluate.row(run.source, setmetatable({test = false}, {__index = task}), run.config)
    has(report.text(none), "note: no figures for the test split")
  end)
end)
