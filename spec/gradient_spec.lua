-- Numerical gradients, in float64, relative error at most 1e-6: every term of AGAD's losses in each form that its
-- switches give it, through the whole step, and the losses as functions.  Single layers: net_spec.lua.
--
-- The nets are smooth (tanh), so a loss has kinks only where x^ = x or x^' = x^.  Points are chosen away from them,
-- and every value that a difference is made of is checked to lie on the same side.
-- To add a case: another value of a switch in the lists of options below.

local agad = require "agad"
local core = agad.core
local nn = agad.nn
core.threads(1)

local steps = dofile "spec/support/steps.lua"
local programs = dofile("spec/support/programs.lua").programs

local BAR, H, MARGIN = 1e-6, 1e-4, 1e-3
local NORMALS, ANOMALIES, PLACES = 4, 2, 3

-- The derivative of f at 0 from four values; the error falls with H^4.
local function slope(f)
  return (8 * (f(H) - f(-H)) - (f(2 * H) - f(-2 * H))) / (12 * H)
end

-- At some places of a tensor: what `derivative(place)` says against the gradient there, as vectors.
local function check(name, exact, derivative)
  local flat, off, size = exact:contiguous():view(-1), 0, 0
  for _ = 1, math.min(PLACES, flat:numel()) do
    local place = math.random(flat:numel())
    local want = flat:select(1, place):item()
    off, size = off + (derivative(place) - want) ^ 2, size + want ^ 2
  end
  assert.is_true(size > 0, name .. ": no gradient to compare with")
  local relative = math.sqrt(off / size)
  assert.is_true(relative <= BAR, ("%s: %.3g off"):format(name, relative))
end

-- Smooth nets of a few channels on 8 px; their running statistics do not move.
local function smooth_nets(o)
  local half = {kernel = 4, stride = 2, padding = 1}
  local function norm(x) return o.norm == "none" and x or x:batch_norm {momentum = 0} end
  local g, d = nn.builder {1, 8, 8}, nn.builder {1, 8, 8}
  norm(g:conv(3, half):tanh():conv(4, half)):tanh()
  local generator = norm(g:conv_transpose(3, half)):tanh():conv_transpose(1, half):tanh():build "generator"
  local z = norm(d:conv(3, half):tanh():conv(4, half)):tanh()
  local logits = z:conv(1, {kernel = 2})
  if o.latent == "embedding" then z = z:conv(5, {kernel = 2}) end
  return {generator = o.advprop_bn and nn.with_second_norms(generator) or generator,
    discriminator = logits:build("discriminator", {{"logits", logits}, {"z", z}})}
end

local through = {generator = {"reconstruct", "discriminate", "pseudo_anomaly", "generator_loss"},
  discriminator = {"reconstruct", "discriminate", "discriminator_loss"}}

-- A run at a point that is MARGIN away from every kink, and its batch.
local function smooth_run(loss, given, anomalies)
  local function distance(step, a, b) return (step:get(a) - step:get(b)):abs():min():item() end
  for seed = 1, 500 do
    local run = steps.new_run {given = given, programs = smooth_nets(given), stages = through[loss], seed = seed,
      spread = 15}
    agad.manual_seed(seed)
    for _, net in pairs(run.nets) do
      for _, p in ipairs(net:buffers()) do
        net:set(p.name, agad.rand(p.tensor.shape, {dtype = "float64"}) * 0.5 + (p.name:find "var" and 0.5 or -0.25))
      end
    end
    local x = agad.rand({NORMALS + anomalies, 1, 8, 8}, {dtype = "float64"}) * 2 - 1
    run.step:run(x, NORMALS)
    if loss == "discriminator" or
      math.min(distance(run.step, "x", "x_hat"), distance(run.step, "x_hat", "x_hat2")) > MARGIN then return run, x end
  end
  error "no point away from the kinks"
end

-- L_G with what detach_pseudo holds kept as it was: the function whose gradient the step then computes.
local function held_loss(run, x_hat, l)
  local o, step = run.options, run.step
  local pair = {step:get "x_hat2", x_hat}
  if o.detach_pseudo == "input" then
    pair = {agad.no_grad(run.nets.generator, x_hat, {track = false, set = o.advprop_bn and 2 or 1}), step:get "x_hat"}
  end
  local distance, rows = (pair[1] - pair[2]):abs(), x_hat:size(1)
  local function part(normal, anomalous)
    local sum = -o.lambda.adcon * normal
    if rows > NORMALS and o.adcon_anom ~= "x_xhat" then
      sum = sum + o.lambda.adcon / (anomalous + o.reciprocal_eps)
    end
    return sum
  end
  local anomalous = rows > NORMALS and distance:narrow(1, NORMALS + 1, rows - NORMALS):mean():item()
  return l.generator - part(l.adcon, o.adcon_anom == "both" and l.pseudo_anom or l.adcon_anom)
    + part(distance:narrow(1, 1, NORMALS):mean():item(), anomalous)
end

