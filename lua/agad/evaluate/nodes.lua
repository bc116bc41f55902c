--- What agad.tensor.fitting computes, as nodes of a scoring program. Arguments are nodes; those named mean, scale,
-- basis, points and median are kept tensors, which a program holds as constants.

local nodes = {}

-- x (n, d) times a matrix of constants (d, q): (n, q).
local function product(x, matrix)
  return x:op("unsqueeze", {dim = 2}):op("matmul", nil, matrix):op("squeeze.dim", {dim = 2})
end

--- (x - mean) / scale times a basis.
-- @param x handle (d) per picture
-- @param mean handle (d), or nil for 0
-- @param scale handle (d), or nil for 1
-- @param basis handle (d, q)
-- @return handle (q) per picture
function nodes.project(x, mean, scale, basis)
  if mean then x = x:op("sub.Tensor", nil, mean) end
  if scale then x = x:op("div.Tensor", nil, scale) end
  return product(x, basis)
end

--- The mean distance to the nearest of some points.
-- @param x handle (q) per picture
-- @param points handle (m, q)
-- @param neighbours integer at most m
-- @return handle a number per picture
function nodes.distance(x, points, neighbours)
  return x:op("unsqueeze", {dim = 2}):op("cdist", {p = 2.0, compute_mode = 2}, points)
    :op("topk", {k = neighbours, dim = 3, largest = false}):op("mean.dim", {dim = {2, 3}})
end

--- What principal components leave of x: x - mean, less its projection onto them.
-- @param x handle (d) per picture
-- @param mean handle (d)
-- @param basis handle (d, q), of orthonormal columns
-- @return handle (d) per picture
function nodes.residual(x, mean, basis)
  local centred = x:op("sub.Tensor", nil, mean)
  local along = product(product(centred, basis), basis:op("transpose.int", {dim0 = 2, dim1 = 3}))
  return centred:op("sub.Tensor", nil, along)
end

--- A map whose pixels are the means over squares around them; at the borders, over what there is of the square.
-- @param map handle (height, width) per picture, both at least (side + 1) / 2
-- @param side integer odd
-- @return handle (height, width) per picture
function nodes.smooth(map, side)
  local function along(x, height, width)          -- each axis by itself: the windows are rectangles at the borders too
    return x:op("avg_pool2d", {kernel_size = {height, width}, stride = {1, 1}, padding = {height // 2, width // 2},
      count_include_pad = false})
  end
  return along(along(map:op("unsqueeze", {dim = 2}), side, 1), 1, side):op("squeeze.dim", {dim = 2})
end

--- The mean of the largest numbers of a map.
-- @param map handle (height, width) per picture
-- @param n integer how many
-- @return handle a number per picture
function nodes.top(map, n)
  return map:op("flatten.using_ints", {start_dim = 2}):op("topk", {k = n, dim = 2}):op("mean.dim", {dim = {2}})
end

local MOST_INPUTS = 8                              -- of a node

--- Numbers side by side.
-- @param parts list of {name, handle}, each handle a number per picture; at most 64
-- @return handle (number of parts) per picture
function nodes.columns(parts)
  local groups = {}
  for first = 1, #parts, MOST_INPUTS do
    local others = {}
    for i = first + 1, math.min(first + MOST_INPUTS - 1, #parts) do others[#others + 1] = parts[i][2] end
    groups[#groups + 1] = parts[first][2]:op("stack", {dim = 2}, table.unpack(others))
  end
  if #groups == 1 then return groups[1] end
  return groups[1]:op("cat", {dim = 2}, table.unpack(groups, 2))
end

--- Scores in robust standard units.
-- @param x handle numbers per picture
-- @param median handle of the same shape
-- @param scale handle of the same shape
-- @return handle
function nodes.standardised(x, median, scale)
  return x:op("sub.Tensor", nil, median):op("div.Tensor", nil, scale)
end

return nodes
