-- A small UNet that maps defects: a strided convolution halves the sides, four levels of two 3 x 3 convolutions follow
-- (width, 2, 4 and 8 times that), and the decoder leads back to half resolution. Its output is a logit for each of
-- these pixels. Nodes named down1 … down4 and up1 … up3 are the last ones of each level (up1 is as fine as down1).

local nn = require "agad.nn"
local option = require("agad.base.options").option

local LEVELS, STRIDE = 4, 2
local RARE = -2.0                                 -- the first logits: few pixels are part of a defect

local function double_conv(x, width, name)
  local same = {kernel = 3, padding = 1}
  return x:conv(width, same):batch_norm():relu():conv(width, same):batch_norm():relu {name = name}
end

local function build(shape, o)
  nn.check_divides("defect_map", shape, STRIDE << (LEVELS - 1))
  local b = nn.builder(shape)
  local down, x = {}, b:conv(o.width, {kernel = 4, stride = STRIDE, padding = 1, bias = true})
  for i = 1, LEVELS do
    x = double_conv(i > 1 and x:max_pool() or x, o.width << (i - 1), "down" .. i)
    down[i] = x
  end
  for i = LEVELS - 1, 1, -1 do
    local up = x:conv_transpose(o.width << (i - 1), {kernel = 2, stride = 2, bias = true})
    x = double_conv(down[i]:concat(up), o.width << (i - 1), "up" .. i)
  end
  return (x:conv(1, {kernel = 1, bias = true}) + RARE):build("defect_map", nil, {init = "uniform"})
end

return {
  options = {width = option {default = 16, min = 1, max = 256, help = "filters of the first level"}},
  build = build,
}
