-- The REPL, on lua-readline: history, incomplete input, results printed, completion, `? name`.
-- Ctrl-C clears the line, or stops what is running (a training stops after the current step); Ctrl-D quits.
-- If stdin is not a terminal, lines are read from it without prompts, and an error makes the exit status 1.

local doc = require "agad.cli.doc"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"
local message = require "agad.cli.common".message
local values = require "agad.base.values"
local sort = require("agad.base.text").sort

local repl = {}

local help = [[
? NAME    documents a name: ? trainer, ? agad.data.load, ? run:fit
Tab       completes names and fields
Ctrl-C    clears the line, or stops what is running
Ctrl-D    quits
Loaded: agad, and its data, task, trainer, nn, loss, model and plot.]]

--- Puts the REPL's names (agad, data, task, trainer, nn, loss, model, plot) into a table and returns it.
function repl.environment(env)
  local agad = require "agad"
  env.agad = agad
  for _, name in ipairs {"data", "task", "trainer", "nn", "loss", "model", "plot"} do env[name] = agad[name] end
  return env
end

-- Evaluation --------------------------------------------------------------------------------------

--- Compiles input as an expression, else as statements.
-- @return function, or nil and "incomplete", or nil and the error's message
function repl.compile(text, env)
  local expression, expected = load("return " .. text:gsub("^%s*=", ""), "=input", "t", env)
  if expression then return expression end
  local chunk, reason = load(text, "=input", "t", env)
  if chunk then return chunk end
  if reason:find("<eof>'?$") or expected:find("<eof>'?$") then return nil, "incomplete" end
  return nil, (reason:gsub("^input:(%d+): ", function(n) return n == "1" and "" or "line " .. n .. ": " end))
end

-- The documentation for what follows `?`.
local function explain(name, env)
  local width = require("agad.core").terminal_width() - 1
  if name == "" then return help end
  local ok, value = pcall(load("return " .. name:gsub(":", "."), "=input", "t", env) or error)
  local known = ok and type(value) == "function" and doc.lookup(value, width) or doc.lookup(name, width)
  if known then return known end
  if not ok or value == nil then return ("there is no documentation for %s; ? lists what you can do"):format(name) end
  return doc.lookup(value, width) or ("%s is a %s without documentation"):format(name, type(value))
end

-- One line on stderr for an error.
local function report(err)
  io.stdout:flush()
  io.stderr:write(errors.is_interruption(err) and "interrupted" or message(err):gsub("^input:%d+: ", ""), "\n")
end

--- Runs complete input and prints its results.
-- @raise what the input raises, or the reason why it is not valid Lua
function repl.evaluate(text, env, out)
  local question = text:match "^%s*%?%s*(.-)%s*$"
  if question then out:write(explain(question, env), "\n") return end
  local chunk, reason = repl.compile(text, env)
  if not chunk then error(reason == "incomplete" and "the input ends in the middle of a statement" or reason, 0) end
  local results = table.pack(chunk())
  for i = 1, results.n do
    local ok, line = pcall(values.show, results[i])
    out:write(ok and line or errors.text(line), i < results.n and "\t" or "\n")
  end
end

-- Completion --------------------------------------------------------------------------------------

local keywords = {"and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local",
  "nil", "not", "or", "repeat", "return", "then", "true", "until", "while"}

local function fields(value, into)                -- names of a value and of what it inherits
  for _ = 1, 8 do
    if type(value) == "table" then
      for k in pairs(value) do if type(k) == "string" and k:find("^[%a_][%w_]*$") then into[k] = true end end
    end
    local meta = getmetatable(value)
    if type(meta) ~= "table" then break end
    value = meta.__index
    if type(value) ~= "table" then break end
  end
end

