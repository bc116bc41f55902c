-- Options of data sets: how pictures are read and brought to a size. A set takes some of these, with defaults of its
-- own; a task's configuration holds those that decide what is trained on.

local configuration = require "agad.base.configuration"
local options = require "agad.base.options"

local option = options.option

local known = {
  data = option {kind = "string", help = "data set: a known name or a folder"},
  size = option {kind = "integer", min = 1, max = 4096, unit = "pixels", flag = "N",
    help = "pictures are resized to this side"},
  channels = option {kind = "integer", choices = {1, 3}, flag = "N", help = "1 (grey) or 3 (colour)"},
  fit = option {choices = {"resize", "crop", "pad"}, help = "how pictures reach that size"},
  filter = option {choices = {"bilinear", "area"}, help = "how they are resized"},
  fast_decode = option {default = false, help = "JPEG at a fraction of its size where that is enough: other pixels"},
  strict = option {default = false, help = "a file that cannot be read is an error"},
  outside = option {default = false, help = "a manifest may name pictures outside its folder"},
  cache = option {kind = "switch_or_path", default = true, results = false,
    help = "decoded pictures are kept: true (in the user's cache), false, or a path"},
  root = option {kind = "string", help = "where the data sets are; else $AGAD_DATA or the cache"},
  max_pixels = option {kind = "integer", min = 1, help = "largest picture that is read"},
  max_bytes = option {kind = "integer", min = 1, unit = "bytes", help = "largest file that is read"},
  on_progress = option {kind = "function", help = "function(done, total) while pictures are read"},
}

local function some(names)
  local list = {}
  for name in names:gmatch "%S+" do list[name] = known[name] end
  return list
end

local of_tasks = some "data channels fit filter fast_decode strict outside cache"
of_tasks.size = options.like(known.size, {min = 8})        -- nets need that many
configuration.define("task", of_tasks)

--- The definitions of some of them.
-- @param names string "size channels": which
-- @param defaults table name -> another default, or a table of what else differs (`agad.base.options.like`)
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
