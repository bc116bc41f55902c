-- Figure 3: what AGAD makes of medical pictures. The sets are folders as for table3.lua.
-- 8 runs: 22 hours on 2 cores of an AMD EPYC (Zen 5, bf16), 14 minutes on an H100 (an estimate).
-- (for sets of 5,000 pictures)
-- agad campaign figure3.lua plot --only 'data:find "brain"' --out figure3.png

local root, folders = os.getenv "AGAD_DATA" or ".", {}
for i, name in ipairs {"brain-mri", "chestxray", "lung-histopathology", "retinal-oct"} do
  folders[i] = root .. "/" .. name
end

return {
  options = {method = "agad", net = "unet", size = 128, channels = 1, batch = 64}, keep = "model",
  grid = {data = folders},
  variants = {{"AGAD, γ = 0", {}}, {"AGAD, γ = .10", {gamma = .1}}},
  plot = {kind = "reconstructions"},
}
