-- The functions that the REPL adds to the globals: who, where, history, time, and a print that shows tables; and
-- `results`.

local help = require "agad.cli.repl.help"
local history = require "agad.cli.repl.history"
local printing = require "agad.cli.repl.print"
local traceback = require "agad.cli.repl.traceback"

local names = {}

local MOST = 30                                   -- inputs that history() lists
local ROUNDS, ROUND = 5, 0.1                      -- of time(): how many, and how long each is at least

local function duration(seconds)
  for _, unit in ipairs {{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}} do
    if seconds >= unit[1] then return ("%.3g %s"):format(seconds / unit[1], unit[2]) end
  end
  return ("%.3g ns"):format(seconds * 1e9)
end

local function seconds_of(n, f, ...)
  local clock = require("agad.core").clock
  local began = clock()
  for _ = 1, n do f(...) end
  return clock() - began
end

-- An input on one line, with the mark that continued lines get.
local function one_line(text) return (text:gsub("\n", "\n    > ")) end

--- Adds them to a session.
-- @param session session of `agad.cli.repl`
-- @param own function that returns the user's names with their values
-- @param width function that returns the columns of the terminal
function names.add(session, own, width)
  local env = session.env

  --- @name who()
  --- Lists your names, with what they hold.
  -- @example x = agad.rand(2, 3); who()
  env.who = function() io.stdout:write(help.who(own(), width()), "\n") end

  --- @name history(words)
  --- Lists the latest inputs: of this session with their numbers, or those of all REPLs that have some words.
  -- @param words string in any case (nil: all of this session's)
  -- @example history "trainer"
  env.history = function(words)
    local lines = {}
    if words then
      local seen, wanted = {}, tostring(words):lower()
      local function add(text)
        if text and not seen[text] and text:lower():find(wanted, 1, true) then lines[#lines + 1] = text end
      end
      local kept = history.open(history.default_path()):news()
      for _, text in ipairs(kept) do add(text) end
      for _, text in ipairs(kept) do seen[text] = true end
      for i = 1, session.count do add(session.texts[("input %d"):format(i)]) end      -- if they could not be written
    else
      for i = 1, session.count do
        local text = session.texts[("input %d"):format(i)]
        if text then lines[#lines + 1] = ("%3d  %s"):format(i, text) end
      end
    end
    for i = math.max(1, #lines - MOST + 1), #lines do io.stdout:write(one_line(lines[i]), "\n") end
  end

  --- @name where(n)
  --- Shows the lines that led to the latest error, with the local variables of their functions; or returns those.
  -- @param n integer the line's number: where(1) is a table of the variables where the error arose (nil: shows all)
  -- @return table name -> value
  -- @example where()
  env.where = function(n)
    local frames = session.frames or {}
    if n == nil then
      io.stdout:write(frames[1] and traceback.frames(frames, session, own(), width()) or "no error yet", "\n")
      return
    end
    if #frames == 0 then error("where: there was no error yet", 2) end
    local frame = frames[n] or error(("where takes a number from 1 to %d; where() shows them"):format(#frames), 2)
    local found = {}
    for i = #(frame.variables or {}), 1, -1 do found[frame.variables[i].name] = frame.variables[i].value end
    return found
  end

  --- @name time(f, ...)
  --- Calls f(...) many times and says how long a call takes: the fastest of five rounds.
  -- @param f function
  -- @param ... any its arguments
  -- @return table seconds, of one call, and calls, of a round; it prints as text
  -- @example x = agad.rand(500, 500); time(agad.matmul, x, x)
  env.time = function(f, ...)
    if type(f) ~= "function" then error("time takes a function and its arguments: time(agad.matmul, x, x)", 2) end
    local n, best = 1, seconds_of(1, f, ...)
    while best < ROUND do
      n = math.ceil(n * math.min(100, math.max(2, 1.2 * ROUND / math.max(best, 1e-9))))
      best = seconds_of(n, f, ...)
    end
    for _ = 2, best < 10 * ROUND and ROUNDS or 1 do best = math.min(best, seconds_of(n, f, ...)) end
    return setmetatable({seconds = best / n, calls = n}, {__tostring = function(t)
      return ("%s a call (%d call%s a round)"):format(duration(t.seconds), t.calls, t.calls == 1 and "" or "s")
    end})
  end

  --- @name print(...)
  --- Lua's print, which here shows what is in a table.
  -- @example print({1, 2, name = "x"}, agad.rand(2))
  env.print = function(...)
    local list = table.pack(...)
    for i = 1, list.n do
      local meta = getmetatable(list[i])
      local bare = type(list[i]) == "table" and not (type(meta) == "table" and rawget(meta, "__tostring"))
      list[i] = bare and printing.text(list[i], {width = width()}) or tostring(list[i])
    end
    io.stdout:write(table.concat(list, "\t"), "\n")
  end

  --- @name results
  --- results[3] is what input 3 gave, of the latest 20 inputs (history() shows their numbers); `_` is the last one.
  -- @example results[1]
  env.results = session.results
end

return names
