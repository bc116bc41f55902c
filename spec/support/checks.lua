-- What several specs check: refusals in one line, what a text holds, resident memory, growth of time.

local assert = require "luassert"       -- a spec has it as its global, a file that it loads has not

local checks = {}

--- Calls f, which must raise one line without a C++ trace; returns it.
function checks.refused(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "nothing was raised")
  assert.equal("string", type(message))
  assert.is_nil(message:find "\n", message)
  assert.is_nil(message:find "Exception raised from", message)
  return message
end

--- Every part stands in the text, letter by letter.
function checks.has(text, ...)
  for _, part in ipairs {...} do
    assert.is_truthy(text:find(part, 1, true), ("%q is not in: %s"):format(part, text))
  end
end

--- Waits for an event: until f() is true, which it returns; after two minutes an error says what was awaited.
-- @param more function or nil: its text follows in the error
function checks.await(what, f, more)
  for _ = 1, 1200 do
    local value = f()
    if value then return value end
    require("luv").sleep(100)
  end
  error(("%s: waited for in vain%s"):format(what, more and more() or ""), 2)
end

--- Resident memory of this process in MB.
function checks.resident()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s+(%d+)"
    if kb then return tonumber(kb) / 1024 end
  end
end

--- The factor by which f(n) takes more processor time when n grows from `few` to `many`: about many / few where time
--- is linear, its square where it is quadratic. Each time is the least of three, and their
--- ratio does not depend on the speed of the machine.
function checks.growth(few, many, f)
  local function time(n)
    local least = math.huge
    for _ = 1, 3 do
      collectgarbage()
      local began = os.clock()
      f(n)
      least = math.min(least, os.clock() - began)
    end
    return math.max(least, 1e-6)
  end
  return time(many) / time(few)
end

return checks
