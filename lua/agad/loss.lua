--- Loss terms as functions of tensors: values are 0-d tensors, each call is one autograd node over the C code
-- that the training step runs (csrc/train/losses.c).

local core = require "agad.core"

local loss = {}

--- mean |a - b| over all elements (paper, Eq. 6 and 8).
-- @param a tensor
-- @param b tensor of the same shape
-- @return tensor 0-d
function loss.l1(a, b) return core.loss_l1(a, b) end

--- mean (a - b)^2 over all elements (paper, Eq. 7, squared).
-- @param a tensor
-- @param b tensor of the same shape
-- @return tensor 0-d
function loss.mse(a, b) return core.loss_mse(a, b) end

--- Binary cross entropy of logits against one target, mean over all elements (paper, Eq. 5).
-- @param logits tensor
-- @param target number 0 or 1
-- @return tensor 0-d
-- @raise another target
function loss.bce(logits, target)
  if math.type(target) == nil then error("loss.bce: (logits, target) with a target of 0 or 1", 2) end
  return core.loss_bce(logits, target)
end

return loss
