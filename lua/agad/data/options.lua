-- Options of data sets: how pictures are read and resized. Each set takes some of these, with its own defaults; the
-- configuration of a task holds those that affect what is trained on.

local configuration = require "agad.base.configuration"
local options = require "agad.base.options"
local sides = require "agad.data.sides"

local option = options.option

local known = {
  data = option {kind = "string", help = "the data set: a name, a folder or a .csv file"},
  size = option {kind = "integer", min = 1, max = 4096, unit = "pixels", flag = "N",
    help = "side length that pictures are resized to"},
  sides = option {kind = sides.kind, min = 1, max = 4096, unit = "pixels", flag = "N",
    help = "side length that pictures are resized to, or HEIGHTxWIDTH"},
  channels = option {kind = "integer", choices = {1, 3}, flag = "N", help = "1 for grey, 3 for colour"},
  fit = option {choices = {"resize", "crop", "pad"}, help = "how pictures are brought to that size"},
  filter = option {choices = {"bilinear", "area", "adaptive"}, help = "resampling filter"},
  fast_decode = option {default = false, help = "decode large JPEGs at reduced size; changes pixels slightly"},
  strict = option {default = false, help = "stop at a file that cannot be read, rather than skip it"},
  outside = option {default = false, help = "allow a CSV file to name pictures outside its folder"},
  cache = option {kind = "switch_or_path", default = true, results = false,
    help = "keep decoded pictures: true (in ~/.cache/agad), false, or a file"},
  root = option {kind = "string", help = "folder of the data sets; default: $AGAD_DATA, or else the cache"},
  max_pixels = option {kind = "integer", min = 1, help = "larger pictures are refused"},
  max_bytes = option {kind = "integer", min = 1, unit = "bytes", help = "larger files are refused"},
  on_progress = option {kind = "function", help = "function(done, total), called while pictures are read"},
  choose = option {kind = "function",
    help = "function(paths) that returns size, channels and filter where they depend on the pictures"},
}

local function some(names)
  local list = {}
  for name in names:gmatch "%S+" do list[name] = known[name] end
  return list
end

local of_tasks = some "data channels fit filter fast_decode strict outside cache"
of_tasks.size = options.like(known.sides, {min = 8})       -- nets need at least that
configuration.define("task", of_tasks)

--- The definitions of some of these options.
-- @param names string the names, as "size channels"
-- @param defaults table name -> another default, or a table of changed attributes (`agad.base.options.like`)
-- @return table name -> option
return {
  some = function(names, defaults)
    local list = some(names)
    for name, change in pairs(defaults or {}) do
      list[name] = options.like(list[name], type(change) == "table" and change or {default = change})
    end
    return list
  end,
}
