-- The naive encoder-decoder (paper, Table 7): 4 x 4 kernels, stride 2, padding 1 throughout.
-- 3 x 32 x 32: 2,137,728 parameters, 38.4 million MACs.

local nn = require "agad.nn"

return function(shape)
  nn.check_divides("naive", shape, 16)
  local half = {kernel = 4, stride = 2, padding = 1}
  local b = nn.builder(shape)
  b:conv(64, half):leaky_relu(0.2)
  b:conv(128, half):batch_norm():leaky_relu(0.2)
  b:conv(256, half):batch_norm():leaky_relu(0.2)
  b:conv(100, half)                                   -- the bottleneck
  b:conv_transpose(256, half):batch_norm():relu()
  b:conv_transpose(128, half):batch_norm():relu()
  b:conv_transpose(64, half):batch_norm():relu()
  return b:conv_transpose(shape[1], half):tanh():build("naive")
end
