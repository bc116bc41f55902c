-- Pictures that agad draws for people: error maps (NAME.map.png), mean pictures (mean-CLASS.png) and grids of pictures
-- that a model is wrong about (grid.png). Each is marked in the file, so that it replaces only an earlier one of its
-- kind, and so that data sets leave it out.

local core = require "agad.core"
local lfs = require "lfs"

local drawn = {MAP = "error map", MEAN = "mean picture", GRID = "grid of errors"}

local MARK, BEFORE_PIXELS = "tEXtSoftware\0agad: ", 256

-- What a file would be called, by kind.
local patterns = {[drawn.MAP] = "%.map%.png$", [drawn.MEAN] = "^mean%-.*%.png$", [drawn.GRID] = "^grid%.png$"}

-- Whether a file carries the mark of this kind.
local function is_marked(path, what)
  if lfs.attributes(path, "mode") ~= "file" then return false end
  local file = io.open(path, "rb")
  local head = file and file:read(BEFORE_PIXELS) or ""
  if file then file:close() end
  return head:find(MARK .. what, 1, true) ~= nil
end

--- The kind of a picture that agad drew. Only a file with a fitting name is opened.
-- @param path string
-- @return string one of the kinds above; nil for any other file
function drawn.kind(path)
  local name = path:match "[^/]*$"
  for what, pattern in pairs(patterns) do
    if name:find(pattern) and is_marked(path, what) then return what end
  end
end

--- Divides names into those of pictures that agad drew and all others.
-- @param names list of strings
-- @param folder string what goes before each name ("parts/")
-- @return list the others, in their order
-- @return list those that agad drew
function drawn.apart(names, folder)
  local others, ours = {}, {}
  for _, name in ipairs(names) do
    local list = drawn.kind(folder .. name) and ours or others
    list[#list + 1] = name
  end
  return others, ours
end

--- A note about pictures that were left out because agad drew them.
-- @param ours list of names, not empty
-- @return string
function drawn.note(ours)
  return ("%d picture%s that agad drew %s left out: %s%s"):format(#ours, #ours == 1 and "" or "s",
    #ours == 1 and "is" or "are", table.concat(ours, ", ", 1, math.min(3, #ours)), #ours > 3 and ", …" or "")
end

--- Tells a file from all others, whatever its name.
-- @param attributes table of `lfs.attributes`
-- @return string
function drawn.identity(attributes) return ("%d:%d"):format(attributes.dev, attributes.ino) end

--- Writes a picture and its mark. Of existing files it replaces only those that agad drew, of the same kind.
-- @param path string
-- @param picture tensor as for `agad.data.write_png`
-- @param what string one of the kinds above
-- @param spared table identities (as keys) of files that must stay as they are, or nil
-- @raise another file has this name; it cannot be written
function drawn.write(path, picture, what, spared)
  local there = lfs.attributes(path)
  if there and (spared and spared[drawn.identity(there)] or not is_marked(path, what)) then
    error(("%s: there is another file of this name; it was left as it is"):format(path), 0)
  end
  core.data.write_png(path, picture, what)
end

return drawn
