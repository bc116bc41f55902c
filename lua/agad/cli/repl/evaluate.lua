-- Evaluating input: is it whole, is it an expression or statements; running it; what it leaves for later inputs: its
-- locals, `_` (the last result), and its text for tracebacks.

local interrupt = require "agad.base.interrupt"
local locals = require "agad.cli.repl.locals"
local syntax = require "agad.cli.repl.syntax"
local tokens = require "agad.cli.repl.tokens"
local traceback = require "agad.cli.repl.traceback"

local evaluate = {}

--- A session: what inputs share.
-- @param env table the globals
-- @return session
function evaluate.session(env) return {env = env, locals = locals.new(), texts = {}, count = 0} end

local function is_cut(reason) return reason ~= nil and reason:find "near <eof>$" ~= nil end

-- Whether a text ends in a string in quotes, which cannot go on in the next line.
local function ends_in_quotes(text)
  local list = tokens.of(text)
  local last = list[#list]
  return last ~= nil and last.open and last.text:find "^[\"']" ~= nil and not text:find "\\z?%s*$"
end

local function is_silent(text) return text:find ";%s*$" ~= nil end

local MOST_TEXT, MOST_TRIES = 100000, 50

-- Statements that end in an expression, as "x = 3; x": the two as pieces; nil if the text does not end so. A name at
-- the beginning of a line, or after a semicolon, cannot go on with what comes before it if that is valid by itself.
local function split_last(text)
  if #text > MOST_TEXT then return nil end
  local list, tries = tokens.of(text), 0
  for i = #list, 2, -1 do
    local t, before = list[i], list[i - 1]
    if t.kind == "name" and (before.text == ";" or text:sub(before.to, t.from):find "\n") then
      local head, tail = text:sub(1, t.from - 1), "return " .. text:sub(t.from)
      if load(tail, "=?", "t") and load(head, "=?", "t") then
        local _, breaks = head:gsub("\n", "")
        return {{text = head, silent = true},
          {text = ("\n"):rep(breaks) .. tail, silent = is_silent(text)}}
      end
      tries = tries + 1
      if tries > MOST_TRIES then return nil end
    end
  end
  return nil
end

-- Input as a list of pieces {text, silent (whether results are not printed)}, or nil and "incomplete", or nil and
-- nothing if it is not valid Lua.
local function whole(text)
  local expression = "return " .. text:gsub("^%s*=", "")
  local chunk, expected = load(expression, "=?", "t")
  if chunk then return {{text = expression, silent = is_silent(text)}} end
  local reason
  chunk, reason = load(text, "=?", "t")
  local list = split_last(text)
  if list then return list end
  if chunk then return {{text = text, silent = is_silent(text)}} end
  return nil, (is_cut(reason) or is_cut(expected)) and not ends_in_quotes(text) and "incomplete" or nil
end

-- Several inputs that were pasted together, such as a statement and then an expression: each line that completes what
-- came before it ends a piece. nil if one is wrong.
local function pieces(text)
  local list, from, line = {}, nil, 0
  local open = ""
  for part in (text .. "\n"):gmatch "(.-)\n" do
    line = line + 1
    from = from or line
    open = open == "" and part or open .. "\n" .. part
    if not open:find "%S" then open, from = "", nil
    else
      local some, why = whole(open)
      if some then
        for _, one in ipairs(some) do
          one.text = ("\n"):rep(from - 1) .. one.text
          list[#list + 1] = one
        end
        open, from = "", nil
      elseif not why then return nil end
    end
  end
  if open ~= "" then return nil, "incomplete" end
  return list
end

--- Reads input into pieces that can be run one by one.
-- @param text string
-- @return list of pieces; nil and "incomplete" if more must follow; nil and a problem (`syntax.problem`)
function evaluate.read(text)
  local list, why = whole(text)
  if list then return list end
  if why then return nil, why end
  list = text:find("\n", 1, true) and pieces(text)
  if list then return list end
  return nil, syntax.problem(text)
end

--- Runs input; Ctrl-C interrupts it.
-- @param session session
-- @param list pieces of `evaluate.read`
-- @param text string the whole input
-- @param show function(results, piece), called after each piece; results is what table.pack returns
-- @return boolean
-- @return the error as `traceback.caught` has it, if false
function evaluate.run(session, list, text, show)
  session.count = session.count + 1
  local name = ("input %d"):format(session.count)
  session.texts[name] = text
  session.texts[("input %d"):format(session.count - 100)] = nil
  for _, one in ipairs(list) do
    local chunk, reason = locals.load(session.locals, one.text, "=" .. name, session.env)
    if not chunk then return false, {err = reason, frames = {}, name = name} end
    local ok, caught = interrupt.protected(function() show(table.pack(chunk()), one) end,
      function(err) return traceback.caught(err, chunk, name, one) end)
    if not ok then return false, caught end
  end
  return true
end

return evaluate
