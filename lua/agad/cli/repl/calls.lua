-- Calls in a text that is being typed: which function the table at its end is given to, which options that function
-- takes (`agad.base.options`, its documentation, or an operator's keywords), and which values an option has.

local doc = require "agad.cli.doc"
local is_tensor = require("agad.core").is_tensor
local options = require "agad.base.options"

local calls = {}

local opening = {["("] = true, ["["] = true, ["{"] = true}
local closing = {[")"] = true, ["]"] = true, ["}"] = true}

local function is(t, text) return t ~= nil and t.kind == "symbol" and t.text == text end

-- The parts of the path that ends at place `last`: names and constant indices; nil if something else is in it.
local function path(list, last)
  local parts, i = {}, last
  while true do
    local t = list[i]
    if is(t, "]") and list[i - 1] and is(list[i - 2], "[") and list[i - 3] then
      local key = list[i - 1]
      local index = key.kind == "number" and tonumber(key.text)
        or key.kind == "string" and not key.text:find "\\" and key.text:match "^[\"'](.*)[\"']$"
      if not index then return nil end
      table.insert(parts, 1, index)
      i = i - 3
    elseif t and t.kind == "name" then
      table.insert(parts, 1, t.text)
      if not (is(list[i - 1], ".") or is(list[i - 1], ":")) then return parts end
      i = i - 2
    else
      return nil
    end
  end
end

-- A tensor stands for its transpose, which libtorch warns of where a tensor has other than two dimensions.
local function follow(parts, env)
  local value = env
  for _, part in ipairs(parts) do
    if not (part == "T" and is_tensor(value)) then
      local ok, inner = pcall(function() return value[part] end)
      if not ok then return nil end
      value = inner
    end
  end
  return value
end

--- The value of the path that ends at a token: run.task, nets[1]; nothing is called.
-- @param list tokens (`agad.cli.repl.tokens`)
-- @param last integer
-- @param env table
-- @return any nil if there is none
function calls.value(list, last, env)
  local parts = path(list, last)
  return parts and follow(parts, env)
end

-- The brackets that are open before place `at`: their places, the innermost last.
local function open_brackets(list, at)
  local stack = {}
  for i = 1, at - 1 do
    local t = list[i]
    if t.kind == "symbol" then
      if opening[t.text] then stack[#stack + 1] = i elseif closing[t.text] then stack[#stack] = nil end
    end
  end
  return stack
end

-- A path as Lua writes it.
local function written(parts)
  local text = {}
  for i, part in ipairs(parts) do
    local is_name = type(part) == "string" and part:find "^[%a_][%w_]*$"
    text[i] = not is_name and ("[%q]"):format(part) or i > 1 and "." .. part or part
  end
  return table.concat(text)
end

--- The names that a place of a text is about: the path that it touches, then the functions of the calls around it, the
-- innermost first.
-- @param list tokens
-- @param at integer the byte before the place
-- @return list of texts: "run.fit", "agad.trainer"
function calls.names_at(list, at)
  local found, after = {}, #list + 1
  for i, t in ipairs(list) do
    if t.from > at and after > i then after = i end
    if t.kind == "name" and t.from <= at + 1 and t.to >= at then
      local parts = path(list, i)
      if parts then found[1] = written(parts) end
    end
  end
  local stack = open_brackets(list, after)
  for i = #stack, 1, -1 do
    local parts = path(list, stack[i] - 1)
    if parts then found[#found + 1] = written(parts) end
  end
  return found
end

-- The name of the key that stands before place i ("net =" or '["net"] ='), or nil.
local function key_before(list, i)
  if not is(list[i], "=") then return nil end
  local t = list[i - 1]
  if t and t.kind == "name" then return t.text end
  return is(t, "]") and list[i - 2] and list[i - 2].text:match "^[\"'](.*)[\"']$" or nil
end

-- The number of arguments before place `at` in the call that opens at `open`.
local function arguments_before(list, open, at)
  local n, depth = 0, 0
  for i = open + 1, at - 1 do
    local t = list[i]
    if t.kind == "symbol" then
      depth = depth + (opening[t.text] and 1 or closing[t.text] and -1 or 0)
      if depth == 0 and t.text == "," then n = n + 1 end
    end
  end
  return n
end

-- The values of the first arguments of the call that opens at `open`, by place: names, paths, texts and numbers.
local function arguments_of(list, open, n, env)
  local values, i = {}, open + 1
  for place = 1, n do
    local depth, from = 0, i
    while depth > 0 or not is(list[i], ",") do
      local text = list[i].kind == "symbol" and list[i].text
      depth = depth + (opening[text] and 1 or closing[text] and -1 or 0)
      i = i + 1
    end
    local last = list[i - 1]
    if from == i - 1 and last.kind == "string" then values[place] = last.text:match "^[\"'](.*)[\"']$"
    elseif from < i then
      local parts = path(list, i - 1)
      if parts and list[from].text == parts[1] then values[place] = follow(parts, env) end
    end
    i = i + 1
  end
  return values
end

-- The argument at place `at`: the function, and as which of its arguments; nil if it is none.
local function argument_at(list, at, env)
  local stack, last, place, arguments = open_brackets(list, at), at - 1, 1, {}
  if is(list[last], "(") or is(list[last], ",") then
    local open = stack[#stack]
    if not open or not is(list[open], "(") then return nil end
    last, place = open - 1, 1 + arguments_before(list, open, at)
    arguments = arguments_of(list, open, place - 1, env)
  end
  local parts = path(list, last)
  return parts and follow(parts, env), place, arguments
end

-- The call whose table is open before place `at`: {f, name, place, prefix, given, arguments}; place is which argument
-- the table is, prefix "lambda." in an inner table, given the options whose values are strings, arguments what stands
-- before the table. nil if it is another table, or none.
local function call_at(list, at, env)
  local stack = open_brackets(list, at)
  local inner, prefix = #stack, ""
  while inner > 0 and is(list[stack[inner]], "{") do
    local key = key_before(list, stack[inner] - 1)
    if not key then break end
    prefix, inner = key .. "." .. prefix, inner - 1
  end
  local open = stack[inner]
  if not open or not is(list[open], "{") then return nil end
  local last, place, arguments = open - 1, 1, {}
  if is(list[last], "(") or is(list[last], ",") then
    local call = stack[inner - 1]
    if not is(list[call], "(") then return nil end
    last, place = call - 1, 1 + arguments_before(list, call, open)
    arguments = arguments_of(list, call, place - 1, env)
  end
  local parts = path(list, last)
  local f = parts and follow(parts, env)
  if f == nil then return nil end
  local given = {}
  for i = open + 1, #list do
    local key = list[i].kind == "string" and not list[i].open and key_before(list, i - 1)
    if key then given[key] = list[i].text:match "^[\"'](.*)[\"']$" end
  end
  return {f = f, name = parts[#parts], place = place, prefix = prefix, given = given, arguments = arguments}
end

-- The options in the documentation of a function: `@param o table size (nil: …), channels (1, 3)`.
local function documented(call)
  local entry = type(call.f) == "function" and doc.find(call.f)[1]
  local known = {}
  for k, p in ipairs(entry and entry.params or {}) do
    if k == call.place and p.kind:find "table" then
      local plain = p.text:gsub("%b()", ""):gsub("%b{}", ""):gsub('%b""', "")
      for item in plain:gmatch "[^,;:]+" do
        local name = item:match "^%s*([%a_][%w_]*)%s*$"
        if name then known[name] = options.option {kind = "any"} end
      end
    end
  end
  return next(known) and known or nil
end

-- Operators take keywords.
local function of_operator(call)
  if type(call.f) ~= "function" or type(call.name) ~= "string" then return nil end
  local operators, known = require "agad.tensor.operators", {}
  for _, name in ipairs(operators.keywords(call.name)) do
    known[name] = options.option {kind = "any", suggest = operators.suggested[name]}
  end
  return next(known) and known or nil
end

-- The options that can stand in the call's table: name -> option, with full names ("lambda.con").
local function known_in(call)
  if type(call.f) ~= "function" and type(call.f) ~= "table" then return nil end
  local ok, known = pcall(options.taken, call.f, call.place, call.given, call.arguments)
  return ok and known or documented(call) or of_operator(call)
end

--- The options that may be named at a place.
-- @param list tokens
-- @param at integer the place of the name, or after the last token
-- @param env table
-- @return list of names, sorted; nil if no option is named here
function calls.options(list, at, env)
  local before = list[at - 1]
  if not (is(before, "{") or is(before, ",") or is(before, ";")) then return nil end
  local call = call_at(list, at, env)
  local known = call and known_in(call)
  if not known then return nil end
  local names, seen = {}, {}
  for name in pairs(known) do
    local rest = name:sub(1, #call.prefix) == call.prefix and name:sub(#call.prefix + 1):match "^[^.]+"
    if rest and not seen[rest] then
      seen[rest] = true
      names[#names + 1] = rest
    end
  end
  require("agad.base.text").sort(names)
  return names
end

--- The values that may stand at a place: those of the option before it, or of an argument that is one: choices, names,
-- true and false.
-- @param list tokens
-- @param at integer the place of the value
-- @param env table
-- @return list; nil if none is known
function calls.values(list, at, env)
  local key, d, arguments = key_before(list, at - 1), nil, nil
  if key then
    local call = call_at(list, at, env)
    local known = call and known_in(call)
    d, arguments = known and known[call.prefix .. key], call and call.arguments
  elseif list[at] and list[at].kind == "string" then
    local f, place, before = argument_at(list, at, env)
    local ok, known = pcall(options.taken, f, place, {}, before)
    d, arguments = ok and options.is(known) and known, before
  end
  if not d then return nil end
  local ok, suggested = true, d.suggest
  if type(suggested) == "function" then ok, suggested = pcall(suggested, arguments) end
  return ok and suggested or d.choices or d.kind == "boolean" and {false, true} or nil
end

return calls
