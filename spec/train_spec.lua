-- The training step: AGAD in C against its reference over autograd, averages, the collapse guard, stages in Lua, and
-- memory. Against PyTorch: step_spec.lua; against differences of losses: gradient_spec.lua.
-- To add a case: a test over new_run {options} and batches(count, rows) of spec/support/steps.lua.

local agad = require "agad"
local core = agad.core
local nn = agad.nn
local luv = require "luv"
local methods = require "agad.train.method"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local steps = dofile "spec/support/steps.lua"
local largest, new_run, batches, record, near = steps.largest, steps.new_run, steps.batches, steps.record, steps.near
local tiny_nets, furthest = steps.tiny_nets, steps.furthest

describe("AGAD's step", function()
  for _, anomalies in ipairs {0, 2} do
    it(("equals its reference over autograd, 20 steps, %d anomalies"):format(anomalies), function()
      local list = batches(20, 6)
      local own = record(new_run {average = {decay = .9}}, list, anomalies)
      near(own, record(new_run {method = "agad_reference"}, list, anomalies), 1e-10)
      near(own, record(new_run {method = "agad_reference", layout = "nchw"}, list, anomalies), 1e-10)
    end)

    it(("with AGAD_PLAIN=1 equals that without, 20 steps, %d anomalies"):format(anomalies), function()
      local list = batches(20, 6)
      local own = record(new_run {}, list, anomalies)
      luv.os_setenv("AGAD_PLAIN", "1")
      finally(function() luv.os_unsetenv "AGAD_PLAIN" end)
      near(record(new_run {}, list, anomalies), own, 1e-10)
    end)
  end

  it("adds its terms up as the paper does, with the weights of its options", function()
    local w = {adv = 2.0, con = 30.0, adcon = 7.0, lat = 3.0}
    local run = new_run {given = {lambda = w, reciprocal_eps = 0.01}}
    run.step:run(batches(1, 6)[1], 4)
    local l, e = run.step:losses(), 0.01
    local normal = w.adv * l.adv + w.con * l.con - w.adcon * l.adcon + w.lat * l.lat
    local known = w.adv / (l.adv_anom + e) + w.adcon / (l.adcon_anom + e) + w.lat / (l.lat_anom + e)
    assert.near(normal + known, l.generator, 1e-12 * math.abs(normal + known))
    assert.near(l.real + l.fake + l.anom, l.discriminator, 1e-12)
  end)

  it("is the same to the bit from the same seed, whatever the default generator did", function()
    local list = batches(4, 6)
    local one = record(new_run {dtype = "float32"}, list, 2)
    agad.manual_seed(99)
    agad.rand(5)
    local two = record(new_run {dtype = "float32"}, list, 2)
    assert.equal(0, (furthest(one, two)))
    assert.is_true(furthest(one, record(new_run {dtype = "float32", seed = 2}, list, 2)) > 0)
  end)

  it("stage by stage equals one call to the bit", function()
    local list = batches(3, 6)
    local one, run = record(new_run {}, list, 2), new_run {}
    local names, losses = {}, {}
    for i, x in ipairs(list) do
      run.step:begin(x, 4)
      for s = 1, 8 do names[s] = run.step:run_stage(s) end
      losses[i] = run.step:losses()
    end
    local two = record(run, {}, 0)
    two.losses = losses
    assert.equal(0, (furthest(one, two)))
    assert.same(methods.load("agad").phases[1].step, names)
  end)

  it("takes batches of changing size", function()
    local run = new_run {}
    for _, rows in ipairs {6, 3, 8, 1, 6} do
      run.step:run(batches(1, rows)[1], rows)
      assert.is_true(run.step:losses().generator == run.step:losses().generator)
    end
  end)

  it("refuses a batch that does not fit", function()
    local run = new_run {}
    has(refused(run.step.run, run.step, batches(1, 6)[1], 0), "n_normal = 0")
    has(refused(run.step.run, run.step, batches(1, 6)[1], 7), "n_normal = 7", "1 to 6")
    has(refused(run.step.run, run.step, agad.rand(2, 3, 16, 16), 2), "'generator'", "16")
    has(refused(run.step.run, run.step, 3, 2), "tensor")
    run.step:run(batches(1, 6)[1], 6)
  end)
end)

