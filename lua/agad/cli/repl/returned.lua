-- What a call in a text that is being typed gives, by the documentation of the function that is called: nothing is
-- called. For the names after `data.weave {}:` and `agad.zeros(2):`.

local calls = require "agad.cli.repl.calls"
local doc = require "agad.cli.doc"
local public = require "agad.base.public"

local returned = {}

local opening = {[")"] = "(", ["}"] = "{"}

local function symbol(t) return t and t.kind == "symbol" and t.text end

-- The place of the bracket that the one at `last` closes.
local function opened_by(list, last)
  local close, open, depth = symbol(list[last]), opening[symbol(list[last])], 0
  for i = last, 1, -1 do
    local text = symbol(list[i])
    if text == close then depth = depth + 1
    elseif text == open then
      depth = depth - 1
      if depth == 0 then return i end
    end
  end
end

-- The place where the function of a call ends whose arguments end at `last`; nil if no call ends there.
local function function_before(list, last)
  local t = list[last]
  if not t then return nil end
  local open = t.kind == "string" and last or opening[symbol(t)] and opened_by(list, last)
  local before = open and list[open - 1]
  return before and before.kind == "name" and open - 1 or nil
end

-- The class that an entry of the documentation returns: "tensor", "run" …
local function class_of(entry)
  local first = entry and entry.returns[1]
  return first and first.text:match "^[%a_]+"
end

--- The class of what the call gives that ends at a token.
-- @param list tokens (`agad.cli.repl.tokens`)
-- @param last integer
-- @param env table
-- @return string|nil "tensor", "task", "run" …
function returned.class(list, last, env)
  local place = function_before(list, last)
  if not place then return nil end
  local f = calls.value(list, place, env)
  if f ~= nil then
    local entry = doc.find(f)[1]
    if entry then return class_of(entry) end
    return type(f) == "function" and require("agad.tensor.operators").schemas(list[place].text) and "tensor" or nil
  end
  local mark = symbol(list[place - 1])
  local class = (mark == ":" or mark == ".") and returned.class(list, place - 2, env)
  if not class then return nil end
  local entry = doc.find(class .. ":" .. list[place].text)[1]
  return entry and class_of(entry) or class == "tensor" and "tensor" or nil
end

--- Adds the names that what a call gives has: the methods in the documentation of its class, those for its users where
-- they are listed; of a tensor all names.
-- @param class string as `returned.class` gives it
-- @param fields function(value, into) adds the names of a value
-- @param into table name -> true
function returned.names(class, fields, into)
  if class == "tensor" then fields(require("agad").zeros(0), into) end
  local methods, listed = {}, public.members[class]
  for _, name in ipairs(doc.methods(class)) do methods[name] = true end
  for name in pairs(methods) do into[name] = not listed or nil end
  for _, name in ipairs(listed or {}) do into[name] = methods[name] end
end

return returned
