-- The LeNets of Deep SAD (Ruff et al. 2020): encoder and decoder of its autoencoder, for 32 x 32 pictures. They have no
-- biases, and their batch norms neither scale nor shift, so that the encoder cannot collapse to one point.
-- `kind` is mnist (a code of 32 numbers; the encoder has 9,192 parameters), fashion_mnist (64; 283,536) or cifar10
-- (128; 520,544 with 3 channels). `part` is "encoder" (its output is the code, {n, 1, 1}), "decoder" (its input is the
-- code) or "classifier" (the encoder and one logit).

local nn = require "agad.nn"
local option = require("agad.base.options").option

local kinds = {
  mnist = {widths = {8, 4}, code = 32, up = {4, 8}},
  fashion_mnist = {widths = {16, 32}, hidden = 128, code = 64, up = {32, 16}},
  cifar10 = {widths = {32, 64, 128}, code = 128, up = {128, 64, 32}},
}
local same = {kernel = 5, padding = 2}

local function norm(x) return x:batch_norm {eps = 1e-4, affine = false} end

local function encode(x, kind, side)
  for _, width in ipairs(kind.widths) do
    x = norm(x:conv(width, same)):leaky_relu(0.01):max_pool()
    side = side // 2
  end
  local whole = {kernel = side}                   -- a linear layer over the whole map
  if kind.hidden then x, whole = norm(x:conv(kind.hidden, whole)):leaky_relu(0.01), {kernel = 1} end
  return x:conv(kind.code, whole)
end

local function decode(x, kind, channels)
  local first = kind.code
  if kind.hidden then x, first = norm(x:conv(kind.hidden, {kernel = 1})), kind.hidden end
  x = x:op("reshape", {shape = {-1, first // 16, 4, 4}}):leaky_relu(0.01)
  for i, width in ipairs(kind.up) do
    if #kind.up - i < 2 then x = x:upsample() end          -- three times in all: 4, 8, 16, 32
    x = norm(x:conv_transpose(width, same)):leaky_relu(0.01)
  end
  return x:upsample():conv_transpose(channels, same):sigmoid()
end

local function build(shape, o)
  local kind = kinds[o.kind] or kinds[shape[1] == 3 and "cifar10" or "mnist"]
  if shape[2] ~= 32 or shape[3] ~= 32 then
    error(("net lenet: takes 32 x 32 pictures, not %d x %d; give size = 32"):format(shape[2], shape[3]), 0)
  end
  local start = {init = "uniform"}
  if o.part == "decoder" then
    local b = nn.builder {kind.code, 1, 1}
    return decode(b.x, kind, shape[1]):build("lenet_decoder", {{"picture", b.current}}, start)
  end
  local b = nn.builder(shape)
  local code = encode(b.x, kind, shape[2])
  if o.part == "classifier" then
    local logit = code:conv(1, {kernel = 1, bias = true})
    return logit:build("lenet_classifier", {{"logit", logit}, {"code", code}}, start)
  end
  return code:build("lenet_encoder", {{"code", code}}, start)
end

return {
  options = {
    kind = option {choices = {"auto", "mnist", "fashion_mnist", "cifar10"},
      help = "which LeNet; auto means cifar10 for 3 channels and mnist for 1"},
    part = option {choices = {"encoder", "decoder", "classifier"}, help = "which part to build"},
  },
  build = build,
}
