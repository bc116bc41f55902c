-- agad::bn_act, its backward, and its y once more: batch norm over all but the channels, then v > 0 ? v : slope * v.

local agad = require "agad"

local kernel = {operators = {"bn_act", "bn_act_again", "bn_act_backward"},
  bars = {float64 = 1e-12, float32 = 1e-5, bfloat16 = 1e-2}}

-- N, C, H, W: few and many channels, ragged tiles, one row a channel, more rows than one block takes
kernel.cases = {}
for _, shape in ipairs {{2, 3, 4, 4}, {4, 40, 8, 8}, {3, 33, 5, 7}, {64, 5, 1, 1}, {16, 3, 64, 64}, {8, 256, 4, 4}} do
  for _, last in ipairs {false, true} do
    for _, training in ipairs {true, false} do
      for _, slope in ipairs {0, .2, 1} do
        kernel.cases[#kernel.cases + 1] = {shape = shape, last = last, training = training, slope = slope,
          name = ("%dx%dx%dx%d, channels_last %s, training %s, slope %g"):format(shape[1], shape[2], shape[3], shape[4],
            last, training, slope)}
      end
    end
  end
end

function kernel.inputs(case, dtype)
  local double, c = {dtype = "float64"}, case.shape[2]
  local function picture(t)
    return case.last and t:to(dtype):contiguous {memory_format = "channels_last"} or t:to(dtype)
  end
  local function vector(from, to)
    return (agad.rand(c, double) * (to - from) + from):to(dtype == "float64" and "float64" or "float32")
  end
  return {x = picture(agad.randn(case.shape, double) * 2 + 3), dy = picture(agad.randn(case.shape, double)),
    weight = vector(-1, 1), bias = vector(-1, 1), running_mean = vector(-1, 1), running_var = vector(.5, 1.5)}
end

function kernel.run(t, case)
  local mean, var = t.running_mean:detach():clone(), t.running_var:detach():clone()
  local y, m, invstd = agad.bn_act(t.x, t.weight, t.bias, mean, var, case.training, .1, 1e-5, case.slope)
  local dx, dweight, dbias =
    agad.bn_act_backward(t.dy, t.x, t.weight, t.bias, m, invstd, case.training, case.slope)
  assert(agad.bn_act_again(t.x, t.weight, t.bias, m, invstd, case.slope):equal(y), "the y of before, to the bit")
  return {y = y, dx = dx, dweight = dweight, dbias = dbias}, {mean = m, invstd = invstd, running_mean = mean,
    running_var = var}
end

-- The formula under autograd; what stays in the parameters' precision comes second.
function kernel.stock(t, case)
  local shape = {1, -1, 1, 1}
  local n = t.x:numel() // case.shape[2]
  local x, w, b = t.x:requires_grad_(), t.weight:requires_grad_(), t.bias:requires_grad_()
  local mean = case.training and x:mean {dim = {1, 3, 4}} or t.running_mean
  local square = (x - mean:view(shape)):square():mean {dim = {1, 3, 4}}
  local invstd = ((case.training and square or t.running_var) + 1e-5):rsqrt()
  local v = (x - mean:view(shape)) * (w * invstd):view(shape) + b:view(shape)
  local y = agad.where(v:gt(0), v, v * case.slope)
  local dx, dweight, dbias = agad.grad((y * t.dy):sum(), {x, w, b})
  local moved = case.training and .1 or 0
  return {y = y, dx = dx, dweight = dweight, dbias = dbias}, {mean = mean, invstd = invstd,
    running_mean = t.running_mean * (1 - moved) + mean * moved,
    running_var = t.running_var * (1 - moved) + square * (moved * n / (n - 1))}
end

local function call(x, w, b, training) return agad.bn_act(x, w, b, nil, nil, training, .1, 1e-5, 0) end

-- What it refuses: a call with tensors x [4, 8, 6, 6], w and b [8] on the device, and words of the message.
kernel.refused = {
  {function(t) return call(t.x, t.w:narrow(1, 1, 7), t.b, true) end, "bn_act: weight is", "[7]", "[8]"},
  {function(t) return call(t.x, t.w:double(), t.b, true) end, "bn_act: weight is Double"},
  {function(t) return call(t.x, t.w, t.b, false) end, "bn_act: running_mean"},
  {function(t) return call(t.x:to "float16", t.w, t.b, true) end, "bn_act: x is Half"},
  {function(t) return call(t.w, t.w, t.b, true) end, "bn_act: x has 1 dimensions"},
  {function(t) return agad.bn_act_again(t.x, t.w, t.b, t.w:narrow(1, 1, 7), t.w, 0) end, "bn_act: mean is", "[7]"},
  {function(t) return agad.bn_act_backward(t.x:double(), t.x, t.w, t.b, t.w, t.w, true, 0) end, "bn_act_backward: dy"},
}

function kernel.refused_inputs() return {x = agad.randn(4, 8, 6, 6), w = agad.rand(8), b = agad.rand(8)} end

return kernel
