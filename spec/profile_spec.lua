-- Where the time of a step goes: its parts, how often each is computed, and their sums by kind and by layer. Times are
-- compared only with the time around them.
-- To add a case: a part in `sums up`, with its kind and its layer.

local agad = require "agad"
local core = agad.core
local checks = dofile "spec/support/checks.lua"
local steps = dofile "spec/support/steps.lua"
local summary = require("agad.bench.profile").summary
local refused = checks.refused

local ROWS, STAGES = 4, {"reconstruct", "discriminate", "pseudo_anomaly", "generator_loss", "generator_update",
  "discriminator_loss", "discriminator_update"}

-- The parts by "WORK NET.LAYER" or "WORK STAGE", and the sum of their seconds.
local function parts_of(step)
  local by, seconds = {}, 0
  for _, part in ipairs(step:profile()) do
    local name = part.layer and part.net .. "." .. part.layer or part.stage or part.net
    by[part.work .. (name and " " .. name or "")] = part
    assert.is_true(part.seconds >= 0)
    seconds = seconds + part.seconds
  end
  return by, seconds
end

-- The parts of `count` steps, their seconds, and those that passed around them.
local function profiled(run, count)
  run.step:profile(true)
  local began = core.clock()
  for _, x in ipairs(steps.batches(count, ROWS)) do run.step:run(x, ROWS) end
  local passed = core.clock() - began
  local by, seconds = parts_of(run.step)
  return by, seconds, passed
end

