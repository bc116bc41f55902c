-- Networks: counts of the protocol, every layer's backward against autograd and against finite differences, row
-- groups, what passes leave alone, and programs that are refused.
-- To add a case: a program in spec/support/programs.lua: every layer's backward is tried on all of them.

local agad = require "agad"
local core = agad.core
local nn = agad.nn
local luv = require "luv"
core.threads(1)

local f64 = {dtype = "float64", layout = "nchw"}

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

-- A net whose parameters are of a size that makes every gradient count.
local function new_net(program, o)
  local net = nn.net(program, o or f64)
  for _, p in ipairs(net:params()) do
    local w = agad.randn(p.tensor.shape, {dtype = "float64"}) * 0.3
    net:set(p.name, p.name:find "batch_norm" and p.name:find "weight" and w + 1 or w)
  end
  for _, p in ipairs(net:buffers()) do
    net:set(p.name, agad.rand(p.tensor.shape, {dtype = "float64"}) + (p.name:find "var" and 0.5 or -0.5))
  end
  return net:requires_grad_()
end

local function input(program, rows)
  return agad.randn({rows, table.unpack(program.input)}, {dtype = "float64"})
end

-- The sum of all outputs, each weighted by fixed random numbers.
local function total(outputs, weights)
  local sum
  for i, y in ipairs(outputs) do
    weights[i] = weights[i] or agad.randn(y.shape, {dtype = "float64"})
    local term = (y * weights[i]):sum()
    sum = sum and sum + term or term
  end
  return sum
end

local function largest(t) return t:abs():max():item() end

