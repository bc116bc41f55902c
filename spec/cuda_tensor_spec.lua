-- Tensors on the GPU, and runs that are equal to the bit there.  Skipped, and said, without a GPU.
-- To add a case: a test that begins as the others here do, so that it is skipped without a GPU.

local agad = require "agad"
local nn, loss = require "agad.nn", require "agad.loss"
local checks = dofile "spec/support/checks.lua"
local small = dofile "spec/support/small_run.lua"
local refused, has = checks.refused, checks.has

local function gpu()
  if agad.devices == 0 then pending(agad.device_note) end
end

local function near(got, expected, bar)
  local e = expected:to "float64"
  assert.is_true(((got:to("cpu", "float64") - e):abs() / (e:abs() + 1)):max():item() <= (bar or 1e-5))
end

describe("tensors on the GPU #gpu", function()
  it("go there and back by name, and say where they are", function()
    gpu()
    local t = agad.tensor {{1, 2}, {3, 4}}
    for _, there in ipairs {t:cuda(), t:to "cuda", t:to "cuda:0", t:to {device = "cuda"}} do
      assert.equal("cuda:0", there.device)
      has(tostring(there), "[float32 2x2 cuda:0]")
      assert.is_true(there:cpu():equal(t) and there:to "cpu":equal(t))
    end
    assert.equal("bfloat16 cuda:0", t:to("cuda", "bf16").dtype .. " " .. t:to("cuda", "bf16").device)
    assert.equal("cuda:0", agad.zeros(2, {device = "cuda"}).device)
    assert.equal("cuda:0", agad.tensor({1, 2}, {device = "cuda"}).device)
    assert.same({{1, 2}, {3, 4}}, t:cuda():totable())
    has(refused(function() return t + t:cuda() end), "device")
    has(refused(t.to, t, "cuda:99"), "there is no device 'cuda:99' here")
  end)

  it("have parts that are read and set", function()
    gpu()
    local c = agad.arange(0, 24, {dtype = "float32"}):reshape(2, 3, 4)
    local g = c:cuda()
    for _, part in ipairs {1, -1, {2, {1, 2}}, {{}, {}, {1, 4, 2}}, {"...", 3}} do near(g[part], c[part], 0) end
    near(g[g:gt(7)], c[c:gt(7)], 0)
    near(g[agad.tensor({1, 0}, {dtype = "int64", device = "cuda"})], c[agad.tensor({1, 0}, "int64")], 0)
    for _, t in ipairs {c, g} do
      t[{1, {2, 3}}] = 7
      t[t:gt(20)] = -1
      t[{2, 1}] = agad.ones(4, {device = t.device})
    end
    near(g, c, 0)
  end)

  it("give the processor's values and gradients", function()
    gpu()
    agad.manual_seed(3)
    local values = {agad.randn(4, 5, {dtype = "float64"}), agad.randn(5, 3, {dtype = "float64"})}
    local function run(device)
      local a, b = values[1]:to(device):requires_grad_(), values[2]:to(device):requires_grad_()
      local y = a:matmul(b):softmax(2):log():pow(2) + (a:sum(2, true) * b:t():mean(2):unsqueeze(1)):tanh()
      y:sum():backward()
      return y:detach(), a.grad, b.grad
    end
    local expected, got = {run "cpu"}, {run "cuda"}
    for i = 1, 3 do near(got[i], expected[i], 1e-12) end
  end)

  it("call hooks and derivatives in Lua where backward was called", function()
    gpu()
    local x = agad.ones(3, {device = "cuda", requires_grad = true})
    local seen, thread = {}, nil
    local cube = agad.differentiable {
      forward = function(c, t) c.t = t return t * t * t end,
      backward = function(c, dy) seen[#seen + 1] = coroutine.running() return 3 * c.t * c.t * dy end,
    }
    local worker = coroutine.create(function()
      thread = coroutine.running()
      local y = cube(x * 2)
      y:register_hook(function(g) seen[#seen + 1] = coroutine.running() return g * 10 end)
      y:sum():backward()
    end)
    local ok, message = coroutine.resume(worker)
    assert.is_true(ok, message)
    assert.same({thread, thread}, seen)
    assert.same({240, 240, 240}, x.grad:totable())                 -- 3 (2x)^2 * 2 * 10
    local y = x * 2
    y:register_hook(function() error "from the hook" end)
    has(refused(function() y:sum():backward() end), "from the hook")
  end)

  it("are counted by device, and freed", function()
    gpu()
    collectgarbage() collectgarbage()
    local before = agad.memory().device["cuda:0"]
    before = before and before.bytes or 0
    local t = agad.zeros(1 << 20, {device = "cuda"})
    assert.equal(before + (4 << 20), agad.memory().device["cuda:0"].bytes)
    t:close()
    assert.equal(before, agad.memory().device["cuda:0"].bytes)
    agad.scope(function() for _ = 1, 20 do agad.zeros(1 << 20, {device = "cuda"}) end end)
    assert.equal(before, agad.memory().device["cuda:0"].bytes)
    for _ = 1, 600 do agad.zeros(1 << 20, {device = "cuda"}) end   -- nobody closes these
    assert.is_true(agad.memory().device["cuda:0"].peak <= 120e6 + before)
  end)

  it("are saved and loaded, drawn by their own generator, and run layers and losses", function()
    gpu()
    local path = os.tmpname()
    local t = agad.rand(3, 4, {device = "cuda"})
    agad.save(path .. ".safetensors", {t = t})
    assert.is_true(agad.load(path .. ".safetensors").t:equal(t:cpu()))
    os.remove(path .. ".safetensors")
    os.remove(path)
    local function draw(seed) return agad.rand({5}, {generator = agad.generator(seed, "cuda"), device = "cuda"}) end
    assert.is_true(draw(4):equal(draw(4)) and not draw(4):equal(draw(5)))
    local conv, x = nn.conv(3, 8, {kernel = 4, stride = 2, padding = 1}), agad.rand(2, 3, 16, 16)
    local y = agad.conv2d(x:cuda(), conv.weight:cuda(), nil, {2, 2}, {1, 1})
    near(y, conv(x), 1e-2)                                         -- cuDNN's float32 may be TF32
    near(loss.context(x:cuda(), x:cuda() * .5), loss.context(x, x * .5))
  end)
end)

describe("a deterministic run on the GPU #gpu", function()
  local folder = os.tmpname()
  os.remove(folder)
  require("agad.base.folder").make(folder)
  teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)
  local quiet = function() end

  local function weights(run)
    local all = {}
    for name, net in pairs(run.nets) do
      for i, p in ipairs(net:params()) do all[name .. i] = p.tensor:cpu():tostring_bytes() end
    end
    return all
  end

  it("gives the same bits twice, and when it was stopped and resumed", function()
    gpu()
    local options = small.with {device = "cuda", net = "naive", epochs = 2}
    local once = agad.trainer(small.task, options):fit(quiet)
    local twice = agad.trainer(small.task, options):fit(quiet)
    assert.same(weights(once), weights(twice))
    local dir, count = folder .. "/stopped", 0
    local run = agad.trainer(small.task, options, {dir = dir})
    run:fit(function(e)
      count = count + (e.kind == "step" and 1 or 0)
      return e.kind == "step" and count == 3 and "stop" or nil
    end)
    run:close()
    local again = agad.trainer(small.task, options, {dir = dir, resume = true}):fit(quiet)
    again:close()
    assert.same(weights(once), weights(again))
    assert.equal(once:evaluate(quiet).auroc, again:evaluate(quiet).auroc)
  end)
end)
