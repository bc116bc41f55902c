--- Networks as data: a builder that writes a net program, and nets that run it.
-- A program is a table: name, input {channels, height, width}, nodes, outputs. The C core checks it, and knows
-- its shapes, parameters and MACs before anything is computed.

local core = require "agad.core"
local errors = require "agad.base.errors"
local options = require "agad.base.configuration"

local nn = {}

local handle = {}

-- A layer that there is not.
local function unknown_layer(_, name, level)
  if type(name) ~= "string" then return nil end
  local known = {}
  for key in pairs(handle) do if not key:find "^__" then known[#known + 1] = key end end
  table.sort(known)
  local near = options.nearest(name, known)
  error(("net: unknown layer '%s'%s; known: %s"):format(name, near and ("; did you mean %s?"):format(near) or "",
    table.concat(known, ", ")), level or 2)
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

local function merged(node, given, allowed)
  for key, value in pairs(given or {}) do
    if not allowed[key] then error(("%s: unknown option '%s'"):format(node.layer, tostring(key)), 3) end
    node[key] = value
  end
  return node
end

local conv_options = {kernel = true, stride = true, padding = true, output_padding = true, bias = true, name = true}

--- Convolution without bias unless asked for (PyTorch's Conv2d).
-- @param out integer channels
-- @param o table kernel (3), stride (1), padding (0): a number or {vertical, horizontal}; bias (false), name
function handle:conv(out, o)
  return add(self.b, merged({layer = "conv", inputs = {self.place}, out = out}, o, conv_options))
end

--- Transposed convolution (PyTorch's ConvTranspose2d); options of `conv`, and output_padding (0).
function handle:conv_transpose(out, o)
  return add(self.b, merged({layer = "conv_transpose", inputs = {self.place}, out = out}, o, conv_options))
end

--- Batch norm over batch and pixels (PyTorch's BatchNorm2d).
-- @param o table momentum (0.1), eps (1e-5), affine (true), sets (1; 2: a second set of weights and statistics), name
function handle:batch_norm(o)
  return add(self.b, merged({layer = "batch_norm", inputs = {self.place}}, o,
    {momentum = true, eps = true, affine = true, sets = true, name = true}))
end

--- max(x, slope x).
-- @param slope number 0.01
function handle:leaky_relu(slope)
  return add(self.b, {layer = "leaky_relu", inputs = {self.place}, slope = slope})
end

--- max(x, 0).
function handle:relu() return add(self.b, {layer = "relu", inputs = {self.place}}) end

--- Hyperbolic tangent.
function handle:tanh() return add(self.b, {layer = "tanh", inputs = {self.place}}) end

--- 1 / (1 + exp(-x)).
function handle:sigmoid() return self:op("sigmoid") end

--- Sides times a whole number, each pixel repeated (PyTorch's Upsample, nearest).
-- @param factor integer 2
function handle:upsample(factor)
  local times = (factor or 2) + 0.0
  return self:op("upsample_nearest2d.vec", {scale_factors = {times, times}})
end

--- A tensor that was computed once and is kept with the net, the same for every image of this node's batch.
-- @param size list its shape per image
-- @param o table name
function handle:constant(size, o)
  return add(self.b, merged({layer = "constant", inputs = {self.place}, size = size}, o, {name = true}))
end

--- The largest of each window (PyTorch's MaxPool2d).
-- @param o table|number kernel (2), stride (the kernel): a number or {vertical, horizontal}; name; or the kernel
function handle:max_pool(o)
  if type(o) == "number" then o = {kernel = o} end
  return add(self.b, merged({layer = "max_pool", inputs = {self.place}}, o,
    {kernel = true, stride = true, name = true}))
end

--- Convolution, then batch norm; without batch norms (norm = "none") the convolution has a bias in its place.
-- @param out integer channels
-- @param o table as for `conv`
-- @param norm string "bn" (default) or "none"
function handle:conv_norm(out, o, norm)
  if norm ~= "none" then return self:conv(out, o):batch_norm() end
  local with_bias = {bias = true}
  for key, value in pairs(o or {}) do with_bias[key] = value end
  return self:conv(out, with_bias)
end

--- Twice a 3 x 3 convolution with its norm and a ReLU: what the nodes of a UNet are.
-- @param out integer channels
-- @param norm string "bn" (default) or "none"
function handle:double_conv(out, norm)
  local same = {kernel = 3, padding = 1}
  return self:conv_norm(out, same, norm):relu():conv_norm(out, same, norm):relu()
end

--- Joins this node and others along the channels.
function handle:concat(...)
  local inputs = {self.place}
  for i, other in ipairs {...} do inputs[i + 1] = other.place end
  return add(self.b, {layer = "concat", inputs = inputs})
end

-- Programs hold libtorch's numbers, so dimensions are shifted here, where people write them.
local function shifted(op, args)
  local out = {}
  for key, value in pairs(args or {}) do out[key] = core.shifted(op, key, value) end
  return out
end

--- Any operator of libtorch as a node: its tensor arguments are this node and `others`.
-- @param name string "linalg_vector_norm", or "mean.dim" with its overload
-- @param args table what is no tensor, by the names of the operator's schema; dimensions from 1 (1 = the batch)
-- @param ... handle further tensors, in the schema's order
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

-- u + v, u + 2, 2 * u: nodes that compute so.
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

--- Ends the program: its outputs are named.
-- @param name string
-- @param outputs list of {name, handle}; without it the node is the one output, "output"
-- @param more table init: how weights of convolutions start: "normal" (N(0, 0.02), as DCGAN's) or "uniform" (as
--   PyTorch's)
-- @return table the program
function handle:build(name, outputs, more)
  local b = self.b
  local list = {}
  for i, o in ipairs(outputs or {{"output", self}}) do list[i] = {name = o[1], node = o[2].place} end
  return {name = name, input = b.shape, nodes = b.nodes, outputs = list, init = more and more.init}
end

-- The builder -------------------------------------------------------------------------------------

builder.__index = function(b, key)
  local method = rawget(handle, key) or key ~= "current" and unknown_layer(nil, key, 3)
  if not method then return nil end
  -- b:conv(…) goes on from the node added last; b:l2(u, v) is u:l2(v)
  return function(_, first, ...)
    if key ~= "build" and key ~= "concat" and getmetatable(first) == handle then return method(first, ...) end
    return method(b.current, first, ...)
  end
end

--- Starts a program.
-- @param shape list {channels, height, width}
-- @return builder `x` is the input; its methods are those of nodes and go on from the node added last
function nn.builder(shape)
  local b = setmetatable({shape = {table.unpack(shape)}, nodes = {}, counts = {}}, builder)
  b.x = setmetatable({b = b, place = 0}, handle)
  b.current = b.x
  return b
end

--- Puts a whole program into another one, its nodes named "prefix.name".
-- @param b builder
-- @param program table
-- @param prefix string
-- @param input handle what it reads
-- @param shares string prefix under which the same program is there already: its tensors serve both (nil: none)
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

--- The same program whose batch norms have a second set of weights and statistics (AdvProp; Xie et al. 2020).
-- @param program table
-- @return table a new program
function nn.with_second_norms(program)
  local copy = {}
  for key, value in pairs(program) do copy[key] = value end
  copy.nodes = {}
  for i, node in ipairs(program.nodes) do
    copy.nodes[i] = node.layer == "batch_norm" and options.merge({sets = 2}, node) or node
  end
  return copy
end

-- Nets --------------------------------------------------------------------------------------------

--- Fails unless both sides can be divided.
-- @param name string the net
-- @param shape list {channels, height, width}
-- @param by integer
function nn.check_divides(name, shape, by)
  if shape[2] % by ~= 0 or shape[3] % by ~= 0 then
    error(("net %s: sides of %d x %d pixels do not divide by %d; resize the pictures with size (to %d, say)")
      :format(name, shape[2], shape[3], by, math.max(by, (shape[2] + by - 1) // by * by)), 0)
  end
end

-- Each net is a file of its name under nets/; "++" is spelt out there.
local function module_of(name)
  local file = name:gsub("%+%+$", "_plus_plus")
  local module = "agad.nets." .. file
  return file:find("^[%w_]+$") and (package.loaded[module] or package.searchpath(module, package.path)) and module
end

--- Whether a net of this name comes with agad.
function nn.is_known(name) return module_of(name) and true or false end

--- The names of the nets that come with agad.
-- @return list
function nn.names()
  local lfs = require "lfs"
  local list, here = {}, package.searchpath("agad.nets.naive", package.path):gsub("/[^/]*$", "")
  for file in lfs.dir(here) do
    local name = file:match "^(.*)%.lua$"
    if name then list[#list + 1] = (name:gsub("_plus_plus$", "++")) end
  end
  table.sort(list)
  return list
end

local function sizes(list)
  local parts = {}
  for i, v in ipairs(list) do parts[i] = tostring(v) end
  return table.concat(parts, " x ")
end

--- Fails unless a net takes and gives pictures of one shape, as a generator must.
-- @param net net
-- @param program table its program
-- @param shape list {channels, height, width}
function nn.check_generator(net, program, shape)
  if sizes(program.input) ~= sizes(shape) then
    error(("net %s: its input is %s, the pictures are %s (channels x height x width)"):format(program.name,
      sizes(program.input), sizes(shape)), 0)
  end
  local out = program.outputs[1].node
  local gives = sizes(out == 0 and program.input or net:info().layers[out].shape)
  if gives ~= sizes(program.input) then
    error(("net %s: it makes %s of %s (channels x height x width); a generator gives what it takes"):format(
      program.name, gives, sizes(program.input)), 0)
  end
end

--- A net's program by name ("naive"), or from a file of the user's own ("my_net.lua").
-- @param name string
-- @param shape list {channels, height, width}
-- @param o table options of the net
-- @raise no such net, or what its file raises
function nn.program(name, shape, o)
  local make
  local own = not name:find("%.lua$")
  if not own then
    local chunk, reason = loadfile(name)
    if not chunk then
      local there = require("lfs").attributes(name, "mode")
      error("net " .. name .. ": " .. (there and reason or "there is no such file"), 0)
    end
    local ok
    ok, make = pcall(chunk)
    if not ok then error(("net %s: its file raises: %s"):format(name, errors.text(make)), 0) end
  else
    local module = module_of(name)
    if not module then
      local known = nn.names()
      local near = options.nearest(name, known)
      error(("unknown net %q%s; known: %s, or a file such as my_net.lua"):format(name,
        near and "; did you mean " .. near .. "?" or "", table.concat(known, ", ")), 0)
    end
    make = require(module)
  end
  if type(make) ~= "function" then error("net " .. name .. ": its file must return a function(shape, options)", 0) end
  local ok, program = pcall(make, shape, o or {})
  if not ok then
    if own then error(program, 0) end                -- ours say which net they are
    error(("net %s: its function raises: %s"):format(name, errors.text(program)), 0)
  end
  if type(program) ~= "table" or not program.nodes then
    error("net " .. name .. ": its function must return a program (end it with :build(name))", 0)
  end
  return program
end

--- A net with its own weights, all zero until `init` or `set`.
-- `net(x, groups)` runs it (one autograd node under gradient mode), `net:eager(x, groups)` operator by operator.
-- Methods: init(seed), params(), buffers(), set(name, tensor), share(name, tensor), info(), requires_grad_().
-- @param program table
-- @param o table dtype ("float32"), compute (= dtype), device ("cpu"), layout ("channels_last")
-- @return net
-- @raise an unsound program: net, node and reason
function nn.net(program, o)
  local ok, text = errors.try(core.json_encode, program)
  if not ok then error(("net %s: its program is no data: %s"):format(tostring(program.name), text), 0) end
  return core.net(text, o)
end

-- Single layers: agad/layers.lua, when one is first asked for.  PyTorch's nn.functional is agad itself.
return setmetatable(nn, {__index = function(_, name)
  if type(name) ~= "string" then return nil end
  local layers = require "agad.nn.layers"
  local made = name == "functional" and require "agad" or layers[name]
  if made == nil then
    local list = {}
    for known in pairs(layers) do list[#list + 1] = known end
    table.sort(list)
    local meant = options.nearest(name, list)
    if meant then error(("agad.nn has no '%s'; did you mean %s?"):format(name, meant), 2) end
  end
  rawset(nn, name, made)
  return made
end})
