-- The column `steady` by default: ema = auto and bn_eval = auto are 1/16 and mixture where training batches have known
-- anomalies, and else .99 and recalibrated. What a run was decided to be stays so in rows, models and resumed runs.
-- To add a case: {method, given, ema, bn_eval} in `cases`, or a run of trained(options, task).

local agad = require "agad"
local core = agad.core
local evaluate = require "agad.evaluate"
local methods = require "agad.train.method"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local cli = dofile "spec/support/cli.lua"
local small = dofile "spec/support/small_run.lua"
local refused, has, quiet = checks.refused, checks.has, small.quiet
local options = agad.options
teardown(cli.remove)
teardown(function() core.deterministic(false) end)

local function path(name) return cli.dir .. "/" .. name end

local set, known = small.set, small.task
local none = agad.task.one_vs_rest(set, {gamma = 0})
local here = {method = "agad", net = "spec/support/small_net.lua", epochs = 2, min_anom = 2, batch = 16, seed = 5,
  threads = 1, precision = "fp32", deterministic = true}

local function with(more)
  local o = {}
  for key, v in pairs(here) do o[key] = v end
  for key, v in pairs(more or {}) do o[key] = v end
  return o
end

local function trained(more, task, o) return agad.trainer(task or known, with(more), o):fit(quiet) end

local function pair(config) return {config.ema, config.bn_eval} end

-- AUROC of the averaged weights with these statistics.
local function of_average(run, bn)
  return evaluate.column(run.source, run.task, {weights = "average", bn = bn, order = "shuffled"}, 256).auroc
end

describe("ema = auto and bn_eval = auto", function()
  local cases = {
    {"agad", {}, .99, "recalibrated"},
    {"agad", {gamma = 0}, .99, "recalibrated"},
    {"agad", {gamma = "linear:0:0:5"}, .99, "recalibrated"},
    {"agad", {gamma = .001}, "1/16", "mixture"},
    {"agad", {gamma = "0,0.05"}, "1/16", "mixture"},
    {"agad", {gamma = "linear:0.1:0:5"}, "1/16", "mixture"},
    {"agad", {gamma = .05, ema = "auto", bn_eval = "auto"}, "1/16", "mixture"},
    {"agad", {gamma = .05, ema = "1/4"}, "1/4", "mixture"},
    {"agad", {gamma = .05, ema = .5, bn_eval = "training"}, .5, "training"},
    {"agad", {gamma = .05, bn_eval = "recalibrated"}, "1/16", "recalibrated"},
    {"agad", {gamma = .05, preset = "plain"}, "1/16", "running"},
    {"agad", {ema = "1/16", bn_eval = "mixture"}, "1/16", "mixture"},
    {"agad", {gamma = "all"}, "auto", "auto"},             -- the task says whether there are any
    {"agad_local", {gamma = .05}, 0.0, "recalibrated"},
    {"agad_local", {gamma = "all"}, 0.0, "recalibrated"},
    {"ganomaly", {gamma = .05}, .99, "recalibrated"},      -- known anomalies are in no batch
    {"supervised", {gamma = .05}, 0.0, "mixture"},
  }
  for _, c in ipairs(cases) do
    it(("are decided before hashing: %s, %s"):format(c[1], core.json_encode(c[2])), function()
      local method = methods.load(c[1])
      local config = options.resolve(method, c[2])
      assert.same({c[3], c[4]}, pair(config))
      local said = options.merge({ema = c[3], bn_eval = c[4]}, c[2])
      assert.equal(options.hash(options.resolve(method, options.merge(said, {ema = c[3], bn_eval = c[4]}))),
        options.hash(config))
      assert.same(config, options.resolve(method, config))
    end)
  end

  it("follow the task where gamma is all, or a function", function()
    local bare = agad.data.weave {train_normals = 60, train_defects = 0, test_normals = 12, test_defects = 12}
    local function decided(of, gamma)
      local task = agad.task.one_vs_rest(of, {gamma = gamma})
      return pair(agad.trainer(task, with()).config)
    end
    assert.same({"1/16", "mixture"}, decided(set, "all"))
    assert.same({.99, "recalibrated"}, decided(bare, "all"))
    assert.same({"1/16", "mixture"}, decided(set, function() return .1 end))
  end)

  it("keep batch norm as in training for a method that is not recalibrated", function()
    local fixed = setmetatable({recalibrate = false}, {__index = methods.load "agad"})
    assert.same({"1/16", "recalibrated"}, pair(options.resolve(fixed, {gamma = .05})))
  end)

  it("are explained by the help", function()
    local status, out = cli.agad "info weave --method agad"
    assert.equal(0, status)
    has(out:gsub("%s+", " "), "auto = 1/16 where batches have known anomalies, or else 0.99",
      "auto mixture where batches have known anomalies, or else recalibrated")
  end)
end)

