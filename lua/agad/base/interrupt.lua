-- Ctrl-C for the program's own Lua: the C side's handler sets one flag, loops in C look at it, and this hook turns it
-- into an error inside Lua code that would otherwise run on. Whoever handles the flag itself (a training ends after its
-- step) holds the hook meanwhile. Both raise one value (`agad.base.errors`).

local interrupt = {}

local held = 0                                    -- how many handle the flag themselves

--- Ends what runs, where Ctrl-C was pressed.
-- @raise the core's interruption
function interrupt.check()
  local core = require "agad.core"
  if core.interrupted() then
    core.interrupt_clear()
    error(core.interruption, 0)
  end
end

--- Lets Ctrl-C set the flag instead of ending the process, and stops Lua code by it.
-- Called again it does no harm. Code in other coroutines is not stopped before it yields.
function interrupt.arm()
  require("agad.core").arm_interrupt()
  debug.sethook(function() if held == 0 then interrupt.check() end end, "", 100000)
end

--- Lets Lua code run on after Ctrl-C; the flag is still set by it.
function interrupt.disarm() debug.sethook() end

local function release(hold)
  if hold.open then held = held - 1 end
  hold.open = false
end

local hold = {__close = release, __gc = release}   -- collected: a coroutine that held it was never ended

--- Ctrl-C raises nothing in Lua code before what this returns is closed: whoever calls it looks at the flag.
-- @return value for a local variable that is <close>
function interrupt.hold()
  held = held + 1
  return setmetatable({open = true}, hold)
end

return interrupt
