--- Compares the gradients of a function with finite differences, in float64.
-- The results are reduced to one number, a sum with random weights, which is differentiated with respect to every
-- element of every input; this calls f twice for each element.
-- @param f function of tensors that returns one tensor or several
-- @param inputs list of float64 tensors; those that require gradients are checked, or all of them if none does
-- @param o table eps (1e-6: the step, relative to the largest number of the input if that is above 1), rtol (1e-5),
--   atol (1e-7)
-- @return true
-- @raise the gradients differ (with input, element and both values)

local agad = require "agad"
local options = require "agad.base.options"
local format = require("agad.base.text").format

local option = options.option

local known = {
  eps = option {default = 1e-6, above = 0}, rtol = option {default = 1e-5, min = 0},
  atol = option {default = 1e-7, min = 0},
}

-- The weighted sum of f's results; weights are drawn by the first call.
local function weighted(f, inputs, weights)
  local results, sum = table.pack(f(table.unpack(inputs))), nil
  for i = 1, results.n do
    local y = results[i]
    weights[i] = weights[i] or agad.rand_like(y:detach()) + 0.5
    local part = (y * weights[i]):sum()
    sum = sum and sum + part or part
  end
  return sum
end

return function(f, inputs, o)
  o = options.check("gradcheck", o, known, true)
  local rtol, atol, any, copies = o.rtol, o.atol, false, {}
  for i, t in ipairs(inputs) do
    if t.dtype ~= "float64" then error(("gradcheck: input %d is %s; float64 is needed"):format(i, t.dtype), 2) end
    any = any or t.requires_grad
  end
  for i, t in ipairs(inputs) do
    copies[i] = t:detach():clone():contiguous()
    if t.requires_grad or not any then copies[i]:requires_grad_() end
  end
  local weights, checked, places = {}, {}, {}
  for i, t in ipairs(copies) do
    if t.requires_grad then checked[#checked + 1], places[#places + 1] = t, i end
  end
  local gradients = table.pack(agad.grad(weighted(f, copies, weights), checked, {allow_unused = true}))
  for k, t in ipairs(checked) do
    local eps = o.eps * math.max(1, t:detach():abs():max():item())
    local flat = t:detach():view {-1}
    local own = gradients[k] and gradients[k]:flatten():totable()
    for j = 1, t:numel() do
      local before = flat[j]:item()
      local function at(x)
        flat[j] = x
        return agad.no_grad(weighted, f, copies, weights):item()
      end
      local numeric = (at(before + eps) - at(before - eps)) / (2 * eps)
      flat[j] = before
      local got = own and own[j] or 0.0
      local apart = math.abs(got - numeric)
      if apart ~= apart or apart > atol + rtol * math.abs(numeric) then
        error(format("gradcheck: input %d, element %d: the gradient is %.9g, but finite differences give %.9g",
          places[k], j, got,
          numeric), 2)
      end
    end
  end
  return true
end
