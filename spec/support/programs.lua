-- Small programs with every layer kind, for the specs of nets and programs.

local nn = require "agad.nn"

local small = {2, 6, 5}
local function chain(f)
  local b = nn.builder(small)
  return f(b):build("small")
end

local programs = {
  conv = chain(function(b) return b:conv(3, {kernel = {3, 2}, stride = {2, 1}, padding = {1, 0}}) end),
  ["conv with bias"] = chain(function(b) return b:conv(3, {bias = true}) end),
  conv_transpose = chain(function(b)
    return b:conv_transpose(3, {kernel = 4, stride = 2, padding = 1, output_padding = {1, 0}, bias = true})
  end),
  batch_norm = chain(function(b) return b:batch_norm() end),
  ["batch_norm with eps"] = chain(function(b) return b:conv(3):batch_norm({eps = 0.1}) end),
  ["batch_norm of two sets, relu"] = chain(function(b) return b:conv(3):batch_norm({sets = 2}):relu():conv(2) end),
  leaky_relu = chain(function(b) return b:leaky_relu(0.2) end),
  relu = chain(function(b) return b:relu() end),
  tanh = chain(function(b) return b:tanh() end),
  ["batch_norm, leaky_relu"] = chain(function(b) return b:conv(4):batch_norm():leaky_relu(0.2) end),
  ["batch_norm, relu, tanh"] = chain(function(b) return b:conv(4):batch_norm():relu():tanh() end),
  ["batch_norm, tanh"] = chain(function(b) return b:conv(4):batch_norm():tanh() end),
  ["conv, leaky_relu, relu, conv"] = chain(function(b) return b:conv(4):leaky_relu(0.3):relu():conv(2) end),
  ["batch_norm, relu, batch_norm, relu"] = chain(function(b) return b:batch_norm():relu():batch_norm():relu() end),
  max_pool = chain(function(b) return b:conv(3, {padding = 1}):max_pool():tanh() end),
  ["max_pool with overlap"] = chain(function(b) return b:max_pool {kernel = {3, 2}, stride = {2, 1}}:relu() end),
  ["conv_norm without batch norms"] = chain(function(b) return b:double_conv(3, "none") end),
  concat = chain(function(b)
    local c = b:conv(3, {padding = 1})
    local d = c:relu()
    return c:concat(d, b.x, c):tanh():conv(2)
  end),
  ["concat of one, in place after it"] = chain(function(b) return b:concat():leaky_relu(0.1) end),
  ["op with two tensors"] = chain(function(b)
    local c = b:conv(2, {padding = 1})
    return c:op("mul.Tensor", nil, b.x):op("sigmoid")
  end),
  ["op that gives a view, then in place"] = chain(function(b)
    return b:conv(3):op("flatten.using_ints", {start_dim = 2}):leaky_relu(0.2)
  end),
  ["op twice on one input"] = chain(function(b) return b.x:op("mul.Tensor", nil, b.x) end),
  ["op over a list of tensors"] = chain(function(b) return b:tanh():op("cat", {dim = 2}, b.x) end),
  ["one number a row"] = chain(function(b) return b:conv(2):l2(b.x:conv(2)) end),
  ["mean of squares"] = chain(function(b) return b:conv(2):mean_square(b.x:conv(2)) end),
  ["batch_norm without weight and bias"] = chain(function(b) return b:conv(3):batch_norm({affine = false}):tanh() end),
  ["batch_norm without weight and bias, leaky_relu"] =
    chain(function(b) return b:conv(3):batch_norm({affine = false, eps = 1e-4}):leaky_relu(0.01):conv(2) end),
  ["batch_norm of two sets without weight and bias"] =
    chain(function(b) return b:conv(3):batch_norm({affine = false, sets = 2}):relu():conv(2) end),
  ["upsample, sigmoid"] = chain(function(b) return b:conv(2):upsample():conv(2):upsample(3):sigmoid() end),
  ["a constant, added"] = chain(function(b)
    local x = b:conv(2, {padding = 1})
    return 0.5 * (x + b.x:constant {2, 6, 5}) + 2 * x:tanh() + 0.25
  end),
  ["distance to a constant"] =
    chain(function(b) return b:conv(3, {kernel = {6, 5}}):sum_square(b.x:constant {3, 1, 1}) end),
  ["map"] = chain(function(b) return b:difference_map(b.x:conv(2, {padding = 1}), b.x) end),
}
do
  local b = nn.builder(small)
  local h = b:conv(3, {padding = 1}):batch_norm()
  local z = h:leaky_relu(0.2)
  programs["several outputs, one of them read on"] =
    z:conv(1):build("several", {{"h", h}, {"z", z}, {"logits", z:conv(1)}, {"again", z}})
  b = nn.builder(small)                                       -- a net within a net, twice, over one set of tensors
  local inner = chain(function(c) return c:conv(2, {padding = 1}):batch_norm():tanh() end)
  local once = nn.inline(b, inner, "inner", b.x)
  programs["tensors shared by two uses"] = nn.inline(b, inner, "again", once, "inner"):conv(1):build("shared")
  b = nn.builder(small)
  local unused = b:conv(2):batch_norm():relu()
  programs["a branch without output"] = b.x:tanh():build("branch")
  assert(unused)
end

return {small = small, chain = chain, programs = programs}
