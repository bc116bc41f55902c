-- What agad_local learns after training, from pictures of the training side alone: banks of normals, components,
-- standard scores of held-out normals, a regression that tells synthetic defects, one that tells known defects, and how
-- the verdict is summed. All of it is kept as constants of the scoring program (scores.lua).

local agad = require "agad"
local core = require "agad.core"
local features = require "agad.methods.agad_local.features"
local fitting = require "agad.tensor.fitting"
local prepare = require "agad.methods.agad_local.prepare"
local scores = require "agad.methods.agad_local.scores"

local fit = {}

local MOST_NORMALS, MOST_HELD_OUT = 400, 150      -- pictures
local FEWEST_HELD_OUT = 5
local BANK, EVIDENCE = 20, 48                     -- components
local COMPONENTS = {[32] = 30, [64] = 60}         -- of pictures of so many pixels a side
local SIDE = 32                                   -- of those by which alignment is told
local FOLDS, SYNTHETIC_RIDGE, KNOWN_RIDGE = 5, 10.0, 3.0
local SYNTHETIC_SHARE, MOST_PER_KNOWN, UNSUPERVISED = .2, 4, 3.0
local DESCRIPTOR = {level2 = true, level3 = true} -- the levels of the net that describe a picture
-- How much each of `scores.GROUPS` counts. On magnetic tiles and solar cells the map and the descriptor doubled, of
-- these levels, raise the AUROC by .015 over equal weights of levels 1 and 2 after 2,000 to 10,000 steps, and do no
-- harm after 1,500.
local WEIGHTS = {map = 2.0, descriptor = 2.0, components = 1.0, nearest = 0.0, look = 1.0, synthetic = 1.0}
-- What is added where pictures are aligned, the same parts of an object always at the same place and the same way up:
-- there, components describe normals well, and their errors find what is not local too. AUROC without and with it, and
-- of the best lone score of components, by the features of one training of 2,000 steps each: digit 0 as normal class
-- .946, .993, .994; digit 8 .767, .869, .854; shirts .810, .837, .838; trousers .985, .993, .990.
local WHERE_ALIGNED = {map = -1.0, components = 3.0, nearest = 2.0}
local HIGHEST = {map = 4.0, descriptor = 4.0, components = 50.0, nearest = 50.0, look = 4.0, synthetic = 4.0}
local SHIFT = 0.06                                -- of the side
local LOOSE, ALIGNED = 0.66, 0.78                 -- AUROC of shifted normals: not aligned at all, fully
local GROUND, BARE, PLAIN = 7, 0.2, 0.3           -- grey levels; share of pixels in them: no plain ground, one

fit.kept = {"mean", "sd", "scales_whole", "scales_full", "flips", "kinds", "basis", "points", "median", "scale",
  "feature_mean", "feature_scale", "feature_basis", "synthetic", "group", "group_median", "group_scale", "limit",
  "known", "verdict", "offset", "unseen"}
