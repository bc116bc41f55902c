-- What the ready campaigns cost: measures the kinds of runs that spec/figures/measured/costs.jsonl lacks (remove lines
-- to have them measured again, on an idle machine), and prints what the first lines of examples/campaigns must say.

local agad = require "agad"
local campaign = require "agad.campaign"
local core = agad.core
local costs = dofile "spec/figures/support/costs.lua"
local lfs = require "lfs"

local function rate(seconds) return tonumber(("%.4g"):format(1 / seconds)) end

local spec, have = dofile "spec/figures/campaigns/costs.lua", lfs.attributes(costs.path) and costs.rates() or {}
spec.where = function(o) return not have[o.variant] end
local ok, its = pcall(campaign.estimate, spec, {workers = 2})      -- no run is left where all are measured
local file = assert(io.open(costs.path, "a"))
for _, kind in ipairs(ok and its.kinds or {}) do
  local row = {kind = kind.run.point.variant, images_per_second = {}, scored_per_second = rate(kind.pace.score),
    threads = 1, processor = core.processor(), precision = kind.pace.precision,
    versions = {agad = agad.version, libtorch = core.libtorch}}
  for i, seconds in ipairs(kind.pace.steps) do row.images_per_second[i] = rate(seconds) end
  file:write(core.json_encode(row), "\n")
end
file:close()

local rates = costs.rates()
for name in lfs.dir "examples/campaigns" do
  name = name:match "^(.*)%.lua$"
  if name and not costs.none[name] then print(name, costs.sentence(name, rates)) end
end
