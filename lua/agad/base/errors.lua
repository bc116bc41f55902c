-- Errors that are caught and passed on. Their text is for people, and no code depends on it. Only Ctrl-C must be told
-- from other errors: it raises a special value that is not a text, which all handlers of errors pass on. The core is
-- loaded at first use, so that `agad --help` works without libtorch.

local errors = {}

--- Calls f like pcall; errors of the core come without the position in the user's code, so that a caller can put words
-- of its own before them.
-- @param f function
-- @return boolean, then what f returns, or the error
function errors.try(f, ...) return require("agad.core").try(f, ...) end

--- Whether an error is Ctrl-C's.
function errors.is_interruption(err)
  local core = package.loaded["agad.core"]
  return core ~= nil and rawequal(err, core.interruption)
end

--- The text of a caught error, for a note or for a longer message.
-- @param err any the error that pcall returned
-- @return string
-- @raise err itself if it is that of Ctrl-C
function errors.text(err)
  if errors.is_interruption(err) then error(err, 0) end
  return require("agad.base.text").of(err)
end

--- The reason why an operation on a file failed, without the path that io.open and lfs put first.
-- @param path string
-- @param reason string their message
-- @return string
function errors.reason(path, reason)
  for _, after in ipairs {": ", "': "} do
    local _, last = reason:find(path .. after, 1, true)
    if last then return reason:sub(last + 1) end
  end
  return reason
end

return errors
