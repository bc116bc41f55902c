-- Ctrl-C in Lua code of the program: the signal handler in C sets a flag, which loops in C poll, and a hook, which
-- raises an error in Lua code that would otherwise run on (csrc/lua/interrupt.c). SIGTERM and SIGHUP do the same, and
-- then the program ends. Code that handles the flag itself, such as a training that stops after its step, suspends the
-- hook (`interrupt.hold`). C and Lua raise the same value (`agad.base.errors`).

local interrupt = {}

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

--- Makes Ctrl-C, SIGTERM and SIGHUP set the flag instead of ending the process, and stop Lua code, also in coroutines
-- (those that `coroutine.resume` and what `coroutine.wrap` returns have run since the first call). The third SIGTERM or
-- SIGHUP ends the process at once.
-- It may be called repeatedly.
-- @param insist boolean true: a second Ctrl-C gets through code that catches the first one, until `interrupt.disarm`
function interrupt.arm(insist) require("agad.core").interrupt_arm(insist) end

--- Lets Lua code continue after Ctrl-C, which still sets the flag.
function interrupt.disarm()
  local core = package.loaded["agad.core"]
  if core then core.interrupt_disarm() end
end

--- Calls a function as xpcall does; Ctrl-C ends it, and a second one also what catches the first.
-- @param f function without results
-- @param handler function(err), which Ctrl-C does not interrupt
-- @return boolean
-- @return what the handler returns, if false
function interrupt.protected(f, handler)
  return xpcall(function()
    interrupt.arm(true)
    f()
    interrupt.disarm()
  end, function(err)
    interrupt.disarm()
    return handler(err)
  end)
end

local function release(hold)
  if hold.open then require("agad.core").interrupt_release() end
  hold.open = false
end

local hold = {__close = release, __gc = release}   -- collected: a coroutine that held it was never ended

--- Ctrl-C raises no error in Lua code until the returned value is closed; the caller polls the flag instead.
-- @return value for a local variable that is <close>
function interrupt.hold()
  require("agad.core").interrupt_hold()
  return setmetatable({open = true}, hold)
end

return interrupt
