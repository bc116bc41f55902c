-- What every kind of data set shares: options checked against their defaults, the object, where sets lie on disk.

local options = require "agad.base.configuration"
local printable = require("agad.base.text").printable

local sets = {}

--- Raises one line.
function sets.fail(form, ...) error(form:format(...), 0) end
local fail = sets.fail

-- Options -----------------------------------------------------------------------------------------

local limits = {size = {1, 4096}, max_pixels = {1, math.maxinteger}, max_bytes = {1, math.maxinteger}}
local choices = {fit = {"resize", "crop", "pad"}, filter = {"bilinear", "area"}, labels = {"fine", "coarse"}}

local function words(list)
  return #list < 2 and list[1] or table.concat(list, ", ", 1, #list - 1) .. " or " .. list[#list]
end

-- One value; what its default is not says how it is typed, and options of one name are alike in all sets.
local function typed(what, name, value, default)
  local function wrong(needed) fail("%s: %s = %s%s", what, name, tostring(value), needed) end
  local range, list = limits[name], choices[name]
  if range or name == "channels" or math.type(default) == "integer" then
    local n = type(value) ~= "boolean" and math.tointeger(tonumber(value))
    if not n then wrong " is no integer" end
    if name == "channels" and n ~= 1 and n ~= 3 then wrong "; give 1 (grey) or 3 (colour)" end
    if range and (n < range[1] or n > range[2]) then
      wrong(range[2] == math.maxinteger and "; give 1 or more" or ("; give %d to %d"):format(range[1], range[2]))
    end
    return n
  elseif list then
    for _, known in ipairs(list) do if value == known then return value end end
    return wrong("; give " .. words(list))
  elseif name == "cache" then
    local path = type(value) == "string" and value ~= ""
    if type(value) ~= "boolean" and not path then wrong "; give true, false or a path" end
  elseif name == "on_progress" then
    if type(value) ~= "function" then wrong "; give a function, or false" end
  elseif name == "root" or type(default) == "string" then
    if type(value) ~= "string" then wrong " is no name" end
  elseif type(value) ~= "boolean" then
    wrong "; give true or false"
  end
  return value
end

--- Options by their defaults (false: not given, or off); unknown names are refused with the list of known ones.
-- @param what string the set's name, for messages
-- @param given table
-- @param defaults table
-- @return table
function sets.checked(what, given, defaults)
  local known, result = {}, {}
  for name in pairs(defaults) do known[#known + 1] = name end
  table.sort(known)
  for name in pairs(given or {}) do
    if defaults[name] == nil then
      local near = type(name) == "string" and options.nearest(name, known)
      fail("%s: unknown option %s%s; known: %s", what, tostring(name), near and "; did you mean " .. near .. "?" or "",
        table.concat(known, ", "))
    end
  end
  for name, default in pairs(defaults) do
    local value = (given or {})[name]
    if value == nil or value == false and default == false then result[name] = default
    else result[name] = typed(what, name, value, default) end
  end
  return result
end

--- What the core brings pictures to, by the options of a set.
function sets.form(o)
  return {height = o.size or nil, width = o.size or nil, channels = o.channels or nil, fit = o.fit, filter = o.filter}
end

-- The object --------------------------------------------------------------------------------------

local methods = {}
local set_type = {__index = methods, __name = "agad.set"}

function set_type.__tostring(set) return set.call end

--- The label of a class, from 0.
-- @param class string|integer its name, or a whole number that is one (8 is "8")
-- @return integer the label
-- @raise no such class, with the list of classes
function methods:label_of(class)
  local name = printable(tostring(math.type(class) == "float" and math.tointeger(class) or class))
  for i, known in ipairs(self.classes) do if known == name then return i - 1 end end
  fail("%s has no class %s; its classes: %s", self.name, tostring(class), table.concat(self.classes, ", "))
end

-- The constructor call: its place, then only the options that differ from their defaults.
local function call_text(name, place, o, defaults)
  local given = {}
  for key, value in pairs(o) do
    if value ~= defaults[key] then
      given[#given + 1] = ("%s = %s"):format(key, type(value) == "string" and ("%q"):format(value) or tostring(value))
    end
  end
  table.sort(given)
  local list = #given > 0 and "{" .. table.concat(given, ", ") .. "}"
  if not place then return ("agad.data.%s%s"):format(name, list or "()") end
  return ("agad.data.%s(%s%s)"):format(name, place, list and ", " .. list or "")
end

--- Makes a set.
-- @param o table name, train, test (nil: no split), classes, options, defaults, and what else a set may have:
--   superclasses, normal, holdout, batch, notes; call: the constructor's name; place: its first arguments as text
-- @return set
function sets.new(o)
  local shape, kept = o.train.images.shape, {}
  local few = o.train.paths and shape[1] < 10000     -- at 256 a batch, an epoch would be a handful of steps
  for key, value in pairs(o.options) do
    if type(value) ~= "function" then kept[key] = type(value) == "string" and printable(value) or value end
  end
  local name, classes = printable(o.name), {}
  for i, class in ipairs(o.classes) do classes[i] = printable(class) end
  return setmetatable({
    name = name, train = o.train, test = o.test, unsplit = not o.test or nil, classes = classes, options = kept,
    channels = shape[2], height = shape[3], width = shape[4], superclasses = o.superclasses,
    normal = o.normal and printable(o.normal),
    holdout = o.holdout, batch = o.batch or few and 64 or nil, notes = o.notes and #o.notes > 0 and o.notes or nil,
    call = call_text(o.call, o.place, kept, o.defaults),
    info = {name = name, classes = classes, channels = shape[2], height = shape[3], width = shape[4],
      train = shape[1], test = o.test and o.test.images.shape[1] or 0},
  }, set_type)
end

--- The class that is normal without asking: the only one called good, normal or ok, in any case.
function sets.normal_of(classes)
  local found
  for _, class in ipairs(classes) do
    local name = class:lower()
    if name == "good" or name == "normal" or name == "ok" then
      if found then return nil end
      found = class
    end
  end
  return found
end

return sets
