-- What stands beside an AUROC: baselines, parts, pictures on the wrong side of the threshold, suspicious normals, the
-- grid of errors, and how the report shows them.
-- To add a case: a task whose pictures make the answer known.

local agad = require "agad"
local core = require "agad.core"
local drawn = require "agad.data.drawn"
local evaluate = require "agad.evaluate"
local grid = require "agad.evaluate.grid"
local lfs = require "lfs"
local nn = agad.nn
local plot = require "agad.evaluate.plot"
local report = require "agad.evaluate.report"
local scorer = require "agad.evaluate.scorer"
local scratch = dofile "spec/support/scratch.lua"
local verdict = require "agad.evaluate.verdict"
local has = dofile("spec/support/checks.lua").has

core.threads(1)

local quiet = function() end
local set = agad.data.weave {train_normals = 60, train_defects = 20, test_normals = 20, test_defects = 25}
local task = agad.task.one_vs_rest(set, {gamma = .05, holdout = .3})
local small = {net = "spec/support/small_net.lua", epochs = 1, batch = 16, min_anom = 2, seed = 5, threads = 1,
  precision = "fp32"}

local function trained(more, t, o)
  local given = {}
  for key, value in pairs(small) do given[key] = value end
  for key, value in pairs(more or {}) do given[key] = value end
  return agad.trainer(t or task, given, o):fit(quiet)
end

-- The task with other fields, and other fields of its test split.
local function variant(test, more)
  local t = setmetatable({test = setmetatable(test or {}, {__index = task.test})}, {__index = task})
  for key, value in pairs(more or {}) do t[key] = value end
  return t
end

local function with_paths(t)
  local function named(split, form)
    local paths = {}
    for i = 1, split.images:size(1) do paths[i] = form:format(i) end
    return setmetatable({paths = paths}, {__index = split})
  end
  local anomalous = t.test.anomalous
  local test = named(t.test, "parts/" .. ("deep/"):rep(20) .. "test-%03d.png")
  test.anomalous = anomalous
  return setmetatable({train = named(t.train, "parts/train-%03d.png"), test = test}, {__index = t})
end

local function notes(row) return table.concat(row.notes, "\n") end

