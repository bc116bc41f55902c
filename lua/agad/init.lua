--- agad: adversarial generative anomaly detection. `require "agad"` returns a table and sets no globals.
-- Every operator of libtorch is a function of it (agad.rand(3, 4), agad.softmax(t, 2)) and a method of tensors.

local core = require "agad.core"

-- The device is looked for before the first operator: libtorch settles the question only once.
local devices, device_note = core.probe()

local agad = {core = core, version = "0.1.0", libtorch_version = core.libtorch, devices = devices,
  device_note = device_note, grad = core.grad, manual_seed = core.manual_seed, memory = core.memory}

--- Runs f without gradients and returns its results.
-- @param f function
function agad.no_grad(f, ...)
  local before = core.grad_mode(false)
  local results = table.pack(pcall(f, ...))
  core.grad_mode(before)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- A tensor of one dimension from a list of numbers.
-- @param list table
-- @param o table|string {dtype = "float32"}, or the dtype
-- @return tensor
function agad.tensor(list, o)
  return core.from_table(list, type(o) == "table" and o.dtype or type(o) == "string" and o or "float32")
end

-- Parts are loaded when they are first asked for; what is none of them is an operator.
local parts = {campaign = true, data = true, draw = true, fetch = true, inspect = true, loss = true, metrics = true,
  model = true, nn = true, options = true, plot = true, progress = true, schedule = true, task = true, teach = true}

setmetatable(agad, {__index = function(_, name)
  if type(name) ~= "string" then return nil end
  local value
  if name == "metrics" then value = core.metrics
  elseif name == "trainer" then value = require("agad.trainer").new
  elseif parts[name] then value = require("agad." .. name)
  else value = core.operator(name) end
  rawset(agad, name, value)
  return value
end})

return agad
