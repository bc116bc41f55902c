-- Options that several nets have, for them and for the methods that pass them on.

local option = require("agad.base.options").option

return {
  net = option {default = "naive", flag = "NET", help = "generator: naive, unet, unet++, or a file such as my_net.lua"},
  norm = option {choices = {"bn", "none"}, help = "batch norms, or none"},
  width = option {default = 0, min = 0, max = 1024, help = "filters of the generator's first layer; 0 = the net's own"},
  depth = option {default = 0, min = 0, max = 8, help = "levels of a UNet; 0 = the net's own"},
  latent = option {choices = {"features", "embedding"}, help = "z: D's last feature map, or a vector of 100"},
}
