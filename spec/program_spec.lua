-- Net programs: parameter and MAC counts, what is refused, the builder.
-- To add a case: a row {what is wrong, the change that makes it so, words of the message …} in `wrong`; counts of
-- another net in the lists of counts.

local agad = require "agad"
local core = agad.core
local nn = agad.nn
local support = dofile "spec/support/programs.lua"
local small, programs = support.small, support.programs

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

describe("counts", function()
  local function info(name, shape, o) return nn.net(nn.program(name, shape, o)):info() end

  it("of parameters are the protocol's", function()
    assert.equal(2137728, info("naive", {3, 32, 32}).params)
    assert.equal(2133632, info("naive", {1, 32, 32}).params)
    assert.equal(2137728, info("naive", {3, 64, 48}).params)
    assert.equal(663296, info("discriminator", {3, 32, 32}).params)
    assert.equal(661248, info("discriminator", {1, 32, 32}).params)
    assert.equal(663296 + 256 * (36 - 16), info("discriminator", {3, 48, 48}).params)  -- its classifier is 6 x 6
    assert.equal(3206528, info("ganomaly", {3, 32, 32}).params)
    assert.equal(7763107, info("unet", {3, 32, 32}).params)
    assert.equal(7759521, info("unet", {1, 32, 32}, {norm = "none"}).params)
    assert.equal(9045891, info("unet++", {3, 32, 32}).params)
    assert.equal(9041601, info("unet++", {1, 32, 32}, {norm = "none"}).params)
    assert.equal(7763107, info("unet", {3, 64, 512}).params)
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
    assert.equal(188.7, math.floor(info("unet", {3, 32, 32}).macs / 1e5 + 0.5) / 10)
    assert.equal(465.5, math.floor(info("unet++", {3, 32, 32}).macs / 1e5 + 0.5) / 10)
    assert.equal(4 * info("unet++", {3, 32, 32}).macs, info("unet++", {3, 64, 64}).macs)
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
    has(refused(nn.program, "unet", {3, 40, 32}), "16", "40 x 32")
    has(refused(nn.program, "unet++", {3, 32, 36}, {depth = 4}), "8", "32 x 36")
    has(refused(nn.program, "unett", {3, 32, 32}), "did you mean unet?")
    has(refused(nn.program, "discriminator", {3, 7, 32}), "8 x 8")
    has(refused(nn.program, "ganomaly", {3, 64, 64}), "32 x 32")
    has(refused(nn.program, "no_such_net", {3, 32, 32}), "no_such_net", "naive")
    has(refused(nn.program, "/no/such/file.lua", {3, 32, 32}), "no such file")
  end)
end)

