-- The documentation of the core's layers (`? agad.nn.conv`, `? handle:conv`), made from the core's table of layers. It
-- is a list of entries, which have the form that agad/cli/doc.lua makes from doc comments.

local attributes = require "agad.nn.attributes"
local show = require("agad.base.options").show

local kinds = {integer = "integer", pair = "integer|list", number = "number", boolean = "boolean", shape = "list",
  text = "string", table = "table"}

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
  return {name = name, args = "(" .. table.concat(args, ", ") .. ")", summary = layer.help, text = {}, params = params,
    returns = {{text = result}}, raises = {}}
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
