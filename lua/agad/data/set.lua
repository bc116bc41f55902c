-- What all data sets have in common: the object, and how it is printed.

local sides = require "agad.data.sides"
local text = require "agad.base.text"
local format, printable = text.format, text.printable

local sets = {}

--- Raises one line.
function sets.fail(form, ...) error(format(form, ...), 0) end
local fail = sets.fail

--- The size and format that the core converts pictures to, from the options of a set.
function sets.form(o)
  local height, width = sides.of(o.size)
  return {height = height, width = width, channels = o.channels or nil, fit = o.fit, filter = o.filter}
end

-- The object --------------------------------------------------------------------------------------

local methods = {}
local set_type = {__index = methods, __name = "agad.set"}

function set_type.__tostring(set) return set.call end

local function side(name, split)
  local n, c, h, w = table.unpack(split.images.shape)
  return ("%s: %d pictures of %d x %d x %d%s"):format(name, n, c, h, w, split.masks and ", with masks" or "")
end

-- What the REPL prints under the call: the splits, and the classes with the number of their pictures.
function set_type.__describe(set)
  local lines, counts = {side(set.unsplit and "all" or "train", set.train)}, {}
  if set.test then lines[2] = side("test", set.test) end
  for _, split in ipairs {set.train, set.test} do
    for _, label in ipairs(split.labels:totable()) do counts[label] = (counts[label] or 0) + 1 end
  end
  local classes = {}
  for i, class in ipairs(set.classes) do
    classes[i] = i > 12 and "…" or ("%s %d"):format(class, counts[i - 1] or 0)
    if i > 12 then break end
  end
  lines[#lines + 1] = ("%d classes: %s"):format(#set.classes, table.concat(classes, ", "))
  if set.normal then lines[#lines + 1] = "normal: " .. set.normal end
  for _, note in ipairs(set.notes or {}) do lines[#lines + 1] = "note: " .. note end
  return lines
end

--- The label of a class, from 0.
-- @param class string|integer its name; a whole number is taken as a name (8 is "8")
-- @return integer the label
-- @raise no such class, with the list of classes
function methods:label_of(class)
  local name = printable(text.of(math.type(class) == "float" and math.tointeger(class) or class))
  for i, known in ipairs(self.classes) do if known == name then return i - 1 end end
  fail("%s has no class %s; its classes: %s", self.name, class, table.concat(self.classes, ", "))
end

-- Adds a note of classes whose names differ only in case, of which one may be a mistake.
local function note_case(classes, notes)
  local first, found = {}, {}
  for _, class in ipairs(classes) do
    local lower = class:lower()
    if first[lower] then found[#found + 1] = first[lower] .. " and " .. class else first[lower] = class end
  end
  if #found == 0 then return end
  notes[#notes + 1] = ("the names of these classes differ only in case: %s; if they are one class, give it one name")
    :format(table.concat(found, ", "))
end

-- The constructor call as text: the path, then only the options that differ from their defaults.
local function call_text(name, place, o, known)
  local given = {}
  for key, value in pairs(o) do
    if value ~= known[key].default then
      given[#given + 1] = format("%s = %s", key, type(value) == "string" and ("%q"):format(value) or value)
    end
  end
  text.sort(given)
  local list = #given > 0 and "{" .. table.concat(given, ", ") .. "}"
  if not place then return ("agad.data.%s%s"):format(name, list or "()") end
  return ("agad.data.%s(%s%s)"):format(name, place, list and ", " .. list or "")
end

--- Makes a set.
-- @param o table name, train, test (nil: no split), classes, options, known (their definitions), and if it has them:
--   superclasses, normal, holdout, batch, notes; call: the constructor's name; place: its first arguments as text
-- @return set
function sets.new(o)
  local shape, kept = o.train.images.shape, {}
  local few = o.train.paths and shape[1] < 10000     -- at 256 a batch, an epoch would be a handful of steps
  for key, value in pairs(o.options) do
    if type(value) ~= "function" then kept[key] = type(value) == "string" and printable(value) or value end
  end
  local name, classes, notes = printable(o.name), {}, o.notes or {}
  for i, class in ipairs(o.classes) do classes[i] = printable(class) end
  note_case(classes, notes)
  return setmetatable({
    name = name, train = o.train, test = o.test, unsplit = not o.test or nil, classes = classes, options = kept,
    channels = shape[2], height = shape[3], width = shape[4], superclasses = o.superclasses,
    normal = o.normal and printable(o.normal),
    holdout = o.holdout, batch = o.batch or few and 64 or nil, notes = #notes > 0 and notes or nil,
    call = call_text(o.call, o.place, kept, o.known),
    info = {name = name, classes = classes, channels = shape[2], height = shape[3], width = shape[4],
      train = shape[1], test = o.test and o.test.images.shape[1] or 0},
  }, set_type)
end

--- The class that is normal by default: the only one named good, normal or ok, in upper or lower case.
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
