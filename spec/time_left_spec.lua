-- The time left of a training: it counts to what ends it, be that its last step, a later phase, an evaluation or a
-- limit of the caller's. Nothing here depends on how long a step takes.
-- To add a case: a run, and what its events say at a step.

local agad = require "agad"
agad.core.threads(1)

local small = dofile "spec/support/small_run.lua"
local progress = require "agad.train.progress"
local scratch = dofile "spec/support/scratch.lua"
teardown(scratch.remove)

local function steps_of(run, more)
  local steps, given = {}, more or {}
  given.on_event = function(e) if e.kind == "step" then steps[#steps + 1] = e end end
  run:fit(given)
  return steps
end

describe("the time left", function()
  it("counts to the last step", function()
    for _, limit in ipairs {{epochs = 2}, {steps = 3}} do
      limit.evaluate_every, limit.selection = 0, "last"
      local steps = steps_of(agad.trainer(small.task, small.with(limit)))
      local last = steps[#steps]
      assert.same({0, 1}, {last.eta, last.share})
      local e = steps[1]
      assert.is_true(e.eta > 0)
      assert.equal(1 / #steps, e.share)
    end
  end)

  it("counts later phases, at the pace of the current one", function()
    local steps = steps_of(agad.trainer(small.task, {method = "deep_sad", pretrain_epochs = 1, epochs = 2, batch = 20,
      threads = 1}))
    local phases = {}
    for _, e in ipairs(steps) do
      phases[e.phase] = phases[e.phase] or {}
      table.insert(phases[e.phase], e)
    end
    local last = phases.pretrain[#phases.pretrain]
    assert.same({#phases.pretrain, 2 * #phases.pretrain}, {last.total, #phases.train})
    assert.equal(1, last.share)
    assert.is_true(last.eta > 0)
    assert.equal(0, steps[#steps].eta)
  end)

  it("counts evaluations to come, as long as the latest one", function()
    local run = agad.trainer(small.task, small.with {epochs = 2, selection = "last"})
    local steps = steps_of(run)
    assert.equal(4, #steps)
    assert.equal(run.history[1].seconds, steps[4].eta)     -- no step is left, but one evaluation
  end)

  it("counts to a limit of the caller's, which ends the training where there is none left", function()
    local run = agad.trainer(small.task, small.with {epochs = 100000, evaluate_every = 0, selection = "last"})
    local steps = steps_of(run, {time_left = function(e) return 3 - e.step end})
    assert.equal(3, run.steps)
    assert.is_false(run.interrupted)
    assert.same({2, 1, 0}, {steps[1].eta, steps[2].eta, steps[3].eta})
    local shares = {}
    for i, e in ipairs(steps) do
      shares[i] = e.share
      assert.is_true(e.share > e.done / e.total)
    end
    assert.is_true(shares[1] < 1)
    assert.equal(1, shares[3])
    local line = progress.line(steps[3], {epochs = 100000}, 79, false)
    assert.matches("^epoch      2/100000  %[#+%]  .* 0%.0 s left$", line)
  end)

  it("is the training's own where the limit leaves more", function()
    local run = agad.trainer(small.task, small.with {epochs = 1, evaluate_every = 0, selection = "last"})
    local steps = steps_of(run, {time_left = function() return 1e9 end})
    assert.equal(2, #steps)
    assert.is_true(steps[1].eta < 1e9)
    assert.equal(0, steps[2].eta)
  end)
end)
