-- AUROC after each epoch, digits 0 and 8, with and without known anomalies: medians and spreads of three seeds, as a
-- table, and as examples/epochs.svg.

local plot = require "agad.evaluate.plot"
local measured = dofile "spec/figures/support/measured.lua"

local panels = {{"epochs_gamma_0", 0, "digit 0, γ = 0"}, {"epochs_gamma_0", 8, "digit 8, γ = 0"},
  {"epochs_gamma_05", 0, "digit 0, γ = .05"}, {"epochs_gamma_05", 8, "digit 8, γ = .05"}}
local columns = {{"auroc_steady", "steady", "#0072B2"}, {"auroc_plain", "plain", "#D55E00"}}

local function spread(values)
  table.sort(values)
  return values[1], values[(#values + 1) // 2], values[#values]
end

-- For each epoch least, median and largest of a column over the seeds.
local function over_seeds(records, normal, column)
  local epochs = {}
  for _, record in ipairs(records) do
    if record.point.normal == normal then
      for _, entry in ipairs(record.history) do
        epochs[entry.epoch] = epochs[entry.epoch] or {}
        table.insert(epochs[entry.epoch], entry[column])
      end
    end
  end
  local rows = {}
  for i, values in ipairs(epochs) do rows[i] = {spread(values)} end
  return rows
end

print "| AUROC %, median of three seeds after epoch 1, 2, … (least–largest at the end) | steady | plain |"
print "|---|---|---|"
local script, all = {"set multiplot layout 2,2", "set border 3; set tics nomirror; set key bottom right",
  "set grid ytics lt 1 lw 1 lc rgb '#dddddd'; set yrange [0:1]; set xlabel 'epoch'; set ylabel 'AUROC'"}, {}
for i, panel in ipairs(panels) do
  all[panel[1]] = all[panel[1]] or measured(panel[1])
  local cells, curves = {panel[3]}, {}
  for k, column in ipairs(columns) do
    local rows, lines, medians = over_seeds(all[panel[1]], panel[2], column[1]), {}, {}
    for epoch, row in ipairs(rows) do
      lines[epoch] = ("%d %.6f %.6f %.6f"):format(epoch, table.unpack(row))
      medians[epoch] = ("%.1f"):format(100 * row[2])
    end
    local last = rows[#rows]
    cells[#cells + 1] = last and ("%s (%.1f–%.1f)"):format(table.concat(medians, " "), 100 * last[1], 100 * last[3])
      or "not measured"
    local name = ("$d%d%d"):format(i, k)
    script[#script + 1] = ("%s << EOD\n%s\nEOD"):format(name, table.concat(lines, "\n"))
    curves[#curves + 1] = ("%s using 1:2:4 with filledcurves fs transparent solid .2 noborder lc rgb '%s' notitle")
      :format(name, column[3])
    curves[#curves + 1] = ("%s using 1:3 with lines lw 2 lc rgb '%s' title '%s'"):format(name, column[3], column[2])
  end
  print("| " .. table.concat(cells, " | ") .. " |")
  if cells[2] ~= "not measured" then
    script[#script + 1] = ("set title '%s' noenhanced"):format(panel[3])
    script[#script + 1] = "plot " .. table.concat(curves, ", ")
  end
end
script[#script + 1] = "unset multiplot"
plot.gnuplot(table.concat(script, "\n"), "examples/epochs.svg")
