-- Figure 6: AUROC over the epochs, UNet and UNet++, each superclass of CIFAR-100 normal once.
-- 40 runs: 47 hours on 2 cores of an AMD EPYC (Zen 5, bf16), 39 minutes on an H100 (an estimate).

local classes = dofile((...):match "^(.*/)" .. "classes.lua")

return {
  options = {gamma = 0, epochs = 100, evaluate_every = 1},
  grid = {net = {"unet", "unet++"}},
  zip = classes.axes {"cifar100"},
  plot = {kind = "epochs", by = {"net"}, panel = {"normal"}},
}
