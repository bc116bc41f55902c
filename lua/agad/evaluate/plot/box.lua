-- Box plots by Tukey's rule (J. W. Tukey, Exploratory Data Analysis, 1977): a whisker reaches the last value that lies
-- within 1.5 interquartile ranges of the box, and what lies beyond is an outlier.

local core = require "agad.core"
local numbers = require "agad.evaluate.plot.numbers"

local REACH = 1.5

--- The five numbers of a box.
-- @param values list; what is not finite is left out
-- @return table n, low, q1, median, q3, high, outliers (a list); nil if no value is finite
return function(values)
  local sorted = numbers.sorted(values)
  if #sorted == 0 then return nil end
  local quantile = core.metrics.quantile
  local box = {n = #sorted, q1 = quantile(sorted, .25), median = quantile(sorted, .5), q3 = quantile(sorted, .75),
    outliers = {}}
  local reach = REACH * (box.q3 - box.q1)
  for _, v in ipairs(sorted) do
    if v < box.q1 - reach or v > box.q3 + reach then table.insert(box.outliers, v)
    else
      box.low = box.low or v
      box.high = v
    end
  end
  box.low, box.high = math.min(box.low, box.q1), math.max(box.high, box.q3)
  return box
end
