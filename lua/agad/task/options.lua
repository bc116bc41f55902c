-- The options of tasks: what is normal, which anomalies are known, what is held out and tested.

require "agad.data.options"                      -- listed first; a task has them too
local configuration = require "agad.base.configuration"
local options = require "agad.base.options"
local schedule = require "agad.task.schedule"
local format = require("agad.base.text").format

local option, items, show = options.option, options.items, options.show

local function fail(form, ...) error(format(form, ...), 0) end

-- Classes ---------------------------------------------------------------------------------------

-- "8" and 8.0 become class 8; "08" stays a name.
local function class(key, v)
  local n = math.tointeger(tonumber(v))
  if n and (type(v) == "number" or tostring(n) == v) then return n end
  return type(v) == "string" and v ~= "" and v or
    fail("%s = %s: the name or the number of a class is needed", key, show(v))
end

local function list_of_classes(key, v)            -- text is split at commas only: names have blanks
  local list = {}
  for i, x in ipairs(items(v, "[^,]+") or {}) do list[i] = class(key, x) end
  return list
end

-- One class or several. Text is not split here, as a name may contain a comma; the task splits it.
local function class_or_list(key, _, v)
  if type(v) ~= "table" then return class(key, v) end
  local list = list_of_classes(key, v)
  if #list == 0 then fail("%s = %s: the name of a class, or a list of names, is needed", key, show(v)) end
  return #list == 1 and list[1] or list
end

-- "all", how many, or which.
local function classes(key, _, v)
  if v == "all" then return v end
  local n = type(v) ~= "table" and math.tointeger(tonumber(v))
  if n then return options.convert.integer(key, {min = 1}, n) end
  local list = list_of_classes(key, v)
  if #list == 0 then fail("%s = %s: it must be all, how many, or a list of classes", key, show(v)) end
  return list
end

-- A share below 1, or a whole number from 1.
local function share_or_count(key, d, v)
  local n = options.convert.number(key, d, v)
  if n >= 1 and not math.tointeger(n) then
    fail("%s = %s: it must be a share below 1, or a whole number of pictures", key, show(v))
  end
  return n < 1 and n or math.tointeger(n)
end

-- The classes of the set, or of the task's set, that stands before the options.
local function class_names(arguments)
  local set = type(arguments[1]) == "table" and (arguments[1].set or arguments[1]) or {}
  local list = table.move(set.classes, 1, #set.classes, 1, {})
  return set.superclasses and table.move(set.superclasses.names, 1, #set.superclasses.names, #list + 1, list) or list
end

-- Definitions -----------------------------------------------------------------------------------

return configuration.define("task", {
  normal = option {kind = class_or_list, flag = "CLASS", suggest = class_names,
    help = "the normal class: a name, a superclass, or several (A,B)"},
  anomaly = option {kind = class_or_list, flag = "CLASS", suggest = class_names,
    help = "the anomalous class, for protocol = leave_one_out"},
  gamma = option {kind = schedule.kind_or_all, default = 0.0, min = 0, below = 1, flag = "G",
    help = "share of known anomalies, a/(n+a), or all; varying by epoch: 0,0.05 or linear:0:0.1:10"},
  anom_classes = option {kind = classes, default = "all", suggest = class_names,
    help = "classes that known anomalies come from: all, how many, or a list"},
  protocol = option {choices = {"one_vs_rest", "leave_one_out"}, flag = "NAME",
    help = "one class is normal, or all but one"},
  test_set = option {choices = {"official", "ganomaly"},
    help = "the test split; ganomaly adds the anomalies of the train split"},
  force = option {kind = "boolean", help = "allow test_set = ganomaly with gamma > 0, which trains on test pictures"},
  holdout = option {kind = share_or_count, min = 0,
    help = "share of the normals held out to set the threshold, or how many (from 1)"},
  limit = option {kind = "integer", min = 1, flag = "N", help = "train on at most this many normals"},
  test_limit = option {kind = "integer", min = 1,
    help = "test at most this many anomalies, the same ones for every seed"},
  task_seed = option {kind = "integer", min = 0,
    help = "seed for splits and for the choice of known anomalies; default: seed"},
})
