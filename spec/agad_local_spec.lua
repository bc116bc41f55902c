-- agad_local: the detector for people's own pictures.

local agad = require "agad"
local core = agad.core
local bands = require "agad.methods.agad_local.bands"
local fit = require "agad.methods.agad_local.fit"
local prepare = require "agad.methods.agad_local.prepare"
local random = require "agad.base.random"
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"

local scratch = dofile "spec/support/scratch.lua"

local function task_of(o)
  local set = agad.data.weave {size = o and o.size or 32, train_normals = 120, train_defects = 20, test_normals = 30,
    test_defects = 20, seed = 3}
  if not (o and o.masks) then set.train.masks = nil end
  return agad.task.new(set, {normal = "cloth", holdout = .3, gamma = o and o.gamma or 0, task_seed = 1})
end

local function quiet() end

teardown(scratch.remove)

local function trained(o, more)
  local given = {method = "agad_local", steps = 12, batch = 6, seed = 2, width = 4}
  for name, v in pairs(more or {}) do given[name] = v end
  return agad.trainer(task_of(o), given):fit(quiet)
end

describe("bands", function()
  local x = agad.randn(2, 3, 24, 40, {dtype = "float64"})
  local scales = core.from_table({.5, .25, 2}, "float64"):reshape {1, 3, 1, 1}

  it("are the picture, two differences of blurs, and what its local contrast is divided out of", function()
    local function blur(t, r) return agad.box_blur(agad.box_blur(t, r), r) end
    local seen = bands.of(x, scales)
    assert.same({2, 12, 24, 40}, seen.shape)
    local rest = x - blur(x, 8)
    local contrast = blur(rest * rest, 8):mean({dim = {2}, keepdim = true}):sqrt()
    local want = agad.cat({x, ((x - blur(x, 1)) / .5):clamp(-6, 6), ((blur(x, 1) - blur(x, 4)) / .25):clamp(-6, 6),
      (rest / (contrast + .2 * 2)):clamp(-6, 6)}, 2)
    assert.is_true((seen - want):abs():max():item() < 1e-12)
  end)

  it("are the same as nodes of a program", function()
    local b = agad.nn.builder {3, 24, 40}
    local net = agad.nn.net(bands.of(b.x, b.x:constant({3, 1, 1}, {name = "k"})):build "bands", {dtype = "float64"})
    net:share("k.value", scales:flatten())
    local y = agad.no_grad(function() return net(x, {bn = "running"}) end)
    assert.is_true((y - bands.of(x, scales)):abs():max():item() < 1e-12)
  end)

  it("are finite for equal pixels", function()
    local flat = agad.full({1, 1, 16, 16}, 2.5)
    assert.is_true(bands.scales(flat):gt(0):all():item())
    assert.is_true(bands.of(flat, bands.scales(flat):reshape {1, 3, 1, 1}):isfinite():all():item())
  end)
end)

describe("the window", function()
  it("is the picture, or a whole fraction of it near 128 pixels whose sides divide by 16", function()
    assert.same({32, 32, 1}, {prepare.window(32, 32)})
    assert.same({128, 128, 2}, {prepare.window(256, 256)})
    assert.same({128, 128, 4}, {prepare.window(512, 512)})
    assert.same({160, 96, 1}, {prepare.window(160, 96)})
    assert.same({96, 192, 2}, {prepare.window(192, 384)})
    assert.same({240, 240, 1}, {prepare.window(240, 240)})          -- no half of it divides by 16
  end)
end)

