-- Where a syntax error is: Lua names the line and the token; the column is found by compiling what ends there.

local tokens = require "agad.cli.repl.tokens"
local printable = require("agad.base.text").printable

local syntax = {}

local MOST_TEXT, MOST_TRIES = 100000, 100

local function reason_of(text)
  local chunk, reason = load(text, "=?", "t")
  if chunk then return nil end
  reason = reason or "C stack overflow"                    -- so deep that Lua has no room for the message
  local line, message = reason:match "^%?:(%d+): (.*)$"
  return message or reason, math.tointeger(line) or 1
end

-- The line and column of a byte, and that line.
local function position(text, byte)
  local before = text:sub(1, byte - 1)
  local _, breaks = before:gsub("\n", "")
  local from = #(before:match "[^\n]*$")
  return breaks + 1, from + 1, text:sub(byte - from):match "^[^\n]*"
end

-- The byte of the token that an error message names.
local function place(text, message, line)
  if message:find "near <eof>$" then
    local list = tokens.of(text)
    local last = list[#list]
    return last and last.kind == "string" and last.open and last.from or #text:gsub("%s+$", "") + 1
  end
  local near = message:match "near '(.*)'$"
  if not near or near == "" or #text > MOST_TEXT then return nil end
  local tries, at, row = 0, 1, 1
  for _, t in ipairs(tokens.of(text)) do
    local _, breaks = text:sub(at, t.from - 1):gsub("\n", "")
    at, row = t.from, row + breaks
    if row > line or tries > MOST_TRIES then break end
    if t.text == near then
      tries = tries + 1
      if reason_of(text:sub(1, t.to)) == message then return t.from end
    end
  end
  return nil
end

--- Explains why a text is not valid Lua.
-- @param text string
-- @return table message, line, and if they are known: column (in characters, from 1), source (the line itself); nil if
--   it is valid
function syntax.problem(text)
  local message, line = reason_of(text)
  if not message then return nil end
  local found = {message = printable(message), line = line}
  local byte = place(text, message, line)
  if byte then
    local column
    found.line, column, found.source = position(text, byte)
    found.column = (utf8.len(found.source:sub(1, column - 1)) or column - 1) + 1
  end
  return found
end

--- A problem as one line: "file.lua:3:7: unexpected symbol near '='".
function syntax.one_line(problem, name)
  return ("%s:%d:%s %s"):format(name, problem.line, problem.column and problem.column .. ":" or "", problem.message)
end

--- A problem as text for a terminal: the message, then the line with a mark under the column.
-- @param width integer columns; of a longer line, the part around the column is shown
function syntax.show(problem, many, width)
  local out = (many and ("line %d: "):format(problem.line) or "") .. problem.message
  if not problem.column then return out end
  local source, column = printable(problem.source:gsub("\t", " ")), problem.column
  if #source ~= #problem.source then return out end                -- the column would be wrong
  local length = utf8.len(source)
  local from = length > width - 4 and math.max(1, column - width // 2) or 1
  local last = math.min(length, from + width - 5)
  local shown = source:sub(utf8.offset(source, from) or 1, (utf8.offset(source, last + 1) or #source + 1) - 1)
  return ("%s\n  %s\n  %s^"):format(out, shown, (" "):rep(column - from))
end

return syntax
