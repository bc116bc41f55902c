-- The interpreter of a notebook: runs cells as the REPL runs its inputs. interpreter.py starts it and talks to it over
-- pipes of its own (channel.lua), so that whatever is printed is output of the cell.
--
-- A request is taken on with "begun", from which on Ctrl-C may come, and answered with "done". While a cell runs,
-- "result", "picture", "progress" and "turn" (what is written next may go to the other one of stdout and stderr) may
-- come in between. The kernel confirms each of these once it has shown what came before, so that a notebook always has
-- its outputs in the same order.

local channel = require "agad.cli.notebook.channel"
local complete = require "agad.cli.repl.complete"
local core = require "agad.core"
local errors = require "agad.base.errors"
local evaluate = require "agad.cli.repl.evaluate"
local help = require "agad.cli.repl.help"
local interrupt = require "agad.base.interrupt"
local pictures = require "agad.tensor.show"
local printable = require("agad.base.text").printable
local printing = require "agad.cli.repl.print"
local repl = require "agad.cli.repl"
local syntax = require "agad.cli.repl.syntax"
local terminal = require "agad.base.terminal"
local uv = require "luv"

local WIDTH = 79                                  -- columns of a cell's output
local PATIENCE = 3000                             -- ms that a cell has to end in once the kernel is gone
local LEAST = 8                                   -- pixels: the sides of what is taken for a picture

-- Text for JSON.
local function utf8_text(s)
  return utf8.len(s) and s or (s:gsub("[^\n\t]+", printable))
end

-- Ends this process, and those that it has started, if the kernel is killed while a cell runs: a thread waits for the
-- end of a pipe that the kernel holds.
local function follow_kernel(life)
  uv.new_thread(function(fd, patience)
    local luv = require "luv"
    repeat local bytes, _, code = luv.fs_read(fd, 1) until bytes == "" or not bytes and code ~= "EINTR"
    local group = -luv.os_getpid()
    luv.kill(group, "sigterm")
    luv.sleep(patience)
    luv.kill(group, "sigkill")
  end, life, PATIENCE)
end

-- Each change from stdout to stderr or back is told to the kernel, which otherwise sees two pipes and no order; so are
-- the beginning and the end of a command. system() ignores Ctrl-C in this process while a command runs that it ends.
local function keep_order(kernel)
  local methods, execute = getmetatable(io.stdout).__index, os.execute
  local write, last = methods.write, io.stdout
  local function turn_to(file)
    last = file
    kernel:show {kind = "turn"}
  end
  function methods.write(file, ...)               -- luacheck: ignore 122
    if file ~= last and (rawequal(file, io.stdout) or rawequal(file, io.stderr)) then turn_to(file) end
    return write(file, ...)
  end
  function io.write(...) return io.output():write(...) end            -- luacheck: ignore 122
  function os.execute(command)                    -- luacheck: ignore 122
    turn_to(io.stdout)
    interrupt.check()                             -- it would not be seen until the command has ended
    local ok, how, status = execute(command)
    turn_to(io.stdout)
    if how == "signal" and status == 2 or how == "exit" and status == 130 then error(core.interruption, 0) end
    return ok, how, status
  end
  io.stdout:setvbuf "no"
end

-- The line that progress redraws: "\r", the line and "\27[K", or a line that stays.
local function progress_line(kernel)
  local line = {kept = "", bar = ""}
  function line:write(...)
    local text = table.concat {...}
    local bar = text:match "^\r(.*)\27%[K$"
    if bar then self.bar = bar else self.kept = self.kept .. text end
    return self
  end
  function line:flush() kernel:show {kind = "progress", text = utf8_text(self.kept .. self.bar):gsub("\n$", "")} end
  function line:start() self.kept, self.bar = "", "" end
  return line
end

-- A result that is a picture: its MIME type and bytes; nil for another.
local function picture_of(v)
  if type(v) == "string" then
    if v:sub(1, 8) == "\137PNG\r\n\26\n" then return "image/png", v end
    if v:find "^<%?xml" and v:find("<svg", 1, true) then return "image/svg+xml", v end
  elseif core.is_tensor(v) and v.dtype == "uint8" and #v.shape == 3 and (v:size(1) == 1 or v:size(1) == 3)
         and v:size(2) >= LEAST and v:size(3) >= LEAST then
    return "image/png", pictures.enlarged_png(v:cpu())
  end
