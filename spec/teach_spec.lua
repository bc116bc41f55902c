-- Lessons (agad.teach): stages by hand, back, under other options, with methods whose stages fail.
-- To add a case: a lesson of `taught`, and what it is compared with: a run of `fused` after as many steps of training.

local agad = require "agad"
local core = agad.core
local loss = require "agad.loss"
local nn = agad.nn
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local small = dofile "spec/support/small_run.lua"
local scratch = dofile "spec/support/scratch.lua"
teardown(scratch.remove)

local base = {epochs = 5, net = "spec/support/small_net.lua", min_anom = 2, batch = 16, gamma = .05, threads = 1,
  deterministic = true, schedule = {lr = "cosine:2e-4:0"}, augment = {flip = true}}

local function options(more)
  local o = {}
  for key, v in pairs(base) do o[key] = v end
  for key, v in pairs(more or {}) do o[key] = v end
  return o
end

local function taught(more) return agad.teach(small.task, options(more)) end

-- A run after so many steps of training.
local function fused(steps, more)
  local run = agad.trainer(small.task, more and more.method and more or options(more))
  return run:fit(function(e) return e.kind == "step" and e.step == steps and "stop" or nil end)
end

-- The largest difference of two runs: nets, optimisers, averages, the guard's count.
local function furthest(a, b)
  local worst, other = small.furthest(a, b), b.step:tensors()
  for name, t in pairs(a.step:tensors()) do
    if not name:find "^guard%.spare" then worst = math.max(worst, (t - other[name]):abs():max():item()) end
  end
  return worst
end

local function equals(lesson, run)
  assert.equal(run.steps, lesson.run.steps)
  assert.equal(0, furthest(lesson.run, run))
end

