-- GANomaly's generator: encoder, decoder, second encoder (Akcay et al. 2018). Outputs x_hat, z, z_hat.
-- 3 x 32 x 32: 3,206,528 parameters.

local nn = require "agad.nn"

local function build(shape)
  if shape[2] ~= 32 or shape[3] ~= 32 then
    error(("net ganomaly: takes 32 x 32 pictures, not %d x %d; give size = 32"):format(shape[2], shape[3]), 0)
  end
  local half, last = {kernel = 4, stride = 2, padding = 1}, {kernel = 4, stride = 1, padding = 0}
  local function encode(x)
    return x:conv(64, half):leaky_relu(0.2)
      :conv(128, half):batch_norm():leaky_relu(0.2)
      :conv(256, half):batch_norm():leaky_relu(0.2)
      :conv(100, last)
  end
  local b = nn.builder(shape)
  local z = encode(b.x)
  local x_hat = z:conv_transpose(256, last):batch_norm():relu()
    :conv_transpose(128, half):batch_norm():relu()
    :conv_transpose(64, half):batch_norm():relu()
    :conv_transpose(shape[1], half):tanh()
  local z_hat = encode(x_hat)
  return z_hat:build("ganomaly", {{"x_hat", x_hat}, {"z", z}, {"z_hat", z_hat}})
end

return {build = build}