for _, side in ipairs(scores.SIDES) do
  for _, name in ipairs(scores.COMPONENTS) do fit.kept[#fit.kept + 1] = scores.kept(side, name) end
end

local function narrow(x, dim, start, length) return x:narrow(dim, start, length) end
local function first(x, most) return narrow(x, 1, 1, math.min(most, x:size(1))) end
local function row(x) return x:unsqueeze(1) end

-- With columns of zeros where there are fewer components.
local function widened(x, columns)
  if x:size(2) >= columns then return x end
  return agad.cat({x, agad.zeros({x:size(1), columns - x:size(2)}, {dtype = x.dtype})}, 2)
end

-- The banks of normals: a basis (F, 20) with the scales folded in, and the points of each (banks, m, 20).
local function banks_of(keep, rows, banks)
  local bases, points = agad.zeros({rows:size(2), BANK}, {dtype = "float64"}), {}
  for i, bank in ipairs(banks) do
    local x = narrow(rows, 2, bank[2], bank[3])
    local made = fitting.bank(x, {components = BANK, neighbours = scores.NEIGHBOURS})
    local basis = widened(made.basis / made.scale:unsqueeze(2), BANK)
    narrow(bases, 1, bank[2], bank[3]):copy_(basis)
    points[i] = x:matmul(basis)
  end
  keep.basis, keep.points = bases, agad.stack(points, 1)
end

-- The components of reduced pictures.
local function components_of(keep, pictures, side)
  local shape = {pictures:size(2), pictures:size(3), pictures:size(4)}
  local small = scores.reduced(pictures, shape, side):flatten {start_dim = 2}:to "float64"
  local mean, basis = fitting.pca(small, COMPONENTS[side])
  local made = {mean = mean, basis = basis, across = basis:t():contiguous(), points = (small - mean):matmul(basis)}
  for name, t in pairs(made) do keep[scores.kept(side, name)] = t end
end

-- Everything that is measured on some pictures.
local function measured(s, pictures)
  return {rows = s:outputs(scores.rows, pictures), pictures = pictures}
end

local function fraction(pictures) return pictures:to "float64" / 255 end

-- All scores of measured pictures, (n, S).
local function scores_of(s, of, scales, length, banks)
  local keep = s.keep
  local neighbours = math.min(scores.NEIGHBOURS, keep.points:size(2))
  local all = {scores.of_rows(of.rows, banks, scales, length, row(keep.basis),
    function(i) return row(keep.points[i]) end, neighbours)}
  local x = fraction(of.pictures)
  for _, side in ipairs(scores.SIDES) do
    local own = {}
    for _, name in ipairs(scores.COMPONENTS) do own[name] = row(keep[scores.kept(side, name)]) end
    local small, shape = scores.reduced(x, {x:size(2), x:size(3), x:size(4)}, side)
    all[#all + 1] = scores.of_components(small, shape, own, neighbours)
  end
  return agad.cat(all, 2)
end

local function ones(n) return agad.ones({n}, {dtype = "float64"}) end

local function labels(n, ...)
  local list = {agad.zeros({n}, {dtype = "float64"})}
  for _, m in ipairs {...} do list[#list + 1] = ones(m) end
  return agad.cat(list, 1)
end

-- Rows of x in one of `folds`, or in the others; of a single row, always that.
local function fold(x, folds, i, inside)
  local list = {}
  for k = 1, x:size(1) do
    if folds == 1 or (k % folds == i % folds) == inside then list[#list + 1] = k - 1 end
  end
  return x:index_select(1, core.from_table(list, "int64")), list
end

-- The logits that regressions give to rows of `normal` (n, d), each from one that has not seen that row:
-- `learn(normal, synthetic)` gives the coefficients from those of the other folds. Beside them the mean of all.
local function unseen_logits(normal, synthetic, learn)
  local n, d = normal:size(1), normal:size(2)
  local logits, mean, folds = agad.zeros({n, 1}, {dtype = "float64"}), nil, math.min(FOLDS, n)
  for i = 1, folds do
    local c = learn(fold(normal, folds, i, false), fold(synthetic, folds, i, false))
    mean = mean and mean + c / folds or c / folds
    local own, places = fold(normal, folds, i, true)
    logits:index_copy_(1, core.from_table(places, "int64"), scores.logit(own, row(c), d))
  end
  return logits, mean
end

-- A regression of held-out normals against their copies with synthetic defects.
local function tell_synthetic(normal, synthetic)
  local n, m = normal:size(1), synthetic:size(1)
  local total = math.min(n, MOST_PER_KNOWN * m)
  local weights = agad.cat({ones(n) * (total / n), ones(m) * (total / m)}, 1)
  return fitting.logistic(agad.cat({normal, synthetic}, 1), labels(n, m), weights, SYNTHETIC_RIDGE)
end

-- The rule for known defects: a ridge regression of held-out normals against them and against synthetic defects.
local function tell_known(normal, known, synthetic)
  local n, k, m = normal:size(1), known:size(1), synthetic:size(1)
  local total = math.min(n, MOST_PER_KNOWN * k)
  local weights = agad.cat({ones(n) * (total / n), ones(k) * (total / k), ones(m) * (SYNTHETIC_SHARE * total / m)}, 1)
  return fitting.logistic(agad.cat({normal, known, synthetic}, 1), labels(n, k, m), weights, KNOWN_RIDGE)
end

-- Which scores belong to which of `scores.GROUPS`; the last one is not a mean of scores.
local function groups_of(scales, banks, count)
  local members = {{}, {}, {}, {}, {}}
  for i = 1, scales do table.insert(members[1], 2 * i - 1) end
  for i, bank in ipairs(banks) do
    if DESCRIPTOR[bank[1]] then table.insert(members[2], 2 * scales + i) end
    if bank[1] == "look" then table.insert(members[5], 2 * scales + i) end
  end
  for i = 0, #scores.SIDES - 1 do
    local at = 2 * scales + #banks + 3 * i
    table.insert(members[3], at + 1)
    table.insert(members[3], at + 2)
    table.insert(members[4], at + 3)
  end
  local group = {}
  for i = 1, count do group[i] = {0, 0, 0, 0, 0} end
  for g, list in ipairs(members) do
    for _, i in ipairs(list) do group[i][g] = 1 / #list end
  end
  return core.from_table(group, "float64")
end

local function ramp(v, from, to) return math.max(0, math.min(1, (v - from) / (to - from))) end

-- The share of a picture's pixels that have its most frequent brightness, within a few grey levels; the mean over
-- pictures. `small`: (n, C, h, w), 0 to 1.
local function plain_share(small)
  local grey = (small:mean {dim = {2}}:flatten {start_dim = 2} * 255):round():to "int64"
  local n, pixels = grey:size(1), grey:size(2)
  local at = grey + (agad.arange(n, {dtype = "int64"}) * 256):unsqueeze(2)
  local counts = at:flatten():bincount {minlength = 256 * n}:reshape {n, 1, 256}:to "float64"
  local near = counts:avg_pool1d {kernel_size = {GROUND}, stride = {1}, padding = {GROUND // 2}} * GROUND
  return near:flatten {start_dim = 2}:amax {dim = {2}}:mean():item() / pixels
end

-- How much pictures are of one object on a plain ground, always at the same place and the same way up, 0 to 1: whether
-- held-out normals are told, by the error of their components, from themselves shifted a little to each side. It is 0
-- for what may lie either way round (blood cells in the middle of their pictures), and for what fills the picture
-- (X-rays of chests): what is not normal in these is local, and components hardly see it.
local function alignment(keep, pictures)
  local flips = keep.flips:totable()
  if flips[1] == 1 and flips[2] == 1 then return 0 end
  local small, shape = scores.reduced(pictures, {pictures:size(2), pictures:size(3), pictures:size(4)}, SIDE)
  local mean, basis = keep[scores.kept(SIDE, "mean")], keep[scores.kept(SIDE, "basis")]
  local function errors(x)
    local centred = x:flatten {start_dim = 2} - mean
    return (centred - centred:matmul(basis):matmul(basis:t())):square():mean {dim = {2}}
  end
  local by = math.max(1, math.floor(SHIFT * math.min(shape[2], shape[3]) + .5))
  local wide, list = small:reflection_pad2d {padding = {by, by, by, by}}, {errors(small)}
  for _, at in ipairs {{1, 1 + by}, {1 + 2 * by, 1 + by}, {1 + by, 1}, {1 + by, 1 + 2 * by}} do
    list[#list + 1] = errors(narrow(narrow(wide, 3, at[1], shape[2]), 4, at[2], shape[3]))
  end
  local n = pictures:size(1)
  local told = core.metrics.auroc(agad.cat(list, 1), labels(n, 4 * n))
  return ramp(told, LOOSE, ALIGNED) * ramp(plain_share(small), BARE, PLAIN)
end

-- How the verdict sums the groups and what the rule for known defects says: `share` is that of the groups, which
-- together count as much whether pictures are aligned or not.
local function verdict_of(aligned, share, known)
  local weights, plain, sum = {}, 0, 0
  for i, name in ipairs(scores.GROUPS) do
    weights[i] = WEIGHTS[name] + aligned * (WHERE_ALIGNED[name] or 0)
    plain, sum = plain + WEIGHTS[name], sum + weights[i]
  end
  local rows = {}
  for i, weight in ipairs(weights) do rows[i] = {share * weight * plain / sum} end
  rows[#rows + 1] = {known}
  return core.from_table(rows, "float64")
end

--- The start function of the phase `fit`.
function fit.start(s)
  local keep = s.keep
  local normals = first(s:pictures "normals", MOST_NORMALS)
  local held_out, known = s:pictures "held_out", s:pictures "anomalies"
  -- a few held-out normals say nothing of how far normals lie apart
  local enough = held_out and held_out:size(1) >= FEWEST_HELD_OUT
  held_out = enough and first(held_out, MOST_HELD_OUT) or normals
  local synthetic = prepare.defects(s):pictures(held_out, s.seed)
  local of = {normals = measured(s, normals), held_out = measured(s, held_out), synthetic = measured(s, synthetic),
    known = known and measured(s, known)}
  local slices, length = features.slices(normals:size(2), s.options.width)
  local scales = of.normals.rows:size(2) // length
  local banks = scores.banked(scales, slices, length)
  banks_of(keep, of.normals.rows, banks)
  for _, side in ipairs(scores.SIDES) do components_of(keep, fraction(normals), side) end
  for _, set in pairs(of) do set.scores = scores_of(s, set, scales, length, banks) end

  keep.median, keep.scale = fitting.robust(of.held_out.scores)
  keep.feature_mean, keep.feature_scale = fitting.standard(of.normals.rows)
  local evident = agad.zeros({scales * length}, {dtype = "float64"})
  for i = 0, scales - 1 do
    for _, name in ipairs(features.evident) do
      narrow(evident, 1, i * length + slices[name][1], slices[name][2]):fill_(1)
    end
  end
  local function standard(rows)
    return scores.standard(rows, keep) * evident
  end
  local base = standard(of.normals.rows)
  local seen = of.known and agad.cat({base, standard(of.known.rows)}, 1) or base
  local _, basis = fitting.pca(seen, EVIDENCE, {centred = false})
  local on = base:matmul(basis)
  local spread = (on:square():mean() - on:mean():square()):clamp {min = 1e-18}:sqrt()
  keep.feature_basis = basis * evident:unsqueeze(2) / spread

  local k = {}
  for _, name in ipairs {"median", "scale", "feature_mean", "feature_scale", "feature_basis"} do
    k[name] = row(keep[name])
  end
  for _, set in pairs(of) do set.x, set.z = scores.evidence(set.scores, set.rows, k) end
  local normal, made = of.held_out, of.synthetic
  local unseen, mean = unseen_logits(normal.x, made.x, tell_synthetic)
  keep.synthetic, keep.group = mean, groups_of(scales, banks, normal.z:size(2))
  keep.group_median, keep.group_scale = fitting.robust(agad.cat({normal.z:matmul(keep.group), unseen}, 2))
  local limit = {}
  for i, name in ipairs(scores.GROUPS) do limit[i] = HIGHEST[name] end
  keep.limit = core.from_table(limit, "float64")
  for _, name in ipairs {"group", "group_median", "group_scale", "limit"} do k[name] = row(keep[name]) end
  local groups = scores.groups(normal.z, unseen, k)

  local aligned, margin = enough and alignment(keep, fraction(held_out)) or 0, agad.zeros({groups:size(1), 1},
    {dtype = "float64"})
  if of.known then
    keep.known = tell_known(normal.x, of.known.x, made.x)
    margin = unseen_logits(normal.x, made.x, function(a, b) return tell_known(a, of.known.x, b) end)
    local median, scale = fitting.robust(margin:squeeze(2))
    keep.verdict = verdict_of(aligned, UNSUPERVISED / known:size(1), 1 / scale:item())
    keep.offset = core.from_table({-median:item() / scale:item()}, "float64")
  else
    keep.known = agad.zeros({normal.x:size(2) + 1}, {dtype = "float64"})
    keep.verdict = verdict_of(aligned, 1.0, 0.0)
    keep.offset = agad.zeros({1}, {dtype = "float64"})
  end
  keep.unseen = enough and (agad.cat({groups, margin}, 2):matmul(keep.verdict) + keep.offset):squeeze(2) or nil
  for _, name in ipairs(fit.kept) do
    if keep[name] and name ~= "kinds" and name ~= "flips" then keep[name] = prepare.placed(s, keep[name]) end
  end
end

return fit
