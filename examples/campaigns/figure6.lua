-- Figure 6: AUROC over the epochs, UNet and UNet++, each superclass of CIFAR-100 normal once.
-- 40 runs. On 2 cores 9 days, most of it for evaluations (100 epochs, each evaluated); an H100: an hour, an estimate.

local classes = dofile((...):match "^(.*/)" .. "classes.lua")

return {
  options = {gamma = 0, epochs = 100, evaluate_every = 1},
  grid = {net = {"unet", "unet++"}},
  zip = classes.axes {"cifar100"},
  plot = {kind = "epochs", by = {"net"}, panel = {"normal"}},
}
