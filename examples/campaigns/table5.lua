-- Table 5: a second set of batch norms for pseudo-anomalies (advprop_bn), and known anomalies normalised by running
-- statistics (freeze_bn), over the share of known anomalies.
-- 2,160 runs: 14 days on 2 cores of an AMD EPYC (Zen 5, bf16), 6 hours on an H100 (an estimate).

local classes = dofile((...):match "^(.*/)" .. "classes.lua")

return {
  options = {net = "unet"},
  grid = {gamma = {0, .01, .03, .05, .1}, seed = {1, 2, 3}},
  zip = classes.axes {"fashion-mnist", "cifar10", "cifar100"},
  variants = {{"both", {advprop_bn = true, freeze_bn = "freeze"}}, {"AdvProp", {advprop_bn = true}},
    {"Freeze", {freeze_bn = "freeze"}}, {"neither", {}}},
  where = function(o) return o.gamma > 0 or o.freeze_bn == "off" end,
  table = {title = "Table 5: AUROC %", by = {"data", "advprop_bn", "freeze_bn", "gamma"},
    paper = {file = "paper/table5.csv",
      match = {data = "dataset", advprop_bn = "advprop", freeze_bn = "freeze_bn", gamma = "gamma"},
      names = {data = {["fashion-mnist"] = "F-MNIST", cifar10 = "CIFAR10", cifar100 = "CIFAR100"},
        advprop_bn = {["true"] = "yes", ["false"] = "no"}, freeze_bn = {freeze = "yes", off = "no"}}}},
  plot = {kind = "gamma"},
}
