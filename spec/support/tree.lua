-- Folders of little pictures for the specs of data sets; what a spec made is removed by `tree.remove`.

local core = require "agad.core"
local lfs = require "lfs"

local tree = {}

local made = {}

--- A new empty folder.
function tree.folder()
  local dir = os.tmpname()
  os.remove(dir)
  assert(lfs.mkdir(dir))
  made[#made + 1] = dir
  return dir
end

--- Writes a file; the folders above it are made.
function tree.write(path, bytes)
  local dir = path:match "^(.*)/"
  require("agad.base.folder").make(dir)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

--- A picture whose pixels all have one value (its channels' values in turn).
function tree.picture(path, value, height, width)
  local list, h, w = {}, height or 8, width or height or 8
  local values = type(value) == "table" and value or {value}
  for _, v in ipairs(values) do for _ = 1, h * w do list[#list + 1] = v end end
  require("agad.base.folder").make(path:match "^(.*)/")
  core.data.write_png(path, core.from_table(list, "uint8"):reshape({#values, h, w}))
end

--- A folder of pictures by their relative paths: {["good/a.png"] = 10, ["empty/"] = true}.
function tree.of(files)
  local dir = tree.folder()
  for name, value in pairs(files) do
    local path = dir .. "/" .. name
    if value == true then require("agad.base.folder").make(path)
    elseif type(value) == "string" then tree.write(path, value)
    else tree.picture(path, value) end
  end
  return dir
end

--- The names in a folder, sorted.
function tree.names(dir)
  local names = {}
  for name in lfs.dir(dir) do if name ~= "." and name ~= ".." then names[#names + 1] = name end end
  table.sort(names)
  return names
end

--- Removes all folders.
function tree.remove()
  for _, dir in ipairs(made) do os.execute(("chmod -R u+rwx '%s' && rm -rf '%s'"):format(dir, dir)) end
  made = {}
end

return tree