describe("baselines", function()
  it("are the AUROC of each score that needs no net", function()
    local found = verdict.baselines(task, 16)
    local names = {}
    for name in pairs(found) do names[#names + 1] = name end
    table.sort(names)
    assert.same({"knn", "mean_distance", "pca", "pca_local"}, names)
    local m = {name = "m", input = {0, 1}, scores = names}
    for _, name in ipairs(names) do
      local keep = scorer.fit(m, name, function() return agad.task.pictures(task.train, task.normals) end)
      local net = nn.net((scorer.program(m, name, {}, {1, 32, 32}, keep)))
      for _, p in ipairs(net:buffers()) do net:set(p.name, keep[p.name:match "^keep%.(.+)%.value$"]:flatten()) end
      local scores = scorer.score(net, task.test.images, {input = {0, 1}})
      assert.near(core.metrics.auroc(scores, task.test.anomalous), found[name], 1e-9)
    end
    assert.is_true(found.pca > .9)
  end)

  it("are null where every picture has the same score", function()
    local black = variant({images = task.test.images * 0}, {train = {images = task.train.images * 0}})
    for _, value in pairs(verdict.baselines(black, 256)) do assert.equal(core.null, value) end
  end)

  it("are warned of where one is above the model by more than .01", function()
    local found = {pca = .9, knn = .95, mean_distance = core.null}
    assert.is_nil(verdict.warning(found, .94))
    has(verdict.warning(found, .9399), "knn alone reaches 0.9500, more than the model's 0.9399", "--set score=knn")
    has(verdict.warning({b = .9, a = .9}, .5), "a alone")
    assert.is_nil(verdict.warning({pca = core.null}, .1))
  end)
end)

describe("misses and false alarms", function()
  it("are the pictures on the wrong side of the threshold, the worst first", function()
    local scores = {5, 1, 9, 3, 7, 3, 2, 8, 6, 4, 0}
    local labels = {0, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0}
    local rows = {10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
    local paths = {}
    for i = 0, 10 do paths[i + 1] = "p" .. i end
    local misses, alarms = verdict.wrong({scores = agad.tensor(scores), labels = labels, rows = rows},
      {test = {paths = paths}}, 4)
    assert.same({5, 3, 6, 3}, {misses.of, misses.count, alarms.of, alarms.count})
    local function of(side, key)
      local list = {}
      for i, p in ipairs(side.worst) do list[i] = p[key] end
      return list
    end
    assert.same({"p9", "p4", "p7"}, of(misses, "path"))
    assert.same({1, 2, 3}, of(misses, "score"))
    assert.same({"p8", "p2", "p10"}, of(alarms, "path"))
    assert.same({9, 3, 11}, of(alarms, "picture"))
  end)

  it("list eight pictures at most, and are an empty list where there are none", function()
    local labels, rows = {}, {}
    for i = 1, 20 do labels[i], rows[i] = 1, i - 1 end
    local misses, alarms = verdict.wrong({scores = agad.zeros(20), labels = labels, rows = rows}, {test = {}}, 1)
    assert.same({20, 8, 0}, {misses.count, #misses.worst, alarms.count})
    assert.equal(core.null, misses.worst[1].path)
    assert.equal('{"count":0,"of":0,"worst":[]}', core.json_encode(alarms))
  end)
end)

describe("a result row", function()
  local run = trained {score = "combined"}
  local row = run:evaluate(quiet)

  it("says what each part of the score can do, and how it goes with the score", function()
    local result = evaluate.column(run.source, task, evaluate.columns(run.config, run.source).steady, 256)
    local parts = scorer.parts(result.net, agad.task.pictures(task.test, result.rows), {input = {-1, 1}})
    assert.same(run.parts, {"rmse", "ssim", "local", "latent", "discriminator", "pca", "knn"})
    assert.equal(#run.parts, #row.parts)
    for i, part in ipairs(row.parts) do
      local x, y = parts:select(2, i):to "float64", result.scores
      x, y = x - x:mean():item(), y - y:mean():item()
      assert.equal(run.parts[i], part.name)
      assert.near(core.metrics.auroc(x, result.labels), part.auroc, 1e-9)
      assert.near(((x * y):sum() / ((x * x):sum() * (y * y):sum()):sqrt()):item(), part.correlation, 1e-9)
    end
    assert.equal("[]", core.json_encode(trained {score = "l2"}:evaluate(quiet).parts))
    assert.is_true(row.leak.order_invariant)               -- though some of these sums are close to 0
  end)

  it("counts what is wrong at the stored threshold as F1 does, and not under other columns", function()
    local right = row.misses.of - row.misses.count
    assert.near(2 * right / (2 * right + row.misses.count + row.false_alarms.count), row.f1, 1e-12)
    assert.same({25, 20}, {row.misses.of, row.false_alarms.of})
    local plain = trained {preset = "plain"}:evaluate(quiet)
    assert.same({core.null, core.null}, {plain.misses, plain.false_alarms})
    has(notes(plain), "f1, misses, false_alarms: not given, as the threshold is for averaged weights")
    local bare = trained(nil, agad.task.one_vs_rest(set, {holdout = 0})):evaluate(quiet)
    assert.equal(core.null, bare.misses)
    has(notes(bare), "threshold, f1, misses, false_alarms: no normals are held out")
  end)

  it("is the same for the saved model", function()
    local path = scratch.path "m.safetensors"
    run:save(path)
    local again = agad.model.open(path):evaluate(task)
    for _, key in ipairs {"baselines", "misses", "false_alarms", "suspects"} do assert.same(row[key], again[key]) end
    for i, part in ipairs(row.parts) do assert.near(part.auroc, again.parts[i].auroc, 1e-9) end
  end)

  it("lists the training normals that look least normal, a hidden defect first", function()
    local bad, held_out = task.anomalies[1], table.move(task.held_out, 1, #task.held_out, 1, {})
    held_out[3] = bad
    local images = task.train.images:clone()
    images:narrow(1, task.normals[4] + 1, 1):fill_(255)
    local white = variant(nil, {train = setmetatable({images = images}, {__index = task.train})})
    for score, case in pairs {pca_local = {variant(nil, {held_out = held_out}), bad, true},
      mean_distance = {white, task.normals[4], false}} do
      local found = trained({score = score}, with_paths(case[1])):evaluate(quiet).suspects
      assert.equal(5, #found)
      assert.same({("parts/train-%03d.png"):format(case[2] + 1), case[2] + 1, case[3]},
        {found[1].path, found[1].picture, found[1].held_out})
      for i = 2, 5 do assert.is_true(found[i].score <= found[i - 1].score) end
    end
  end)

  it("has no figures of a test side that is not there, with the reason, but the suspicious normals", function()
    local none = evaluate.row(run.source, setmetatable({test = false}, {__index = task}), run.config)
    for _, key in ipairs {"baselines", "parts", "misses", "false_alarms"} do assert.equal(core.null, none[key], key) end
    has(notes(none), "no figures for the test split: there are no test pictures")
    assert.same(row.suspects, none.suspects)
    none.counts = {normals = 9, held_out = 3, anomalies = 0, test_normals = 0, test_anomalies = 0}
    has(report.text(none), "  normals: 9 trained on, 3 held out; anomalies: 0 known\n")
  end)

  it("warns of a baseline that is above the model", function()
    assert.is_true(row.baselines.pca > row.auroc + .01)
    has(notes(row), "baseline: pca", "more than the model's")
  end)
end)

describe("the grid of errors", function()
  local dir = scratch.path "g.run"
  local run = trained(nil, nil, {dir = dir})
  local row = run:evaluate(quiet)
  teardown(scratch.remove)

  it("is written beside the result, and replaced by the next one", function()
    assert.equal(dir .. "/grid.png", run.grid)
    assert.equal(drawn.GRID, drawn.kind(run.grid))
    local function wide(n) return n * 134 + 10 end          -- four times 32 pixels, a border of 3, a frame of 5
    local most = math.max(#row.misses.worst, #row.false_alarms.worst)
    local lines = (#row.misses.worst > 0 and 2 or 0) + (#row.false_alarms.worst > 0 and 2 or 0)
    local picture = core.data.read(run.grid, {})
    assert.same({3, wide(lines), wide(most)}, picture.shape)
    os.remove(run.grid)
    run:evaluate(quiet)
    local first = lfs.attributes(run.grid, "ino")
    run:evaluate(quiet)
    assert.is_true(first ~= nil and lfs.attributes(run.grid) ~= nil)
    run:close()
    assert.is_true(require("agad.train.rundir").is(dir))
    assert.is_nil(trained():evaluate(quiet).grid)
  end)

  it("leaves another file of its name alone, and says so in the row", function()
    local other = trained(nil, nil, {dir = scratch.path "h.run"})
    scratch.write(scratch.path "h.run/grid.png", "mine")
    local noted = other:evaluate(quiet)
    has(notes(noted), "grid.png: there is another file of this name; it was left as it is")
    assert.same({"mine", nil}, {scratch.read(scratch.path "h.run/grid.png"), other.grid})
  end)

  it("is not written where the model is wrong about nothing", function()
    local nothing = {misses = {worst = {}}, false_alarms = {worst = {}}}
    assert.is_false(grid.write(nothing, task, nil, {}, scratch.path "none.png"))
    assert.is_nil(lfs.attributes(scratch.path "none.png"))
  end)

  it("reduces large pictures, and does without maps and masks", function()
    local large = {images = agad.full({2, 3, 300, 520}, 200, {dtype = "uint8"})}
    local b = nn.builder {3, 300, 520}
    local net = nn.net(b.x:op("mean.dim", {dim = {2, 3, 4}}):build "score")
    local one = {worst = {{picture = 2}}}
    assert.is_true(grid.write({misses = one, false_alarms = {worst = {}}}, {test = large}, net, {input = {0, 1}},
      scratch.path "large.png"))
    local picture = core.data.read(scratch.path "large.png", {})
    assert.same({3, 147 + 16, 256 + 16}, picture.shape)
    assert.equal(200, picture:select(1, 1):select(1, 80):select(1, 100):item())
  end)

  it("lays a map over a picture, which it covers where it is large", function()
    local x, map = agad.full({1, 1, 3}, 100), agad.tensor {{1, 2, 3}}
    local over = plot.overlay(x, map, 1, 3)
    assert.same({3, 1, 3}, over.shape)
    local function at(i) return over:select(3, i):flatten():totable() end
    assert.same({100, 100, 100}, at(1))
    for k, v in ipairs {252, 255, 164} do assert.near(100 * .25 + v * .75, at(3)[k], 1e-3) end
  end)
end)

describe("the report", function()
  it("shows all of it within 80 columns", function()
    local named = with_paths(task)
    local row = trained({score = "combined"}, named):evaluate(quiet)
    local text = report.text(row)
    for line in text:gmatch "[^\n]+" do assert.is_true(utf8.len(line) < 80, line) end
    has(text, "without a net: ", ("pca %.4f"):format(row.baselines.pca), "part of the score", "discriminator",
      ("%d of 25 anomalies missed, the worst:"):format(row.misses.count), "…", "test-",
      ("%d of 20 normals are false alarms"):format(row.false_alarms.count), "look least normal",
      "parts/train-", ("normals: %d trained on, %d held out, 20 tested; anomalies: %d known, 25 tested"):format(
        row.counts.normals, row.counts.held_out, row.counts.anomalies))
    has(text, ("%#.4g"):format(row.suspects[1].score) .. "  " .. row.suspects[1].path)
    local without = report.text(trained({score = "combined"}):evaluate(quiet))
    assert.is_nil(without:find "look least normal")
    assert.is_nil(without:find "the worst:")
  end)
end)
