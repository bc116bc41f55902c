-- PyTorch functions that are not operators of libtorch, but are written in Python on top of them. Each is a function of
-- agad and, if its first argument is a tensor, a method: t:float(), t:unique(), agad.cross_entropy(logits, labels).

local core = require "agad.core"
local operators = require "agad.tensor.operators"
local options = require "agad.base.options"
local values = require "agad.base.values"
local sort = require("agad.base.text").sort

local names = {}

local function call(name, ...) return core.operator(name)(...) end

-- Checks the names of options against `known`; the operator checks their values.
local function checked(name, o, known)
  options.check_names(name, o, known, true)
  return o or {}
end

local function choice(name, key, value, known)
  local n = known[value]
  if n then return n end
  local list = {}
  for other in pairs(known) do list[#list + 1] = values.brief(other) end
  sort(list)
  core.fail(("%s: %s = %s; it must be one of %s"):format(name, key, values.brief(value), table.concat(list, ", ")))
end

for name, dtype in pairs {float = "float32", double = "float64", half = "float16", long = "int64", int = "int32",
  short = "int16", char = "int8", byte = "uint8", bool = "bool", bfloat16 = "bfloat16"} do
  names[name] = function(t) return t:to(dtype) end
end

-- Further names that torch7 and PyTorch have for the same thing.
local methods = core.tensor_methods
names.nelement, names.nElement = methods.numel, methods.numel
names.ndimension, names.nDimension = methods.dim, methods.dim
names.tolist = methods.totable

--- @name agad.element_size(t)
-- The size of one element in bytes.
-- @param t tensor
-- @return integer
function names.element_size(t) return core.element_size(t.dtype) end

--- @name agad.nbytes(t)
-- The size of all elements in bytes.
-- @param t tensor
-- @return integer
function names.nbytes(t) return core.element_size(t.dtype) * t:numel() end

--- @name agad.type(t, dtype)
-- The dtype of a tensor, or the tensor converted to another dtype.
-- @param t tensor
-- @param dtype string (optional)
-- @return string|tensor
function names.type(t, dtype) return dtype == nil and t.dtype or t:to(dtype) end

--- @name tensor:apply_(f)
-- Replaces each number by f(number), in order. Slow; prefer operators, which work on whole tensors. Also torch7's
-- t:apply(f).
-- @param f function(number); nil leaves the number as it is
-- @return tensor itself
-- @example agad.rand(2, 3):apply_(function(v) return v > .5 and 1 or 0 end)
function names.apply_(t, f)
  local shape, list = t.shape, t:detach():reshape(-1):totable()
  for i, v in ipairs(list) do
    local new = f(v)
    if new ~= nil then list[i] = new end
  end
  return t:copy_(core.from_table(list, t.dtype):reshape(shape))
end
names.apply = names.apply_

--- @name agad.stride(t, dim)
-- The distance in memory, in elements, between neighbours along a dimension.
-- @param t tensor
-- @param dim integer nil: a list for all dimensions
-- @return integer|table
function names.stride(t, dim)
  if dim then return call("stride", t, dim) end
  local list = {}
  for d = 1, t:dim() do list[d] = call("stride", t, d) end
  return setmetatable(list, core.list_metatable)
end

local to, is_dtype = core.operator "to", {}

--- @name agad.to(t, what, …)
-- Converts a tensor to another dtype or device, or to those of another tensor.
-- @param t tensor
-- @param what string|tensor|table a dtype ("bf16"), a device ("cpu", "cuda:0"; a dtype may follow), a tensor whose
--   dtype and device are used, or {dtype=, device=, memory_format=, copy=}
-- @return tensor; t itself if nothing changes
function names.to(t, what, ...)
  if type(what) ~= "string" then return to(t, what, ...) end
  if what == "cpu" or what:find "^cuda" then
    local dtype = ...
    return to(t, {device = what, dtype = dtype})
  end
  if is_dtype[what] == nil then is_dtype[what] = pcall(core.element_size, what) end
  if not is_dtype[what] then
    error(('to: "%s" is neither a dtype (such as "float32") nor a device (such as "cpu" or "cuda:0")'):format(what), 2)
  end
  return to(t, what, ...)
end

local to_what = {table.unpack(operators.devices)}
table.move(operators.dtypes, 1, #operators.dtypes, #to_what + 1, to_what)
options.takes(names.to, 1, options.option {kind = "any", suggest = to_what})

--- @name agad.unique(t, o)
-- The distinct numbers of a tensor, or its distinct slices along a dimension.
-- @param t tensor
-- @param o table sorted (true), return_inverse (false), return_counts (false), dim (nil: numbers)
-- @return tensor; then, if requested, for each number of t its index in that tensor (from 0), and how often each
--   distinct number occurs
function names.unique(t, o)
  o = checked("unique", o, {"sorted", "return_inverse", "return_counts", "dim"})
  local different, inverse, counts
  if o.dim then
    different, inverse, counts = call("unique_dim", t, o.dim, o.sorted ~= false, o.return_inverse or false,
      o.return_counts or false)
  else
    different, inverse, counts = call("_unique2", t, o.sorted ~= false, o.return_inverse or false,
      o.return_counts or false)
  end
  if o.return_inverse and o.return_counts then return different, inverse, counts end
  if o.return_inverse then return different, inverse end
  if o.return_counts then return different, counts end
  return different
end

local reductions = {none = 0, mean = 1, sum = 2}

--- @name agad.cross_entropy(logits, target, o)
-- Cross entropy of logits against classes (int64, from 0) or probabilities (PyTorch's functional.cross_entropy).
-- @param logits tensor (n, classes, …)
-- @param target tensor (n, …), or of the shape of logits
-- @param o table weight (a tensor: of each class), reduction ("mean", "sum", "none"), ignore_index (-100),
--   label_smoothing (0)
-- @return tensor
-- @example agad.cross_entropy(agad.rand(2, 5), agad.tensor({0, 3}, "int64"))
function names.cross_entropy(logits, target, o)
  o = checked("cross_entropy", o, {"weight", "reduction", "ignore_index", "label_smoothing"})
  return call("cross_entropy_loss", logits, target, o.weight,
    choice("cross_entropy", "reduction", o.reduction or "mean", reductions), o.ignore_index or -100,
    o.label_smoothing or 0.0)
end

--- @name agad.grid_sample(t, grid, o)
-- Samples pictures at coordinates from -1 to 1 (PyTorch's functional.grid_sample).
-- @param t tensor (n, channels, height, width)
-- @param grid tensor (n, height', width', 2): x, y
-- @param o table mode ("bilinear", "nearest", "bicubic"), padding_mode ("zeros", "border", "reflection"), align_corners
--   (false)
-- @return tensor
function names.grid_sample(t, grid, o)
  o = checked("grid_sample", o, {"mode", "padding_mode", "align_corners"})
  return call("grid_sampler", t, grid,
    choice("grid_sample", "mode", o.mode or "bilinear", {bilinear = 0, nearest = 1, bicubic = 2}),
    choice("grid_sample", "padding_mode", o.padding_mode or "zeros", {zeros = 0, border = 1, reflection = 2}),
    o.align_corners or false)
end

--- @name agad.normalize(t, o)
-- Divides vectors along a dimension by their norms (PyTorch's functional.normalize).
-- @param t tensor
-- @param o table p (2), dim (2), eps (1e-12: smaller norms are replaced by this)
-- @return tensor
function names.normalize(t, o)
  o = checked("normalize", o, {"p", "dim", "eps"})
  local norm = call("norm", t, o.p or 2.0, {o.dim or 2}, true)
  return t / norm:clamp_min(o.eps or 1e-12)
end

local modes = {nearest = {"upsample_nearest2d"}, bilinear = {"upsample_bilinear2d", true},
  bicubic = {"upsample_bicubic2d", true}, area = {"adaptive_avg_pool2d"}}

--- @name agad.interpolate(t, o)
-- Resizes pictures (PyTorch's functional.interpolate).
-- @param t tensor (n, channels, height, width)
-- @param o table size ({height, width}) or scale_factor (a number or two); mode ("nearest", "bilinear", "bicubic",
--   "area"), align_corners (false), antialias (false; bilinear and bicubic)
-- @return tensor
-- @example agad.interpolate(agad.rand(1, 3, 8, 8), {scale_factor = 2, mode = "bilinear"})
function names.interpolate(t, o)
  o = checked("interpolate", o, {"size", "scale_factor", "mode", "align_corners", "antialias"})
  local mode = o.mode or "nearest"
  local how = choice("interpolate", "mode", mode, modes)
  if (o.size == nil) == (o.scale_factor == nil) then error("interpolate: give either size or scale_factor", 2) end
  local size = type(o.size) == "number" and {o.size, o.size} or o.size
  if not size then
    local by = type(o.scale_factor) == "number" and {o.scale_factor, o.scale_factor} or o.scale_factor
    size = {math.floor(t:size(3) * by[1]), math.floor(t:size(4) * by[2])}
  end
  if o.antialias then
    if not how[2] then error("interpolate: antialias works with mode = bilinear and bicubic only", 2) end
    return call("_" .. how[1] .. "_aa", t, size, o.align_corners or false)
  end
  if how[2] then return call(how[1], t, size, o.align_corners or false) end
  return call(how[1], t, size)
end

return names
