--- What the simple scores share: pictures reduced to at most 32 x 32 pixels, their mean, their principal components.
-- They need no net and are fitted in a second; a method is worth its time only where it is above them.

local core = require "agad.core"
local fitting = require "agad.tensor.fitting"
local nodes = require "agad.evaluate.nodes"

local simple = {}

local SIDE, COMPONENTS, NEIGHBOURS, CHUNK = 32, 30, 5, 64         -- CHUNK: pictures that are reduced at once

local function side_of(n) return math.min(SIDE, n) end

local function smaller(pictures, low, high)
  local x = pictures:to "float32" * ((high - low) / 255) + low
  local size = {side_of(x:size(3)), side_of(x:size(4))}
  return core.operator "adaptive_avg_pool2d"(x, size):flatten(2)
end

--- The mean, the principal components and the projections of pictures.
-- @param pictures tensor uint8 (n, channels, height, width)
-- @param input list {low, high}: the range of the program's input
-- @return table simple_mean (d), simple_basis (d, 30), simple_points (n, 30): kept tensors
function simple.fit(pictures, input)
  local n, rows = pictures:size(1), {}
  for first = 1, n, CHUNK do
    rows[#rows + 1] = smaller(pictures:narrow(1, first, math.min(CHUNK, n - first + 1)), input[1], input[2])
  end
  local x = core.operator "cat"(rows, {dim = 1})
  local mean, basis = fitting.pca(x, COMPONENTS)
  return {simple_mean = mean, simple_basis = basis, simple_points = (x - mean):matmul(basis)}
end

local function reduced(s)
  local size = {side_of(s.shape[2]), side_of(s.shape[3])}
  return s.x:op("adaptive_avg_pool2d", {output_size = size}):op("flatten.using_ints", {start_dim = 2}), size
end

-- Per picture: the root mean square of numbers.
local function rms(t) return t:op("mul.Tensor", nil, t):op("mean.dim", {dim = {2}}):op "sqrt" end

--- The root mean square difference from the mean picture.
-- @param s table as in agad.evaluate.scores
-- @return handle a number per picture
function simple.mean_distance(s) return rms(reduced(s):op("sub.Tensor", nil, s.kept.simple_mean)) end

--- The root mean square of what the components do not explain.
function simple.residual(s) return rms(nodes.residual(reduced(s), s.kept.simple_mean, s.kept.simple_basis)) end

--- The same where it is largest: the mean of the top hundredth of the smoothed residual.
function simple.local_residual(s)
  local x, size = reduced(s)
  local left = nodes.residual(x, s.kept.simple_mean, s.kept.simple_basis)
    :op("unflatten.int", {dim = 2, sizes = {s.shape[1], size[1], size[2]}}):op("abs"):op("mean.dim", {dim = {2}})
  return nodes.top(nodes.smooth(left, 3), math.max(1, size[1] * size[2] // 100))
end

--- The mean distance to the nearest training pictures, on the components.
function simple.nearest(s)
  local on = nodes.project(reduced(s), s.kept.simple_mean, nil, s.kept.simple_basis)
  return nodes.distance(on, s.kept.simple_points, math.min(NEIGHBOURS, s.keep.simple_points:size(1)))
end

return simple
