-- UNet++ (Zhou et al., 2020; paper, Fig. 5b): the nodes of UNet with dense skips. Node x(i, j), at level i from the
-- top, reads x(i, 0) to x(i, j - 1) and, upsampled, the node x(i + 1, j - 1) below.  Its name on the command line is
-- unet++. norm none, 1 x 32 x 32: 9,041,601 parameters (Table 8: 9.04 M); norm bn, 3 x 32 x 32: 9,045,891, 465.5
-- million MACs.

local nn = require "agad.nn"
local shared = require "agad.nn.options"

local function build(shape, o)
  local depth, width = o.depth > 0 and o.depth or 5, o.width > 0 and o.width or 32
  nn.check_divides("unet++", shape, 1 << (depth - 1))
  local b = nn.builder(shape)
  local x = {}                                        -- x[i][j]: level i from the top, column j, both from 1
  for i = 1, depth do
    x[i] = {(i > 1 and x[i - 1][1]:max_pool() or b.x):double_conv(width << (i - 1), o.norm)}
  end
  for j = 2, depth do
    for i = 1, depth - j + 1 do
      local filters = width << (i - 1)
      local up = x[i + 1][j - 1]:conv_transpose(filters, {kernel = 2, stride = 2, bias = true})
      local before = {table.unpack(x[i], 2, j - 1)}
      before[#before + 1] = up
      x[i][j] = x[i][1]:concat(table.unpack(before)):double_conv(filters, o.norm)
    end
  end
  return x[1][depth]:conv(shape[1], {kernel = 1, bias = true}):tanh():build("unet_plus_plus")
end

return {options = {norm = shared.norm, width = shared.width, depth = shared.depth}, build = build}
