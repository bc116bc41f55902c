-- Table 1: AGAD without known anomalies, each class normal once, by the net that the paper reports for each data set.
-- 150 runs: 43 hours on 2 cores of an AMD EPYC (Zen 5, bf16), 39 minutes on an H100 (an estimate).
-- MNIST alone (--only 'data == "mnist"'): 9 hours on 2 cores.

local classes = dofile((...):match "^(.*/)" .. "classes.lua")

return {
  options = {gamma = 0},
  grid = {seed = {1, 2, 3}},
  zip = classes.axes({"mnist", "fashion-mnist", "cifar10", "cifar100"}, "net",
    {mnist = "naive", ["fashion-mnist"] = "unet++", cifar10 = "unet++", cifar100 = "unet++"}),
  table = {title = "Table 1: AUROC %, AGAD", by = {"data"}, columns = "normal", paper = {file = "paper/table1.csv",
    match = {data = "dataset"}, fixed = {method = "AGAD"}, names = {data = classes.sets, normal = classes.numbers},
    value = "avg", classes = "c"}},
  plot = {kind = "box", by = {"data"}},
}
