-- Every switch of the method: what each changes, and AGAD in C against its reference over autograd over a set of
-- configurations that holds every pair of values.
-- To add a case: a choice or a boolean of the method is tried without being named here; a number goes into `switches`
-- with two values.

local agad = require "agad"
local core = agad.core
local nn = agad.nn
core.threads(1)

local steps = dofile "spec/support/steps.lua"
local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local largest = steps.largest

-- Each option that changes the step, with all its values; of two numbers one more.
local switches = {{"delta", 1e-5, 5.0}, {"reciprocal_eps", 1e-3, 1e-2}}
for _, d in ipairs((agad.options.schema(require("agad.train.method").load "agad"))) do
  if d.group == "method" and d.kind == "choice" and d.name ~= "batch_mode" then
    switches[#switches + 1] = {d.name, table.unpack(d.choices)}
  elseif d.group == "method" and d.kind == "boolean" then
    switches[#switches + 1] = {d.name, d.default, not d.default}
  end
end

-- Greedy: each row takes, switch by switch, the value that covers most pairs not yet seen.
local function covering()
  local open, left = {}, 0
  local function key(i, vi, j, vj) return ((i * 32 + vi) * 32 + j) * 32 + vj end
  for i = 1, #switches do
    for j = i + 1, #switches do
      for vi = 2, #switches[i] do
        for vj = 2, #switches[j] do open[key(i, vi, j, vj)], left = true, left + 1 end
      end
    end
  end
  local rows = {}
  while left > 0 do
    local chosen, order = {}, {}
    for i = 1, #switches do order[i] = (i + #rows) % #switches + 1 end
    for _, i in ipairs(order) do
      local best, most = 2, -1
      for v = 2, #switches[i] do
        local gain = 0
        for j = 1, #switches do
          local function count(vj)
            local k = i < j and key(i, v, j, vj) or key(j, vj, i, v)
            return open[k] and 1 or 0
          end
          if j ~= i and chosen[j] then gain = gain + 100 * count(chosen[j])
          elseif j ~= i then for vj = 2, #switches[j] do gain = gain + count(vj) end end
        end
        if gain > most then best, most = v, gain end
      end
      chosen[i] = best
    end
    local before = left
    for i = 1, #switches do
      for j = i + 1, #switches do
        local k = key(i, chosen[i], j, chosen[j])
        if open[k] then open[k], left = nil, left - 1 end
      end
    end
    assert(left < before, "no progress")
    rows[#rows + 1] = chosen
  end
  return rows
end

local function options_of(row)
  local given = {terms = {}}
  for i, v in ipairs(row) do
    local name, value = switches[i][1], switches[i][v]
    if name:find "^terms%." then given.terms[name:sub(7)] = value else given[name] = value end
  end
  return given
end

local function moves_something(given)
  return given.terms.adv or given.terms.con or given.terms.adcon or given.terms.lat
end

local function text(given)
  local parts = {}
  for name, value in pairs(given) do
    if name ~= "terms" then parts[#parts + 1] = name .. "=" .. tostring(value) end
  end
  for name, value in pairs(given.terms) do parts[#parts + 1] = name .. "=" .. tostring(value) end
  table.sort(parts)
  return table.concat(parts, " ")
end

-- Losses of `count` steps and all weights after them, C against autograd.
local function compare(given, anomalies, count, o)
  local list = steps.batches(count, 6)
  local function run(method)
    o = o or {}
    local programs = o.programs and o.programs(given)
    return steps.record(steps.new_run {method = method, given = given, delta = given.delta, programs = programs,
      spread = o.spread}, list, anomalies)
  end
  local worst, where = steps.furthest(run "agad", run "agad_reference")
  assert.is_true(worst <= 1e-10, ("%.3g at %s: %s"):format(worst, where, text(given)))
end

describe("AGAD in C", function()
  it("equals its reference over autograd for every pair of values of its switches, 20 steps", function()
    local rows = covering()
    assert.is_true(#rows < 30, #rows .. " configurations")
    for _, row in ipairs(rows) do
      local given = options_of(row)
      if not moves_something(given) then given.terms.con = true end
      compare(given, 2, 20)
    end
  end)

  it("equals it without anomalies too", function()
    for _, given in ipairs {
      {terms = {}, detach_pseudo = "input"},
      {terms = {}, detach_pseudo = "target", advprop_bn = true, bn_track = "all"},
      {terms = {adv = false, lat = false}, latent_norm = "l2"}, {terms = {con = false}, branch_weight = "count"},
      {terms = {}, norm = "none", latent = "embedding"}, {terms = {}, freeze_bn = "freeze"},
    } do compare(given, 0, 20) end
  end)

  for _, net in ipairs {"naive", "unet", "unet++"} do
    it(("equals it on %s at a quarter of its width, 20 steps #slow"):format(net), function()
      local function programs(given)
        local width = net == "naive" and 16 or 8
        local shape = {1, 16, 16}
        local generator = nn.program(net, shape, {width = width, norm = given.norm})
        return {generator = given.advprop_bn and nn.with_second_norms(generator) or generator,
          discriminator = nn.program("discriminator", shape, {norm = given.norm, latent = given.latent})}
      end
      for _, given in ipairs {{terms = {}}, {terms = {}, norm = "none", adcon_anom = "both", d_anom = "real+fake"},
        {terms = {}, advprop_bn = true, freeze_bn = "freeze", bn_track = "all", latent = "embedding"}} do
        compare(given, 2, 20, {programs = programs, spread = 2})
      end
    end)
  end
end)

-- One step from the same start with one switch changed. Learning rate 0: gradients are what is looked at.
local function step_with(given, anomalies)
  local run = steps.new_run {given = given, lr = 0, stages = {"reconstruct", "discriminate", "pseudo_anomaly",
    "generator_loss", "discriminator_loss"}}
  run.step:run(steps.batches(1, 6)[1], 6 - anomalies)
  local function gradients(name)
    local list = run.step:gradients(name)
    local sum = 0
    for _, g in pairs(list) do sum = sum + (g and (g * g):sum():item() or 0) end   -- false: not reached
    return math.sqrt(sum)
  end
  local losses = run.step:losses()
  return {losses = losses, g = gradients "generator", d = gradients "discriminator", run = run}
end

describe("the switch", function()
  local base = step_with({}, 2)
  local L = base.losses

  it("adcon_anom chooses the anomalies' contextual term", function()
    local other, both = step_with({adcon_anom = "xhat_xhat2"}, 2).losses, step_with({adcon_anom = "both"}, 2).losses
    local function r(v) return 15 / (v + 1e-3) end
    assert.near(L.generator - r(L.adcon_anom) + r(other.adcon_anom), other.generator, 1e-9)
    assert.near(L.generator + r(both.pseudo_anom), both.generator, 1e-9)
    assert.equal(other.adcon_anom, both.pseudo_anom)
    assert.equal(L.adcon_anom, both.adcon_anom)
    assert.is_nil(L.pseudo_anom)
  end)

  it("adv_anom chooses what an anomaly's reconstruction shall look like to D", function()
    local opposite, off = step_with({adv_anom = "opposite"}, 2).losses, step_with({adv_anom = "off"}, 2).losses
    assert.near(L.generator - 1 / (L.adv_anom + 1e-3), off.generator, 1e-9)
    assert.near(off.generator + 1 / (opposite.adv_anom + 1e-3), opposite.generator, 1e-9)
    -- BCE(y, 1) - BCE(y, 0) = -mean y
    local y = base.run.step:get "y_hat":narrow(1, 5, 2):mean():item()
    assert.near(-y, opposite.adv_anom - L.adv_anom, 1e-10)
  end)

  it("d_anom shows D the anomalies' reconstructions as fakes too", function()
    local other = step_with({d_anom = "real+fake"}, 2)
    assert.near(L.discriminator + other.losses.fake_anom, other.losses.discriminator, 1e-10)
    assert.near(L.adv_anom, other.losses.fake_anom, 1e-12)                 -- both are BCE(y^_a, 0)
    assert.not_equal(base.d, other.d)
    assert.equal(base.g, other.g)
  end)

  it("detach_pseudo changes gradients, and no loss", function()
    local norms = {[base.g] = true}
    for _, value in ipairs {"input", "target"} do
      local other = step_with({detach_pseudo = value}, 2)
      for name, loss in pairs(L) do assert.equal(loss, other.losses[name], name) end
      assert.is_nil(norms[other.g])
      norms[other.g] = true
      assert.equal(base.d, other.d)
    end
  end)

  it("latent_norm measures z by its mean square or by the norm of a row", function()
    local other = step_with({latent_norm = "l2"}, 2)
    local z, z_hat = other.run.step:get "z", other.run.step:get "z_hat"
    local rows = (z_hat - z):flatten(2):square():sum({dim = {2}}):sqrt()
    assert.near(rows:narrow(1, 1, 4):mean():item(), other.losses.lat, 1e-12)
    assert.near(rows:narrow(1, 5, 2):mean():item(), other.losses.lat_anom, 1e-12)
    assert.near((z - z_hat):narrow(1, 1, 4):square():mean():item(), L.lat, 1e-12)
  end)

  it("latent makes z D's last map or a vector", function()
    assert.same({6, 6, 4, 4}, base.run.step:get "z".shape)
    assert.same({6, 7, 1, 1}, step_with({latent = "embedding"}, 2).run.step:get "z".shape)
    local d = nn.net(nn.program("discriminator", {3, 32, 32}, {latent = "embedding"})):info()
    assert.equal(663296 + 256 * 16 * 100, d.params)
  end)

  it("branch_weight counts the rows of each branch", function()
    local other = step_with({branch_weight = "count"}, 2).losses
    local normal = L.adv + 50 * L.con - 15 * L.adcon + 5 * L.lat
    assert.near((4 * normal + 2 * (L.generator - normal)) / 6, other.generator, 1e-9)
    assert.near((4 * (L.real + L.fake) + 2 * L.anom) / 6, other.discriminator, 1e-10)
    local without = step_with({branch_weight = "count"}, 0).losses
    assert.near(step_with({}, 0).losses.generator, without.generator, 1e-12)
  end)

  it("bn_track moves running statistics with the passes over x alone, or with all", function()
    local function mean(run) return run.nets.generator:buffers()[1].tensor end
    local twice = step_with({bn_track = "all"}, 2)
    assert.is_true(largest(mean(base.run) - mean(twice.run)) > 1e-6)
    -- x alone: 0.1 of the batch's mean
    local x_hat = step_with({bn_track = "x"}, 2)
    assert.equal(0, largest(mean(base.run) - mean(x_hat.run)))
    assert.equal(base.g, twice.g)
  end)

  it("advprop_bn gives the pass G(x^) batch norms of its own", function()
    local other = step_with({advprop_bn = true}, 2)
    local moved = {}
    for i, g in pairs(other.run.step:gradients "generator") do
      moved[other.run.nets.generator:params()[i].name] = largest(g) > 0
    end
    assert.is_true(moved["batch_norm1.weight"] and moved["batch_norm1.weight_2"])
    -- with the second set's numbers like the first's, and all others like those without it, nothing differs
    local run = steps.new_run {given = {advprop_bn = true}, lr = 0}
    for name, net in pairs(run.nets) do
      local plain = {}
      for _, p in ipairs(base.run.nets[name]:params()) do plain[p.name] = p.tensor:detach() end
      for _, p in ipairs(net:params()) do net:set(p.name, plain[(p.name:gsub("_2$", ""))]) end
    end
    run.step:run(steps.batches(1, 6)[1], 4)
    for name, loss in pairs(run.step:losses()) do assert.near(L[name], loss, 1e-12, name) end
  end)

  it("freeze_bn keeps anomalies out of the batch's statistics", function()
    for _, value in ipairs {"freeze", "bypass"} do
      local mixed = step_with({freeze_bn = value}, 2)
      local x = steps.batches(1, 6)[1]
      local alone = steps.new_run {given = {freeze_bn = value}, lr = 0}
      alone.step:run(x:narrow(1, 1, 4), 4)
      -- normals see a batch of normals only
      assert.near(alone.step:losses().con, mixed.losses.con, 1e-12)
      assert.is_true(math.abs(mixed.losses.con - L.con) > 1e-9)
      assert.equal(0, largest(alone.nets.generator:buffers()[1].tensor - mixed.run.nets.generator:buffers()[1].tensor))
    end
    assert.not_equal(step_with({freeze_bn = "freeze"}, 2).losses.adcon_anom,
      step_with({freeze_bn = "bypass"}, 2).losses.adcon_anom)
  end)

  it("terms turns a term off in both branches, and measures it all the same", function()
    local function r(weight, v) return weight / (v + 1e-3) end
    local off = {adv = L.adv + r(1, L.adv_anom), con = 50 * L.con, adcon = -15 * L.adcon + r(15, L.adcon_anom),
      lat = 5 * L.lat + r(5, L.lat_anom)}
    for term, part in pairs(off) do
      local other = step_with({terms = {[term] = false}}, 2)
      assert.near(L.generator - part, other.losses.generator, 1e-9, term)
      assert.equal(L[term], other.losses[term])
      assert.equal(base.d, other.d)
      assert.not_equal(base.g, other.g)
    end
    has(refused(step_with, {terms = {adv = false, con = false, adcon = false, lat = false}}, 2), "every term")
  end)

  it("norm = none leaves no batch norm and no running statistics", function()
    local other = step_with({norm = "none"}, 2)
    assert.equal(0, #other.run.nets.generator:buffers() + #other.run.nets.discriminator:buffers())
  end)

  it("delta_moments keeps or resets Adam's moments when D is re-initialised", function()
    local x = steps.batches(2, 6)
    -- a delta that the first loss is below, and the second, of the new D, is not
    local seed, delta = 0, nil
    repeat
      seed = seed + 1
      local run = steps.new_run {seed = seed, delta = 1e9}
      run.step:run(x[1], 4)
      local first = run.step:losses().discriminator
      run.step:run(x[2], 4)
      local second = run.step:losses().discriminator
      if first < second then delta = (first + second) / 2 end
    until delta
    local function after(moments)
      local run = steps.new_run {seed = seed, given = {delta_moments = moments}, delta = delta}
      run.step:run(x[1], 4)
      run.step:run(x[2], 4)
      assert.equal(1, run.step:collapses())
      return run.nets.discriminator:params()[1].tensor:detach():clone()
    end
    assert.is_true(largest(after "reset" - after "keep") > 1e-6)
  end)
end)
