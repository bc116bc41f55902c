--- agad: adversarial generative anomaly detection. `require "agad"` returns a table and sets no globals.
-- Every operator of libtorch is a function of it (agad.rand(3, 4), agad.softmax(t, 2)) and a method of tensors.

-- Other versions of Lua read this file too, so that they come to this line.
if _VERSION ~= "Lua 5.4" then
  error("agad needs Lua 5.4; this is " .. (jit and jit.version or _VERSION), 0)     -- luacheck: ignore 113
end

require("agad.base.places").check_current()
require "agad.base.openmp"

local core = require "agad.core"
local options = require "agad.base.options"

core.set_own_files((debug.getinfo(1, "S").source:gsub("init%.lua$", "")))

-- The GPU is looked for before the first operator, as libtorch checks for one only once.
local devices, device_note = core.probe()

local agad = {core = core, version = "0.1.0", libtorch_version = core.libtorch, devices = devices,
  device_note = device_note, grad = core.grad, manual_seed = core.manual_seed,
  generator = core.generator}

-- Makes shapes and lists of tensors print their contents.
function core.list_metatable.__tostring(list) return require("agad.base.values").show(list) end

core.set_formatter(function(t, footer) return require("agad.tensor.text").of(t, footer) end)

-- The operator (or the name in a list) that is nearest to a mistyped one, or nil.
local function nearest_operator(name, list)
  return options.nearest(name, list or require("agad.tensor.operators").names(), not list)
end
core.set_nearest(nearest_operator)
getmetatable(core.from_table({0}, "float32")).__fields = function() return require("agad.tensor.operators").names() end

--- Runs f without gradients and returns its results.
-- @param f function
-- @example y = agad.no_grad(function() return agad.rand(2, 3):softmax(2) end)
function agad.no_grad(f, ...)
  local before = core.grad_mode(false)
  local results = table.pack(pcall(f, ...))
  core.grad_mode(before)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

local making = {"dtype", "device", "requires_grad"}

