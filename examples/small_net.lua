-- A user-defined generator: agad train weave --net examples/small_net.lua --out small.safetensors

local nn = require "agad.nn"

return function(shape)                                -- {channels, height, width}
  nn.check_divides("small", shape, 4)
  local half = {kernel = 4, stride = 2, padding = 1}
  local b = nn.builder(shape)
  b:conv(16, half):leaky_relu(0.2)
  b:conv(32, half):batch_norm():leaky_relu(0.2)
  b:conv_transpose(16, half):batch_norm():relu()
  return b:conv_transpose(shape[1], half):tanh():build("small")
end
