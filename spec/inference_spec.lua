-- Inference: passes that keep nothing, with running statistics, are computed by convolutions that hold their kernels
-- ready, with the batch norm and the activation that follow in the same pass (csrc/net/inference.h). They are held
-- against the same nets layer by layer, which is how a pass is computed that a backward may follow.
-- To add a case: a line in `layers` or `nets`.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local core = agad.core
local luv = require "luv"
local nn = agad.nn
local refused, has = checks.refused, checks.has

-- Weights of a size that makes every layer count; statistics that are not 0 and 1.
local function fill(net)
  for _, p in ipairs(net:params()) do
    local t = p.tensor
    local norm = #t.shape == 1 and p.name:find "weight"
    local size = #t.shape == 4 and (1 / (t.shape[2] * t.shape[3])) ^ .5 or .3
    net:set(p.name, norm and agad.rand(t.shape) + .5 or agad.randn(t.shape) * size)
  end
  for _, p in ipairs(net:buffers()) do
    net:set(p.name, p.name:find "var" and agad.rand(p.tensor.shape) + .5 or agad.randn(p.tensor.shape) * .3)
  end
  return net
end

local function input(program, rows) return agad.rand({rows, table.unpack(program.input)}) * 2 - 1 end

local running = {bn = "running"}
local function ready(net, x, groups) return {agad.no_grad(net, x, groups or running)} end
local function layer_by_layer(net, x, groups) return {net(x, groups or running)} end

-- |a - b| / |b|: single numbers of a random net that is not trained amplify rounding.
local function apart(a, b)
  a, b = a:to "float64", b:to "float64"
  return ((a - b):pow(2):sum() / b:pow(2):sum()):sqrt():item()
end