--- A function with a derivative written in Lua.
-- @param o table forward: function(c, …), which returns tensors; backward: function(c, …), which receives the gradient
--   of each of these (nil if there is none) and returns the gradient of each argument of forward (nil for an argument
--   that is not a tensor); c is a table in which forward can leave what backward needs; name (for messages)
-- @return function(…) takes forward's arguments; backward can run once for each call
-- @raise errors of forward or backward
function agad.differentiable(o)
  if type(o) ~= "table" or type(o.forward) ~= "function" or type(o.backward) ~= "function" then
    error("differentiable: give {forward = function(c, …), backward = function(c, …)}", 2)
  end
  return function(...)
    local c, given = {}, table.pack(...)
    local inputs, places = {}, {}
    for i = 1, given.n do
      if type(given[i]) == "userdata" then inputs[#inputs + 1], places[#places + 1] = given[i], i end
    end
    local outputs = table.pack(agad.no_grad(o.forward, c, ...))
    if #inputs == 0 then return table.unpack(outputs, 1, outputs.n) end
    return core.node(o.name or "differentiable", inputs, outputs, function(...)
      local all, some = table.pack(o.backward(c, ...)), {}
      for k, i in ipairs(places) do some[k] = all[i] end
      return table.unpack(some, 1, #places)
    end)
  end
end

-- Marks the tensors among results, including those in plain tables.
local function mark(v, kept, depth)
  if type(v) == "userdata" then kept[v] = true
  elseif type(v) == "table" and depth > 0 then
    for _, inner in pairs(v) do mark(inner, kept, depth - 1) end
  end
end

--- Runs f, then frees all tensors that were made in it, except those that it returns (on their own or inside tables).
-- Tensors that f stores elsewhere are closed too; return them to keep them.
-- @param f function
-- @return the results of f
-- @raise errors of f; the tensors made so far are freed
-- @example mean = agad.scope(function() return agad.rand(1000, 1000):mean() end)
function agad.scope(f, ...)
  local number = core.open_scope()
  local results = table.pack(pcall(f, ...))
  local made, kept = core.close_scope(number), {}
  if results[1] then for i = 2, results.n do mark(results[i], kept, 8) end end
  for t in pairs(made) do
    if kept[t] then core.note_in_scope(t) else t:close() end
  end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- The memory that tensors hold now.
-- @return table tensors (their number), bytes (of main memory), peak (the most bytes so far), collections (full garbage
--   collections triggered by tensors), device: bytes and peak by device ("cpu", "cuda:0")
-- @example agad.memory().bytes
function agad.memory()
  local use = core.memory()
  use.collections = core.collections()
  return use
end

--- A tensor from nested tables of numbers, or of booleans: agad.tensor {{1, 2}, {3, 4}}.
-- @param list table nested as deep as there are dimensions; or a number
-- @param o table|string dtype ("float32"; "bool" for booleans), device ("cpu"), requires_grad (false); or the dtype
-- @return tensor
-- @raise rows have different lengths, a value is not a number, or numbers and booleans are mixed
-- @example t = agad.tensor({{1, 2}, {3, 4}}, "float64"); print(t:sum(1))
function agad.tensor(list, o)
  if type(o) == "string" then o = {dtype = o} end
  options.check_names("tensor", o, making, true)
  if list == nil then
    error("tensor: nothing was given; give nested tables of numbers: agad.tensor {{1, 2}, {3, 4}}", 2)
  end
  local single = type(list) ~= "table"
  local ok, t = core.try(core.from_table, single and {list} or list, o and o.dtype)
  if not ok then error("tensor: " .. t, 2) end
  if single then t = t[1]:clone() end
  if o and o.device then t = t:to {device = o.device} end
  return o and o.requires_grad and t:requires_grad_() or t
end

--- A tensor from its numbers as bytes, as t:tostring_bytes() returns them.
-- @param bytes string
-- @param o table dtype ("float32"), size (a list: its shape; default: one dimension)
-- @return tensor
-- @raise the number of bytes does not match the shape
-- @example agad.from_string("\0\255", {dtype = "uint8"})
function agad.from_string(bytes, o)
  options.check_names("from_string", o, {"dtype", "size"}, true)
  local dtype = o and o.dtype or "float32"
  local each = core.element_size(dtype)
  if #bytes % each ~= 0 then
    error(("from_string: %d bytes do not hold a whole number of %s values (%d bytes each)"):format(#bytes, dtype,
      each), 2)
  end
  local size = o and o.size or {math.tointeger(#bytes / each)}
  local ok, t = core.try(core.from_string, bytes, dtype, size)
  if not ok then error(t, 2) end
  return t
end

for _, dtype in ipairs {"float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "complex64",
  "complex128"} do
  agad[dtype] = dtype
end

for _, list in ipairs {(require "agad.tensor.names"), (require "agad.tensor.functional")} do
  for name, f in pairs(list) do core.tensor_methods[name], agad[name] = f, f end
end

--- Whether a value is a tensor (closed or not).
-- @return boolean
-- @example agad.is_tensor(agad.rand(2))
function agad.is_tensor(v) return core.is_tensor(v) end

--- Whether operators record what gradients need; false inside agad.no_grad.
-- @return boolean
function agad.is_grad_enabled() return core.grad_mode() end

--- The number of CPU threads that an operator uses, and the reading of pictures: if it was not set, OMP_NUM_THREADS, or
-- the physical cores that the process may use (its affinity, and the processor time that its cgroup allows).
-- @return integer
function agad.get_num_threads() return (core.threads()) end

--- Sets the number of CPU threads that an operator uses.
-- @param n integer 1 to 4096
-- @example agad.set_num_threads(1); agad.get_num_threads()
function agad.set_num_threads(n)
  local ok, typed = pcall(options.typed, "threads", require("agad.options").shared "threads", n)
  if not ok then error("set_num_threads: " .. typed, 2) end
  core.threads(typed)
end

function core.tensor_methods.show(t, o) return require("agad.tensor.show").picture(t, o) end

function agad.save(...) return require("agad.tensor.files").save(...) end
function agad.load(...) return require("agad.tensor.files").load(...) end

-- agad.linalg.norm is the operator linalg_norm, as in PyTorch.
for _, space in ipairs {"fft", "linalg", "special"} do
  local function names()
    local list = {}
    for _, name in ipairs(require("agad.tensor.operators").names()) do
      list[#list + 1] = name:match("^" .. space .. "_(.+)$")
    end
    return list
  end
  agad[space] = setmetatable({}, {
    __index = function(_, name) return agad[space .. "_" .. tostring(name)] end,
    __fields = names,
    __tostring = function() return "agad." .. space end,
    __describe = function() return {table.concat(names(), ", ")} end,
  })
end

require "agad.options"                           -- what hashes and tasks know of options is whole from the start

-- Modules are loaded at first use; any other name is an operator.
local parts = require("agad.base.public").module_of
for name, module in pairs(parts) do
  if module ~= "agad." .. name then package.preload["agad." .. name] = function() return require(module) end end
end

-- What the REPL completes: the parts and the operators.
local function fields()
  local list = {"metrics", "trainer"}
  for name in pairs(parts) do list[#list + 1] = name end
  local operators = require("agad.tensor.operators").names()
  return table.move(operators, 1, #operators, #list + 1, list)
end

setmetatable(agad, {__fields = fields, __index = function(_, name)
  if type(name) ~= "string" then return nil end
  local value
  if name == "metrics" then value = core.metrics
  elseif name == "trainer" then value = require("agad.train.trainer").new
  elseif parts[name] then value = require(parts[name])
  else
    value = core.operator(name) or rawget(core.tensor_methods, name)
    local meant = value == nil and #name > 2 and nearest_operator(name)
    if meant then core.fail(("agad has no '%s'; did you mean %s?"):format(name, meant)) end
  end
  rawset(agad, name, value)
  return value
end})

return agad
