-- A folder of a spec's own. The spec calls scratch.remove() in its teardown.

local lfs = require "lfs"

local scratch = {folder = os.tmpname()}

os.remove(scratch.folder)
assert(lfs.mkdir(scratch.folder))

--- Where a name lies in the folder.
function scratch.path(name) return scratch.folder .. "/" .. name end

--- All of a file, or nil where there is none.
function scratch.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local bytes = file:read "a"
  file:close()
  return bytes
end

--- Writes a file anew; returns its path.
function scratch.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

function scratch.remove() os.execute(("rm -rf '%s'"):format(scratch.folder)) end

return scratch
