-- The losses of agad_local: cross-entropy of the map, of its pixels and of where it is highest in a picture. Both are
-- weighted by how wrong the net is (with the weight detached), so that what is told already teaches little.
-- Tried and left out: a loss by which the highest values of the map, or of a second map beside it, tell pictures with
-- synthetic defects. On magnetic tiles (one seed, none known) it raises the AUROC from .890 to .92 or more after 5,000
-- steps, but on blood cells it costs .01 to .04, and with a weight of 2 some .03 on road cracks and solar cells too.
-- Also left out: not counting each picture's hundredth of unmarked pixels where the map is highest. Where defects are
-- among the normals it does not help (road cracks: .814 without it, .813 with it), and where there are none it costs
-- magnetic tiles .01 to .02 after 10,000 steps.

local agad = require "agad"

local losses = {}

local OF_PIXELS = 4                               -- weight
local TOP = 0.002                                 -- share of a map's pixels: its highest

-- Cross-entropy of each logit with its label, weighted; beside it the probabilities.
local function wrong(logit, label)
  local p = logit:detach():sigmoid()
  return (logit:softplus() - logit * label) * (p - label):abs(), p
end

--- The loss of pixels, at the map's resolution.
-- @param logit tensor (n, 1, h, w)
-- @param mask tensor (n, 1, 2 h, 2 w): 1 where a defect is to be found
-- @param weight tensor (n, 1, 2 h, 2 w): 0 where it is in doubt whether there is one, else 1
-- @return tensor 0-d
-- @return tensor (n, 1, h, w) the map, as probabilities
-- @return tensor (n, 1, h, w) what it is to be
function losses.of_pixels(logit, mask, weight)
  local label = mask:max_pool2d {2, 2}
  local counts = agad.maximum(-(-weight):max_pool2d {2, 2}, label)
  local loss, p = wrong(logit, label)
  return (loss * counts):mean() * OF_PIXELS, p, label
end

--- The loss of pictures of which is known only that there is a defect: it is to be where the map, smoothed as where it
-- is scored, is highest (multiple-instance learning).
-- @param logit tensor (n, 1, h, w)
-- @return tensor 0-d
function losses.of_defective(logit)
  -- pooled without the dimension of one channel: with it, the map counts as channels-last, which is pooled slowly
  local flat = logit:squeeze(2):to "float32":avg_pool2d {kernel_size = {3, 3}, stride = {1, 1}, padding = {1, 1},
    count_include_pad = false}:flatten {start_dim = 2}
  local highest = flat:topk(math.max(1, math.floor(flat:size(2) * TOP)), 2):mean {dim = {2}}
  return wrong(highest, 1):mean()
end

return losses
