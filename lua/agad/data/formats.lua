-- Which files are pictures, by their names: the core's list of formats.

local core = require "agad.core"
local keys = require("agad.base.values").keys

local formats = {patterns = {}}

local endings, names = {}, {}
for i, format in ipairs(core.data.formats()) do
  names[i] = format.name
  for _, ending in ipairs(format.endings) do
    endings[ending] = format
    table.insert(formats.patterns, "*." .. ending)
  end
end

--- "*.png, *.jpg, *.jpeg", for messages.
formats.patterns = table.concat(formats.patterns, ", ")

--- "PNG, JPEG and BMP".
formats.names = table.concat(names, ", ", 1, #names - 1) .. " and " .. names[#names]

--- Whether a file of this name is treated as a picture.
function formats.is_picture(name) return endings[name:lower():match "%.([^.]*)$"] ~= nil end

--- Whether a picture of this name is of a format that blurs edges, so that it never has just two colours.
function formats.is_lossy(name) return endings[name:lower():match "%.([^.]*)$"].lossy end

-- "4 .tif, 12 .webp"
local function count(paths)
  local n = {}
  for _, path in ipairs(paths) do
    local ending = path:lower():match "%.[^.]*$"
    n[ending] = (n[ending] or 0) + 1
  end
  local parts = {}
  for i, ending in ipairs(keys(n)) do parts[i] = n[ending] .. " " .. ending end
  return table.concat(parts, ", ")
end

--- The note about pictures of other formats that a folder contains.
-- @param what string "picture" or "mask"
-- @param paths list at least one, as `core.data.list` gives it
function formats.left_out(what, paths)
  local one = #paths == 1
  return ("%d %s%s of formats other than %s %s left out: %s; convert %s to PNG"):format(#paths, what, one and "" or "s",
    formats.names, one and "was" or "were", count(paths), one and "it" or "them")
end

--- The error for a folder without pictures.
-- @param dir string
-- @param others list paths of pictures of other formats, as `core.data.list` gives it
function formats.none(dir, others)
  return ("%s: there are no pictures (%s) in this folder%s"):format(dir, formats.patterns,
    #others == 0 and "" or (", only %s; convert %s to PNG"):format(count(others), #others == 1 and "it" or "them"))
end

return formats
