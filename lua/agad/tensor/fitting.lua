--- Statistics fitted to training pictures, as functions of tensors: standardisation, principal components, nearest
-- neighbours, logistic regression. They compute in float64, draw nothing at random, and never give NaN. What they
-- return is what agad.evaluate.nodes puts into a scoring program.

local core = require "agad.core"

local fitting = {}

local cat, zeros = core.operator "cat", core.operator "zeros"

local NORMAL_IQR = 1.349                          -- the interquartile range of N(0, 1)
local STEPS, HALVINGS, ENOUGH = 25, 30, 1e-7

-- A matrix in float64.
-- @raise it is not a matrix with a row, or holds a number that is not finite
local function matrix(where, x)
  if #x.shape ~= 2 or x:size(1) == 0 or x:size(2) == 0 then
    error(("%s: a tensor (n, d) with a row and a column is needed"):format(where), 0)
  end
  local wide = x:to "float64"
  if not wide:sum():isfinite():item() then
    local row = wide:isfinite():all(2):to("uint8"):argmin():item() + 1
    error(("%s: row %d holds a number that is not finite"):format(where, row), 0)
  end
  return wide
end

--- Principal components, by the smaller of the two Gram matrices. The largest entry of each component is positive.
-- @param x tensor (n, d)
-- @param q integer how many; fewer if x has a lower rank, but at least one (zeros where all rows are equal)
-- @param o table centred (true; false: the mean is taken to be 0)
-- @return tensor the mean (d), in the dtype of x
-- @return tensor the components (d, q) as columns of length 1, the strongest first
-- @raise x is not a matrix, or not finite
function fitting.pca(x, q, o)
  local wide = matrix("pca", x)
  local n, d = wide:size(1), wide:size(2)
  local mean = o and o.centred == false and zeros({d}, {dtype = "float64"}) or wide:mean {dim = {1}}
  local rows = wide - mean
  local tall = n >= d
  local gram = tall and rows:transpose(1, 2):matmul(rows) or rows:matmul(rows:transpose(1, 2))
  local strength, vectors = gram:linalg_eigh()             -- in ascending order
  strength, vectors = strength:flip {1}, vectors:flip {2}
  local least = strength[1]:item() * math.max(n, d) * 1e-15
  local rank = strength:gt(least):sum():item()
  if rank == 0 then return mean:to(x.dtype), zeros({d, 1}, {dtype = x.dtype}) end
  local basis = vectors:narrow(2, 1, math.min(q, rank))
  if not tall then basis = rows:transpose(1, 2):matmul(basis) end
  basis = basis / basis:linalg_vector_norm(2, {1})
  local largest = basis:gather(1, basis:abs():argmax {dim = 1, keepdim = true})
  return mean:to(x.dtype), (basis * largest:sign()):to(x.dtype)
end

--- The mean and the scale of each column. The scale is its standard deviation, raised by a twentieth of the columns'
-- mean one, so that columns that hardly vary do not dominate.
-- @param x tensor (n, d)
-- @return tensor mean (d), in the dtype of x
-- @return tensor scale (d), above 0
-- @raise x is not a matrix, or not finite
function fitting.standard(x)
  local wide = matrix("standard", x)
  local deviation = wide:std {dim = {1}, correction = 0}
  return wide:mean({dim = {1}}):to(x.dtype), (deviation + 0.05 * deviation:mean():item() + 1e-6):to(x.dtype)
end

