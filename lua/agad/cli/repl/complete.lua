-- Completion: what may stand at a place of a text. Names and fields, of what a call gives too (returned.lua); in the
-- table of a call, its options and their values (calls.lua); in a string, file names.

local calls = require "agad.cli.repl.calls"
local lfs = require "lfs"
local returned = require "agad.cli.repl.returned"
local tokens = require "agad.cli.repl.tokens"
local sort = require("agad.base.text").sort

local complete = {}

local MOST_TEXT = 20000                           -- of a longer input, only its end is looked at

local function read(value, name)
  local ok, field = pcall(function() return value[name] end)
  if ok then return field end
end

-- Adds the names of a value and of what it inherits; those that a metatable lists in its __fields(value) too.
local function fields(value, into)
  for _ = 1, 8 do
    if type(value) == "table" then
      for k in next, value do if type(k) == "string" and k:find "^[%a_][%w_]*$" then into[k] = true end end
    end
    local meta = getmetatable(value)
    if type(meta) ~= "table" then break end
    local list = rawget(meta, "__fields")
    local ok, names = pcall(list or next, value)
    if list and ok and type(names) == "table" then for _, name in ipairs(names) do into[name] = true end end
    value = rawget(meta, "__index")
    if type(value) ~= "table" then break end
  end
end

-- The names in `found` that begin with `start`; those with _ only if that is typed.
local function matching(found, start)
  local list = {}
  for name in pairs(found) do
    if name:sub(1, #start) == start and (start ~= "" or name:sub(1, 1) ~= "_") then list[#list + 1] = name end
  end
  sort(list)
  return list
end

-- The names that a value's metatable lists in __public, as what its users need: other names of the value are offered
-- only where none of these begins as typed.
local function public(value, start)
  local meta, listed = getmetatable(value), {}
  for _, name in ipairs(type(meta) == "table" and rawget(meta, "__public") or {}) do listed[name] = true end
  return matching(listed, start)
end

-- Names after `.` or `:`, or at the beginning of a path; the word at place `last` may be missing.
local function names_at(list, last, env)
  local start, i = list[last] and list[last].text or "", last - 1
  local mark = list[i] and list[i].kind == "symbol" and list[i].text
  local found = {}
  if mark ~= "." and mark ~= ":" then
    fields(env, found)
    for word in pairs(tokens.keyword) do found[word] = true end
    return start, matching(found, start)
  end
  local value = calls.value(list, i - 1, env)
  if value == nil then
    local class = returned.class(list, i - 1, env)
    if class then returned.names(class, fields, found) end
    return start, matching(found, start)
  end
  fields(value, found)
  local names = public(value, start)
  if not names[1] then names = matching(found, start) end
  if mark == "." then return start, names end
  local functions = {}
  for _, name in ipairs(names) do
    if type(read(value, name)) == "function" then functions[#functions + 1] = name end
  end
  return start, functions
end

-- File names that begin with a path; folders end in "/".
local function files(path)
  local folder, start = path:match "^(.*/)([^/]*)$"
  folder, start = folder or "", start or path
  local ok, iterate, state = pcall(lfs.dir, folder == "" and "." or folder)
  if not ok then return {} end
  local list = {}
  for name in iterate, state do
    if name ~= "." and name ~= ".." and name:sub(1, #start) == start and (start ~= "" or name:sub(1, 1) ~= ".") then
      local is_folder = lfs.attributes(folder .. name, "mode") == "directory"
      list[#list + 1] = folder .. name .. (is_folder and "/" or "")
    end
  end
  sort(list)
  return list
end

local function beginning_with(list, start, ending)
  local kept = {}
  for _, candidate in ipairs(list) do
    if candidate:sub(1, #start) == start then kept[#kept + 1] = candidate .. (ending or "") end
  end
  return kept
end

-- In a string: values of the option or argument that it is given to, or else file names.
local function in_string(list, env)
  local t = list[#list]
  local quote = t.text:match "^%[=*%[" or t.text:sub(1, 1)
  local start = t.text:sub(#quote + 1)
  local values = calls.values(list, #list, env)
  if values then
    local texts = {}
    for _, v in ipairs(values) do if type(v) == "string" then texts[#texts + 1] = v end end
    texts = beginning_with(texts, start)
    if texts[1] then return t.from + #quote, texts end
  end
  return t.from + #quote, files(start), true
end

local function quoted(v) return type(v) == "string" and ("%q"):format(v) or tostring(v) end

--- What may stand at a place.
-- @param text string a line of input, or several
-- @param at integer the byte before the cursor
-- @param env table the names that are known, with __index for inherited ones
-- @return integer the byte from which on, up to `at`, a candidate replaces the text
-- @return list of candidates, sorted
-- @return boolean nil, or true: they are paths
function complete.at(text, at, env)
  local skipped = math.max(0, at - MOST_TEXT)
  local before = text:sub(skipped + 1, at)
  local shell = before:match "^%s*!(.*)$"
  if shell then
    local word = shell:match "[^%s]*$"
    return at - #word + 1, files(word), true
  end
  local head = before:match "^%s*%?+" or ""                        -- ? NAME
  before = (" "):rep(#head) .. before:sub(#head + 1)
  local list = tokens.of(before)
  local last = list[#list]
  if last and last.open and last.kind == "comment" then return at + 1, {} end
  if last and last.open then
    local from, candidates, are_paths = in_string(list, env)
    return skipped + from, candidates, are_paths
  end
  local touches = last and last.to == #before
  if touches and last.kind == "number" or touches and last.kind == "string" then return at + 1, {} end
  local place = touches and (last.kind == "name" or last.kind == "keyword") and #list or nil
  local word = place and last.text or ""
  local options = head == "" and calls.options(list, place or #list + 1, env)
  if options then
    local keys = beginning_with(options, word, " = ")
    if keys[1] then return at - #word + 1, keys end
  end
  local values = head == "" and calls.values(list, place or #list + 1, env)
  local start, candidates = names_at(list, place or #list + 1, env)
  if values then
    local texts = {}
    for _, v in ipairs(values) do texts[#texts + 1] = quoted(v) end
    texts = beginning_with(texts, start)
    if start == "" then candidates = texts else table.move(texts, 1, #texts, #candidates + 1, candidates) end
  end
  return at - #start + 1, candidates
end

return complete
