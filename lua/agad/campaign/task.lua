-- The task of a run, made as `agad train` makes it. The latest set is kept: runs of one set follow each other.

local auto = require "agad.train.auto"
local data = require "agad.data"
local options = require "agad.base.configuration"
local sorted_keys = require("agad.base.values").keys
local tasks = require "agad.task"

local loaded = {}

local function set_of(spec, run, task_options, choose)
  local o = {root = spec.root, choose = choose}
  for _, name in ipairs {"size", "channels", "fit", "filter", "fast_decode", "strict", "outside", "cache", "normal"} do
    o[name] = task_options[name]
  end
  local key = {run.data, tostring(spec.root)}
  for _, name in ipairs(sorted_keys(o)) do
    if name ~= "choose" then key[#key + 1] = name .. "=" .. tostring(o[name]) end
  end
  key = table.concat(key, "\0")
  if loaded.key ~= key then loaded = {key = key, set = data.load(run.data, o)} end
  return loaded.set
end

--- @param spec table root
-- @param run table data, given
-- @param more table other options of the run
-- @return task
-- @return table the options for its trainer
-- @raise the data set cannot be read
return function(spec, run, more)
  local given = options.merge(options.merge({}, run.given), more or {})
  local picks = auto.new(given, run.data)
  local config = options.resolve(picks.method, given)
  local of_task, task_options, run_options = options.select(config, "task"), {task_seed = config.task_seed}, {}
  for name, v in pairs(given) do
    if of_task[name] ~= nil then task_options[name] = config[name] else run_options[name] = v end
  end
  local set = set_of(spec, run, task_options, picks.choose)
  return tasks.new(set, picks:task(set, task_options)), run_options
end
