-- The REPL: reads input, runs it, prints its results. Each part is a file of this folder.
-- Ctrl-C clears the input, or stops what is running (a training stops after the current step); Ctrl-D quits.
-- If stdin is no terminal, lines are read from it without prompts, and an error makes the exit status 1.

local bytes = require("agad.base.text").bytes
local colours = require("agad.base.terminal").has_colours
local fitted = require("agad.base.terminal").fitted
local complete = require "agad.cli.repl.complete"
local environment = require "agad.cli.repl.environment"
local errors = require "agad.base.errors"
local evaluate = require "agad.cli.repl.evaluate"
local help = require "agad.cli.repl.help"
local interrupt = require "agad.base.interrupt"
local locals = require "agad.cli.repl.locals"
local names = require "agad.cli.repl.names"
local options = require "agad.base.options"
local printing = require "agad.cli.repl.print"
local python = require "agad.cli.repl.python"
local syntax = require "agad.cli.repl.syntax"
local tokens = require "agad.cli.repl.tokens"
local traceback = require "agad.cli.repl.traceback"

local repl = {}

local KEPT = 20                                   -- inputs whose results are kept
local SLOW = 1                                    -- seconds: a command that takes longer has its time shown

local function width() return math.max(20, require("agad.core").terminal_width() - 1) end

local function painted(line, colour, stream)
  return colours(stream) and ("\27[%sm%s\27[0m"):format(colour, line) or line
end

-- Sessions ----------------------------------------------------------------------------------------

-- The user's names with their values: globals that the session did not begin with, and locals.
local function own_names(session)
  local own = {}
  for name, value in next, session.env do
    if type(name) == "string" and name ~= "_" and not rawequal(session.before[name], value) then own[name] = value end
  end
  for name, value in pairs(locals.values(session.locals)) do own[name] = value end
  return own
end

-- Where results and errors go: to stdout and stderr. A notebook has its own.
local streams = {}

--- Shows the results of a piece of input.
-- @param results what table.pack returns
function streams.results(results)
  local o = {width = width(), colours = colours(1)}
  for i = 1, results.n do
    io.stdout:write(printing.text(results[i], o), i < results.n and "\t" or "\n")
  end
  io.stdout:flush()
end

--- Shows what went wrong.
-- @param message string
-- @param lines list of further lines
function streams.failure(message, lines)
  io.stderr:write(painted(fitted(message, 2), "31", 2), "\n")
  for _, line in ipairs(lines) do io.stderr:write(painted(fitted(line, 2), "2", 2), "\n") end
end

--- A session: its globals and what its inputs leave.
-- @param env table the globals
-- @param face table or nil (stdout and stderr): results(results, last), where last is whether the input ends with them,
--   and failure(message, lines, kind), where kind is "syntax error", "interrupted" or "error"
-- @return session
function repl.session(env, face)
  local session = evaluate.session(environment(env))
  session.face = face or streams
  session.results, session.before = {}, {}
  names.add(session, function() return own_names(session) end, width)
  for name, value in next, env do session.before[name] = value end
  return session
end

--- All that can be named in a session: locals before globals.
-- @param session session
-- @return table
function repl.known_names(session)
  return setmetatable(locals.values(session.locals), {__index = session.env})
end

local function hint(words) return words and "hint: " .. words end

