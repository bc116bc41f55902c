-- Tables of options that the C core reads: unknown names, wrong kinds and values out of range, each in one line.
-- To add a case: a row {options, words of the message …} in `cases`, or a table of options with its rows.
local agad = require "agad"
local core = require "agad.core"
local nn = require "agad.nn"
local checks = dofile "spec/support/checks.lua"
local has, refused = checks.has, checks.refused

local b = nn.builder {1, 4, 4}
b:conv(2, {kernel = 3, padding = 1}):batch_norm()
local program = b.current:op("flatten.using_ints", {start_dim = 2}):op("mean.dim", {dim = {2}})
  :build("small", {{"score", b.current}})
local net = nn.net(program)
local pictures = agad.zeros(4, 1, 4, 4):to "uint8"
local scores, labels = {1, 2, 3, 4}, {0, 0, 1, 1}
local x = agad.rand(4, 1, 4, 4)

describe("a table of options", function()
  local cases = {
    net = {function(o) return core.net(core.json_encode(program), o) end, {
      {{typ = 1}, "net: unknown option typ; known: compute, device, dtype, layout"},
      {{"float64"}, "net: unknown option 1; known: compute"}, {{[{}] = 1}, "net: unknown option a table; known: "},
      {{["a\nb"] = 1}, "net: unknown option a\\x0Ab; known: "},
      {{dtype = "float65"}, "net: dtype = float65; give the name of a dtype, such as float32"},
      {{compute = 32}, "net: compute = 32; give the name of a dtype"},
      {{layout = "nhwc"}, "net: layout = nhwc; give nchw or channels_last"},
      {{device = "tpu"}, "net: device = tpu; give cpu"}, {{device = {}}, "net: device = a table; give cpu"}}},
    groups = {function(o) return net(x, o) end, {
      {{bn = "never"}, "net: bn = never; give batch, running or bypass"},
      {{first = 0}, "net: first = 0; give a whole number from 1"},
      {{rows = 1.5}, "net: rows = 1.5; give a whole number"},
      {{rows = "4"}, "net: rows = 4; give a whole number"}, {{{rows = 0}}, "net: rows = 0; give a whole number from 1"},
      {{set = 3}, "net: set = 3; give a whole number from 1 to 2"}, {{track = 1}, "net: track = 1; give true or false"},
      {{trac = true}, "net: unknown option trac; known: bn, first, rows, set, track"}}},
    score = {function(o) return core.score(net, pictures, o) end, {
      {{high = "1"}, "score: high = 1; give a number"}, {{low = 0 / 0}, "score: low = ", "give a number"},
      {{batch = 0}, "at least 1"}, {{padded = "no"}, "score: padded = no; give true or false"},
      {{output = 3}, "score: output = 3; give a string"},
      {{bn = "bypass"}, "score: bn = bypass; give batch or running"},
      {{bach = 3}, "score: unknown option bach; known: batch, bn, high, low, output, padded"}}},
    recalibrate = {function(o) return core.recalibrate(net, pictures, o) end, {
      {{bach = 3}, "recalibrate: unknown option bach; known: batch, bn, high, low, output, padded"}}},
    auroc_interval = {function(o) return core.metrics.auroc_interval(scores, labels, o) end, {
      {{resamples = 1}, "auroc_interval: resamples = 1; give a whole number from 2 to 1000000"},
      {{resamples = 1e7}, "auroc_interval: resamples = 10000000.0; give a whole number from 2 to 1000000"},
      {{level = 1}, "level 1"}, {{sed = 1}, "auroc_interval: unknown option sed; known: level, resamples, seed"}}},
    thermometer = {function(o) return core.metrics.thermometer(pictures, nil, pictures, labels, o) end, {
      {{shuffles = -1}, "thermometer: shuffles = -1; give a whole number from 0 to 100000"},
      {{shuffle = 1}, "thermometer: unknown option shuffle; known: batch, order, seed, shuffles"}}},
    ["sampler state"] = {function(o) return core.data.sampler({1, 2}, {}, 2, 0, 1):set_state(o) end, {
      {{}, "sampler state: batch = nil; give a whole number"},
      {{batch = .5}, "sampler state: batch = 0.5; give a whole number"},
      {{bach = 0}, "sampler state: unknown option bach; known: batch, cycle, cycle_position, epoch, seed"}}},
    backward = {function(o) return agad.ones(2):requires_grad_():sum():backward(nil, o) end, {
      {{retain = true}, "backward: unknown option retain; known: retain_graph"},
      {{retain_graph = 1}, "backward: retain_graph = 1; give true or false"}}},
    grad = {function(o) local t = agad.ones(2):requires_grad_(); return agad.grad(t:sum(), {t}, nil, o) end, {
      {{create = true}, "grad: unknown option create; known: allow_unused, create_graph, retain_graph"}}},
  }
  for name, case in pairs(cases) do
    it("of " .. name .. " refuses what it does not know", function()
      for _, one in ipairs(case[2]) do has(refused(case[1], one[1]), table.unpack(one, 2)) end
    end)
  end

  it("is no list, number or string", function()
    has(refused(core.score, net, pictures, 3), "table expected")
    has(refused(net, x, "batch"), "table expected")
  end)

  it("takes whole numbers written as 4.0, and nothing for all defaults", function()
    assert.same({4, 1, 4, 4}, x.shape)
    assert.same({4}, net(x, {first = 1.0, rows = 4.0}).shape)
    assert.same({4}, core.score(net, pictures, {batch = 3.0}).shape)
    assert.same({4}, core.score(net, pictures, {}).shape)
  end)
end)

describe("dimensions of a program's operators", function()
  local function args(name, given) return nn.builder({1, 4, 4}):op(name, given):build("x").nodes[1].args end

  it("are counted from 1 by the rule of all operators, and kept as libtorch counts", function()
    assert.same({dim = {1, -1}, keepdim = true}, args("sum.dim_IntList", {dim = {2, -1}, keepdim = true}))
    assert.same({start_dim = 1, end_dim = -1}, args("flatten.using_ints", {start_dim = 2, end_dim = -1}))
    assert.same({source = 1, destination = 2}, args("movedim.int", {source = 2, destination = 3}))
    assert.same({dims = {2, 2}}, args("tile", {dims = {2, 2}}))
    assert.same({scale_factors = {2.0, 2.0}}, args("upsample_nearest2d.vec", {scale_factors = {2.0, 2.0}}))
  end)

  it("are not 0", function()
    has(refused(args, "sum.dim_IntList", {dim = {1, 0}}),
      "op: dim is 0; dimensions are counted from 1, or from the end by -1")
    has(refused(args, "flatten.using_ints", {start_dim = 0}), "op: start_dim is 0")
  end)
end)
