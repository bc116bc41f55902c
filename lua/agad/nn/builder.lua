--- Networks as data: a builder for net programs, and programs made of other programs.
-- A program is a table: name, input {channels, height, width}, nodes, outputs. The C core checks it, and works out its
-- shapes, parameters and MACs (multiply-accumulate operations) before anything is computed.

local attributes = require "agad.nn.attributes"
local core = require "agad.core"
local options = require "agad.base.options"

local nn = {}

local handle = {}

-- Refuses an unknown layer.
local function unknown_layer(_, name, level)
  if type(name) ~= "string" then return nil end
  local known = {}
  for key in pairs(handle) do if not key:find "^__" then known[#known + 1] = key end end
  error(("net: unknown layer '%s'%s"):format(name, options.hint(name, known)), level or 2)
end

handle.__index = setmetatable(handle, {__index = unknown_layer})

local builder = {}

-- Node handles ------------------------------------------------------------------------------------

local function add(b, node)
  local kind = node.layer
  b.counts[kind] = (b.counts[kind] or 0) + 1
  node.name = node.name or kind .. b.counts[kind]
  b.nodes[#b.nodes + 1] = node
  b.current = setmetatable({b = b, place = #b.nodes}, handle)
  return b.current
end

-- The layers of the C core, with their attributes: x:conv(64, {kernel = 4}). Leading nodes are further inputs.
for _, layer in ipairs(attributes.list) do
  handle[layer.name] = options.takes(function(self, ...)
    local inputs, n = {self.place}, 1
    while getmetatable((select(n, ...))) == handle do
      inputs[n + 1] = select(n, ...).place
      n = n + 1
    end
    local node = attributes.read(layer.name, layer, {"name"}, select(n, ...))
    node.layer, node.inputs = layer.name, inputs
    return add(self.b, node)
  end, #layer.required + 1, layer.options)
end

--- 1 / (1 + exp(-x)).
function handle:sigmoid() return self:op("sigmoid") end

--- Multiplies the sides by a whole number, repeating each pixel (PyTorch's Upsample, nearest).
-- @param factor integer 2
function handle:upsample(factor)
  local times = (factor or 2) + 0.0
  return self:op("upsample_nearest2d.vec", {scale_factors = {times, times}})
end

--- A convolution without bias, then batch norm; with norm = "none", only a convolution with bias.
-- @param out integer channels
-- @param o table as for `conv`
-- @param norm string "bn" (default) or "none"
function handle:conv_norm(out, o, norm)
  if norm ~= "none" then return self:conv(out, o):batch_norm() end
  local with_bias = {bias = true}
  for key, value in pairs(o or {}) do with_bias[key] = value end
  return self:conv(out, with_bias)
end

--- Two 3 x 3 convolutions, each with its norm and a ReLU: a node of a UNet.
-- @param out integer channels
-- @param norm string "bn" (default) or "none"
function handle:double_conv(out, norm)
  local same = {kernel = 3, padding = 1}
  return self:conv_norm(out, same, norm):relu():conv_norm(out, same, norm):relu()
end

-- Programs count dimensions and positions from 0, as libtorch does; they are shifted here, where people write them.
local function shifted(op, args)
  local out = {}
  for key, value in pairs(args or {}) do out[key] = core.shifted(op, key, value) end
  return out
end

--- Any operator of libtorch as a node: its first tensor argument is this node, the others are those after `args`.
-- @param name string "linalg_vector_norm", or "mean.dim" with its overload
-- @param args table the arguments that are not tensors, named as in the operator's schema; dimensions (1 is the
--   batch) and positions (of narrow, for example) count from 1
-- @param ... handle the other tensor arguments, in the schema's order
-- @example b:op("softplus", {}):build "soft"
function handle:op(name, args, ...)
  local op, overload = name:match("^([^.]+)%.?(.*)$")
  local inputs = {self.place}
  for i, other in ipairs {...} do inputs[i + 1] = other.place end
  return add(self.b, {layer = "op", op = op, overload = overload, args = shifted(op, args), inputs = inputs})
end

--- Per image: the mean of (self - other)^2.
function handle:mean_square(other)
  local d = self:op("sub.Tensor", nil, other)
  return d:op("mul.Tensor", nil, d):op("flatten.using_ints", {start_dim = 2}):op("mean.dim", {dim = {2}})
end

--- Per image: the sum of (self - other)^2.
function handle:sum_square(other)
  local d = self:op("sub.Tensor", nil, other)
  return d:op("mul.Tensor", nil, d):op("flatten.using_ints", {start_dim = 2}):op("sum.dim_IntList", {dim = {2}})
end

-- u + v, u + 2, 2 * u as nodes.
local function arithmetic(name)
  return function(u, v)
    if type(u) == "number" then u, v = v, u end
    if type(v) == "number" then return u:op(name .. ".Scalar", {other = v}) end
    return u:op(name .. ".Tensor", nil, v)
  end
end
handle.__add, handle.__mul = arithmetic "add", arithmetic "mul"

--- Per image: the L2 norm of self - other.
function handle:l2(other)
  return self:op("sub.Tensor", nil, other):op("flatten.using_ints", {start_dim = 2})
    :op("linalg_vector_norm", {ord = 2, dim = {2}})
end

--- Per pixel: the mean over channels of |self - other|.
function handle:difference_map(other)
  return self:op("sub.Tensor", nil, other):op("abs"):op("mean.dim", {dim = {2}})
end

--- Ends the program and names its outputs.
-- @param name string
-- @param outputs list of {name, handle}; default: this node, as "output"
-- @param more table init: how weights of convolutions are initialised: "normal" (N(0, 0.02), as in DCGAN) or "uniform"
--   (as in PyTorch)
-- @return table the program
-- @example net = agad.nn.net(b:conv(8, {kernel = 4, stride = 2}):relu():build "mine")
function handle:build(name, outputs, more)
  local b = self.b
  local list = {}
  for i, o in ipairs(outputs or {{"output", self}}) do list[i] = {name = o[1], node = o[2].place} end
  return {name = name, input = b.shape, nodes = b.nodes, outputs = list, init = more and more.init}
end

-- The builder -------------------------------------------------------------------------------------

-- Whether a layer takes any number of nodes, so that a node as its first argument is a further input.
local function joins(key) return attributes.of[key] and attributes.of[key].inputs < 0 end

local methods = {}

builder.__index = function(_, key)
  if methods[key] or key == "current" then return methods[key] end
  local method = rawget(handle, key) or unknown_layer(nil, key, 3)
  -- b:conv(…) continues from the node added last; b:l2(u, v) is u:l2(v)
  methods[key] = method and function(b, first, ...)
    if key ~= "build" and not joins(key) and getmetatable(first) == handle then return method(first, ...) end
    return method(b.current, first, ...)
  end
  local layer = attributes.of[key]
  if layer then options.takes(methods[key], #layer.required + 1, layer.options) end
  return methods[key]
end

function builder.__fields()
  local list = {}
  for name in pairs(handle) do if not name:find "^__" then list[#list + 1] = name end end
  return list
end

function builder.__tostring(b)
  return ("agad.nn.builder {%s}, %d nodes so far"):format(table.concat(b.shape, ", "), #b.nodes)
end

--- Starts a program.
-- @param shape list {channels, height, width}
-- @return builder its field `x` is the input node; it has all methods of nodes, which apply to the node added last
-- @example b = agad.nn.builder {1, 32, 32}; net = agad.nn.net(b:conv(8, {kernel = 3, padding = 1}):relu():build "mine")
function nn.builder(shape)
  local b = setmetatable({shape = {table.unpack(shape)}, nodes = {}, counts = {}}, builder)
  b.x = setmetatable({b = b, place = 0}, handle)
  b.current = b.x
  return b
end

--- Copies a whole program into another one, with nodes named "prefix.name".
-- @param b builder
-- @param program table
-- @param prefix string
-- @param input handle its input
-- @param shares string the prefix of an earlier copy of the same program, whose tensors are shared (nil: none)
-- @return handle one for each output
function nn.inline(b, program, prefix, input, shares)
  local places = {[0] = input.place}
  for i, node in ipairs(program.nodes) do
    local copy, inputs = {}, {}
    for key, value in pairs(node) do copy[key] = value end
    for k, from in ipairs(node.inputs) do inputs[k] = places[from] end
    copy.inputs, copy.name = inputs, prefix .. "." .. node.name
    copy.shares = shares and shares .. "." .. node.name or copy.shares and prefix .. "." .. copy.shares
    places[i] = add(b, copy).place
  end
  local outputs = {}
  for i, o in ipairs(program.outputs) do outputs[i] = setmetatable({b = b, place = places[o.node]}, handle) end
  return table.unpack(outputs)
end

--- The same program, but with a second set of weights and statistics in its batch norms (AdvProp; Xie et al., 2020).
-- @param program table
-- @return table a new program
function nn.with_second_norms(program)
  local copy = {}
  for key, value in pairs(program) do copy[key] = value end
  copy.nodes = {}
  for i, node in ipairs(program.nodes) do
    copy.nodes[i] = node
    local layer = attributes.of[node.layer]
    if layer and layer.options.sets then
      local twice = {sets = 2}
      for key, value in pairs(node) do twice[key] = value end
      copy.nodes[i] = twice
    end
  end
  return copy
end

return nn