-- Own backward against eager autograd (1e-10) and, at some places, against central differences (1e-6).
local function check_gradients(program, groups, o)
  agad.manual_seed(7)
  groups = groups or {bn = "batch", track = false}
  local net, weights = new_net(program, o), {}
  local x = input(program, 5):requires_grad_()
  local wanted, names = {x}, {"x"}
  for _, p in ipairs(net:params()) do wanted[#wanted + 1], names[#names + 1] = p.tensor, p.name end
  local all = {allow_unused = true}
  local plain = total({net:eager(x, groups)}, weights)
  local by_autograd = {agad.grad(plain, wanted, all)}
  local own = total({net(x, groups)}, weights)
  assert.near(plain:item(), own:item(), 1e-10 * math.max(1, math.abs(plain:item())))
  local ours = {agad.grad(own, wanted, all)}
  for i = 1, #wanted do
    local g, h = ours[i], by_autograd[i]
    assert.equal(h == nil or largest(h) == 0, g == nil or largest(g) == 0, names[i])
    if g and h then
      local off = largest(g - h) / math.max(1e-8, largest(h))
      assert.is_true(off <= 1e-10, ("%s: %.3g off"):format(names[i], off))
    end
  end
  if o then return end -- in channels_last a weight is no flat list
  agad.no_grad(function()
    for i = 1, #wanted do
      local flat = wanted[i]:view(-1)
      local scale = ours[i] and math.max(1e-3, largest(ours[i])) or 1e-3
      for _ = 1, 2 do
        local place = math.random(flat:numel())
        local at, h = flat:narrow(1, place, 1), 1e-5
        at:add_(h)
        local up = total({net(x, groups)}, weights):item()
        at:sub_(2 * h)
        local down = total({net(x, groups)}, weights):item()
        at:add_(h)
        local numeric = (up - down) / (2 * h)
        local exact = ours[i] and ours[i]:contiguous():view(-1):select(1, place):item() or 0
        assert.near(numeric, exact, 1e-6 * scale, names[i])
      end
    end
  end)
end

local support = dofile "spec/support/programs.lua"
local programs = support.programs

describe("a layer's backward", function()
  for _, plain in ipairs {"0", "1"} do
    for name, program in pairs(programs) do
      it(("equals autograd and finite differences: %s, AGAD_PLAIN=%s"):format(name, plain), function()
        luv.os_setenv("AGAD_PLAIN", plain) -- read when a net is made
        finally(function() luv.os_unsetenv "AGAD_PLAIN" end)
        check_gradients(program)
        check_gradients(program, {bn = "running"})
      end)
    end
    for name, groups in pairs {
      ["batch and running"] = {{first = 1, rows = 3, track = false}, {first = 4, bn = "running"}},
      ["running and batch"] = {{first = 1, rows = 2, bn = "running"}, {first = 3, rows = 3, track = false}},
      ["batch and bypass"] = {{first = 1, rows = 3, track = false}, {first = 4, bn = "bypass"}},
      ["two batches"] = {{first = 1, rows = 2, track = false}, {first = 3, rows = 3, track = false}},
    } do
      it(("holds over row groups: %s, AGAD_PLAIN=%s"):format(name, plain), function()
        luv.os_setenv("AGAD_PLAIN", plain)
        finally(function() luv.os_unsetenv "AGAD_PLAIN" end)
        for _, which in ipairs {"batch_norm", "batch_norm, leaky_relu", "concat",
          "several outputs, one of them read on"} do
          check_gradients(programs[which], groups)
        end
        check_gradients(programs["batch_norm, leaky_relu"], groups, {dtype = "float64"}) -- channels_last
        local second = {}
        for i, g in ipairs(groups) do
          second[i] = {set = i, first = g.first, rows = g.rows, bn = g.bn, track = g.track}
        end
        check_gradients(programs["batch_norm of two sets, relu"], second)
      end)
    end
  end

  it("holds for the paper's nets", function()
    local nets = {{"naive"}, {"naive", {norm = "none", width = 8}}, {"discriminator"},
      {"discriminator", {norm = "none"}},
      {"unet", {width = 8}}, {"unet", {width = 4, norm = "none"}}, {"unet++", {width = 4}},
      {"unet++", {width = 4, norm = "none", depth = 3}}}
    for _, case in ipairs(nets) do
      local net = nn.net(nn.program(case[1], {1, 16, 16}, case[2]), f64):init(3):requires_grad_()
      local x, groups = agad.randn({2, 1, 16, 16}, {dtype = "float64"}):requires_grad_(), {track = false}
      local wanted, weights = {x}, {}
      for _, p in ipairs(net:params()) do wanted[#wanted + 1] = p.tensor end
      local ours = {agad.grad(total({net(x, groups)}, weights), wanted)}
      local theirs = {agad.grad(total({net:eager(x, groups)}, weights), wanted)}
      for i = 1, #wanted do
        assert.is_true(largest(ours[i] - theirs[i]) <= 1e-10 * math.max(1e-12, largest(theirs[i])), case[1])
      end
    end
  end)

  it("joins channels, and adds the gradients of all who read them, as stock operators do, to the bit", function()
    for _, compute in ipairs {"float32", "bfloat16"} do
      for _, channels in ipairs {1, 5, 32, 33, 70} do
        local b = nn.builder {channels, 16, 16}
        local net = nn.net(b.x:concat(b.x, b.x):build "three", {dtype = "float32", compute = compute})
        local x = agad.randn(9, channels, 16, 16):requires_grad_()
        local y = net(x)
        local of = x:detach():to(compute)
        assert.is_true(y:to(compute):equal(agad.cat({of, of, of}, 2)))
        local dy = agad.randn(y.shape):to(y.dtype):contiguous {memory_format = "channels_last"}
        local part = {}
        for i = 1, 3 do part[i] = dy:to(compute):narrow(2, 1 + (i - 1) * channels, channels) end
        local got = agad.grad((y * dy):sum(), {x})
        assert.is_true(got:equal((part[1] + part[2] + part[3]):to "float32"), compute .. " " .. channels)
      end
    end
  end)

  it("takes the largest of 2 x 2 pixels, and leads its gradient back, as stock operators do, to the bit", function()
    agad.manual_seed(7)
    for _, compute in ipairs {"float32", "bfloat16"} do
      for _, shape in ipairs {{1, 2, 2}, {5, 7, 9}, {16, 8, 8}, {37, 6, 5}, {64, 64, 64}} do
        local net = nn.net(nn.builder(shape):max_pool():build "pool", {dtype = "float32", compute = compute})
        local x = (agad.randn {6, table.unpack(shape)} * 2):round():div(2)           -- with equal numbers
        if shape[1] == 5 then
          x:masked_fill_(agad.rand(x.shape):lt(.2), 0 / 0)
          x:masked_fill_(agad.rand(x.shape):lt(.1), -math.huge)
        end
        x = x:contiguous {memory_format = "channels_last"}
        local ours, theirs = x:clone():requires_grad_(), x:to(compute):requires_grad_()
        local y, expected = net(ours), theirs:max_pool2d {2, 2}
        local dy = agad.randn(y.shape):to(compute)
        assert.is_true(agad.equal(y:to(compute):nan_to_num(9), expected:nan_to_num(9)))
        local got, wanted = agad.grad((y * dy):sum(), {ours}), agad.grad((expected * dy):sum(), {theirs})
        assert.is_true(got:equal(wanted:to "float32"), compute .. " " .. shape[1])
      end
    end
  end)

  it("computes what is asked for alone, adds over calls, and may not be called twice", function()
    local net = new_net(programs["batch_norm, leaky_relu"])
    local x, groups = input(programs.conv, 3), {track = false}
    net(x, groups):sum():backward()
    local once = net:params()[1].tensor.grad:clone()
    net(x, groups):sum():backward()
    assert.is_true(largest(net:params()[1].tensor.grad - once * 2) < 1e-12)
    net:requires_grad_(false)
    assert.is_false(net(x, groups).requires_grad)
    x:requires_grad_()
    local y = net(x, groups):sum()
    y:backward(nil, {retain_graph = true})
    assert.is_true(largest(x.grad) > 0)
    has(refused(y.backward, y), "already called")
  end)

  it("notices what was changed in place since the pass", function()
    local net = new_net(programs.tanh)
    local x = input(programs.tanh, 2):requires_grad_()
    local y = net(x)
    y:detach():mul_(2)
    has(refused(function() y:sum():backward() end), "changed in place")
    net = new_net(programs.conv)
    y = net(x)
    net:set("conv1.weight", net:params()[1].tensor:detach() * 2)
    has(refused(function() y:sum():backward() end), "changed in place")
  end)

  it("works when only the graph still holds the net", function()
    local x = input(programs.concat, 2):requires_grad_()
    local y = new_net(programs.concat)(x, {track = false}):sum()
    collectgarbage()
    collectgarbage()
    y:backward()
    assert.is_true(largest(x.grad) > 0)
    local kept <const> = new_net(programs.concat)(x, {track = false})
    collectgarbage()
    assert.equal(2, kept:size(1))
  end)
end)

describe("a pass", function()
  it("returns tensors that no later pass writes", function()
    local net = new_net(programs["several outputs, one of them read on"])
    local function run(x) return {agad.no_grad(net, x, {track = false})} end
    local x = input(programs.conv, 4)
    local first, copies = run(x), {}
    for i, y in ipairs(first) do copies[i] = y:clone() end
    for _ = 1, 3 do run(input(programs.conv, 4)) end
    collectgarbage()
    net(input(programs.conv, 4):requires_grad_(), {track = false}):sum():backward()
    for i, y in ipairs(first) do assert.equal(0, largest(y - copies[i])) end
  end)

  it("leaves its input alone", function()
    for _, program in pairs(programs) do
      local net, x = new_net(program), input(program, 3)
      local copy = x:clone()
      agad.no_grad(net, x, {track = false})
      net(x, {track = false})
      assert.equal(0, largest(x - copy))
    end
  end)

  it("moves running statistics with track alone, as PyTorch does", function()
    for _, plain in ipairs {"0", "1"} do
      luv.os_setenv("AGAD_PLAIN", plain)
      local net, x = new_net(programs.batch_norm), input(programs.batch_norm, 4) * 2 + 1
      luv.os_unsetenv "AGAD_PLAIN"
      local mean, var = net:buffers()[1].tensor, net:buffers()[2].tensor
      local m, v = mean:clone(), var:clone()
      net(x, {track = false})
      net(x, {bn = "running"})
      net:eager(x, {bn = "running"})
      assert.equal(0, largest(mean - m))
      net(x)
      local flat = x:permute(2, 1, 3, 4):reshape(2, -1)
      assert.is_true(largest(mean - (m * 0.9 + flat:mean(2) * 0.1)) < 1e-12)
      assert.is_true(largest(var - (v * 0.9 + flat:var(2) * 0.1)) < 1e-12)
      m, v = mean:clone(), var:clone()
      net(x, {{first = 1, rows = 2, track = true}, {first = 3, rows = 2, track = false}})
      flat = x:narrow(1, 1, 2):permute(2, 1, 3, 4):reshape(2, -1)
      assert.is_true(largest(mean - (m * 0.9 + flat:mean(2) * 0.1)) < 1e-12)
      assert.is_true(largest(var - (v * 0.9 + flat:var(2) * 0.1)) < 1e-12)
    end
  end)

  it("uses and moves the set of batch norms that a group names, and no other", function()
    local program = nn.with_second_norms(programs["batch_norm, leaky_relu"])
    local net = new_net(program)
    local x, before = input(program, 4), {}
    for _, p in ipairs(net:buffers()) do before[p.name] = p.tensor:clone() end
    local one = net(x, {set = 1, track = false})
    net(x, {set = 2})
    for _, p in ipairs(net:buffers()) do
      assert.equal(p.name:find "_2$" ~= nil, largest(p.tensor - before[p.name]) > 0, p.name)
    end
    local two = net(x, {set = 2, track = false})
    assert.is_true(largest(one - two) > 1e-3)
    local grads = {agad.grad(two:sum(), {net:params()[2].tensor, net:params()[4].tensor}, {allow_unused = true})}
    assert.equal("batch_norm1.weight_2", net:params()[4].name)
    assert.is_nil(grads[1])
    assert.is_true(largest(grads[2]) > 0)
    assert.equal(nn.net(program):info().params, nn.net(programs["batch_norm, leaky_relu"]):info().params + 2 * 4)
  end)

  it("leaves rows that bypass batch norm as they are", function()
    local net, x = new_net(programs.batch_norm), input(programs.batch_norm, 4)
    local y = net(x, {{first = 1, rows = 3, track = false}, {first = 4, rows = 1, bn = "bypass"}})
    assert.is_true(y:narrow(1, 4, 1):equal(x:narrow(1, 4, 1)))
    local three = net(x:narrow(1, 1, 3), {track = false})
    assert.is_true(largest(y:narrow(1, 1, 3) - three) < 1e-12)
  end)

  it("with running statistics treats every row alone", function()
    local net, x = new_net(programs["batch_norm, leaky_relu"]), input(programs.conv, 5)
    local all = agad.no_grad(net, x, {bn = "running"})
    for i = 1, 5 do
      local one = agad.no_grad(net, x:narrow(1, i, 1), {bn = "running"})
      assert.is_true(largest(one - all:narrow(1, i, 1)) < 1e-12)
    end
  end)

  it("refuses a wrong shape, and row groups that do not cover the batch", function()
    local net, x = new_net(programs.batch_norm), input(programs.batch_norm, 4)
    has(refused(net, agad.rand(4, 2, 5, 6)), "'small'", "[rows, 2, 6, 5]")
    has(refused(net, agad.rand(0, 2, 6, 5)), "'small'")
    has(refused(net, x, {{first = 1, rows = 2}, {first = 4, rows = 1}}), "row group 2")
    has(refused(net, x, {{first = 1, rows = 2}}), "2 of 4 rows")
    has(refused(net, x, {{first = 1, rows = 5}}), "5 of 4 rows")
    has(refused(net, x, {set = 2}), "set 2", "its program has 1", "sets")
    has(refused(net, x, {set = 0}), "set = 0; give a whole number from 1 to 2")
    has(refused(net, x, {bn = "sometimes"}), "batch, running")
    has(refused(net, x, {norm = "batch"}), "unknown option norm", "track")
    has(refused(net, x, {{}, {}, {}, {}, {}}), "at most 4")
    has(refused(net, 3), "tensor")
    assert.equal(4, net(x):size(1))
  end)

  it("takes other float dtypes and layouts of its input", function()
    local net = new_net(programs.conv, {dtype = "float32"})
    local x = input(programs.conv, 2)
    local y = net(x)
    assert.equal("float32", y.dtype)
    assert.is_true(largest(net(x:to("float32"):contiguous {memory_format = "channels_last"}) - y) < 1e-5)
  end)

  it("in bfloat16 stays near float32", function()
    local program = nn.program("naive", {1, 32, 32})
    local full, half = nn.net(program):init(1), nn.net(program, {compute = "bfloat16"}):init(1)
    local x = agad.rand(4, 1, 32, 32) * 2 - 1
    local y, z = agad.no_grad(full, x, {track = false}), agad.no_grad(half, x, {track = false})
    assert.equal("bfloat16", z.dtype)
    assert.is_true(largest(y - z:to("float32")) < 0.05 * math.max(1, largest(y)))
  end)

  it("in bfloat16 convolutions round numbers once, on any processor", function()
    local function rounded(t) return t:to("bfloat16"):to("float64") end
    local function close(got, want)                                    -- bfloat16 has 8 bits
      got = got:to("float64")
      assert.is_true(largest(got - want) > 0)
      assert.is_true((got - want):abs():le(want:abs() * 2 ^ -8 + 1e-4):all():item())
    end
    for _, kind in ipairs {"conv", "conv_transpose"} do
      local o = {kernel = 4, stride = 2, padding = 1, bias = true}
      local b = nn.builder {6, 8, 10}
      local net = nn.net(b[kind](b, 5, o):build "one", {compute = "bfloat16"}):init(1)
      local own, w = {}, {}
      for i, p in ipairs(net:params()) do
        own[i] = (agad.rand_like(p.tensor:detach()) - .5):requires_grad_()
        w[i] = rounded(own[i]:detach()):requires_grad_()
        net:share(p.name, own[i])
      end
      local x = agad.rand(3, 6, 8, 10):requires_grad_()
      local rx = rounded(x:detach()):requires_grad_()
      local y = net(x)
      assert.equal("bfloat16", y.dtype)
      local dy = agad.rand_like(y:detach())
      y:backward(dy)
      local want = rx[kind .. "2d"](rx, w[1], w[2], {2, 2}, {1, 1})
      want:backward(dy:to("float64"))
      close(y:detach(), want:detach())
      close(x.grad, rx.grad)
      for i, p in ipairs(own) do close(p.grad, w[i].grad) end
    end
  end)
end)

describe("a net", function()
  local program = programs["batch_norm, leaky_relu"]

  it("starts as DCGAN's, the same from the same seed whatever its layout", function()
    local naive = nn.program("naive", {3, 32, 32})
    local one, two = nn.net(naive):init(5), nn.net(naive, {layout = "nchw"}):init(5)
    for i, p in ipairs(one:params()) do
      assert.equal(0, largest(p.tensor - two:params()[i].tensor))
      local mean, sd = p.tensor:mean():item(), p.tensor:std():item()
      if p.name:find "conv" then
        assert.near(0, mean, 1e-3)
        assert.near(0.02, sd, 2e-3)
      elseif p.name:find "weight" then assert.near(1, mean, 0.01)
      else assert.equal(0, largest(p.tensor)) end
    end
    assert.is_true(largest(one:params()[1].tensor - nn.net(naive):init(6):params()[1].tensor) > 0)
  end)

  it("takes weights of the right name and shape only", function()
    local net = nn.net(program)
    has(refused(net.set, net, "conv9.weight", agad.rand(1)), "'small'", "no tensor 'conv9.weight'")
    has(refused(net.set, net, "conv1.weight", agad.rand(4, 2, 3, 4)), "conv1.weight", "4x2x3x3", "4x2x3x4")
    has(refused(net.share, net, "batch_norm1.bias", agad.rand(5)), "batch_norm1.bias")
    has(refused(net.set, net, "conv1.weight", 3), "tensor")
    local w = agad.rand(4, 2, 3, 3)
    net:set("conv1.weight", w)
    local own = net:params()[1].tensor
    assert.equal(0, largest(own - w))
    w:zero_()
    assert.is_true(largest(own) > 0) -- set copies
    net:share("conv1.weight", w)
    w:fill_(3)
    assert.equal(3, net:params()[1].tensor:max():item()) -- share does not
  end)

  it("refuses options that it does not have", function()
    has(refused(nn.net, program, {type = "float64"}), "unknown option type", "dtype")
    has(refused(nn.net, program, {layout = "nhcw"}), "layout")
    has(refused(nn.net, program, {dtype = "int64"}), "float32 or float64")
    has(refused(nn.net, program, {compute = "int64"}), "compute")
    has(refused(nn.net, program, {device = "gpu"}), "device")
  end)

  it("keeps of what can be computed again nothing for the backward", function()
    local skip = nn.builder {3, 32, 32}.x:conv(8, {kernel = 3, padding = 1}):batch_norm():relu()
    local up = skip:max_pool():conv_transpose(8, {kernel = 2, stride = 2})
    local net = nn.net(skip:concat(up):conv(4, {kernel = 1}):build "kept", {dtype = "float64"}):requires_grad_()
    local pictures = agad.randn(4, 3, 32, 32, {dtype = "float64"}):contiguous {memory_format = "channels_last"}
    local row = 4 * 32 * 32 * 8                            -- bytes of a channel
    collectgarbage()
    local before = core.memory().bytes
    local out = net(pictures)
    collectgarbage()
    local held = core.memory().bytes - before
    local convolutions = (8 + 8 + 4) * row
    assert.is_true(held >= convolutions and held < convolutions + row, ("%d bytes are held"):format(held))
    out:sum():backward()
  end)

  it("leaves no tensor behind, whatever fails", function()
    collectgarbage()
    collectgarbage()
    local before = core.memory().tensors
    for _ = 1, 20 do
      local net = new_net(program)
      pcall(net, agad.rand(1, 1, 1, 1))
      pcall(net, input(program, 2), {{first = 1, rows = 1}})
      pcall(net.set, net, "x", agad.rand(1))
      local y = net(input(program, 2):requires_grad_(), {track = false}):sum()
      y:backward()
      pcall(y.backward, y)
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, core.memory().tensors)
  end)
end)
