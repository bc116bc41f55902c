-- agad teach: a training that is walked through stage by stage. It reads commands and calls the lesson (agad.teach);
-- at a terminal with a prompt, else line by line, where a command that fails makes the exit status 1.

local common = require "agad.cli.common"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"

local function width() return math.max(20, require("agad.core").terminal_width() - 1) end

local function say(line) io.stdout:write(require("agad.base.text").wrap(line, width(), 4), "\n") end

-- A value as JSON can have it: null for numbers that it lacks.
local function plain(v)
  if type(v) == "number" and v - v ~= 0 then return require("agad.core").null end
  if type(v) ~= "table" then return v end
  local new = {}
  for key, inner in pairs(v) do new[key] = plain(inner) end
  return new
end

local function print_value(value, json)
  if json then return common.print_json(type(value) == "string" and {text = value} or plain(value)) end
  io.stdout:write(require("agad.cli.repl.print").text(value, {width = width()}), "\n")
end

-- Runs a line: whether it went well, and whether the lesson is over.
local function obey(lesson, line, json)
  local commands, over = require "agad.teach.commands", false
  local ok, reason = interrupt.protected(function()
    local value
    value, over = commands.run(lesson, line)
    if value ~= nil then print_value(value, json) end
  end, function(err) return errors.is_interruption(err) and "interrupted" or common.message(err) end)
  require("agad.core").interrupt_clear()
  io.stdout:flush()
  if not ok then io.stderr:write("agad: ", reason, "\n") end
  return ok, over
end

-- The words that may stand at the cursor: commands, then options.
local function completed(lesson, text, at)
  local before = text:sub(1, at)
  local word, names = before:match "[%w_.]*$", {}
  local options = before:match "^%s*set%s" or before:match "^%s*what%s+if%s"
  if options then
    for name in pairs((select(2, require("agad.options").schema(lesson.run.method)))) do names[#names + 1] = name end
  elseif before:match "^%s*[%w]*$" then names = require("agad.teach.commands").names end
  local list = {}
  for _, name in ipairs(names) do if name:sub(1, #word) == word then list[#list + 1] = name end end
  require("agad.base.text").sort(list)
  return at - #word + 1, list
end

local function talk(lesson)
  local core = require "agad.core"
  local read = require("agad.cli.repl.terminal").open {history = false,
    complete = function(text, at) return completed(lesson, text, at) end}
  say "next runs a stage; help lists the commands; Ctrl-D ends the lesson"
  while not core.end_requested() do
    local line = read "teach> "
    if line == nil or line and select(2, obey(lesson, line)) then break end
  end
end

local function follow(lesson, json)
  local well = true
  for line in io.lines() do
    if require("agad.core").end_requested() then break end
    local ok, over = obey(lesson, line, json)
    well = well and ok
    if over then break end
  end
  if not well then common.fail("", 1) end
end

local function teach(args)
  local given = common.given(args)
  local data = args.data or {normals = args.normals, anomalies = args.anomalies}
  local picks = common.usage(require("agad.train.auto").new, given, data)
  local _, task_options, run_options = common.configure(given)
  local memory = args.memory and common.usage(require("agad.base.options").check, "teach", {memory = args.memory},
    require("agad.teach.lesson").options)
  local agad = require "agad"
  interrupt.arm()
  local set = common.load(args, task_options, picks.choose)
  local task = agad.task.new(set, picks:task(set, task_options))
  if memory then run_options.memory = memory.memory end
  local lesson = agad.teach(task, run_options)
  for _, line in ipairs(args.json and {} or picks:about(lesson.run)) do say("  " .. line) end
  if require("agad.core").isatty(0) and not args.json then talk(lesson) else follow(lesson, args.json) end
  local status = require("agad.core").end_requested() and interrupt.status()
  if status then common.fail("", status) end
end

return {
  help = "Walk through a training stage by stage, back, and under other options",
  arguments = function(c, add)
    c:argument "data":args "?":description "a data set's name (agad info --help lists them), a folder, or a .csv file"
    c:option "--memory":argname "MB":description "memory for the states of earlier steps (default: 1000)"
    add.options(c, "method net gamma epochs batch")
    add.data(c)
  end,
  run = teach,
}