end

local function results(kernel, list, last)
  if list.n == 1 and rawequal(list[1], io.stdout) then return end      -- that of io.write
  local texts, mime, bytes = {}, nil, nil
  if list.n == 1 then mime, bytes = picture_of(list[1]) end
  for i = 1, list.n do
    texts[i] = bytes and type(list[i]) == "string" and ("a picture (%s)"):format(mime)
      or utf8_text(printing.text(list[i], {width = WIDTH}))
  end
  kernel:show({kind = "result", last = last, mime = mime, text = table.concat(texts, "\t")}, bytes)
end

local function run(session, request, progress)
  local failed
  session.face.failure = function(message, lines, kind)
    failed = {kind = kind, message = utf8_text(message), lines = {}}
    for i, line in ipairs(lines) do failed.lines[i] = utf8_text(line) end
    setmetatable(failed.lines, {__jsontype = "array"})
  end
  session.count = request.count - 1
  progress:start()
  local ok, whole = pcall(repl.input, session, request.code, false)
  if not ok then
    session.face.failure(errors.is_interruption(whole) and "interrupted" or errors.text(whole), {},
      errors.is_interruption(whole) and "interrupted" or "error")
  elseif whole == nil then
    local problem = syntax.problem(request.code)
    if problem.message:find "near <eof>$" then repl.report_problem(session, problem, request.code)
    else session.face.failure("the cell ends in the middle of an expression", {}, "syntax error") end
  end
  return {failed = failed}
end

local function utf8_length(text, from, to) return to < from and 0 or utf8.len(text, from, to, true) end

-- The byte before the cursor, which is given in characters.
local function byte_of(request) return (utf8.offset(request.code, request.cursor + 1) or #request.code + 1) - 1 end

local answer = {}

function answer.complete(session, request)
  local at = byte_of(request)
  local from, list = complete.at(request.code, at, repl.known_names(session))
  for i, candidate in ipairs(list) do list[i] = utf8_text(candidate) end
  return {matches = setmetatable(list, {__jsontype = "array"}), from = utf8_length(request.code, 1, from - 1)}
end

function answer.inspect(session, request)
  local text = help.at(request.code, byte_of(request), repl.known_names(session), WIDTH)
  return {text = text and utf8_text(text)}
end

function answer.is_complete(_, request)
  if request.code:find "^%s*[?!]" then return {status = "complete"} end
  local list, problem = evaluate.read(request.code)
  return {status = list and "complete" or problem == "incomplete" and "incomplete" or "invalid"}
end

local function reply_to(request, session, progress)
  if request.want == "execute" then return run(session, request, progress) end
  local reply = {}
  interrupt.protected(function() reply = answer[request.want](session, request) end, function() end)
  return reply
end

--- Serves a kernel until it is gone.
-- @param from string the file descriptor of the requests
-- @param to string that of the answers
-- @param life string that of a pipe which ends with the kernel
return function(from, to, life)
  interrupt.disarm()
  core.arm_interrupt()
  follow_kernel(math.tointeger(life))
  local kernel = channel.open(math.tointeger(from), math.tointeger(to))
  local progress = progress_line(kernel)
  terminal.notebook = {progress = progress, picture = function(png) kernel:show({kind = "picture"}, png) end}
  keep_order(kernel)
  local session = repl.session(_G, {results = function(list, last) results(kernel, list, last) end})
  kernel:send {kind = "ready"}
  while true do
    local request = kernel:receive()
    if not request then break end
    core.interrupt_clear()                        -- one that came after the last request had been answered
    kernel:send {kind = "begun"}
    local reply = reply_to(request, session, progress)
    core.interrupt_clear()
    reply.kind = "done"
    kernel:send(reply)
  end
  repl.close(session)
  uv.kill(-uv.os_getpid(), "sigterm")             -- what cells have started and left; here it only sets a flag
end
