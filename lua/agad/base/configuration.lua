--- Configurations: the typed options of a run, from all parts of agad; their canonical text and their hash.
-- Each part defines the options that it reads (`data/options.lua`, `task/options.lua`, …); a method adds its own, and
-- may change the defaults of the others. A configuration is a flat table, except for nested options such as `lambda`.
-- Values are typed before they are written, so that 40 and 40.0 are the same configuration. An option whose value is
-- not decided yet (a data set's size, the number of threads) is absent, and null in the text.

local base = require "agad.base.options"
local less = require("agad.base.text").less
local format = require("agad.base.text").format
local sort = require("agad.base.text").sort

local options = {nearest = base.nearest, option = base.option}

local typed, show, words, hint = base.typed, base.show, base.words, base.hint

local function fail(form, ...) error(format(form, ...), 0) end

-- Definitions -----------------------------------------------------------------------------------

local definitions, by_name, presets, aliases = {}, {}, {}, {}

--- Adds the options of a part of agad to those that every method shares.
-- @param group string "task", "trainer" or "evaluation": the heading that they are listed under
-- @param known table name -> option (`agad.base.options`), or a table of those
-- @return table `known` itself
function options.define(group, known)
  local names, options_of = base.flat(known)
  for _, name in ipairs(names) do
    local d = setmetatable({name = name, group = group}, {__index = options_of[name]})
    definitions[#definitions + 1], by_name[name] = d, d
    by_name[name:match "^[^.]+"] = d             -- augment, of augment.flip
  end
  return known
end

--- Defines another name of an option, with another value for the same fact.
-- @param name string
-- @param option string the option
-- @param d option the kind and range of its values
-- @param convert function(value) the option's value
function options.define_alias(name, option, d, convert) aliases[name] = {option = option, d = d, convert = convert} end

--- Defines presets, which set several options at once: preset = "plain".
-- @param option string the option that chooses a preset
-- @param known table value -> table of options; a list of values has the preset's own first, and others that go with it
function options.define_presets(option, known) presets[option] = known end

--- The presets of an option, as given to `define_presets`.
function options.presets(option) return presets[option] end

--- The definition of an option that every method shares, or nil.
-- @param name string
-- @return option with its name and group
function options.shared(name) return by_name[name] end

--- Replaces the values "auto" of a configuration by what they stand for, where that can be said.
-- @param config table changed
-- @param method table
-- @param task task or nil: without one, values that depend on its pictures stay "auto"
-- @return table config
function options.settle(config, method, task)
  for _, d in ipairs(definitions) do
    if d.auto and config[d.name] == "auto" then config[d.name] = d.auto(config, method, task) or "auto" end
  end
  return config
end

--- The names of the shared options of one group.
-- @param group string
-- @return list in the order in which they are listed
function options.names(group)
  local list = {}
  for _, d in ipairs(definitions) do if d.group == group then list[#list + 1] = d.name end end
  return list
end

-- Methods ---------------------------------------------------------------------------------------

-- A method may give a bare default instead of an option; its type is then the option's. Weights in `lambda` are at
-- least 0.
local function own(method, key, given)
  local ok, d = pcall(function()
    if base.is(given) then return given end
    local weight = key:find "^lambda%."
    local number = weight and type(given) == "number"
    return base.option {default = number and given + 0.0 or given, min = weight and 0 or nil}
  end)
  if not ok then fail("method %s: option %s: %s", method.name or "?", key, (tostring(d):gsub("^option: ", ""))) end
  return setmetatable({name = key, group = "method"}, {__index = d})
end

-- A method's own options, sorted by their full names.
local function own_options(method)
  local list = {}
  local function walk(t, prefix)
    for key, v in pairs(t) do
      local name = prefix .. key
      if not (prefix == "" and by_name[key]) then
        if type(v) == "table" and not base.is(v) and #v == 0 then walk(v, name .. ".")
        else list[#list + 1] = own(method, name, v) end
      end
    end
  end
  walk(method.options, "")
  table.sort(list, function(a, b) return less(a.name, b.name) end)
  return list
end

--- The options of a method: a list of definitions and the same by name ("lambda.con" for nested ones).
-- Each has group, name, kind, default, help, and possibly choices or a range.
-- @param method table a method's table; nil gives the options that every method shares
function options.schema(method)
  method = method or {options = {}}
  local list, named = {}, {}
  local function add(d) list[#list + 1] = d; named[d.name] = d end
  for _, d in ipairs(definitions) do
    d = setmetatable({}, {__index = d})
    local default = method.options[d.name]
    if d.name == "method" then default = method.name end
    if default ~= nil then d.default = typed(d.name, d, default) end
    if d.name == "score" and method.score then
      d.choices = method.scores or type(method.score) == "table" and method.score or {"own"}
      d.kind, d.default = "choice", d.choices[1]
    end
    add(d)
  end
  for _, d in ipairs(own_options(method)) do add(d) end
  return list, named
end

local function flatten(given, named, into, prefix)
  for key, v in pairs(given) do
    local name = prefix .. tostring(key)
    local nested = type(v) == "table" and #v == 0 and not v.schedule and (not named[name] or name == "schedule")
    if nested then flatten(v, named, into, name .. ".")
    elseif type(v) ~= "userdata" then into[name] = v end          -- JSON's null: not given
  end
  for name, v in pairs(prefix == "" and into or {}) do
    local of = aliases[name]
    if of then
      if into[of.option] ~= nil then fail("%s and %s are one option; give one of them", name, of.option) end
      into[name], into[of.option] = nil, of.convert(typed(name, of.d, v))
      break                                              -- into has changed
    end
  end
  return into
end

local function unknown(name, list, method)
  local names = {}
  for i, d in ipairs(list) do names[i] = d.name end
  fail("unknown option %s%s", show(name), hint(name, names, "agad info weave --method " .. (method.name or "agad")))
end

local function put(config, name, v)
  local outer, inner = name:match("^(.-)%.(.+)$")
  if not outer then config[name] = v; return end
  config[outer] = config[outer] or {}
  config[outer][inner] = v
end

-- Only `lr` and the method's own numbers can have a schedule, with values in the range of that option.
local function convert_scheduled(named, name, v)
  local d = named[name]
  if not d or name ~= "lr" and (d.group ~= "method" or d.kind ~= "number") then
    local can = {"lr"}
    for other, its in pairs(named) do
      if its.group == "method" and its.kind == "number" then can[#can + 1] = other end
    end
    sort(can)
    fail("schedule.%s: this option cannot have a schedule; known: %s (for gamma, give the schedule as its value)", name,
      words(can))
  end
  return named.schedule.kind(name, d, v)
end

--- The given options that a method does not have, sorted.
-- @param method table
-- @param given table as for `options.resolve`
-- @return list of names
function options.unknown(method, given)
  local _, named = options.schema(method)
  local list = {}
  for name in pairs(flatten(given, named, {}, "")) do
    if not named[name] and not name:find "^schedule%." then list[#list + 1] = name end
  end
  sort(list)
  return list
end

-- The configuration of given options; list and named are the method's schema.
local function resolved(method, list, named, given, suggested)
  local set = {}
  for name, v in pairs(flatten(given or {}, named, {}, "")) do
    local scheduled = name:match "^schedule%.(.+)$"
    local d = named[name] or scheduled and named.schedule or unknown(name, list, method)
    if scheduled then
      set.schedule = set.schedule or {}
      set.schedule[scheduled] = convert_scheduled(named, scheduled, v)
    else
      if not (presets[name] and v == "custom") then v = typed(name, d, v) end
      if name ~= "method" or v ~= "auto" then set[name] = v end
    end
  end
  local config = {}
  for _, d in ipairs(list) do
    local v = set[d.name]
    if v == nil then
      v = suggested and suggested[d.name]
      if v ~= nil then v = typed(d.name, d, v) else v = d.default end
      if type(v) == "table" then v = table.move(v, 1, #v, 1, {}) end
    end
    put(config, d.name, v)
  end
  if config.task_seed == nil then config.task_seed = config.seed end
  local limited = method.limited and method.phases[method.limited].epochs or "epochs"
  if set.minutes == nil and (set[limited] ~= nil or set.steps ~= nil) then config.minutes = 0.0 end
  if (config.steps > 0 or config.minutes > 0) and set[limited] == nil then
    put(config, limited, nil)                            -- steps or minutes alone are the limit
  end
  for option, known in pairs(presets) do
    for name, v in pairs(known[config[option]] or {}) do
      local goes = {}
      for i, value in ipairs(type(v) == "table" and v or {v}) do
        if i == 1 and set[name] == nil then config[name] = value end
        goes[value] = true
      end
      if set[name] ~= nil and not goes[set[name]] then config[option] = "custom" end
    end
  end
  return options.settle(config, method)
end

--- What `options.resolve` does, for many configurations of one method: its schema is made once.
-- @param method table a method's table
-- @return function(given, suggested) the full configuration
function options.resolver(method)
  local list, named = options.schema(method)
  return function(given, suggested) return resolved(method, list, named, given, suggested) end
end

--- The full configuration of a run: defaults, the method's defaults and the given options, typed and checked.
-- Unknown names, values out of range and values that this version does not support are errors.
-- @param method table a method's table (name, options)
-- @param given table options, nested or as "lambda.con"; text is converted to the option's type
-- @param suggested table defaults that come from the data set (size, channels, holdout, normal)
-- @return table a flat configuration, without options that are not decided yet
function options.resolve(method, given, suggested) return options.resolver(method)(given, suggested) end

--- The part of a configuration that belongs to one group: "task", "trainer", "method", "evaluation".
function options.select(config, group)
  local part = {}
  for name, v in pairs(config) do
    if (by_name[name] and by_name[name].group or "method") == group then part[name] = v end
  end
  return part
end

--- Reads "key=value" ("lambda.con=40") into a table that `options.resolve` takes.
-- @return table {lambda = {con = "40"}}; `options.resolve` converts the value, still a text, to the option's type
function options.parse_assignment(text)
  local name, v = text:match("^%s*([%a_][%w_.]*)%s*=%s*(.-)%s*$")
  if not name or v == "" or name:find("%.%.") or name:find("%.$") then
    fail("%s: give key=value, for example lambda.con=40", show(text))
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

--- A copy of a configuration that can be written as JSON: a schedule that is a Lua function becomes
-- {schedule = "function"}.
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

--- The canonical JSON of a configuration: every option, with sorted keys; null for those not decided yet.
function options.canonical(config)
  local core = require "agad.core"
  local full = {}
  for _, d in ipairs(definitions) do put(full, d.name, core.null) end
  return core.json_encode(options.merge(full, options.plain(config)))
end

local paths = {out = true, run = true, root = true}    -- of the command line: they are in no configuration of ours

--- The part of a configuration that affects results: all but paths, device, log_every, checkpoint_*, tensorboard,
-- threads (unless deterministic), and steps and minutes where they are 0. An option that is added later leaves itself
-- out in the same way where it is off: then the hash of earlier runs, by which they are found, stays as it is.
function options.hashed(config)
  local kept = {}
  for name, v in pairs(config) do
    local d = by_name[name]
    local matters = not d or d.results ~= false
    if d and type(d.results) == "function" then matters = d.results(config) end
    if matters and not paths[name] then kept[name] = v end
  end
  return kept
end

--- The hash of a configuration: 16 hexadecimal digits, equal for runs whose results should be equal.
-- It covers what `options.hashed` keeps.
-- @raise a schedule is a Lua function, which cannot be hashed
function options.hash(config)
  local core, unfit = require "agad.core", {}
  for name, v in pairs(config) do
    local functions = type(v) == "function"
    if name == "schedule" then for _, of in pairs(v) do functions = functions or type(of) == "function" end end
    if functions then unfit[#unfit + 1] = name end
  end
  sort(unfit)
  if unfit[1] then fail("%s: a Lua function cannot be hashed; use a named schedule", unfit[1]) end
  return core.hash(core.json_encode(options.hashed(config)))
end

--- Help text: the options of a method, one per line, by group.
function options.describe(method)
  local lines, group = {}, nil
  for _, d in ipairs((options.schema(method))) do
    if d.group ~= group then
      group = d.group
      lines[#lines + 1] = (#lines > 0 and "\n" or "") .. (group == "method" and "method " .. method.name or group)
    end
    local value = d.default == nil and "-" or type(d.default) == "string" and d.default or show(d.default)
    local text = d.help or ""
    if d.choices and not d.about then text = text .. (text ~= "" and ": " or "") .. words(d.choices) end
    lines[#lines + 1] = ("  %-20s %-14s %s"):format(d.name, value, text)
    for _, choice in ipairs(d.about and d.choices or {}) do
      lines[#lines + 1] = ("  %-20s   %-14s %s"):format("", choice, d.about(choice))
    end
  end
  return table.concat(lines, "\n")
end

return options
