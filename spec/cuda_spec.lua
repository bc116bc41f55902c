-- agad::bn_act on the GPU against the CPU operator.  Skipped, and said, without a GPU.

local agad = require "agad"

local function gpu()
  if not agad.cuda_available() then pending "no GPU" end
end

-- The largest difference, relative to the larger of 1 and the expected size.
local function distance(got, expected)
  local e = expected:double()
  local d = (got:cpu():double() - e):abs() / (e:abs() + 1)
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
