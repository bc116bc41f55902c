-- Which files are pictures, by their names: the core's list of formats.

local core = require "agad.core"

local formats = {patterns = {}}

local endings = {}
for _, format in ipairs(core.data.formats()) do
  for _, ending in ipairs(format.endings) do
    endings[ending] = format
    table.insert(formats.patterns, "*." .. ending)
  end
end

--- "*.png, *.jpg, *.jpeg", for messages.
formats.patterns = table.concat(formats.patterns, ", ")

--- Whether a file of this name is treated as a picture.
function formats.is_picture(name) return endings[name:lower():match "%.([^.]*)$"] ~= nil end

--- Whether a picture of this name is of a format that blurs edges, so that it never has just two colours.
function formats.is_lossy(name) return endings[name:lower():match "%.([^.]*)$"].lossy end

return formats