describe("a lesson", function()
  it("does stage by stage what a step of training does, to the bit", function()
    for _, o in ipairs {options(), options {deterministic = false}, options {method = "agad_reference"},
      {method = "ganomaly", batch = 16, threads = 1, deterministic = true}} do
      o.method = o.method or "agad"
      local lesson = agad.teach(small.task, o)
      for _ = 1, 3 do
        repeat local v = lesson:next() until v.number == v.of
      end
      equals(lesson, fused(3, o))
    end
  end)

  it("does so over the ends of epochs, also where the guard takes its spare weights", function()
    local more = {delta = 100.0}
    local lesson = taught(more)
    local view = lesson:step(7)
    assert.is_true(view.changed.collapses)
    equals(lesson, fused(7, more))
  end)

  it("is as before after other options were tried", function()
    local lesson = taught()
    lesson:step()
    for _ = 1, 4 do lesson:next() end
    local before = lesson.view
    local c = lesson:what_if("adv_anom", "opposite")
    assert.equal(before, c.mine)
    assert.equal(before.values.con, c.other.values.con)
    assert.are_not.equal(before.values.adv_anom, c.other.values.adv_anom)
    lesson:what_if {["lambda.con"] = 10, adcon_anom = "both"}
    lesson:step(2)
    equals(lesson, fused(3))
  end)

  it("tries them in the state that a step with them would begin in", function()
    local lesson, other = taught(), taught {adv_anom = "opposite"}
    for _ = 1, 4 do lesson:next() other:next() end
    local c = lesson:what_if("adv_anom", "opposite")
    assert.same(other.view.values, c.other.values)
    assert.same(other.view.gradients, c.other.gradients)
    assert.matches("\n?.*loss adv_anom +[%d.]+ +[%d.]+ +[-+]", table.concat(getmetatable(c).__describe(c), "\n"))
  end)

  it("goes back to the beginning of a step and to earlier ones", function()
    local lesson = taught()
    lesson:step(5)
    lesson:next()
    lesson:next()
    assert.equal("before step 6 (epoch 3)", tostring(lesson:back()))
    equals(lesson, fused(5))
    assert.equal("before step 3 (epoch 2)", tostring(lesson:back(3)))
    equals(lesson, fused(2))
    lesson:step(4)
    equals(lesson, fused(6))
    lesson:back(6)
    assert.equal("back: this is the beginning of the lesson", refused(lesson.back, lesson))
    equals(lesson, agad.trainer(small.task, options()))
  end)

  it("keeps as many steps as memory allows, and says so", function()
    local lesson = taught {memory = 1}
    lesson:step(3)
    assert.equal("before step 3 (epoch 2)", tostring(lesson:back()))
    assert.equal("back: what was before step 3 is no longer kept (memory = 1, in MB)", refused(lesson.back, lesson))
    lesson:step()
    equals(lesson, fused(3))
  end)

  it("changes an option for the stages of this step that have run, and for all to come", function()
    local lesson = taught()
    for _ = 1, 4 do lesson:next() end
    local view = lesson:set("lambda.con", 10)
    assert.equal("generator_loss", view.stage)
    assert.equal(10, view.losses.generator.terms[2].weight)
    lesson:step(2)
    equals(lesson, fused(2, {lambda = {con = 10}}))
  end)

  it("refuses options that do not exist or belong to the whole lesson, and stays as it is", function()
    local lesson = taught()
    lesson:next()
    has(refused(lesson.set, lesson, "lambda.cn", 1), 'unknown option "lambda.cn"; did you mean lambda.con?')
    has(refused(lesson.what_if, lesson, "adv_anom", "alg2"), 'adv_anom = "alg2": it must be one of alg1, opposite, off')
    has(refused(lesson.set, lesson, "seed", 2), "set: seed belongs to the whole lesson")
    has(refused(lesson.what_if, lesson, "net", "naive"), "what if: with net = naive the run has other tensors (tensor ")
    has(refused(lesson.set, lesson, {}), "set: give an option and a value")
    has(refused(lesson.step, lesson, 0), "step 0: give a number of steps from 1")
    has(refused(taught, {accumulate = 2}), "a lesson goes from update to update, and takes accumulate = 1")
    has(refused(agad.teach, 3), "teach: give a task, a set, the name of a data set, or a run, not a number")
    has(refused(taught, {memory = 0}), "teach: memory = 0: it must be")
    lesson:step()
    equals(lesson, fused(1))
    lesson:back()
    has(refused(lesson.what_if, lesson, "adv_anom", "off"), "no stage of this step has run")
    has(refused(lesson.plot, taught()), "there are no pictures yet: no stage has run")
  end)

  it("trains to the end of an epoch, from which back leads to where it began", function()
    local lesson = taught()
    lesson:next()
    local per_epoch = lesson.run.sampler:batches()
    assert.equal("before step 5 (epoch 3)", tostring(lesson:run_to(2)))
    assert.equal(2 * per_epoch, lesson.run.steps)
    equals(lesson, fused(2 * per_epoch))
    has(refused(lesson.run_to, lesson, 2), "run to 2: this is the end of epoch 2")
    assert.equal("before step 2 (epoch 1)", tostring(lesson:back()))
    equals(lesson, fused(1))
  end)

  it("goes through the phases of a method", function()
    local o = {method = "deep_sad", batch = 16, pretrain_epochs = 1, epochs = 2, threads = 1, deterministic = true}
    local lesson = agad.teach(small.task, o)
    assert.equal("reconstruct", lesson:next().stage)
    lesson:run_to(1)
    assert.equal("pretrain", lesson.run:phase_name())
    local view = lesson:next()
    assert.same({"distance", "train"}, {view.stage, view.phase})
    assert.is_true(view.losses.encoder.known)
    lesson:run_to(2)
    assert.equal(0, small.furthest(agad.trainer(small.task, o):fit(small.quiet), lesson.run))
    lesson:back(3)
    assert.equal("before step 2 (pretrain, epoch 1)", tostring(lesson:where()))
    lesson:run_to(1)
    lesson:next()
    lesson:run_to(2)
    assert.equal(0, small.furthest(agad.trainer(small.task, o):fit(small.quiet), lesson.run))
  end)
end)

describe("the stages of a run", function()
  it("go on in the middle of an epoch with its rates, where training left off", function()
    local o, dir = options {epochs = 3}, scratch.path "resumed"
    local first = agad.trainer(small.task, o, {dir = dir})
    first:fit(function(e) return e.kind == "step" and e.step == 3 and "stop" or nil end)
    first:close()
    local run = agad.trainer(small.task, o, {dir = dir, resume = true})
    for _ in agad.teach(run) do end
    equals({run = run}, fused(4, options {epochs = 3, method = "agad"}))
    run:close()
  end)
end)

