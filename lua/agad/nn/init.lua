--- Nets: programs by name or from files, and nets that run them. Programs are built with nn/builder.lua.

local core = require "agad.core"
local errors = require "agad.base.errors"
local options = require "agad.base.options"
local format = require("agad.base.text").format
local sort = require("agad.base.text").sort

local nn = {}
for name, f in pairs(require "agad.nn.builder") do nn[name] = f end

--- Raises an error unless both sides are multiples of a number.
-- @param name string the net
-- @param shape list {channels, height, width}
-- @param by integer
function nn.check_divides(name, shape, by)
  if shape[2] % by ~= 0 or shape[3] % by ~= 0 then
    error(("net %s: the sides of %d x %d pixels must be multiples of %d; resize the pictures (size = %d, for example)")
      :format(name, shape[2], shape[3], by, math.max(by, (shape[2] + by - 1) // by * by)), 0)
  end
end

-- Each net is nets/NAME.lua; "++" is spelt out in the file name.
local function module_of(name)
  local file = name:gsub("%+%+$", "_plus_plus")
  local module = "agad.nets." .. file
  return file:find("^[%w_]+$") and (package.loaded[module] or package.searchpath(module, package.path)) and module
end

--- Whether a net of this name comes with agad.
function nn.is_known(name) return module_of(name) and true or false end

--- The names of the nets that come with agad.
-- @return list
-- @example agad.nn.names()
function nn.names()
  local lfs = require "lfs"
  local list, here = {}, package.searchpath("agad.nets.naive", package.path):gsub("/[^/]*$", "")
  for file in lfs.dir(here) do
    local name = file:match "^(.*)%.lua$"
    if name then list[#list + 1] = (name:gsub("_plus_plus$", "++")) end
  end
  sort(list)
  return list
end

local function sizes(list)
  local parts = {}
  for i, v in ipairs(list) do parts[i] = tostring(v) end
  return table.concat(parts, " x ")
end

--- Raises an error unless a net's input and output have the shape of the pictures, as a generator's must.
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
    error(("net %s: it returns %s for an input of %s (channels x height x width); a generator must keep the shape")
      :format(
      program.name, gives, sizes(program.input)), 0)
  end
end

local function fail(form, ...) error(format(form, ...), 0) end

-- The value that the net's file returns.
local function load_net(name)
  if not name:find "%.lua$" then
    local module = module_of(name)
    if module then return require(module) end
    local known = nn.names()
    fail("unknown net %q%s, or a file such as my_net.lua", name, options.hint(name, known))
  end
  local chunk, reason = loadfile(name)
  if not chunk then
    fail("net %s: %s", name, require("lfs").attributes(name, "mode") and reason or "there is no such file")
  end
  local ok, made = pcall(chunk)
  if not ok then fail("net %s: its file raises: %s", name, errors.text(made)) end
  return made
end

-- A net's function(shape, options) and its options; nil if its file returns the function alone, which takes any
-- options.
local function build_and_options(name)
  local made = load_net(name)
  if type(made) == "function" then return made, nil end
  if type(made) ~= "table" or type(made.build) ~= "function" then
    fail("net %s: its file must return a function(shape, options), or {options = …, build = that function}", name)
  end
  local known = made.options or {}
  if type(known) ~= "table" then fail("net %s: its options must be a table, not a %s", name, type(known)) end
  for key, d in pairs(known) do
    if not options.is(d) then
      fail("net %s: its option %s must be made by agad.base.options.option", name, key)
    end
  end
  return made.build, known
end

--- The options of a net.
-- @param name string as for `agad.nn.program`
-- @return table name -> option (agad.base.options); nil if its file does not define any, so that all are accepted
-- @raise there is no such net, or its file fails
function nn.options(name)
  local _, known = build_and_options(name)
  return known
end

--- Selects, from options meant for any net, those that this net has.
-- An option that it does not have is left out if it has its default; otherwise it is kept, so that `agad.nn.program`
-- refuses it. A net that does not define its options gets all of them, except those that are 0 (the net's default).
-- @param name string the net
-- @param o table
-- @param known table name -> option: what `o` holds
-- @return table
function nn.accepted(name, o, known)
  local own, kept = nn.options(name), {}
  for key, v in pairs(o) do
    local left_out = own and not own[key] and v == known[key].default or not own and v == 0
    if not left_out then kept[key] = v end
  end
  return kept
end

--- A net's program by name ("naive"), or from a file of the user's own ("my_net.lua").
-- @param name string
-- @param shape list {channels, height, width}
-- @param o table options of the net (`agad.nn.options`)
-- @return table
-- @raise there is no such net, an option is unknown (with the known ones), or its file fails
-- @example agad.nn.program("unet", {1, 32, 32})
function nn.program(name, shape, o)
  local build, known = build_and_options(name)
  o = known and options.check("net " .. name, o, known) or o or {}
  local ok, program = pcall(build, shape, o)
  if not ok then
    if not name:find "%.lua$" then error(program, 0) end             -- ours say which net they are
    fail("net %s: its function raises: %s", name, errors.text(program))
  end
  if type(program) ~= "table" or not program.nodes then
    fail("net %s: its function must return a program (end it with :build(name))", name)
  end
  return program
end

--- A net with its own weights, all zero until `init` or `set`.
-- `net(x, groups)` runs it, as one autograd node if gradients are on; `net:eager(x, groups)` runs it operator by
-- operator. Methods: init(seed), params(), buffers(), set(name, tensor), share(name, tensor), info(), requires_grad_().
-- @param program table
-- @param o table dtype ("float32"), compute (= dtype), device ("cpu"), layout ("channels_last")
-- @return net
-- @raise the program is invalid (with net, node and reason)
-- @example net = agad.nn.net(agad.nn.program("naive", {1, 32, 32})); net:init(1)
function nn.net(program, o)
  local ok, text = errors.try(core.json_encode, program)
  if not ok then
    error(("net %s: its program cannot be written as JSON: %s"):format(tostring(program.name), text), 0)
  end
  return core.net(text, o)
end

-- Single layers are in agad/nn/layers.lua, loaded at first use.  PyTorch's nn.functional is agad itself.
local function fields()
  local list = {"functional"}
  for name in pairs(require "agad.nn.layers") do list[#list + 1] = name end
  return list
end

return setmetatable(nn, {__fields = fields, __index = function(_, name)
  if type(name) ~= "string" then return nil end
  local layers = require "agad.nn.layers"
  local made = name == "functional" and require "agad" or layers[name]
  if made == nil then
    local list = {}
    for known in pairs(layers) do list[#list + 1] = known end
    sort(list)
    local meant = options.nearest(name, list)
    if meant then error(("agad.nn has no '%s'; did you mean %s?"):format(name, meant), 2) end
  end
  rawset(nn, name, made)
  return made
end})
