-- Table 9: the three generators without known anomalies, each class normal once.
-- 450 runs. On 2 cores 18 days (200, 60 and 21 pictures a second by the three nets); an H100: 2 hours, an estimate.

local names = {mnist = "MNIST", ["fashion-mnist"] = "Fashion-MNIST", cifar10 = "CIFAR10",
    cifar100 = "CIFAR100"}

return {
  options = {gamma = 0},
  grid = {data = {"mnist", "fashion-mnist", "cifar10", "cifar100"}, net = {"naive", "unet", "unet++"}, seed = {1, 2, 3},
    normal = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
  where = function(o) return o.normal < 10 or o.data == "cifar100" end,
  table = {title = "Table 9: AUROC %", by = {"data", "net"}, columns = "normal", paper = {file = "paper/table9.csv",
    match = {data = "dataset", net = "generator"}, value = "avg", classes = "c",
    names = {data = names, net = {naive = "Naive", unet = "UNet", ["unet++"] = "UNet++"}}}},
  plot = {kind = "box", by = {"data", "net"}},
}
