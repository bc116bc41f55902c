-- Table 8: the size of the generators, and the time for one picture of 32 x 32: agad examples/campaigns/table8.lua
-- It took 1 second on 2 cores of an AMD EPYC Zen 5 (fp32, one thread).

local agad = require "agad"
local ours = require "agad.bench.ours"

local ROUNDS = tonumber(arg[1]) or 50
local paper = {naive = {2.04, 2.67}, unet = {7.76, 5.41}, ["unet++"] = {9.04, 16.73}}

print("| generator | parameters (2^20) | paper (10^6) | MACs (10^6) | ms a picture, one thread | paper, on an A40 |")
print("|---|---|---|---|---|---|")
for _, net in ipairs {"naive", "unet", "unet++"} do
  local its = ours.new {net = net, batch = 1, channels = 3, size = 32, device = "cpu", precision = "fp32"}
  local info, ms = its.run.info.generator, its:latency(ROUNDS + 3)
  ms = table.move(ms, 4, #ms, 1, {})                       -- the first ones measure the ways of convolutions
  print(("| %s | %.2f | %.2f | %.1f | %.2f | %.2f |"):format(net, info.params / 2 ^ 20, paper[net][1], info.macs / 1e6,
    agad.core.metrics.quantile(ms, .5), paper[net][2]))
end
