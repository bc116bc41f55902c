-- Figure 4: the scores of each class, with 5 % and with 20 % of known anomalies.
-- 4 runs: 76 minutes on 2 cores of an AMD EPYC (Zen 5, bf16), 1 minute on an H100 (an estimate).
-- agad campaign figure4.lua plot --only 'data == "cifar10"' --out figure4.svg

return {
  options = {net = "unet++"}, keep = "model",
  zip = {data = {"cifar10", "cifar100"}, normal = {"airplane", "aquatic_mammals"}},
  variants = {{"γ = .05", {gamma = .05}}, {"γ = .20", {gamma = .2}}},
  plot = {kind = "classes"},
}
