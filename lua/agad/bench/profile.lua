-- Where the time of a training step goes: the parts that the step has measured, by kind of work and by layer.

local profile = {}

local OF_CONVOLUTION = {forward = "forward", again = "forward again", dx = "gradient of the input",
  dw = "gradient of the kernel", backward = "copies of gradients"}
local MULTIPLIES = {forward = true, again = true, dx = true, dw = true}
local OF_LAYER = {forward = "forward", again = "forward again", backward = "backward"}
local FIELDS = {forward = "forward_ms", again = "again_ms", backward = "backward_ms"}
local REST = "the rest"

-- The kind that a part belongs to; `layer` is what the net's info says of its layer.
local function kind_of(part, layer)
  if part.work == "sum" then return "sums of gradients" end
  if part.work == "convert" then return "conversions of weights and input" end
  if part.work == "stage" and part.stage:find "_update$" then return "Adam and averages" end
  if part.work == "stage" and part.stage:find "_loss$" then return "losses" end
  local how = layer and (layer.macs > 0 and OF_CONVOLUTION or OF_LAYER)[part.work]
  return how and ("%s, %s"):format(layer.macs > 0 and "convolution" or layer.layer, how) or REST
end

-- Entries by name, of which each has a time, and what its speed is computed of.
local function add(entries, name, ms, macs, seconds)
  local e = entries.by[name]
  if not e then
    e = {name = name, ms = 0, macs = 0, seconds = 0}
    entries.by[name], entries.list[#entries.list + 1] = e, e
  end
  e.ms = e.ms + ms
  if macs then e.macs, e.seconds = e.macs + macs, e.seconds + seconds end
  return e
end

-- The list of the entries, slowest first and the rest last, with shares and speeds.
local function finish(entries, step_ms, product)
  for _, e in ipairs(entries.list) do
    e.share = e.ms / step_ms
    if e.seconds > 0 then
      e.gflops = 2 * e.macs / e.seconds / 1e9
      e.of_product = e.gflops / product
    end
    e.macs, e.seconds = nil, nil
  end
  table.sort(entries.list, function(a, b)
    if (a.name == REST) ~= (b.name == REST) then return b.name == REST end
    if a.ms ~= b.ms then return a.ms > b.ms end
    return a.name < b.name
  end)
  return entries.list
end

-- Layers of all nets by "net.layer", as net:info() has them.
local function layers_of(nets)
  local layers = {}
  for net, info in pairs(nets) do
    for _, layer in ipairs(info.layers) do layers[net .. "." .. layer.name] = layer end
  end
  return layers
end

--- Sums up what a step has measured, as means of its steps.
-- @param parts list as step:profile() gives it
-- @param nets table what net:info() gives, by the nets' names in the step
-- @param steps integer how many steps were measured
-- @param product number GFLOP/s of the machine's product of matrices
-- @return table step_ms (a step with all its parts), steps;
--   kinds, a list of {name, ms, share (of the step), gflops, of_product (its share of the product's speed)}, slowest
--   first but for "the rest", whose ms add up to step_ms;
--   layers, a list of {name ("net.layer"), kind, shape, forward_ms, again_ms (forward once more, for the backward),
--   backward_ms (with sums of gradients), ms, share, gflops, of_product}, slowest first. A layer's times are those of
--   all passes of a step together; gflops and of_product are convolutions', which may take fewer multiplications than
--   are counted
function profile.summary(parts, nets, steps, product)
  local known, kinds, layers, step_ms = layers_of(nets), {by = {}, list = {}}, {by = {}, list = {}}, 0
  for _, part in ipairs(parts) do
    local name = part.layer and part.net .. "." .. part.layer
    local layer = known[name]
    local ms, macs = part.seconds * 1e3 / steps, nil
    if layer and layer.macs > 0 and MULTIPLIES[part.work] then macs = layer.macs * part.rows end
    add(kinds, kind_of(part, layer), ms, macs, part.seconds)
    step_ms = step_ms + ms
    if layer then
      local one, field = add(layers, name, ms, macs, part.seconds), FIELDS[part.work] or "backward_ms"
      one.kind, one.shape = layer.layer, layer.shape
      for _, each in pairs(FIELDS) do one[each] = one[each] or 0 end
      one[field] = one[field] + ms
    end
  end
  return {step_ms = step_ms, steps = steps, kinds = finish(kinds, step_ms, product),
    layers = finish(layers, step_ms, product)}
end

return profile
