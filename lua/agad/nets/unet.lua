-- UNet (Ronneberger et al. 2015; paper, Fig. 5a): 32, 64, 128, 256, 512 filters, each node two 3 x 3 convolutions.
-- norm none, 1 x 32 x 32: 7,759,521 parameters (Table 8: 7.76 M); norm bn, 3 x 32 x 32: 7,763,107, 188.7 million MACs.

local nn = require "agad.nn"
local shared = require "agad.nn.options"

-- Filters of every level: doubled from one to the next.
local function filters(o)
  local list, width = {}, o.width > 0 and o.width or 32
  for i = 1, o.depth > 0 and o.depth or 5 do list[i] = width << (i - 1) end
  return list
end

local function build(shape, o)
  local f = filters(o)
  nn.check_divides("unet", shape, 1 << (#f - 1))
  local b = nn.builder(shape)
  local down, x = {}, b.x
  for i, width in ipairs(f) do
    x = (i > 1 and x:max_pool() or x):double_conv(width, o.norm)
    down[i] = x
  end
  for i = #f - 1, 1, -1 do
    local up = x:conv_transpose(f[i], {kernel = 2, stride = 2, bias = true})
    x = down[i]:concat(up):double_conv(f[i], o.norm)
  end
  return x:conv(shape[1], {kernel = 1, bias = true}):tanh():build("unet")
end

return {options = {norm = shared.norm, width = shared.width, depth = shared.depth}, build = build}
