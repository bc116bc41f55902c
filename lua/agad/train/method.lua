--- Methods: Lua files that return a table (options, nets, phases, average, score).

local errors = require "agad.base.errors"
local hint = require("agad.base.options").hint
local options = require "agad.base.configuration"
local lfs = require "lfs"

local method = {}

--- The names of the methods that come with agad.
function method.names()
  local list, here = {}, package.searchpath("agad.methods.agad", package.path):gsub("/[^/]*$", "")
  for file in lfs.dir(here) do list[#list + 1] = file:match("^(.*)%.lua$") end
  table.sort(list)
  return list
end

local function is_text(v) return type(v) == "string" end
local function is_table(v) return type(v) == "table" end

-- What a method's table must hold: key, check, what is expected.
local required = {
  {"name", is_text, "a string"}, {"options", is_table, "a table of defaults"},
  {"input", function(v) return is_table(v) and tonumber(v[1]) and tonumber(v[2]) and v[1] < v[2] end, "{low, high}"},
  {"nets", function(v) return type(v) == "function" end, "a function(options, shape)"},
  {"phases", function(v) return is_table(v) and is_table(v[1]) end, "a list of phases"},
  {"score", function(v) return type(v) == "function" or is_table(v) and is_text(v[1]) end,
    "a list of names or a function(builder, nets)"},
}

local phase_keys = {name = true, epochs = true, updates = true, step = true, start = true, rate = true}

local function check_phase(m, phase, where)
  where = ("method %s: phase %s"):format(where, is_table(phase) and tostring(phase.name or "without a name"))
  local function fail(form, ...) error(where .. form:format(...), 0) end
  if not is_table(phase) then fail " must be a table" end
  for key in pairs(phase) do
    if not phase_keys[key] then
      fail(": unknown key %s; known: epochs, name, rate, start, step, updates", tostring(key))
    end
  end
  if #m.phases > 1 and not is_text(phase.name) then fail ": it lacks 'name'" end
  if not is_table(phase.updates) or not next(phase.updates) then fail " lacks 'updates'" end
  for name, update in pairs(phase.updates) do
    if not is_table(update) or not is_table(update.nets) or #update.nets == 0 then
      fail(": update %s lacks 'nets', a list of names", tostring(name))
    end
  end
  local epochs = phase.epochs or "epochs"
  local _, named = options.schema(m)
  if not named[epochs] or named[epochs].kind ~= "integer" then
    fail(": epochs = %s is no whole number among the method's options", tostring(epochs))
  end
  for _, key in ipairs {"start", "rate"} do
    if phase[key] ~= nil and type(phase[key]) ~= "function" then fail(": '%s' must be a function", key) end
  end
  if not is_table(phase.step) or #phase.step == 0 then fail " lacks 'step'" end
  for i, stage in ipairs(phase.step) do
    if not is_text(stage) and not (is_table(stage) and is_text(stage[1]) and type(stage[2]) == "function") then
      fail(": stage %d must be a name or {name, function}", i)
    end
  end
end

local function check(m, where)
  if type(m) ~= "table" then error(("method %s: its file must return a table"):format(where), 0) end
  for _, r in ipairs(required) do
    if m[r[1]] == nil then error(("method %s: it lacks the key '%s' (%s)"):format(where, r[1], r[3]), 0) end
    if not r[2](m[r[1]]) then error(("method %s: '%s' must be %s"):format(where, r[1], r[3]), 0) end
  end
  for _, phase in ipairs(m.phases) do check_phase(m, phase, where) end
  if m.keep ~= nil and not (is_table(m.keep) and is_text(m.keep[1])) then
    error(("method %s: 'keep' must be a list of names"):format(where), 0)
  end
  return m
end

--- A method's table by name ("agad"), or from a file ("my_method.lua"), checked.
-- @param name string
-- @raise one line: no such method, a file that raises, or the key that it lacks
function method.load(name)
  if name:find("%.lua$") then
    local chunk, reason = loadfile(name)
    if not chunk then
      local there = lfs.attributes(name, "mode")
      error(("method %s: %s"):format(name, there and reason or "there is no such file"), 0)
    end
    local ok, result = pcall(chunk)
    if not ok then error(("method %s: its file raises: %s"):format(name, errors.text(result)), 0) end
    return check(result, name)
  end
  local module = "agad.methods." .. name
  if not name:find("^[%w_]+$") or not (package.loaded[module] or package.searchpath(module, package.path)) then
    local known = method.names()
    error(("unknown method %q%s, or a file such as my_method.lua"):format(name, hint(name, known)), 0)
  end
  return check(require(module), name)
end

return method
