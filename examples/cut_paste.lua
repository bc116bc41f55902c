-- AGAD with synthetic anomalies: in every batch, a patch of some normals is pasted elsewhere in the same picture
-- (CutPaste: Li et al., CVPR 2021, https://arxiv.org/abs/2104.04015), and these are trained on as known anomalies. It
-- builds on another method: it adds an option, and a stage before AGAD's first; AGAD's stages remain in C.
--   agad train weave --method examples/cut_paste.lua --gamma 0 --out cut_paste.safetensors

local agad = require "agad"

-- A random integer from low to high, from the generator whose state is saved in checkpoints.
local function random(low, high) return agad.randint(low, high + 1, {}):item() end

-- s.x holds s.n_normal normals, then known anomalies; the last normals are turned into anomalies.
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
  options = {
    cut = agad.options.option {default = .125, min = 0, max = .5,
      help = "share of the normals that get a patch pasted"},
  },
  phases = {train = {before = {reconstruct = {"cut_paste", cut_paste}}}},
}
