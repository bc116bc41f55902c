-- Table 9: the three generators without known anomalies, each class normal once.
-- 450 runs. On 2 cores 18 days (200, 60 and 21 pictures a second by the three nets); an H100: 2 hours, an estimate.

local classes = dofile((...):match "^(.*/)" .. "classes.lua")

return {
  options = {gamma = 0},
  grid = {net = {"naive", "unet", "unet++"}, seed = {1, 2, 3}},
  zip = classes.axes {"mnist", "fashion-mnist", "cifar10", "cifar100"},
  table = {title = "Table 9: AUROC %", by = {"data", "net"}, columns = "normal", paper = {file = "paper/table9.csv",
    match = {data = "dataset", net = "generator"}, value = "avg", classes = "c",
    names = {data = classes.sets, normal = classes.numbers,
      net = {naive = "Naive", unet = "UNet", ["unet++"] = "UNet++"}}}},
  plot = {kind = "box", by = {"data", "net"}},
}
