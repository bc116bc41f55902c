-- Lua text as a list of tokens, also where it is unfinished or wrong: for completion, for locals that survive their
-- input, and for colours.

local tokens = {}

local keyword = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true until
  while]]):gmatch "%a+" do
  keyword[word] = true
end

--- Lua's keywords: word -> true.
tokens.keyword = keyword

local long = {["..."] = true}
local double = {["=="] = true, ["~="] = true, ["<="] = true, [">="] = true, ["//"] = true, ["::"] = true,
  ["<<"] = true, [">>"] = true, [".."] = true}

-- The end of a long bracket that opens at `at`, and whether that is missing; nil if none opens there.
local function bracket(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, last = text:find("]" .. level .. "]", at + #level + 2, true)
  return last or #text, not last
end

-- The end of a string in quotes, and whether the closing one is missing.
local function quoted(text, at)
  local quote, from = text:sub(at, at), at + 1
  while true do
    local found = text:find("[\\\n" .. quote .. "]", from)
    if not found then return #text, true end
    local c = text:sub(found, found)
    if c == quote then return found, false end
    if c == "\n" then return found - 1, true end
    from = text:match("^z%s*()", found + 1) or found + 2
    if from > #text + 1 then return #text, true end
  end
end

local function number(text, at)
  local pattern, exponent = "^[%d.]*", "^[eE][+-]?%d+"
  if text:find("^0[xX]", at) then pattern, exponent = "^0[xX][%x.]*", "^[pP][+-]?%d+" end
  local _, last = text:find(pattern, at)
  local _, more = text:find(exponent, last + 1)
  return more or last
end

-- The kind and the end of the token that begins at `at`, and whether its end is missing.
local function next_token(text, at)
  local _, last = text:find("^[%a_][%w_]*", at)
  if last then return keyword[text:sub(at, last)] and "keyword" or "name", last, false end
  if text:find("^%.?%d", at) then return "number", number(text, at), false end
  if text:find("^%-%-", at) then
    local finish, open = bracket(text, at + 2)
    if finish then return "comment", finish, open end
    return "comment", (text:find("\n", at, true) or #text + 1) - 1, not text:find("\n", at, true)
  end
  if text:find("^[\"']", at) then return "string", quoted(text, at) end
  local finish, open = bracket(text, at)
  if finish then return "string", finish, open end
  if long[text:sub(at, at + 2)] then return "symbol", at + 2, false end
  if double[text:sub(at, at + 1)] then return "symbol", at + 1, false end
  return "symbol", at, false
end

--- The tokens of a text, with comments.
-- @param text string
-- @return list of {kind, text, from, to, open}: kind is name, keyword, number, string, comment or symbol (also a byte
--   that Lua does not know); open: the end of a string or comment is missing
function tokens.of(text)
  local list, at = {}, 1
  while true do
    at = text:find("%S", at)
    if not at then return list end
    local kind, last, open = next_token(text, at)
    list[#list + 1] = {kind = kind, text = text:sub(at, last), from = at, to = last, open = open}
    at = last + 1
  end
end

return tokens
