-- NumPy's .npy files (format 1.0 to 3.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
-- Big-endian numbers, Fortran order and unsigned integers of 16 and 32 bits are converted to what tensors support.

local core = require "agad.core"
local format = require("agad.base.text").format

local npy = {}

local MAGIC = "\x93NUMPY"

local function fail(path, form, ...) error(path .. ": " .. format(form, ...), 0) end

-- By NumPy type: the dtype that the bytes are read as and, for unsigned types, the one to convert to and a mask that
-- removes the sign.
local types = {
  f2 = {"float16"}, f4 = {"float32"}, f8 = {"float64"}, i1 = {"int8"}, i2 = {"int16"}, i4 = {"int32"}, i8 = {"int64"},
  u1 = {"uint8"}, b1 = {"bool"}, c8 = {"complex64"}, c16 = {"complex128"},
  u2 = {"int16", "int32", 0xffff}, u4 = {"int32", "int64", 0xffffffff},
}
local names = {}
for name, of in pairs(types) do if not of[2] then names[of[1]] = name end end

local function parse_header(path, text)
  local order, kind = text:match "'descr'%s*:%s*'([<>|=]?)(%a%d+)'"
  local fortran = text:match "'fortran_order'%s*:%s*(%a+)"
  local shape = text:match "'shape'%s*:%s*%(([^)]*)%)"
  if not kind then
    fail(path, "arrays of this dtype cannot be read: %s", text:match "'descr'%s*:%s*([^,]*)" or "none")
  end
  if not types[kind] then fail(path, "arrays of dtype %s cannot be read", kind) end
  if not shape or fortran ~= "True" and fortran ~= "False" then fail(path, "its header is damaged") end
  local sizes = {}
  for part in shape:gmatch "[^,%s]+" do
    sizes[#sizes + 1] = math.tointeger(tonumber(part)) or fail(path, "its shape (%s) is damaged", shape)
  end
  return {kind = kind, swapped = order == ">", fortran = fortran == "True", sizes = sizes}
end

local function swapped_bytes(bytes, width)
  return core.from_string(bytes, "uint8", {#bytes // width, width}):flip({2}):tostring_bytes()
end

--- Reads one array.
-- @param path string
-- @return tensor
-- @raise there is no such file, or it is not a .npy file, is truncated, or has a type that tensors do not support
function npy.read(path)
  local file, reason = io.open(path, "rb")
  if not file then error(reason, 0) end
  local bytes = file:read "a"
  file:close()
  if bytes:sub(1, 6) ~= MAGIC then fail(path, "this is not a .npy file") end
  local major = bytes:byte(7) or 0
  local form = major == 1 and "<I2" or (major == 2 or major == 3) and "<I4" or fail(path, "format %d is unknown", major)
  local length = #bytes >= 12 and string.unpack(form, bytes, 9) or fail(path, "it is cut short")
  local first = 9 + string.packsize(form)
  if first + length - 1 > #bytes then fail(path, "it is cut short") end
  local header = parse_header(path, bytes:sub(first, first + length - 1))
  local of, sizes = types[header.kind], header.sizes
  local width = tonumber(header.kind:match "%d+")
  local numbers = 1
  for _, size in ipairs(sizes) do numbers = numbers * size end
  local data = bytes:sub(first + length)
  if numbers * width ~= #data then
    fail(path, "it has %d bytes of numbers, but its shape needs %d", #data, numbers * width)
  end
  if header.swapped then data = swapped_bytes(data, header.kind:sub(1, 1) == "c" and width // 2 or width) end
  local order, stored = {}, sizes
  if header.fortran then
    stored = {}
    for i = 1, #sizes do stored[i], order[i] = sizes[#sizes + 1 - i], #sizes + 1 - i end
  end
  local t = core.from_string(data, of[1], stored)
  if header.fortran and #sizes > 1 then t = t:permute(order):contiguous() end
  return of[2] and t:to(of[2]):bitwise_and(of[3]) or t
end

--- Writes a tensor to a temporary file beside the target, then renames it.
-- @param path string
-- @param t tensor
-- @raise the dtype is bfloat16, which NumPy does not have; the file cannot be written
function npy.write(path, t)
  local kind = names[t.dtype]
  if not kind then fail(path, "NumPy has no %s; convert it first, for example with t:to(\"float32\")", t.dtype) end
  local sizes = table.concat(t.shape, ", ") .. (#t.shape == 1 and "," or "")
  local header = ("{'descr': '%s%s', 'fortran_order': False, 'shape': (%s), }"):format(
    tonumber(kind:match "%d+") > 1 and "<" or "|", kind, sizes)
  header = header .. (" "):rep(-(#header + 11) % 64) .. "\n"
  core.file_replace(path, MAGIC .. "\1\0" .. string.pack("<s2", header) .. t:tostring_bytes())
end

return npy
