-- The source of a function: `NAME??`.

local printable = require("agad.base.text").printable

local source = {}

--- The lines of a chunk, from one to another.
-- @param name string as debug.getinfo gives it: "@" and a path, or "=" and the name of an input
-- @param first integer
-- @param last integer
-- @param texts table name -> text of the inputs
-- @return list of strings; nil if the text is not there any more
function source.lines(name, first, last, texts)
  local text = texts[name:sub(2)]
  if not text then
    local file = name:sub(1, 1) == "@" and io.open(name:sub(2))
    if not file then return nil end
    text = file:read "a"
    file:close()
  end
  local list, number = {}, 0
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    if number >= first and number <= last then list[#list + 1] = line:gsub("\t", "    ") end
  end
  return list[1] and list or nil
end

local function indent_of(line) return line:find "%S" and #line:match "^ *" end

-- The lines with what all of them are indented by taken away.
local function dedented(list)
  local least = math.huge
  for _, line in ipairs(list) do least = math.min(least, indent_of(line) or least) end
  local out = {}
  for i, line in ipairs(list) do out[i] = printable(line:sub(least + 1)) end
  return table.concat(out, "\n")
end

-- The function that a value is, or calls.
local function function_of(value)
  if type(value) == "function" then return value end
  local meta = getmetatable(value)
  local call = type(meta) == "table" and rawget(meta, "__call")
  return type(call) == "function" and call or nil
end

--- The text of `NAME??`: where a Lua function is defined, and its lines.
-- @param value any
-- @param texts table name -> text of the inputs
-- @return string; nil if it is no function of Lua, or its source cannot be read
function source.text(value, texts)
  local f = function_of(value)
  local info = f and debug.getinfo(f, "S")
  if not info or info.what == "C" then return nil end
  local list = source.lines(info.source, info.linedefined, info.lastlinedefined, texts)
  local place = info.source:match "^[@=](.*)$"
  return list and place and ("%s:%d\n%s"):format(printable(place:gsub("/[^/]+/%.%./", "/")), info.linedefined,
    dedented(list)) or nil
end

return source
