-- From pictures of one's own to verdicts: draws discs, some of them notched, trains on intact ones alone, saves the
-- model, and scores PNG files with it, which it has never seen.
--   agad examples/own_pictures.lua [FOLDER]         the model, two PNG files and their error maps (default: discs)

local agad = require "agad"
local lfs = require "lfs"

local folder = arg[1] or "discs"
lfs.mkdir(folder)

local SIDE = 32
local draw = agad.generator(7)                          -- random numbers of our own, from a seed
local row = agad.arange(1, SIDE + 1):reshape {SIDE, 1}
local column = row.T

-- A uint8 picture (1, SIDE, SIDE) of a disc somewhere near the middle; a notched one lacks a wedge.
local function disc(notched)
  local r = agad.rand({4}, {generator = draw}):totable()
  local y, x, radius, angle = 14 + 5 * r[1], 14 + 5 * r[2], 8 + 3 * r[3], 6.28 * r[4]
  local inside = ((row - y):pow(2) + (column - x):pow(2)):lt(radius ^ 2)
  if notched then
    local to_y, to_x = y + radius * math.sin(angle), x + radius * math.cos(angle)
    inside = inside:logical_and(((row - to_y):pow(2) + (column - to_x):pow(2)):gt((0.7 * radius) ^ 2))
  end
  return (inside:to "float32" * 160 + 40):to("uint8"):unsqueeze(1)
end

local function discs(intact, notched)
  local list, labels = {}, {}
  for i = 1, intact + notched do
    list[i], labels[i] = disc(i > intact), i > intact and 1 or 0
  end
  return agad.stack(list), labels
end

local images = discs(400, 0)
local test_images, test_labels = discs(60, 60)
local set = agad.data.tensors {images = images, test_images = test_images, labels = agad.zeros(400):to("int64"),
  test_labels = test_labels, classes = {"intact", "notched"}, normal = "intact", name = "discs"}

local task = agad.task.one_vs_rest(set)
local run = agad.trainer(task, {width = 16, steps = 100, batch = 32, lr = 1e-3, ema = "1/4", seed = 1})
run:fit(function() end)                                 -- a function of events, in place of the progress line
print(("AUROC %.3f after %d steps"):format(run:evaluate().auroc, run.steps))
run:save(folder .. "/discs.safetensors")

local model = agad.model.open(folder .. "/discs.safetensors")
for _, kind in ipairs {"intact", "notched"} do
  local path = ("%s/%s.png"):format(folder, kind)
  agad.data.write_png(path, disc(kind == "notched"))
  local verdict = model:score({path})[1]
  print(("%s: score %.2f, threshold %.2f, anomalous: %s"):format(path, verdict.score, verdict.threshold,
    verdict.anomalous))
  agad.plot({y = model:map(path), kind = "heat", title = "error of " .. kind}, ("%s/%s.map.png"):format(folder, kind))
end
