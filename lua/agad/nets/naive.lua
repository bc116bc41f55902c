-- The naive encoder-decoder (paper, Table 7): 4 x 4 kernels, stride 2, padding 1 throughout.
-- 3 x 32 x 32: 2,137,728 parameters, 38.4 million MACs.

local nn = require "agad.nn"
local shared = require "agad.nn.options"

local function build(shape, o)
  nn.check_divides("naive", shape, 16)
  local half = {kernel = 4, stride = 2, padding = 1}
  local width, norm = o.width > 0 and o.width or 64, o.norm
  local b = nn.builder(shape)
  b:conv(width, half):leaky_relu(0.2)
  b:conv_norm(2 * width, half, norm):leaky_relu(0.2)
  b:conv_norm(4 * width, half, norm):leaky_relu(0.2)
  b:conv(100, half)                                   -- the bottleneck
  local up = {kernel = 4, stride = 2, padding = 1, bias = norm == "none" or nil}
  for _, channels in ipairs {4 * width, 2 * width, width} do
    local x = b:conv_transpose(channels, up)
    if norm ~= "none" then x = x:batch_norm() end
    x:relu()
  end
  return b:conv_transpose(shape[1], half):tanh():build("naive")
end

return {options = {norm = shared.norm, width = shared.width}, build = build}
