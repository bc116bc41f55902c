-- Networks: counts of the protocol, every layer's backward against autograd and against finite differences, row
-- groups, what passes leave alone, and programs that are refused.

local agad = require "agad"
local core = agad.core
local nn = agad.nn
local luv = require "luv"
core.threads(1)

local f64 = {dtype = "float64", layout = "nchw"}

local function refused(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "nothing was raised")
  assert.is_nil(message:find "\n", message)
  return message
end

local function has(text, ...)
  for _, part in ipairs {...} do
    assert.is_truthy(text:find(part, 1, true), ("%q is not in: %s"):format(part, text))
  end
end

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
        assert.near(numeric, exact, 1e-6 * math.max(1, math.abs(exact)), names[i])
      end
    end
  end)
end

-- Programs ----------------------------------------------------------------------------------------

local small = {2, 6, 5}
local function chain(f)
  local b = nn.builder(small)
  return f(b):build("small")
end

local programs = {
  conv = chain(function(b) return b:conv(3, {kernel = {3, 2}, stride = {2, 1}, padding = {1, 0}}) end),
  ["conv with bias"] = chain(function(b) return b:conv(3, {bias = true}) end),
  conv_transpose = chain(function(b)
    return b:conv_transpose(3, {kernel = 4, stride = 2, padding = 1, output_padding = {1, 0}, bias = true})
  end),
  batch_norm = chain(function(b) return b:batch_norm() end),
  ["batch_norm with eps"] = chain(function(b) return b:conv(3):batch_norm({eps = 0.1}) end),
  leaky_relu = chain(function(b) return b:leaky_relu(0.2) end),
  relu = chain(function(b) return b:relu() end),
  tanh = chain(function(b) return b:tanh() end),
  ["batch_norm, leaky_relu"] = chain(function(b) return b:conv(4):batch_norm():leaky_relu(0.2) end),
  ["batch_norm, relu, tanh"] = chain(function(b) return b:conv(4):batch_norm():relu():tanh() end),
  ["batch_norm, tanh"] = chain(function(b) return b:conv(4):batch_norm():tanh() end),
  ["conv, leaky_relu, relu, conv"] = chain(function(b) return b:conv(4):leaky_relu(0.3):relu():conv(2) end),
  ["batch_norm, relu, batch_norm, relu"] = chain(function(b) return b:batch_norm():relu():batch_norm():relu() end),
  concat = chain(function(b)
    local c = b:conv(3, {padding = 1})
    local d = c:relu()
    return c:concat(d, b.x, c):tanh():conv(2)
  end),
  ["concat of one, in place after it"] = chain(function(b) return b:concat():leaky_relu(0.1) end),
  ["op with two tensors"] = chain(function(b)
    local c = b:conv(2, {padding = 1})
    return c:op("mul.Tensor", nil, b.x):op("sigmoid")
  end),
  ["op that gives a view, then in place"] = chain(function(b)
    return b:conv(3):op("flatten.using_ints", {start_dim = 2}):leaky_relu(0.2)
  end),
  ["op twice on one input"] = chain(function(b) return b.x:op("mul.Tensor", nil, b.x) end),
  ["op over a list of tensors"] = chain(function(b) return b:tanh():op("cat", {dim = 2}, b.x) end),
  ["one number a row"] = chain(function(b) return b:conv(2):l2(b.x:conv(2)) end),
  ["mean of squares"] = chain(function(b) return b:conv(2):mean_square(b.x:conv(2)) end),
  ["map"] = chain(function(b) return b:difference_map(b.x:conv(2, {padding = 1}), b.x) end),
}
do
  local b = nn.builder(small)
  local h = b:conv(3, {padding = 1}):batch_norm()
  local z = h:leaky_relu(0.2)
  programs["several outputs, one of them read on"] =
    z:conv(1):build("several", {{"h", h}, {"z", z}, {"logits", z:conv(1)}, {"again", z}})
  b = nn.builder(small)
  local unused = b:conv(2):batch_norm():relu()
  programs["a branch without output"] = b.x:tanh():build("branch")
  assert(unused)
