-- Names that nobody has defined: the one that may be meant instead, of those that completion offers at that place.

local complete = require "agad.cli.repl.complete"
local options = require "agad.base.options"
local tokens = require "agad.cli.repl.tokens"

local near = {}

local SHORT = 3                                   -- letters: of a name that others resemble by chance

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

return near
