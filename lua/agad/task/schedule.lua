--- Schedules: the value of an option in each epoch.
-- A number is the value in every epoch. A list has one value per epoch; its last value applies to all later epochs. A
-- named schedule moves from one value to another over a number of epochs and then stays there: linear evenly, cosine
-- along a cosine, and step at once when these epochs are over. A Lua function(epoch, epochs) may return any value, but
-- then the run's configuration cannot be hashed.
--     0.05
--     {0, 0, 0.01, 0.05}
--     {schedule = "linear", from = 0, to = 0.1, epochs = 10}
--     function(epoch, epochs) return epoch < 5 and 0 or 0.05 end
-- The first three as text: "0.05", "0,0,0.01,0.05" and "linear:0:0.1:10".

local typed = require("agad.base.options").convert.number
local format = require("agad.base.text").format
local number_of = require("agad.base.text").number

local schedule = {}

-- Each gives the fraction of the way from `from` to `to`; t is 0 in the first epoch of the schedule and 1 in its last.
local shapes = {
  linear = function(t) return t end,
  cosine = function(t) return (1 - math.cos(math.pi * t)) / 2 end,
  step = function() return 0 end,
}

local FORMS = "constant:V, linear:FROM:TO:EPOCHS, cosine:FROM:TO:EPOCHS, step:FROM:TO:EPOCHS, "
  .. "or one value per epoch: 0,0.05"
local KEYS = {schedule = true, value = true, from = true, to = true, epochs = true}

local function fail(key, form, ...) error(key .. ": " .. format(form, ...), 0) end

