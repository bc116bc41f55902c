-- MNIST, each digit normal once, 5 % of known anomalies: AGAD beside Deep SAD and the supervised classifier. Mean and
-- population deviation over the digits, as a table.

local measured = dofile "spec/figures/support/measured.lua"

-- The last: the paper's Table 2, MNIST at γ = .05.
local methods = {{"agad", "AGAD", "99.9 ± .29"}, {"deep_sad", "Deep SAD", "96.7 ± 2.3"},
  {"supervised", "supervised", "90.3 ± 4.6"}}
local known = {{"all", "all nine"}, {1, "one"}}

local function mean_and_deviation(values)
  local sum, squares = 0, 0
  for _, v in ipairs(values) do sum = sum + v / #values end
  for _, v in ipairs(values) do squares = squares + (v - sum) ^ 2 / #values end
  return sum, math.sqrt(squares)
end

local head = {"method", "known anomalies' classes"}
for digit = 0, 9 do head[#head + 1] = tostring(digit) end
head[#head + 1] = "mean ± SD"
head[#head + 1] = "the paper's"
print("| " .. table.concat(head, " | ") .. " |\n|" .. ("---|"):rep(#head))
for _, method in ipairs(methods) do
  local records = measured("digits_" .. method[1])
  for _, classes in ipairs(known) do
    local cells, values = {method[2], classes[2]}, {}
    for digit = 0, 9 do
      local value
      for _, r in ipairs(records) do
        if r.point.normal == digit and r.point.anom_classes == classes[1] then value = r.auroc_steady end
      end
      cells[#cells + 1] = value and ("%.1f"):format(100 * value) or "-"
      values[#values + 1] = value
    end
    local mean, deviation = mean_and_deviation(values)
    cells[#cells + 1] = #values == 10 and ("**%.1f** ± %.1f"):format(100 * mean, 100 * deviation) or "-"
    cells[#cells + 1] = method[3]
    print("| " .. table.concat(cells, " | ") .. " |")
  end
end
