-- The options of data sets that a task's configuration holds too: how pictures are read and brought to a size.

local configuration = require "agad.base.configuration"
local option = require("agad.base.options").option

return configuration.define("task", {
  data = option {kind = "string", help = "data set: a known name or a folder"},
  size = option {kind = "integer", min = 8, max = 4096, unit = "pixels", flag = "N", help = "pictures are resized to this side"},
  channels = option {kind = "integer", choices = {1, 3}, flag = "N", help = "1 (grey) or 3 (colour)"},
  fit = option {choices = {"resize", "crop", "pad"}, help = "how pictures reach that size"},
  filter = option {choices = {"bilinear", "area"}, help = "how they are resized"},
  fast_decode = option {default = false, help = "JPEG at a fraction of its size where that is enough: other pixels"},
  strict = option {default = false, help = "a file that cannot be read is an error"},
  outside = option {default = false, help = "a manifest may name pictures outside its folder"},
  cache = option {kind = "switch_or_path", default = true, results = false,
    help = "decoded pictures are kept: true (in the user's cache), false, or a path"},
})
