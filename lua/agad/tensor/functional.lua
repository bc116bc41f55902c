-- Functions of PyTorch's nn.functional that are written in Python on top of operators. Each is a function of agad and a
-- method of its first tensor.  Names, arguments and defaults are PyTorch's
-- (https://docs.pytorch.org/docs/stable/nn.functional.html).

local core = require "agad.core"
local values = require "agad.base.values"

local functional = {}

local function call(name, ...) return core.operator(name)(...) end

local function reduced(t, reduction, name)
  if reduction == nil or reduction == "mean" then return t:mean() end
  if reduction == "sum" then return t:sum() end
  if reduction == "none" then return t end
  core.fail(("%s: reduction = %s; it must be one of mean, none, sum"):format(name, values.brief(reduction)))
end

local function pair(v) return type(v) == "table" and v or {v, v} end

--- @name agad.softsign(t)
-- t / (1 + |t|).
function functional.softsign(t) return t / (t:abs() + 1) end

--- @name agad.softmin(t, dim)
-- The softmax of -t.
-- @param t tensor
-- @param dim integer
function functional.softmin(t, dim) return call("softmax", -t, dim) end

--- @name agad.tanhshrink(t)
-- t - tanh(t).
function functional.tanhshrink(t) return t - t:tanh() end

--- @name agad.logsigmoid(t)
-- log(1 / (1 + exp(-t))).
function functional.logsigmoid(t) return call("log_sigmoid", t) end

--- @name agad.gumbel_softmax(logits, o)
-- Samples of the Gumbel-softmax distribution.
-- @param logits tensor
-- @param o table tau (1), hard (false; true: one-hot samples with the gradients of the soft ones), dim (-1)
-- @return tensor
function functional.gumbel_softmax(logits, o)
  o = o or {}
  local dim = o.dim or -1
  local gumbel = -call("exponential_", call("empty_like", logits)):log()
  local soft = call("softmax", (logits + gumbel) / (o.tau or 1), dim)
  if not o.hard then return soft end
  local _, index = call("max", soft, dim, true)
  return call("scatter", call("zeros_like", logits), dim, index, 1.0) - soft:detach() + soft
end

--- @name agad.gaussian_nll_loss(input, target, var, o)
-- Negative log likelihood of a normal distribution with given means and variances.
-- @param input tensor the means
-- @param target tensor
-- @param var tensor or number the variances
-- @param o table full (false; true: adds the constant), eps (1e-6: the smallest variance used), reduction ("mean")
-- @return tensor
function functional.gaussian_nll_loss(input, target, var, o)
  o = o or {}
  if type(var) == "number" then var = call("full_like", input, var) end
  if var:dim() == input:dim() - 1 then var = var:unsqueeze(-1) end
  local eps = o.eps or 1e-6
  local safe = var + (var:clamp_min(eps) - var):detach()             -- the gradient passes where it is clamped too
  local loss = (safe:log() + (input - target):square() / safe) * .5
  if o.full then loss = loss + .5 * math.log(2 * math.pi) end
  return reduced(loss, o.reduction, "gaussian_nll_loss")
end

--- @name agad.multilabel_soft_margin_loss(input, target, o)
-- Mean over classes of the binary cross entropies of logits.
-- @param input tensor (n, classes)
-- @param target tensor of the same shape, 0 or 1
-- @param o table weight (a tensor: of each class), reduction ("mean")
-- @return tensor
function functional.multilabel_soft_margin_loss(input, target, o)
  o = o or {}
  local log_sigmoid = functional.logsigmoid
  local loss = -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
  if o.weight then loss = loss * o.weight end
  return reduced(loss:mean {dim = -1}, o.reduction, "multilabel_soft_margin_loss")
end

--- @name agad.triplet_margin_with_distance_loss(anchor, positive, negative, o)
-- Mean of max(d(anchor, positive) - d(anchor, negative) + margin, 0).
-- @param anchor tensor
-- @param positive tensor
-- @param negative tensor
-- @param o table distance_function (agad.pairwise_distance), margin (1), swap (false; true: uses the
--   distance from positive to negative if that is smaller), reduction ("mean")
-- @return tensor
function functional.triplet_margin_with_distance_loss(anchor, positive, negative, o)
  o = o or {}
  local distance = o.distance_function or core.operator "pairwise_distance"
  local far = distance(anchor, negative)
  if o.swap then far = call("minimum", far, distance(positive, negative)) end
  return reduced((distance(anchor, positive) - far + (o.margin or 1)):clamp_min(0), o.reduction,
    "triplet_margin_with_distance_loss")
end

--- @name agad.local_response_norm(t, size, o)
-- Divides each channel by a power of the energy in neighbouring channels (Krizhevsky et al., 2012).
-- @param t tensor (n, channels, …)
-- @param size integer the number of neighbouring channels
-- @param o table alpha (1e-4), beta (0.75), k (1)
-- @return tensor
function functional.local_response_norm(t, size, o)
  o = o or {}
  local squares = t:square():flatten(3):unsqueeze(2)                  -- (n, 1, channels, pixels)
  squares = call("constant_pad_nd", squares, {0, 0, size // 2, (size - 1) // 2})
  local mean = call("avg_pool2d", squares, {size, 1}, {1, 1}):squeeze(2):reshape(t.shape)
  return t / (mean * (o.alpha or 1e-4) + (o.k or 1)):pow(o.beta or .75)
end

local function lp_pool(t, norm, kernel, pool, count)
  local mean = call(pool, t:pow(norm), kernel[1], kernel[2], 0, kernel[3])
  return (mean:sign() * mean:abs():relu() * count):pow(1 / norm)
end

--- @name agad.lp_pool1d(t, norm, kernel, o)
-- The norm of each window.
-- @param t tensor (n, channels, length)
-- @param norm number
-- @param kernel integer
-- @param o table stride (the kernel), ceil_mode (false)
-- @return tensor
function functional.lp_pool1d(t, norm, kernel, o)
  o = o or {}
  return lp_pool(t, norm, {kernel, o.stride or kernel, o.ceil_mode or false}, "avg_pool1d", kernel)
end

--- @name agad.lp_pool2d(t, norm, kernel, o)
-- The norm of each window.
-- @param t tensor (n, channels, height, width)
-- @param norm number
-- @param kernel integer|table
-- @param o table stride (the kernel), ceil_mode (false)
-- @return tensor
function functional.lp_pool2d(t, norm, kernel, o)
  o, kernel = o or {}, pair(kernel)
  return lp_pool(t, norm, {kernel, pair(o.stride or kernel), o.ceil_mode or false}, "avg_pool2d",
    kernel[1] * kernel[2])
end

--- @name agad.fold(t, output_size, kernel_size, o)
-- Sums overlapping blocks: the opposite of agad.im2col (nn.functional.unfold).
-- @param t tensor (n, channels x kernel, blocks)
-- @param output_size integer|table height and width
-- @param kernel_size integer|table
-- @param o table dilation (1), padding (0), stride (1)
-- @return tensor
function functional.fold(t, output_size, kernel_size, o)
  o = o or {}
  return call("col2im", t, pair(output_size), pair(kernel_size), pair(o.dilation or 1), pair(o.padding or 0),
    pair(o.stride or 1))
end

--- @name agad.affine_grid(theta, size, o)
-- The grids of affine transformations, for agad.grid_sample.
-- @param theta tensor (n, 2, 3) or (n, 3, 4)
-- @param size table of the output: {n, channels, height, width}
-- @param o table align_corners (false)
-- @return tensor
function functional.affine_grid(theta, size, o)
  return call("affine_grid_generator", theta, size, o and o.align_corners or false)
end

--- @name agad.max_unpool1d(t, indices, kernel, o)
-- Puts the maxima of max_pool1d back in their places, with zeros elsewhere.
-- @param t tensor (n, channels, length)
-- @param indices tensor from 0, as agad.max_pool1d_with_indices gives them
-- @param kernel integer
-- @param o table stride (the kernel), padding (0), output_size (the length)
-- @return tensor
function functional.max_unpool1d(t, indices, kernel, o)
  o = o or {}
  local length = (t:size(-1) - 1) * (o.stride or kernel) + kernel - 2 * (o.padding or 0)
  if o.output_size then length = type(o.output_size) == "table" and o.output_size[#o.output_size] or o.output_size end
  return call("max_unpool2d", t:unsqueeze(-1), indices:unsqueeze(-1), {length, 1}):squeeze(-1)
end

--- @name agad.dropout2d(t, p, training)
-- Sets whole channels to 0 at random and scales the others up; also dropout1d, dropout3d.
-- @param t tensor (n, channels, …)
-- @param p number 0.5
-- @param training boolean true
-- @return tensor
function functional.dropout2d(t, p, training) return call("feature_dropout", t, p or .5, training ~= false) end
functional.dropout1d, functional.dropout3d = functional.dropout2d, functional.dropout2d

return functional
