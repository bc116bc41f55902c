-- A small generator for trainings of a second: a net's file, for the option net.

local nn = require "agad.nn"

return function(shape)
  local half = {kernel = 4, stride = 2, padding = 1}
  local b = nn.builder(shape)
  b:conv(4, half):batch_norm():leaky_relu(.2)
  return b:conv_transpose(shape[1], half):tanh():build "small"
end
