-- agad teach: a training that is walked through stage by stage. It reads commands and calls the lesson (agad.teach);
-- at a terminal with a prompt, else line by line, where a command that fails makes the exit status 1. With --lesson it
-- goes through the parts of a text too, and runs their commands (agad.teach.guide).

local common = require "agad.cli.common"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"

local function width() return math.max(20, require("agad.core").terminal_width() - 1) end

local function say(line) io.stdout:write(require("agad.base.text").wrap(line, width(), 4), "\n") end

local function say_flat(line) io.stdout:write(require("agad.base.text").wrap(line, width(), 0), "\n") end

local function is_at_terminal(args) return require("agad.core").isatty(0) and not args.json end

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
  for line in require("agad.cli.repl.print").text(value, {width = width()}):gmatch "[^\n]+" do say(line) end
end

local function complain(reason)
  local line = "agad: " .. reason
  if require("agad.core").isatty(2) then line = require("agad.base.text").wrap(line, width(), 4) end
  io.stderr:write(line, "\n")
end

-- Calls a function, which returns what is to be printed and whether the lesson is over: whether it went well, and
-- whether the lesson is over.
local function attempt(json, f, ...)
  local over, given = false, table.pack(...)
  local ok, reason = interrupt.protected(function()
    local value
    value, over = f(table.unpack(given, 1, given.n))
    if value ~= nil then print_value(value, json) end
  end, function(err) return errors.is_interruption(err) and "interrupted" or common.message(err) end)
  require("agad.core").interrupt_clear()
  io.stdout:flush()
  if not ok then complain(reason) end
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

local function talk(lesson, obey, prompt)
  local core = require "agad.core"
  local read = require("agad.cli.repl.terminal").open {history = false,
    complete = function(text, at) return completed(lesson, text, at) end}
  while not core.end_requested() do
    local line = read(prompt())
    if line == nil or line and select(2, obey(line)) then break end
  end
end

local function follow(obey, well)
  for line in io.lines() do
    if require("agad.core").end_requested() then break end
    local ok, over = obey(line)
    well = well and ok
    if over then break end
  end
  if not well then common.fail("", 1) end
end

local function ended()
  local status = require("agad.core").end_requested() and interrupt.status()
  if status then common.fail("", status) end
end

-- A lesson of the user's own data and options.
local function free(args)
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
  local run = require("agad.teach.commands").run
  local function obey(line) return attempt(args.json, run, lesson, line) end
  if not is_at_terminal(args) then return follow(obey, true) end
  say "next runs a stage; help lists the commands; Ctrl-D ends the lesson"
  talk(lesson, obey, function() return "teach> " end)
end

-- The lesson of parts ------------------------------------------------------------------------------

local turning = [[
next                goes to the next part (an empty line does too)
back                goes to the part before
next stage          is teach's next: it runs the next stage; likewise back step
These can be tried in between; the next part starts where this one has ended:]]

-- Prints a part and runs its commands: whether all went well.
local function show(guide, part, json)
  local about = ("Part %d of %d: %s"):format(guide.at, #guide.parts, part.title)
  if json then
    common.print_json {part = guide.at, of = #guide.parts, title = part.title, text = part.before, look = part.after}
  else
    say(about)
    for _, paragraph in ipairs(part.before) do io.stdout:write "\n" say_flat(paragraph) end
  end
  for _, line in ipairs(part.commands) do
    if not json then io.stdout:write("\nteach> ", line, "\n") end
    if not attempt(json, guide.run, guide, line) then return false end
  end
  guide:reached(guide.at + 1)
  for _, paragraph in ipairs(json and {} or part.after) do io.stdout:write "\n" say_flat(paragraph) end
  io.stdout:flush()
  return true
end

local function lead(args)
  local number = common.usage(require("agad.teach.guide").number, args.lesson[1] or "1")
  local given = common.given(args)
  local other = args.data or args.normals and "--normals" or args.memory and "--memory"
  for name in pairs(given) do other = name ~= "threads" and name ~= "device" and name or other end
  if other then
    common.fail(("--lesson has a set and options of its own: it goes with --threads and --device, not with %s"):format(
      other), 2)
  end
  local _, _, options = common.configure(given)
  interrupt.arm()
  local guide = require("agad.teach.guide").open(options)
  local function turn(n)
    local part
    local ok = attempt(args.json, function()
      part = guide:go(n, function(first, last)
        if args.quiet or args.json then return end
        say(first == last and ("(the commands of part %d run first)"):format(first)
          or ("(the commands of parts %d to %d run first)"):format(first, last))
      end)
    end)
    return ok and show(guide, part, args.json)
  end
  local run = require("agad.teach.commands").run
  local function obey(line)
    local words = table.concat({line:match "^%s*(%S*)%s*(%S*)%s*(.-)%s*$"}, " "):gsub(" +$", "")
    if words == "" or words == "next" then
      if guide.at < #guide.parts then return turn(guide.at + 1) end
      return attempt(args.json, function() return "this was the last part; quit ends the lesson" end)
    elseif words == "back" then
      if guide.at > 1 then return turn(guide.at - 1) end
      return attempt(args.json, function() error("back: this is the first part", 0) end)
    elseif words == "help" or words == "?" then attempt(args.json, function() return turning end)
    elseif words == "next stage" then words = "next"
    else words = words:gsub("^back step", "back") end
    return attempt(args.json, run, guide.lesson, words)
  end
  local well = turn(number)
  if not is_at_terminal(args) then return follow(obey, well) end
  talk(guide.lesson, obey, function()
    io.stdout:write "\n"
    return ("part %d of %d> "):format(guide.at, #guide.parts)
  end)
end

local function teach(args)
  if args.lesson then lead(args) else free(args) end
  ended()
end

return {
  help = "Walk through a training stage by stage, back, and under other options",
  arguments = function(c, add)
    c:argument "data":args "?":description "a data set's name (agad info --help lists them), a folder, or a .csv file"
    c:option "--lesson":argname "PART":args "?":description(
      "a lesson of eight parts on the built-in textures, from what G sees to why batch statistics leak labels")
    c:option "--memory":argname "MB":description "memory for the states of earlier steps (default: 1000)"
    add.options(c, "method net gamma epochs batch")
    add.data(c, "lesson")
  end,
  run = teach,
}
