-- The losses of agad_local: cross-entropy of the map, of its pixels and of where it is highest in a picture. Both are
-- weighted by how wrong the net is (with the weight detached), so that what is told already teaches little.

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
-- @return tensor (n, 1, h, w) 0 where that is in doubt, else 1
function losses.of_pixels(logit, mask, weight)
  local label = mask:max_pool2d {2, 2}
  local counts = agad.maximum(-(-weight):max_pool2d {2, 2}, label)
  local loss, p = wrong(logit, label)
  return (loss * counts):mean() * OF_PIXELS, p, label, counts
end

--- The loss of pictures: the mean of the smoothed map's highest logits is to say whether there is a defect
-- (multiple-instance learning). That is what a picture is scored by.
-- @param logit tensor (n, 1, h, w)
-- @param defective tensor|number (n, 1) or for all of them: 1 where there is a defect, 0 where there is none
-- @param counts tensor|nil (n, 1): 0 for pictures that do not count
-- @return tensor 0-d
function losses.of_pictures(logit, defective, counts)
  -- (n, h, w): with its dimension of one channel the map counts as channels-last, which is pooled slowly
  local smooth = logit:squeeze(2):to "float32":avg_pool2d {kernel_size = {3, 3}, stride = {1, 1}, padding = {1, 1},
    count_include_pad = false}
  local flat = smooth:flatten {start_dim = 2}
  local highest = flat:topk(math.max(1, math.floor(flat:size(2) * TOP)), 2):mean {dim = {2}, keepdim = true}
  local loss = wrong(highest, defective)
  return (counts and loss * counts or loss):mean()
end

return losses