describe("the average of weights", function()
  it("has no bias from the start", function()
    local run, beta = new_run {average = {decay = 0.9}}, 0.9
    local mean = {}
    for t, x in ipairs(batches(5, 6)) do
      run.step:run(x, 6)
      local weight = (1 - beta) / (1 - beta ^ t)
      for i, p in ipairs(run.nets.generator:params()) do
        local w = p.tensor:detach()
        mean[i] = mean[i] and mean[i] * (1 - weight) + w * weight or w:clone()
        local got = run.step:average("generator")[i]
        assert.is_true(largest(got - mean[i]) <= 1e-14 + 1e-12 * largest(mean[i]), p.name)
        if t == 1 then assert.equal(0, largest(got - w)) end -- nothing is left of the start
      end
    end
    assert.is_nil(run.step:average "discriminator")
  end)

  it("spans a share of the steps so far: all of them alike, or the later ones the more", function()
    for _, share in ipairs {1, 1 / 4} do
      local run, seen = new_run {average = {share = share}}, {}
      for t, x in ipairs(batches(7, 6)) do
        run.step:run(x, 6)
        for i, p in ipairs(run.nets.generator:params()) do
          seen[i] = seen[i] or {}
          seen[i][t] = p.tensor:detach():clone()
          local mean
          for k, w in ipairs(seen[i]) do
            local weight = math.min(1, 1 / (share * k))
            mean = mean and mean * (1 - weight) + w * weight or w
          end
          local got = run.step:average("generator")[i]
          assert.is_true(largest(got - mean) <= 1e-14 + 1e-12 * largest(mean), p.name)
          if share == 1 then                                -- the plain mean
            local sum = seen[i][1]:clone()
            for k = 2, t do sum = sum + seen[i][k] end
            assert.is_true(largest(got - sum / t) <= 1e-14 + 1e-12 * largest(mean), p.name)
          elseif t <= 4 then assert.equal(0, largest(got - seen[i][t])) end -- no more than one step to span
        end
      end
    end
  end)

  it("counts its updates, not its batches", function()
    local m = methods.load "agad"
    local run = new_run {average = {share = 1}, accumulate = 2, stages = m.phases[1].step}
    local sums, updates = {}, 0
    for t, x in ipairs(batches(6, 6)) do
      run.step:run(x, 6)
      if t % 2 == 0 then
        updates = updates + 1
        for i, p in ipairs(run.nets.generator:params()) do
          local w = p.tensor:detach():clone()
          sums[i] = sums[i] and sums[i] + w or w
          local off = largest(run.step:average("generator")[i] - sums[i] / updates)
          assert.is_true(off <= 1e-14 + 1e-12 * largest(sums[i]), p.name)
        end
      end
    end
    assert.equal(3, updates)
  end)
end)

describe("the collapse guard", function()
  it("replaces D by the spare, with moments, count and statistics from the start", function()
    local run = new_run {delta = 1e9, guard_seed = 5, dtype = "float32"}
    local list = batches(2, 6)
    run.step:run(list[1], 6)
    assert.equal(1, run.step:collapses())
    local spare = nn.net(tiny_nets().discriminator):init(5)
    for i, p in ipairs(spare:params()) do
      assert.equal(0, largest(p.tensor - run.nets.discriminator:params()[i].tensor))
    end
    for _, p in ipairs(run.nets.discriminator:buffers()) do
      assert.equal(0, largest(p.tensor - (p.name:find "var" and 1 or 0)))
    end
    -- Adam's first step moves every weight by lr, whatever its gradient: only with moments and count of zero
    run.step:begin(list[2], 6)
    for s = 1, 7 do run.step:run_stage(s) end
    for i, p in ipairs(spare:params()) do
      local moved = (run.nets.discriminator:params()[i].tensor:detach() - p.tensor):abs()
      assert.near(2e-4, moved:median():item(), 2e-6, p.name)
      assert.is_true(moved:max():item() <= 2.001e-4, p.name)
    end
    run.step:run_stage(8)
    assert.equal(2, run.step:collapses())
    run.step:spare(6)
    run.step:run(list[1], 6)
    local redrawn = nn.net(tiny_nets().discriminator):init(6)
    assert.equal(0, largest(redrawn:params()[1].tensor - run.nets.discriminator:params()[1].tensor))
  end)

  it("leaves D alone above delta, and is off at 0", function()
    local list = batches(3, 6)
    local one = record(new_run {delta = 1e-5}, list, 0)
    local run = new_run {delta = 0}
    assert.equal(0, (furthest(one, record(run, list, 0))))
    assert.equal(0, run.step:collapses())
    has(refused(run.step.guard, run.step, "discriminator", 1, true, 1), "there can be only one")
    has(refused(run.step.guard, core.step("m", "{}"), "critic", 1, true, 1), "no update 'critic'")
  end)
end)

