--- Single layers with weights of their own: local c = agad.nn.conv(3, 64, {kernel = 4}); y = c(x).
-- Convolutions, batch norm, activations, max pooling and concat run the C code that nets run, as one autograd node; the
-- others are libtorch's operators. A layer is called with tensors (n, channels, height, width), on any device.
-- Fields: weight, bias (tensors that require gradients); methods: parameters(), train(), eval(), to(o), children().

local agad = require "agad"
local core = require "agad.core"
local options = require "agad.base.configuration"
local brief = require("agad.base.values").brief

local layers = {}

local layer = {}
layer.__index = layer
layer.__name = "agad.layer"

-- Text ------------------------------------------------------------------------------------------

local function show(v)
  if type(v) == "string" then return ("%q"):format(v) end
  if type(v) ~= "table" then return tostring(v) end
  local parts, names = {}, {}
  for i, x in ipairs(v) do parts[i] = show(x) end
  for name in pairs(v) do if type(name) == "string" then names[#names + 1] = name end end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = name .. " = " .. show(v[name]) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function layer:__tostring()
  local parts = {}
  for i, v in ipairs(self.arguments) do parts[i] = tostring(v) end
  if next(self.options) then parts[#parts + 1] = show(self.options) end
  return ("agad.nn.%s(%s)"):format(self.kind, table.concat(parts, ", "))
end

-- Checked options of a layer: unknown ones are refused with the known ones.
local function checked(kind, given, known)
  given = given or {}
  if type(given) ~= "table" then error(("nn.%s: options are a table, not a %s"):format(kind, type(given)), 3) end
  for name in pairs(given) do
    local found = false
    for _, other in ipairs(known) do found = found or name == other end
    if not found then
      local near = options.nearest(brief(name), known)
      error(("nn.%s: unknown option %s%s; known: %s"):format(kind, brief(name),
        near and "; did you mean " .. near .. "?" or "", table.concat(known, ", ")), 3)
    end
  end
  return given
end

-- A number stands for its kernel.
local function with_kernel(o) return type(o) == "number" and {kernel = o} or o end

local function whole(kind, name, v)
  if math.type(v) ~= "integer" or v < 1 then
    error(("nn.%s: %s = %s; a whole number from 1 is needed"):format(kind, name, brief(v)), 3)
  end
  return v
end

-- Making ----------------------------------------------------------------------------------------

local function new(kind, arguments, o)
  return setmetatable({kind = kind, arguments = arguments, options = o, training = true, nets = {}, tensors = {}},
    layer)
end

-- Shares the layer's tensors with a net, by name.
local function share(self, net)
  for _, list in ipairs {net:params(), net:buffers()} do
    for _, p in ipairs(list) do
      local name = p.name:match "[^.]+$"
      net:share(p.name, self.tensors[name])
    end
  end
end

-- The net of one node for inputs of this shape; the first one draws the weights.
local function net_for(self, x)
  local key = table.concat(x.shape, "x", 2) .. " " .. x.device
  local net = self.nets[key]
  if net then return net end
  local shape = table.move(x.shape, 2, #x.shape, 1, {})
  local b = agad.nn.builder(shape)
  local program = self.define(b, self):build(self.kind, nil, {init = self.options.init})
  net = agad.nn.net(program, {dtype = self.dtype or "float32", device = x.device})
  share(self, net)
  self.nets[key] = net
  return net
end

-- A layer that is one node of a net program.
local function node(kind, arguments, o, define, weights)
  local self = new(kind, arguments, o)
  self.define = define
  if weights then
    self.channels = weights[1]
    local program = define(agad.nn.builder(weights), self):build(kind, nil, {init = o.init})
    local net = agad.nn.net(program)
    net:init(o.seed)
    for _, p in ipairs(net:params()) do
      self.tensors[p.name:match "[^.]+$"] = p.tensor:detach():clone():requires_grad_()
    end
    for _, p in ipairs(net:buffers()) do self.tensors[p.name:match "[^.]+$"] = p.tensor:clone() end
  end
  return self
end

local function fail(self, reason, ...) core.fail(("%s: " .. reason):format(tostring(self), ...)) end

local function call_node(self, x)
  if self.channels and x.shape[2] ~= self.channels then
    fail(self, "the input has %s channels, not %d", x.shape[2] or "no", self.channels)
  end
  return (net_for(self, x)(x, {bn = self.training and "batch" or "running"}))
end

local function check_tensors(self, x, ...)
  if type(x) ~= "userdata" or not x.shape then
    fail(self, "a tensor is needed, not %s", x == nil and "nil" or "a " .. type(x))
  end
  if select("#", ...) > 0 then check_tensors(self, ...) end
end

function layer:__call(...)
  check_tensors(self, ...)
  return (self.run or call_node)(self, ...)
end

layer.__index = function(self, name) return layer[name] or rawget(self, "tensors")[name] end

-- Methods ---------------------------------------------------------------------------------------

--- @name agad.nn.LAYER:parameters()
-- The tensors that gradients are computed for.
-- @return list of {name, tensor}
function layer:parameters()
  local list, names = {}, {}
  for name, t in pairs(self.tensors) do if t.requires_grad then names[#names + 1] = name end end
  table.sort(names)
  for i, name in ipairs(names) do list[i] = {name = name, tensor = self.tensors[name]} end
  for i, child in ipairs(self.layers or {}) do
    for _, p in ipairs(child:parameters()) do list[#list + 1] = {name = i .. "." .. p.name, tensor = p.tensor} end
  end
  return list
end

--- @name agad.nn.LAYER:train(on)
-- Batch norm uses and moves statistics of the batch, dropout drops (on = true); with false as `eval`.
-- @return layer itself
function layer:train(on)
  self.training = on ~= false
  for _, child in ipairs(self.layers or {}) do child:train(on) end
  return self
end

--- @name agad.nn.LAYER:eval()
-- Batch norm uses its running statistics, dropout drops nothing.
-- @return layer itself
function layer:eval() return self:train(false) end

--- @name agad.nn.LAYER:to(o)
-- Moves its tensors to a device or a dtype ("float32", "float64").
-- @param o table device, dtype
-- @return layer itself
function layer:to(o)
  for name, t in pairs(self.tensors) do
    local moved = t:detach():to(o)
    self.tensors[name] = t.requires_grad and moved:requires_grad_() or moved
  end
  self.dtype, self.nets = o.dtype or self.dtype, {}
  for _, child in ipairs(self.layers or {}) do child:to(o) end
  return self
end

-- Layers with weights ---------------------------------------------------------------------------

local conv_options = {"kernel", "stride", "padding", "bias", "init", "seed"}
local transpose_options = {"kernel", "stride", "padding", "output_padding", "bias", "init", "seed"}

local function only(o, names)
  local kept = {}
  for _, name in ipairs(names) do kept[name] = o[name] end
  return kept
end

local conv_attributes = {"kernel", "stride", "padding", "output_padding", "bias"}

-- Weights do not depend on the picture's sides; these are large enough for any kernel.
local function any_sides(channels, o)
  local kernel = type(o.kernel) == "table" and math.max(o.kernel[1], o.kernel[2]) or o.kernel or 3
  return {channels, kernel, kernel}
end

--- Convolution (PyTorch's Conv2d).
-- @param channels integer of the input
-- @param out integer channels of the output
-- @param o table|number kernel (3), stride (1), padding (0): a number or {vertical, horizontal}; bias (false), init
--   ("normal": N(0, 0.02) as DCGAN's, "uniform": as PyTorch's), seed; or the kernel
-- @return layer
function layers.conv(channels, out, o)
  o = checked("conv", with_kernel(o), conv_options)
  whole("conv", "channels", channels)
  whole("conv", "out", out)
  return node("conv", {channels, out}, o, function(b) return b:conv(out, only(o, conv_attributes)) end,
    any_sides(channels, o))
end

--- Transposed convolution (PyTorch's ConvTranspose2d).
-- @param channels integer of the input
-- @param out integer channels of the output
-- @param o table as for `agad.nn.conv`, and output_padding (0)
-- @return layer
function layers.conv_transpose(channels, out, o)
  o = checked("conv_transpose", with_kernel(o), transpose_options)
  whole("conv_transpose", "channels", channels)
  whole("conv_transpose", "out", out)
  return node("conv_transpose", {channels, out}, o,
    function(b) return b:conv_transpose(out, only(o, conv_attributes)) end, {channels, 4, 4})
end

--- Batch norm over batch and pixels (PyTorch's BatchNorm2d). Fields running_mean, running_var.
-- @param channels integer
-- @param o table momentum (0.1), eps (1e-5), affine (true)
-- @return layer
function layers.batch_norm(channels, o)
  o = checked("batch_norm", o, {"momentum", "eps", "affine", "seed"})
  whole("batch_norm", "channels", channels)
  return node("batch_norm", {channels}, o,
    function(b) return b:batch_norm(only(o, {"momentum", "eps", "affine"})) end, {channels, 1, 1})
end

--- x W' + b (PyTorch's Linear); weights start as PyTorch's, U(-1/sqrt(n), 1/sqrt(n)).
-- @param inputs integer
-- @param outputs integer
-- @param o table bias (true), seed
-- @return layer
function layers.linear(inputs, outputs, o)
  o = checked("linear", o, {"bias", "seed"})
  local self = new("linear", {whole("linear", "inputs", inputs), whole("linear", "outputs", outputs)}, o)
  local bound = 1 / math.sqrt(inputs)
  local draw = o.seed and {generator = core.generator(o.seed)} or nil
  self.tensors.weight = agad.empty(outputs, inputs):uniform_(-bound, bound, draw):requires_grad_()
  if o.bias ~= false then self.tensors.bias = agad.empty(outputs):uniform_(-bound, bound, draw):requires_grad_() end
  self.run = function(l, x) return x:linear(l.tensors.weight, l.tensors.bias) end
  return self
end

-- Layers without weights ------------------------------------------------------------------------

-- An activation: C's node where it takes the shape, the operator elsewhere.
local function activation(kind, arguments, define, operator)
  local self = node(kind, arguments, {}, define)
  self.run = function(l, x)
    local n = #x.shape
    if n >= 2 and n <= 4 and x.dtype:find "^float" then return call_node(l, x) end
    return operator(x)
  end
  return self
end

--- max(x, slope x).
-- @param slope number 0.01
-- @return layer
function layers.leaky_relu(slope)
  slope = slope or 0.01
  return activation("leaky_relu", {slope}, function(b) return b:leaky_relu(slope) end,
    function(x) return x:leaky_relu(slope) end)
end

--- max(x, 0).
-- @return layer
function layers.relu()
  return activation("relu", {}, function(b) return b:relu() end, function(x) return x:relu() end)
end

--- Hyperbolic tangent.
-- @return layer
function layers.tanh()
  return activation("tanh", {}, function(b) return b:tanh() end, function(x) return x:tanh() end)
end

-- A layer that is an operator of libtorch.
local function operator(kind, arguments, o, run)
  local self = new(kind, arguments, o)
  self.run = run
  return self
end

--- 1 / (1 + exp(-x)).
-- @return layer
function layers.sigmoid() return operator("sigmoid", {}, {}, function(_, x) return x:sigmoid() end) end

local function window(kind, o) return checked(kind, with_kernel(o), {"kernel", "stride"}) end

--- The largest of each window (PyTorch's MaxPool2d).
-- @param o table|number kernel (2), stride (the kernel): a number or {vertical, horizontal}; or the kernel
-- @return layer
function layers.max_pool(o)
  o = window("max_pool", o)
  return node("max_pool", {}, o, function(b) return b:max_pool(o) end)
end

local function pair(v) return type(v) == "table" and v or {v, v} end

--- The mean of each window (PyTorch's AvgPool2d).
-- @param o table|number kernel (2), stride (the kernel): a number or {vertical, horizontal}; or the kernel
-- @return layer
function layers.avg_pool(o)
  o = window("avg_pool", o)
  local kernel = pair(o.kernel or 2)
  return operator("avg_pool", {}, o, function(_, x) return x:avg_pool2d(kernel, pair(o.stride or kernel)) end)
end

--- Sides times a whole number, each pixel repeated (PyTorch's Upsample, nearest).
-- @param factor integer 2
-- @return layer
function layers.upsample(factor)
  factor = whole("upsample", "factor", factor or 2)
  return operator("upsample", {factor}, {}, function(l, x)
    if #x.shape ~= 4 then fail(l, "4 dimensions are needed, not %d", #x.shape) end
    return x:upsample_nearest2d {output_size = {x:size(3) * factor, x:size(4) * factor}}
  end)
end

--- Joins tensors along a dimension: nn.concat()(a, b).
-- @param dim integer 2, the channels
-- @return layer
function layers.concat(dim)
  return operator("concat", {dim or 2}, {}, function(_, ...) return agad.cat({...}, dim or 2) end)
end

--- Sets numbers to 0 at random and scales the others up (PyTorch's Dropout); nothing in `eval`.
-- @param p number 0.5, the share
-- @return layer
function layers.dropout(p)
  p = p or 0.5
  if not (type(p) == "number" and p >= 0 and p < 1) then
    error(("nn.dropout: p = %s; a share of at least 0 and below 1 is needed"):format(brief(p)), 2)
  end
  return operator("dropout", {p}, {}, function(l, x) return x:dropout(p, l.training) end)
end

--- What it is given.
-- @return layer
function layers.identity() return operator("identity", {}, {}, function(_, x) return x end) end

--- All dimensions but the first as one.
-- @return layer
function layers.flatten() return operator("flatten", {}, {}, function(_, x) return x:flatten {start_dim = 2} end) end

--- Layers one after another.
-- @param ... layer or function of a tensor
-- @return layer; its `layers` are those that are layers
function layers.sequential(...)
  local all, own = {...}, {}
  for i, l in ipairs(all) do
    if type(l) == "table" and getmetatable(l) == layer then own[#own + 1] = l
    elseif type(l) ~= "function" then
      error(("nn.sequential: argument %d is a %s, not a layer"):format(i, type(l)), 2)
    end
  end
  local self = operator("sequential", all, {}, function(_, x)
    for _, l in ipairs(all) do x = l(x) end
    return x
  end)
  self.layers = own
  return self
end

return layers
