-- The REPL, on lua-readline: history, incomplete input, results printed, completion, `? name`.
-- Ctrl-C clears the line, or stops what runs (a training ends after its step); Ctrl-D leaves.
-- Where stdin is no terminal, lines are read from it without prompts, and an error gives status 1.

local doc = require "agad.doc"
local interrupt = require "agad.cli.interrupt"
local message = require "agad.cli.common".message

local repl = {}

local help = [[
? NAME         what a name is: ? trainer, ? agad.data.load, ? run:fit
? WORD*        the documented names that contain a word
Tab            completes names and fields        Ctrl-C   clears the line, stops what runs
Ctrl-D         leaves
Preloaded: agad, and of it data, task, trainer, nn, loss, model, plot.]]

--- Puts the REPL's names (agad, data, task, trainer, nn, loss, model, plot) into a table and returns it.
function repl.environment(env)
  local agad = require "agad"
  env.agad = agad
  for _, name in ipairs {"data", "task", "trainer", "nn", "loss", "model", "plot"} do env[name] = agad[name] end
  return env
end

-- Values ------------------------------------------------------------------------------------------

local function sorted(t)
  local keys = {}
  for k in pairs(t) do if not (math.type(k) == "integer" and k >= 1 and k <= #t) then keys[#keys + 1] = k end end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "string" or type(a) == "number") then return a < b end
    return type(a) < type(b) or type(a) == type(b) and tostring(a) < tostring(b)
  end)
  return keys
end

