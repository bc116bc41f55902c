-- Skip-GANomaly's nets (Akcay et al., 2019), for 32 x 32 pictures. `part` is "generator" (a UNet that halves the sides
-- five times, down to one pixel; 16,659,075 parameters with 3 channels) or "discriminator" (its outputs are logits and
-- features, a vector of 100 numbers; 1,069,700 parameters).

local nn = require "agad.nn"
local option = require("agad.base.options").option

local half = {kernel = 4, stride = 2, padding = 1}
local widths = {64, 128, 256, 512, 512}

-- Level i halves its input, runs the levels below, and doubles the result; all but the innermost level also concatenate
-- their input to the result.
local function level(x, i, channels)
  local down, innermost = x:leaky_relu(0.2):conv(widths[i], half), i == #widths
  if not innermost then down = down:batch_norm() end
  local below = innermost and down or level(down, i + 1, widths[i])
  return x:concat(below:relu():conv_transpose(channels, half):batch_norm())
end

local function generator(shape)
  local b = nn.builder(shape)
  local below = level(b.x:conv(widths[1], half), 2, widths[1])
  local last = {kernel = 4, stride = 2, padding = 1, bias = true}
  return below:relu():conv_transpose(shape[1], last):tanh():build "skip_ganomaly"
end

local function discriminator(shape)
  local b = nn.builder(shape)
  local features = b.x:conv(64, half):leaky_relu(0.2)
    :conv(128, half):batch_norm():leaky_relu(0.2)
    :conv(256, half):batch_norm():leaky_relu(0.2)
    :conv(100, {kernel = 4})
  local logits = features:conv(1, {kernel = 3, padding = 1})
  return logits:build("skip_ganomaly_discriminator", {{"logits", logits}, {"features", features}})
end

local function build(shape, o)
  if shape[2] ~= 32 or shape[3] ~= 32 then
    error(("net skip_ganomaly: takes 32 x 32 pictures, not %d x %d; give size = 32"):format(shape[2], shape[3]), 0)
  end
  return (o.part == "discriminator" and discriminator or generator)(shape)
end

return {
  options = {part = option {choices = {"generator", "discriminator"}, help = "which part to build"}},
  build = build,
}
