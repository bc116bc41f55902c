-- Synthetic defects: milliseconds of processor time for a picture of a batch. A third of the pictures have no defect,
-- the others one of a kind, or, under "all", as many of any kind as by default.
-- Usage: defects.lua [rounds=20]

local agad = require "agad"
local statistics = require "agad.bench.statistics"
local core = agad.core

local rounds = tonumber(arg[1] or 20)
if not rounds then
  io.stderr:write "usage: defects.lua [rounds]\n"
  os.exit(2)
end
local N = 12

local function measure(side, window, channels, crop)
  local images = agad.data.weave({size = side, channels = channels, train_normals = N, train_defects = 0,
    test_normals = 1, test_defects = 0}).train.images
  local rows, mean, masks = {}, {}, agad.zeros({2, side, side}, {dtype = "uint8"})
  masks:narrow(2, side // 3, side // 8):narrow(3, side // 2, side // 6):fill_(1)
  for i = 1, N do rows[i] = i - 1 end
  for c = 1, channels do mean[c] = 120 end
  local function time(kind, count)
    local p, times = {}, {}
    local d = core.data.defects(images, rows, {window = window, mean = mean, sd = 40, count = count,
      known = {rows = {0, 1}, masks = masks}})
    for i = 1, #d.kinds do p[i] = (kind == nil or i == kind) and 1 or 0 end
    for step = 1, rounds do
      local began = os.clock()
      d:batch(rows, step, {crop = crop, probabilities = p})
      times[step] = (os.clock() - began) * 1000 / N
    end
    return statistics.median(times), d.kinds
  end
  local all, kinds = time(nil, 1.8)
  local line = {("defects: %d px, %s of %d px, %d channels: all %.2f ms"):format(window, crop and "crops" or "all",
    side, channels, all)}
  for kind, name in ipairs(kinds) do line[#line + 1] = ("%s %.2f"):format(name, (time(kind, 1))) end
  print(table.concat(line, ", "))
end

local threads = core.threads()
core.threads(1)
measure(128, 128, 1, false)
measure(256, 128, 1, false)
measure(256, 128, 1, true)
measure(256, 128, 3, true)
measure(256, 256, 1, false)
core.threads(threads)