--- A value as short text: tables on one line where they fit, else one entry a line; long ones are cut.
function repl.show(v, width, depth, inner)
  if type(v) == "string" then return inner and ("%q"):format(v):gsub("\\\n", "\\n") or v end
  local meta = getmetatable(v)
  if type(v) ~= "table" or meta and meta.__tostring then return tostring(v) end
  depth, width = depth or 3, width or 79
  if depth == 0 then return next(v) == nil and "{}" or "{…}" end
  local parts, hidden = {}, 0
  local function part(name, value)
    if #parts >= 24 then hidden = hidden + 1 return end
    parts[#parts + 1] = name .. repl.show(value, width - 4, depth - 1, true)
  end
  for i = 1, #v do part("", v[i]) end
  for _, k in ipairs(sorted(v)) do
    local plain = type(k) == "string" and k:find("^[%a_][%w_]*$")
    part((plain and k or "[" .. repl.show(k, width, 1, true) .. "]") .. " = ", v[k])
  end
  if hidden > 0 then parts[#parts + 1] = ("… %d more"):format(hidden) end
  local line = "{" .. table.concat(parts, ", ") .. "}"
  if (utf8.len(line) or #line) <= width and not line:find("\n") then return line end
  for i, text in ipairs(parts) do parts[i] = "  " .. text:gsub("\n", "\n  ") end
  return "{\n" .. table.concat(parts, ",\n") .. "\n}"
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
local function explain(text, env)
  local width = require("agad.core").terminal_width() - 1
  local name = text:match("^%s*(.-)%s*$")
  if name == "" then return help end
  local word = name:match("^(.*)%*$")
  if word then
    local found = {}
    for _, n in ipairs(doc.names()) do
      if n:find(word, 1, true) then found[#found + 1] = ("%-32s %s"):format(n, doc.find(n)[1].summary) end
    end
    return #found > 0 and table.concat(found, "\n") or "no documented name contains " .. word
  end
  local known = doc.lookup(name, width)
  if known then return known end
  local ok, value = pcall(load("return " .. name:gsub(":", "."), "=input", "t", env) or error)
  if ok and value ~= nil then
    return doc.lookup(value, width) or ("%s is a %s, and not documented"):format(name, type(value))
  end
  local near = require("agad.options").nearest(name:match("[%w_]*$"), repl.candidates("", env))
  return ("nothing is known about %s%s"):format(name, near and "; did you mean " .. near .. "?" or "")
end

--- Runs complete input and prints its results.
-- @return boolean whether it went well
function repl.evaluate(text, env, out)
  if text:find("^%s*%?") then out:write(explain(text:match("^%s*%?(.*)$"), env), "\n") return true end
  local chunk, reason = repl.compile(text, env)
  if not chunk then
    out:flush()
    io.stderr:write(reason == "incomplete" and "the input ends in the middle of a statement" or reason, "\n")
    return false
  end
  local results = table.pack(xpcall(chunk, function(err)
    return os.getenv "AGAD_TRACEBACK" and type(err) == "string" and debug.traceback(err, 2) or err
  end))
  if results[1] then
    for i = 2, results.n do
      local ok, line = pcall(repl.show, results[i])
      out:write(ok and line or tostring(line), i < results.n and "\t" or "\n")
    end
    return true
  end
  local err = results[2]
  out:flush()
  if interrupt.is(err) then io.stderr:write("interrupted\n")
  elseif os.getenv "AGAD_TRACEBACK" then io.stderr:write(tostring(err), "\n")
  else io.stderr:write((message(err):gsub("^input:%d+: ", "")), "\n") end
  return false
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
    local ok, names = pcall(function() return meta.__names and meta.__names(value) or {} end)
    for _, k in ipairs(ok and names or {}) do into[k] = true end
    value = meta.__index
    if type(value) ~= "table" then break end
  end
end

--- What `text` (the name or path before the cursor) can become, sorted.
-- Fields of tables and objects after `.` and `:` (functions only); a metatable's `__names(object)` may add more.
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
  table.sort(list)
  return list
end

-- Reading -----------------------------------------------------------------------------------------

local KEEP = 1000                                -- lines of history

local function history_file()
  local home = os.getenv "HOME"
  local state = os.getenv "XDG_STATE_HOME"
  if not state or state == "" then state = home and home .. "/.local/state" end
  if not state then return nil end
  pcall(require("agad.cli.common").make_folder, state .. "/agad")
  return state .. "/agad/history"
end

-- Lines are appended as they are entered, so that a killed session keeps them.
local function remember(path, line)
  local file = path and io.open(path, "a")
  if file then file:write(line, "\n"):close() end
end

local function shorten(path)
  local lines, file = {}, io.open(path)
  if not file then return end
  for line in file:lines() do lines[#lines + 1] = line end
  file:close()
  if #lines <= KEEP then return end
  file = io.open(path .. ".new", "w")
  if not file then return end
  file:write(table.concat(lines, "\n", #lines - KEEP + 1), "\n"):close()
  os.rename(path .. ".new", path)
end

-- A function that reads a line at the terminal: text, false after Ctrl-C, nil at the end.
local function terminal(env)
  local core = require "agad.core"
  local rl = require "readline"
  local path, last = history_file(), nil
  if path then shorten(path) end
  rl.set_options {histfile = path or "", auto_add = false, completion = true}
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
    if line ~= "" and line ~= last then rl.add_history(line); remember(path, line); last = line end
    return line
  end
end

--- Runs the REPL until the input ends; returns the exit status.
function repl.run()
  local env = repl.environment(_G)
  local core = require "agad.core"
  local live = core.isatty(0)
  local read = live and terminal(env) or function() return io.read "l" end
  if live then
    io.stdout:write(("agad %s, %s: ? for help, Ctrl-D leaves\n"):format(env.agad.version or "", _VERSION))
  end
  local status, text = 0, nil
  while true do
    if live then core.arm_interrupt(); debug.sethook() end
    local line = read(text and "    > " or "agad> ")
    if line == nil then break end
    if line == false then
      text = nil
    else
      text = text and text .. "\n" .. line or line
      local chunk, reason = true, nil
      if not text:find("^%s*%?") then chunk, reason = repl.compile(text, env) end
      if chunk or reason ~= "incomplete" then
        interrupt.arm()
        local went, ok = pcall(repl.evaluate, text, env, io.stdout)
        if not went then io.stderr:write(interrupt.is(ok) and "interrupted" or message(ok), "\n") end
        if not (went and ok) and not live then status = 1 end
        debug.sethook()
        core.interrupt_clear()
        io.stdout:flush()
        text = nil
      end
    end
  end
  if text and not live and not repl.evaluate(text, env, io.stdout) then status = 1 end
  return status
end

return repl
