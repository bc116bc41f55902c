-- Single layers and loss terms: values and gradients against libtorch's operators, shapes, options, what is refused.
-- To add a case: a test that compares a layer with the libtorch operator that it stands for.

local agad = require "agad"
local nn, loss = agad.nn, agad.loss
agad.core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local function largest(t) return t:abs():max():item() end
local double = {dtype = "float64"}

-- A layer and an operator over copies of its tensors give the same, and the same gradients.
local function same(layer, x, operator)
  layer:to {dtype = "float64"}
  local ours = x:detach():clone():requires_grad_()
  local theirs = x:detach():clone():requires_grad_()
  local copies, list = {}, layer:parameters()
  for _, p in ipairs(list) do copies[p.name] = p.tensor:detach():clone():requires_grad_() end
  local y, want = layer(ours), operator(theirs, copies)
  assert.same(want.shape, y.shape)
  assert.is_true(largest(y - want) <= 1e-12)
  local weights = agad.rand_like(y:detach());
  (y * weights):sum():backward();
  (want * weights):sum():backward()
  assert.is_true(largest(ours.grad - theirs.grad) <= 1e-12)
  for _, p in ipairs(list) do assert.is_true(largest(p.tensor.grad - copies[p.name].grad) <= 1e-11, p.name) end
end

