-- The GPU against the CPU: the training step, a whole run (own operators: kernels_spec.lua).  Skipped, and
-- said, without a GPU.
-- To add a case: a test that begins with gpu(), and compares with the CPU.

local agad = require "agad"
local core = require "agad.core"

local function gpu()
  if agad.devices == 0 then pending(agad.device_note) end
end

describe("training on the GPU #gpu", function()
  local task
  local small = {net = "naive", epochs = 2, batch = 32, min_anom = 4, seed = 5, precision = "fp32"}

  local function run(device)
    task = task or agad.task.one_vs_rest(agad.data.weave {train_normals = 120, train_defects = 20, test_normals = 20,
      test_defects = 25}, {gamma = .05})
    local o = {device = device}
    for key, value in pairs(small) do o[key] = value end
    return agad.trainer(task, o)
  end

  local function one_step(r, device)
    local rows, n_normal = r.sampler:next()
    local x = core.batch(task.train.images, rows, -1, 1, {dtype = "float32", device = device})
    r.step:run(x, n_normal)
    return r
  end

  -- The losses of the first step: the same weights and the same pictures, drawn from the same seed.
  local function first_losses(device) return one_step(run(device), device).step:losses() end

  it("gives the CPU's losses in the first step, float32", function()
    gpu()
    local expected, got = first_losses "cpu", first_losses "cuda"
    local count = 0
    for name, value in pairs(expected) do
      count = count + 1
      local off = math.abs(got[name] - value) / math.abs(value)
      assert(off <= 1e-4, ("%s: %g on the GPU, %g on the CPU, %g apart"):format(name, got[name], value, off))
    end
    assert.is_true(count >= 10)
  end)

  it("moves weights by Muon as the CPU does, float64", function()
    gpu()
    agad.manual_seed(5)
    local x = agad.rand({4, 1, 16, 16}, {dtype = "float64"})
    local function moved(device)
      local program = agad.nn.program("unet", {1, 16, 16}, {width = 4})
      local n = agad.nn.net(program, {dtype = "float64", device = device}):init(3)
      local step, weights = core.step("made_up", "{}", "made_up"), {}
      step:add_net("g", n)
      step:add_update("g", {"g"}, {lr = 1e-2, beta1 = .9, beta2 = .99, eps = 1e-8, weight_decay = .1, clip = 1,
        accumulate = 1, optimiser = "muon"})
      step:add_stage("fit", function(s) s:backward("g", s.net.g(s.x):square():mean()) end)
      step:add_stage "g_update"
      step:set_state(require("agad.train.state").new(step, {g = n}, {}))
      for _ = 1, 2 do step:run(x:to {device = device}, 4) end
      for i, p in ipairs(n:params()) do weights[i] = p.tensor:detach():to {device = "cpu"} end
      return weights
    end
    local expected = moved "cpu"
    for i, weight in ipairs(moved "cuda") do
      assert.is_true((weight - expected[i]):abs():max():item() < 1e-8, tostring(i))
    end
  end)

  it("is divided into parts that are waited for", function()
    gpu()
    local r, seconds, layers = one_step(run "cuda", "cuda"), 0, 0
    r.step:profile(true)
    local began = core.clock()
    one_step(r, "cuda")
    local passed = core.clock() - began
    for _, part in ipairs(r.step:profile()) do
      seconds, layers = seconds + part.seconds, layers + (part.layer and part.work == "forward" and 1 or 0)
    end
    assert.is_true(seconds > 0 and seconds <= passed, ("%g of %g s"):format(seconds, passed))
    assert.equal(#r.nets.generator:info().layers + #r.nets.discriminator:info().layers, layers)
  end)

  it("trains, evaluates and saves a model that opens on the CPU", function()
    gpu()
    local quiet = function() end
    local r = run("cuda"):fit(quiet)
    local row = r:evaluate(quiet)
    assert.matches("^cuda", row.device)
    assert.is_true(row.auroc >= 0 and row.auroc <= 1)
    local path = os.tmpname()
    r:save(path)
    local model = agad.model.open(path)
    os.remove(path)
    local scores = model:score(task.set.test.images:narrow(1, 1, 4))
    assert.are.equal(4, #scores)
    for _, s in ipairs(scores) do assert.is_true(s.score > 0 and s.score < math.huge) end
  end)
end)
