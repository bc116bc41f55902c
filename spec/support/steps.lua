-- Training steps over tiny nets, and how far two runs of them are apart; for the specs of the step.

local assert = require "luassert"
local agad = require "agad"
local core = agad.core
local methods = require "agad.train.method"
local nn = agad.nn
local options = require "agad.options"

-- Nets of a few channels on 16 px.
local half = {kernel = 4, stride = 2, padding = 1}
local function tiny_nets(o)
  o = o or {}
  local g, d = nn.builder {1, 16, 16}, nn.builder {1, 16, 16}
  g:conv(4, half):leaky_relu(0.2)
  g:conv_norm(6, half, o.norm):leaky_relu(0.2)
  g:conv_transpose(4, half):relu():conv_norm(4, {kernel = 3, padding = 1}, o.norm):relu()
  local z = d:conv(4, half):leaky_relu(0.2):conv_norm(6, half, o.norm):leaky_relu(0.2)
  local logits = z:conv(1, {kernel = 4})
  if o.latent == "embedding" then z = z:conv(7, {kernel = 4}) end
  local generator = g:conv_transpose(1, half):tanh():build "generator"
  return {generator = o.advprop_bn and nn.with_second_norms(generator) or generator,
    discriminator = logits:build("discriminator", {{"logits", logits}, {"z", z}})}
end

-- All that an update is given, with Adam's numbers of the protocol.
local function adam(more)
  local o = {lr = 2e-4, beta1 = .5, beta2 = .999, eps = 1e-8, weight_decay = 0, clip = 0, accumulate = 1}
  for key, v in pairs(more or {}) do o[key] = v end
  return o
end

local function largest(t) return t:abs():max():item() end

-- A step over tiny nets. o: method, given (options), seed, dtype, spread (of the weights), average, accumulate, delta,
-- stages
local function new_run(o)
  local method = methods.load(o.method or "agad")
  local opts = options.select(options.resolve(method, o.given or {}), "method")
  local run = {nets = {}, options = opts,
    step = core.step(method.name, methods.encode(method, opts), method.family)}
  for name, program in pairs(o.programs or tiny_nets(opts)) do
    local net = nn.net(program, {dtype = o.dtype or "float64", layout = o.layout}):init((o.seed or 1) + #name)
    for _, p in ipairs(net:params()) do
      if p.name:find "conv" then net:set(p.name, p.tensor:detach() * (o.spread or 10)) end
    end
    run.nets[name] = net
  end
  local step = run.step
  step:add_net("generator", run.nets.generator)
  step:add_net("discriminator", run.nets.discriminator)
  step:add_update("generator", {"generator"}, adam {lr = o.lr, accumulate = o.accumulate})
  step:add_update("discriminator", {"discriminator"}, adam {lr = o.lr, accumulate = o.accumulate})
  if o.average then step:add_average("generator", o.average) end
  for _, stage in ipairs(o.stages or method.phases[1].step) do
    if type(stage) == "string" then step:add_stage(stage) else step:add_stage(stage[1], stage[2]) end
  end
  step:guard("discriminator", o.delta or 1e-5, opts.delta_moments ~= "keep", o.guard_seed or 3)
  run.state = require("agad.train.state").new(step, run.nets, opts)
  step:set_state(run.state)
  return run
end

local function batches(count, rows)
  agad.manual_seed(17)
  local list = {}
  for i = 1, count do list[i] = agad.rand(rows, 1, 16, 16, {dtype = "float64"}) * 2 - 1 end
  return list
end

-- Weights and losses of every step, in a fixed order.
local function record(run, list, anomalies)
  local losses = {}
  for i, x in ipairs(list) do
    run.step:run(x, x:size(1) - anomalies)
    losses[i] = run.step:losses()
  end
  local weights = {}
  for _, name in ipairs {"generator", "discriminator"} do
    for _, p in ipairs(run.nets[name]:params()) do weights[#weights + 1] = p.tensor:detach():clone() end
    for _, p in ipairs(run.nets[name]:buffers()) do weights[#weights + 1] = p.tensor:clone() end
  end
  return {losses = losses, weights = weights}
end

local function furthest(one, two)
  local worst, where = 0, "nowhere"
  for i, losses in ipairs(one.losses) do
    for name, value in pairs(losses) do
      local other = assert(two.losses[i][name], name)
      local off = math.abs(value - other) / math.max(1e-12, math.abs(other))
      if off > worst then worst, where = off, ("loss %s of step %d"):format(name, i) end
    end
  end
  for i, w in ipairs(one.weights) do
    local off = largest(w - two.weights[i]) / math.max(1e-3, largest(two.weights[i]))
    if off > worst then worst, where = off, "tensor " .. i end
  end
  return worst, where
end

local function near(one, two, bar)
  local worst, where = furthest(one, two)
  assert.is_true(worst <= bar, ("%.3g at %s"):format(worst, where))
end

return {tiny_nets = tiny_nets, adam = adam, largest = largest, new_run = new_run, batches = batches, record = record,
  furthest = furthest, near = near}
