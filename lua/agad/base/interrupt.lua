-- Ctrl-C in Lua code of the program: the signal handler in C sets a flag, loops in C poll it, and the hook here turns
-- it into an error in Lua code that would otherwise run on. SIGTERM and SIGHUP do the same, and then the program ends.
-- Code that handles the flag itself, such as a training that stops after its step, suspends the hook
-- (`interrupt.hold`). C and Lua raise the same value (`agad.base.errors`).

local interrupt = {}

local held = 0                                    -- how many handle the flag themselves

--- Raises the interruption if Ctrl-C was pressed.
-- @raise the special value of Ctrl-C (`agad.base.errors`)
function interrupt.check()
  local core = require "agad.core"
  if core.interrupted() then
    core.interrupt_clear()
    error(core.interruption, 0)
  end
end

--- The exit status of an interrupted program: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
function interrupt.status() return 128 + (require("agad.core").end_requested() or 2) end

local EVERY = 10000                               -- instructions
local armed, insists, caught, stuck = false, false, 0, false

-- The second Ctrl-C of a command means that code caught the first one, as pcall in a loop does: from then on every
-- instruction raises it, until `interrupt.calm`.
local function on_count()
  local core = require "agad.core"
  if not armed or held > 0 then return end
  if not stuck then
    if not core.interrupted() then return end
    core.interrupt_clear()
    caught = caught + 1
    stuck = insists and caught > 1
    if stuck then for _, thread in ipairs {coroutine.running(), armed} do debug.sethook(thread, on_count, "", 1) end end
  end
  error(core.interruption, 0)
end

-- A hook belongs to one coroutine: new ones get it when they start.
local function watch_coroutines()
  for _, name in ipairs {"create", "wrap"} do
    local make = coroutine[name]
    coroutine[name] = function(f)                                            -- luacheck: ignore 122
      if type(f) ~= "function" then return make(f) end
      return make(function(...)
        debug.sethook(on_count, "", EVERY)
        return f(...)
      end)
    end
  end
  watch_coroutines = function() end
end

--- Makes Ctrl-C, SIGTERM and SIGHUP set the flag instead of ending the process, and stop Lua code, also in coroutines
-- that are made from now on. The third SIGTERM or SIGHUP ends the process at once.
-- It may be called repeatedly.
-- @param insist boolean true: a second Ctrl-C gets through code that catches the first one; whoever catches it at last
--   calls `interrupt.calm` in xpcall's handler
function interrupt.arm(insist)
  require("agad.core").arm_interrupt()
  watch_coroutines()
  armed, insists = coroutine.running(), insist == true
  interrupt.calm()
end

--- Ends the insisting of a second Ctrl-C.
function interrupt.calm()
  caught, stuck = 0, false
  if armed then debug.sethook(armed, on_count, "", EVERY) end
end

--- Lets Lua code continue after Ctrl-C, which still sets the flag.
function interrupt.disarm()
  armed = false
  debug.sethook()
end

local function release(hold)
  if hold.open then held = held - 1 end
  hold.open = false
end

local hold = {__close = release, __gc = release}   -- collected: a coroutine that held it was never ended

--- Ctrl-C raises no error in Lua code until the returned value is closed; the caller polls the flag instead.
-- @return value for a local variable that is <close>
function interrupt.hold()
  held = held + 1
  return setmetatable({open = true}, hold)
end

return interrupt
