-- The training step against PyTorch's stored losses (spec/bench/reference.py) and against its own reference over
-- autograd.

local agad = require "agad"
local core = require "agad.core"
local nn = require "agad.nn"

local function read_reference()
  local file = assert(io.open "spec/data/reference.json")
  local text = file:read "a"
  file:close()
  return core.json_decode(text)
end

local reference = read_reference()

-- Start weights and batches as reference.py draws them: uniform numbers of the seeded default generator.
local function fill(nets)
  agad.manual_seed(reference.weight_seed)
  for _, net in ipairs(nets) do
    for _, p in ipairs(net:params()) do
      local n, kind = p.tensor:numel(), p.name:match "%.(%a+)$"
      if kind == "weight" then
        local w = (agad.rand(n, {dtype = "float64"}) * 2 - 1) * reference.spread
        if p.tensor:dim() == 1 then w = w + 1 end
        net:set(p.name, w:reshape(p.tensor.shape))
      end
    end
  end
end

local function batches(count, rows, channels)
  agad.manual_seed(reference.batch_seed)
  local list = {}
  for i = 1, count do
    list[i] = (agad.rand(rows * channels * 32 * 32, {dtype = "float64"}) * 2 - 1):reshape {rows, channels, 32, 32}
  end
  return list
end

local function new_run(method_name, channels, o)
  local method = require("agad.method").load(method_name)
  local opts = require("agad.options").select(require("agad.options").resolve(method, {}), "method")
  local programs = method.nets(opts, {channels, 32, 32})
  local nets = {}
  for name, program in pairs(programs) do
    nets[name] = nn.net(program, {dtype = o.dtype, layout = o.layout})
    for _, p in ipairs(nets[name]:buffers()) do
      nets[name]:set(p.name, p.tensor * 0 + (p.name:find "var" and 1 or 0))
    end
  end
  fill {nets.generator, nets.discriminator}
  local step = core.step(core.json_encode(opts))
  step:add_net("generator", nets.generator)
  step:add_net("discriminator", nets.discriminator)
  local adam = {lr = 2e-4, beta1 = 0.5, beta2 = 0.999, eps = 1e-8}
  step:add_update("generator", {"generator"}, adam)
  step:add_update("discriminator", {"discriminator"}, adam)
  for _, stage in ipairs(method.phases[1].step) do
    if type(stage) == "string" then step:add_stage(method.name, stage)
    else step:add_stage(method.name, stage[1], stage[2]) end
  end
  step:guard("discriminator", 1e-5, 3)
  step:set_state(require("agad.state").new(step, nets, opts))
  return step, nets
end

local names = {generator = "G", discriminator = "D", adv_anom = "adv_a", adcon_anom = "adcon_a", lat_anom = "lat_a"}

-- The largest relative deviation of any loss over the first `count` steps.
local function deviation(case, method, o, count)
  local anomalies = case.anomalies or 0
  local step = new_run(method, case.channels, o)
  local worst, where = 0, "none"
  for i, x in ipairs(batches(count, case.batch, case.channels)) do
    step:run(x:to(o.dtype), case.batch - anomalies)
    local want = o.dtype == "float64" and case.float64 or case.float32_first_step
    for name, value in pairs(step:losses()) do
      local stored = want[names[name] or name]
      if type(stored) == "table" then stored = stored[i] end
      if stored then
        if name:find "_anom$" then value = 1 / (value + 1e-3) end   -- stored as the addend of L_a
        local off = math.abs(value - stored) / math.abs(stored)
        if off > worst then worst, where = off, ("%s in step %d"):format(name, i) end
      end
    end
  end
  return worst, where
end

describe("the training step", function()
  local quick = {nc1_gamma0 = 3, nc1_anomalies = 3}
  for name, case in pairs(reference.agad.cases) do
    local count = quick[name]
    if count then
      it(("equals PyTorch in float64: %s, first %d steps"):format(name, count), function()
        local worst, where = deviation(case, "agad", {dtype = "float64", layout = "nchw"}, count)
        assert.is_true(worst <= 1e-10, ("%.3g at %s"):format(worst, where))
      end)
    end
    it(("equals PyTorch in float64: %s, 20 steps #slow"):format(name), function()
      local worst, where = deviation(case, "agad", {dtype = "float64", layout = "nchw"}, 20)
      assert.is_true(worst <= 1e-10, ("%.3g at %s"):format(worst, where))
    end)
    it(("equals PyTorch in float32, first step: %s"):format(name), function()
      local worst, where = deviation(case, "agad", {dtype = "float32", layout = "channels_last"}, 1)
      assert.is_true(worst <= 1e-5, ("%.3g at %s"):format(worst, where))
    end)
    local reference_steps = name == "nc1_anomalies" and 20 or 3
    it(("the reference over autograd equals PyTorch too: %s, %d steps #slow"):format(name, reference_steps), function()
      local worst, where = deviation(case, "agad_reference", {dtype = "float64", layout = "nchw"}, reference_steps)
      assert.is_true(worst <= 1e-10, ("%.3g at %s"):format(worst, where))
    end)
  end

  it("of GANomaly equals PyTorch in float64", function()
    local case = reference.ganomaly.cases.nc1
    case.channels, case.batch = case.channels or 1, case.batch or 4
    local worst, where = deviation(case, "ganomaly", {dtype = "float64", layout = "nchw"}, 5)
    assert.is_true(worst <= 1e-10, ("%.3g at %s"):format(worst, where))
  end)
end)