--- The median of scores and a robust scale: their interquartile range divided by that of N(0, 1). Where a quarter of
-- the scores are equal so that the range is 0, it is the standard deviation, and never less than 1e-5 of the median,
-- below which differences are those of rounding.
-- @param scores tensor (n), or (n, k) for each column
-- @return tensor median, of shape {} or {k}, in the dtype of scores
-- @return tensor scale, above 0
-- @raise a score is not finite
function fitting.robust(scores)
  local wide = matrix("robust", #scores.shape == 1 and scores:unsqueeze(2) or scores)
  local quarters = wide:quantile(core.from_table({.25, .5, .75}, "float64"), {dim = 1})
  local median, range = quarters[2], quarters[3] - quarters[1]
  local none = median:abs() * 1e-5 + 1e-9
  local deviation = wide:std {dim = {1}, correction = 0}
  local scale = core.operator "where"(range:gt(none), range / NORMAL_IQR, deviation:maximum(none))
  if #scores.shape == 1 then median, scale = median:squeeze(1), scale:squeeze(1) end
  return median:to(scores.dtype), scale:to(scores.dtype)
end

--- A bank of points for distances to the nearest of them, on principal components.
-- @param x tensor (n, d) the points
-- @param o table components (20), neighbours (5; at most n), standard (true; false: columns are only centred)
-- @return table mean (d), scale (d), basis (d, components), points (n, components), neighbours
-- @raise x is not a matrix, or not finite
function fitting.bank(x, o)
  o = o or {}
  local mean, scale
  if o.standard == false then
    mean, scale = x:to("float64"):mean({dim = {1}}):to(x.dtype), core.operator "ones"({x:size(2)}, {dtype = x.dtype})
  else mean, scale = fitting.standard(x) end
  local rows = (x - mean) / scale
  local _, basis = fitting.pca(rows, o.components or 20, {centred = false})
  return {mean = mean, scale = scale, basis = basis, points = rows:matmul(basis),
    neighbours = math.min(o.neighbours or 5, x:size(1))}
end

--- The mean distance of points to their nearest ones in a bank.
-- @param bank table from `fitting.bank`
-- @param x tensor (n, d)
-- @return tensor (n)
function fitting.distance(bank, x)
  local points = ((x - bank.mean) / bank.scale):matmul(bank.basis)
  local nearest = core.operator "cdist"(points, bank.points, 2, 2):topk(bank.neighbours, {dim = 2, largest = false})
  return nearest:mean {dim = {2}}
end

-- What Newton's method lowers: weighted cross entropy, with half the ridge's penalty.
local function objective(margin, sign, weights, b, ridge)
  return ((-margin * sign):softplus() * weights):sum():item() + 0.5 * (ridge * b * b):sum():item()
end

--- Logistic regression with a ridge on all coefficients but the intercept, by Newton's method.
-- @param x tensor (n, d); there may be more columns than rows
-- @param y tensor (n) of 0 and 1
-- @param weights tensor (n) of the rows, 0 or more (nil: 1 each)
-- @param lambda number the ridge, above 0
-- @return tensor float64 (d + 1), the intercept last; x:matmul(first d) + the last is the logit
-- @raise only one of the classes has weight; lambda is not above 0; x is not finite
function fitting.logistic(x, y, weights, lambda)
  if not (lambda > 0 and lambda < math.huge) then error("logistic: lambda must be above 0", 0) end
  local rows = matrix("logistic", x)
  rows = cat({rows, core.operator "ones"({rows:size(1), 1}, {dtype = "float64"})}, {dim = 2})
  local target = y:to "float64"
  weights = weights and weights:to "float64" or target:ones_like()
  if not ((weights * target):sum():item() > 0 and (weights * (1 - target)):sum():item() > 0) then
    error("logistic: rows of both classes are needed", 0)
  end
  local sign, turned = target * 2 - 1, rows:transpose(1, 2)
  local b = zeros({rows:size(2)}, {dtype = "float64"})
  local ridge = core.operator "full"({rows:size(2)}, lambda, {dtype = "float64"})
  ridge[-1] = 1e-6
  local margin = rows:matmul(b)
  local value = objective(margin, sign, weights, b, ridge)
  for _ = 1, STEPS do
    local p = margin:sigmoid()
    local gradient = turned:matmul(weights * (p - target)) + ridge * b
    local curvature = turned:matmul(rows * (weights * p * (1 - p)):unsqueeze(2)) + ridge:diag()
    local step, share, lower = curvature:linalg_solve(gradient), 1, nil
    for _ = 1, HALVINGS do
      local there = b - step * share
      local m = rows:matmul(there)
      local v = objective(m, sign, weights, there, ridge)
      if v < value then
        b, margin, value, lower = there, m, v, true
        break
      end
      share = share / 2
    end
    if not lower or (step:abs():max():item() * share) < ENOUGH then break end
  end
  return b
end

return fitting
