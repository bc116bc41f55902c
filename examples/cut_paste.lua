-- AGAD that makes anomalies of its own: in every batch a patch of some normals is pasted elsewhere in the same picture
-- (CutPaste: Li et al., CVPR 2021, https://arxiv.org/abs/2104.04015), and they are shown as known anomalies. All other
-- stages are AGAD's, in C: "agad.NAME".
--   agad train weave --method examples/cut_paste.lua --gamma 0 --out cut_paste.safetensors

local agad = require "agad"
local base = require "agad.methods.agad"
local option = require("agad.base.options").option

local function merged(a, b)
  local all = {}
  for key, value in pairs(a) do all[key] = value end
  for key, value in pairs(b) do all[key] = value end
  return all
end

-- Whole numbers from low to high, from the generator whose state checkpoints hold.
local function random(low, high) return agad.randint(low, high + 1, {}):item() end

-- s.x holds s.n_normal normals, then known anomalies: the last of the normals join those.
local function cut_paste(s)
  local x = s.x:clone()
  local cut = math.floor(s.options.cut * s.n_normal)
  local height, width = x:size(3), x:size(4)
  for row = s.n_normal - cut + 1, s.n_normal do
    local h, w = random(height // 8, height // 3), random(width // 8, width // 3)
    local from_y, from_x = random(1, height - h + 1), random(1, width - w + 1)
    local to_y, to_x = random(1, height - h + 1), random(1, width - w + 1)
    local patch = x[{row, {}, {from_y, from_y + h - 1}, {from_x, from_x + w - 1}}]:clone()
    x[{row, {}, {to_y, to_y + h - 1}, {to_x, to_x + w - 1}}] = patch
  end
  s.x, s.n_normal = x, s.n_normal - cut
end

return merged(base, {
  name = "cut_paste",
  options = merged(base.options, {
    cut = option {default = .125, min = 0, max = .5, help = "share of the normals that get a patch pasted"},
  }),
  phases = {merged(base.phases[1], {
    step = {{"cut_paste", cut_paste}, "agad.reconstruct", "agad.discriminate", "agad.pseudo_anomaly",
      "agad.generator_loss", "generator_update", "agad.discriminator_loss", "discriminator_update", "guard_collapse"},
  })},
})
