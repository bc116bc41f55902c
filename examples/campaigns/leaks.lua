-- What the ways of scoring make of one training: the three columns for every net, and the thermometer, which sees the
-- colours of a test batch and no picture of it. Batch statistics over batches in the order of the labels leak these.
-- 180 runs: 47 hours on 2 cores of an AMD EPYC (Zen 5, bf16), 44 minutes on an H100 (an estimate).

local classes = dofile((...):match "^(.*/)" .. "classes.lua")

return {
  options = {gamma = 0, preset = "paper_like", ema = .99},
  grid = {net = {"naive", "unet", "unet++"}, seed = {1, 2}},
  zip = classes.axes {"mnist", "fashion-mnist", "cifar10"},
  table = {title = "AUROC %", values = {"auroc_steady", "auroc_plain", "auroc_paper_like", "leak.thermometer"}},
  plot = {kind = "box", value = "auroc_paper_like"},
}
