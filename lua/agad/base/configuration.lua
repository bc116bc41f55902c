-- Options: every name of the protocol with its group, type, default and range; a method's own
-- options, typed by their defaults; configurations, their canonical text and their hash.
--
-- A configuration is one flat table (only a method's nested options, such as `lambda`, are tables).
-- Values are typed before they are written: 40 and 40.0 are one configuration. An option whose value
-- is not decided yet (a data set's size, the number of threads) is absent, and null in the text.

local options = {}

local known = require "agad.base.option_table"
local schedule = require "agad.task.schedule"
local definitions, presets = known.definitions, known.presets

local unhashed = {device = true, log_every = true, checkpoint_steps = true, checkpoint_minutes = true,
  out = true, run = true, root = true, cache = true}

local by_name = {}
for _, d in ipairs(definitions) do
  d.group, d.name, d.kind, d.default, d.text = d[1], d[2], d[3], d[4], d[5]
  by_name[d.name] = d
  by_name[d.name:match "^[^.]+"] = d             -- augment, of augment.flip
end

-- Text ------------------------------------------------------------------------------------------

local function fail(form, ...) error(form:format(...), 0) end

local function show(v)
  if type(v) == "string" then return ("%q"):format(v):gsub("\\\n", "\\n") end
  if type(v) == "table" then
    local parts = {}
    for i, x in ipairs(v) do parts[i] = show(x) end
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  if math.type(v) == "float" then return ("%.14g"):format(v) end
  return tostring(v)
end

local function words(list)
  local parts = {}
  for i, v in ipairs(list) do parts[i] = type(v) == "string" and v or show(v) end
  return table.concat(parts, ", ")
end

-- Levenshtein's, where two letters in the wrong order are one mistake.
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

--- The name in a list that is nearest to a mistyped one, or nil.
-- @param word string what was typed
-- @param names table list of the known names
-- @param many boolean false: among very many names a short word is near to some by chance
function options.nearest(word, names, many)
  if #word > 100 then return nil end
  local best, least = nil, math.min(#word, math.max(many and 1 or 2, #word // 3) + 1)
  for _, name in ipairs(names) do
    if math.abs(#word - #name) < least then
      local d = distance(word:lower(), name:lower())
      if d < least then best, least = name, d end
    end
  end
  return best
end

-- Values ----------------------------------------------------------------------------------------

local function contains(list, v)
  for _, x in ipairs(list) do if x == v then return true end end
  return false
end

local function range_text(d)
  if d.min and d.below then return ("at least %s and below %s"):format(d.min, d.below) end
  if d.min and d.max then return ("between %s and %s"):format(d.min, d.max) end
  if d.above and d.below then return ("above %s and below %s"):format(d.above, d.below) end
  if d.min then return ("at least %s"):format(d.min) end
  if d.above then return ("above %s"):format(d.above) end
  if d.max then return ("at most %s"):format(d.max) end
  return ("below %s"):format(d.below)
end

local function check_range(key, d, v)
  if (d.min and v < d.min) or (d.max and v > d.max) or (d.above and v <= d.above) or
     (d.below and v >= d.below) then
    fail("%s = %s: it must be %s", key, show(v), range_text(d))
  end
  return v
end

local function items(v, pattern)                           -- "1,2", "[1, 2]", {1, 2} -> {"1", "2"}
  if type(v) ~= "string" then return type(v) == "table" and v or nil end
  local list = {}
  for item in v:gsub("^%s*[%[{]", ""):gsub("[%]}]%s*$", ""):gmatch(pattern or "[^,%s]+") do
    list[#list + 1] = item:match "^%s*(.-)%s*$"
  end
  return list
end

local function class(v)                           -- "8" and 8.0 are class 8; "08" is a name
  local n = math.tointeger(tonumber(v))
  if n and (type(v) == "number" or tostring(n) == v) then return n end
  return type(v) == "string" and v ~= "" and v or nil
end

local convert = {}

function convert.number(key, d, v)
  local n = type(v) ~= "boolean" and tonumber(v) or nil
  if not n then fail("%s = %s: a number is needed", key, show(v)) end
  n = n + 0.0
  if n ~= n or n - n ~= 0 then fail("%s = %s: a finite number is needed", key, show(v)) end
  return check_range(key, d, n)
end

function convert.integer(key, d, v)
  local n = math.tointeger(tonumber(v))
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
  if type(v) ~= "string" or v == "" then fail("%s = %s: a word is needed", key, show(v)) end
  return v
end

function convert.cache(key, _, v)
  if type(v) == "string" and v ~= "" and booleans[v] == nil then return v end
  return convert.boolean(key, nil, v)
end

function convert.choice(key, d, v)
  if not contains(d.choices, v) then
    fail("%s = %s: it must be one of %s", key, show(v), words(d.choices))
  end
  return v
end

function convert.device(key, _, v)
  if v == "cuda:0" then return "cuda" end
  if v == "auto" or v == "cpu" or v == "cuda" or (type(v) == "string" and v:find("^cuda:%d+$")) then return v end
  return fail("%s = %s: it must be auto, cpu, cuda or cuda:N", key, show(v))
end

function convert.class(key, _, v)
  return class(v) or fail("%s = %s: the name or the number of a class is needed", key, show(v))
end

local function list_of_classes(key, v)            -- text is split at commas only: names have blanks
  local list = {}
  for i, x in ipairs(items(v, "[^,]+") or {}) do list[i] = convert.class(key, nil, x) end
  return list
end

-- One class or several: text stays whole, as a name may have a comma; the task takes it apart.
function convert.class_or_list(key, _, v)
  if type(v) ~= "table" then return convert.class(key, nil, v) end
  local list = list_of_classes(key, v)
  if #list == 0 then fail("%s = %s: the name of a class, or a list of names, is needed", key, show(v)) end
  return #list == 1 and list[1] or list
end

function convert.classes(key, _, v)
  if v == "all" then return v end
  local n = type(v) ~= "table" and math.tointeger(tonumber(v))
  if n then return check_range(key, {min = 1}, n) end
  local list = list_of_classes(key, v)
  if #list == 0 then fail("%s = %s: it must be all, how many, or a list of classes", key, show(v)) end
  return list
end

function convert.list(key, d, v)
  local list = {}
  for i, x in ipairs(items(v) or fail("%s = %s: a list is needed", key, show(v))) do
    list[i] = convert[d.of](key, d, x)
  end
  if d.count and #list ~= d.count then
    fail("%s = %s: %d values are needed", key, show(v), d.count)
  end
  return list
end

function convert.schedule(key, d, v)
  return schedule.check(key, v, function(x) return convert.number(key, d, x) end)
end

function convert.schedules(key) return fail("%s: give schedule.lr or schedule.NAME", key) end

-- Methods ---------------------------------------------------------------------------------------

-- An own option is typed by its default: 32 is an integer, 1.0 a number; `lambda`'s weights are numbers.
local function own(method, key, default)
  local d = {group = "method", name = key, default = default, text = (method.describe or {})[key]}
  local range = (method.ranges or {})[key]
  if range then d.min, d.max, d.above, d.below = range.min, range.max, range.above, range.below end
  d.choices = (method.switches or method.choices or {})[key]
  if d.choices then d.kind = "choice"
  elseif key:find("^lambda%.") then                    -- a weight: what pulls the other way has its own sign
    d.kind, d.min = "number", not range and 0 or d.min
  elseif type(default) == "number" then d.kind = math.type(default) == "integer" and "integer" or "number"
  elseif type(default) == "table" then d.kind, d.of = "list", math.type(default[1]) and "number" or "string"
  else d.kind = type(default) end
  if not convert[d.kind] then
    fail("method %s: option %s: a %s is no value", method.name or "?", key, d.kind)
  end
  d.default = convert[d.kind](key, d, default)
  return d
end

--- The options of a method: a list of definitions and the same by name ("lambda.con" for nested ones).
-- Each has group, name, kind, default, text, and choices or a range where it has any.
-- @param method table a method's table; nil gives the options that every method shares
function options.schema(method)
  method = method or {options = {}}
  local list, named = {}, {}
  local function add(d) list[#list + 1] = d; named[d.name] = d end
  for _, d in ipairs(definitions) do
    d = setmetatable({}, {__index = d})
    local default = method.options[d.name]
    if d.name == "method" then default = method.name end
    if default ~= nil then d.default = convert[d.kind](d.name, d, default) end
    if d.name == "score" and type(method.score) == "table" then
      d.kind, d.choices, d.default = "choice", method.scores or method.score, method.score[1]
    end
    add(d)
  end
  local keys = {}
  for key in pairs(method.options) do if not by_name[key] then keys[#keys + 1] = key end end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local default = method.options[key]
    if type(default) == "table" and #default == 0 then
      local inner = {}
      for name in pairs(default) do inner[#inner + 1] = name end
      table.sort(inner)
      for _, name in ipairs(inner) do add(own(method, key .. "." .. name, default[name])) end
    else
      add(own(method, key, default))
    end
  end
  return list, named
end

local function flatten(given, named, into, prefix)
  for key, v in pairs(given) do
    local name = prefix .. tostring(key)
    local nested = type(v) == "table" and #v == 0 and not v.schedule and (not named[name] or name == "schedule")
    if nested then flatten(v, named, into, name .. ".")
    elseif type(v) ~= "userdata" then into[name] = v end          -- JSON's null: not given
  end
  return into
end

local function unknown(name, list)
  local names = {}
  for i, d in ipairs(list) do names[i] = d.name end
  table.sort(names)
  local near = options.nearest(name, names)
  fail("unknown option %s%s; known: %s", show(name), near and ("; did you mean %s?"):format(near) or "",
    table.concat(names, ", "))
end

local function check_available(method, key, v)
  local allowed = (method.implemented or {})[key]
  if not allowed then return end
  local list = type(allowed) == "table" and allowed or {allowed}
  if contains(list, v) then return end
  fail("%s = %s is not available yet%s", key, show(v), #list > 0 and "; available: " .. words(list) or "")
end

local function put(config, name, v)
  local outer, inner = name:match("^(.-)%.(.+)$")
  if not outer then config[name] = v; return end
  config[outer] = config[outer] or {}
  config[outer][inner] = v
end

-- A schedule belongs to `lr` or to a number of the method's own; its values are in that option's range.
local function convert_scheduled(named, name, v)
  local d = named[name]
  if not d or name ~= "lr" and (d.group ~= "method" or d.kind ~= "number") then
    local can = {"lr"}
    for other, its in pairs(named) do
      if its.group == "method" and its.kind == "number" then can[#can + 1] = other end
    end
    table.sort(can)
    fail("schedule.%s: there is no schedule for that; known: %s (gamma takes one itself)", name, words(can))
  end
  if type(v) ~= "function" then
    return schedule.check("schedule." .. name, v, function(x) return convert.number(name, d, x) end)
  end
  return function(epoch, epochs)
    return convert.number(("schedule.%s in epoch %d: %s"):format(name, epoch, name), d, v(epoch, epochs))
  end
end

--- The full configuration of a run: defaults, the method's, and what was given, typed and checked.
-- Unknown names, values out of range and values this version cannot run raise one clear line.
-- @param method table a method's table (name, options; optional switches, implemented, ranges)
-- @param given table options, nested or as "lambda.con"; text is converted to the option's type
-- @param suggested table defaults that come from the data set (size, channels, holdout, normal)
-- @return table a flat configuration; absent where nothing is decided
function options.resolve(method, given, suggested)
  local list, named = options.schema(method)
  local typed = {}
  for name, v in pairs(flatten(given or {}, named, {}, "")) do
    local scheduled = name:match "^schedule%.(.+)$"
    local d = named[name] or scheduled and named.schedule or unknown(name, list)
    if name == "score" and type(method.score) == "function" then
      fail("score = %s: method %s has a score of its own", show(v), method.name)
    end
    if scheduled then
      typed.schedule = typed.schedule or {}
      typed.schedule[scheduled] = convert_scheduled(named, scheduled, v)
    else
      if not (name == "preset" and v == "custom") then v = convert[d.kind](name, d, v) end
      typed[name] = v
    end
  end
  local preset = presets[typed.preset] or {}
  for name, v in pairs(typed) do
    if preset[name] ~= v then check_available(method, name, v) end
  end
  local config = {}
  for _, d in ipairs(list) do
    local v = typed[d.name]
    if v == nil then
      v = suggested and suggested[d.name]
      if v ~= nil then v = convert[d.kind](d.name, d, v) else v = d.default end
      if type(v) == "table" then v = table.move(v, 1, #v, 1, {}) end
    end
    put(config, d.name, v)
  end
  if config.task_seed == nil then config.task_seed = config.seed end
  for name, v in pairs(presets[config.preset] or {}) do
    if typed[name] == nil then config[name] = v
    elseif typed[name] ~= v then config.preset = "custom" end
  end
  return config
end

--- The part of a configuration that belongs to one group: "task", "trainer", "method", "evaluation".
function options.select(config, group)
  local part = {}
  for name, v in pairs(config) do
    if (by_name[name] and by_name[name].group or "method") == group then part[name] = v end
  end
  return part
end

--- Reads "key=value" ("lambda.con=40") into a table that `options.resolve` takes.
-- @return table {lambda = {con = "40"}}; the value stays text until its option types it
function options.parse_assignment(text)
  local name, v = text:match("^%s*([%a_][%w_.]*)%s*=%s*(.-)%s*$")
  if not name or v == "" or name:find("%.%.") or name:find("%.$") then
    fail("%s: key=value is needed, for example lambda.con=40", show(text))
  end
  local parts = {}
  put(parts, name, v)
  return parts
end

--- Merges options into a table, nested ones key by key; the later value wins.
function options.merge(into, from)
  for key, v in pairs(from) do
    if type(v) == "table" and #v == 0 and type(into[key]) == "table" and not v.schedule then
      options.merge(into[key], v)
    else into[key] = v end
  end
  return into
end

-- Text and hash ---------------------------------------------------------------------------------

--- A configuration that JSON can hold: a schedule that is a Lua function becomes {schedule = "function"}.
function options.plain(config)
  local plain = {}
  local function one(v) return type(v) == "function" and {schedule = "function"} or v end
  for name, v in pairs(config) do plain[name] = one(v) end
  if config.schedule then
    plain.schedule = {}
    for name, v in pairs(config.schedule) do plain.schedule[name] = one(v) end
  end
  return plain
end

--- The canonical JSON of a configuration: sorted keys, every option, null where nothing is decided.
function options.canonical(config)
  local core = require "agad.core"
  local full = {}
  for _, d in ipairs(definitions) do put(full, d.name, core.null) end
  return core.json_encode(options.merge(full, options.plain(config)))
end

--- The part of a configuration that decides the results: without paths, device, log_every, checkpoint_*, and threads
-- unless deterministic.
function options.hashed(config)
  local kept = {}
  for name, v in pairs(config) do
    if not unhashed[name] and not (name == "threads" and not config.deterministic) then kept[name] = v end
  end
  return kept
end

--- The hash of a configuration: 16 hexadecimal digits, the same for runs that should agree.
-- Left out: paths, device, log_every, checkpoint_*, and threads unless deterministic.
-- A schedule that is a Lua function cannot be hashed and raises.
function options.hash(config)
  local unfit = {}
  for name, v in pairs(config) do
    local functions = type(v) == "function"
    if name == "schedule" then for _, of in pairs(v) do functions = functions or type(of) == "function" end end
    if functions then unfit[#unfit + 1] = name end
  end
  table.sort(unfit)
  if unfit[1] then fail("%s: a Lua function has no hash; use a named schedule", unfit[1]) end
  return require("agad.core").hash(require("agad.core").json_encode(options.hashed(config)))
end

--- Help text: the options of a method, one a line, by group.
function options.describe(method)
  local lines, group = {}, nil
  for _, d in ipairs((options.schema(method))) do
    if d.group ~= group then
      group = d.group
      lines[#lines + 1] = (#lines > 0 and "\n" or "") .. (group == "method" and "method " .. method.name or group)
    end
    local value = d.default == nil and "-" or type(d.default) == "string" and d.default or show(d.default)
    local text = d.text or ""
    if d.choices then text = text .. (text ~= "" and ": " or "") .. words(d.choices) end
    lines[#lines + 1] = ("  %-20s %-14s %s"):format(d.name, value, text)
  end
  return table.concat(lines, "\n")
end

return options