describe("training", function()
  local run = trained()

  it("keeps finite tensors that the scores of the program and those of tensors agree on", function()
    for _, name in ipairs(fit.kept) do
      assert(run.keep[name], name)
      assert.is_true(run.keep[name]:isfinite():all():item(), name)
    end
    local net = scorer.net(run:scorer(), run:tensors(false), false, {})
    local held_out = tasks.pictures(run.task.train, run.task.held_out)
    local how = {input = {0, 1}, batch = 8}
    local score = scorer.score(net, held_out, how)
    local parts = core.score(net, held_out, {low = 0, high = 1, batch = 8, bn = "running", output = "parts"})
    -- without known defects the verdict is the weighted sum of the groups, which lie between -1 and 4, but for those
    -- of components; the map and the descriptor count twice what the last two count
    local groups, weights = parts:narrow(2, 1, 6), run.keep.verdict:narrow(1, 1, 6)
    assert.is_true((score - groups:matmul(weights):flatten()):abs():max():item() < 1e-4)
    local w = weights:flatten():totable()
    assert.same({w[1], w[1], w[1] / 2, w[1] / 2}, {w[1], w[2], w[5], w[6]})
    assert.is_true(groups:min():item() >= -1)
    for _, i in ipairs {1, 2, 5, 6} do assert.is_true(groups:select(2, i):max():item() <= 4) end
    -- the groups are standardised on the held-out normals
    local median = parts:narrow(2, 1, 5):median(1)
    assert.is_true(median:abs():max():item() < .35)
  end)

  it("gives a map between 0 and 1 of the pictures' size", function()
    local net = scorer.net(run:scorer(), run:tensors(false), false, {})
    local maps = scorer.maps(net, run.task.test.images:narrow(1, 1, 3), {input = {0, 1}, batch = 2})
    assert.same({3, 32, 32}, maps.shape)
    assert.is_true(maps:min():item() >= 0 and maps:max():item() <= 1)
  end)

  for _, masks in ipairs {false, true} do
    local title = "repeats to the bit, and a resumed run ends as one that never stopped"
    it(title .. (masks and ", with masks of known defects" or ""), function()
      local dir = scratch.path(masks and "marked" or "run")
      local o = masks and {gamma = .1, masks = true} or nil
      local given = {method = "agad_local", steps = 12, batch = 6, seed = 2, width = 4, deterministic = true,
        threads = 1}
      local whole = agad.trainer(task_of(o), given):fit(quiet)
      local first = agad.trainer(task_of(o), given, {dir = dir})
      first:fit(function(e) return e.kind == "step" and e.step == 5 and "stop" or nil end)
      first:close()
      local second = agad.trainer(task_of(o), given, {dir = dir, resume = true}):fit(quiet)
      assert.equal(masks and 13 or 12, second.steps)    -- the last one with the pictures of known defects
      local a, b = whole:tensors(false), second:tensors(false)
      for name, t in pairs(a) do assert.is_true(t:equal(b[name]), name) end
      assert.equal(masks, whole.keep.kinds[#prepare.kinds]:item() > 0)
    end)
  end

  it("scores from the model file as before it was saved", function()
    local path = scratch.path "local.safetensors"
    run:save(path)
    local model = agad.model.open(path)
    assert.equal("agad_local", model.info.method)
    assert.is_true(model.has_map)
    local net = scorer.net(run:scorer(), run:tensors(false), false, {})
    local some = run.task.test.images:narrow(1, 1, 8)
    local want = scorer.score(net, some, {input = {0, 1}, batch = 32}):totable()
    for i, row in ipairs(model:score(some)) do
      assert.is_true(math.abs(row.score - want[i]) < 1e-4 * math.max(1, math.abs(want[i])))
    end
  end)

  it("gives a picture the same score and map on its own, in any batch and on any number of threads, to the bit",
    function()
      local path = scratch.path "alike.safetensors"
      run:save(path)
      local model, some, files = agad.model.open(path), run.task.test.images:narrow(1, 1, 9), {}
      for i = 1, 9 do
        files[i] = scratch.path(i .. ".png")
        agad.data.write_png(files[i], some:select(1, i))
      end
      local alone, maps = {}, {}
      local function ask(x) return model.handle:run(x), model.handle:run(x, "map") end
      for i = 1, 9 do alone[i], maps[i] = ask(some:narrow(1, i, 1)) end
      for threads = 1, model.handle:alike() and 3 or 0 do
        core.threads(threads)
        for n = 1, 9, 4 do
          local score, map = ask(some:narrow(1, 1, n))
          for i = 1, n do
            assert.is_true(score:narrow(1, i, 1):equal(alone[i]) and map:narrow(1, i, 1):equal(maps[i]))
          end
        end
        for i, row in ipairs(model:score(files)) do assert.equal(alone[i]:item(), row.score) end
      end
      core.threads(1)
    end)

  it("learns from known defects after training, which then score above held-out normals", function()
    local known = trained {gamma = .1}
    assert.is_true(#known.task.anomalies > 0)
    local net = scorer.net(known:scorer(), known:tensors(false), false, {})
    local how = {input = {0, 1}, batch = 16}
    local of_known = scorer.score(net, tasks.pictures(known.task.train, known.task.anomalies), how)
    local of_normals = scorer.score(net, tasks.pictures(known.task.train, known.task.held_out), how)
    assert.is_true(of_known:mean():item() > of_normals:mean():item() + 1)
    assert.is_true(run.keep.verdict[7]:item() == 0 and known.keep.verdict[7]:item() > 0)
  end)

  it("takes the threshold from scores of held-out normals by regressions that have not seen them", function()
    local set = agad.data.weave {size = 32, train_normals = 160, train_defects = 60, test_normals = 30,
      test_defects = 20, seed = 3}
    set.train.masks = nil
    local task = agad.task.new(set, {normal = "cloth", holdout = .3, gamma = .5, task_seed = 1})
    local known = agad.trainer(task, {method = "agad_local", steps = 12, batch = 6, seed = 2, width = 4,
      false_alarms = .1}):fit(quiet)
    local path = scratch.path "known.safetensors"
    known:save(path)
    local model, unseen = agad.model.open(path), known.keep.unseen:to "float64"
    assert.equal(#task.held_out, unseen:size(1))
    assert.near(agad.metrics.quantile(unseen, .9), model.threshold, 1e-5)
    assert.is_true(model.threshold > agad.model.open(path, {false_alarms = .4}).threshold)
    -- what the program, which has learned from them, says of them separates them better from known defects
    local net = scorer.net(known:scorer(), known:tensors(false), false, {})
    local how = {input = {0, 1}, batch = 16}
    local seen = scorer.score(net, tasks.pictures(task.train, task.held_out), how):to "float64"
    assert.is_true(unseen:mean():item() > seen:mean():item())
  end)

  it("ends with steps on the pictures of known defects, a tenth of those before, and as many again after a resume",
    function()
      local o = {gamma = .1}
      local given = {method = "agad_local", steps = 40, batch = 6, seed = 2, width = 4, deterministic = true,
        threads = 1, log_every = 1}
      local plain = agad.trainer(task_of(), given):fit(quiet)
      assert.equal(40, plain.steps)
      local dir, seen = scratch.path "tuned", {}
      local whole = agad.trainer(task_of(o), given):fit(function(e)
        if e.kind == "step" then seen[e.step] = e.losses.known or false end
      end)
      assert.equal(44, whole.steps)
      assert.is_false(seen[40])
      for step = 41, 44 do assert.is_true(seen[step] > 0) end
      assert.is_false(plain.nets.detector:params()[1].tensor:equal(whole.nets.detector:params()[1].tensor))
      local first = agad.trainer(task_of(o), given, {dir = dir})
      first:fit(function(e) return e.kind == "step" and e.step == 42 and "stop" or nil end)
      first:close()
      local second = agad.trainer(task_of(o), given, {dir = dir, resume = true}):fit(quiet)
      assert.equal(44, second.steps)
      for name, t in pairs(whole:tensors(false)) do assert.is_true(t:equal(second:tensors(false)[name]), name) end
      -- without such steps known defects change nothing but the rule for them
      given.tune = 0
      local off = agad.trainer(task_of(o), given):fit(quiet)
      assert.equal(40, off.steps)
      assert.is_true(plain.nets.detector:params()[1].tensor:equal(off.nets.detector:params()[1].tensor))
    end)

  it("raises the map where it is highest in the pictures of known defects", function()
    local known, losses = require "agad.methods.agad_local.known", require "agad.methods.agad_local.losses"
    local logit = agad.zeros {1, 1, 32, 32}
    logit:narrow(3, 10, 3):narrow(4, 10, 3):fill_(2)
    logit:requires_grad_(true)
    -- .2 % of 1,024 pixels are two, whose mean over 3 x 3 pixels are 2 and 4/3 or less
    local loss = losses.of_defective(logit)
    loss:backward()
    local gradient = logit.grad
    assert.is_true(gradient:max():item() <= 0)
    assert.is_true(gradient:narrow(3, 10, 3):narrow(4, 10, 3):lt(0):all():item())
    assert.equal(0, gradient:narrow(3, 20, 12):abs():max():item())
    assert.equal(0, known.steps({tune = 300}, 0, 10000))
    assert.equal(300, known.steps({tune = 300}, 10, 10000))
    assert.equal(30, known.steps({tune = 300}, 1, 10000))    -- a single one is not seen more than 120 times
    assert.equal(50, known.steps({tune = 300}, 10, 500))
  end)

  it("draws those known defects into its pictures that have masks, and not into those that `fit` tells them from",
    function()
      local function detector(of) return of.nets.detector:params()[1].tensor end
      local with = trained {gamma = .1, masks = true}
      local rows = with.task.anomalies
      assert.same(rows, tasks.marked(with.task))
      assert.is_false(detector(with):equal(detector(run)))
      local last = #prepare.kinds
      assert.equal("known", prepare.kinds[last])
      assert.is_true(with.keep.kinds[last]:item() > 0)
      assert.equal(0, run.keep.kinds[last]:item())
      -- nor are they drawn where the kind is off, or no mask marks anything
      local off = trained({gamma = .1, masks = true}, {kinds = {known = false}, tune = 0})
      assert.is_true(detector(off):equal(detector(run)))
      assert.equal(0, off.keep.kinds[last]:item())
      local task = task_of {gamma = .1, masks = true}
      task.train.masks:index_fill_(1, core.from_table(rows, "int64"), 0)
      assert.same({}, tasks.marked(task))
      local empty = agad.trainer(task, {method = "agad_local", steps = 12, batch = 6, seed = 2, width = 4, tune = 0})
      empty:fit(quiet)
      assert.is_true(detector(empty):equal(detector(run)))
    end)

  it("takes pictures larger than its window whole and in crops", function()
    local large = trained({size = 192}, {steps = 4})
    local net = scorer.net(large:scorer(), large:tensors(false), false, {})
    local maps = scorer.maps(net, large.task.test.images:narrow(1, 1, 2), {input = {0, 1}, batch = 2})
    assert.same({2, 192, 192}, maps.shape)
  end)

  it("limits the groups of scores, each at its own height", function()
    local scores = require "agad.methods.agad_local.scores"
    local n = #scores.GROUPS
    local function of(shape, v) return agad.full(shape, v, {dtype = "float64"}) end
    local k = {group = agad.eye(n - 1, {dtype = "float64"}):unsqueeze(1), group_median = of({1, n}, 0),
      group_scale = of({1, n}, 1), limit = core.from_table({{4, 4, 50, 50, 4, 4}}, "float64")}
    local function at(v) return scores.groups(of({1, n - 1}, v), of({1, 1}, v), k):flatten():totable() end
    assert.same({-1, -1, -1, -1, -1, -1}, at(-7))
    assert.same({3, 3, 3, 3, 3, 3}, at(3))
    assert.same({4, 4, 8, 8, 4, 4}, at(8))
  end)

  it("counts components more where an object on a plain ground always lies at one place, one way up", function()
    local set = agad.data.weave {size = 32, train_normals = 120, train_defects = 5, test_normals = 10,
      test_defects = 10, seed = 4}
    -- three dark bars, each of a width and a brightness of its own, on what is left of the texture
    local images, draw = set.train.images, random.generator(1)
    images:copy_(images:to "float32" * .1 + 150)
    for i = 1, images:size(1) do
      for k = 1, 3 do
        local width = draw(4) + 2
        images:select(1, i):narrow(2, 9 * k - 6, width):fill_(15 * width - 25)
      end
    end
    local task = agad.task.new(set, {normal = "cloth", holdout = .3})
    local function weights()
      local new = agad.trainer(task, {method = "agad_local", steps = 4, batch = 6, width = 4}):fit(quiet)
      return new.keep.verdict:flatten():totable()
    end
    local aligned, sum = weights(), 0
    assert.is_true(aligned[3] > 1.2 * aligned[5] and aligned[4] > .1 * aligned[5])
    for i = 1, 6 do sum = sum + aligned[i] end
    assert.near(7, sum, 1e-5)
    local plain = images:clone()
    images:copy_(images:to "float32" * .6 + agad.arange(32) * 3)      -- on no plain ground
    local filled = weights()
    images:copy_(plain)
    for i = 1, images:size(1) do                                     -- no side is the upper one
      local picture = images:select(1, i)
      if draw(2) == 1 then picture:copy_(picture:flip {dims = {2}}) end
    end
    for _, others in ipairs {filled, weights()} do
      assert.near(others[5], others[3], 1e-6)
      assert.equal(0, others[4])
    end
  end)

  it("goes on where nothing varies: black pictures", function()
    local set = agad.data.weave {size = 32, train_normals = 60, train_defects = 5, test_normals = 10, test_defects = 10}
    set.train.images:zero_()
    local task = agad.task.new(set, {normal = "cloth", holdout = .3})
    local black = agad.trainer(task, {method = "agad_local", steps = 4, batch = 6, width = 4}):fit(quiet)
    for _, name in ipairs(fit.kept) do assert.is_true(black.keep[name]:isfinite():all():item(), name) end
  end)

  it("blends reconstructions into clean pictures where `pseudo` is above 0, and has no generator otherwise", function()
    assert.is_nil(run.nets.generator)
    assert.is_nil(run.losses.con)
    local with = trained(nil, {pseudo = 1, steps = 6})
    assert.is_truthy(with.nets.generator)
    assert.is_true(with.losses.con > 0)
    local seen = {}
    local again = agad.trainer(task_of(), {method = "agad_local", steps = 6, batch = 6, width = 4, pseudo = 1})
    for stage, state in agad.teach(again) do seen[stage] = {state.drawn, state.mask} end
    local before, after = seen.draw, seen.blend
    local changed = (after[1] - before[1]):abs():flatten(2):amax {dim = {2}}:totable()
    local marked = after[2]:flatten(2):amax {dim = {2}}:totable()
    for i = 1, #changed do
      if i % 3 ~= 1 then assert.equal(0, changed[i]) end                  -- these have defects of their own
      if changed[i] > .12 then assert.equal(1, marked[i]) end
    end
    assert.is_true(changed[1] + changed[4] > 0)
  end)

  it("draws only the kinds that are switched on, and refuses none at all", function()
    local none = {}
    for _, name in ipairs(prepare.kinds) do none[name] = false end
    local ok, reason = pcall(trained, nil, {kinds = none})
    assert.is_false(ok)
    assert.matches("kinds: every kind of synthetic defect is switched off", tostring(reason))
    none.known = true
    ok, reason = pcall(trained, {gamma = .1}, {kinds = none})
    assert.is_false(ok)
    assert.matches("or is `known` without masks; leave another one on", tostring(reason))
    local alone = trained({gamma = .1, masks = true}, {kinds = none})
    local kinds_found = alone.keep.kinds:totable()
    for i, found in ipairs(kinds_found) do assert.equal(i == #kinds_found, found > 0) end
  end)
end)

it("can be stepped through without a generator, whose update is left out", function()
  local names = {}
  local run = agad.trainer(task_of(), {method = "agad_local", steps = 3, batch = 6, width = 4})
  for stage in agad.teach(run, {steps = 2}) do names[#names + 1] = stage end
  assert.same({"draw", "rebuild", "blend", "map_loss", "detector_update", "remember"}, table.move(names, 1, 6, 1, {}))
  assert.equal(12, #names)
end)

it("finds defects of a texture after some hundred steps #slow", function()
  local set = agad.data.weave {size = 64, train_normals = 200, train_defects = 5, test_normals = 60,
    test_defects = 60, seed = 5}
  local task = agad.task.new(set, {normal = "cloth", holdout = .2})
  local run = agad.trainer(task, {method = "agad_local", steps = 250, seed = 1}):fit(quiet)
  local row = run:evaluate()
  assert.is_true(row.auroc > .9, tostring(row.auroc))
  assert.is_true(row.pixel_auroc > .8, tostring(row.pixel_auroc))
end)
