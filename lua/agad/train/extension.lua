--- A method that builds on another: the table of that method, overridden by the keys of its own file.
--     return {name = "cut_paste", extends = "agad", options = {cut = .125},
--       phases = {train = {before = {reconstruct = {"cut_paste", cut_paste}}}}}
-- Options are added to the base's; for an option that the base has, a value alone is a new default. Any other key
-- replaces the base's, and `false` drops it. If `phases` is a list, it replaces the base's phases; if it is a table by
-- name, it changes those phases. The keys of a changed phase replace the base's, except for four that change its list
-- of stages: `before`, `after` and `replace` are tables {STAGE'S NAME = stage}, and `without` is a list of names.

local options = require "agad.base.options"
local format = require("agad.base.text").format

local extension = {}

local changes = {before = true, after = true, replace = true, without = true}

local function copy(t)
  local new = {}
  for key, v in pairs(t) do new[key] = v end
  return new
end

local function merged(base, own)
  local new = copy(base)
  for name, v in pairs(own) do
    local before = base[name]
    if options.is(before) and not options.is(v) then new[name] = options.like(before, {default = v})
    elseif type(before) == "table" and type(v) == "table" and #v == 0 and not options.is(v) then
      new[name] = merged(before, v)
    else new[name] = v end
  end
  return new
end

local function name_of(stage) return type(stage) == "table" and stage[1] or stage end

-- The stages of a phase with the changes; `fail` names method and phase.
local function changed_stages(stages, change, fail)
  local names, known = {}, {}
  for i, stage in ipairs(stages) do
    names[i] = tostring(name_of(stage))
    known[names[i]] = true
  end
  local function check(key, name)
    if known[name] then return end
    fail(": %s: there is no stage %s%s", key, name, options.hint(name, names))
  end
  for key in pairs(changes) do
    if change[key] ~= nil and type(change[key]) ~= "table" then fail(": '%s' must be a table", key) end
  end
  for _, key in ipairs {"before", "after", "replace"} do
    for name in pairs(change[key] or {}) do check(key, name) end
  end
  local without = {}
  for _, name in ipairs(change.without or {}) do
    check("without", name)
    if (change.replace or {})[name] then fail(": stage %s is both replaced and left out; choose one", name) end
    without[name] = true
  end
  local list = {}
  local function add(stage) list[#list + 1] = stage end
  for i, stage in ipairs(stages) do
    local name = names[i]
    add((change.before or {})[name])
    if not without[name] then add((change.replace or {})[name] or stage) end
    add((change.after or {})[name])
  end
  return list
end

local function changed_phase(phase, change, fail)
  if type(change) ~= "table" then fail " must be a table" end
  local new, any = copy(phase), false
  for key, v in pairs(change) do
    if changes[key] then any = true else new[key] = v end
  end
  if any then new.step = changed_stages(new.step, change, fail) end
  return new
end

local function changed_phases(base, own, where)
  local list, left = {}, copy(own)
  for i, phase in ipairs(base) do
    local function fail(form, ...) error(("method %s: phase %s"):format(where, phase.name) .. format(form, ...), 0) end
    local change = phase.name and own[phase.name]
    list[i] = change == nil and phase or changed_phase(phase, change, fail)
    left[phase.name or i] = nil
  end
  local unknown = next(left)
  if unknown ~= nil then
    local names = {}
    for i, phase in ipairs(base) do names[i] = tostring(phase.name) end
    error(("method %s: phases: there is no phase %s to change; the phases: %s"):format(where, tostring(unknown),
      table.concat(names, ", ")), 0)
  end
  return list
end

--- The table of a method that builds on another.
-- @param base table the checked table of the other method
-- @param own table the table of its own file
-- @param where string the name of the file in errors
function extension.of(base, own, where)
  local new = copy(base)
  for key, v in pairs(own) do
    if key == "phases" and type(v) == "table" and #v == 0 then new.phases = changed_phases(base.phases, v, where)
    elseif key == "options" and type(v) == "table" then new.options = merged(base.options, v)
    elseif v == false then new[key] = nil
    else new[key] = v end
  end
  return new
end

return extension
