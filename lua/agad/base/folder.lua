-- Folders on disk.

local lfs = require "lfs"

local folder = {}

--- Creates a folder, and those above it.
-- @raise it cannot be created (with the reason)
function folder.make(path)
  local made = path:sub(1, 1) == "/" and "/" or ""
  for part in path:gmatch("[^/]+") do
    made = made .. part
    if lfs.attributes(made, "mode") ~= "directory" then
      local ok, reason = lfs.mkdir(made)
      if not ok and lfs.attributes(made, "mode") ~= "directory" then
        local kind = lfs.symlinkattributes(made, "mode")
        if kind then reason = ("there is a %s of this name"):format(kind == "link" and "broken link" or "file") end
        error(("cannot create the folder %s: %s"):format(made, reason), 0)
      end
    end
    made = made .. "/"
  end
end

return folder