describe("a run by default", function()
  it("has a column steady of averaged weights over 1/16 with statistics of the mixture, and no other column", function()
    local run = trained()
    local row = run:evaluate(quiet)
    assert.same({"steady", "1/16", "mixture"}, {row.preset, table.unpack(pair(row.config))})
    assert.same({row.auroc_steady, of_average(run, "mixture")}, {row.auroc, row.auroc_steady})
    has(tostring(row), "averaged weights, mixture statistics")
    assert.is_nil(tostring(row):find "custom")
    local said = trained {ema = "1/16", bn_eval = "mixture"}
    assert.equal(small.comparable(row), small.comparable(said:evaluate(quiet)))
    local other = trained {bn_eval = "recalibrated"}
    local normals = other:evaluate(quiet)
    assert.same({"steady", of_average(run, "recalibrated")}, {normals.preset, normals.auroc_steady})
    assert.not_equal(row.threshold, normals.threshold)
    has(tostring(normals), "averaged weights, recalibrated")
  end)

  it("has the same column beside those of another preset, and its threshold", function()
    local row = trained():evaluate(quiet)
    for _, o in ipairs {{preset = "plain"}, {preset = "paper_like"}, {bn_eval = "running"}, {bn_eval = "batch"}} do
      local other = trained(o):evaluate(quiet)
      assert.same({row.auroc_steady, row.threshold}, {other.auroc_steady, other.threshold})
    end
  end)

  it("without known anomalies is as before: .99, and statistics of the normals", function()
    local run = trained(nil, none)
    local row = run:evaluate(quiet)
    assert.same({"steady", .99, "recalibrated"}, {row.preset, table.unpack(pair(row.config))})
    assert.equal(of_average(run, "recalibrated"), row.auroc)
    local said = trained({ema = .99, bn_eval = "recalibrated"}, none):evaluate(quiet)
    assert.equal(small.comparable(said), small.comparable(row))
  end)
end)

describe("a resumed run", function()
  local function stopped(name, more)
    local run, count = agad.trainer(known, with(more), {dir = path(name)}), 0
    run:fit(function(e)
      count = count + (e.kind == "step" and 1 or 0)
      return e.kind == "step" and count == 3 and "stop" or nil
    end)
    run:close()
  end

  local function assert_ends_as(whole, name, more)
    local again = trained(more, known, {dir = path(name), resume = true})
    assert.equal(3, again.resumed)
    assert.equal(small.comparable(whole:evaluate(quiet)), small.comparable(again:evaluate(quiet)))
    again:close()
  end

  it("ends as one that never stopped, to the bit", function()
    stopped "auto"
    assert_ends_as(trained(), "auto")
  end)

  it("goes on by the rule that it began with where none is given, and is refused another one", function()
    local old = {ema = .99, bn_eval = "recalibrated"}
    stopped("old", old)
    has(refused(trained, {ema = "1/16"}, known, {dir = path "old", resume = true}), "ema = 0.99, now 1/16")
    has(refused(trained, {bn_eval = "mixture"}, known, {dir = path "old", resume = true}),
      "bn_eval = recalibrated, now mixture")
    has(refused(trained, {preset = "plain"}, known, {dir = path "old", resume = true}), "preset = steady, now plain")
    assert_ends_as(trained(old), "old", {ema = "auto"})
  end)
end)

describe("a model", function()
  local pictures, labels = {}, known.test.anomalous
  setup(function()
    for i = 1, #labels do
      pictures[i] = ("p%02d.png"):format(i)
      agad.data.write_png(path(pictures[i]), set.test.images:select(1, i))
    end
  end)

  local function by_score(name)
    local status, out = cli.agad(("score %s %s --threads 1 --json"):format(name, table.concat(pictures, " ")))
    assert.equal(0, status)
    local scores = {}
    for line in out:gmatch "[^\n]+" do scores[#scores + 1] = core.json_decode(line).score end
    return core.metrics.auroc(scores, labels)
  end

  for _, c in ipairs {{"new", nil, "1/16", "mixture"},
    {"old", {ema = .99, bn_eval = "recalibrated"}, .99, "recalibrated"}} do
    it(("scores and evaluates with the pair that it was trained with (%s, %s)"):format(c[3], c[4]), function()
      local file = c[1] .. ".st"
      local run = trained(c[2], known, {dir = path(c[1] .. ".run")})
      local row = run:evaluate(quiet)
      run:save(path(file))
      run:close()
      local model = agad.model.open(path(file))
      assert.same({c[3], c[4], c[4]}, {model.config.ema, model.config.bn_eval, model.info.statistics})
      assert.near(row.auroc_steady, by_score(file), 1e-6)
      for _, config in ipairs {{}, {preset = "steady", bn_eval = "auto"}, {preset = "plain", bn_eval = "running"}} do
        local again = model:evaluate(known, {config = config, run = path(c[1] .. ".run")})
        assert.same({row.auroc_steady, row.auroc_plain}, {again.auroc_steady, again.auroc_plain})
        assert.equal(config.preset == "plain" and row.auroc_plain or row.auroc_steady, again.auroc)
      end
      local other = c[4] == "mixture" and "recalibrated" or "mixture"
      local refusing = model:evaluate(known, {config = {bn_eval = other}})
      assert.equal(core.null, refusing.auroc)
      has(table.concat(refusing.notes, "\n"), ("bn_eval = %s, not those of %s"):format(c[4], other))
      local aurocs = {}
      for i, more in ipairs {"", "--preset steady", "--set bn_eval=auto"} do
        local status, out, err = cli.agad(("evaluate %s weave --threads 1 --quiet --json %s"):format(file, more))
        assert.equal(0, status, err)
        local got = core.json_decode(out)
        assert.same({got.auroc, c[3], c[4]}, {got.auroc_steady, table.unpack(pair(got.config))})
        aurocs[i] = got.auroc
      end
      assert.same({aurocs[1], aurocs[1]}, {aurocs[2], aurocs[3]})
    end)
  end
end)
