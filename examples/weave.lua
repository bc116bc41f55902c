-- Trains on the built-in textures and compares two amounts of supervision: no known anomaly, and 5 % of them. The three
-- figures are ways of scoring the same net; the README says what they mean.
--   agad examples/weave.lua [EPOCHS]

local agad = require "agad"

local epochs = math.tointeger(tonumber(arg[1] or 3)) or error "weave.lua: EPOCHS must be a whole number"
local set = agad.data.weave {normal = "cloth"}

for _, gamma in ipairs {0, 0.05} do
  local task = agad.task.one_vs_rest(set, {gamma = gamma})
  local run = agad.trainer(task, {epochs = epochs, seed = 1})
  run:fit()
  local row = run:evaluate()
  print(("gamma %.2f: %d known anomalies, AUROC %.3f (plain %.3f, paper-like %.3f)"):format(gamma,
    task.counts.anomalies, row.auroc, row.auroc_plain, row.auroc_paper_like))
  local worst = row.per_class[1]
  for _, class in ipairs(row.per_class) do if class.auroc < worst.auroc then worst = class end end
  print(("            hardest to find: %s, AUROC %.3f"):format(worst.class, worst.auroc))
end
