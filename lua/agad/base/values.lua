-- The keys of tables in order, and Lua values as the text that the REPL shows.

local text = require "agad.base.text"

local values = {}

local ITEMS, NAMES = 24, 100                      -- that are shown: of a list or an inner table; names of an outer one
local LONG = 1000                                 -- bytes: a text inside a table is cut there

--- The keys of a table in ascending order; keys of different types are ordered as text.
-- @param t table
-- @return table list
function values.keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if math.type(a) and math.type(b) then return a < b end
    return text.less(text.of(a), text.of(b))
  end)
  return keys
end

-- A text inside a table.
local function quoted(s)
  local cut = #s > LONG and s:sub(1, LONG):gsub("[\xC2-\xF4][\x80-\xBF]*$", "") or s
  local shown = ("%q"):format(cut):gsub("\\\n", "\\n")
  if not utf8.len(shown) then shown = shown:gsub("[\x80-\xFF]", function(c) return ("\\%d"):format(c:byte()) end) end
  return #cut == #s and shown or ("%s… %d more bytes"):format(shown, #s - #cut)
end

--- A value as short text: tables on one line if they fit, else one entry per line; long ones are truncated.
function values.show(v, width, depth, inner)
  if type(v) == "string" then return inner and quoted(v) or v end
  local meta = getmetatable(v)
  if inner and type(v) == "userdata" and v.summary then return v:summary() end    -- a tensor in a table
  local named = type(meta) == "table" and rawget(meta, "__tostring") and meta ~= require("agad.core").list_metatable
  if type(v) ~= "table" or named then return text.of(v) end
  depth, width = depth or 3, width or 79
  if depth == 0 then return next(v) == nil and "{}" or "{…}" end
  local parts, hidden = {}, 0
  local function part(name, value, most)
    if #parts >= most then hidden = hidden + 1 return end
    parts[#parts + 1] = name .. values.show(value, width - 4, depth - 1, true)
  end
  for i = 1, #v do part("", v[i], ITEMS) end
  for _, k in ipairs(values.keys(v)) do
    if not (math.type(k) == "integer" and k >= 1 and k <= #v) then
      local plain = type(k) == "string" and k:find("^[%a_][%w_]*$")
      part((plain and k or "[" .. values.show(k, width, 1, true) .. "]") .. " = ", v[k], inner and ITEMS or NAMES)
    end
  end
  if hidden > 0 then parts[#parts + 1] = ("… %d more"):format(hidden) end
  local line = "{" .. table.concat(parts, ", ") .. "}"
  if (utf8.len(line) or #line) <= width and not line:find("\n") then return line end
  for i, part_text in ipairs(parts) do parts[i] = "  " .. part_text:gsub("\n", "\n  ") end
  return "{\n" .. table.concat(parts, ",\n") .. "\n}"
end

--- A value in few words, for a message: a text, number or boolean itself, or else the type of the value.
function values.brief(v)
  if type(v) == "string" or type(v) == "number" or type(v) == "boolean" then return text.of(v) end
  return v == nil and "nil" or "a " .. (require("agad.core").is_tensor(v) and "tensor" or type(v))
end

return values
