-- What the machine itself can do, measured in the same run as what is compared with it: the product of two matrices by
-- each library that libtorch offers, copying memory, and the call of an operator.

local agad = require "agad"
local core = require "agad.core"
local lfs = require "lfs"
local median = require("agad.bench.statistics").median

local machine = {}
machine.__index = machine

local SIDE, BYTES = {cpu = 1024, cuda = 8192}, {cpu = 1 << 27, cuda = 1 << 30}
local SMALL, TRIES, SLOW = 256, 3, 4          -- a library that is this many times slower than another is left out
local CALLS, CALL_ROUNDS = 3000, 20

--- A function that waits until the device has done what it was given.
-- @param device string
function machine.waiter(device)
  if device == "cpu" then return function() end end
  local mark = agad.zeros({1}, {device = device})
  return function() mark:item() end
end

--- The name of a GPU, as its driver gives it; nil if it does not, or there are GPUs of several kinds.
-- @param device string
function machine.device_name(device)
  local root, found = "/proc/driver/nvidia/gpus", nil
  if device == "cpu" or lfs.attributes(root, "mode") ~= "directory" then return nil end
  for folder in lfs.dir(root) do
    local file = io.open(("%s/%s/information"):format(root, folder))
    local name = file and file:read("a"):match "Model:%s*([^\n]+)"
    if file then file:close() end
    if name and found and name ~= found then return nil end
    found = name or found
  end
  return found
end

-- The libraries' products of matrices of one dtype: name -> function(a, b).
local function libraries(device)
  local list = {["at::mm"] = function(a, b) return a:mm(b) end}
  local linear = device == "cpu" and core.operator "mkldnn::_linear_pointwise"
  if linear then list["oneDNN"] = function(a, b) return linear(a, b, nil, "none", {}, "") end end
  return list
end

local function seconds(self, f)
  self.wait()
  local began = core.clock()
  f():close()
  self.wait()
  return core.clock() - began
end

-- A library's product as something to time; nil if it does not take the dtype.
local function candidate(self, name, product, dtype)
  local function one(side) return agad.rand(side, side, {device = self.device}):to(dtype) end
  local function pair(side) return one(side), one(side) end
  local a, b = pair(SMALL)
  if not pcall(product, a, b) then return nil end
  local best = math.huge
  for _ = 1, TRIES do best = math.min(best, seconds(self, function() return product(a, b) end)) end
  return {name = ("%s, %s"):format(name, dtype), small = best, gflops = {}, prepare = function(c)
    local x, y = pair(self.side)
    c.run = function() return product(x, y) end
  end}
end

local dtypes = {fp32 = {"float32"}, tf32 = {"float32"}, bf16 = {"bfloat16", "float32"}, fp64 = {"float64"}}

--- What can be measured of the machine at a precision, on a device, with the current number of threads.
-- @param precision string fp32, tf32, bf16 (which products in float32 may serve too, where those in bfloat16 are slow)
--   or fp64
-- @param device string
-- @return machine
function machine.new(precision, device)
  local kind = device == "cpu" and "cpu" or "cuda"
  local self = setmetatable({device = device, side = SIDE[kind], wait = machine.waiter(device), gb_per_second = {},
    candidates = {}}, machine)
  local fastest = math.huge
  for _, dtype in ipairs(dtypes[precision]) do
    for name, product in pairs(libraries(device)) do
      local c = candidate(self, name, product, dtype)
      if c then
        self.candidates[#self.candidates + 1] = c
        fastest = math.min(fastest, c.small)
      end
    end
  end
  for i = #self.candidates, 1, -1 do
    local c = self.candidates[i]
    if c.small > SLOW * fastest then table.remove(self.candidates, i) else c:prepare() end
  end
  self.from = agad.zeros({BYTES[kind] // 4}, {device = device})
  self.into = agad.zeros_like(self.from)
  return self
end

--- Measures each product and a copy once more.
function machine:sample()
  for _, c in ipairs(self.candidates) do
    table.insert(c.gflops, 2 * self.side ^ 3 / seconds(self, c.run) / 1e9)
  end
  self.wait()
  local began = core.clock()
  self.into:copy_(self.from)
  self.wait()
  table.insert(self.gb_per_second, 2 * 4 * self.from:numel() / (core.clock() - began) / 1e9)
end

--- The product of matrices by the fastest library: the median of the samples.
-- @return number GFLOP/s, a multiplication and an addition counted as two
-- @return string the library and the dtype
function machine:product()
  local best, by = 0, nil
  for _, c in ipairs(self.candidates) do
    local speed = median(c.gflops)
    if speed > best then best, by = speed, c.name end
  end
  return best, by
end

--- Copying: the median of the samples.
-- @return number GB/s, counting bytes that are read and bytes that are written
function machine:copy() return median(self.gb_per_second) end

--- What the call of an operator costs: an addition of four numbers on the CPU.
-- @return number nanoseconds of processor time
function machine.call_cost()
  local a, b, times = agad.rand(4), agad.rand(4), {}
  local add = agad.add
  for round = 0, CALL_ROUNDS do                            -- round 0 warms up
    local began = os.clock()
    for _ = 1, CALLS do add(a, b) end
    if round > 0 then times[round] = (os.clock() - began) / CALLS * 1e9 end
  end
  return median(times)
end

return machine
