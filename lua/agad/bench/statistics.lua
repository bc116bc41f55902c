-- The statistics of timings.

local statistics = {}

--- A percentile of a list of numbers, linear between the two nearest ranks.
-- @param list list of numbers, not empty
-- @param p number 0 to 100
-- @return number
function statistics.percentile(list, p)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local at = 1 + (#sorted - 1) * p / 100
  local low = math.floor(at)
  return sorted[low] + (sorted[math.min(low + 1, #sorted)] - sorted[low]) * (at - low)
end

--- The median of a list of numbers.
function statistics.median(list) return statistics.percentile(list, 50) end

--- The machine's load in the last minute; nil if it cannot be read.
function statistics.load()
  local file = io.open "/proc/loadavg"
  local line = file and file:read "l"
  if file then file:close() end
  return line and tonumber(line:match "^%S+")
end

return statistics
