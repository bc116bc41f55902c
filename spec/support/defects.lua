-- What the specs of synthetic defects share: pictures, drawers of defects, known defects.

local agad = require "agad"
local core = agad.core

local support = {}

support.KINDS = {"blend", "paste", "texture", "fill", "line", "region", "warp", "inpaint", "filter", "spots", "known"}
support.MEAN, support.SD = {120, 100, 80}, 40
local MEAN, SD = support.MEAN, support.SD

--- Textures of the built-in set: (n, channels, height, width), cut out of squares.
function support.pictures(n, channels, height, width)
  local size = math.max(32, height, width)
  local set = agad.data.weave {size = size, channels = channels, train_normals = n, train_defects = 0, test_normals = 1,
    test_defects = 0}
  return set.train.images:narrow(3, 1, height):narrow(4, 1, width):contiguous()
end

--- Rows 0 to n - 1.
function support.rows(n)
  local list = {}
  for i = 1, n do list[i] = i - 1 end
  return list
end

--- Pictures as they are drawn on.
function support.plain(images)
  local mean = agad.tensor({table.unpack(MEAN, 1, images.shape[2])}, {dtype = "float32"})
  return (images:to {dtype = "float32"} - mean:reshape {1, images.shape[2], 1, 1}) / SD
end

--- By default: all pictures are the pool, whole, neither flipped nor jittered.
function support.drawer(images, more, pool)
  local o = {window = {images.shape[3], images.shape[4]}, mean = {table.unpack(MEAN, 1, images.shape[2])}, sd = SD,
    seed = 1, jitter = false}
  for key, value in pairs(more or {}) do o[key] = value end
  return core.data.defects(images, pool or support.rows(images.shape[1]), o)
end

--- Known defects: these rows, with a box marked in each.
function support.known(images, list, top, left, height, width)
  local masks = agad.zeros({#list, images.shape[3], images.shape[4]}, {dtype = "uint8"})
  masks:narrow(2, top, height):narrow(3, left, width):fill_(255)
  return {rows = list, masks = masks}
end

--- A hash of tensors.
function support.bytes(...)
  local all = {}
  for i, t in ipairs {...} do all[i] = t:tostring_bytes() end
  return core.hash(table.concat(all))
end

--- Probabilities of one kind.
function support.only(kind)
  local p = {}
  for i = 1, #support.KINDS do p[i] = i == kind and 2 or 0 end
  return p
end

function support.none(t) return not t:any():item() end
function support.finite(t) return t:isfinite():all():item() end

return support
