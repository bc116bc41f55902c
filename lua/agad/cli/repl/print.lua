-- What results look like: text cut to a readable length, functions with their first line of documentation, modules with
-- what is in them, objects with a description of what they hold, and colours in tables.

local doc = require "agad.cli.doc"
local errors = require "agad.base.errors"
local text = require "agad.base.text"
local tokens = require "agad.cli.repl.tokens"
local values = require "agad.base.values"

local print = {}

local MOST = 10000                                 -- bytes of a text
local MOST_COLOURED = 20000
local MOST_BYTES = 1000                            -- of what is no text, to be shown at all

local starts = {{"^\137PNG", "a PNG picture"}, {"^%%PDF", "a PDF document"}, {"^<%?xml.-<svg", "an SVG picture"}}

--- What is no text for people, such as pictures, in words.
-- @param s string
-- @return string; nil for other text
function print.bytes(s)
  for _, one in ipairs(starts) do
    if #s > MOST_BYTES and s:find(one[1]) then
      return ("%s of %d bytes; with a path it is written, without any shown"):format(one[2], #s)
    end
  end
  if #s <= MOST_BYTES or utf8.len(s) then return nil end
  return ("%d bytes that are no text: %s …"):format(#s, text.printable(s:sub(1, 16)))
end

-- A text as it is, but without what would disturb the terminal, and not too long.
local function of_string(s)
  local shown = s:sub(1, MOST):gsub("[^\n\t]+", function(part) return text.printable(part) end)
  return #s <= MOST and shown or ("%s\n… %d more bytes"):format(shown, #s - MOST)
end

--- An operator: what it is, and how it is called.
-- @param name string
-- @param width integer columns
-- @return string, or nil if there is none of this name
function print.operator(name, width)
  local operators = require "agad.tensor.operators"
  local schemas = operators.schemas(name)
  if not schemas then return nil end
  local out, counts = {("agad.%s: an operator of %s"):format(name,
    operators.is_own(name) and "our own" or ("libtorch (PyTorch's torch.%s)"):format(name))}, false
  for _, schema in ipairs(schemas) do
    out[#out + 1] = text.wrap("  " .. schema:gsub("^%a+::", ""), width, 4)
    counts = counts or schema:find "%f[%w_]int%S* dim" ~= nil
  end
  if counts then
    out[#out + 1] = text.wrap("  Dimensions are counted from 1 here, or from the end by -1; a default of 0 is the "
      .. "first.", width, 2)
  end
  return table.concat(out, "\n")
end

-- The operator that a function is.
local function of_operator(f, width)
  for name, value in next, package.loaded.agad or {} do
    local shown = rawequal(value, f) and print.operator(name, width)
    if shown then return shown end
  end
end

-- "agad.trainer(task, given, o)  Prepares to train …", or where a function is defined.
local function of_function(f, width)
  local entry = doc.find(f)[1]
  if entry then return text.wrap(("%s%s  %s"):format(entry.name, entry.args or "", entry.summary), width, 2) end
  local info = debug.getinfo(f, "Su")
  if info.what == "C" then return of_operator(f, width) or text.of(f) end
  local arguments = {}
  for i = 1, info.nparams do arguments[i] = debug.getlocal(f, i) end
  if info.isvararg then arguments[#arguments + 1] = "..." end
  return ("function(%s), %s:%d"):format(table.concat(arguments, ", "), info.short_src, info.linedefined)
end

-- The module of agad that a table is, or nil.
local function module_name(t)
  for name, part in next, package.loaded.agad or {} do
    if rawequal(part, t) and type(name) == "string" and doc.is_space("agad." .. name) then return "agad." .. name end
  end
  for name, loaded in pairs(package.loaded) do
    if rawequal(loaded, t) and (name == "agad" or name:find "^agad%.") then return name end
  end
end

local function one_line(line, width)
  local length = utf8.len(line)
  return length and length > width and line:sub(1, utf8.offset(line, width) - 1) .. "…" or line
end

-- The names in a module, also of what is loaded at first use; operators are not listed.
local function member_names(t)
  local meta, seen = getmetatable(t), {}
  for key in next, t do seen[key] = true end
  if t == package.loaded.agad then
    for key in pairs(require("agad.base.public").module_of) do seen[key] = true end
  elseif type(meta) == "table" and rawget(meta, "__fields") then
    for _, key in ipairs(meta.__fields(t)) do seen[key] = true end
  end
  return values.keys(seen)
end

-- What is in a module: its functions with their first lines, then its parts and values.
local function of_module(t, name, width)
  local entry = doc.find(t)[1]
  local summary = entry and entry.summary:gsub("^agad: ", "")
  local out = {entry and text.wrap(entry.name .. ": " .. summary, width, 2) or name}
  local parts, plain = {}, {}
  for _, key in ipairs(member_names(t)) do
    local lazy = t == package.loaded.agad and rawget(t, key) == nil
    local v = lazy and {} or t[key]
    local documented = type(v) == "function" and doc.find(v)[1]
    if type(key) ~= "string" or key:find "^_" then goto continue end       -- luacheck: ignore 568
    if documented then
      out[#out + 1] = one_line(("  %-20s %s"):format(key, documented.summary), width)
    elseif lazy or type(v) == "table" and module_name(v) then parts[#parts + 1] = key
    else plain[#plain + 1] = key end
    ::continue::
  end
  local function list(title, names)
    if names[1] then out[#out + 1] = text.wrap(("  %s: %s"):format(title, table.concat(names, ", ")), width, 4) end
  end
  list("parts", parts)
  list("also", plain)
  if t == package.loaded.agad then
    out[#out + 1] = "  and every operator of libtorch: agad.rand(2, 3), agad.softmax(t, 2)"
  end
  out[#out + 1] = "  ? NAME documents each of them"
  return table.concat(out, "\n")
end

-- An object with what it holds: the lines of its metatable's __describe(v, width), where longer ones are broken.
local function described(v, meta, width)
  local out = {text.wrap(text.of(v), width, 2)}
  for _, line in ipairs(meta.__describe(v, width - 2)) do out[#out + 1] = text.wrap("  " .. line, width, 4) end
  return table.concat(out, "\n")
end

-- An object of the core that has methods only.
local function of_methods(meta, width)
  local names = {}
  for name in pairs(meta.__index) do names[#names + 1] = name end
  text.sort(names)
  local kind = rawget(meta, "__name") or "userdata"
  return text.wrap(("%s; methods: %s"):format(kind, table.concat(names, ", ")), width, 2)
end

local colour_of = {string = "32", number = "36"}
local constant = {["nil"] = true, ["true"] = true, ["false"] = true}

--- A value as one line, for a list.
-- @param v any
-- @param width integer
-- @return string
function print.brief(v, width)
  local ok, shown = pcall(function()
    if type(v) == "function" then return of_function(v, 1000) end
    return values.show(v, 1000, 1, true)
  end)
  shown = ok and shown or "a " .. type(v) .. " that cannot be shown"
  return one_line(shown:sub(1, 4 * width):gsub("%s*\n%s*", " "), width)
end

-- A table's text is nearly Lua.
local function coloured(shown)
  if #shown > MOST_COLOURED then return shown end
  local parts, at = {}, 1
  for _, t in ipairs(tokens.of(shown)) do
    local colour = not t.open and (colour_of[t.kind] or constant[t.text] and "35")
    if colour then
      parts[#parts + 1] = ("%s\27[%sm%s\27[0m"):format(shown:sub(at, t.from - 1), colour, t.text)
      at = t.to + 1
    end
  end
  return table.concat(parts) .. shown:sub(at)
end

local function of_value(v, o)
  if type(v) == "string" then return print.bytes(v) or of_string(v) end
  if type(v) == "function" then return of_function(v, o.width) end
  local meta = getmetatable(v)
  local describe = type(meta) == "table" and rawget(meta, "__describe")
  if describe then return described(v, meta, o.width) end
  if type(v) == "userdata" and type(meta) == "table" and type(rawget(meta, "__index")) == "table"
     and not rawget(meta, "__tostring") then
    return of_methods(meta, o.width)
  end
  local module = type(v) == "table" and module_name(v)
  if module then return of_module(v, module, o.width) end
  local plain = type(v) == "table" and not (type(meta) == "table" and rawget(meta, "__tostring"))
  local shown = values.show(v, o.width)
  return plain and o.colours and coloured(shown) or shown
end

--- A value as text.
-- @param v any
-- @param o table width (columns), colours
-- @return string also for a value that cannot be shown: it says why
-- @raise only the interruption
function print.text(v, o)
  local ok, shown = pcall(of_value, v, o)
  if ok then return shown end
  local reason = errors.text(shown):gsub("^input %d+:%d+: ", "")
  return ("a %s that cannot be shown: %s"):format(type(v), reason)
end

return print
