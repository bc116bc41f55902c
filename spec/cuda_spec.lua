-- The GPU against the CPU: agad::bn_act, the training step, a whole run.  Skipped, and said, without a GPU.

local agad = require "agad"
local core = require "agad.core"

local function gpu()
  if agad.devices == 0 then pending(agad.device_note) end
end

-- The largest difference, relative to the larger of 1 and the expected size.
local function distance(got, expected)
  local e = expected:to {dtype = "float64"}
  local d = (got:cpu():to {dtype = "float64"} - e):abs() / (e:abs() + 1)
  return d:max():item()
end

describe("agad::bn_act on the GPU #gpu", function()
  local bars = {float64 = 1e-12, float32 = 1e-5, bfloat16 = 1e-2}

  -- N, C, H, W: few and many channels, ragged tiles, one row a channel, more rows than one block takes
  local shapes = {{2, 3, 4, 4}, {4, 40, 8, 8}, {3, 33, 5, 7}, {64, 5, 1, 1}, {16, 3, 64, 64}, {8, 256, 4, 4}}

  local function case(shape, dtype, last, training, slope)
    local n, c, h, w = table.unpack(shape)
    local vectors = dtype == "float64" and "float64" or "float32"
    agad.manual_seed(7)
    local x = agad.randn(n, c, h, w, {dtype = "float64"}) * 2 + 3
    local dy = agad.randn(n, c, h, w, {dtype = "float64"})
    x, dy = x:to {dtype = dtype}, dy:to {dtype = dtype}
    if last then
      x, dy = x:contiguous {memory_format = "channels_last"}, dy:contiguous {memory_format = "channels_last"}
    end
    local function vector(from, to)
      return (agad.rand(c, {dtype = "float64"}) * (to - from) + from):to {dtype = vectors}
    end
    local weight, bias = vector(-1, 1), vector(-1, 1)
    local running_mean, running_var = vector(-1, 1), vector(.5, 1.5)
    local device_mean, device_var = running_mean:cuda(), running_var:cuda()

    local y, mean, invstd = agad.bn_act(x, weight, bias, running_mean, running_var, training, .1, 1e-5, slope)
    local gy, gmean, ginvstd =
      agad.bn_act(x:cuda(), weight:cuda(), bias:cuda(), device_mean, device_var, training, .1, 1e-5, slope)
    local dx, dweight, dbias = agad.bn_act_backward(dy, x, weight, bias, mean, invstd, training, slope)
    local gdx, gdweight, gdbias = agad.bn_act_backward(dy:cuda(), x:cuda(), weight:cuda(), bias:cuda(),
      mean:cuda(), invstd:cuda(), training, slope)

    local bar = bars[dtype]
    local statistics = dtype == "float64" and 1e-12 or 1e-5
    for name, pair in pairs {
      y = {gy, y, bar}, dx = {gdx, dx, bar},
      dweight = {gdweight, dweight, bar}, dbias = {gdbias, dbias, bar},
      mean = {gmean, mean, statistics}, invstd = {ginvstd, invstd, statistics},
      running_mean = {device_mean, running_mean, statistics}, running_var = {device_var, running_var, statistics},
    } do
      local d = distance(pair[1], pair[2])
      assert(d <= pair[3], ("%s: %g apart, %g allowed (%s, %dx%dx%dx%d, channels_last %s, training %s, slope %g)")
        :format(name, d, pair[3], dtype, n, c, h, w, last, training, slope))
    end
  end

  for _, dtype in ipairs {"float64", "float32", "bfloat16"} do
    it("equals the CPU's: " .. dtype, function()
      gpu()
      for _, shape in ipairs(shapes) do
        for _, last in ipairs {false, true} do
          for _, training in ipairs {true, false} do
            for _, slope in ipairs {0, .2, 1} do case(shape, dtype, last, training, slope) end
          end
        end
      end
    end)
  end

  it("gives the same bits twice", function()
    gpu()
    local x = agad.randn(32, 64, 16, 16):cuda()
    local w, b = agad.rand(64):cuda(), agad.rand(64):cuda()
    local one, mean, invstd = agad.bn_act(x, w, b, nil, nil, true, .1, 1e-5, .2)
    local two = agad.bn_act(x, w, b, nil, nil, true, .1, 1e-5, .2)
    assert.are.equal(0, (one - two):abs():max():item())
    local _, dw1 = agad.bn_act_backward(one, x, w, b, mean, invstd, true, .2)
    local _, dw2 = agad.bn_act_backward(one, x, w, b, mean, invstd, true, .2)
    assert.are.equal(0, (dw1 - dw2):abs():max():item())
  end)

  it("takes a view as its contiguous copy", function()
    gpu()
    local x = agad.randn(4, 8, 6, 6):cuda()
    local w, b = agad.rand(8):cuda(), agad.rand(8):cuda()
    local view = x:transpose(3, 4)
    local a = agad.bn_act(view, w, b, nil, nil, true, .1, 1e-5, 0)
    local c = agad.bn_act(view:contiguous(), w, b, nil, nil, true, .1, 1e-5, 0)
    assert.are.equal(0, (a - c):abs():max():item())
  end)

  it("refuses what the kernels cannot take, in one line", function()
    gpu()
    local x = agad.randn(4, 8, 6, 6):cuda()
    local w, b = agad.rand(8):cuda(), agad.rand(8):cuda()
    assert.has_error(function() agad.bn_act(x, agad.rand(7):cuda(), b, nil, nil, true, .1, 1e-5, 0) end)
    assert.has_error(function() agad.bn_act(x, agad.rand(8), b, nil, nil, true, .1, 1e-5, 0) end)
    assert.has_error(function() agad.bn_act(x, w, b, nil, nil, false, .1, 1e-5, 0) end)
    assert.has_error(function() agad.bn_act(x:to {dtype = "float16"}, w, b, nil, nil, true, .1, 1e-5, 0) end)
  end)
end)

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

  -- The losses of the first step: the same weights and the same pictures, drawn from the same seed.
  local function first_losses(device)
    local r = run(device)
    local rows, n_normal = r.sampler:next()
    local x = core.batch(task.train.images, rows, -1, 1, {dtype = "float32", device = device})
    r.step:run(x, n_normal)
    return r.step:losses()
  end

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
