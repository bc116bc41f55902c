-- The PyTorch script beside this file (peer.py) and other programs in Python that answer a line with a line, as child
-- processes. They wait idle between two lines, so that one program at a time has the cores.

local core = require "agad.core"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"
local luv = require "luv"

local peer = {}
peer.__index = peer

-- Waits for `done()` in luv's loop; Ctrl-C and SIGTERM end the waiting.
local function wait(done)
  local wake = luv.new_timer()
  wake:start(100, 100, function() end)                     -- a signal alone does not end luv.run
  local ok, reason = pcall(function()
    while not done() do
      luv.run "once"
      interrupt.check()
    end
  end)
  wake:close()
  luv.run "nowait"                                         -- the rest of what an ended program wrote
  if not ok then error(reason, 0) end
end

-- The line of a Python error that says what is wrong: the last one.
local function last_line(text)
  local last
  for line in text:gmatch "[^\n]+" do if line:find "%S" then last = line end end
  return last
end

local function spawn(python, args)
  local self = {python = python, out = "", err = "", stdin = luv.new_pipe(false), reads = {}}
  for _, name in ipairs {"out", "err"} do self.reads[name] = luv.new_pipe(false) end
  local handle, reason = luv.spawn(python, {args = args, stdio = {self.stdin, self.reads.out, self.reads.err}},
    function(status) self.status = status end)
  if not handle then
    for _, pipe in ipairs {self.stdin, self.reads.out, self.reads.err} do pipe:close() end
    luv.run "nowait"                                       -- closing takes a turn of the loop
    error(("%s cannot be started: %s"):format(python, reason), 0)
  end
  self.handle = handle
  self.broken = luv.new_signal()                           -- a write to a program that has ended fails, and no more
  self.broken:start("sigpipe", function() end)
  for name, pipe in pairs(self.reads) do
    pipe:read_start(function(_, chunk) self[name] = self[name] .. (chunk or "") end)
  end
  return setmetatable(self, peer)
end

--- Checks that a Python can import modules.
-- @param python string a program
-- @param imports string "torch, PIL"
-- @return boolean
-- @return string why not
function peer.can_import(python, imports)
  local ok, child = errors.try(spawn, python, {"-c", "import " .. imports})
  if not ok then return false, errors.text(child) end
  local closing <close> = child                            -- luacheck: ignore 211
  wait(function() return child.status end)
  if child.status == 0 then return true end
  return false, ("%s cannot import %s: %s"):format(python, imports,
    last_line(child.err) or ("it ended with status %d"):format(child.status))
end

--- Starts a script.
-- @param python string a program
-- @param args list the script and its arguments
-- @return peer a value for a local variable that is <close>
-- @raise it cannot be started
function peer.start(python, args) return spawn(python, args) end

--- Where peer.py lies.
function peer.script()
  return (package.searchpath("agad.bench.peer", package.path):gsub("%.lua$", ".py"))
end

--- Asks for one line.
-- @param line string
-- @return string the answer
-- @raise the program has ended, with the last line of its messages
function peer:ask(line)
  if not self.status then self.stdin:write(line .. "\n") end
  wait(function() return self.out:find("\n", 1, true) or self.status end)
  local answer, rest = self.out:match "^(.-)\n(.*)$"
  if not answer then error(("%s ended: %s"):format(self.python, last_line(self.err) or "without a message"), 0) end
  self.out = rest
  return answer
end

--- Asks for one line of JSON.
-- @param line string
-- @return table
-- @raise the program has ended; the answer is {"error": …}
function peer:json(line)
  local answer = core.json_decode(self:ask(line))
  if answer.error then error(answer.error, 0) end
  return answer
end

--- Ends the program.
function peer:close()
  if self.closed then return end
  self.closed = true
  if not self.status then self.handle:kill "sigterm" end
  while not self.status do luv.run "once" end
  for _, one in ipairs {self.broken, self.stdin, self.reads.out, self.reads.err, self.handle} do one:close() end
  luv.run "nowait"
end

peer.__close = peer.close

return peer
