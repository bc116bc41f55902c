-- An ablation: what does each term of the loss contribute, if no anomaly is known? Trains AGAD with all of them and
-- without each in turn, over a few seeds, and draws the means with their ranges. It takes half a minute.
--   agad examples/ablation.lua [PLOT.png] [SEEDS]     3 seeds by default; without a file it draws in the terminal

local agad = require "agad"

local seeds = math.tointeger(tonumber(arg[2] or 3)) or error "ablation.lua: SEEDS must be a whole number"
local set = agad.data.weave {train_normals = 600, train_defects = 0}

local variants = {
  {"all terms", {}},
  {"no con", {con = false}},                            -- contextual (Eq. 6)
  {"no adcon", {adcon = false}},                        -- contextual adversarial (Eq. 8): the pseudo-anomalies
  {"no lat", {lat = false}},                            -- latent (Eq. 7)
}

local function auroc(terms, seed)
  local task = agad.task.one_vs_rest(set, {seed = seed})
  local run = agad.trainer(task, {width = 16, steps = 60, batch = 32, lr = 1e-3, seed = seed, terms = terms})
  run:fit(function() end)                               -- no progress line
  return run:evaluate().auroc
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
  x = names, y = mean, low = low, high = high, kind = "bars", yrange = {.4, 1}, ylabel = "AUROC",
  title = ("weave, no known anomalies: mean and range over %d seeds"):format(seeds),
}, arg[1])
