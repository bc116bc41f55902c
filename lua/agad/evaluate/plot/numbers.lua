-- Numbers for plots, from lists and tensors, and as text.

local core = require "agad.core"
local format = require("agad.base.text").format
local shown = require("agad.base.options").show

local numbers = {}

local function fail(form, ...) error("plot: " .. format(form, ...), 0) end

--- Whether a number is neither NaN nor infinite.
function numbers.finite(v) return math.type(v) ~= nil and v - v == 0 end

-- A tensor on the CPU as float64.
local function plain(t, where)
  if t.dtype:find "complex" then fail("%s is complex; plot its abs(), real() or imag()", where) end
  return t:detach():cpu():to "float64"
end

--- Whether this is a list of numbers (or nulls), or a tensor of one dimension.
function numbers.is_list(v)
  if core.is_tensor(v) then return v.ndim <= 1 end
  return type(v) == "table" and (math.type(v[1]) ~= nil or v[1] == core.null)
end

--- The numbers of a list or tensor; null is NaN.
-- @param v list|tensor
-- @param where string what it is, for messages
-- @return list of floats
-- @raise it is something else, or holds something else
function numbers.list(v, where)
  if core.is_tensor(v) then
    if v.ndim > 1 then fail("%s has %d dimensions; one is needed", where, v.ndim) end
    return plain(v, where):reshape {-1}:totable()
  end
  if type(v) ~= "table" then fail("%s is %s; a list of numbers or a tensor is needed", where, shown(v)) end
  local list = {}
  for i, x in ipairs(v) do
    if x == core.null then x = 0 / 0 end
    if not math.type(x) then fail("%s[%d] is %s; a number is needed", where, i, shown(x)) end
    list[i] = x + 0.0
  end
  return list
end

--- The rows of a tensor of two dimensions, or of a list of lists and tensors.
-- @param v list|tensor
-- @param where string
-- @return list of lists of floats
function numbers.rows(v, where)
  if core.is_tensor(v) then
    if v.ndim > 2 then fail("%s has %d dimensions; at most two can be plotted", where, v.ndim) end
    return plain(v.ndim < 2 and v:reshape {1, -1} or v, where):totable()
  end
  if numbers.is_list(v) then return {numbers.list(v, where)} end
  if type(v) ~= "table" then fail("%s is %s; lists of numbers or a tensor are needed", where, shown(v)) end
  local rows = {}
  for i, row in ipairs(v) do rows[i] = numbers.list(row, ("%s[%d]"):format(where, i)) end
  return rows
end

--- A number with as many digits as it has.
-- @return string "nan", "inf", "-inf" for what is not finite
function numbers.text(v)
  if v ~= v then return "nan" end
  if v - v ~= 0 then return v > 0 and "inf" or "-inf" end
  if v % 1 == 0 and v > -1e15 and v < 1e15 then return ("%d"):format(v) end
  local short = ("%.15g"):format(v)
  if tonumber(short) ~= v then short = ("%.17g"):format(v) end
  return short:find "[^%d.e+-]" and format("%.17g", v) or short   -- another locale's point
end

--- The smallest and the largest of the finite numbers in a list; nil if there are none.
function numbers.range(list)
  local low, high
  for _, v in ipairs(list) do
    if numbers.finite(v) then low, high = math.min(low or v, v), math.max(high or v, v) end
  end
  return low, high
end

--- Only the finite numbers of a list, sorted.
function numbers.sorted(list)
  local kept = {}
  for _, v in ipairs(list) do if numbers.finite(v) then kept[#kept + 1] = v end end
  table.sort(kept)
  return kept
end

return numbers
