--- Loss terms as functions of tensors. Values are 0-d tensors; each call is one autograd node that runs the C code of
-- the training step (csrc/train/losses.c).

local core = require "agad.core"
local brief = require("agad.base.values").brief

local losses, loss = core.losses, {}

--- mean |a - b| over all elements (paper, Eq. 6 and 8).
-- @param a tensor
-- @param b tensor of the same shape
-- @return tensor 0-d
-- @example agad.loss.l1(agad.rand(2, 3), agad.rand(2, 3))
function loss.l1(a, b) return losses.l1(a, b) end

--- mean (a - b)^2 over all elements (paper, Eq. 7, squared).
-- @param a tensor
-- @param b tensor of the same shape
-- @return tensor 0-d
-- @example agad.loss.mse(agad.rand(2, 3), agad.rand(2, 3))
function loss.mse(a, b) return losses.mse(a, b) end

--- Binary cross entropy of logits against one target, mean over all elements (paper, Eq. 5).
-- @param logits tensor
-- @param target number 0 or 1
-- @return tensor 0-d
-- @raise another target
-- @example agad.loss.bce(agad.randn(4), 1)
function loss.bce(logits, target)
  if math.type(target) == nil then error("loss.bce: give (logits, target), with a target of 0 or 1", 2) end
  return losses.bce(logits, target)
end

--- Mean over rows of ||a_i - b_i||, the plain norm of Eq. 7.
-- @param a tensor (rows, …)
-- @param b tensor of the same shape
-- @return tensor 0-d
function loss.l2_rows(a, b) return losses.l2_rows(a, b) end

--- L_adv of the generator (Eq. 5): the reconstruction's logits against "real".
-- @param logits tensor D(x^)
-- @return tensor 0-d
function loss.adversarial(logits) return losses.bce(logits, 1) end

--- L_con (Eq. 6): mean |x^ - x|.
-- @param x_hat tensor
-- @param x tensor
-- @return tensor 0-d
-- @example agad.loss.context(agad.rand(2, 1, 8, 8), agad.rand(2, 1, 8, 8))
function loss.context(x_hat, x) return losses.l1(x_hat, x) end

--- L_adcon (Eq. 8): mean |x^' - x^|, where x^' = G(x^) is the reconstruction of the pseudo-anomaly. The loss of normals
-- subtracts it.
-- @param x_hat2 tensor
-- @param x_hat tensor
-- @return tensor 0-d
function loss.adversarial_context(x_hat2, x_hat) return losses.l1(x_hat2, x_hat) end

--- L_lat (Eq. 7): the distance between D's features of the reconstruction and of the picture.
-- @param z_hat tensor
-- @param z tensor
-- @param norm string "mse" (mean square, the default) or "l2" (mean of the rows' norms)
-- @return tensor 0-d
-- @raise another norm
-- @example agad.loss.latent(agad.rand(2, 8), agad.rand(2, 8))
function loss.latent(z_hat, z, norm)
  if norm ~= nil and norm ~= "mse" and norm ~= "l2" then
    error(("loss.latent: norm = %s; it must be mse or l2"):format(brief(norm)), 2)
  end
  return norm == "l2" and losses.l2_rows(z_hat, z) or losses.mse(z_hat, z)
end

--- The form of a term for known anomalies (Eq. 10): 1 / (term + eps).
-- @param term tensor 0-d
-- @param eps number 1e-3
-- @return tensor 0-d
function loss.reciprocal(term, eps) return (term + (eps or 1e-3)):reciprocal() end

--- L_D: binary cross entropy of real pictures against 1, plus that of reconstructions against 0.
-- @param real tensor logits D(x)
-- @param made tensor logits D(x^), of a detached x^
-- @return tensor 0-d
function loss.discriminator(real, made) return losses.bce(real, 1) + losses.bce(made, 0) end

-- Losses of C without a function here are available as they are in C: (a, b), or (logits, target).
return setmetatable(loss, {__index = losses})
