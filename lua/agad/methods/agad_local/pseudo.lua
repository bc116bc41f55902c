-- AGAD's own idea as one kind of synthetic defect: what a generator rebuilds of a normal picture counts as an anomaly
-- (a pseudo-anomaly), and is blended into the picture through a mask. The generator is that of `agad`, narrower; it
-- learns from the clean pictures of each batch to rebuild them (Eq. 6 of the paper). It is off by default: on magnetic
-- tiles (2,000 steps, one seed) half of the clean pictures with such parts gave an AUROC of .773, none .781.

local agad = require "agad"
local core = require "agad.core"
local loss = require "agad.loss"

local pseudo = {}

local EVERY = 3                                   -- of these, one picture of a batch is clean (csrc/data/defects.c)
local VISIBLE = 0.12                              -- standard deviations of a picture

-- Between the net's pictures and those of the generator, whose range is -1 to 1.
local function to_range(x, keep) return (x * keep.sd + keep.mean:reshape {1, -1, 1, 1}) * 2 - 1 end
local function from_range(x, keep) return ((x + 1) / 2 - keep.mean:reshape {1, -1, 1, 1}) / keep.sd end

-- The rows of the batch that are clean, and for each a row with defects, whose mask it takes.
local function rows_of(n, share)
  local clean, masked = {}, {}
  for i = 0, n - 1, EVERY do
    local taken = math.floor((i / EVERY + 1) * share) > math.floor(i / EVERY * share)
    if taken and i + 1 < n then
      clean[#clean + 1], masked[#masked + 1] = i, i + 1
    end
  end
  return clean, masked
end

--- Trains the generator on the clean pictures: L1 (Eq. 6).
function pseudo.rebuild(s)
  local list = {}
  for i = 0, s.drawn:size(1) - 1, EVERY do list[#list + 1] = i end
  local x = to_range(s.drawn:index_select(1, core.from_table(list, "int64"):to {device = s.drawn.device}), s.keep)
  s.x_hat = s.net.generator(x)
  s.loss.con = loss.l1(s.x_hat, x)
  s:backward("generator", s.loss.con)
end

--- Blends reconstructions into some of the clean pictures of s.drawn, and marks them in s.mask and s.weight.
-- @param share number of the clean pictures
function pseudo.blend(s, share)
  local clean, masked = rows_of(s.drawn:size(1), share)
  if #clean == 0 then return end
  agad.no_grad(function()
    local function index(list) return core.from_table(list, "int64"):to {device = s.drawn.device} end
    local x = s.drawn:index_select(1, index(clean))
    local mask = s.mask:index_select(1, index(masked))
    local rebuilt = from_range(s.net.generator(to_range(x, s.keep), {bn = "running"}), s.keep)
    local changed = x + (rebuilt - x) * mask
    local visible = (changed - x):abs():mean {dim = {2}, keepdim = true}:gt(VISIBLE):to(mask.dtype)
    s.drawn = s.drawn:index_copy(1, index(clean), changed)
    s.mask = s.mask:index_copy(1, index(clean), mask * visible)
    s.weight = s.weight:index_copy(1, index(clean), 1 - mask * (1 - visible))
  end)
end

return pseudo