local function with_stage(f)
  local stages = table.move(STAGES, 1, #STAGES, 1, {})
  table.insert(stages, 4, {"mine", f})
  return steps.new_run {stages = stages}
end

describe("the profile of a step", function()
  it("divides no more time than the steps took", function()
    local _, seconds, passed = profiled(steps.new_run {}, 2)
    assert.is_true(seconds > 0 and seconds <= passed, ("%g of %g s"):format(seconds, passed))
  end)

  it("counts how often each part was computed, and of how many pictures", function()
    local by = profiled(steps.new_run {}, 3)
    local function counts(work, n)
      local part = by[work] or {calls = 0, rows = 0}
      assert.same({work, 3 * n, 3 * n * ROWS}, {work, part.calls, part.rows})
    end
    counts("forward generator.conv1", 2)                   -- of x and of x_hat
    counts("forward discriminator.conv3", 2)
    counts("dx generator.conv1", 1)                        -- nobody reads the gradient of x
    counts("dw generator.conv1", 2)
    counts("dx generator.conv2", 2)
    counts("dx discriminator.conv1", 1)                    -- the generator's loss reads that of x_hat
    counts("dx discriminator.conv2", 3)
    counts("dw discriminator.conv2", 2)                    -- the generator's loss reads none of these
    counts("sum discriminator.conv2", 3)
    assert.same({3, 3}, {by["stage generator_update"].calls, by.step.calls})
    assert.equal(3 * ROWS, by.step.rows)
    assert.is_nil(by["stage generator_update"].rows)
  end)

  it("has every layer of the nets, and what is computed again for the backward", function()
    local run = steps.new_run {}
    local by = profiled(run, 1)
    for name, net in pairs(run.nets) do
      for _, layer in ipairs(net:info().layers) do
        local what = ("%s.%s"):format(name, layer.name)
        assert.equal(2, by["forward " .. what].calls, what)
        assert.is_truthy(layer.macs > 0 and by["dw " .. what] or by["backward " .. what], what)
      end
      for _, work in ipairs {"convert ", "pass "} do assert.is_truthy(by[work .. name]) end
    end
    assert.equal(2, by["again generator.batch_norm1"].calls)
    for _, stage in ipairs(STAGES) do assert.equal(1, by["stage " .. stage].calls, stage) end
  end)

  it("begins with nothing, also the second time, and ends when it is told to", function()
    local run = steps.new_run {}
    assert.is_nil(run.step:profile())
    profiled(run, 2)
    assert.equal(1, profiled(run, 1).step.calls)
    run.step:profile(true)
    assert.same({}, run.step:profile())
    run.step:profile(false)
    assert.is_nil(run.step:profile())
    checks.has(refused(run.step.profile, run.step, 1), "boolean expected, got number")
  end)

  it("changes no number", function()
    local plain, measured = steps.new_run {}, steps.new_run {}
    measured.step:profile(true)
    local list = steps.batches(3, ROWS)
    assert.equal(0, (steps.furthest(steps.record(plain, list, 1), steps.record(measured, list, 1))))
  end)

  it("also has what stages in Lua compute, by any net, but not what another step does", function()
    local other, another = steps.new_run {}, agad.nn.builder {1, 16, 16}
    another = agad.nn.net(another:conv(1, {kernel = 3, padding = 1}):build "another", {dtype = "float64"})
    another:requires_grad_()
    local run = with_stage(function(s)
      s.net.generator(s.x):sum():backward()
      another(s.x):sum():backward()
      other.step:run(s.x, ROWS)
    end)
    local by, seconds, passed = profiled(run, 1)
    another = nil                                          -- luacheck: ignore 311
    collectgarbage()
    assert.same({3, 3}, {by["forward generator.conv1"].calls, by["dw generator.conv1"].calls})
    assert.same({1, 1, 1}, {by["forward another.conv1"].calls, by["dw another.conv1"].calls, by["stage mine"].calls})
    assert.same({2, 1}, {by["forward discriminator.conv1"].calls, by["stage generator_update"].calls})
    assert.is_true(seconds <= passed)
    assert.is_nil(other.step:profile())
  end)

  it("is not begun or ended by a stage, and goes on after a step that failed", function()
    local on
    local run = with_stage(function(s) if on ~= nil then rawget(s, "step"):profile(on) end end)
    for _, value in ipairs {true, false} do
      run.step:profile(true)
      on = value
      checks.has(refused(run.step.run, run.step, steps.batches(1, ROWS)[1], ROWS), "mine",
        "the step is running: a stage cannot begin or end its profile")
      on = nil
      run.step:run(steps.batches(1, ROWS)[1], ROWS)
      local by = parts_of(run.step)
      assert.same({2, 2, 1}, {by.step.calls, by["stage mine"].calls, by["stage generator_loss"].calls})
    end
  end)
end)

describe("what a profile says", function()
  local nets = {g = {layers = {{name = "conv1", layer = "conv", macs = 5e8, shape = {8, 4, 4}},
    {name = "norm", layer = "batch_norm", macs = 0, shape = {8, 4, 4}}}}}

  local function part(work, seconds, layer, stage)
    return {work = work, seconds = seconds, layer = layer, net = not stage and "g" or nil, stage = stage, rows = 20}
  end

  it("sums up by kind, with convolutions beside the product of matrices", function()
    local s = summary({part("forward", 1, "conv1"), part("again", 1, "conv1"), part("dx", .5, "conv1"),
      part("dw", .4, "conv1"), part("sum", .25, "conv1"), part("backward", .01, "conv1"), part("forward", .2, "norm"),
      part("again", .1, "norm"), part("backward", .3, "norm"), part("sum", .05, "norm"), part("convert", .03),
      part("pass", .02), part("stage", .07, nil, "g_loss"), part("stage", .06, nil, "h_update"),
      part("stage", .04, nil, "mine"), part("step", .5), part("forward", .6, "of_another_net")}, nets, 2, 40)
    local kinds = {}
    for i, kind in ipairs(s.kinds) do
      kinds[i] = {kind.name, math.floor(kind.ms * 2 + .5), kind.gflops, kind.of_product}
    end
    assert.same({{"convolution, forward", 1000, 20, .5}, {"convolution, forward again", 1000, 20, .5},
      {"convolution, gradient of the input", 500, 40, 1}, {"convolution, gradient of the kernel", 400, 50, 1.25},
      {"batch_norm, backward", 300}, {"sums of gradients", 300}, {"batch_norm, forward", 200},
      {"batch_norm, forward again", 100}, {"losses", 70}, {"Adam and averages", 60},
      {"conversions of weights and input", 30}, {"convolution, copies of gradients", 10}, {"the rest", 1160}}, kinds)
    assert.near(5130 / 2, s.step_ms, 1e-9)
    assert.near(1000 / 5130, s.kinds[1].share, 1e-12)
  end)

  it("sums up by layer, the slowest first", function()
    local s = summary({part("forward", .3, "norm"), part("backward", .1, "norm"), part("again", .2, "norm"),
      part("forward", 1, "conv1"), part("dx", .5, "conv1"), part("dw", .5, "conv1"), part("sum", .25, "conv1")}, nets,
      1, 60)
    assert.equal(2, #s.layers)
    local conv, norm = s.layers[1], s.layers[2]
    assert.same({"g.conv1", "conv", {8, 4, 4}, 1000, 0, 1250, 2250, 30, .5}, {conv.name, conv.kind, conv.shape,
      conv.forward_ms, conv.again_ms, conv.backward_ms, conv.ms, conv.gflops, conv.of_product})
    assert.same({"g.norm", "batch_norm", 300, 200, 100}, {norm.name, norm.kind, norm.forward_ms, norm.again_ms,
      norm.backward_ms})
    assert.is_nil(norm.gflops)
    assert.near(2250 / 2850, conv.share, 1e-12)
  end)
end)
