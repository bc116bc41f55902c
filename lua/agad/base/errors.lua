-- What is caught and passed on. An error is text for people, and code reads none: what it must know it asks beforehand,
-- or is told by a value. There is one such value, Ctrl-C's; it is never text, so that it ends all that runs.
-- The core is loaded when it is first needed: `agad --help` does without libtorch.

local errors = {}

--- Calls f as pcall does; what the core raises in it comes without the line of the user's that led there, so that more
-- can be said before it.
-- @param f function
-- @return boolean, then what f returns, or the error
function errors.try(f, ...) return require("agad.core").try(f, ...) end

--- Whether an error is Ctrl-C's.
function errors.is_interruption(err)
  local core = package.loaded["agad.core"]
  return core ~= nil and err == core.interruption
end

--- The text of an error that was caught, for a note or for an error that says more.
-- @param err any what pcall gave
-- @return string
-- @raise err itself, when it is Ctrl-C's
function errors.text(err)
  if errors.is_interruption(err) then error(err, 0) end
  return tostring(err)
end

--- Why something could not be done with a file, without its path, which io.open and lfs say first.
-- @param path string
-- @param reason string what they gave
-- @return string
function errors.reason(path, reason)
  for _, after in ipairs {": ", "': "} do
    local _, last = reason:find(path .. after, 1, true)
    if last then return reason:sub(last + 1) end
  end
  return reason
end

return errors
