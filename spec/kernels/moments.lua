-- agad::moments: mean and standard deviation of each channel over the pixels of its picture.

local agad = require "agad"

local kernel = {operators = {"moments"}, bars = {float64 = 1e-12, float32 = 2e-6}}

kernel.cases = {}
for _, shape in ipairs {{2, 3, 16, 16}, {1, 1, 5, 9}, {3, 1, 1, 1}, {4, 17, 7, 3}, {1, 300, 2, 2}, {2, 16, 96, 128}} do
  for _, layout in ipairs {"contiguous", "channels_last", "cut"} do
    kernel.cases[#kernel.cases + 1] = {shape = shape, layout = layout,
      name = ("%s, %s"):format(table.concat(shape, "x"), layout)}
  end
end

-- Means far from 0 beside the deviations: their squares must not cancel.
function kernel.inputs(case, dtype)
  local n, c, h, w = table.unpack(case.shape)
  local x = agad.randn({n, c, h, w + (case.layout == "cut" and 2 or 0)}, {dtype = "float64"}) + 30
  return {x = x:to(dtype)}
end

local function laid_out(x, layout)
  if layout == "cut" then return x:narrow(4, 2, x:size(4) - 2) end
  return layout == "channels_last" and x:to {memory_format = "channels_last"} or x
end

function kernel.run(t, case) return {y = agad.moments(laid_out(t.x, case.layout))} end

function kernel.stock(t, case)
  local x = laid_out(t.x, case.layout)
  local mean = x:mean {dim = {3, 4}, keepdim = true}
  local deviation = (x - mean):square():mean {dim = {3, 4}}:sqrt()
  return {y = agad.cat({mean:flatten {start_dim = 2}, deviation}, 2)}
end

kernel.refused = {
  {function(t) return agad.moments(t.x:to "bfloat16") end, "moments: x is BFloat16"},
  {function(t) return agad.moments(t.x:flatten()) end, "moments: x has 1 dimensions"},
  {function(t) return agad.moments(t.x:narrow(4, 1, 0)) end, "moments: x has no pixels"},
}

function kernel.refused_inputs() return {x = agad.randn(4, 8, 6, 6)} end

return kernel
