--- Single layers with weights of their own: local c = agad.nn.conv(3, 64, {kernel = 4}); y = c(x).
-- Layers of the C core run the same code as in nets, as one autograd node; those with weights take the number of
-- channels of their input as the first argument. Other layers are libtorch's operators. A layer is called with tensors
-- (n, channels, height, width), on any device.
-- Fields: weight, bias (tensors that require gradients); methods: parameters(), train(), eval(), to(o), children().

local agad = require "agad"
local attributes = require "agad.nn.attributes"
local core = require "agad.core"
local options = require "agad.base.options"
local text = require "agad.base.text"
local option = options.option

local layers = {}

local layer = {}
layer.__index = layer
layer.__name = "agad.layer"

-- Text ------------------------------------------------------------------------------------------

local function show(v)
  if type(v) == "string" then return ("%q"):format(v) end
  if type(v) ~= "table" then return text.of(v) end
  local parts, names = {}, {}
  for i, x in ipairs(v) do parts[i] = show(x) end
  for name in pairs(v) do if type(name) == "string" then names[#names + 1] = name end end
  text.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = name .. " = " .. show(v[name]) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function layer:__tostring()
  local parts = {}
  for i, v in ipairs(self.arguments) do
    local nothing = type(v) == "table" and next(v) == nil
    if not nothing then parts[i] = getmetatable(v) == layer and tostring(v) or show(v) end
  end
  return ("agad.nn.%s(%s)"):format(self.kind, table.concat(parts, ", "))
end

-- A value of an option's type.
local function typed(kind, name, d, v)
  local ok, value = pcall(options.typed, name, d, v)
  if not ok then core.fail(("nn.%s: %s"):format(kind, value)) end
  return value
end

local size = option {kind = "integer", min = 1}
local function whole(kind, name, v) return typed(kind, name, size, v) end

-- Making ----------------------------------------------------------------------------------------

local function new(kind, arguments)
  return setmetatable({kind = kind, arguments = arguments, training = true, nets = {}, tensors = {}}, layer)
end

-- The layer as a program of one node.
local function program_of(self, shape)
  local node = {layer = self.kind, inputs = {0}}
  for name, v in pairs(self.attributes) do node[name] = v end
  return {name = self.kind, input = shape, nodes = {node}, outputs = {{name = "output", node = 1}}, init = self.init}
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

-- The net of one node for inputs of this shape.
local function net_for(self, x)
  local key = table.concat(x.shape, "x", 2) .. " " .. x.device
  local net = self.nets[key]
  if net then return net end
  local shape = table.move(x.shape, 2, #x.shape, 1, {})
  net = agad.nn.net(program_of(self, shape), {dtype = self.dtype or "float32", device = x.device})
  share(self, net)
  self.nets[key] = net
  return net
end

-- Initialises the layer's weights, as in a net for inputs of this shape.
local function draw_weights(self, shape, seed)
  local net = agad.nn.net(program_of(self, shape)):init(seed)
  for _, p in ipairs(net:params()) do
    self.tensors[p.name:match "[^.]+$"] = p.tensor:detach():clone():requires_grad_()
  end
  for _, p in ipairs(net:buffers()) do self.tensors[p.name:match "[^.]+$"] = p.tensor:clone() end
  self.channels = shape[1]
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
  text.sort(names)
  for i, name in ipairs(names) do list[i] = {name = name, tensor = self.tensors[name]} end
  for i, child in ipairs(self.layers or {}) do
    for _, p in ipairs(child:parameters()) do list[#list + 1] = {name = i .. "." .. p.name, tensor = p.tensor} end
  end
  return list
end

--- @name agad.nn.LAYER:train(on)
-- Switches to training mode (on = true): batch norm uses the batch's statistics and updates the running ones, and
-- dropout is active. With false, the same as `eval`.
-- @return layer itself
function layer:train(on)
  self.training = on ~= false
  for _, child in ipairs(self.layers or {}) do child:train(on) end
  return self
end

--- @name agad.nn.LAYER:eval()
-- Switches to evaluation mode: batch norm uses its running statistics, and dropout does nothing.
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

-- The layers of the C core ----------------------------------------------------------------------

local of_weights = {init = option {choices = {"normal", "uniform"}}, seed = option {kind = "integer"}}

-- A side that is large enough for any layer; weights do not depend on the size of pictures.
local function any_side(kind, values)
  local most = 1
  for _, a in ipairs(kind.attributes) do
    local v = values[a.name] or a.default
    if a.kind == "pair" then most = math.max(most, table.unpack(type(v) == "table" and v or {v})) end
  end
  return 2 * most + 1
end

-- Activations take tensors of any shape and dtype; those that are not batches of floating-point numbers go to the
-- operator.
local operator_of = {leaky_relu = function(x, o) return x:leaky_relu(o.slope or 0.01) end,
  relu = function(x) return x:relu() end, tanh = function(x) return x:tanh() end}

local function is_batch(x) return #x.shape >= 2 and #x.shape <= 4 and x.dtype:find "^float" end

-- nn.NAME(channels of the input (of layers with weights), required attributes, options)
local function of_core(kind)
  local more = kind.has_weights and {"init", "seed"} or {}
  local known = {}
  for _, name in ipairs(kind.optional) do known[name] = kind.options[name] end
  for _, name in ipairs(more) do known[name] = of_weights[name] end
  local place = #kind.required + (kind.has_weights and 2 or 1)
  return options.takes(function(...)
    local self, values = new(kind.name, {...}), {}
    local channels = kind.has_weights and whole(kind.name, "channels", (...))
    local given = attributes.read("nn." .. kind.name, kind, more, select(channels and 2 or 1, ...))
    for _, name in ipairs(kind.required) do values[name] = typed(kind.name, name, kind.options[name], given[name]) end
    for name, v in pairs(given) do
      values[name] = typed(kind.name, name, kind.options[name] or of_weights[name], v)
    end
    local seed = values.seed
    self.init, self.attributes, values.init, values.seed = values.init, values, nil, nil
    local side = channels and any_side(kind, values)
    if channels then draw_weights(self, {channels, side, side}, seed) end
    local operator = operator_of[kind.name]
    if operator then self.run = function(l, x) return is_batch(x) and call_node(l, x) or operator(x, values) end end
    return self
  end, place, known)
end

for _, kind in ipairs(attributes.list) do
  if attributes.is_single(kind) then layers[kind.name] = of_core(kind) end
end

-- Layers that are operators ---------------------------------------------------------------------

-- A layer that is an operator of libtorch.
local function operator(kind, arguments, run)
  local self = new(kind, arguments)
  self.run = run
  return self
end

local linear_options = {bias = option {default = true}, seed = of_weights.seed}

--- x W' + b (PyTorch's Linear); weights start as PyTorch's, U(-1/sqrt(n), 1/sqrt(n)).
-- @param inputs integer
-- @param outputs integer
-- @param given table bias (true), seed
-- @return layer
function layers.linear(inputs, outputs, given)
  local o = options.check("nn.linear", given, linear_options, true)
  inputs, outputs = whole("linear", "inputs", inputs), whole("linear", "outputs", outputs)
  local self = operator("linear", {inputs, outputs, given}, function(l, x)
    return x:linear(l.tensors.weight, l.tensors.bias)
  end)
  local bound = 1 / math.sqrt(inputs)
  local draw = o.seed and {generator = core.generator(o.seed)} or nil
  self.tensors.weight = agad.empty(outputs, inputs):uniform_(-bound, bound, draw):requires_grad_()
  if o.bias then self.tensors.bias = agad.empty(outputs):uniform_(-bound, bound, draw):requires_grad_() end
  return self
end

--- 1 / (1 + exp(-x)).
-- @return layer
function layers.sigmoid() return operator("sigmoid", {}, function(_, x) return x:sigmoid() end) end

local function pair(v) return type(v) == "table" and v or {v, v} end

--- The mean of each window (PyTorch's AvgPool2d).
-- @param o table|number kernel (2), stride (the kernel), each a number or {vertical, horizontal}; a number alone is the
--   kernel
-- @return layer
function layers.avg_pool(o)
  local window = attributes.of.max_pool
  local given = options.check("nn.avg_pool", attributes.read("nn.avg_pool", window, {}, o), window.options, true)
  local kernel = pair(given.kernel)
  local stride = given.stride == 0 and kernel or pair(given.stride)
  return operator("avg_pool", {o}, function(_, x) return x:avg_pool2d(kernel, stride) end)
end

--- Multiplies the sides by a whole number, repeating each pixel (PyTorch's Upsample, nearest).
-- @param factor integer 2
-- @return layer
function layers.upsample(factor)
  factor = whole("upsample", "factor", factor or 2)
  return operator("upsample", {factor}, function(l, x)
    if #x.shape ~= 4 then fail(l, "4 dimensions are needed, not %d", #x.shape) end
    return x:upsample_nearest2d {output_size = {x:size(3) * factor, x:size(4) * factor}}
  end)
end

--- Joins tensors along a dimension: nn.concat()(a, b).
-- @param dim integer 2, the channels
-- @return layer
function layers.concat(dim)
  return operator("concat", {dim or 2}, function(_, ...) return agad.cat({...}, dim or 2) end)
end

local share_below_1 = option {default = 0.5, min = 0, below = 1}

--- Sets numbers to 0 at random and scales the others up (PyTorch's Dropout); does nothing in evaluation mode.
-- @param p number 0.5: the probability of a 0
-- @return layer
function layers.dropout(p)
  p = typed("dropout", "p", share_below_1, p or 0.5)
  return operator("dropout", {p}, function(l, x) return x:dropout(p, l.training) end)
end

--- Returns its input.
-- @return layer
function layers.identity() return operator("identity", {}, function(_, x) return x end) end

--- Flattens all dimensions but the first into one.
-- @return layer
function layers.flatten() return operator("flatten", {}, function(_, x) return x:flatten {start_dim = 2} end) end

--- Layers one after another.
-- @param ... layer or function of a tensor
-- @return layer; its field `layers` lists the arguments that are layers
function layers.sequential(...)
  local all, own = {...}, {}
  for i, l in ipairs(all) do
    if type(l) == "table" and getmetatable(l) == layer then own[#own + 1] = l
    elseif type(l) ~= "function" then
      error(("nn.sequential: argument %d is a %s, not a layer"):format(i, type(l)), 2)
    end
  end
  local self = operator("sequential", all, function(_, x)
    for _, l in ipairs(all) do x = l(x) end
    return x
  end)
  self.layers = own
  return self
end

return layers
