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

local armed = false

local function on_count() if armed and held == 0 then interrupt.check() end end

local EVERY = 100000                              -- instructions

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
function interrupt.arm()
  require("agad.core").arm_interrupt()
  watch_coroutines()
  armed = true
  debug.sethook(on_count, "", EVERY)
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
