-- AGAD that makes anomalies of its own: in every batch a patch of some normals is pasted elsewhere in the same picture
-- (CutPaste: Li et al., CVPR 2021, https://arxiv.org/abs/2104.04015), and they are shown as known anomalies. It changes
-- another method: options are merged, and a stage of its own goes before AGAD's first, all of which stay in C.
--   agad train weave --method examples/cut_paste.lua --gamma 0 --out cut_paste.safetensors

local agad = require "agad"
local option = require("agad.base.options").option

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

return {
  name = "cut_paste", extends = "agad",
  options = {cut = option {default = .125, min = 0, max = .5, help = "share of the normals that get a patch pasted"}},
  phases = {train = {before = {reconstruct = {"cut_paste", cut_paste}}}},
}