end

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
      end)
    end
  end

  it("holds for the paper's nets", function()
    for _, name in ipairs {"naive", "discriminator"} do
      local net = nn.net(nn.program(name, {1, 16, 16}), f64):init(3):requires_grad_()
      local x, groups = agad.randn({2, 1, 16, 16}, {dtype = "float64"}):requires_grad_(), {track = false}
      local wanted, weights = {x}, {}
      for _, p in ipairs(net:params()) do wanted[#wanted + 1] = p.tensor end
      local ours = {agad.grad(total({net(x, groups)}, weights), wanted)}
      local theirs = {agad.grad(total({net:eager(x, groups)}, weights), wanted)}
      for i = 1, #wanted do assert.is_true(largest(ours[i] - theirs[i]) <= 1e-10 * largest(theirs[i])) end
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
    has(refused(net, x, {bn = "bypass"}), "not available yet")
    has(refused(net, x, {set = 2}), "not available yet")
    has(refused(net, x, {bn = "sometimes"}), "batch, running")
    has(refused(net, x, {norm = "batch"}), "unknown option 'norm'", "track")
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
end)

describe("counts", function()
  local function info(name, shape) return nn.net(nn.program(name, shape)):info() end

  it("of parameters are the protocol's", function()
    assert.equal(2137728, info("naive", {3, 32, 32}).params)
    assert.equal(2133632, info("naive", {1, 32, 32}).params)
    assert.equal(2137728, info("naive", {3, 64, 48}).params)
    assert.equal(663296, info("discriminator", {3, 32, 32}).params)
    assert.equal(661248, info("discriminator", {1, 32, 32}).params)
    assert.equal(663296 + 256 * (36 - 16), info("discriminator", {3, 48, 48}).params)  -- its classifier is 6 x 6
    assert.equal(3206528, info("ganomaly", {3, 32, 32}).params)
  end)

  it("of multiply-accumulates are the protocol's, and those of any size", function()
    -- kernel 4 x 4, stride 2: each layer's MACs by its smaller side's pixels
    local function naive(c, h, w)
      local up, macs, pixels = {c, 64, 128, 256, 100}, 0, h * w
      for i = 2, 5 do pixels = pixels // 4; macs = macs + 2 * pixels * up[i - 1] * up[i] * 16 end
      return macs
    end
    assert.equal(38.4, math.floor(info("naive", {3, 32, 32}).macs / 1e5 + 0.5) / 10)
    for _, shape in ipairs {{3, 32, 32}, {1, 32, 32}, {3, 64, 64}, {1, 64, 48}, {3, 16, 80}} do
      assert.equal(naive(table.unpack(shape)), info("naive", shape).macs)
    end
    assert.equal(17.6, math.floor(info("discriminator", {3, 32, 32}).macs / 1e5 + 0.5) / 10)
  end)

  it("come with shapes layer by layer", function()
    local layers = info("discriminator", {1, 64, 48}).layers
    local last = layers[#layers]
    assert.equal("conv", last.layer)
    assert.same({1, 1, 1}, last.shape)
    assert.same({"logits", "z"}, info("discriminator", {1, 64, 48}).outputs)
    layers = info("naive", {3, 64, 48}).layers
    assert.same({3, 64, 48}, layers[#layers].shape)
  end)

  it("are refused where a net does not take a size", function()
    has(refused(nn.program, "naive", {3, 33, 32}), "16", "33 x 32", "resize")
    has(refused(nn.program, "discriminator", {3, 7, 32}), "8 x 8")
    has(refused(nn.program, "ganomaly", {3, 64, 64}), "32 x 32")
    has(refused(nn.program, "no_such_net", {3, 32, 32}), "no_such_net", "naive")
    has(refused(nn.program, "/no/such/file.lua", {3, 32, 32}), "no such file")
  end)
end)

describe("a program", function()
  local function sound()
    return {name = "p", input = {2, 8, 8}, outputs = {{name = "output", node = 5}}, nodes = {
      {layer = "conv", inputs = {0}, out = 3, kernel = 3, padding = 1, bias = true},
      {layer = "batch_norm", inputs = {1}},
      {layer = "relu", inputs = {2}}, {layer = "concat", inputs = {3, 1}},
      {layer = "op", op = "softmax", overload = "int", args = {dim = 1}, inputs = {4}}}}
  end
  local null = core.null

  it("that is sound runs and prints itself canonically", function()
    local net = nn.net(sound())
    assert.equal(6, net(agad.rand(2, 2, 8, 8)):size(2))
    assert.equal(core.json_encode(sound()), net:program())
    assert.equal("[net p: 63 parameters, 3456 MACs]", tostring(net))
  end)

  local wrong = {
    {"cycle", function(p) p.nodes[2].inputs = {3} end, "cycles"},
    {"itself", function(p) p.nodes[2].inputs = {2} end, "cycles"},
    {"negative input", function(p) p.nodes[2].inputs = {-1} end, "earlier node"},
    {"no input", function(p) p.nodes[1].inputs = nil end, "inputs"},
    {"two inputs", function(p) p.nodes[2].inputs = {0, 1} end, "takes 1 input"},
    {"unknown layer", function(p) p.nodes[1].layer = "convolve" end, "unknown layer 'convolve'", "conv_transpose"},
    {"no layer", function(p) p.nodes[1].layer = nil end, "says no layer"},
    {"no nodes", function(p) p.nodes = {} end, "nodes"},
    {"no outputs", function(p) p.outputs = {} end, "no output"},
    {"an output that is no node", function(p) p.outputs[1].node = 6 end, "output output is no node"},
    {"two outputs of one name", function(p) p.outputs[2] = p.outputs[1] end, "two outputs 'output'"},
    {"nine outputs", function(p) for i = 1, 9 do p.outputs[i] = {name = "o" .. i, node = 1} end end, "8 at most"},
    {"a name twice", function(p) p.nodes[1].name, p.nodes[2].name = "a", "a" end, "taken"},
    {"a long name", function(p) p.nodes[1].name = ("n"):rep(64) end, "63 bytes"},
    {"no name", function(p) p.name = "" end, "name"},
    {"no size", function(p) p.input = {} end, "input"},
    {"a size of 0", function(p) p.input = {2, 0, 8} end, "positive"},
    {"a size that is no number", function(p) p.input = {2, "8", 8} end, "positive"},
    {"a kernel that does not fit", function(p) p.nodes[1].kernel = 11 end, "conv1", "does not fit"},
    {"a kernel of 0", function(p) p.nodes[1].kernel = 0 end, "at least 1"},
    {"a stride of 0", function(p) p.nodes[1].stride = {1, 0} end, "at least 1"},
    {"an absurd kernel", function(p) p.nodes[1].kernel = 1 << 40 end, "out of range"},
    {"an absurd padding", function(p) p.nodes[1].padding = -1 end, "out of range"},
    {"no channels", function(p) p.nodes[1].out = 0 end, "positive"},
    {"absurd channels", function(p) p.nodes[1].out = 1 << 30 end, "positive"},
    {"fractions", function(p) p.nodes[1].out = 2.5 end, "integer"},
    {"three kernels", function(p) p.nodes[1].kernel = {3, 3, 3} end, "two of them"},
    {"a bias that is no boolean", function(p) p.nodes[1].bias = 1 end, "true or false"},
    {"output_padding of conv", function(p) p.nodes[1].output_padding = 1 end, "conv_transpose"},
    {"output_padding as large as stride", function(p)
      p.nodes[1] = {layer = "conv_transpose", inputs = {0}, out = 1, output_padding = 1}
    end, "smaller than stride"},
    {"parameters beyond memory", function(p)
      p.nodes[1] = {layer = "conv", inputs = {0}, out = 1 << 20, kernel = {1 << 20, 1 << 20}, padding = 1 << 20}
    end, "too large"},
    {"pictures beyond memory", function(p)
      for i = 1, 5 do p.nodes[i] = {layer = "conv_transpose", inputs = {i - 1}, out = 1, stride = 1 << 20} end
    end, "too large"},
    {"an empty output", function(p)
      p.nodes[1] = {layer = "conv_transpose", inputs = {0}, out = 1, kernel = 1, padding = 4}
    end, "empty"},
    {"a slope below 0", function(p) p.nodes[3] = {layer = "leaky_relu", inputs = {2}, slope = -1} end, "negative"},
    {"a slope that is no number", function(p)
      p.nodes[3] = {layer = "leaky_relu", inputs = {2}, slope = "x"}
    end, "number"},
    {"a momentum above 1", function(p) p.nodes[2].momentum = 2 end, "momentum"},
    {"an eps below 0", function(p) p.nodes[2].eps = -1 end, "eps"},
    {"concat of other sizes", function(p) p.nodes[1].padding = 0; p.nodes[4].inputs = {3, 0} end, "concat1"},
    {"concat of other dimensions", function(p)
      p.nodes[3] = {layer = "op", op = "flatten", overload = "using_ints", args = {start_dim = 1}, inputs = {2}}
    end, "dimensions"},
    {"conv on a row", function(p)
      p.nodes[4] = {layer = "op", op = "flatten", overload = "using_ints", args = {start_dim = 1}, inputs = {2}}
      p.nodes[5] = {layer = "conv", inputs = {4}, out = 1}
    end, "channels, height, width"},
    {"batch norm of one number a row", function(p)
      p.nodes[4] = {layer = "op", op = "mean", overload = "dim", args = {dim = {1, 2, 3}}, inputs = {2}}
      p.nodes[5] = {layer = "batch_norm", inputs = {4}}
    end, "one number a row"},
    {"no such operator", function(p) p.nodes[5].op = "softmaxx" end, "softmaxx"},
    {"no such overload", function(p) p.nodes[5].overload = "x" end, "overload 'x'"},
    {"an operator without its arguments", function(p) p.nodes[5].args = {} end, "dim"},
    {"an operator with too many tensors", function(p) p.nodes[5].inputs = {4, 3} end, "1 tensors, not 2"},
    {"an operator in place", function(p) p.nodes[5] = {layer = "op", op = "relu_", inputs = {4}} end, "writes into"},
    {"an operator over the rows", function(p)
      p.nodes[5] = {layer = "op", op = "sum", overload = "dim_IntList", args = {dim = {0}}, inputs = {4}}
    end, "one row an image"},
    {"an operator that fails", function(p) p.nodes[5].args.dim = 9 end, "op1", "out of range"},
    {"an operator without tensors", function(p)
      p.nodes[5] = {layer = "op", op = "ones", args = {size = {1, 3}}, inputs = {4}}
    end, "0 tensors"},
    {"null for a list", function(p) p.nodes = null end, "nodes"},
  }
  for _, case in ipairs(wrong) do
    it("with " .. case[1] .. " is refused", function()
      local p = sound()
      case[2](p)
      has(refused(nn.net, p), "net '", table.unpack(case, 3))
    end)
  end

  it("that is no JSON is refused", function()
    has(refused(core.net, "{"), "JSON")
    has(refused(core.net, "[]"), "JSON object")
    has(refused(core.net, '{"name":"p","name":"q"}'), "JSON")
  end)

  it("may be damaged anywhere: one line, or a net", function()
    local random, text = math.random, core.json_encode(sound())
    math.randomseed(11)
    local odd = {0, -1, 1, 7, 1 << 31, 1 << 62, math.mininteger, 1.5, -0.5, 1e300, "", "x", true, null, {}, {0}, {1, 2}}
    local function mutate(t)
      local keys = {}
      for key in pairs(t) do keys[#keys + 1] = key end
      table.sort(keys, function(x, y) return tostring(x) < tostring(y) end)
      local key = keys[random(#keys)]
      if not key then return end
      if type(t[key]) == "table" and random() < 0.8 then return mutate(t[key]) end
      t[key] = odd[random(#odd)]
    end
    local refusals, nets = 0, 0
    for i = 1, 4000 do
      local ok, made
      if i % 2 == 0 then
        local p = sound()
        for _ = 1, random(2) do mutate(p) end
        ok, made = pcall(core.json_encode, p)
        if ok then ok, made = pcall(core.net, made) end
      else
        local at = random(#text)
        ok, made = pcall(core.net, text:sub(1, at - 1) .. string.char(random(32, 126)) .. text:sub(at + 1))
      end
      if ok then nets = nets + 1
        local input_shape = core.json_decode(made:program()).input
        pcall(made, agad.zeros {2, table.unpack(input_shape)})
      else
        refusals = refusals + 1
        assert.is_nil(made:find "\n", made)
      end
    end
    assert.is_true(refusals > 1000 and nets > 100, refusals .. " " .. nets)
    assert.equal(6, nn.net(sound())(agad.rand(2, 2, 8, 8)):size(2))
  end)
end)

describe("the builder", function()
  it("refuses options that a layer does not have, and dimension 0", function()
    local b = nn.builder(small)
    has(refused(b.conv, b, 3, {kernal = 3}), "conv", "unknown option 'kernal'")
    has(refused(b.batch_norm, b, {epsilon = 1}), "unknown option 'epsilon'")
    has(refused(b.op, b, "softmax.int", {dim = 0}), "from 1")
    assert.is_nil(b.no_such_layer)
  end)

  it("names nodes by kind and count, and inlines whole programs", function()
    local b = nn.builder(small)
    local x_hat = nn.inline(b, programs["batch_norm, leaky_relu"], "g", b.x)
    local net = nn.net(x_hat:conv(2):build("outer"))
    local names = {}
    for i, p in ipairs(net:params()) do names[i] = p.name end
    assert.same({"g.conv1.weight", "g.batch_norm1.weight", "g.batch_norm1.bias", "conv2.weight"},
      {names[1], names[2], names[3], (names[4]:gsub("conv%d", "conv2"))})
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
    has(refused(nn.net, program, {type = "float64"}), "unknown option 'type'", "dtype")
    has(refused(nn.net, program, {layout = "nhcw"}), "layout")
    has(refused(nn.net, program, {dtype = "int64"}), "float32 or float64")
    has(refused(nn.net, program, {compute = "int64"}), "compute")
    has(refused(nn.net, program, {device = "gpu"}), "device")
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
