-- Figure 2: what GANomaly, AGAD without and AGAD with known anomalies make of test pictures; one class is anomalous.
-- 9 runs: 12 hours on 2 cores of an AMD EPYC (Zen 5, bf16), 8 minutes on an H100 (an estimate).
-- agad campaign figure2.lua plot --only 'data == "fashion-mnist"' --out figure2.png

return {
  options = {protocol = "leave_one_out"}, keep = "model",
  zip = {data = {"fashion-mnist", "cifar10", "cifar100"}, anomaly = {"ankle-boot", "airplane", "vehicles_2"}},
  variants = {{"GANomaly", {method = "ganomaly"}}, {"AGAD, γ = 0", {net = "unet"}},
    {"AGAD, γ = .10", {net = "unet", gamma = .1}}},
  table = {by = {"data", "variant"}},
  plot = {kind = "reconstructions"},
}
