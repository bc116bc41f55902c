-- Table 3: medical pictures with and without the adversarial context. The sets are folders under $AGAD_DATA with
-- train and test, of normal pictures (normal) and of anomalies; those that are not there are left out.
-- 120 runs: 14 days on 2 cores of an AMD EPYC (Zen 5, bf16), 4 hours on an H100 (an estimate).
-- (for sets of 5,000 pictures)

local root = os.getenv "AGAD_DATA" or "."
local names = {["brain-mri"] = "Alzheimer's", chestxray = "ChestXray", ["lung-histopathology"] = "Lung Histopathology",
  ["retinal-oct"] = "Retinal OCT"}
local folders, called = {}, {}
for _, name in ipairs {"brain-mri", "chestxray", "lung-histopathology", "retinal-oct"} do
  folders[#folders + 1] = root .. "/" .. name
  called[root .. "/" .. name] = names[name]
end

return {
  options = {method = "agad", net = "unet", size = 128, channels = 1, batch = 64},
  grid = {data = folders, gamma = {0, .01, .03, .05, .1}, seed = {1, 2, 3}},
  variants = {{"with", {}}, {"without", {terms = {adcon = false}}}},
  table = {title = "Table 3: AUROC %", compare = "variant", paper = {file = "paper/table3.csv",
    match = {data = "dataset", gamma = "gamma", variant = "adversarial_context"}, names = {data = called}}},
  plot = {kind = "gamma"},
}
