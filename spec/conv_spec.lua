-- Convolutions of nets, whichever way they are computed: values and gradients against libtorch's in float64.
-- Kernels of 3 x 3 (stride 1) and 4 x 4 (stride 2) with a padding of 1 have a way of their own (csrc/cpu/winograd.h).
-- To add a case: a line in `shapes`.

local agad = require "agad"
local nn = agad.nn
local ways = dofile "spec/support/ways.lua"

-- from, to, height, width, pictures: one channel more and less than a register, several blocks of rows and of depth,
-- sides that tiles of two do not fill, one pixel, one picture; fewer tiles than numbers of a kernel.
local shapes = {
  {16, 16, 8, 8, 2}, {17, 31, 7, 5, 3}, {33, 48, 2, 9, 1}, {64, 100, 4, 4, 5}, {100, 64, 6, 4, 2}, {260, 70, 5, 3, 2},
  {70, 300, 3, 5, 1}, {16, 40, 1, 3, 2}, {24, 16, 3, 1, 2}, {32, 32, 33, 31, 2}, {48, 20, 13, 26, 7},
  {16, 16, 2, 2, 300}, {160, 192, 4, 6, 3}, {32, 64, 16, 15, 9}, {64, 32, 9, 16, 11},
}
local kinds = {
  {"conv", {kernel = 3, padding = 1}}, {"conv_transpose", {kernel = 3, padding = 1}},
  {"conv", {kernel = 4, stride = 2, padding = 1}}, {"conv_transpose", {kernel = 4, stride = 2, padding = 1}},
  {"conv_transpose", {kernel = 4, stride = 2, padding = 1, output_padding = 1}},
}
-- No way of their own.
local others = {
  {"conv_transpose", {kernel = 2, stride = 2, padding = 0}}, {"conv", {kernel = 3, stride = 2, padding = 0}},
  {"conv", {kernel = 5, stride = 3, padding = 2}}, {"conv_transpose", {kernel = 3, stride = 3, padding = 1}},
}

local function each_case(f, of)
  for _, kind in ipairs(of or kinds) do
    for i, s in ipairs(shapes) do
      local layer, o = kind[1], kind[2]
      if layer == "conv_transpose" or math.min(s[3], s[4]) + 2 * o.padding >= o.kernel then
        local what = ("%s of %d x %d, %d to %d channels, %d pictures of %d x %d"):format(layer, o.kernel, o.kernel,
          s[1], s[2], s[5], s[3], s[4])
        f(layer, {kernel = o.kernel, stride = o.stride, padding = o.padding, output_padding = o.output_padding,
          bias = i % 3 == 0}, s, what)
      end
    end
  end
end

local function picture(s, dtype)
  return (agad.rand(s[5], s[1], s[3], s[4], {dtype = dtype}) - .5):contiguous {memory_format = "channels_last"}
end

-- y, and the gradients of x, weight and bias.
local function results(f, x, weight, bias, dy)
  x, weight, bias = x:clone():requires_grad_(), weight:clone():requires_grad_(), bias and bias:clone():requires_grad_()
  local y = f(x, weight, bias)
  y:backward(dy)
  return {y:detach(), x.grad, weight.grad, bias and bias.grad}
end

local function through_net(layer, o, s, dtype, compute)
  local b = nn.builder {s[1], s[3], s[4]}
  local net = nn.net(b[layer](b, s[2], o):build "one", {dtype = dtype, compute = compute})
  return function(x, weight, bias)
    for _, p in ipairs(net:params()) do net:share(p.name, p.name:find "weight" and weight or bias) end
    return net(x)
  end
end

local function through_libtorch(layer, o)
  return function(x, w, b)
    local stride, padding = {o.stride or 1, o.stride or 1}, {o.padding, o.padding}
    if layer == "conv" then return x:conv2d(w, b, stride, padding) end
    return x:conv_transpose2d(w, b, stride, padding, {o.output_padding or 0, o.output_padding or 0})
  end
end

