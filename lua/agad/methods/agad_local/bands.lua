-- Bands: what the net of agad_local sees of a picture. Beside its channels these are the differences of box blurs of
-- radius 0, 1 and 4, each divided by its standard deviation over normal pictures, and the picture without its coarse
-- structure, divided by the local contrast. The functions take tensors (n, C, h, w) or nodes of a net program: training
-- and the scoring program share them.

local core = require "agad.core"

local bands = {}

local LIMIT, FINE, MIDDLE, COARSE = 6.0, 1, 4, 8

--- An operator of libtorch on tensors or on nodes.
-- @param x tensor|handle its first tensor argument
-- @param name string with its overload ("mean.dim")
-- @param args table the arguments that are not tensors; dimensions count from 1
-- @param ... tensor|handle the other tensor arguments
function bands.call(x, name, args, ...)
  if type(x) ~= "userdata" then return x:op(name, args, ...) end
  local others = table.pack(...)
  others[others.n + 1] = args
  return core.operator(name:match "^[^.]+")(x, table.unpack(others, 1, others.n + (args and 1 or 0)))
end

local call = bands.call

--- The mean over a window of `side` pixels around each pixel, within the picture.
function bands.mean(x, side) return call(x, "agad::box_blur", {radius = side // 2}) end

-- A box blur of radius r, twice.
local function blur(x, r)
  return bands.mean(bands.mean(x, 2 * r + 1), 2 * r + 1)
end

local function minus(a, b) return call(a, "sub.Tensor", nil, b) end
local function times(a, b) return call(a, "mul.Tensor", nil, b) end

-- The three differences of blurs, and the local contrast (n, 1, h, w).
local function parts(x)
  local fine, coarse = blur(x, FINE), blur(x, COARSE)
  local rest = minus(x, coarse)
  local contrast = blur(call(times(rest, rest), "mean.dim", {dim = {2}, keepdim = true}), COARSE)
  return minus(x, fine), minus(fine, blur(x, MIDDLE)), rest, call(call(contrast, "clamp", {min = 0}), "sqrt")
end

--- What the bands of normal pictures are divided by: two standard deviations, and the mean local contrast.
-- @param x tensor (n, C, h, w), standardised pictures
-- @return tensor (3)
function bands.scales(x)
  local a, b, _, contrast = parts(x)
  local function of(v) return math.max(v:item(), 1e-6) end
  return core.from_table({of(a:std()), of(b:std()), of(contrast:mean())}, "float32")
end

local function limited(x) return call(x, "clamp", {min = -LIMIT, max = LIMIT}) end

--- The bands of pictures.
-- @param x tensor|handle (n, C, h, w), standardised pictures
-- @param scales tensor|handle (1, 3, 1, 1), of `bands.scales`
-- @return tensor|handle (n, 4 C, h, w)
function bands.of(x, scales)
  local function scale(i) return call(scales, "narrow", {dim = 2, start = i, length = 1}) end
  local function over(a, b) return limited(call(a, "div.Tensor", nil, b)) end
  local a, b, rest, contrast = parts(x)
  local level = call(contrast, "add.Tensor", {alpha = 0.2}, scale(3))
  local list = {x, over(a, scale(1)), over(b, scale(2)), over(rest, level)}
  if type(x) == "userdata" then return core.operator "cat"(list, 2) end
  return list[1]:concat(list[2], list[3], list[4])
end

return bands
