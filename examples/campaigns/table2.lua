-- Table 2: known anomalies. AGAD beside Deep SAD and the supervised classifier; anomalies of all classes, as AGAD takes
-- them, and of one, as Ruff et al. do.
-- 2,340 runs: 20 days on 2 cores of an AMD EPYC (Zen 5, bf16), 15 hours on an H100 (an estimate).
-- --only chooses a part.

local classes = dofile((...):match "^(.*/)" .. "classes.lua")

return {
  grid = {seed = {1, 2, 3}, gamma = {0, .01, .05, .1, .2}, anom_classes = {"all", 1}},
  zip = classes.axes {"mnist", "fashion-mnist", "cifar10"},
  variants = {{"AGAD, naive", {net = "naive"}}, {"AGAD, UNet++", {net = "unet++"}},
    {"Deep SAD", {method = "deep_sad"}}, {"supervised", {method = "supervised"}}},
  where = function(o)
    if o.variant == "AGAD, naive" and o.data ~= "mnist" or o.variant == "AGAD, UNet++" and o.data == "mnist" then
      return false
    end
    if o.gamma == 0 then return o.anom_classes == "all" and o.variant ~= "supervised" end
    return true
  end,
  table = {title = "Table 2: AUROC %", paper = {file = "paper/table2.csv",
    match = {data = "dataset", gamma = "gamma", variant = "method"}, names = {data = classes.sets,
      variant = {["AGAD, naive"] = "AGAD", ["AGAD, UNet++"] = "AGAD", supervised = "supervised classifier"}}}},
  plot = {kind = "gamma", by = {"data", "variant", "anom_classes"}},
}
