-- Table 4: with and without the adversarial context, over the share of known anomalies.
-- 1,200 runs: 8 days on 2 cores of an AMD EPYC (Zen 5, bf16), 4 hours on an H100 (an estimate).

local classes = dofile((...):match "^(.*/)" .. "classes.lua")

return {
  options = {net = "unet"},
  grid = {gamma = {0, .01, .03, .05, .1}, seed = {1, 2, 3}},
  zip = classes.axes {"fashion-mnist", "cifar10", "cifar100"},
  variants = {{"without", {terms = {adcon = false}}}, {"with", {}}},
  table = {title = "Table 4: AUROC %", compare = "variant", paper = {file = "paper/table4.csv",
    match = {data = "dataset", gamma = "gamma", variant = "adversarial_context"},
    names = {data = {["fashion-mnist"] = "F-MNIST", cifar10 = "CIFAR10", cifar100 = "CIFAR100"}}}},
  plot = {kind = "gamma"},
}
