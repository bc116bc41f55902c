-- What the ready campaigns of examples/campaigns cost: from the rates in spec/figures/measured/costs.jsonl (one thread,
-- a line for each kind of run of spec/figures/campaigns/costs.lua), the number of pictures in the sets, and the formula
-- of `agad campaign FILE --dry-run`. So a changed grid or a new measurement changes what their first lines must say.
-- For an H100 the rates are assumed.

local campaign = require "agad.campaign"
local core = require "agad.core"
local cost = require "agad.campaign.cost"

local costs = {path = "spec/figures/measured/costs.jsonl"}

--- Files of examples/campaigns that are no campaigns.
costs.none = {table8 = true, classes = true}

local names = {["AMD EPYC family 26 model 2"] = "AMD EPYC (Zen 5"}

-- Normal pictures of a class, and test pictures.
local sets = {mnist = {6000, 10000}, ["fashion-mnist"] = {6000, 10000}, cifar10 = {5000, 10000},
  cifar100 = {2500, 10000}, weave = {400, 560}}
local others = {mnist = 9, ["fashion-mnist"] = 9, cifar10 = 9, cifar100 = 19}      -- classes that are normal then
local FOLDER = {5000, 1000}                       -- what a folder is taken to hold

-- Pictures of 32 x 32 a second in training on an H100, five times as many are scored; seconds that each run takes more.
local H100, START = {naive = 60000, unet = 28000, ["unet++"] = 12000}, 4

-- The rates of the measured kinds, by name.
function costs.rates()
  local rates = {}
  for line in io.lines(costs.path) do
    local row = core.json_decode(line)
    rates[row.kind] = row
  end
  return rates
end

local function kind_of(config)
  if config.method ~= "agad" then return config.method end
  return (config.size or 32) > 32 and ("%s, %d"):format(config.net, config.size) or config.net
end

-- The paces of a run on a core and on an H100.
local function paces_of(config, rates)
  local own, pace = rates[kind_of(config)], {steps = {}}
  for i, rate in ipairs(own.images_per_second) do pace.steps[i] = 1 / rate end
  pace.score = 1 / own.scored_per_second
  local rate = (H100[config.method == "agad" and config.net or "naive"]) * 32 ^ 2 / (config.size or 32) ^ 2
  return pace, {steps = {1 / rate, 1 / rate}, score = .2 / rate}
end

local function steps_of(config, normals)
  local each = math.max(1, normals // config.batch)
  local last = config.epochs * each
  return config.pretrain_epochs and {config.pretrain_epochs * each, last} or {last}
end

-- A duration in a whole number of minutes, hours or days.
local function words(seconds)
  for _, unit in ipairs {{"day", 86400, 48 * 3600}, {"hour", 3600, 90 * 60}, {"minute", 60, 0}} do
    local n = math.max(1, math.floor(seconds / unit[2] + .5))
    if seconds >= unit[3] then return ("%d %s%s"):format(n, unit[1], n == 1 and "" or "s") end
  end
end

--- What the first lines of a ready campaign must say.
-- @param name string
-- @param rates table `costs.rates`
-- @return string
function costs.sentence(name, rates)
  local spec = campaign.load(("examples/campaigns/%s.lua"):format(name))
  local cpu, gpu, runs = 0, 0, campaign.plan(spec)
  for _, run in ipairs(runs) do
    local config, its = run.config, sets[run.data] or FOLDER
    local normals = its[1] * (config.protocol == "leave_one_out" and others[run.data] or 1)
    if config.limit and config.limit > 0 then normals = math.min(normals, config.limit) end
    local pictures, steps = {normals = normals, tests = its[2]}, steps_of(config, normals)
    local on_core, on_gpu = paces_of(config, rates)
    cpu = cpu + cost.seconds(config, steps, pictures, on_core)
    gpu = gpu + cost.seconds(config, steps, pictures, on_gpu) + START
  end
  local count = tostring(#runs):reverse():gsub("(%d%d%d)(%d)", "%1,%2"):reverse()
  local naive = rates.naive
  return ("%s runs: %s on 2 cores of an %s, %s), %s on an H100 (an estimate)."):format(count, words(cpu / 2),
    names[naive.processor] or naive.processor .. " (", naive.precision, words(gpu))
end

return costs
