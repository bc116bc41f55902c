-- An ablation: what does each term of the loss contribute? Trains AGAD with all of them and without each in turn, over a
-- few seeds, and draws the means with their ranges. With the small net of small_net.lua it takes half a minute.
--   agad examples/ablation.lua [PLOT.png] [SEEDS]    without a file the plot is drawn in the terminal (default: 3 seeds)

local agad = require "agad"

local seeds = math.tointeger(tonumber(arg[2] or 3)) or error "ablation.lua: SEEDS must be a whole number"
local set = agad.data.weave {train_normals = 600, train_defects = 40}
local net = arg[0]:gsub("[^/]*$", "") .. "small_net.lua"

local variants = {
  {"all terms", {}},
  {"no adv", {adv = false}},                            -- adversarial (Eq. 5)
  {"no con", {con = false}},                            -- contextual (Eq. 6)
  {"no adcon", {adcon = false}},                        -- contextual adversarial (Eq. 8): the pseudo-anomalies
  {"no lat", {lat = false}},                            -- latent (Eq. 7)
}

local function auroc(terms, seed)
  local task = agad.task.one_vs_rest(set, {gamma = 0.05, seed = seed})
  local run = agad.trainer(task, {net = net, epochs = 4, seed = seed, terms = terms, ema = "1/4"})
  run:fit(function() end)
  return run:evaluate().auroc_plain
end

local names, mean, low, high = {}, {}, {}, {}
for i, variant in ipairs(variants) do
  local values = {}
  for seed = 1, seeds do values[seed] = auroc(variant[2], seed) end
  local t = agad.tensor(values)
  names[i], mean[i], low[i], high[i] = variant[1], t:mean():item(), t:min():item(), t:max():item()
  print(("%-10s mean AUROC %.3f, from %.3f to %.3f"):format(names[i], mean[i], low[i], high[i]))
end

agad.plot({
  x = names, y = mean, low = low, high = high, kind = "bars", yrange = {.4, 1}, ylabel = "AUROC, plain",
  title = ("weave, gamma = .05: mean and range over %d seeds"):format(seeds),
}, arg[1])
