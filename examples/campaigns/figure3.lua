-- Figure 3: what AGAD makes of medical pictures. The sets are folders as for table3.lua.
-- 8 runs. A set of 5,000 pictures at 128 x 128: a day on 2 cores; an H100: 5 minutes, an estimate.
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
