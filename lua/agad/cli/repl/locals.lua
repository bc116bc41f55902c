-- Locals that survive the input that declares them. A chunk of Lua is rewritten so that, after each `local` statement
-- of its outermost block, it hands over a closure of the new variables; later inputs are compiled inside a function
-- whose upvalues are joined to those of the closures. The variables thus stay the same variables, also for functions
-- that captured them, a later `local` of the same name makes a new one, and no line moves.

local interrupt = require "agad.base.interrupt"
local tokens = require "agad.cli.repl.tokens"

local locals = {}

-- What inserted code calls: the first local of the function around an input.
local KEEP = "__keep"

local opens = {["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true}
local closes = {["end"] = true, ["until"] = true}
local unary = {["not"] = true, ["-"] = true, ["#"] = true, ["~"] = true}
local binary = {["and"] = true, ["or"] = true, ["+"] = true, ["-"] = true, ["*"] = true, ["/"] = true, ["//"] = true,
  ["%"] = true, ["^"] = true, ["&"] = true, ["|"] = true, ["~"] = true, ["<<"] = true, [">>"] = true, [".."] = true,
  ["<"] = true, ["<="] = true, [">"] = true, [">="] = true, ["=="] = true, ["~="] = true}
local pairs_of = {["("] = ")", ["["] = "]", ["{"] = "}"}

-- What follows is for valid Lua only: each function takes the place of a token and returns the place after the part
-- that begins there.

local function after_block(list, i)               -- from `function` to its `end`
  local depth = 0
  repeat
    local t = list[i]
    if t.kind == "keyword" then depth = depth + (opens[t.text] and 1 or closes[t.text] and -1 or 0) end
    i = i + 1
  until depth == 0
  return i
end

local function after_brackets(list, i)
  local depth = 0
  repeat
    local t = list[i]
    if t.kind == "symbol" then
      if pairs_of[t.text] then depth = depth + 1
      elseif t.text == ")" or t.text == "]" or t.text == "}" then depth = depth - 1 end
    end
    i = i + 1
  until depth == 0
  return i
end

local function is(t, text) return t ~= nil and t.text == text and (t.kind == "symbol" or t.kind == "keyword") end

local function after_suffixes(list, i)
  while list[i] do
    local t = list[i]
    if is(t, ".") or is(t, ":") then i = i + 2
    elseif t.kind == "symbol" and pairs_of[t.text] then i = after_brackets(list, i)
    elseif t.kind == "string" then i = i + 1
    else break end
  end
  return i
end

local function after_expression(list, i)
  while true do
    while list[i] and list[i].kind ~= "string" and unary[list[i].text] do i = i + 1 end
    local t = list[i]
    if is(t, "function") then i = after_block(list, i)
    elseif is(t, "(") then i = after_suffixes(list, after_brackets(list, i))
    elseif is(t, "{") then i = after_brackets(list, i)
    elseif t.kind == "name" then i = after_suffixes(list, i + 1)
    else i = i + 1 end
    if not (list[i] and list[i].kind ~= "string" and binary[list[i].text]) then return i end
    i = i + 1
  end
end

-- The `local` statement at place i: {names, attributes (place -> "const" or "close"), closing (the tokens of "close")},
-- and the place after it.
local function statement(list, i)
  local found = {names = {}, attributes = {}, closing = {}}
  if is(list[i + 1], "function") then
    found.names[1] = list[i + 2].text
    return found, after_block(list, i + 1)
  end
  repeat
    i = i + 1
    found.names[#found.names + 1] = list[i].text
    i = i + 1
    if is(list[i], "<") then
      found.attributes[#found.names] = list[i + 1].text
      if list[i + 1].text == "close" then found.closing[#found.closing + 1] = list[i + 1] end
      i = i + 3
    end
  until not is(list[i], ",")
  if is(list[i], "=") then
    repeat i = after_expression(list, i + 1) until not is(list[i], ",")
  end
  return found, i
end

-- The `local` statements of the outermost block, each with `last`, its last token.
local function statements(list)
  local found, depth, i = {}, 0, 1
  while list[i] do
    local t = list[i]
    if t.kind == "keyword" then
      if t.text == "local" and depth == 0 then
        local one, after = statement(list, i)
        one.last = list[after - 1]
        found[#found + 1] = one
        i = after - 1
      else
        depth = depth + (opens[t.text] and 1 or closes[t.text] and -1 or 0)
      end
    end
    i = i + 1
  end
  return found
end

local function without_comments(list)
  local kept = {}
  for _, t in ipairs(list) do if t.kind ~= "comment" then kept[#kept + 1] = t end end
  return kept
end

-- The text with what hands the new variables over. A <close> variable becomes a <const> one: it is closed at the end of
-- the session.
local function rewrite(text, found)
  local parts, at = {}, 1
  local function put(to, new, from)
    parts[#parts + 1] = text:sub(at, to) .. new
    at = from
  end
  for k, one in ipairs(found) do
    for _, t in ipairs(one.closing) do put(t.from - 1, "const", t.to + 1) end
    put(one.last.to, (";%s(%d, function() return %s end);"):format(KEEP, k, table.concat(one.names, ", ")),
      one.last.to + 1)
  end
  return table.concat(parts) .. text:sub(at)
end

--- Variables that inputs share.
-- @return table for `locals.load`; `cells` are the variables by name, `closing` those to be closed, in order
function locals.new() return {cells = {}, closing = {}} end

-- Takes the variables of a statement over from a closure that returns them.
local function take(kept, one, f)
  local values, place = table.pack(f()), {}
  for i = 1, math.huge do
    local name = debug.getupvalue(f, i)
    if not name then break end
    place[name] = i
  end
  for k, name in ipairs(one.names) do
    local value, attribute = values[k], one.attributes[k]
    if attribute == "close" and value then
      local meta = getmetatable(value)
      if type(meta) ~= "table" or not meta.__close then
        error(("variable '%s' got a non-closable value"):format(name), 3)
      end
      table.insert(kept.closing, value)
    end
    if name ~= "_" and name ~= "_ENV" then
      local own = not place[name] and function() return value end        -- Lua made it a constant: it is no upvalue
      kept.cells[name] = {of = own or f, place = own and 1 or place[name], constant = attribute ~= nil}
    end
  end
end

--- Loads a chunk that uses the variables of earlier ones and leaves its own to later ones.
-- @param kept table of `locals.new`
-- @param text string valid Lua
-- @param name string the chunk's name
-- @param env table
-- @return function, or nil and the reason (an assignment to a constant, for example)
function locals.load(kept, text, name, env)
  local list = without_comments(tokens.of(text))
  local found = statements(list)
  local plain, constant, seen = {}, {}, {}
  for _, t in ipairs(list) do
    local cell = t.kind == "name" and not seen[t.text] and kept.cells[t.text]
    seen[t.text] = true
    if cell and cell.constant then constant[#constant + 1] = ("local %s <const> = %s"):format(t.text, KEEP)
    elseif cell then plain[#plain + 1] = t.text end
  end
  if not found[1] and not plain[1] and not constant[1] then return load(text, name, "t", env) end
  local outer, reason = load(("local %s = ... %s %s return function(...) %s\nend"):format(KEEP,
    plain[1] and "local " .. table.concat(plain, ", ") or "", table.concat(constant, " "), rewrite(text, found)),
    name, "t", env)
  if not outer then return nil, reason end
  local chunk = outer(function(k, f) take(kept, found[k], f) end)
  for i = 1, math.huge do
    local variable = debug.getupvalue(chunk, i)
    if not variable then return chunk end
    local cell = kept.cells[variable]
    if cell then debug.upvaluejoin(chunk, i, cell.of, cell.place) end
  end
end

--- The values of the variables by name.
function locals.values(kept)
  local values = {}
  for name, cell in pairs(kept.cells) do values[name] = select(2, debug.getupvalue(cell.of, cell.place)) end
  return values
end

--- Closes the <close> variables, the last one first.
-- @return list of the errors
function locals.close(kept)
  local errors = {}
  for i = #kept.closing, 1, -1 do
    local ok, err = interrupt.protected(function()
      local value <close> = kept.closing[i]                                -- luacheck: ignore 211
    end, function(reason) return reason end)
    if not ok then errors[#errors + 1] = err end
  end
  kept.closing = {}
  return errors
end

return locals