local function hold(bar, got, want, what)
  assert.equal(#want, #got)
  for i, w in ipairs(want) do
    assert.same(w.shape, got[i].shape)
    assert.equal(w.dtype, got[i].dtype)
    local d = apart(got[i], w:detach())
    assert.is_true(d <= bar, ("%s, output %d: %g apart, %g allowed"):format(what, i, d, bar))
  end
end

local layers = {
  {"conv", {kernel = 3, padding = 1}}, {"conv_transpose", {kernel = 3, padding = 1}},
  {"conv", {kernel = 4, stride = 2, padding = 1}}, {"conv_transpose", {kernel = 4, stride = 2, padding = 1}},
  {"conv", {kernel = 1}}, {"conv", {kernel = 1, stride = 2}}, {"conv_transpose", {kernel = 2, stride = 2}},
  {"conv_transpose", {kernel = 2, stride = 2, output_padding = 1}}, {"conv", {kernel = {2, 3}, padding = {1, 3}}},
  {"conv", {kernel = 5, stride = {2, 3}, padding = 2}}, {"conv_transpose", {kernel = {3, 4}, stride = {2, 1}}},
  {"conv_transpose", {kernel = 4, stride = 2, padding = 1, output_padding = 1}}, {"conv", {kernel = 4, padding = 6}},
}
-- From, to, height, width, pictures.
local shapes = {
  {3, 20, 6, 9, 2}, {16, 16, 8, 8, 1}, {33, 3, 5, 4, 3}, {17, 48, 4, 4, 1}, {64, 2, 9, 7, 1}, {20, 33, 12, 13, 5},
}

describe("A convolution with its kernel kept ready", function()
  it("gives what the layers give one by one, alone and with bias, batch norm and activation", function()
    agad.manual_seed(1)
    for _, layer in ipairs(layers) do
      for i, s in ipairs(shapes) do
        local b = nn.builder {s[1], s[3], s[4]}
        local o = {bias = i % 2 == 0}
        for key, value in pairs(layer[2]) do o[key] = value end
        local bare = b.x[layer[1]](b.x, s[2], o)
        local normed = b.x[layer[1]](b.x, s[2], o):batch_norm {affine = i % 3 > 0}
        local bent = b.x[layer[1]](b.x, s[2], o):leaky_relu(.2)
        local both = b.x[layer[1]](b.x, s[2], o):batch_norm():relu()
        local program = both:build("one", {{"bare", bare}, {"normed", normed}, {"bent", bent}, {"both", both}})
        local net, x = fill(nn.net(program)), input(program, s[5])
        hold(1e-5, ready(net, x), layer_by_layer(net, x), ("%s of %s, case %d"):format(layer[1],
          table.concat(type(o.kernel) == "table" and o.kernel or {o.kernel}, " x "), i))
      end
    end
  end)

  it("gives each picture the same bits, whatever else is in the batch", function()
    agad.manual_seed(2)
    local b = nn.builder {16, 8, 8}
    local down = b.x:conv(24, {kernel = 4, stride = 2, padding = 1}):batch_norm():relu()
    local program = down:conv_transpose(16, {kernel = 2, stride = 2}):conv(16, {kernel = 3, padding = 1}):relu()
      :conv(5, {kernel = 5}):build "several"
    local net, x = fill(nn.net(program)), input(program, 40)
    local all = ready(net, x)[1]
    for _, range in ipairs {{1, 2}, {7, 33}, {40, 40}, {2, 39}} do
      local rows = range[2] - range[1] + 1
      local some = ready(net, x:narrow(1, range[1], rows))[1]
      if rows > 1 then assert.is_true(some:equal(all:narrow(1, range[1], rows)))
      else assert.is_true(apart(some, all:narrow(1, range[1], rows)) < 1e-5) end
    end
  end)
end)

local unet = {width = 8}
local nets = {
  {"naive"}, {"naive", {norm = "none"}}, {"unet", unet}, {"unet", {width = 8, norm = "none"}}, {"unet++", unet},
  {"unet++", {width = 8, norm = "none"}}, {"discriminator"}, {"discriminator", {norm = "none", latent = "embedding"}},
  {"ganomaly"}, {"lenet", {kind = "cifar10", part = "encoder"}}, {"lenet", {kind = "mnist", part = "decoder"}},
  {"lenet", {kind = "fashion_mnist", part = "classifier"}}, {"skip_ganomaly", {part = "generator"}},
  {"skip_ganomaly", {part = "discriminator"}},
}

describe("A net without a backward", function()
  for _, case in ipairs(nets) do
    local name, o = case[1], case[2] or {}
    local words = {name}
    for _, key in ipairs {"part", "norm", "kind"} do words[#words + 1] = o[key] end
    it("gives what its layers give one by one: " .. table.concat(words, " "), function()
      agad.manual_seed(3)
      local program = nn.program(name, {3, 32, 32}, o)
      local net, double = fill(nn.net(program)), nn.net(program, {dtype = "float64"})
      for _, list in ipairs {net:params(), net:buffers()} do
        for _, p in ipairs(list) do double:set(p.name, p.tensor) end
      end
      luv.os_setenv("AGAD_PLAIN", "1")                    -- read when a net is made
      local plain = nn.net(program)
      luv.os_unsetenv "AGAD_PLAIN"
      for _, list in ipairs {net:params(), net:buffers()} do
        for _, p in ipairs(list) do plain:set(p.name, p.tensor) end
      end
      for _, rows in ipairs {1, 5} do
        local x = input(program, rows)
        hold(1e-5, ready(net, x), layer_by_layer(net, x), "layer by layer")
        hold(1e-5, ready(net, x), ready(plain, x), "stock operators")
        for i, y in ipairs(ready(double, x)) do assert.is_true(y:equal(layer_by_layer(double, x)[i])) end
      end
    end)
  end

  it("follows each row group's batch norms: of the batch, running, bypassed, and the second set", function()
    agad.manual_seed(4)
    local program = nn.with_second_norms(nn.program("unet", {3, 32, 32}, unet))
    local net, x = fill(nn.net(program)), input(program, 6)
    local first, second = ready(net, x)[1], ready(net, x, {bn = "running", set = 2})[1]
    assert.is_true(apart(first, second) > .01)
    local cases = {
      {bn = "running", set = 2}, {bn = "batch", track = false}, {bn = "bypass"},
      {{bn = "running", rows = 2}, {first = 3, bn = "running"}},
      {{bn = "running", rows = 2}, {first = 3, bn = "running", set = 2}},
      {{bn = "running", rows = 2}, {first = 3, bn = "bypass"}},
    }
    for i, groups in ipairs(cases) do
      hold(1e-5, ready(net, x, groups), layer_by_layer(net, x, groups), "case " .. i)
    end
    assert.is_true(ready(net, x)[1]:equal(first))
  end)

  it("gives the same bits with one thread and with two, and leaves their number as it was", function()
    agad.manual_seed(8)
    local program = nn.program("unet", {3, 32, 32}, unet)
    local net, before = fill(nn.net(program)), core.threads()
    finally(function() core.threads(before) end)
    for _, rows in ipairs {1, 70} do
      local x = input(program, rows)
      core.threads(1)
      local one = ready(net, x)[1]
      core.threads(2)
      assert.is_true(ready(net, x)[1]:equal(one))
      assert.equal(2, core.threads())
    end
  end)

  it("computes in float32 what it would round to bfloat16 after each layer, where it is of few pictures", function()
    agad.manual_seed(5)
    local program = nn.program("naive", {3, 32, 32}, {})
    local net, narrow = fill(nn.net(program)), nn.net(program, {compute = "bfloat16"})
    for _, list in ipairs {net:params(), net:buffers()} do
      for _, p in ipairs(list) do narrow:set(p.name, p.tensor) end
    end
    local x = input(program, 2)
    local y = ready(narrow, x)[1]
    assert.equal("bfloat16", y.dtype)
    assert.is_true(y:equal(ready(net, x)[1]:to "bfloat16") or not core.fast_bf16)
    hold(.05, {y}, layer_by_layer(narrow, x), "layer by layer")
  end)
end)

describe("What is kept of a net", function()
  -- Its score after each change, and that of a new net with the same tensors.
  local program = nn.program("naive", {1, 32, 32}, {width = 8})
  local function copy(net)
    local other = nn.net(program)
    for _, list in ipairs {net:params(), net:buffers()} do
      for _, p in ipairs(list) do other:set(p.name, p.tensor) end
    end
    return other
  end
  local function named(list, pattern)
    for _, p in ipairs(list) do if p.name:find(pattern) then return p.tensor, p.name end end
  end
  local changes = {
    {"a weight is set", function(net)
      local t, name = named(net:params(), "conv2.weight")
      net:set(name, t * 1.5)
    end},
    {"a weight changes in place", function(net) named(net:params(), "conv3.w"):mul_(2) end},
    {"a view of a weight changes", function(net) named(net:params(), "conv1.w"):narrow(1, 2, 1):add_(1) end},
    {"a batch norm's weight changes", function(net) named(net:params(), "batch_norm2.w"):mul_(-1) end},
    {"a running variance changes", function(net) named(net:buffers(), "var"):mul_(4) end},
    {"a tensor is shared", function(net)
      local t, name = named(net:params(), "conv_transpose1.weight")
      net:share(name, t * .5)
    end},
    {"a pass moves the running statistics", function(net) net(input(program, 8) * 3, {bn = "batch", track = true}) end},
    {"they are recalibrated", function(net)
      core.recalibrate(net, (agad.rand(9, 1, 32, 32) * 255):to "uint8", {low = 0, high = 9, batch = 4})
    end},
    {"weights are drawn anew", function(net) net:init(3) end},
  }
  for _, change in ipairs(changes) do
    it("is made anew when " .. change[1], function()
      agad.manual_seed(6)
      local net, x = fill(nn.net(program)), input(program, 3)
      local before = ready(net, x)[1]
      assert.is_true(ready(net, x)[1]:equal(before))
      change[2](net)
      local after = ready(net, x)[1]
      assert.is_true(apart(after, before) > 1e-3)
      assert.is_true(after:equal(ready(copy(net), x)[1]))
    end)
  end

  it("is made anew after steps of a training", function()
    local steps = dofile "spec/support/steps.lua"
    agad.manual_seed(7)
    local run = steps.new_run {seed = 1, dtype = "float32"}
    local net = run.nets.generator
    local x = agad.rand(4, 1, 16, 16) * 2 - 1
    local before = ready(net, x)[1]
    run.step:run(x, 4)
    local after = ready(net, x)[1]
    assert.is_true(apart(after, before) > 1e-7)
    hold(1e-5, {after}, layer_by_layer(net, x), "after a step")
  end)
end)

describe("A score", function()
  it("does not compute what it does not read", function()
    local b = nn.builder {1, 4, 4}
    local mean = b.x:op("flatten.using_ints", {start_dim = 2}):op("mean.dim", {dim = {2}})
    local of_one = b.x:op("reshape", {shape = {1, 1, 4, 4}}) -- an error with two pictures
    local net = nn.net(mean:build("score", {{"score", mean}, {"one", of_one}}))
    local pictures = agad.full({2, 1, 4, 4}, 51, {dtype = "uint8"})
    local how = {low = 0, high = 1}
    assert.near(.2, core.score(net, pictures, how)[1]:item(), 1e-7)
    how.output = "one"
    has(refused(core.score, net, pictures, how), "shape '[1, 1, 4, 4]' is invalid")
    assert.same({1, 1, 4, 4}, core.score(net, pictures:narrow(1, 1, 1), how).shape)
  end)
end)
