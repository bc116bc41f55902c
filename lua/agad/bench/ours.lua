-- One net's training step and scoring, made by the trainer as for any run, on pictures of noise.

local agad = require "agad"
local core = require "agad.core"
local choices = require "agad.train.choices"
local interrupt = require "agad.base.interrupt"
local scorer = require "agad.evaluate.scorer"
local machine = require "agad.bench.machine"
local profile = require "agad.bench.profile"

local ours = {}
ours.__index = ours

local BATCHES = 4                                          -- that steps take in turn
ours.SCORED = 256                                          -- pictures of a scoring pass

local function memory_of(device)
  local name = device == "cuda" and "cuda:0" or device
  return core.memory().device[name]
end

local function noise(n, shape) return (agad.rand(n, table.unpack(shape)) * 255):to "uint8" end

--- Prepares to time a net.
-- @param o table net, batch, precision, device, channels, size, options (further ones of the trainer and the method)
-- @return ours run, macs (multiply-accumulates of a step for each picture of its batch: 6 G + 7 D)
-- @raise as agad.trainer
function ours.new(o)
  collectgarbage()
  collectgarbage()                                         -- frees the tensors of those measured before
  local self = setmetatable({batch = o.batch}, ours)
  local shape = {o.channels, o.size, o.size}
  local set = agad.data.tensors {name = "noise", images = noise(math.max(BATCHES * o.batch, ours.SCORED), shape)}
  local before = {}
  for name, use in pairs(core.memory().device) do before[name] = use.bytes end
  local given = {net = o.net, batch = o.batch, precision = o.precision, device = o.device, holdout = 0}
  for name, v in pairs(o.options or {}) do given[name] = v end
  local run = agad.trainer(agad.task.one_vs_rest(set, {holdout = 0}), given)
  self.run, self.device, self.precision = run, run.device, run.precision
  self.before = before[run.device == "cuda" and "cuda:0" or run.device]
  self.macs = 6 * run.info.generator.macs + 7 * run.info.discriminator.macs
  self.wait = machine.waiter(run.device)
  self.batches, self.next = {}, 0
  for i = 1, BATCHES do self.batches[i] = run:next_batch() end
  self.pictures, self.picture = noise(ours.SCORED, shape), noise(1, shape)
  return self
end

local function one_step(self)
  interrupt.check()
  self.next = self.next % BATCHES + 1
  self.run.step:run(self.batches[self.next], self.batch)
end

--- Runs training steps.
-- @param n integer
-- @return list of milliseconds: of each step on the CPU; on a device, whose work is given to it ahead, the mean
function ours:steps(n)
  local ms = {}
  self.wait()
  local began = core.clock()
  for i = 1, n do
    one_step(self)
    if self.device == "cpu" then
      local now = core.clock()
      ms[i], began = (now - began) * 1e3, now
    end
  end
  self.wait()
  choices.keep(self.run)                                   -- those of the first steps, for other runs too
  if self.device ~= "cpu" then ms[1] = (core.clock() - began) / n * 1e3 end
  return ms
end

--- The most bytes that tensors hold on the device during a step, which must not be the first: weights, averages, Adam's
-- state and the batches too.
-- @return integer
function ours:peak_bytes()
  self.net = nil                                           -- scoring's own tensors
  collectgarbage()
  self.wait()
  core.restart_peak()
  one_step(self)
  self.wait()
  return memory_of(self.device).peak - self.before
end

--- How each convolution of the step is computed: "WHAT: WAY (what each way took)".
-- @return list of texts; empty where nothing is measured: on a device, in deterministic runs, before the first step
function ours:convolutions()
  local list = {}
  for line in (self.run.step:choices() or ""):gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

--- Where the time of training steps goes.
-- @param n integer how many steps
-- @param product number GFLOP/s of the machine's product of matrices
-- @return table see profile.summary
function ours:profile(n, product)
  local step, nets = self.run.step, {}
  for name, net in pairs(self.run.nets) do nets[name] = net:info() end
  one_step(self)                                           -- what was done in between has taken the caches
  step:profile(true)
  for _ = 1, n do one_step(self) end
  local parts = step:profile()
  step:profile(false)
  return profile.summary(parts, nets, n, product)
end

local function passes(self, pictures, n)
  local run, ms = self.run, {}
  self.net = self.net or scorer.net(run:scorer(), run:tensors(true), false,
    {dtype = run.dtype, compute = run.compute, device = run.device})
  for i = 1, n do
    interrupt.check()
    local began = core.clock()
    scorer.score(self.net, pictures, {input = run.method.input, batch = ours.SCORED}):close()
    ms[i] = (core.clock() - began) * 1e3
  end
  return ms
end

--- Scores 256 pictures, which lie in main memory as the scores do then.
-- @param n integer how often
-- @return list of milliseconds
function ours:score(n) return passes(self, self.pictures, n) end

--- Scores one picture, on one thread.
-- @param n integer how often
-- @return list of milliseconds
function ours:latency(n)
  local threads = core.threads()
  core.threads(1)
  local ok, result = pcall(passes, self, self.picture, n)
  core.threads(threads)
  if not ok then error(result, 0) end
  return result
end

return ours
