-- The training step against PyTorch's stored losses (spec/bench/reference.py) and against its own reference over
-- autograd.
-- To add a case: a configuration in spec/bench/reference.py, which stores PyTorch's losses; the tests follow the file.

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
local function fill(nets, case, seed)
  agad.manual_seed(seed)
  for _, net in ipairs(nets) do
    for _, p in ipairs(net:params()) do
      local n, of_norm, bias = p.tensor:numel(), p.name:find "batch_norm", p.name:find "%.bias$"
      local spread = reference.spread
      if case.norm == "none" and not bias then spread = math.sqrt(6 / (n // p.tensor:size(1))) end
      if not (of_norm and bias) then
        local w = (agad.rand(n, {dtype = "float64"}) * 2 - 1) * spread
        net:set(p.name, (of_norm and w + 1 or w):reshape(p.tensor.shape))
      end
    end
  end
end

local function batches(count, case, seed)
  agad.manual_seed(seed)
  local list, rows, channels = {}, case.batch, case.channels
  for i = 1, count do
    list[i] = (agad.rand(rows * channels * 32 * 32, {dtype = "float64"}) * 2 - 1):reshape {rows, channels, 32, 32}
  end
  return list
end

local function new_run(method_name, case, o, seed)
  local methods = require "agad.train.method"
  local method = methods.load(method_name)
  local given = {net = case.net, width = case.width, norm = case.norm}
  local options = require "agad.options"
  local opts = options.select(options.resolve(method, given), "method")
  local programs = method.nets(opts, {case.channels, 32, 32})
  local nets = {}
  for name, program in pairs(programs) do
    nets[name] = nn.net(program, {dtype = o.dtype, layout = o.layout})
    for _, p in ipairs(nets[name]:buffers()) do
      nets[name]:set(p.name, p.tensor * 0 + (p.name:find "var" and 1 or 0))
    end
  end
  fill({nets.generator, nets.discriminator}, case, seed)
  local step = core.step(method.name, methods.encode(method, opts), method.family)
  step:add_net("generator", nets.generator)
  step:add_net("discriminator", nets.discriminator)
  local adam = {lr = 2e-4, beta1 = 0.5, beta2 = 0.999, eps = 1e-8, weight_decay = 0, clip = 0, accumulate = 1}
  step:add_update("generator", {"generator"}, adam)
  step:add_update("discriminator", {"discriminator"}, adam)
  for _, stage in ipairs(method.phases[1].step) do
    if type(stage) == "string" then step:add_stage(stage) else step:add_stage(stage[1], stage[2]) end
  end
  step:guard("discriminator", 1e-5, true, 3)
  step:set_state(require("agad.train.state").new(step, nets, opts))
  return step, nets
end

local names = {generator = "G", discriminator = "D", adv_anom = "adv_a", adcon_anom = "adcon_a", lat_anom = "lat_a"}

local wide, narrow = {dtype = "float64", layout = "nchw"}, {dtype = "float32", layout = "channels_last"}

-- The largest relative deviation of any loss over the first `count` steps from PyTorch's in float64; after all steps,
-- of any parameter's sum too, relative to the sum of its absolute values.
local function deviation(case, method, o, count)
  local step, nets = new_run(method, case, o, reference.weight_seed)
  local worst, where = 0, "none"
  local function note(off, name, i)
    assert.equal(off, off)                                                -- no NaN
    if off > worst then worst, where = off, ("%s in step %d"):format(name, i) end
  end
  for i, x in ipairs(batches(count, case, reference.batch_seed)) do
    step:run(x:to(o.dtype), case.batch - (case.anomalies or 0))
    local compared = 0
    for name, value in pairs(step:losses()) do
      local stored = case.float64[names[name] or name]
      if stored then
        if name:find "_anom$" then value = 1 / (value + 1e-3) end   -- stored as the addend of L_a
        note(math.abs(value - stored[i]) / math.abs(stored[i]), name, i)
        compared = compared + 1
      end
    end
    local wanted = 0
    for _ in pairs(case.float64) do wanted = wanted + 1 end
    assert.equal(wanted, compared)
  end
  if case.sum_after and count == #case.float64.G then
    local place = 0
    for _, net in ipairs {nets.generator, nets.discriminator} do
      for _, p in ipairs(net:params()) do
        place = place + 1
        note(math.abs(p.tensor:sum():item() - case.sum_after[place]) / case.abs_sum_after[place], p.name, count)
      end
    end
    assert.equal(#case.sum_after, place)
  end
  return worst, where
end

local function check(bar, ...)
  local worst, where = deviation(...)
  assert.is_true(worst <= bar, ("%.3g at %s"):format(worst, where))
end

-- Both nets' gradients in the first step, as lists of float64 tensors.
local function first_gradients(case, seeds, o)
  local step = new_run("agad", case, o, seeds[1])
  step:begin(batches(1, case, seeds[2])[1]:to(o.dtype), case.batch - case.anomalies)
  local found, stage = {}, nil
  local function until_after(last, name)
    stage = stage or 1
    repeat
      local ran = step:run_stage(stage)
      stage = stage + 1
    until ran == last
    found[name] = {}
    for i, g in ipairs(step:gradients(name)) do found[name][i] = g:to("float64"):clone() end
  end
  until_after("generator_loss", "generator")
  until_after("discriminator_loss", "discriminator")
  return found
end

local function norm(list)
  local sum = 0
  for _, t in ipairs(list) do sum = sum + (t * t):sum():item() end
  return math.sqrt(sum)
end

-- For each pair of seeds, how far float32's gradient is from float64's, as a multiple of the same in PyTorch.
local function distances(case)
  local ratios = {generator = {}, discriminator = {}}
  for k, seeds in ipairs(reference.gradient_seeds) do
    local exact, rough = first_gradients(case, seeds, wide), first_gradients(case, seeds, narrow)
    for name, list in pairs(ratios) do
      local size, difference = norm(exact[name]), {}
      local stored = case.gradients["norm_" .. name][k]
      assert.near(stored, size, 1e-10 * stored)                           -- PyTorch's float64 gradient is ours
      for i, g in ipairs(exact[name]) do difference[i] = rough[name][i] - g end
      list[k] = norm(difference) / size / case.gradients["distance_" .. name][k]
    end
  end
  return ratios
end

describe("the training step", function()
  local quick = {nc1_gamma0 = 1, nc1_anomalies = 2, unet = 1}
  for name, case in pairs(reference.agad.cases) do
    local count = quick[name]
    if count then
      it(("equals PyTorch in float64: %s, first %d steps"):format(name, count), function()
        check(1e-10, case, "agad", wide, count)
      end)
    end
    it(("equals PyTorch in float64: %s, 20 steps and the weights after them #slow"):format(name), function()
      check(1e-10, case, "agad", wide, 20)
    end)
    it(("in float32 equals PyTorch in float64, first step: %s"):format(name), function()
      check(1e-5, case, "agad", narrow, 1)
    end)
    local reference_steps = name == "nc1_anomalies" and 20 or 3
    it(("the reference over autograd equals PyTorch too: %s, %d steps #slow"):format(name, reference_steps), function()
      check(1e-10, case, "agad_reference", wide, reference_steps)
    end)
    if case.gradients then
      it(("in float32 has gradients as near float64's as PyTorch's are: %s #slow"):format(name), function()
        for net, list in pairs(distances(case)) do
          table.sort(list)
          assert.is_true(list[3] <= 1.5, ("%s: %.2f times as far, of five seeds"):format(net, list[3]))
        end
      end)
    end
  end

  it("of GANomaly equals PyTorch in float64, first 5 steps", function()
    check(1e-10, reference.ganomaly.cases.nc1, "ganomaly", wide, 5)
  end)
  it("of GANomaly equals PyTorch in float64, 20 steps #slow", function()
    check(1e-10, reference.ganomaly.cases.nc1, "ganomaly", wide, 20)
  end)
  it("of GANomaly in float32 equals PyTorch in float64, first step", function()
    check(1e-5, reference.ganomaly.cases.nc1, "ganomaly", narrow, 1)
  end)
end)