local function check_step(loss, given, anomalies)
  local run, x = smooth_run(loss, given, anomalies)
  local step, net = run.step, run.nets[loss]
  local gradients, sides = {}, nil
  for i, g in ipairs(step:gradients(loss)) do gradients[i] = g and g:clone() end
  local x_hat = step:get "x_hat"
  local function value()
    step:run(x, NORMALS)
    local l = step:losses()
    if loss == "discriminator" then return l.discriminator end
    local now = agad.cat {step:get "x_hat" - x, step:get "x_hat2" - step:get "x_hat"}
    sides = sides or now
    assert.is_true((now * sides):min():item() > 0, "a kink was crossed")
    return run.options.detach_pseudo == "none" and l.generator or held_loss(run, x_hat, l)
  end
  value()
  math.randomseed(3)
  for i, p in ipairs(net:params()) do
    local w = p.tensor:detach():contiguous():clone()
    local function derivative(place)
      local at = w:view(-1):narrow(1, place, 1)
      local start = at:item()
      local result = slope(function(h)
        at:fill_(start + h)
        net:set(p.name, w)
        return value()
      end)
      at:fill_(start)
      net:set(p.name, w)
      return result
    end
    if gradients[i] then check(p.name, gradients[i], derivative)
    else assert.equal(0, derivative(1), p.name) end              -- nothing that the loss reads
  end
end

-- Options with one term of weight 1 and the others 0, and more.
local function only(term, more)
  local given = {lambda = {adv = 0.0, con = 0.0, adcon = 0.0, lat = 0.0}}
  given.lambda[term] = 1.0
  for key, value in pairs(more or {}) do given[key] = value end
  return given
end

-- term, switches, whether these change nothing for normals
local forms = {
  {"adv", {adv_anom = "alg1"}}, {"adv", {adv_anom = "opposite"}, true}, {"adv", {adv_anom = "off"}, true},
  {"con", {}},
  {"adcon", {adcon_anom = "x_xhat"}}, {"adcon", {adcon_anom = "xhat_xhat2"}, true},
  {"adcon", {adcon_anom = "both"}, true},
  {"adcon", {adcon_anom = "both", detach_pseudo = "input"}},
  {"adcon", {adcon_anom = "xhat_xhat2", detach_pseudo = "target"}},
  {"adcon", {adcon_anom = "both", advprop_bn = true}},
  {"adcon", {adcon_anom = "both", advprop_bn = true, detach_pseudo = "input"}},
  {"lat", {latent_norm = "mse"}}, {"lat", {latent_norm = "l2"}}, {"lat", {latent = "embedding"}},
}

local function text(o)
  local parts = {}
  for key, value in pairs(o) do parts[#parts + 1] = ("%s = %s"):format(key, value) end
  table.sort(parts)
  return #parts > 0 and table.concat(parts, ", ") or "defaults"
end

describe("the numerical gradient of the generator's", function()
  for _, form in ipairs(forms) do
    local term, more = form[1], form[2]
    it(("%s term: %s"):format(term, text(more)), function()
      if not form[3] then check_step("generator", only(term, more), 0) end
      check_step("generator", only(term, more), ANOMALIES)
    end)
  end

  for _, more in ipairs {{}, {branch_weight = "count"}, {norm = "none"}, {freeze_bn = "freeze"},
    {freeze_bn = "bypass"}, {bn_track = "all"}, {reciprocal_eps = 0.1}, {terms = {adv = false, lat = false}}} do
    it("whole loss, " .. text(more.terms and {["terms.adv, terms.lat"] = false} or more), function()
      check_step("generator", more, ANOMALIES)
    end)
  end
end)

describe("the numerical gradient of the discriminator's loss", function()
  for _, more in ipairs {{d_anom = "real"}, {d_anom = "real+fake"}, {d_anom = "real+fake", branch_weight = "count"},
    {norm = "none"}, {freeze_bn = "freeze"}, {freeze_bn = "bypass"}} do
    it(text(more), function()
      check_step("discriminator", more, 0)
      check_step("discriminator", more, ANOMALIES)
    end)
  end
end)

describe("the numerical gradient of agad.loss", function()
  local shape = {3, 2, 5}
  local function values() return agad.randn(shape, {dtype = "float64"}) end

  -- `f` of tensors that require gradients, times a factor, so that what flows back is not 1
  local function check_loss(name, f, tensors)
    math.randomseed(3)
    for _, t in ipairs(tensors) do t:requires_grad_() end
    local gradients = {agad.grad(f(table.unpack(tensors)) * 3, tensors)}
    for i, t in ipairs(tensors) do
      local flat = t:detach():view(-1)
      check(("%s by tensor %d"):format(name, i), gradients[i], function(place)
        local at = flat:narrow(1, place, 1)
        local start = at:item()
        local result = slope(function(h)
          at:fill_(start + h)
          return 3 * f(table.unpack(tensors)):item()
        end)
        at:fill_(start)
        return result
      end)
    end
  end

  it("l1, mse and bce", function()
    agad.manual_seed(5)
    local a = values()
    local away = values()
    check_loss("l1", agad.loss.l1, {a, a + away + away:sign() * 0.1})
    check_loss("mse", agad.loss.mse, {values(), values()})
    for target = 0, 1 do
      check_loss("bce", function(t) return agad.loss.bce(t, target) end, {values() * 3})
    end
  end)
end)

it("has a program for every kind of layer among those whose gradients net_spec.lua checks", function()
  local kinds = {}
  for _, program in pairs(programs) do
    for _, node in ipairs(program.nodes) do kinds[node.layer] = true end
  end
  local count = 0
  for _, layer in ipairs(core.layers()) do
    count = count + 1
    assert.is_true(kinds[layer.name], "no program with " .. layer.name)
  end
  assert.is_true(count >= 9)
end)
