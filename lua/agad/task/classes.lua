-- Classes by name: the labels that an option names, those that are normal, and those that known anomalies come from.

local options = require "agad.base.options"
local printable = require("agad.base.text").printable
local random = require "agad.base.random"
local format = require("agad.base.text").format
local text_of = require("agad.base.text").of

local classes = {}

local function fail(form, ...) error(format(form, ...), 0) end

local function own(superclass, set)               -- the labels of a superclass, from 0
  local labels = {}
  for i, of in ipairs(set.superclasses.of) do if of == superclass then labels[#labels + 1] = i - 1 end end
  return labels
end

local function find(set, name)                    -- as the set has it, or as it is printed
  for i, known in ipairs(set.classes) do if known == name then return {i - 1} end end
  for i, known in ipairs(set.classes) do if printable(known) == name then return {i - 1} end end
  for i, known in ipairs(set.superclasses and set.superclasses.names or {}) do
    if known == name then return own(i - 1, set) end
  end
end

local function unknown(set, key, name)
  local names = table.move(set.classes, 1, #set.classes, 1, {})
  if set.superclasses then table.move(set.superclasses.names, 1, #set.superclasses.names, #names + 1, names) end
  local near = #name > 2 and options.nearest(name, names)
  fail("%s: %s has no class %s%s; its classes: %s", key, set.name, name,
    near and ("; did you mean %s?"):format(near) or "", table.concat(set.classes, ", "))
end

--- The labels that are named by a class, a superclass, a list of these, or a text with commas; each once, in order.
-- @param set set
-- @param key string the option, for messages
-- @param wanted string|integer|list
-- @return list labels, from 0
-- @return list the names, printable
-- @raise no such class, with the nearest name
function classes.labels(set, key, wanted)
  local names = type(wanted) == "table" and wanted or {wanted}
  if type(wanted) == "string" and not find(set, wanted) and wanted:find "," then
    names = {}
    for name in wanted:gmatch "[^,]+" do names[#names + 1] = name:match "^%s*(.-)%s*$" end
  end
  local labels, said, seen = {}, {}, {}
  for _, given in ipairs(names) do
    local name = text_of(math.type(given) == "float" and math.tointeger(given) or given)
    for _, label in ipairs(find(set, name) or unknown(set, key, name)) do
      if not seen[label] then labels[#labels + 1], seen[label] = label, true end
    end
    said[#said + 1] = printable(name)
  end
  table.sort(labels)
  return labels, said
end

--- Names as options hold them: "8" becomes the number 8.
function classes.as_list(names)
  local list = {}
  for i, name in ipairs(names) do
    local n = math.tointeger(tonumber(name))
    list[i] = n and tostring(n) == name and n or name
  end
  return list
end

--- A table with the labels of a list as keys.
function classes.keys(labels)
  local keys = {}
  for _, label in ipairs(labels) do keys[label] = true end
  return keys
end

--- All labels of a set that are not among the keys.
function classes.others(set, keys)
  local labels = {}
  for label = 0, #set.classes - 1 do if not keys[label] then labels[#labels + 1] = label end end
  return labels
end

--- The labels that known anomalies come from: all, the first k of a seeded order (so that a larger k adds classes to
-- those of a smaller one), or a list of names.
-- @param set set
-- @param normal table label -> true
-- @param wanted "all"|integer|list
-- @param draw function the task's generator
-- @return table label -> true
-- @raise a normal class is named, or k is larger than the number of anomalous classes
function classes.known(set, normal, wanted, draw)
  if type(wanted) == "table" then
    local labels = classes.labels(set, "anom_classes", wanted)
    for _, label in ipairs(labels) do
      if normal[label] then fail("anom_classes: %s is normal; give anomalous classes", set.classes[label + 1]) end
    end
    return classes.keys(labels)
  end
  local others = random.shuffle(classes.others(set, normal), draw)
  if wanted ~= "all" and wanted > #others then
    fail("anom_classes = %d, but %s has only %d classes that are not normal", wanted, set.name, #others)
  end
  return classes.keys(table.move(others, 1, wanted == "all" and #others or wanted, 1, {}))
end

local function normal_and_anomalous(set, o)
  if o.protocol == "leave_one_out" then
    local own_texture = set.options and set.options.normal == o.normal        -- weave's option has this name too
    if o.normal ~= nil and not own_texture then
      fail("protocol = leave_one_out: give anomaly = CLASS, the anomalous class; all others are normal, "
        .. "so that normal = %s has no meaning", tostring(type(o.normal) == "table" and o.normal[1] or o.normal))
    elseif o.anomaly == nil then
      fail("%s: which class is anomalous? give anomaly = one of %s", set.name, table.concat(set.classes, ", "))
    end
    local anomalous, names = classes.labels(set, "anomaly", o.anomaly)
    return classes.others(set, classes.keys(anomalous)), names
  end
  if o.anomaly ~= nil then
    fail "anomaly is an option of protocol = leave_one_out; here give normal = CLASS"
  end
  local wanted = o.normal
  if wanted == nil then wanted = set.normal end
  if wanted == nil then
    fail("%s: which class is normal? give normal = one of %s", set.name, table.concat(set.classes, ", "))
  end
  return classes.labels(set, "normal", wanted)
end

--- Which labels are normal under the task's protocol.
-- @param set set
-- @param o table protocol, normal, anomaly
-- @return list labels, from 0
-- @return list the names given: the normal classes or, for leave_one_out, the anomalous ones
-- @raise no class is given, there is no such class, or no normal class is left
function classes.normal(set, o)
  local labels, names = normal_and_anomalous(set, o)
  if #labels == 0 then fail("%s: every class is anomalous; nothing is left to train on", set.name) end
  return labels, names
end

return classes