describe("a stage in Lua", function()
  local table_of_agad = methods.load("agad").phases[1].step
  local function with(place, stage)
    local stages = table.move(table_of_agad, 1, #table_of_agad, 1, {})
    table.insert(stages, place, stage)
    return stages
  end

  it("reads slots, options and counts, and changes nothing by that", function()
    local seen = {}
    local run = new_run {stages = with(5, {"look", function(s)
      seen.x_hat, seen.y, seen.normals, seen.con = s.x_hat, s.y, s.n_normal, s.options.lambda.con
      seen.adv, seen.none, seen.losses = s.loss.adv:item(), s.no_such_slot, s.losses
      s.x_hat:zero_() -- a copy
    end})}
    local list = batches(2, 6)
    local one = record(run, list, 2)
    assert.same({6, 1, 16, 16}, seen.x_hat.shape)
    assert.same({4, 50}, {seen.normals, seen.con})
    assert.equal(seen.losses.adv, seen.adv)
    assert.is_nil(seen.none)
    assert.equal(0, (furthest(one, record(new_run {}, list, 2))))
  end)

  it("replaces what later stages read", function()
    local list = batches(1, 6)
    local run = new_run {stages = with(4, {"swap", function(s) s.z_hat = s.z; s.note = agad.ones(1) end})}
    run.step:run(list[1], 6)
    assert.equal(0, run.step:losses().lat)
    assert.equal(1, run.step:get("note"):item())
  end)

  it("that raises names the stage, and leaves no gradient for the next step", function()
    local fail = true
    local run = new_run {stages = with(5, {"trip", function() if fail then error("on purpose", 0) end end})}
    local list = batches(2, 6)
    has(refused(run.step.run, run.step, list[1], 6), "stage trip", "on purpose")
    assert.is_false(run.step:gradients("generator")[1])
    fail = false
    run.step:run(list[1], 6)
    local plain = new_run {}
    plain.step:run(list[1], 6)
    for i, p in ipairs(run.nets.generator:params()) do
      assert.equal(0, largest(p.tensor - plain.nets.generator:params()[i].tensor))
    end
    run = new_run {stages = {{"trip", function() error({}) end}}}
    has(refused(run.step.run, run.step, list[1], 6), "stage trip")
    run = new_run {stages = {{"trip", function(s) s.x = 3 end}}}
    has(refused(run.step.run, run.step, list[1], 6), "stage trip")
  end)

  it("cannot run the step that it is in", function()
    local run
    run = new_run {stages = {{"again", function(s) run.step:run(s.x, s.n_normal) end}}}
    has(refused(run.step.run, run.step, batches(1, 6)[1], 6), "stage again", "already running")
  end)

  it("may itself call backward twice: gradients add up", function()
    local function gradients(stage)
      local run = new_run {stages = {{"loss", stage}}}
      run.step:run(batches(1, 6)[1], 6)
      return run.step:gradients("generator")
    end
    local function loss(s) return s.net.generator(s.x, {track = false}):sum() end
    local once = gradients(function(s) s:backward("generator", loss(s)) end)
    local twice = gradients(function(s) s:backward("generator", loss(s)); s:backward("generator", loss(s)) end)
    for i, g in ipairs(once) do assert.is_true(largest(twice[i] - g * 2) <= 1e-12 * math.max(1, largest(g))) end
  end)
end)

describe("a step", function()
  it("says which slot was never written, and which stage, net or update there is none of", function()
    local run = new_run {}
    run.step:begin(batches(1, 6)[1], 6)
    has(refused(run.step.run_stage, run.step, 4), "stage generator_loss", "slot x_hat")
    has(refused(run.step.run_stage, run.step, 9), "no such stage")
    has(refused(run.step.add_stage, run.step, "dream"), "method agad: there is no stage 'dream'", "guard_collapse",
      "agad.reconstruct", "agad.discriminator_loss")
    has(refused(run.step.add_stage, run.step, "critic_update"), "no update 'critic'")
    has(refused(run.step.add_update, run.step, "critic", {"critic"}, steps.adam()), "no net 'critic'")
    has(refused(run.step.add_average, run.step, "critic", {decay = .9}), "'critic'")
    has(refused(run.step.backward, run.step, "critic", agad.ones(1)), "no such update")
    has(refused(run.step.add_average, run.step, "generator", {}), "average of generator: give decay or share")
    has(refused(run.step.add_average, run.step, "generator", {decay = .9, share = .5}), "give decay or share")
    has(refused(run.step.add_average, run.step, "generator", {decay = 1}), "average of generator: decay = 1")
    has(refused(run.step.add_average, run.step, "generator", {share = 1.5}), "average of generator: share = 1.5")
    for _ = 1, 8 do run.step:add_average("generator", {decay = .9}) end
    has(refused(run.step.add_average, run.step, "generator", {decay = .9}), "step: at most 8 averages")
    local function add(adam) run.step:add_update("g", {"generator"}, adam) end
    for _, name in ipairs {"lr", "beta1", "beta2", "eps", "weight_decay", "clip", "accumulate"} do
      local adam = steps.adam()
      adam[name] = nil
      has(refused(add, adam), ("update g: %s = nil; give a "):format(name))
    end
    has(refused(add, steps.adam {beta = .5}), "update g: unknown option beta")
    has(refused(add, steps.adam {accumulate = 0}), "accumulate = 0")
    has(refused(core.step, "m", "{"), "method m", "JSON")
    has(refused(core.step, "m", "3"), "method m", "not a JSON object")
    local empty = new_run {stages = {"generator_update"}}
    has(refused(empty.step.run, empty.step, batches(1, 6)[1], 6), "update generator", "no stage has computed")
  end)

  it("keeps its nets, and their tensors are not exchanged under it", function()
    local run = new_run {}
    has(refused(run.nets.generator.share, run.nets.generator, "conv1.weight", agad.rand(4, 1, 4, 4)), "being trained")
    local step, list = run.step, batches(2, 6)
    run.nets, run.state = nil, nil
    collectgarbage()
    collectgarbage()
    step:run(list[1], 6)
    local late = core.step("m", "{}") -- collected in either order
    late:add_net("g", nn.net(tiny_nets().generator))
    late:add_update("g", {"g"}, steps.adam())
    late:add_average("g", {share = .25})
    late = nil
    collectgarbage()
    collectgarbage()
    assert.is_nil(late)
  end)
end)

describe("memory", function()
  local resident = checks.resident

  -- Bytes and handles must stand still after the first steps, and so must resident memory once the heap has settled:
  -- what leaks grows over any stretch of steps, so one of four without growth is enough.
  local function flat(run, count, x, settled)
    local function go(n)
      for i = 1, n do
        run.step:run(x, 8 - (i % 2) * 2)
        if i % 50 == 0 then run.step:losses() end
      end
      collectgarbage()
      collectgarbage()
      return resident(), core.memory()
    end
    local before, at_first = go(settled)
    local grown
    for _ = 1, 4 do
      local now, memory = go(count - settled)
      assert.equal(at_first.tensors, memory.tensors)
      assert.is_true(memory.bytes - at_first.bytes < 1e5, ("%d bytes more"):format(memory.bytes - at_first.bytes))
      grown, before = now - before, now
      -- AddressSanitizer keeps freed memory back for a while
      if grown < 4 or (os.getenv "AGAD_BUILD" or ""):find "asan" then return end
    end
    error(("%.1f MB more in %d steps"):format(grown, count - settled))
  end

  local function tiny() return new_run {dtype = "float32", average = {decay = .99}} end
  local x = agad.rand(8, 1, 16, 16) * 2 - 1

  it("stays flat over 400 steps of a tiny net", function() flat(tiny(), 400, x, 100) end)
  it("stays flat over 700 steps with Lua stages #slow", function()
    local run = new_run {dtype = "float32", method = "agad_reference"}
    flat(run, 700, x, 200)
  end)
  it("stays flat over 10,000 steps of a tiny net #slow", function() flat(tiny(), 10000, x, 100) end)
  it("stays flat over 300 steps of the naive net #slow", function()
    local shape = {1, 32, 32}
    local run = new_run {dtype = "float32", average = {decay = .99}, spread = 1,
      programs = {generator = nn.program("naive", shape), discriminator = nn.program("discriminator", shape)}}
    flat(run, 300, agad.rand(8, 1, 32, 32) * 2 - 1, 100)
  end)
end)
