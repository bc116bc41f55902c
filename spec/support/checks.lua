-- What several specs check: refusals in one line, what a text holds, resident memory.

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

--- Resident memory of this process in MB.
function checks.resident()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s+(%d+)"
    if kb then return tonumber(kb) / 1024 end
  end
end

return checks
