-- The documentation of the core's layers (`? agad.nn.conv`, `? handle:conv`), made from the core's table of layers. It
-- is a list of entries, which have the form that agad/cli/doc.lua makes from doc comments.

local attributes = require "agad.nn.attributes"
local show = require("agad.base.options").show

local kinds = {integer = "integer", pair = "integer|list", number = "number", boolean = "boolean", shape = "list",
  text = "string", table = "table"}

-- Of layers called with a tensor, and of nodes added by a builder b.
local examples = {
  conv = {"y = agad.nn.conv(3, 8, {kernel = 3, padding = 1})(agad.rand(1, 3, 16, 16))",
    "b:conv(8, {kernel = 4, stride = 2, padding = 1})"},
  conv_transpose = {"y = agad.nn.conv_transpose(8, 3, {kernel = 4, stride = 2, padding = 1})(agad.rand(1, 8, 4, 4))",
    "b:conv_transpose(8, {kernel = 4, stride = 2, padding = 1})"},
  batch_norm = {"y = agad.nn.batch_norm(8)(agad.rand(4, 8, 5, 5))", "b:batch_norm()"},
  leaky_relu = {"y = agad.nn.leaky_relu(.2)(agad.randn(2, 3))", "b:leaky_relu(.2)"},
  relu = {"y = agad.nn.relu()(agad.randn(2, 3))", "b:relu()"},
  tanh = {"y = agad.nn.tanh()(agad.randn(2, 3))", "b:tanh()"},
  max_pool = {"y = agad.nn.max_pool(2)(agad.rand(1, 3, 8, 8))", "b:max_pool(2)"},
  concat = {nil, "a = b:relu(); a:tanh():concat(a)"},
}

local function entry(layer, name, first, more, result)
  local args, params = {}, {}
  local function add(arg, kind, text)
    args[#args + 1] = arg
    params[#params + 1] = {name = arg, kind = kind, text = text}
  end
  if first then add(table.unpack(first)) end
  local of = {}
  for _, a in ipairs(layer.attributes) do of[a.name] = a end
  for _, required in ipairs(layer.required) do add(required, kinds[of[required].kind], of[required].help) end
  local rest = {}
  for _, optional in ipairs(layer.optional) do
    local a = of[optional]
    local standard = a.default ~= nil and (a.kind == "pair" and " (%s, or {vertical, horizontal})" or " (%s)"):format(
      show(a.default)) or ""
    rest[#rest + 1] = ("%s%s: %s"):format(optional, standard, a.help)
  end
  for _, text in ipairs(more) do rest[#rest + 1] = text end
  if #rest > 0 then
    local number = layer.optional[1] and "; a number instead of the table sets " .. layer.optional[1] or ""
    add("o", layer.optional[1] and "table|number" or "table", table.concat(rest, "; ") .. number)
  end
  local example = (examples[layer.name] or {})[name:find(":", 1, true) and 2 or 1]
  return {name = name, args = "(" .. table.concat(args, ", ") .. ")", summary = layer.help, text = {}, params = params,
    returns = {{text = result}}, raises = {}, examples = {example}}
end

local of_weights = {
  'init: how weights of convolutions are initialised, "normal" (N(0, 0.02), as in DCGAN) or "uniform" (as in PyTorch)',
  "seed: seed of the weights",
}

local entries = {}
for _, layer in ipairs(attributes.list) do
  local others = layer.inputs ~= 1 and {"...", "handle", "further inputs"} or nil
  entries[#entries + 1] = entry(layer, "agad.nn.handle:" .. layer.name, others, {"name: of the node"},
    "handle of the node")
  if attributes.is_single(layer) then
    local channels = layer.has_weights and {"channels", "integer", "of the input"} or nil
    entries[#entries + 1] = entry(layer, "agad.nn." .. layer.name, channels, layer.has_weights and of_weights or {},
      "layer")
  end
end

return entries