describe("a layer", function()
  before_each(function() agad.manual_seed(4) end)

  it("of convolution computes what libtorch's operator does, for pictures of any size", function()
    local c = nn.conv(3, 5, {kernel = {4, 3}, stride = 2, padding = {1, 0}, bias = true})
    assert.same({5, 3, 4, 3}, c.weight.shape)
    for _, size in ipairs {{8, 9}, {12, 7}} do
      same(c, agad.rand(2, 3, size[1], size[2], double),
        function(x, w) return x:conv2d(w.weight, w.bias, {2, 2}, {1, 0}) end)
    end
    same(nn.conv_transpose(3, 4, {kernel = 4, stride = 2, padding = 1}), agad.rand(2, 3, 5, 6, double),
      function(x, w) return x:conv_transpose2d(w.weight, nil, {2, 2}, {1, 1}) end)
  end)

  it("of convolution does so for any channels, kernel, stride and sides", function()   -- some are products of matrices
    local random = math.random
    math.randomseed(11)
    for case = 1, 80 do
      local transposed = case % 2 == 0
      local k, stride = {random(4), random(4)}, {random(3), random(3)}
      local padding = {random(0, k[1] - 1), random(0, k[2] - 1)}
      local more = transposed and {random(0, stride[1] - 1), random(0, stride[2] - 1)} or nil
      local sides = {math.max(random(2, 8), k[1]), math.max(random(2, 8), k[2])}
      local channels = {1, 2, 3, 16, 40, 70}
      local from, to = channels[random(6)], channels[random(6)]
      local layer = nn[transposed and "conv_transpose" or "conv"](from, to, {kernel = k, stride = stride,
        padding = padding, output_padding = more, bias = case % 3 == 0})
      local x = agad.rand(random(4), from, sides[1], sides[2], double) - .5
      if case % 5 > 0 then x = x:contiguous {memory_format = "channels_last"} end
      same(layer, x, function(input, w)
        if transposed then return input:conv_transpose2d(w.weight, w.bias, stride, padding, more) end
        return input:conv2d(w.weight, w.bias, stride, padding)
      end)
    end
  end)

  it("of batch norm uses the batch in training, its statistics in eval", function()
    local b = nn.batch_norm(3)
    same(b, agad.rand(4, 3, 5, 5, double), function(x, w)
      return x:batch_norm(w.weight, w.bias, nil, nil, true, .1, 1e-5, false)
    end)
    assert.is_true(largest(b.running_mean - 0.05) < .02)               -- a tenth of the way to .5
    local mean, var = b.running_mean:clone(), b.running_var:clone()
    b:eval()
    same(b, agad.rand(4, 3, 5, 5, double), function(x, w)
      return x:batch_norm(w.weight, w.bias, mean, var, false, .1, 1e-5, false)
    end)
    assert.equal(0, largest(b.running_mean - mean))
    assert.is_true(b:train().training)
  end)

  it("of a net program takes a number for the kernel of a pool too", function()
    local function info(o) return nn.net(nn.builder({1, 9, 9}):max_pool(o):build "p"):info() end
    assert.same(info {kernel = 3}, info(3))
    assert.same({1, 3, 3}, info(3).layers[1].shape)
  end)

  it("without weights is the operator of its name", function()
    local x = agad.randn(2, 4, 6, 6, double)
    for _, case in ipairs {
      {nn.leaky_relu(.2), function(v) return v:leaky_relu(.2) end}, {nn.relu(), function(v) return v:relu() end},
      {nn.tanh(), function(v) return v:tanh() end}, {nn.sigmoid(), function(v) return v:sigmoid() end},
      {nn.max_pool(), function(v) return v:max_pool2d {kernel_size = {2, 2}} end},
      {nn.max_pool {kernel = 3, stride = 1}, function(v) return v:max_pool2d({3, 3}, {1, 1}) end},
      {nn.max_pool(3), function(v) return v:max_pool2d({3, 3}, {3, 3}) end},
      {nn.avg_pool(3), function(v) return v:avg_pool2d {kernel_size = {3, 3}} end},
      {nn.avg_pool {kernel = 3}, function(v) return v:avg_pool2d {kernel_size = {3, 3}} end},
      {nn.upsample(3), function(v) return v:repeat_interleave(3, 3):repeat_interleave(3, 4) end},
      {nn.identity(), function(v) return v * 1 end}, {nn.flatten(), function(v) return v:reshape {2, -1} end},
    } do same(case[1], x, case[2]) end
    same(nn.tanh(), agad.rand(3, double), function(v) return v:tanh() end)
    assert.same({2, 8, 6, 6}, nn.concat()(x, x).shape)
    assert.same({4, 4, 6, 6}, nn.concat(1)(x, x).shape)
  end)

  it("is linear, with weights within one over the root of its inputs", function()
    local l = nn.linear(16, 3, {seed = 5})
    assert.is_true(largest(l.weight) <= .25 and largest(l.weight) > .2)
    assert.is_true(l.weight:equal(nn.linear(16, 3, {seed = 5}).weight))
    same(l, agad.rand(4, 16, double), function(x, w) return x:matmul(w.weight:t()) + w.bias end)
    assert.is_nil(nn.linear(4, 2, {bias = false}).bias)
  end)

  it("drops in training only", function()
    local d, x = nn.dropout(.5), agad.ones(1000)
    local y = d(x)
    assert.same({0, 2}, {y:min():item(), y:max():item()})
    assert.is_true(d:eval()(x):equal(x))
  end)

  it("may follow others, which train, move and list their weights together", function()
    local net = nn.sequential(nn.conv(1, 4, {padding = 1}), nn.batch_norm(4), nn.relu(), nn.dropout(.9), nn.flatten(),
      nn.linear(64, 2), function(x) return x * 2 end)
    local x = agad.rand(3, 1, 4, 4)
    assert.same({3, 2}, net(x).shape)
    local names = {}
    for i, p in ipairs(net:parameters()) do names[i] = p.name end
    assert.same({"1.weight", "2.bias", "2.weight", "6.bias", "6.weight"}, names)
    net:eval()
    assert.is_true(net(x):equal(net(x)))
    assert.equal("float64", net:to({dtype = "float64"})(x:to "float64").dtype)
    assert.matches("^agad%.nn%.sequential%(agad%.nn%.conv%(1, 4, {padding = 1}%), agad%.nn%.batch_norm%(4%)",
      tostring(net))
  end)

  it("learns: gradient descent on its parameters lowers a loss", function()
    local net = nn.sequential(nn.conv(1, 4, {kernel = 3, init = "uniform", seed = 1}), nn.tanh(), nn.flatten(),
      nn.linear(16, 1, {seed = 2}))
    local x = agad.rand(32, 1, 4, 4)
    local target = x:flatten {start_dim = 2}:mean({dim = {2}, keepdim = true})
    local first, last
    for _ = 1, 200 do
      local l = loss.mse(net(x), target)
      first, last = first or l:item(), l:item()
      l:backward()
      agad.no_grad(function()
        for _, p in ipairs(net:parameters()) do
          p.tensor:add_(p.tensor.grad, {alpha = -0.1})
          p.tensor.grad = nil
        end
      end)
    end
    assert.is_true(last < first / 20, ("%g, then %g"):format(first, last))
  end)

  it("prints the call that makes it", function()
    assert.equal("agad.nn.conv(3, 4, {bias = true, kernel = {3, 2}})",
      tostring(nn.conv(3, 4, {kernel = {3, 2}, bias = true})))
    assert.equal("agad.nn.leaky_relu(0.2)", tostring(nn.leaky_relu(0.2)))
    assert.equal("agad.nn.avg_pool(3)", tostring(nn.avg_pool(3)))
    assert.equal("agad.nn.relu()", tostring(nn.relu()))
    assert.equal("agad.nn.linear(4, 2)", tostring(nn.linear(4, 2, {})))
  end)

  it("refuses what cannot be, in one line", function()
    for _, case in ipairs {
      {function() nn.conv(3, 0) end, "nn.conv: out = 0"}, {function() nn.conv(1.5, 2) end, "channels = 1.5"},
      {function() nn.conv(3, 2, {kernl = 3}) end, "unknown option kernl", "did you mean kernel"},
      {function() nn.conv(3, 2, "x") end, "options must be a table"}, {function() nn.linear(3) end, "outputs = nil"},
      {function() nn.dropout(1) end, "p = 1"}, {function() nn.sequential(nn.relu(), 3) end, "argument 2 is a number"},
      {function() nn.conv(3, 2)(agad.rand(1, 4, 8, 8)) end, "agad.nn.conv(3, 2)", "4 channels, not 3"},
      {function() nn.conv(3, 2)(agad.rand(1, 3, 2, 2)) end, "conv"}, {function() nn.conv(3, 2)(3) end, "not a number"},
      {function() nn.upsample(2)("x") end, "layers_spec", "agad.nn.upsample(2): a tensor is needed, not a string"},
      {function() nn.sequential(nn.relu())() end, "layers_spec", "a tensor is needed, not nil"},
      {function() nn.identity()({}) end, "not a table"}, {function() nn.concat()(agad.ones(2), 3) end, "not a number"},
      {function() nn.upsample(2)(agad.ones(2)) end, "4 dimensions are needed, not 1"},
      {function() local t = agad.ones(2) t:close() nn.relu()(t) end, "layers_spec", "this tensor is closed"},
      {function() nn.conv(3, 2, {kernel = {1, 2, 3}}) end, "layers_spec",
        "kernel = {1, 2, 3}: one or two whole numbers"},
      {function() nn.conv(3, 2, {kernel = {1, 0}}) end, "nn.conv: kernel = 0: it must be at least 1"},
      {function() nn.conv(3) end, "nn.conv: out = nil"}, {function() nn.conv(3, 2, {}, 4) end, "but got 3 arguments"},
      {function() nn.conv(3, 2, {bias = 3}) end, "bias = 3: true or false"},
      {function() nn.conv(3, 2, {init = "zero"}) end, "normal, uniform"},
      {function() nn.batch_norm(3, {eps = -1}) end, "nn.batch_norm: eps = -1: it must be at least 0"},
      {function() nn.max_pool {kernel = 0} end, "nn.max_pool: kernel = 0"},
      {function() nn.leaky_relu(-1) end, "nn.leaky_relu: slope = -1"}, {function() nn.relu(1) end, "must be a table"},
      {function() nn.avg_pool {kernel = "x"} end, "nn.avg_pool: kernel"},
      {function() nn.linear(3, 2, {bias = 3}) end, "nn.linear: bias = 3"},
      {function() nn.upsample(0) end, "factor = 0"}, {function() nn.max_pool {size = 2} end, "unknown option size"},
    } do has(refused(case[1]), table.unpack(case, 2)) end
    assert.is_nil(nn.no_such_layer)
  end)
end)

