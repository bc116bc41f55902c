-- What Lua costs: `require "agad"`, and one operator call on 4 elements, against at::add in a C++ loop and against
-- a binding written by hand (direct.cpp, compiled here), all in one process and in alternating rounds.
-- To be run by `agad`, which sets the collector and malloc as they are for its users; `lua5.4 overhead.lua` shows
-- what a plain host gets.
-- Usage: overhead.lua [rounds=200] [calls=3000]

local rounds, calls = tonumber(arg[1] or 200), tonumber(arg[2] or 3000)
local build = os.getenv "AGAD_BUILD" or "build"
local statistics = require "agad.bench.statistics"
local median = statistics.median

-- Starts the interpreter `n` times with a chunk that prints its own seconds.
local function start_up(n)
  local lua = os.getenv "AGAD_LUA" or "lua5.4"
  local chunk = [[
    local began = os.clock()
    require "agad"
    print(os.clock() - began)]]
  local wall, cpu = {}, {}
  local core = require "agad.core"
  for i = 1, n do
    local began = core.clock()
    local pipe = assert(io.popen(("%s -e '%s'"):format(lua, chunk)))
    cpu[i] = tonumber(pipe:read "l")
    pipe:close()
    wall[i] = core.clock() - began
  end
  return median(wall), median(cpu)
end

-- Compiles direct.cpp into the build folder unless it is newer already; nil and the reason without a compiler.
local function direct()
  local config = {}
  for line in io.lines(build .. "/config.mk") do
    local key, value = line:match "^([%w_]+) := (.*)$"
    if key then config[key] = value end
  end
  local out = build .. "/bench"
  local command = ("mkdir -p %s && { [ %s/direct.so -nt spec/bench/direct.cpp ] || %s -std=gnu++17 -O2 -fPIC -shared "
    .. "-isystem %s/include %s -o %s/direct.so spec/bench/direct.cpp -L%s/lib -ltorch_cpu -lc10 -Wl,-rpath,%s/lib; }")
    :format(out, out, config.CONFIGURED_CXX or "g++", config.TORCH, config.LUA_CFLAGS or "", out, config.TORCH,
      config.TORCH)
  if not os.execute(command) then return nil, "direct.cpp could not be compiled" end
  local open, reason = package.loadlib(out .. "/direct.so", "luaopen_direct")
  if not open then return nil, reason end
  return open()
end

local wall, cpu = start_up(7)
print(("require \"agad\"           %.3f s (whole process), %.3f s of processor time; target .3"):format(wall, cpu))

local agad = require "agad"
local core = agad.core
core.threads(1)
local handmade, reason = direct()
if not handmade then
  print("the binding by hand is left out: " .. reason)
  return
end

local a, b = agad.rand(4), agad.rand(4)
local c, d = handmade.rand4(), handmade.rand4()
local add = agad.add
local cases = {
  {"C++ at::add", function(n) return handmade.loop(n) end},
  {"by hand: direct.add(a, b)", function(n)
    local f, began = handmade.add, os.clock()
    for _ = 1, n do f(c, d) end
    return os.clock() - began
  end},
  {"agad: add(a, b)", function(n)
    local began = os.clock()
    for _ = 1, n do add(a, b) end
    return os.clock() - began
  end},
  {"agad: a:add(b)", function(n)
    local began = os.clock()
    for _ = 1, n do a:add(b) end
    return os.clock() - began
  end},
  {"agad: a + b", function(n)
    local began = os.clock()
    for _ = 1, n do local _ = a + b end
    return os.clock() - began
  end},
  {"agad: a + 2", function(n)
    local began = os.clock()
    for _ = 1, n do local _ = a + 2 end
    return os.clock() - began
  end},
  {"agad: a:sum({dim = 1})", function(n)
    local began = os.clock()
    for _ = 1, n do a:sum({dim = 1}) end
    return os.clock() - began
  end},
}

local times = {}
for i = 1, #cases do times[i] = {} end
for round = 0, rounds do -- round 0 warms up
  for i, case in ipairs(cases) do
    collectgarbage()
    local t = case[2](round == 0 and 1000 or calls) / calls * 1e6
    if round > 0 then times[i][round] = t end
  end
end

print(("%-28s %8s %12s %14s"):format("4 elements, float32", "us", "/ at::add", "- by hand, us"))
for i, case in ipairs(cases) do
  local ratio, more = {}, {}
  for r = 1, rounds do
    ratio[r], more[r] = times[i][r] / times[1][r], times[i][r] - times[2][r]
  end
  print(("%-28s %8.3f %12.2f %14.3f"):format(case[1], median(times[i]), median(ratio), median(more)))
end
print(("processor time, medians of %d alternating rounds of %d calls; targets: 1.5 x, within .3 us; %s; load %s")
  :format(rounds, calls, core.processor(), statistics.load()))
