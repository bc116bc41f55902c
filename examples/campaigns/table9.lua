-- Table 9: the three generators without known anomalies, each class normal once.
-- 450 runs: 4 days on 2 cores of an AMD EPYC (Zen 5, bf16), 2 hours on an H100 (an estimate).

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
