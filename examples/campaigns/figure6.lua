-- Figure 6: AUROC over the epochs, UNet and UNet++, each superclass of CIFAR-100 normal once.
-- 40 runs. On 2 cores 9 days, most of it for evaluations (100 epochs, each evaluated); an H100: an hour, an estimate.

return {
  data = "cifar100", options = {gamma = 0, epochs = 100, evaluate_every = 1},
  grid = {net = {"unet", "unet++"},
    normal = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
  plot = {kind = "epochs", by = {"net"}, panel = {"normal"}},
}
