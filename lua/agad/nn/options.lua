-- Options that several nets share; methods pass them on to their nets.

local option = require("agad.base.options").option

return {
  net = option {default = "naive", flag = "NET", suggest = function() return require("agad.nn").names() end,
    help = "the generator: naive, unet, unet++, or a file such as my_net.lua"},
  norm = option {choices = {"bn", "none"}, help = "batch norm in the nets, or none"},
  width = option {default = 0, min = 0, max = 1024,
    help = "filters in the generator's first layer; 0 = the net's default"},
  depth = option {default = 0, min = 0, max = 8, help = "levels of a UNet; 0 = the net's default"},
  latent = option {choices = {"features", "embedding"},
    help = "the latent z: D's last feature map, or a vector of 100 numbers"},
}