--- The completions of `text`, the name or path before the cursor, sorted.
-- After `.` these are fields of a table or an object, after `:` its functions only.
function repl.candidates(text, env)
  local path, mark, start = text:match("^(.-)([.:]?)([%w_]*)$")
  local value, found, list = env, {}, {}
  for part in path:gmatch("[^.:]+") do
    local ok, next_value = pcall(function() return value[part] end)
    value = ok and next_value or nil
  end
  if value == nil then return list end
  fields(value, found)
  if mark == "" then for _, word in ipairs(keywords) do found[word] = true end end
  for name in pairs(found) do
    if name:sub(1, #start) == start and (start ~= "" or name:sub(1, 1) ~= "_") then
      local ok, field = pcall(function() return value[name] end)
      if mark ~= ":" or ok and type(field) == "function" then list[#list + 1] = path .. mark .. name end
    end
  end
  sort(list)
  return list
end

-- Reading -----------------------------------------------------------------------------------------

local function history_file()
  local state = require("agad.base.places").state()
  return state and pcall(require("agad.base.folder").make, state .. "/agad") and state .. "/agad/history" or ""
end

-- A function that reads a line at the terminal: text, false after Ctrl-C, nil at the end; one that keeps the history.
local function terminal(env)
  local core = require "agad.core"
  local rl = require "readline"
  local last
  rl.set_options {histfile = history_file(), keeplines = 1000, auto_add = false, completion = true}
  rl.set_readline_name "agad"
  rl.set_complete_function(function(text, from, to)
    rl.set_completion_append_character ""
    local before, name = text:sub(from, to):match("^(.-)([%a_]?[%w_.:]*)$")
    local list = repl.candidates(name, env)
    for i, candidate in ipairs(list) do list[i] = before .. candidate end
    return list
  end)
  local installed = false
  return function(prompt)
    local line, done
    local function finish(text)
      line, done, installed = text, true, false
      rl.handler_remove()
    end
    if installed then rl.sigcleanup() end          -- after Ctrl-C: see below
    rl.handler_install(prompt, finish)
    installed = true
    while not done do
      local ready = core.wait_input(0)
      if core.end_requested() then break end
      if core.interrupted() then
        -- The handler stays: lua-readline closes its stream before readline restores the terminal with it,
        -- which is safe only after a finished line. Installing it again starts an empty one.
        core.interrupt_clear()
        io.stdout:write("^C\n")
        return false
      end
      if ready then rl.read_char() end
    end
    if not line then io.stdout:write("\n") return nil end
    line = line:gsub("%s+$", "")
    if line ~= "" and line ~= last then rl.add_history(line); last = line end
    return line
  end, rl.save_history
end

-- Runs complete input; Ctrl-C stops it. Whether it went well.
local function run(text, env)
  interrupt.arm()
  local ok, err = pcall(repl.evaluate, text, env, io.stdout)
  interrupt.disarm()
  require("agad.core").interrupt_clear()
  if not ok then report(err) end
  io.stdout:flush()
  return ok
end

--- Runs the REPL until the input ends; returns the exit status.
function repl.run()
  local env, core = repl.environment(_G), require "agad.core"
  local live = core.isatty(0)
  local read, save = function() return io.read "l" end, function() end
  if live then
    read, save = terminal(env)
    io.stdout:write(("agad %s, %s: type ? for help, Ctrl-D to quit\n"):format(env.agad.version, _VERSION))
  end
  local status, text = 0, nil
  core.arm_interrupt()
  while not core.end_requested() do
    local line = read(text and "    > " or "agad> ")
    if line == nil or core.end_requested() then break end
    text = line and (text and text .. "\n" .. line or line)
    if text then
      local question = text:find "^%s*%?"
      local chunk, reason = repl.compile(text, env)
      if question or chunk or reason ~= "incomplete" then
        if not run(text, env) and not live then status = 1 end
        text = nil
      end
    end
  end
  if core.end_requested() then status = interrupt.status()
  elseif text and not live and not run(text, env) then status = 1 end
  save()
  return status
end

return repl