describe("a net's options", function()
  local shape = {1, 32, 32}
  local option = require("agad.base.options").option

  local function with_file(text, f)
    local path = os.tmpname() .. ".lua"
    core.file_replace(path, text)
    local ok, reason = pcall(f, path)
    os.remove(path)
    if not ok then error(reason, 0) end
  end

  it("are said by every net that comes with agad, and checked", function()
    for _, name in ipairs(nn.names()) do assert.equal("table", type(nn.options(name)), name) end
    assert.same({"bn", "none"}, nn.options("unet").norm.choices)
    has(refused(nn.program, "unet", shape, {nrom = "none"}), "net unet: unknown option nrom; did you mean norm?",
      "known: depth, norm, width")
    has(refused(nn.program, "naive", shape, {depth = 3}), "net naive: unknown option depth")
    has(refused(nn.program, "ganomaly", shape, {norm = "bn"}), "net ganomaly: unknown option norm")
    has(refused(nn.program, "naive", shape, {norm = "no"}), 'net naive: norm = "no": it must be one of bn, none')
    has(refused(nn.program, "unet++", shape, {depth = 9}), "depth = 9: it must be between 0 and 8")
    has(refused(nn.program, "naive", shape, {width = -1}), "width = -1")
    has(refused(nn.program, "discriminator", shape, {latent = "code"}), "features, embedding")
    has(refused(nn.program, "lenet", shape, {part = "head"}), "encoder, decoder, classifier")
    has(refused(nn.program, "skip_ganomaly", shape, {part = "encoder"}), "generator, discriminator")
    has(refused(nn.program, "naive", shape, "bn"), "options must be a table, not a string")
  end)

  it("of size are the net's own where they are 0", function()
    for _, name in ipairs {"unet", "unet++"} do
      assert.same(nn.program(name, shape), nn.program(name, shape, {width = 0, depth = 0}))
    end
    assert.same(nn.program("naive", shape), nn.program("naive", shape, {width = 0}))
  end)

  it("of a file of the user's own are what it says, or anything", function()
    with_file('return function(shape, o) return agad_seen(shape, o) end', function(path)
      local seen
      rawset(_G, "agad_seen", function(s, o) seen = o return nn.program("naive", s) end)
      nn.program(path, shape, {whatever = 3})
      rawset(_G, "agad_seen", nil)
      assert.same({whatever = 3}, seen)
      assert.is_nil(nn.options(path))
      assert.same({norm = "bn", any = 2}, nn.accepted(path, {norm = "bn", width = 0, any = 2}, {}))
    end)
    with_file([[
      local option = require("agad.base.options").option
      return {options = {filters = option {default = 2, min = 1, help = "filters"}}, build = function(shape, o)
        return require("agad.nn").builder(shape):conv(o.filters):build "mine"
      end}]], function(path)
      assert.equal(2, nn.program(path, shape).nodes[1].out)
      assert.equal(5, nn.program(path, shape, {filters = 5}).nodes[1].out)
      has(refused(nn.program, path, shape, {filter = 5}), path .. ": unknown option filter; did you mean filters?")
      has(refused(nn.program, path, shape, {filters = 0}), "filters = 0: it must be at least 1")
    end)
    for text, words in pairs {["return {}"] = "must return a function", ["return 3"] = "must return a function",
      ["return {build = print, options = 3}"] = "its options must be a table, not a number",
      ["return {build = print, options = {width = 3}}"] = "its option width must be made by"} do
      with_file(text, function(path) has(refused(nn.program, path, shape), "net " .. path .. ": ", words) end)
    end
  end)

  it("that a method gives to any net are left out where it lacks them, unless they are not the default", function()
    local known = {norm = option {choices = {"bn", "none"}}, width = option {default = 0}, depth = option {default = 0}}
    local given = {norm = "bn", width = 0, depth = 0}
    assert.same(given, nn.accepted("unet", given, known))
    assert.same({norm = "bn", width = 0}, nn.accepted("naive", given, known))
    assert.same({}, nn.accepted("ganomaly", given, known))
    has(refused(nn.program, "naive", shape, nn.accepted("naive", {norm = "bn", width = 0, depth = 3}, known)),
      "net naive: unknown option depth")
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
    {"no layer", function(p) p.nodes[1].layer = nil end, "its 'layer' is missing"},
    {"no nodes", function(p) p.nodes = {} end, "nodes"},
    {"no outputs", function(p) p.outputs = {} end, "its 'outputs' are missing"},
    {"an output that is no node", function(p) p.outputs[1].node = 6 end, "output output does not name a node"},
    {"two outputs of one name", function(p) p.outputs[2] = p.outputs[1] end, "two outputs 'output'"},
    {"nine outputs", function(p) for i = 1, 9 do p.outputs[i] = {name = "o" .. i, node = 1} end end, "8 at most"},
    {"a name twice", function(p) p.nodes[1].name, p.nodes[2].name = "a", "a" end, "another node has this name"},
    {"a long name", function(p) p.nodes[1].name = ("n"):rep(64) end, "63 bytes"},
    {"no name", function(p) p.name = "" end, "name"},
    {"no size", function(p) p.input = {} end, "input"},
    {"a size of 0", function(p) p.input = {2, 0, 8} end, "positive"},
    {"a size that is no number", function(p) p.input = {2, "8", 8} end, "positive"},
    {"a kernel that does not fit", function(p) p.nodes[1].kernel = 11 end, "conv1", "does not fit"},
    {"a kernel of 0", function(p) p.nodes[1].kernel = 0 end,
      "conv1: kernel = 0 is not one or two integers from 1 to 1048576"},
    {"a stride of 0", function(p) p.nodes[1].stride = {1, 0} end, "stride = [1,0]", "from 1 to"},
    {"an absurd kernel", function(p) p.nodes[1].kernel = 1 << 40 end, "kernel = 1099511627776", "to 1048576"},
    {"an absurd padding", function(p) p.nodes[1].padding = -1 end, "padding = -1", "from 0 to 1048576"},
    {"no channels", function(p) p.nodes[1].out = 0 end, "out = 0 is not an integer from 1 to 1048576"},
    {"absurd channels", function(p) p.nodes[1].out = 1 << 30 end, "out = 1073741824", "to 1048576"},
    {"fractions", function(p) p.nodes[1].out = 2.5 end, "out = 2.5 is not an integer"},
    {"channels that are not said", function(p) p.nodes[1].out = nil end,
      "the attribute out is missing; give an integer"},
    {"an unknown attribute", function(p) p.nodes[1].kernal = 3 end, "conv1: unknown attribute 'kernal'",
      "known: out, kernel, stride, padding, bias"},
    {"an attribute of a layer that has none", function(p) p.nodes[3].slope = 1 end, "relu1: unknown attribute 'slope'",
      "has none"},
    {"three kernels", function(p) p.nodes[1].kernel = {3, 3, 3} end, "kernel = [3,3,3]", "one or two"},
    {"a bias that is no boolean", function(p) p.nodes[1].bias = 1 end, "bias = 1 is not true or false"},
    {"output_padding of conv", function(p) p.nodes[1].output_padding = 1 end, "unknown attribute 'output_padding'"},
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
    {"a slope below 0", function(p) p.nodes[3] = {layer = "leaky_relu", inputs = {2}, slope = -1} end,
      "slope = -1 is not a number of at least 0"},
    {"a slope that is no number", function(p)
      p.nodes[3] = {layer = "leaky_relu", inputs = {2}, slope = "x"}
    end, 'slope = "x" is not a number'},
    {"a momentum above 1", function(p) p.nodes[2].momentum = 2 end, "momentum = 2 is not a number from 0 to 1"},
    {"an eps below 0", function(p) p.nodes[2].eps = -1 end, "eps = -1 is not a number of at least 0"},
    {"three sets of batch norms", function(p) p.nodes[2].sets = 3 end, "sets = 3 is not an integer from 1 to 2"},
    {"a constant of no size", function(p) p.nodes[3] = {layer = "constant", inputs = {2}, size = {}} end,
      "size = ", "a list of 1 to 3 positive integers"},
    {"a constant beyond memory", function(p)
      p.nodes[3] = {layer = "constant", inputs = {2}, size = {1 << 30, 1 << 30}}
    end, "size = [1073741824,1073741824]", "2^31"},
    {"an operator's name that is a number", function(p) p.nodes[5].op = 3 end, "op = 3 is not a string"},
    {"an operator's arguments that are a list", function(p) p.nodes[5].args = {1} end, "args = [1] is not a table"},
    {"concat of other sizes", function(p) p.nodes[1].padding = 0; p.nodes[4].inputs = {3, 0} end, "concat1"},
    {"concat of other dimensions", function(p)
      p.nodes[3] = {layer = "op", op = "flatten", overload = "using_ints", args = {start_dim = 1}, inputs = {2}}
    end, "the first", "only their channels may differ"},
    {"conv on a row", function(p)
      p.nodes[4] = {layer = "op", op = "flatten", overload = "using_ints", args = {start_dim = 1}, inputs = {2}}
      p.nodes[5] = {layer = "conv", inputs = {4}, out = 1}
    end, "channels, height, width"},
    {"batch norm of one number a row", function(p)
      p.nodes[4] = {layer = "op", op = "mean", overload = "dim", args = {dim = {1, 2, 3}}, inputs = {2}}
      p.nodes[5] = {layer = "batch_norm", inputs = {4}}
    end, "one number per row"},
    {"no such operator", function(p) p.nodes[5].op = "softmaxx" end, "softmaxx"},
    {"no such overload", function(p) p.nodes[5].overload = "x" end, "overload 'x'"},
    {"an operator without its arguments", function(p) p.nodes[5].args = {} end, "dim"},
    {"an operator with too many tensors", function(p) p.nodes[5].inputs = {4, 3} end, "1 tensors, not 2"},
    {"an operator in place", function(p) p.nodes[5] = {layer = "op", op = "relu_", inputs = {4}} end, "writes into"},
    {"an operator over the rows", function(p)
      p.nodes[5] = {layer = "op", op = "sum", overload = "dim_IntList", args = {dim = {0}}, inputs = {4}}
    end, "one row per picture"},
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

describe("a drawing", function()
  local draw = require "agad.nn.draw"

  it("has a node for each layer and an edge for each input", function()
    local program = nn.program("unet++", {3, 32, 32}, {width = 4, depth = 3})
    local dot, edges, outputs = draw.dot(program), 0, #program.outputs
    for _, node in ipairs(program.nodes) do edges = edges + #node.inputs end
    assert.equal(edges + outputs, select(2, dot:gsub(" %-> ", "")))
    assert.equal(1 + #program.nodes + outputs, select(2, dot:gsub("%[label=", "")))
    has(dot, "digraph", "max_pool1", "2, stride 2", "4 x 32 x 32")
  end)

  it("is SVG where Graphviz is installed, and its graph elsewhere", function()
    local path = os.tmpname()
    os.remove(path)
    local made = draw.svg(nn.program("naive", {1, 32, 32}), path .. ".svg")
    local file = assert(io.open(made))
    local text = file:read "a"
    file:close()
    os.remove(made)
    if os.execute "command -v dot > /dev/null 2>&1" then has(text, "<svg", "conv_transpose4", "tanh1")
    else
      assert.matches("%.dot$", made)
      has(text, "digraph", "conv_transpose4")
    end
  end)
end)

describe("the core's list of layers", function()
  it("says name, inputs, and every attribute with its kind, default, range and help", function()
    local of = {}
    for _, layer in ipairs(core.layers()) do
      of[layer.name] = layer
      assert.is_true(#layer.help > 0, layer.name)
      for _, a in ipairs(layer.attributes) do
        assert.is_true(#a.help > 0 and not a.help:find "%.$", layer.name .. "." .. a.name)
        assert.is_true(a.required or a.default ~= nil or a.kind == "text" or a.kind == "table", a.name)
      end
    end
    assert.equal(-1, of.concat.inputs)
    assert.is_true(of.conv.has_weights)
    assert.is_false(of.max_pool.has_weights)
    assert.same({name = "kernel", kind = "pair", default = 3, min = 1, max = 1 << 20, required = false,
      help = "height and width of the kernel"}, of.conv.attributes[2])
    assert.same({name = "affine", kind = "boolean", default = true, required = false,
      help = "whether it learns a weight and a bias per channel"}, of.batch_norm.attributes[3])
  end)

  it("is what the builder offers", function()
    local b = nn.builder {4, 8, 8}
    for _, layer in ipairs(core.layers()) do assert.equal("function", type(b[layer.name]), layer.name) end
    local function nodes(f) return f(nn.builder {4, 8, 8}):build("p").nodes end
    assert.same(nodes(function(x) return x:conv(2, {kernel = 5}) end), nodes(function(x) return x:conv(2, 5) end))
    assert.same({{layer = "leaky_relu", name = "a", inputs = {0}, slope = 0.1}},
      nodes(function(x) return x:leaky_relu {slope = 0.1, name = "a"} end))
  end)
end)

describe("the builder", function()
  it("refuses options that a layer does not have, and dimension 0", function()
    local b = nn.builder(small)
    has(refused(b.conv, b, 3, {kernal = 3}), "conv: unknown option kernal; did you mean kernel?",
      "known: bias, kernel, name")
    has(refused(b.conv, b, 3, {}, 4), "conv: takes out, then a table of options, but got 3 arguments")
    has(refused(b.tanh, b, 3), "tanh: options must be a table, not a number")
    has(refused(b.max_pool, b, "3"), "max_pool: options must be a table, not a string")
    has(refused(b.batch_norm, b, {epsilon = 1}), "unknown option epsilon")
    has(refused(b.op, b, "softmax.int", {dim = 0}), "from 1")
    has(refused(function() return b.no_such_layer end), "unknown layer 'no_such_layer'", "conv_transpose")
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