local function inputs(layer, o, s, dtype)
  local from, to = s[1], s[2]
  local x = picture(s, dtype)
  local weight = agad.rand(layer == "conv" and to or from, layer == "conv" and from or to, o.kernel, o.kernel,
    {dtype = dtype}) - .5
  return x, weight, o.bias and agad.rand(to, {dtype = dtype}) or nil
end

local function double(t) return t and t:to "float64" end

local function hold(dtype, bar)
  each_case(function(layer, o, s, what)
    local x, weight, bias = inputs(layer, o, s, dtype)
    local stock = through_libtorch(layer, o)
    local dy = agad.rand_like(stock(x, weight, bias)) - .5
    local got = results(through_net(layer, o, s, dtype), x, weight, bias, dy)
    local want = results(stock, double(x), double(weight), double(bias), double(dy))
    for i, w in pairs(want) do
      local d = ((double(got[i]) - w):abs():max() / w:abs():max()):item()
      assert(d <= bar, ("%s, result %d in %s: %g apart, %g allowed"):format(what, i, dtype, d, bar))
    end
  end)
end

describe("a convolution of a net", function()
  local threads

  before_each(function()
    agad.manual_seed(8)
    threads = agad.core.threads()
  end)
  after_each(function() agad.core.threads(threads) end)

  it("computes what libtorch's does in float64, and its gradients", function() hold("float64", 1e-13) end)

  it("keeps float32's precision", function() hold("float32", 1e-5) end)

  it("gives the same bits with one thread and with two", function()
    each_case(function(layer, o, s, what)
      local x, weight, bias = inputs(layer, o, s, "float32")
      local net = through_net(layer, o, s, "float32")
      local dy = agad.rand_like(net(x, weight, bias):detach())
      agad.core.threads(1)
      local one = results(net, x, weight, bias, dy)
      agad.core.threads(2)
      local two = results(net, x, weight, bias, dy)
      for i = 1, s[3] * s[4] > 16 and 3 or 0 do assert(one[i]:equal(two[i]), what .. ", result " .. i) end
    end)
  end)

  it("gives each picture the same bits, whatever else is in the batch", function()
    each_case(function(layer, o, s, what)
      if s[5] == 1 or s[3] * s[4] <= 16 then return end
      local x, weight, bias = inputs(layer, o, s, "float32")
      local net = through_net(layer, o, s, "float32")
      local all = net(x, weight, bias)
      local alone = net(x:narrow(1, 2, 1):contiguous {memory_format = "channels_last"}, weight, bias)
      assert(all:narrow(1, 2, 1):equal(alone), what)
    end)
  end)

  -- bf16's numbers have 8 bits. Inputs are rounded before, the result is once more; products of several chunks, too.
  it("keeps each dtype's precision in every way of computing it #slow", function()
    local function rounded(t) return t and t:to("bfloat16"):to("float32") end
    local function all(compute, bar)
      for _, of in ipairs {kinds, others} do
        each_case(function(layer, o, s, what)
          local x, weight, bias = inputs(layer, o, s, "float32")
          local stock = through_libtorch(layer, o)
          local dy = rounded(agad.rand_like(stock(x, weight, bias)) - .5)
          x, weight, bias = rounded(x):contiguous {memory_format = "channels_last"}, rounded(weight), rounded(bias)
          local net = through_net(layer, o, s, "float32", compute)
          local got = results(net, x, weight, bias, compute == "bfloat16" and dy:to "bfloat16" or dy)
          local want = results(stock, double(x), double(weight), double(bias), double(dy))
          for i, w in pairs(want) do
            local d = ((double(got[i]) - w):abs():max() / w:abs():max()):item()
            assert(d <= bar, ("%s, result %d in %s: %g apart, %g allowed"):format(what, i, compute, d, bar))
          end
        end, of)
      end
    end
    for compute, bar in pairs {float32 = 1e-5, bfloat16 = 2 ^ -7} do
      local with = agad.core.with_choices
      local measured = with("", function() all(compute, bar) end)
      for n = 1, ways.most(measured) do
        local chosen, different = ways.with(measured, n)
        local taken = with(chosen, function() all(compute, bar) end)
        assert.equal(ways.names(chosen), ways.names(taken))
        assert.is_true(n > 1 or different > 0)
      end
    end
  end)
end)
