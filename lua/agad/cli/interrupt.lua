-- Ctrl-C for the program's own Lua: the C side's handler sets one flag, loops in C look at it, and this
-- hook turns it into an error inside Lua code that would otherwise run on. A training run handles the
-- flag itself (it ends after the step), so nothing is raised while one is on the stack.

local interrupt = {}

--- The error that Ctrl-C raises in Lua code; compare with `==`.
interrupt.error = setmetatable({}, {__tostring = function() return "interrupted" end, __name = "interrupted"})

local function training()
  for level = 3, math.huge do
    local info = debug.getinfo(level, "S")
    if not info then return false end
    if info.source:find("agad/trainer%.lua$") then return true end
  end
end

--- Lets Ctrl-C set the flag instead of ending the process, and stops Lua code by it.
-- Called again it does no harm. Code in other coroutines is not stopped before it yields.
function interrupt.arm()
  local core = require "agad.core"
  core.arm_interrupt()
  debug.sethook(function()
    if core.interrupted() and not training() then
      core.interrupt_clear()
      error(interrupt.error, 0)
    end
  end, "", 100000)
end

--- Whether an error is Ctrl-C's: raised by the hook, or by an operation of the core that was cut short.
function interrupt.is(err)
  return err == interrupt.error or type(err) == "string" and err:find("^interrupted!?$") ~= nil or
    type(err) == "string" and err:find(": interrupted!?$") ~= nil
end

return interrupt
