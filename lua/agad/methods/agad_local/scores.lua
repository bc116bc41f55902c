-- The scores of agad_local: distances, components and regressions on the features of a picture, and their sum. Written
-- once for tensors, from which `fit` learns constants, and for the nodes of the scoring program, which holds them.

local bands = require "agad.methods.agad_local.bands"
local features = require "agad.methods.agad_local.features"
local prepare = require "agad.methods.agad_local.prepare"

local scores = {}

local call = bands.call

scores.SIDES = {32, 64}                           -- of pictures whose components are taken
scores.NEIGHBOURS = 5
scores.COMPONENTS = {"mean", "basis", "across", "points"}     -- what is kept of each side

--- The name that such a tensor is kept under.
function scores.kept(side, name) return ("components%d_%s"):format(side, name) end
scores.GROUPS = {"map", "descriptor", "components", "nearest", "look", "synthetic"}
local TOP = 0.01                                  -- of a residual's pixels
local LOWEST, LIMIT = -1.0, 20.0

local function narrow(x, dim, start, length) return call(x, "narrow", {dim = dim, start = start, length = length}) end
local function sub(a, b) return call(a, "sub.Tensor", nil, b) end
local function mul(a, b) return call(a, "mul.Tensor", nil, b) end
local function add(a, b) return call(a, "add.Tensor", nil, b) end
local function sum(x) return call(x, "sum.dim_IntList", {dim = {2}, keepdim = true}) end

-- (n, d) times (1, d, q), (n, q)
local function product(x, matrix)
  return call(call(call(x, "unsqueeze", {dim = 2}), "matmul", nil, matrix), "squeeze.dim", {dim = 2})
end

local function cat(list)
  if type(list[1]) == "userdata" then return require("agad.core").operator "cat"(list, 2) end
  local joined = list[1]
  for i = 2, #list do joined = joined:concat(list[i]) end
  return joined
end

-- The mean distance to the nearest of points (1, m, q), (n, 1).
local function distance(x, points, neighbours)
  local all = call(call(x, "unsqueeze", {dim = 2}), "cdist", {p = 2.0, compute_mode = 2}, points)
  local nearest = call(call(all, "squeeze.dim", {dim = 2}), "topk", {k = neighbours, dim = 2, largest = false})
  return call(nearest, "mean.dim", {dim = {2}, keepdim = true})
end

