--- Options: their definitions, and the check of tables of options.
-- An option is defined once, by the module that reads it; command-line flags, help, checks and documentation are made
-- from that definition.
--     local option = require("agad.base.options").option
--     local known = {
--       size = option {default = 32, min = 8, max = 4096, help = "side"},
--       fit = option {choices = {"resize", "crop", "pad"}, help = "…"},
--     }
--     local o = options.check("agad.data.mnist", {size = 28}, known)
--     -- o is {size = 28, fit = "resize"}: the first choice is the default
-- In a configuration, definitions may be nested: that of augment.flip is known.augment.flip.

local format = require("agad.base.text").format
local number = require("agad.base.text").number
local sort = require("agad.base.text").sort

local options = {}

local option_type = {__name = "agad.option"}

local MOST_LISTED = 20                            -- known names in a message about an unknown one
local MOST_LETTERS = 100                          -- of a name that others are compared with

local function fail(form, ...) error(format(form, ...), 0) end

-- Text ------------------------------------------------------------------------------------------

--- A value in Lua's notation.
function options.show(v)
  if type(v) == "string" then return (("%q"):format(v):gsub("\\\n", "\\n")) end
  if type(v) == "table" then
    local parts = {}
    for i, x in ipairs(v) do parts[i] = options.show(x) end
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  if math.type(v) == "float" then return format("%.14g", v) end
  return type(v) == "userdata" and require("agad.base.values").brief(v) or tostring(v)
end
local show = options.show

--- A list of values as text for a message, strings without quotes.
function options.words(list)
  local parts = {}
  for i, v in ipairs(list) do parts[i] = type(v) == "string" and v or show(v) end
  return table.concat(parts, ", ")
end
local words = options.words

