-- The option `size` of sets of files: the side of square pictures, or "HEIGHTxWIDTH".

local convert = require("agad.base.options").convert

local sides = {}

--- The kind (`agad.base.options`) of such an option: a whole number, or a text like "96x64".
function sides.kind(key, d, v)
  local h, w = (type(v) == "string" and v or ""):match "^%s*(%d+)%s*[xX]%s*(%d+)%s*$"
  if not h then return convert.integer(key, d, v) end
  h, w = convert.integer(key, d, h), convert.integer(key, d, w)
  return h == w and h or ("%dx%d"):format(h, w)
end

--- Height and width of a size; nil for nil.
function sides.of(size)
  if type(size) ~= "string" then return size or nil, size or nil end
  local h, w = size:match "^(%d+)x(%d+)$"
  return math.tointeger(h), math.tointeger(w)
end

--- The size of these sides.
function sides.size(height, width) return height == width and height or ("%dx%d"):format(height, width) end

return sides