-- One line for an error, and the lines that led to it.
local function report(session, caught)
  local text = require "agad.base.text"
  io.stdout:flush()
  local message, lines = "", {}
  if caught.frames[1] then session.frames = caught.frames end
  local shown, reason = interrupt.protected(function()
    message, lines = traceback.show(caught, session, own_names(session), width())
  end, text.of)
  if not shown then message = "the error cannot be shown: " .. reason end
  lines[#lines + 1] = hint(python.of_error(message))
  session.face.failure(message, lines, errors.is_interruption(caught.err) and "interrupted" or "error")
end

--- Says why a text is not valid Lua.
-- @param session session
-- @param problem table of `syntax.problem`
-- @param text string
function repl.report_problem(session, problem, text)
  session.face.failure(syntax.show(problem, text:find("\n", 1, true) ~= nil, width()),
    {hint(python.of_syntax(text, problem))}, "syntax error")
end

local function shell(command)
  io.stdout:flush()
  local _, how, status = os.execute(command)
  if status ~= 0 then
    io.stderr:write(("the command ended with %s %d\n"):format(how == "exit" and "status" or how, status))
  end
  return status == 0
end

-- A note if the input is a name that nobody has defined: its nil may be a slip of the fingers.
local function note_unknown(piece, session)
  local name = piece.text:match "^%s*return%s+([%a_][%w_]*)%s*$"
  if not name or name == "nil" or session.locals.cells[name] then return end
  local list = {}
  for known in pairs(locals.values(session.locals)) do list[#list + 1] = known end
  for known in next, session.env do if type(known) == "string" then list[#list + 1] = known end end
  local near, words = options.nearest(name, list), python.of_name(name)
  io.stdout:flush()
  io.stderr:write(("note: nothing is named %s%s\n"):format(name, words and "; " .. words
    or near and "; did you mean " .. near .. "?" or ""))
end

-- Shows the results of a piece of input, and keeps the first one as `_` and in `results`.
local function show(results, piece, session, last)
  if results[1] ~= nil then
    session.env._ = results[1]
    if not rawequal(results[1], session.results) then session.results[session.count] = results[1] end
    for number in pairs(session.results) do
      if number <= session.count - KEPT then session.results[number] = nil end
    end
  end
  if piece.silent or results.n == 0 then return end
  session.face.results(results, last)
  if results.n == 1 and results[1] == nil then note_unknown(piece, session) end
end

-- The time of a slow command, and the memory that tensors hold after it.
local function cost(seconds, before)
  local now = require("agad").memory().bytes
  local more = now - before
  local change = ("(%s %s)"):format(bytes(math.abs(more)), more > 0 and "more" or "less")
  if math.abs(more) < 1e5 then change = "" end
  return ("%s, tensors hold %s %s"):format(require("agad.train.progress").duration(seconds), bytes(now), change)
end

local function run_list(session, list, text, live)
  local core = require "agad.core"
  local began, held = core.clock(), core.memory().bytes
  local ok, caught = evaluate.run(session, list, text, function(results, piece)
    show(results, piece, session, piece == list[#list])
  end)
  core.interrupt_clear()
  if not ok then report(session, caught) end
  io.stdout:flush()
  local seconds = core.clock() - began
  if live and seconds >= SLOW then
    io.stdout:write(painted(cost(seconds, held), "2", 1), "\n")
    io.stdout:flush()
  end
  return ok
end

-- What `?` and `??` ask for, before or after what they are about: the text, or nil.
local function asked(session, text)
  local word = text:match "^%s*%?%?%s*(.-)%s*$"
  if word then return help.search(word, width()) end
  local name, marks = text:match "^%s*([%a_][%w_.:]*)%s*(%?%??)%s*$"
  name = name or text:match "^%s*%?%s*(.-)%s*$"
  if not name then return nil end
  local known = repl.known_names(session)
  if marks == "??" then return help.source(name, known, session.texts, width()) end
  return (help.explain(name, known, width()))
end

-- `?`, `??` and `!`, which are not Lua; nil for other input, else whether it went well.
local function special(session, text)
  local command = text:match "^%s*!%s*(.-)%s*$"
  if command then return shell(command) end
  local answer = asked(session, text)
  if not answer then return nil end
  io.stdout:write(answer, "\n")
  io.stdout:flush()
  return true
end

--- Runs input, if it is whole, and prints its results or what went wrong.
-- @param session session
-- @param text string
-- @param live boolean whether it was typed at a terminal
-- @return boolean whether it went well; nil if more input must follow
function repl.input(session, text, live)
  local ok = special(session, text)
  if ok ~= nil then return ok end
  local list, problem = evaluate.read(text)
  if list then return run_list(session, list, text, live) end
  if problem == "incomplete" then return nil end
  repl.report_problem(session, problem, text)
  return false
end

--- Runs a script in a session: its locals stay.
-- @param session session
-- @param text string
-- @param name string the chunk's name: "@" and the path
-- @return boolean whether it went well
function repl.script(session, text, name)
  local problem, chunk = syntax.problem(text), nil
  local reason = problem and syntax.one_line(problem, name:sub(2))
  if not problem then chunk, reason = locals.load(session.locals, text, name, session.env) end
  if not chunk then
    io.stderr:write(painted(reason, "31", 2), "\n")
    return false
  end
  session.texts[name:sub(2)] = text
  local ok, caught = interrupt.protected(function() chunk(table.unpack(arg or {})) end,
    function(err) return traceback.caught(err, chunk, name:sub(2), {text = text}) end)
  require("agad.core").interrupt_clear()
  if not ok then report(session, caught) end
  io.stdout:flush()
  return ok
end

--- Ends a session: closes its <close> variables.
function repl.close(session)
  for _, err in ipairs(locals.close(session.locals)) do
    io.stderr:write(errors.is_interruption(err) and "interrupted" or require("agad.cli.common").message(err), "\n")
  end
end

-- The loop ----------------------------------------------------------------------------------------

-- Runs ~/.config/agad/init.lua if there is one.
local function start_file(session)
  local folder = require("agad.base.places").configuration()
  local path = folder and folder .. "/agad/init.lua"
  if not path or not require("lfs").attributes(path, "mode") then return end
  local file, reason = io.open(path, "rb")
  local text = file and file:read "a"
  if text then repl.script(session, text, "@" .. path)
  else io.stderr:write(("note: the start file cannot be read: %s\n"):format(reason or path)) end
end

-- Whether a text ends inside a string or comment, where an empty line is part of it.
local function is_inside(text)
  local list = tokens.of(text)
  local last = list[#list]
  return last ~= nil and last.open and (last.kind == "string" or last.text:find "^%-%-%[=*%[" ~= nil)
end

-- Reads one whole input at the terminal; false after Ctrl-C, nil at the end.
local function read_whole(read, add, is_waiting)
  local text
  while true do
    local line, replaces = read(text and "    > " or "agad> ", text)
    if not line then
      if text then add(text) end
      if text and line == nil then return false end
      return line
    end
    if text and line == "" and not is_inside(text) and not is_waiting() then
      add(text)
      local words = hint(python.of_syntax(text))
      io.stderr:write("note: the input was not whole and is given up; the arrow keys bring it back\n",
        words and words .. "\n" or "")
      return false
    end
    text = text and not replaces and text .. "\n" .. line or line
    if text:find "^%s*[?!]" or select(2, evaluate.read(text)) ~= "incomplete" then
      add(text)
      return text
    end
  end
end

-- `exit` and `quit`, with () or without, unless the user has something of this name.
local function is_farewell(session, text)
  local word = text:match "^%s*(%a+)%s*$" or text:match "^%s*(%a+)%s*%(%s*%)%s*;?%s*$"
  return (word == "exit" or word == "quit") and repl.known_names(session)[word] == nil
end

local function talk(session)
  local core, terminal = require "agad.core", require "agad.cli.repl.terminal"
  local read, add = terminal.open {
    complete = function(text, at) return complete.at(text, at, repl.known_names(session)) end,
    idle = function()
      require("agad.tensor.operators").names()
      require("agad.cli.doc").find "agad"
    end,
  }
  local welcome = ("agad %s, %s: type ? for help, Ctrl-D to quit"):format(session.env.agad.version, _VERSION)
  io.stdout:write(fitted(welcome, 1), "\n")
  while not core.end_requested() do
    local text = read_whole(read, add, terminal.is_waiting)
    if text == nil or text and is_farewell(session, text) then break end
    if text and text:find "%S" and not core.end_requested() then repl.input(session, text, true) end
  end
  return 0
end

local function follow(session)
  local core, status, text = require "agad.core", 0, nil
  while not core.end_requested() do
    local line = io.read "l"
    if line == nil then break end
    text = text and text .. "\n" .. line or line
    local ok = repl.input(session, text, false)
    if ok ~= nil then text = nil end
    if ok == false then status = 1 end
  end
  if text and not core.end_requested() then
    local words = hint(python.of_syntax(text))
    io.stderr:write("the input ends in the middle of a statement\n", words and words .. "\n" or "")
    status = 1
  end
  return status
end

--- Runs the REPL until the input ends.
-- @param before function(session) or nil: called before the first prompt
-- @return integer the exit status
function repl.run(before)
  local session, core = repl.session(_G), require "agad.core"
  core.arm_interrupt()
  start_file(session)
  if before then before(session) end
  local status = core.isatty(0) and talk(session) or follow(session)
  repl.close(session)
  return core.end_requested() and interrupt.status() or status
end

return repl