describe("a view", function()
  it("has each term of AGAD's losses with its weight, and they make up the loss under every switch", function()
    for _, more in ipairs {{}, {adcon_anom = "both", d_anom = "real+fake"}, {adcon_anom = "xhat_xhat2"},
      {branch_weight = "count", latent_norm = "l2"}, {adv_anom = "off", terms = {con = false}}, {gamma = 0}} do
      local task = more.gamma and agad.task.one_vs_rest(small.set, {gamma = 0}) or small.task
      local lesson = agad.teach(task, options(more))
      local seen = {}
      repeat
        local v = lesson:next()
        for update, l in pairs(v.losses) do
          seen[update] = true
          assert.is_true(l.known)
          local share = 0
          for _, t in ipairs(l.terms) do share = share + t.share end
          assert.near(1, share, 1e-9)
        end
      until v.number == v.of
      assert.same({generator = true, discriminator = true}, seen)
    end
  end)

  it("shows the paper's line, the tensors, gradients by layer, and what the stage has changed", function()
    local lesson = taught()
    local v = lesson:next()
    assert.same({16, 1, 32, 32}, v.tensors.x_hat.shape)
    assert.same({"x_hat"}, require("agad.base.values").keys(v.changed.tensors))
    assert.equal("Algorithm 1, line 3: x^ = G(x)", v.line)
    for _ = 1, 3 do v = lesson:next() end
    assert.near(lesson.run.state.gradient_norms.generator, v.gradients.generator.norm, 1e-9)
    local names = {}
    for i, l in ipairs(v.gradients.generator.layers) do names[i] = l.name end
    assert.same({"conv1", "batch_norm1", "conv_transpose1"}, names)
    v = lesson:next()
    assert.is_nil(v.gradients.generator)
    assert.is_true(v.changed.moved["generator: weights"][1] > 0)
    assert.is_nil(v.changed.moved["discriminator: weights"])
    local text = require("agad.cli.repl.print").text(v, {width = 79})
    assert.matches("^step 1, stage 5 of 8: generator_update %(epoch 1; 14 normals, 2 known anomalies%)\n", text)
  end)
end)

describe("a lesson of one's own method", function()
  local fails = false

  local function method()
    return {name = "made_up", options = {epochs = 2, ema = 0.0, lambda = {rec = 2.0}}, input = {0, 1},
      nets = function(_, shape)
        local b = nn.builder(shape):conv(4, {kernel = 3, padding = 1}):batch_norm()
        return {g = b:conv(shape[1], {kernel = 1}):build "g"}
      end, picture = "g", score = {"l2"}, average = {"g"},
      phases = {{name = "train", updates = {g = {nets = {"g"}}}, step = {
        {"rebuild", function(s) s.x_hat = s.net.g(s.x) end},
        {"measure", function(s)
          if fails then error "no measure today" end
          s.loss.rec = loss.mse(s.x_hat, s.x)
          s:backward("g", s.loss.rec * s.options.lambda.rec)
        end}, "g_update"}}}}
  end

  local function new()
    package.loaded["agad.methods.made_up"] = method()
    return agad.teach(small.task, {method = "made_up", batch = 8, threads = 1, precision = "fp32",
      deterministic = true})
  end
  teardown(function() package.loaded["agad.methods.made_up"] = nil end)

  it("names its stages, and gives its losses the weights of lambda", function()
    local lesson = new()
    assert.equal("rebuild", lesson:next().stage)
    local v = lesson:next()
    assert.same({2, 1}, {v.losses.g.terms[1].weight, v.losses.g.terms[1].share})
    assert.equal("g_update", lesson:next().stage)
  end)

  it("goes on from the state before a stage that raises in the middle", function()
    local lesson, twin = new(), new()
    lesson:step()
    lesson:next()
    fails = true
    local message = refused(lesson.next, lesson)
    has(message, "step 2: stage measure: ", "no measure today", "the lesson is where it was before this stage")
    assert.is_nil(message:find "\n")
    assert.equal("in step 2, after stage 1 of 3: rebuild (epoch 1)", tostring(lesson:where()))
    fails = false
    lesson:step()
    twin:step(2)
    equals(lesson, twin.run)
  end)
end)

describe("a lesson's pictures and files", function()
  it("are x, what the nets make of it and the error, and a model", function()
    local lesson = taught()
    for _ = 1, 3 do lesson:next() end
    lesson:what_if("lambda.con", 10)
    lesson:plot(scratch.path "step.png")
    assert.matches("^\x89PNG", scratch.read(scratch.path "step.png"))
    lesson:save(scratch.path "m.safetensors")
    assert.equal("agad", agad.model.open(scratch.path "m.safetensors").config.method)
  end)
end)
