-- Tensors that live for a moment: millions of small ones (is memory flat, does a call cost the same at the end?), and
-- large ones against closing each by hand. Processor time; the collector and malloc as `agad` sets them.
-- Usage: temporaries.lua [millions=10] [large=600]

local millions, large = tonumber(arg[1] or 10), tonumber(arg[2] or 600)
local agad = require "agad"
local core = agad.core
local statistics = require "agad.bench.statistics"
local median = statistics.median
core.threads(1)

local function resident()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s+(%d+)"
    if kb then return tonumber(kb) / 1024 end
  end
end

-- ---- small ----

local EACH = 50000                                      -- calls between two looks at the clock
local a, b = agad.rand(4), agad.rand(4)
local times, relative, before = {}, {}, nil
for window = 1, millions * 1000000 // EACH do
  local began, x = os.clock(), 0
  for _ = 1, EACH do local _ = a + b end
  local between = os.clock()
  for i = 1, 10 * EACH do x = x + i end                 -- what the processor is worth just now
  times[window] = (between - began) / EACH * 1e6
  relative[window] = (between - began) / (os.clock() - between)
  if window == 10 then before = resident() end
end
local fifth = #times // 5
local function ends(list)
  return median(table.move(list, 1, fifth, 1, {})), median(table.move(list, #list - fifth + 1, #list, 1, {}))
end
local first, last = ends(times)
local first_of, last_of = ends(relative)
print(("%g million temporaries of 4 elements: %.3f us in the first fifth, %.3f us in the last; beside a loop of plain "
  .. "Lua in each window: ratio %.3f (target .95 to 1.05)"):format(millions, first, last, last_of / first_of))
print(("resident memory after half a million %.1f MB, at the end %.1f MB; peak of tensors %.1f MB; %d full collections")
  :format(before, resident(), agad.memory().peak / 1e6, agad.memory().collections))

-- ---- large: 4 MB each ----

local function run(close)
  local t, began = nil, os.clock()
  for i = 1, large do
    local u = agad.full({1024, 1024}, i)
    t = u:sum():item()
    if close then u:close() end
  end
  assert(t == large * 1024 * 1024)
  return os.clock() - began
end

local ratios, auto, manual = {}, {}, {}
run(true)
for round = 1, 7 do
  collectgarbage()
  manual[round] = run(true)
  auto[round] = run(false)
  ratios[round] = auto[round] / manual[round]
end
print(("%d tensors of 4 MB: %.3f s, closed by hand %.3f s: ratio %.2f (median of 7; target 1); peak of tensors %.0f MB "
  .. "(target 120)"):format(large, median(auto), median(manual), median(ratios), agad.memory().peak / 1e6))
print(("%s; load %s"):format(core.processor(), statistics.load()))
