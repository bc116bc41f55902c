-- AUROC after each epoch, digits 0 and 8, with and without known anomalies: medians and spreads of three seeds, as a
-- table, and as examples/epochs.svg.

local plot = require "agad.evaluate.plot"
local measured = dofile "spec/figures/support/measured.lua"

local panels = {{"epochs_gamma_0", 0, "digit 0, γ = 0"}, {"epochs_gamma_0", 8, "digit 8, γ = 0"},
  {"epochs_gamma_05", 0, "digit 0, γ = .05"}, {"epochs_gamma_05", 8, "digit 8, γ = .05"}}
local columns = {"auroc_steady", "auroc_plain"}

-- For each epoch least, median and largest of a column over the seeds.
local function over_seeds(records, column)
  local epochs = {}
  for _, record in ipairs(records) do
    for _, entry in ipairs(record.history) do
      epochs[entry.epoch] = epochs[entry.epoch] or {}
      table.insert(epochs[entry.epoch], entry[column])
    end
  end
  local rows = {}
  for i, values in ipairs(epochs) do
    table.sort(values)
    rows[i] = {values[1], values[(#values + 1) // 2], values[#values]}
  end
  return rows
end

print "| AUROC %, median of three seeds after epoch 1, 2, … (least–largest at the end) | steady | plain |"
print "|---|---|---|"
local all, drawn, titles = {}, {}, {}
for _, panel in ipairs(panels) do
  all[panel[1]] = all[panel[1]] or measured(panel[1])
  local records, cells = {}, {panel[3]}
  for _, record in ipairs(all[panel[1]]) do
    if record.point.normal == panel[2] then records[#records + 1] = record end
  end
  for _, column in ipairs(columns) do
    local rows, medians = over_seeds(records, column), {}
    for epoch, row in ipairs(rows) do medians[epoch] = ("%.1f"):format(100 * row[2]) end
    local last = rows[#rows]
    cells[#cells + 1] = last and ("%s (%.1f–%.1f)"):format(table.concat(medians, " "), 100 * last[1], 100 * last[3])
      or "not measured"
  end
  print("| " .. table.concat(cells, " | ") .. " |")
  if #records > 0 then
    table.move(records, 1, #records, #drawn + 1, drawn)
    titles[#titles + 1] = panel[3]
  end
end
if #drawn > 0 then
  plot.epochs(drawn, "examples/epochs.svg", {values = columns, by = {}, panel = {"gamma", "normal"}, titles = titles,
    yrange = {0, 1}, key = "bottom"})
end