describe("loss terms by their names in the paper", function()
  local a, b = agad.rand(4, 6, double), agad.rand(4, 6, double)

  it("are Eq. 5 to 8", function()
    assert.near((a - b):abs():mean():item(), loss.context(a, b):item(), 1e-15)
    assert.near((a - b):abs():mean():item(), loss.adversarial_context(a, b):item(), 1e-15)
    assert.near((a - b):square():mean():item(), loss.latent(a, b):item(), 1e-15)
    assert.near((a - b):square():sum(2):sqrt():mean():item(), loss.latent(a, b, "l2"):item(), 1e-15)
    assert.near((a:neg():exp() + 1):log():mean():item(), loss.adversarial(a):item(), 1e-15)
    assert.near(loss.bce(a, 1):item() + loss.bce(b, 0):item(), loss.discriminator(a, b):item(), 1e-15)
    assert.near(1 / (loss.context(a, b):item() + 1e-3), loss.reciprocal(loss.context(a, b)):item(), 1e-12)
    has(refused(loss.latent, a, b, "l3"), "l3")
    has(refused(loss.l2_rows, a, agad.rand(2)), "shape")
  end)

  it("have the gradients of their formulas", function()
    for name, f in pairs {l2_rows = loss.l2_rows, latent = loss.latent, context = loss.context,
      reciprocal = function(x, y) return loss.reciprocal(loss.latent(x, y)) end, adversarial = loss.adversarial,
      discriminator = loss.discriminator} do
      assert.is_true(agad.gradcheck(f, name == "adversarial" and {a} or {a, b}), name)
    end
  end)
end)