-- The Levenshtein distance, but two transposed letters count as one mistake.
local function distance(a, b)
  local before, row = nil, {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local new = {[0] = i}
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      new[j] = math.min(row[j - 1] + (same and 0 or 1), row[j] + 1, new[j - 1] + 1)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        new[j] = math.min(new[j], before[j - 2] + 1)
      end
    end
    before, row = row, new
  end
  return row[#b]
end

--- The name in a list that is most like a mistyped one, or nil.
-- @param word string what was typed
-- @param names table list of the known names
-- @param many boolean true: be stricter, as in a long list some names resemble a short word by chance
function options.nearest(word, names, many)
  if #word > MOST_LETTERS then return nil end
  local best, least = nil, math.min(#word, math.max(many and 1 or 2, #word // 3) + 1)
  for _, name in ipairs(names) do
    if math.abs(#word - #name) < least then
      local d = distance(word:lower(), name:lower())
      if d < least then best, least = name, d end
    end
  end
  return best
end

-- The names that a mistyped one may stand for, at most three: those like it, or else those that it is a part of.
local function meant(word, names)
  local best, lower = options.nearest(word, names), word:lower()
  local list, least = {best}, best and distance(lower, best:lower())
  for _, name in ipairs(names) do
    local is_like = best and name ~= best and distance(lower, name:lower()) == least
    if is_like or not best and #word > 2 and name:lower():find(lower, 1, true) then list[#list + 1] = name end
  end
  return table.move(list, 1, 3, 1, {})
end

--- The end of a message about an unknown name: "; did you mean epochs?; known: batch, epochs". Of a long list only the
-- names that may be meant are given.
-- @param name any what was given
-- @param names list
-- @param where string or nil: what shows the whole list, where it may be long: "agad info weave --method agad"
-- @return string
function options.hint(name, names, where)
  local known = table.move(names, 1, #names, 1, {})
  sort(known)
  local near = type(name) == "string" and #name <= MOST_LETTERS and meant(name, known) or {}
  local last = #near > 1 and " or " .. table.remove(near) or ""
  local question = near[1] and ("; did you mean %s%s?"):format(table.concat(near, ", "), last) or ""
  if where and #known > MOST_LISTED then return ("%s; %s lists all %d"):format(question, where, #known) end
  return ("%s; known: %s"):format(question, table.concat(known, ", "))
end

-- Values ----------------------------------------------------------------------------------------

local function contains(list, v)
  for _, x in ipairs(list) do if x == v then return true end end
  return false
end

-- A maximum over a million, which only the formats of numbers set, is named only to a value above it.
local function range_text(d, v)
  if d.min and d.max and v < d.min and d.max > 1e6 then return format("at least %s", d.min) end
  if d.min and d.below then return format("at least %s and below %s", d.min, d.below) end
  if d.min and d.max then return format("between %s and %s", d.min, d.max) end
  if d.above and d.below then return format("above %s and below %s", d.above, d.below) end
  if d.min then return format("at least %s", d.min) end
  if d.above then return format("above %s", d.above) end
  if d.max then return format("at most %s", d.max) end
  return format("below %s", d.below)
end

local function check_range(key, d, v)
  if (d.min and v < d.min) or (d.max and v > d.max) or (d.above and v <= d.above) or
     (d.below and v >= d.below) then
    fail("%s = %s: it must be %s", key, show(v), range_text(d, v))
  end
  return v
end

--- "1,2", "[1, 2]" and {1, 2} as a list of items; nil if it is not a list.
-- @param v any
-- @param pattern string what an item in a text looks like (default: text is split at commas and blanks)
function options.items(v, pattern)
  if type(v) ~= "string" then return type(v) == "table" and v or nil end
  local list = {}
  for item in v:gsub("^%s*[%[{]", ""):gsub("[%]}]%s*$", ""):gmatch(pattern or "[^,%s]+") do
    list[#list + 1] = item:match "^%s*(.-)%s*$"
  end
  return list
end

-- By kind: function(key, definition, value) gives the typed value, or raises one line.
local convert = {}
options.convert = convert

function convert.number(key, d, v)
  local n = type(v) ~= "boolean" and number(v) or nil
  if not n then fail("%s = %s: a number is needed", key, show(v)) end
  n = n + 0.0
  if n ~= n or n - n ~= 0 then fail("%s = %s: a finite number is needed", key, show(v)) end
  return check_range(key, d, n)
end

function convert.integer(key, d, v)
  local x = type(v) ~= "boolean" and number(v) or nil
  local n = x and math.tointeger(x)
  if x and not n and x - x == 0 and x == math.floor(x) then       -- a whole number beyond the range of integers
    check_range(key, d, x)
    fail("%s = %s: it must be between %s and 2^63 - 1", key, show(v), d.min or "-2^63")
  end
  if not n then fail("%s = %s: a whole number is needed", key, show(v)) end
  if d.choices and not contains(d.choices, n) then
    fail("%s = %s: it must be one of %s", key, show(n), words(d.choices))
  end
  return check_range(key, d, n)
end

local booleans = {["true"] = true, on = true, yes = true, ["false"] = false, off = false, no = false}

function convert.boolean(key, _, v)
  if type(v) == "boolean" then return v end
  local b = booleans[v]
  if b == nil then fail("%s = %s: true or false is needed", key, show(v)) end
  return b
end

function convert.string(key, _, v)
  if type(v) ~= "string" or v == "" then fail("%s = %s: a non-empty string is needed", key, show(v)) end
  return v
end

function convert.choice(key, d, v)
  if not contains(d.choices, v) then
    fail("%s = %s: it must be one of %s", key, show(v), words(d.choices))
  end
  return v
end

function convert.list(key, d, v)
  local list = {}
  for i, x in ipairs(options.items(v) or fail("%s = %s: a list is needed", key, show(v))) do
    list[i] = convert[d.of](key, d, x)
  end
  if d.count and #list ~= d.count then
    fail("%s = %s: %d values are needed", key, show(v), d.count)
  end
  return list
end

-- For options like `cache`: true, false or a path.
function convert.switch_or_path(key, _, v)
  if type(v) == "boolean" then return v end
  if type(v) ~= "string" or v == "" then fail("%s = %s: true, false or a path is needed", key, show(v)) end
  if booleans[v] ~= nil then return booleans[v] end
  return v
end

convert["function"] = function(key, _, v)
  if type(v) ~= "function" then fail("%s = %s: a function is needed", key, show(v)) end
  return v
end

function convert.any(_, _, v) return v end

-- Definitions -----------------------------------------------------------------------------------

local attributes = {"about", "above", "auto", "below", "choices", "count", "default", "flag", "help", "kind", "max",
  "min", "of", "results", "suggest", "unit"}
local serial = 0

local function kind_of(o)
  if o.choices then return math.type(o.choices[1]) == "integer" and "integer" or "choice" end
  if type(o.default) == "number" then return math.type(o.default) == "integer" and "integer" or "number" end
  if type(o.default) == "table" then return "list" end
  return o.default == nil and "string" or type(o.default)
end

--- Defines an option.
-- @param o table default (if there is none: the first choice, or else the option is not set unless it is given); kind
--   (if default or choices do not imply it): "number", "integer", "boolean", "string", "choice", "list", "function",
--   "any", "switch_or_path", or a function(key, definition, value) that returns the typed value; choices (a list); min,
--   max (inclusive), above, below (exclusive); of (the kind of a list's items), count (of a list's items); unit; help
--   (one line); auto (a function(config, method, task) that returns what the value "auto" stands for in a
--   configuration, or nil if only the task, which is nil until there is one, can say it); about (a function(value) that
--   says in one line what a choice means); results (false: the option does not affect results; or a function(config)
--   that returns whether it does); suggest (values that the REPL offers, or a function(arguments) that returns them,
--   where arguments are those before the table of options; default: the choices); flag (the option is a command-line
--   flag too, and its value has this name in the help)
-- @return option
function options.option(o)
  options.check_names("option", o, attributes)
  local d = setmetatable({}, option_type)
  for key, v in pairs(o) do d[key] = v end
  d.kind = o.kind or kind_of(o)
  if d.kind == "list" and not d.of then d.of = math.type((o.default or {})[1]) and "number" or "string" end
  if d.kind == "choice" and d.default == nil and not o.kind then d.default = o.choices[1] end
  if type(d.kind) ~= "function" and not convert[d.kind] then fail("option: there is no kind %s", d.kind) end
  serial = serial + 1
  d.order = serial
  if d.default ~= nil and d.default ~= false then d.default = options.typed("default", d, d.default) end
  return d
end

--- Whether a value is an option.
function options.is(v) return getmetatable(v) == option_type end

--- An option like another one, with some attributes changed.
-- @param d option
-- @param changes table as for `option`
-- @return option listed in the place of the other one
function options.like(d, changes)
  local copy = {}
  for _, key in ipairs(attributes) do copy[key] = d[key] end
  for key, v in pairs(changes) do copy[key] = v end
  local made = options.option(copy)
  made.order = d.order
  return made
end

--- Converts a value to the option's type and checks it.
-- @param key string the name of the option, for messages
-- @param d option
-- @param v any
-- @raise one line: "epochs = 0: it must be at least 1"
function options.typed(key, d, v)
  if type(d.kind) == "function" then return d.kind(key, d, v) end
  return convert[d.kind](key, d, v)
end

--- The options in a table of definitions, in the order of their definition; nested ones by full name ("augment.flip").
-- @param definitions table name -> option, or a table of those
-- @return list of names
-- @return table name -> option
function options.flat(definitions)
  local names, by_name = {}, {}
  local function walk(t, prefix)
    for name, d in pairs(t) do
      if options.is(d) then
        names[#names + 1], by_name[prefix .. name] = prefix .. name, d
      else walk(d, prefix .. name .. ".") end
    end
  end
  walk(definitions, "")
  table.sort(names, function(a, b) return by_name[a].order < by_name[b].order end)
  return names, by_name
end

-- Checking --------------------------------------------------------------------------------------

local function raise(message, at_caller)
  if at_caller then require("agad.core").fail(message) end
  error(message, 0)
end

--- Refuses unknown keys in a table.
-- @param where string the name of the function, for messages
-- @param given table or nil
-- @param known list of names
-- @param at_caller boolean true: the error names the position in the user's code
-- @raise "teach: unknown option stpes; did you mean steps?; known: steps"
function options.check_names(where, given, known, at_caller)
  if given == nil then return end
  if type(given) ~= "table" then
    raise(("%s: options must be a table, not a %s"):format(where, type(given)), at_caller)
  end
  for name in pairs(given) do
    if not contains(known, name) then
      local brief = require("agad.base.values").brief
      raise(("%s: unknown option %s%s"):format(where, brief(name), options.hint(name, known)), at_caller)
    end
  end
end

--- Checks a table of options: unknown names are refused, values are converted and checked against their ranges, and
-- defaults fill in what is not given. `false` for an option without a default means: not given.
-- @param where string the name of the function, for messages
-- @param given table or nil
-- @param definitions table name -> option
-- @param at_caller boolean true: errors name the position in the user's code
-- @return table a new one
-- @raise one line: "mnist: size = 0: it must be between 1 and 4096"
function options.check(where, given, definitions, at_caller)
  local names, checked = {}, {}
  for name in pairs(definitions) do names[#names + 1] = name end
  options.check_names(where, given, names, at_caller)
  for name, d in pairs(definitions) do
    local v = given and given[name]
    if v == nil or v == false and d.default == nil then v = d.default
    else
      local ok, result = pcall(options.typed, name, d, v)
      if not ok then raise(where .. ": " .. result, at_caller) end
      v = result
    end
    if d.kind == "list" and v ~= nil then v = table.move(v, 1, #v, 1, {}) end
    checked[name] = v
  end
  return checked
end

-- Which options a function takes -----------------------------------------------------------------

local taken = setmetatable({}, {__mode = "k"})

--- Notes which options a function takes in a table, for the REPL's completion.
-- @param f function
-- @param place integer which argument that table is
-- @param definitions table name -> option, with full names ("lambda.con"); or a function(given, arguments) that returns
--   one, where given is a table of options that are already typed, and arguments what stands before that table; or an
--   option, where the argument is no table but a value of it
-- @return function f itself
function options.takes(f, place, definitions)
  taken[f] = taken[f] or {}
  taken[f][place] = definitions
  return f
end

--- The options that a function takes, as given to `takes`; nil if they were not noted.
-- @param f function
-- @param place integer
-- @param given table
-- @param arguments table what stands before, by place, where it is known
-- @return table name -> option, or an option
function options.taken(f, place, given, arguments)
  local definitions = taken[f] and taken[f][place]
  return type(definitions) == "function" and definitions(given, arguments) or definitions
end

return options
