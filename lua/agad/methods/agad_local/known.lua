-- Training with the pictures of known defects themselves, after all other training: of each it is known that there is a
-- defect in it, and not where. Where the map is highest in such a picture, it is to rise (multiple-instance learning),
-- while pictures with synthetic defects go on as before. On magnetic tiles (18,581 steps by AdamW, mean of two
-- draws) 300 such steps raise the AUROC of the sum of scores from .899 to .917 with 10 known defects, to .933 with 40.

local core = require "agad.core"
local prepare = require "agad.methods.agad_local.prepare"
local random = require "agad.base.random"

local known = {}

local PICTURES = 4                                -- of known defects, beside those of a batch
local JITTER = 0.1                                -- of gain and offset, in standard deviations
local SHARE = 10                                  -- at most one in so many steps
local VIEWS = 120                                 -- at most, of each known defect
local STREAM = 200                                -- of random numbers

--- How many steps there are (a phase's `steps`).
function known.steps(options, count, before)
  return math.min(options.tune, before // SHARE, count * VIEWS // PICTURES)
end

-- All known defects as the net sees them, before bands; made once.
local function pictures(s)
  local all = rawget(s, "known_pictures")
  if not all then
    local x = prepare.standardised(s:pictures "anomalies", s.keep)
    all = prepare.placed(s, prepare.whole(x, prepare.factor(s)))
    rawset(s, "known_pictures", all)
  end
  return all
end

--- Some known defects, whole, reflected as normals may be, and a little brighter or darker.
-- @return tensor (4, C, h, w), for the net's bands
function known.batch(s)
  local all, draw, rows = pictures(s), random.generator(s.seed, STREAM + s.done), {}
  for i = 1, PICTURES do rows[i] = draw(all:size(1)) - 1 end
  local x = all:index_select(1, core.from_table(rows, "int64"):to {device = all.device})
  local flips = s.keep.flips:totable()
  if flips[1] == 1 and draw(2) == 1 then x = x:flip {dims = {4}} end
  if flips[2] == 1 and draw(2) == 1 then x = x:flip {dims = {3}} end
  if flips[3] == 1 and draw(2) == 1 then x = x:transpose(3, 4) end
  local function jitter() return JITTER * (draw(2001) - 1001) / 1000 end
  return x * math.exp(jitter()) + jitter()
end

return known
