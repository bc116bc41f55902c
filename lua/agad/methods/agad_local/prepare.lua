-- What agad_local computes before training: how pictures are standardised, what their bands are divided by, which
-- reflections of a normal picture are normal, and the drawer of synthetic defects.

local agad = require "agad"
local bands = require "agad.methods.agad_local.bands"
local core = require "agad.core"
local fitting = require "agad.tensor.fitting"

local prepare = {kinds = core.data.defect_kinds}

local WINDOW, LEAST_FACTOR = 128, 160             -- pixels; sides up to LEAST_FACTOR are one window
local STATISTICS, SCALES, SYMMETRY = 1000, 200, 800 -- at most so many pictures for each

--- The window in which the net is trained: the picture, or a whole fraction of it near 128 pixels.
-- @return integer height
-- @return integer width
-- @return integer the factor
function prepare.window(height, width)
  local factor = 1
  if math.max(height, width) > LEAST_FACTOR then
    factor = math.max(1, math.floor(math.sqrt(height * width) / WINDOW + .5))
    while factor > 1 and (height % (16 * factor) ~= 0 or width % (16 * factor) ~= 0) do factor = factor - 1 end
  end
  return height // factor, width // factor, factor
end

--- How many times the pictures of a run are larger than its window.
function prepare.factor(s)
  return (select(3, prepare.window(s.images:size(3), s.images:size(4))))
end

--- Pictures as the net sees them, before bands.
-- @param x tensor uint8 (n, C, h, w)
-- @param keep table mean, sd
-- @return tensor float32
function prepare.standardised(x, keep)
  return (x:to(keep.mean.dtype) / 255 - keep.mean:reshape({1, -1, 1, 1})) / keep.sd
end

--- Pictures at the size of the window.
function prepare.whole(x, factor) return factor == 1 and x or x:avg_pool2d {kernel_size = {factor, factor}} end

--- A tensor as the scoring net takes it: on its device, in its dtype.
function prepare.placed(s, t)
  local weight = s.net.detector:params()[1].tensor
  return t:to {device = weight.device, dtype = weight.dtype}
end

local function some(pictures, most) return pictures:narrow(1, 1, math.min(most, pictures:size(1))) end

-- Whether normals are told from their images under a change: the AUROC of the distance to the nearest normals.
local function is_symmetric(normals, held_out, change)
  local function small(x) return x:to "float32":adaptive_avg_pool2d({32, 32}):flatten {start_dim = 2} end
  local bank = small(some(normals, SYMMETRY))
  local mean, basis = fitting.pca(bank, 40)
  local near = (bank - mean):matmul(basis)
  local function distance(x)
    local nearest = agad.cdist((small(x) - mean):matmul(basis), near):topk(math.min(3, near:size(1)), 2, false)
    return nearest:mean {dim = {2}}
  end
  local a, b = distance(held_out), distance(change(held_out))
  local labels = {}
  for i = 1, a:size(1) + b:size(1) do labels[i] = i > a:size(1) and 1 or 0 end
  return core.metrics.auroc(agad.cat({a, b}, 1):to "float64", labels) < .6
end

local changes = {
  function(x) return x:flip {dims = {4}} end, function(x) return x:flip {dims = {3}} end,
  function(x) return x:transpose(3, 4) end,
}

--- Keeps mean and sd (of pixels, black 0 and white 1), scales_whole and scales_full (of bands), flips (1 where left to
-- right, top to bottom, and transposition may be applied), and kinds (the share of each kind that is found).
function prepare.start(s)
  local keep, normals = s.keep, s:pictures "normals"
  local sample = some(normals, STATISTICS):to "float32" / 255
  keep.mean = sample:mean {dim = {1, 3, 4}}
  keep.sd = sample:std():clamp {min = 1e-3}:reshape {1}
  local factor, few = prepare.factor(s), prepare.standardised(some(normals, SCALES), keep)
  keep.scales_full = bands.scales(few)
  keep.scales_whole = factor == 1 and keep.scales_full or bands.scales(prepare.whole(few, factor))
  local flips, held_out = {0, 0, 0}, s:pictures "held_out"
  for i, change in ipairs(changes) do
    local square = normals:size(3) == normals:size(4)
    if held_out and (square or i < 3) and is_symmetric(normals, held_out, change) then flips[i] = 1 end
  end
  for _, name in ipairs {"mean", "sd", "scales_whole", "scales_full"} do keep[name] = prepare.placed(s, keep[name]) end
  keep.flips = core.from_table(flips, "float64")
  keep.kinds = agad.zeros(#prepare.kinds, {dtype = "float64"})
end

--- The rows of the known defects from which patches are drawn: those that have masks, where the kind `known` is on.
-- On textures with 10 known defects of the kind that is tested (400 steps, mean of two seeds) their masks raise the
-- AUROC from .82 to .95 for faint smoothed spots, and from .91 to .98 for thin crosses.
function prepare.known(s)
  local rows = rawget(s, "known_rows")
  if not rows then
    rows = s.options.kinds.known and s:rows "marked" or {}
    rawset(s, "known_rows", rows)
  end
  return rows
end

--- The drawer of synthetic defects of a run; made when it is first needed, also after the run was resumed.
function prepare.defects(s)
  local drawer = rawget(s, "drawer")
  if drawer then return drawer end
  local h, w = prepare.window(s.images:size(3), s.images:size(4))
  local flips, o = s.keep.flips:totable(), s.options.defects
  local mean, sd, known = s.keep.mean:totable(), s.keep.sd:item(), prepare.known(s)
  for i = 1, #mean do mean[i] = mean[i] * 255 end
  drawer = core.data.defects(s.images, s:rows "normals", {window = {h, w}, mean = mean, sd = sd * 255,
    seed = s.seed, amplitude = {o.least, o.most}, count = o.count, jitter = true,
    known = #known > 0 and {rows = known, masks = s:masks(known)} or nil,
    flips = {horizontal = flips[1] == 1, vertical = flips[2] == 1, transpose = flips[3] == 1}})
  rawset(s, "drawer", drawer)
  return drawer
end

return prepare