local function parse_named(key, text)
  local parts = {}
  for part in (text .. ":"):gmatch "%s*(.-)%s*:" do parts[#parts + 1] = part end
  local name = parts[1]
  if name == "constant" and #parts == 2 then return {schedule = name, value = parts[2]} end
  if not shapes[name] or #parts < 3 or #parts > 4 then fail(key, "%q is not a schedule; give %s", text, FORMS) end
  return {schedule = name, from = parts[2], to = parts[3], epochs = parts[4]}
end

local function parse(key, text)
  if text:find "^%s*%a" then return parse_named(key, text) end
  local list = {}
  for item in (text:gsub("^%s*[%[{]", ""):gsub("[%]}]%s*$", "") .. ","):gmatch "%s*([^,]-)%s*," do
    list[#list + 1] = item
  end
  return list
end

local function check_list(key, v, number)
  local list = {}
  for i, x in ipairs(v) do list[i] = number(x) end
  for name in pairs(v) do
    if math.type(name) ~= "integer" or name < 1 or name > #list then
      fail(key, "a list with one value per epoch cannot have the key %s", name)
    end
  end
  while #list > 1 and list[#list] == list[#list - 1] do list[#list] = nil end   -- it holds on anyway
  return #list == 1 and list[1] or list
end

local function check_named(key, v, number)
  for name in pairs(v) do
    if not KEYS[name] then
      fail(key, "unknown key %s; a schedule has schedule, from, to, epochs and value", name)
    end
  end
  local name = v.schedule
  if name == "function" then
    fail(key, "this was a Lua function, which a file cannot hold; give the function again")
  elseif name == "constant" then
    return number(v.value or v.from or fail(key, "schedule constant needs value"))
  elseif not shapes[name] then
    fail(key, "there is no schedule %s; give constant, linear, cosine or step", name)
  end
  if v.from == nil or v.to == nil then fail(key, "schedule %s needs from and to: %s", name, FORMS) end
  local result = {schedule = name, from = number(v.from), to = number(v.to)}
  if type(v.epochs) ~= "userdata" and v.epochs ~= nil then          -- JSON's null: not given
    result.epochs = math.tointeger(number_of(v.epochs))
    if not result.epochs or result.epochs < 1 then
      fail(key, "schedule %s: epochs = %s; a whole number of at least 1 is needed", name, v.epochs)
    end
  elseif name == "step" then
    fail(key, "schedule step needs epochs: the number of epochs with the first value")
  end
  return result.from == result.to and result.from or result
end

--- Converts a schedule (a text, number, list, table or function) to its normal form, so that equal schedules compare
-- equal.
-- @param key string the option, for messages
-- @param v number|string|table|function
-- @param number function(x) that converts one value to a number and checks it
-- @return number|list|table|function a number if the value never changes
-- @raise the schedule is unknown or incomplete, or a value is out of range
function schedule.check(key, v, number)
  if type(v) == "function" then return v end
  if type(v) == "string" and not number_of(v) then v = parse(key, v) end
  if type(v) ~= "table" then return number(v) end
  if v.schedule ~= nil then return check_named(key, v, number) end
  if #v == 0 then fail(key, "an empty list is not a schedule; give %s", FORMS) end
  return check_list(key, v, number)
end

--- The kind (`agad.base.options`) of an option that may be a schedule; each of its values must lie in the option's
-- range.
function schedule.kind(key, d, v)
  return schedule.check(key, v, function(x) return typed(key, d, x) end)
end

--- The kind of gamma: a schedule, or "all".
function schedule.kind_or_all(key, d, v) return v == "all" and v or schedule.kind(key, d, v) end

--- The kind of the option `schedule`, a table of schedules for other options, whose values must lie in those options'
-- ranges.
-- @param name string the other option
-- @param d option the other option
-- @param v number|string|table|function
function schedule.of_option(name, d, v)
  if name == "schedule" then fail(name, "give the schedule of one option, as schedule.lr or schedule.NAME") end
  if type(v) ~= "function" then
    return schedule.check("schedule." .. name, v, function(x) return typed(name, d, x) end)
  end
  return function(epoch, epochs)
    return typed(("schedule.%s in epoch %d: %s"):format(name, epoch, name), d, v(epoch, epochs))
  end
end

--- The value in an epoch.
-- @param spec number|list|table|function as of `agad.schedule.check`
-- @param epoch integer from 1
-- @param epochs integer of the run; a named schedule without a number of epochs of its own spans them all
-- @return number
-- @raise a function returns something other than a finite number
function schedule.value(spec, epoch, epochs)
  if type(spec) == "number" then return spec end
  if type(spec) == "function" then
    local value = spec(epoch, epochs)
    if type(value) ~= "number" or value ~= value or value - value ~= 0 then
      error(format("schedule: the function returned %s in epoch %d; a finite number is needed", tostring(value), epoch),
        0)
    end
    return value + 0.0
  end
  if not spec.schedule then return spec[math.min(epoch, #spec)] end
  local span = spec.epochs or epochs
  if spec.schedule == "step" then return epoch <= span and spec.from or spec.to end
  if epoch >= span then return spec.to end
  return spec.from + (spec.to - spec.from) * shapes[spec.schedule]((epoch - 1) / (span - 1))
end

--- The largest value that a schedule can take; nil for a function.
-- @param spec number|list|table|function
-- @return number
function schedule.largest(spec)
  if type(spec) == "number" then return spec end
  if type(spec) == "function" then return nil end
  return spec.schedule and math.max(spec.from, spec.to) or math.max(table.unpack(spec))
end

--- A schedule as Lua writes it.
-- @param spec number|list|table|function|string
-- @return string
function schedule.text(spec)
  if type(spec) == "string" then return ("%q"):format(spec) end
  if type(spec) == "number" then return format("%.14g", spec) end
  if type(spec) == "function" then return "function" end
  if spec.schedule then
    return format("{schedule = %q, from = %.14g, to = %.14g%s}", spec.schedule, spec.from, spec.to,
      spec.epochs and ", epochs = " .. spec.epochs or "")
  end
  local parts = {}
  for i, v in ipairs(spec) do parts[i] = format("%.14g", v) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

return schedule
