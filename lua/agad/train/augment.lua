--- Augmentation of training batches: flip, shift, brightness. Off by default; the option `augment` turns it on.
-- The random changes depend on nothing but the seed and the step, so a resumed run sees the same pictures.

local agad = require "agad"
local core = require "agad.core"
local known = require("agad.train.options").augment
local options = require "agad.base.options"

local augment = {}

-- Numbers of one step: splitmix64, as for tasks.
local function generator(seed, step)
  local state = seed * 0x2545f4914f6cdd1d + step * 0x5851f42d4c957f2d
  return function()                                     -- 0 <= u < 1
    state = state + 0x9e3779b97f4a7c15
    local z = state
    z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ~ (z >> 27)) * 0x94d049bb133111eb
    return ((z ~ (z >> 31)) >> 11) * 0x1p-53
  end
end

--- The checked options if any of them is on, else nil.
-- @param o table flip (false), shift (0: pixels, up to the picture's sides), brightness (0: share of the range)
-- @return table
-- @raise unknown options, with the known ones
function augment.wanted(o)
  o = options.check("augment", o, known)
  if not (o.flip or o.shift > 0 or o.brightness > 0) then return nil end
  return o
end

local function column(list, dtype, x)
  return core.from_table(list, dtype):reshape({#list, 1, 1}):to({device = x.device})
end

-- The source pixel of each pixel of the result, (n, h * w); the edges of shifted pictures are repeated.
local function source(x, o, flips, down, right)
  local n, h, w = x:size(1), x:size(3), x:size(4)
  local where = {dtype = "int64", device = x.device}
  local rows = (agad.arange(h, where):reshape({1, h, 1}) - column(down, "int64", x)):clamp(0, h - 1)
  local columns = (agad.arange(w, where):reshape({1, 1, w}) - column(right, "int64", x)):clamp(0, w - 1)
  if o.flip then columns = agad.where(column(flips, "int64", x):eq(1), columns * -1 + (w - 1), columns) end
  return (rows * w + columns):reshape({n, h * w})
end

--- An augmented batch: half of the pictures are flipped left to right, all are shifted by whole pixels (with edges
-- repeated) and made brighter or darker, within the range.
-- @param x tensor float (n, channels, height, width)
-- @param o table as `augment.wanted` gives it
-- @param seed integer
-- @param step integer
-- @param range list {low, high} of the pictures' values
-- @return tensor a new one
function augment.apply(x, o, seed, step, range)
  local n, c, h, w = x:size(1), x:size(2), x:size(3), x:size(4)
  local random, flips, down, right, light = generator(seed, step), {}, {}, {}, {}
  for i = 1, n do                                       -- always four numbers, so that options do not affect each other
    local a, b, d, e = random(), random(), random(), random()
    flips[i] = a < .5 and 1 or 0
    down[i], right[i] = math.floor(b * (2 * o.shift + 1)) - o.shift, math.floor(d * (2 * o.shift + 1)) - o.shift
    light[i] = (2 * e - 1) * o.brightness * (range[2] - range[1])
  end
  if o.flip or o.shift > 0 then
    local from = source(x, o, flips, down, right):reshape({n, 1, h * w}):expand({n, c, h * w})
    x = x:reshape({n, c, h * w}):gather(3, from):reshape({n, c, h, w})
  end
  if o.brightness > 0 then
    x = (x + column(light, x.dtype, x):reshape({n, 1, 1, 1})):clamp(range[1], range[2])
  end
  return x
end

return augment
