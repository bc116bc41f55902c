-- A user-defined generator. A net's file returns a function, which is given the shape of the pictures and builds the
-- net layer by layer. `agad info FILE.lua` lists the layers of a net.
--   agad train weave --net examples/small_net.lua --out small.safetensors
--   agad train weave --net examples/small_net.lua --set width=32 --out wider.safetensors

local nn = require "agad.nn"

return function(shape, o)                             -- {channels, height, width}; options of nets that are not 0
  nn.check_divides("small", shape, 4)                 -- says what to do about pictures of other sizes
  local half = {kernel = 4, stride = 2, padding = 1}  -- halves the sides, or doubles them in conv_transpose
  local width = o.width or 16
  local b = nn.builder(shape)
  b:conv(width, half):leaky_relu(0.2)
  b:conv(2 * width, half):batch_norm():leaky_relu(0.2)
  b:conv_transpose(width, half):batch_norm():relu()
  return b:conv_transpose(shape[1], half):tanh():build("small")     -- as many channels as it is given, from -1 to 1
end
