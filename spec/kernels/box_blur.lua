-- agad::box_blur: the mean over the window of a radius, within the picture.

local agad = require "agad"

local kernel = {operators = {"box_blur"}, bars = {float64 = 1e-12, float32 = 1e-6}}

-- the window is a pixel, inside of the picture, larger than its rows, and larger than all of it
kernel.cases = {}
for _, shape in ipairs {{2, 3, 16, 16}, {1, 1, 5, 9}, {3, 12, 7}, {8, 8}, {2, 1, 1, 1}, {4, 2, 96, 128}} do
  for _, radius in ipairs {0, 1, 4, 8, 200} do
    kernel.cases[#kernel.cases + 1] = {shape = shape, radius = radius,
      name = ("%s, radius %d"):format(table.concat(shape, "x"), radius)}
  end
end

function kernel.inputs(case, dtype) return {x = (agad.randn(case.shape, {dtype = "float64"}) * 2 + 3):to(dtype)} end

function kernel.run(t, case) return {y = agad.box_blur(t.x, case.radius)} end

-- Each pixel is spread over its window by a matrix of zeros and ones, on either side.
function kernel.stock(t, case)
  local function band(n)
    local at = agad.arange(n, {dtype = "float64"})
    local near = (at:unsqueeze(2) - at:unsqueeze(1)):abs():le(case.radius):to "float64"
    return near / near:sum {dim = {2}, keepdim = true}
  end
  local n = #case.shape
  return {y = band(case.shape[n - 1]):matmul(t.x):matmul(band(case.shape[n]):t())}
end

kernel.refused = {
  {function(t) return agad.box_blur(t.x:to "bfloat16", 1) end, "box_blur: x is BFloat16"},
  {function(t) return agad.box_blur(t.x:flatten(), 1) end, "box_blur: x has 1 dimensions"},
  {function(t) return agad.box_blur(t.x, -1) end, "box_blur: the radius is -1"},
}

function kernel.refused_inputs() return {x = agad.randn(4, 8, 6, 6)} end

return kernel
