-- Names that nobody has defined: the one that may be meant instead, of those that completion offers at that place.

local calls = require "agad.cli.repl.calls"
local complete = require "agad.cli.repl.complete"
local is_tensor = require("agad.core").is_tensor
local options = require "agad.base.options"
local tokens = require "agad.cli.repl.tokens"

local near = {}

local SHORT = 5                                   -- letters: of a name that others resemble by chance
local MOST = 1000                                 -- bytes of an input that is looked at

-- The name like the one at a token; nil where the name exists, or none is like it.
local function like(text, token, env)
  local known = {}
  for _, name in ipairs(select(2, complete.at(text:sub(1, token.from - 1), token.from - 1, env))) do
    if name == token.text then return nil end
    if not tokens.keyword[name] then known[#known + 1] = name end
  end
  return #token.text > 1 and options.nearest(token.text, known, #token.text <= SHORT) or nil
end

--- The name that may be meant where a name is nil that was called, indexed or computed with.
-- @param message string of the error
-- @param text string the input, or the lines of a function
-- @param env table the names that are known (`complete.at`)
-- @return string|nil
function near.of_error(message, text, env)
  local kind, name = message:match "^attempt to .*a nil value %((%a+) '([%w_]+)'%)"
  if kind ~= "global" and kind ~= "field" and kind ~= "method" then return nil end
  local list = tokens.of(text)
  for i, t in ipairs(list) do
    local mark = list[i - 1] and list[i - 1].text
    if t.text == name and (kind == "global") == (mark ~= "." and mark ~= ":") then return like(text, t, env) end
  end
  return nil
end

--- The name that may be meant where an input is a path, such as run.stat, whose last name does not exist.
-- @param text string
-- @param env table
-- @return string|nil
function near.of_path(text, env)
  local list = tokens.of(text)
  return like(text, list[#list], env)
end

--- The method that a dot calls without its tensor, as x.sum(1) does.
-- @param text string
-- @param env table
-- @return string|nil "x:sum"
function near.dotted(text, env)
  local list = tokens.of(#text < MOST and text or "")
  for i = 3, #list - 2 do
    local t, first = list[i], i - 2
    local is_call = t.kind == "name" and list[i - 1].text == "." and list[i + 1].text == "("
    local owner = is_call and calls.value(list, first, env)
    if is_tensor(owner) and type(calls.value(list, i, env)) == "function" then
      while list[first - 1] and list[first - 1].text == "." do first = first - 2 end
      local path = text:sub(list[first].from, list[i - 2].to)
      if text:sub(list[i + 2].from, list[i + 2].from + #path - 1) ~= path then return path .. ":" .. t.text end
    end
  end
  return nil
end

return near