--- The parts of a row that have a bank of normals, in the order of the banks.
-- @return list of {name, start, length}
function scores.banked(scales, slices, length)
  local list = {}
  for i = 1, scales do
    for _, name in ipairs(features.banked) do
      list[#list + 1] = {name, (i - 1) * length + slices[name][1], slices[name][2]}
    end
  end
  return list
end

--- The scores by components of pictures reduced to `side` pixels: the residual's size, its largest part, the distance
-- to the nearest normals.
-- @param x tensor|handle (n, C, side, side)
-- @param shape list {C, h, w} of x
-- @param k table mean (1, d), basis (1, d, q), across (1, q, d), points (1, m, q)
-- @param neighbours integer
-- @return tensor|handle (n, 3)
function scores.of_components(x, shape, k, neighbours)
  local centred = sub(call(x, "flatten.using_ints", {start_dim = 2}), k.mean)
  local on = product(centred, k.basis)
  local left = call(call(sub(centred, product(on, k.across)), "unflatten.int", {dim = 2, sizes = shape}), "abs")
  left = call(left, "mean.dim", {dim = {2}, keepdim = true})
  local flat = call(left, "flatten.using_ints", {start_dim = 2})
  local rms = call(call(mul(flat, flat), "mean.dim", {dim = {2}, keepdim = true}), "sqrt")
  local smooth = call(bands.mean(left, 3), "flatten.using_ints", {start_dim = 2})
  local top = call(smooth, "topk", {k = math.max(1, math.floor(shape[2] * shape[3] * TOP)), dim = 2})
  return cat {rms, call(top, "mean.dim", {dim = {2}, keepdim = true}), distance(on, k.points, neighbours)}
end

--- All scores of rows of features: two of each map, and the distance to each bank.
-- @param rows tensor|handle (n, F)
-- @param banks list as `scores.banked` gives it
-- @param scales integer at how many scales pictures are looked at
-- @param length integer of a scale's features
-- @param basis tensor|handle (1, F, q): the banks' bases, each in its rows
-- @param points function(i) the points of bank i, (1, m, q)
-- @param neighbours integer
-- @return tensor|handle (n, S)
function scores.of_rows(rows, banks, scales, length, basis, points, neighbours)
  local list = {}
  for i = 1, scales do list[i] = narrow(rows, 2, (i - 1) * length + 1, 2) end
  for i, bank in ipairs(banks) do
    local on = product(narrow(rows, 2, bank[2], bank[3]), narrow(basis, 2, bank[2], bank[3]))
    list[#list + 1] = distance(on, points(i), neighbours)
  end
  return cat(list)
end

--- Rows of features in standard units, limited.
-- @param rows tensor|handle (n, F)
-- @param k table feature_mean, feature_scale (1, F)
-- @return tensor|handle (n, F)
function scores.standard(rows, k)
  local z = call(sub(rows, k.feature_mean), "div.Tensor", nil, k.feature_scale)
  return call(z, "clamp", {min = -LIMIT, max = LIMIT})
end

--- What regressions see: squashed standardised scores and components of the features.
-- @param all tensor|handle (n, S) scores
-- @param rows tensor|handle (n, F)
-- @param k table median, scale (1, S); feature_mean, feature_scale (1, F); feature_basis (1, F, q)
-- @return tensor|handle (n, S + q)
-- @return tensor|handle (n, S) standardised scores
function scores.evidence(all, rows, k)
  local z = call(sub(all, k.median), "div.Tensor", nil, k.scale)
  local high, low = call(call(z, "relu"), "log1p"), call(call(z, "clamp", {max = 0}), "mul.Scalar", {other = 0.5})
  return cat {add(high, low), product(scores.standard(rows, k), k.feature_basis)}, z
end

--- A regression's logit, (n, 1).
-- @param x tensor|handle (n, d)
-- @param coefficients tensor|handle (1, d + 1)
-- @param d integer
function scores.logit(x, coefficients, d)
  return add(sum(mul(x, narrow(coefficients, 2, 1, d))), narrow(coefficients, 2, d + 1, 1))
end

--- The groups of scores, each standardised and limited.
-- @param z tensor|handle (n, S)
-- @param synthetic tensor|handle (n, 1)
-- @param k table group (1, S, G - 1), group_median, group_scale, limit (1, G)
-- @return tensor|handle (n, G) in the order of `scores.GROUPS`
function scores.groups(z, synthetic, k)
  local g = cat {product(z, k.group), synthetic}
  local standard = call(sub(g, k.group_median), "div.Tensor", nil, k.group_scale)
  return call(call(standard, "clamp", {min = LOWEST}), "minimum", nil, k.limit)
end

--- Pictures at the scales at which they are looked at, largest last.
local function at_scales(x, height, width)
  local h, w, factor = prepare.window(height, width)
  if factor == 1 then return {{x, {h, w}, "scales_whole"}} end
  local whole = call(x, "avg_pool2d", {kernel_size = {factor, factor}})
  return {{whole, {h, w}, "scales_whole"}, {x, {height, width}, "scales_full"}}
end

--- The rows of features of the program's pictures.
-- @return handle rows, the scales one after another
-- @return handle (h, w) the map: the mean of the scales' logits, as probabilities
-- @return integer the number of scales
function scores.rows(b, nets, k)
  local height, width = b.shape[2], b.shape[3]
  local function channelwise(t, c) return t:op("reshape", {shape = {-1, c, 1, 1}}) end
  local x = call(sub(b.x, channelwise(k.mean, b.shape[1])), "div.Tensor", nil, channelwise(k.sd, 1))
  local all, map = {}, nil
  for i, scale in ipairs(at_scales(x, height, width)) do
    local row, own = features.of(b, nets.detector, scale[1], channelwise(k[scale[3]], 3), scale[2])
    if scale[2][1] ~= height or scale[2][2] ~= width then
      own = own:op("unsqueeze", {dim = 2}):op("upsample_bilinear2d", {output_size = {height, width},
        align_corners = false}):op("squeeze.dim", {dim = 2})
    end
    all[i], map = row, map and add(map, own) or own
  end
  return cat(all), (map * (1 / #all)):sigmoid(), #all
end

--- Pictures whose components are taken, reduced to at most `side` pixels.
-- @param x tensor|handle (n, C, h, w), black 0 and white 1
-- @param shape list {C, h, w}
-- @return tensor|handle
-- @return list its {C, h, w}
function scores.reduced(x, shape, side)
  local size = {math.min(side, shape[2]), math.min(side, shape[3])}
  return call(x, "adaptive_avg_pool2d", {output_size = size}), {shape[1], size[1], size[2]}
end

local function sizes(constant) return constant.b.nodes[constant.place].size end

--- The scoring program (`score` of a method).
function scores.build(b, nets, k)
  local rows, map, scales = scores.rows(b, nets, k)
  local slices, length = features.slices(b.shape[1], features.width(b))
  local banks = scores.banked(scales, slices, length)
  local neighbours, evidence = math.min(scores.NEIGHBOURS, sizes(k.points)[2]), sizes(k.synthetic)[1] - 1
  local function points(i) return narrow(k.points, 2, i, 1):op("squeeze.dim", {dim = 2}) end
  local all = {scores.of_rows(rows, banks, scales, length, k.basis, points, neighbours)}
  for _, side in ipairs(scores.SIDES) do
    local small, shape = scores.reduced(b.x, b.shape, side)
    local own = {}
    for _, name in ipairs(scores.COMPONENTS) do own[name] = k[scores.kept(side, name)] end
    all[#all + 1] = scores.of_components(small, shape, own, neighbours)
  end
  local x, z = scores.evidence(cat(all), rows, k)
  local synthetic = scores.logit(x, k.synthetic, evidence)
  local groups = scores.groups(z, synthetic, k)
  local known = scores.logit(x, k.known, evidence)
  local function column(i) return narrow(groups, 2, i, 1):op("squeeze.dim", {dim = 2}) end
  local parts = {}
  for i, name in ipairs(scores.GROUPS) do parts[i] = {name, column(i)} end
  parts[#parts + 1] = {"known", known:op("squeeze.dim", {dim = 2})}
  local verdict = product(cat {groups, known}, k.verdict)
  return add(verdict, k.offset):op("squeeze.dim", {dim = 2}), {map = map, parts = parts}
end

return scores
