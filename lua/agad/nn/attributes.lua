-- The layers of the C core and their attributes, from its own tables, for the builder and for single layers.
--
-- A layer takes its required attributes one by one, then a table of the others. If a number is given instead of the
-- table, it is the first of the others: conv(64, 4) means conv(64, {kernel = 4}); likewise leaky_relu(0.2).

local core = require "agad.core"
local options = require "agad.base.options"

local attributes = {}

-- A whole number, or a list of two.
local function pair(key, d, v)
  if type(v) ~= "table" then return options.convert.integer(key, d, v) end
  if #v ~= 2 then error(("%s = %s: one or two whole numbers are needed"):format(key, options.show(v)), 0) end
  return {options.convert.integer(key, d, v[1]), options.convert.integer(key, d, v[2])}
end

local kinds = {integer = "integer", pair = pair, number = "number", boolean = "boolean", text = "string", shape = "any",
  table = "any"}

--- The layers by name: {name, help, inputs (-1: any number), has_weights, attributes (a list), required (a list of
-- names), optional (a list of names), options (name -> option)}; `list` has them in the order of their names.
attributes.list, attributes.of = core.layers(), {}

for _, layer in ipairs(attributes.list) do
  layer.required, layer.optional, layer.options = {}, {}, {}
  for _, a in ipairs(layer.attributes) do
    local names = a.required and layer.required or layer.optional
    names[#names + 1] = a.name
    layer.options[a.name] = options.option {kind = kinds[a.kind], default = a.default, min = a.min, max = a.max,
      help = a.help}
  end
  attributes.of[layer.name] = layer
end

--- Whether a layer can be used on its own, outside of a net: it has one input, and its output depends on that alone.
function attributes.is_single(layer) return layer.inputs == 1 and layer.name ~= "constant" end

--- The attributes in a call of a layer, by name; the core checks their values.
-- @param where string the name of the function, for messages
-- @param layer table
-- @param more list of further options
-- @param ... any the arguments
-- @return table
-- @raise an unknown option, with the known ones, at the line of the user's code
function attributes.read(where, layer, more, ...)
  local args, n = table.pack(...), #layer.required
  if args.n > n + 1 then
    local takes = table.concat(layer.required, ", ") .. (n > 0 and ", then " or "")
    core.fail(("%s: takes %sa table of options, but got %d arguments"):format(where, takes, args.n))
  end
  local given, known = args[n + 1], table.move(more, 1, #more, #layer.optional + 1, {table.unpack(layer.optional)})
  if type(given) == "number" and layer.optional[1] then given = {[layer.optional[1]] = given} end
  options.check_names(where, given, known, true)
  local read = {}
  for name, v in pairs(given or {}) do read[name] = v end
  for i, name in ipairs(layer.required) do read[name] = args[i] end
  return read
end

return attributes
