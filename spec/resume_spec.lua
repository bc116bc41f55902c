-- Resuming: a run that was stopped or killed anywhere ends as one that was not; what is refused.
-- To add a case: a test that stops a small run, resumes it and calls ended(run): equal to the bit to one that never
-- stopped.

local agad = require "agad"
local core = agad.core
local luv = require "luv"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local small = dofile "spec/support/small_run.lua"
local set, task, options = small.set, small.task, small.options
local with, quiet, ended, furthest = small.with, small.quiet, small.ended, small.furthest

local scratch = dofile "spec/support/scratch.lua"
local path = scratch.path
teardown(scratch.remove)

-- Trains a run until n steps are shown.
local function train_until(run, n)
  local count = 0
  run:fit(function(e)
    count = count + (e.kind == "step" and 1 or 0)
    return e.kind == "step" and count == n and "stop" or nil
  end)
end

describe("a resumed run", function()
  it("ends as one that never stopped, to the bit, wherever it was stopped", function()
    for _, n in ipairs {1, 3, 4} do
      local run = agad.trainer(task, with(), {dir = path("stop" .. n)})
      train_until(run, n)
      assert.equal(n, run.steps)
      run:close()
      local again = agad.trainer(task, with(), {dir = path("stop" .. n), resume = true})
      ended(again:fit(quiet))
      again:close()
      local steps = {}
      for line in io.lines(path("stop" .. n) .. "/log.jsonl") do
        local entry = core.json_decode(line)
        if entry.kind == "step" then steps[#steps + 1] = entry.step end
      end
      for i, step in ipairs(steps) do assert.equal(i, step) end      -- every step once, in order
      assert.equal(again.steps, #steps)
    end
  end)

  it("that was stopped amid the batches of one update ends as one that never stopped", function()
    local o = with {accumulate = 2, checkpoint_steps = 0}
    local undisturbed = agad.trainer(task, o):fit(quiet)
    local run = agad.trainer(task, o, {dir = path "amid"})
    train_until(run, 1)
    assert.equal(2, run.steps)                          -- the update's second batch was its last
    run:close()
    local again = agad.trainer(task, o, {dir = path "amid", resume = true}):fit(quiet)
    again:close()
    assert.same({undisturbed.steps, 0}, {again.steps, furthest(undisturbed, again)})
    run = agad.trainer(task, o, {dir = path "amid"})
    has(refused(run.fit, run, function(e) if e.kind == "step" then run:checkpoint() end end), "checkpoint of step 1",
      "accumulates 2 batches")
    run:close()
  end)

  it("whose average spans a share of the steps ends as one that never stopped, to the bit", function()
    local o = with {ema = "1/4"}
    local undisturbed = agad.trainer(task, o):fit(quiet)
    local run = agad.trainer(task, o, {dir = path "share"})
    train_until(run, 2)
    run:close()
    local again = agad.trainer(task, o, {dir = path "share", resume = true}):fit(quiet)
    assert.same({undisturbed.steps, 0}, {again.steps, furthest(undisturbed, again)})
    local row, average = again:evaluate(quiet), again.step:average "generator"
    assert.same({"1/4", row.auroc_steady}, {row.config.ema, undisturbed:evaluate(quiet).auroc_steady})
    for i, t in ipairs(undisturbed.step:average "generator") do
      assert.equal(t:tostring_bytes(), average[i]:tostring_bytes())
    end
    again:save(path "share.safetensors")
    assert.equal("1/4", agad.model.open(path "share.safetensors").config.ema)
    again:close()
    has(refused(agad.trainer, task, with {ema = .25}, {dir = path "share", resume = true}), "ema = 1/4, now 0.25")
  end)

  it("that had finished trains no more and gives the same row", function()
    local dir = path "finished"
    local run = agad.trainer(task, with(), {dir = dir}):fit(quiet)
    ended(run)
    run:close()
    local again = agad.trainer(task, with(), {dir = dir, resume = true})
    local steps = 0
    again:fit(function(e) steps = steps + (e.kind == "step" and 1 or 0) end)
    assert.equal(0, steps)
    ended(again)
    again:close()
  end)

  it("whose last evaluation was interrupted evaluates that epoch again, and ends as one that was not", function()
    local dir = path "evaluation"
    core.arm_interrupt()
    local run = agad.trainer(task, with(), {dir = dir})
    run:fit(function(e)
      if e.kind == "epoch" and e.epoch == 2 then luv.kill(luv.os_getpid(), "sigint") end   -- before its evaluation
    end)
    assert.is_true(core.interrupted())
    core.interrupt_clear()
    assert.same({true, 1, 2, 1}, {run.interrupted, #run.history, run.epoch, run.done})
    run:close()
    local again = agad.trainer(task, with(), {dir = dir, resume = true}):fit(quiet)
    again:close()
    assert.equal(3, #again.history)
    ended(again)
  end)

  -- The training in a process of its own: status and what it printed. It counts Lua's instructions in hundreds from the
  -- moment it trains. At the `at`-th it kills itself; or says so and goes on until it is killed, which is then in the
  -- middle of anything. It prints the count at its end.
  local script = path "child.lua"
  local function child(dir, at, by)
    scratch.write(script, [[
      local agad, luv = require "agad", require "luv"
      agad.core.threads(1)
      local set = agad.data.weave {train_normals = 60, train_defects = 20, test_normals = 12, test_defects = 12}
      local task = agad.task.one_vs_rest(set, {gamma = .05})
      local run = agad.trainer(task, agad.core.json_decode(arg[2]), {dir = arg[1], resume = true})
      local count, at, by = 0, tonumber(arg[3]), arg[4]
      debug.sethook(function()
        count = count + 1
        if count ~= at then return end
        if by == "itself" then luv.kill(luv.os_getpid(), "sigkill") end
        io.stdout:write "there\n"
        io.stdout:flush()
      end, "", 100)
      run:fit(function() end)
      print(count)
    ]])
    local out, printed, process, signal = luv.new_pipe(), "", nil, nil
    process = luv.spawn(os.getenv "AGAD" or "build/agad", {args = {script, dir, core.json_encode(options), at, by},
      stdio = {nil, out, 2}}, function(_, by_signal)
      signal = by_signal
      process:close()
    end)
    out:read_start(function(_, text)
      printed = printed .. (text or "")
      if text == "there\n" then process:kill "sigkill" end
      if not text then out:close() end
    end)
    luv.run()
    return signal == 9, tonumber(printed)
  end

  it("that was killed at any moment ends as one that was not #slow", function()
    local _, whole = child(path "whole", 0, "nobody")
    assert.is_true(whole > 100, whole .. " hundreds of instructions")
    for i = 1, 20 do
      local dir, first = path("kill" .. i), i * whole // 22
      local rest = whole - first                        -- at least: it goes on from the last checkpoint
      assert.is_true((child(dir, first, "itself")), first)
      if i % 2 == 0 then
        assert.is_true((child(dir, i * 7 % 20 * rest // 22 + 1, "itself")), i)
      else
        child(dir, i * 7 % 20 * rest // 22 + 1, "its parent")
      end
      local run = agad.trainer(task, with(), {dir = dir, resume = true}):fit(quiet)
      ended(run)
      run:close()
    end
  end)

  it("that was killed without any options for checkpoints goes on after an epoch that it finished", function()
    local dir = path "default"
    local o = with {epochs = 500, checkpoint_steps = 0, evaluate_every = 0, selection = "last"}
    scratch.write(path "default.lua", [[
      local agad, luv = require "agad", require "luv"
      local small = dofile "spec/support/small_run.lua"
      local run = agad.trainer(small.task, agad.core.json_decode(arg[2]), {dir = arg[1]})
      run:fit(function(e) if e.kind == "step" and e.epoch == 4 then luv.kill(luv.os_getpid(), "sigkill") end end)]])
    os.execute(("%s %s %s '%s'"):format(os.getenv "AGAD" or "build/agad", path "default.lua", dir, core.json_encode(o)))
    local run = agad.trainer(task, o, {dir = dir, resume = true})
    assert.is_true(run.done >= 1 and run.done <= 3, run.done)
    assert.equal(run.steps, run.done * run.sampler:batches())
    run:close()
    assert.is_nil(run.anew)
  end)

  it("is refused where pictures have changed under the same names", function()
    require("agad.base.folder").make(path "parts/good")
    local function folder(grey)
      for i = 1, 24 do
        agad.data.write_png(path("parts/good/" .. i .. ".png"), agad.full({1, 16, 16}, grey + i, {dtype = "uint8"}))
      end
      return agad.task.new(agad.data.folder(path "parts"), {holdout = 0})
    end
    local o = {epochs = 1, batch = 8, net = "spec/support/small_net.lua", threads = 1, min_anom = 0}
    local run = agad.trainer(folder(100), o, {dir = path "changed"}):fit(quiet)
    run:close()
    agad.trainer(folder(100), o, {dir = path "changed", resume = true}):close()
    has(refused(agad.trainer, folder(101), o, {dir = path "changed", resume = true}), "cannot resume",
      "the training pictures have changed since those it was started with")
  end)

  it("names what differs in another configuration, and other data", function()
    local dir = path "other"
    local run = agad.trainer(task, with {epochs = 1}, {dir = dir}):fit(quiet)
    run:close()
    has(refused(agad.trainer, task, with {epochs = 2, lr = 1e-4}, {dir = dir, resume = true}),
      "a different configuration", "(epochs = 1, now 2; lr = 0.0002, now 0.0001)")
    has(refused(agad.trainer, task, with {epochs = 1, lambda = {adv = 2}}, {dir = dir, resume = true}), "lambda.adv")
    local less = agad.task.one_vs_rest(set, {gamma = .05, limit = 30})
    has(refused(agad.trainer, less, with {epochs = 1}, {dir = dir, resume = true}), "cannot resume")
    local fine = agad.trainer(task, with {epochs = 1, log_every = 3, checkpoint_steps = 5}, {dir = dir, resume = true})
    assert.equal(run.steps, fine.steps)
    fine:close()
  end)

  it("starts afresh where there is none, and says so", function()
    local run = agad.trainer(task, with {epochs = 1}, {dir = path "none", resume = true})
    assert.equal(0, run.steps)
    local notes = {}
    run:fit(function(e)
      if e.kind == "note" then notes[#notes + 1] = e.text end
      return e.kind == "step" and "stop" or nil
    end)
    assert.same({("there is no checkpoint in %s; training starts from the beginning"):format(path "none")}, notes)
    run:close()
  end)
end)

describe("training", function()
  it("stops early when held-out normals get no better, and says so", function()
    local notes = {}
    local run = agad.trainer(task, with {epochs = 30, lr = 0, schedule = {lr = "constant:0"}, patience = 2,
      selection = "last"})
    run:fit(function(e) if e.kind == "note" then notes[#notes + 1] = e.text end end)
    assert.is_true(run.epoch < 30)
    has(table.concat(notes, "\n"), "stopped after epoch", "2 evaluations")
    has(refused(agad.trainer, task, {patience = 2}), "patience", "evaluate_every")
  end)

  it("calls back after steps, epochs and evaluations", function()
    local seen = {on_step = 0, on_epoch = 0, on_evaluate = 0}
    local callbacks = {on_event = quiet}
    for name in pairs(seen) do callbacks[name] = function() seen[name] = seen[name] + 1 end end
    local run = agad.trainer(task, with {epochs = 2}):fit(callbacks)
    assert.same({on_step = run.steps, on_epoch = 2, on_evaluate = 2}, seen)
    has(refused(run.fit, run, {on_stop = quiet}), "fit: unknown option on_stop; did you mean on_step?", "on_step")
  end)

  it("accumulates micro-batches into one update", function()
    local one = agad.trainer(task, with {epochs = 1, accumulate = 2}):fit(quiet)
    assert.equal(one.steps // 2, math.tointeger(one.step:tensors()["update.generator.count"]:item()))
  end)

  it("follows schedules of rates and weights, and keeps the configuration as it was given", function()
    local run = agad.trainer(task, with {epochs = 2, schedule = {lr = {0, 0}, lambda = {con = {10, 20}}}})
    local before = run:tensors(false)["generator.conv1.weight"]:detach():clone()
    run:fit(quiet)
    assert.equal(0, (run:tensors(false)["generator.conv1.weight"] - before):abs():max():item())   -- lr 0
    assert.equal(50, run.config.lambda.con)
    assert.equal(20, run.method_options.lambda.con)
    has(refused(agad.trainer, task, {schedule = {epochs = "linear:1:2"}}), "schedule.epochs", "lambda.con", "lr")
    has(refused(agad.trainer, task, {schedule = {lr = "linear:-1:2"}}), "lr = -1", "at least 0")
    has(refused(agad.trainer, task, {schedule = {lambda = {cn = 3}}}), "schedule.lambda.cn")
  end)

  it("bounds the norm of an update's gradients", function()
    local function moved(clip)
      -- so large an epsilon makes Adam's step the gradient itself
      local run = agad.trainer(task, with {epochs = 1, grad_clip = clip, adam_eps = 1e3, lr = 1.0,
        schedule = {lr = "constant:1"}, ema = 0})
      local before = {}
      for name, t in pairs(run:tensors(false)) do before[name] = t:detach():clone() end
      run:fit(function(e) return e.kind == "step" and "stop" or nil end)
      local sum = 0
      for _, p in ipairs(run.nets.generator:params()) do
        local d = p.tensor:detach() - before["generator." .. p.name]
        sum = sum + (d * d):sum():item()
      end
      return math.sqrt(sum)
    end
    local free = moved(0.0)
    assert.near(1e-3, moved(1.0), 2e-5)
    assert.is_true(free > 5e-3)
  end)

  it("stops at a loss that is no number, with step, term and the last good checkpoint", function()
    local run = agad.trainer(task, with {checkpoint_steps = 1}, {dir = path "nan"})
    local count = 0
    local message = refused(run.fit, run, function(e)
      count = count + (e.kind == "step" and 1 or 0)
      if count == 3 then
        agad.no_grad(function() run.nets.generator:params()[1].tensor:fill_(0 / 0) end)
      end
    end)
    has(message, "training stopped: loss ", "in step 4", "state.safetensors, is of step 3")
    run:close()
  end)
end)

describe("agad.teach", function()
  it("runs a step stage by stage, equal to the bit to one in training", function()
    local function new() return agad.trainer(task, with {epochs = 2}) end
    local taught, names = new(), {}
    for stage, state, i in agad.teach(taught, {steps = 3}) do
      names[i] = stage
      if stage == "generator_loss" then
        assert.is_true(state.gradient_norms.generator > 0)
        assert.is_nil(state.gradient_norms.discriminator)
        assert.equal(state.losses.con, state.loss.con:item())
        assert.same({16, 1, 32, 32}, state.x_hat2.shape)
      end
    end
    assert.same({"reconstruct", "discriminate", "pseudo_anomaly", "generator_loss", "generator_update",
      "discriminator_loss", "discriminator_update", "guard_collapse"}, names)
    local count = 0
    local trained = new():fit(function(e)
      count = count + (e.kind == "step" and 1 or 0)
      return e.kind == "step" and count == 3 and "stop" or nil
    end)
    assert.equal(3, taught.steps)
    assert.equal(0, furthest(taught, trained))
    assert.is_true(taught.state.statistics.generator["batch_norm1.running_mean"]:abs():max():item() > 0)
  end)

  it("lets later stages see what is written between them", function()
    local run = agad.trainer(task, with {epochs = 1})
    for stage, state in agad.teach(run) do
      if stage == "reconstruct" then state.x_hat = state.x end
      if stage == "generator_loss" then assert.equal(0, state.losses.con) end
    end
    has(refused(agad.teach, run, {step = 2}), "unknown option step")
  end)
end)
