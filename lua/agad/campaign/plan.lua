-- The runs of a campaign: each point of its axes as options, checked, named by the hash of its configuration.
-- Options come from `options`, then grid and zip, then the variant; the later one wins. Nothing is read of the runs.

local auto = require "agad.train.auto"
local axes = require "agad.campaign.axes"
local data = require "agad.data"
local errors = require "agad.base.errors"
local file = require "agad.campaign.file"
local format = require("agad.base.text").format
local hint = require("agad.base.options").hint
local lfs = require "lfs"
local methods = require "agad.train.method"
local named = require "agad.data.named"
local options = require "agad.base.configuration"
local places = require "agad.base.places"
local show = require("agad.base.options").show
local sorted_keys = require("agad.base.values").keys
local view = require "agad.campaign.view"

local plan = {}

--- Options that name classes, and those that are seeds.
plan.classes, plan.seeds = {normal = true, anomaly = true}, {seed = true, task_seed = true}

local function fail(form, ...) error("campaign: " .. format(form, ...), 0) end

--- The options that tell kinds of runs apart: runs that differ in classes and seeds alone are of one kind.
-- @param names list
-- @return list
function plan.of_kind(names)
  local list = {}
  for _, name in ipairs(names) do
    if not plan.classes[name] and not plan.seeds[name] then list[#list + 1] = name end
  end
  return list
end

--- A value of a point as text: numbers with the digits that they need.
function plan.text(v)
  if type(v) == "table" then return #v > 0 and show(v) or require("agad.core").json_encode(v) end
  return math.type(v) == "float" and format("%.14g", v) or tostring(v)
end

--- A point in words: "variant = with, normal = 3, seed = 1".
function plan.words(run, keys)
  local parts = {}
  for _, key in ipairs(keys) do
    if run.point[key] ~= nil then parts[#parts + 1] = key .. " = " .. plan.text(run.point[key]) end
  end
  return #parts > 0 and table.concat(parts, ", ") or "its only run"
end

--- Says that runs are left out.
function plan.left_out(n, reason)
  return ("%d run%s left out: %s"):format(n, n == 1 and " is" or "s are", reason)
end

--- Why runs are absent, and how many.
-- @param runs list, looked at
-- @return list of {reason, count}, sorted
function plan.absent(runs)
  local counts, list = {}, {}
  for _, run in ipairs(runs) do
    if run.state == "absent" then counts[run.absent] = (counts[run.absent] or 0) + 1 end
  end
  for i, reason in ipairs(sorted_keys(counts)) do list[i] = {reason = reason, count = counts[reason]} end
  return list
end

local function put(given, key, value)
  local outer, inner = key:match "^(.-)%.(.+)$"
  if outer then
    given[outer] = options.merge(options.merge({}, type(given[outer]) == "table" and given[outer] or {}),
      {[inner] = value})
  else given[key] = value end
end

-- Copies nested options too: points share `options` and variants.
local function copied(from)
  local into = {}
  for key, v in pairs(from) do
    into[key] = type(v) == "table" and #v == 0 and not v.schedule and copied(v) or v
  end
  return into
end

-- A run before its options are checked: data, given, point.
local function run_of(spec, schedules, picked)
  local run = {point = {}, given = copied(spec.options or {})}
  local variant
  local function set(key, value)
    if type(value) == "function" then fail("%s is a Lua function; campaigns take named schedules only", key) end
    if key == "data" then run.data = value return end
    local known = (key == "gamma" or key:find "^schedule%.") and schedules[value]
    put(run.given, key, known or value)
  end
  for _, pair in ipairs(picked) do
    run.point[pair[1]] = pair[2]
    if pair[1] == "variant" then variant = pair[3] else set(pair[1], pair[2]) end
  end
  for key, value in pairs(variant or {}) do
    if type(value) == "table" and #value == 0 and not value.schedule and type(run.given[key]) == "table" then
      options.merge(run.given[key], copied(value))
    else set(key, type(value) == "table" and #value == 0 and not value.schedule and copied(value) or value) end
  end
  run.data = run.data or spec.data
  if run.data == nil then fail("data is missing: give a data set's name, a folder or a .csv file") end
  if type(run.data) ~= "string" then fail("data must be a data set's name, a folder or a .csv file") end
  return run
end

-- Whether a folder holds one that is called like a set: mnist, MNIST, cifar-10-batches-bin.
local function holds(top, set)
  local wanted = set:lower():gsub("[^%w]", "")
  for name in lfs.dir(top) do
    local rest = name:lower():gsub("[^%w]", ""):match("^" .. wanted .. "(.*)$")
    if rest and not rest:find "^%d" then return true end
  end
  return false
end

-- Why a data set cannot be had; nil if it is there.
local function absent_data(name, root)
  local about = named.about(name)
  if about then
    local ok, top = errors.try(places.data, root)
    if not about.fetch or ok and lfs.attributes(top, "mode") == "directory" and holds(top, name) then return nil end
    return ("the data set %s is not there (agad fetch %s)"):format(name, name)
  end
  if data.is_path(name) then return nil end
  return ("there is no data set %s%s"):format(name, hint(name, data.names))
end

-- Why a method cannot be had; nil if it is there. A file that is not there, or is wrong, is an error of the run.
local function absent_method(name)
  if name == nil or name == "auto" or methods.is_known(name) or tostring(name):find "[./]" then return nil end
  return ("there is no method %s%s"):format(tostring(name), hint(name, methods.names()))
end

-- Everything that is the same for many runs is worked out once.
local function checker(spec)
  local resolvers, chosen, missing = {}, {}, {}
  local self = {}
  local function once(cache, key, f, ...)
    if cache[key] == nil then cache[key] = f(...) or false end
    return cache[key] or nil
  end
  function self.data(run) return once(missing, "data " .. run.data, absent_data, run.data, spec.root) end
  function self.method(run)
    return once(missing, "method " .. tostring(run.given.method), absent_method, run.given.method)
  end
  local function resolver_of(run)
    local files = auto.is_files(run.data)                  -- which options are given, the variant says
    local key = ("%s %s %s"):format(files, run.given.method, run.point.variant)
    chosen[key] = chosen[key] or (auto.method(run.given, files))
    local name = chosen[key]
    if not resolvers[name] then
      local method = methods.load(name)
      local _, known = options.schema(method)
      resolvers[name] = {resolve = options.resolver(method), known = known}
    end
    return resolvers[name]
  end
  function self.resolve(run)
    local its = resolver_of(run)
    run.config = its.resolve(run.given)
    run.config.data = run.data
    return function(name) return its.known[name] ~= nil or type(run.config[name]) == "table" end
  end
  return self
end

-- The first key in which two points differ by a variant, or else all their words.
local function same_run(first, second, keys)
  local a, b = first.point.variant, second.point.variant
  if a and a ~= b then
    fail("the variants %s and %s are the same run (%s); take one of them out", a, b, first.id)
  end
  fail("two runs of the grid have the same configuration %s: %s, and %s", first.id, plan.words(first, keys),
    plan.words(second, keys))
end

--- Checks a campaign and lists its runs.
-- @param spec table the campaign
-- @param o table only (the text of an expression: runs for which it holds)
-- @return list of {id, dir, data, given (its options), config, point (its values on the axes), absent (why its data set
--   cannot be had; nil if it is there)}
-- @return list the names of the axes: variant, grid, zip
-- @return list of {reason, count}: runs left out because their method is not there
-- @raise an unknown key, a wrong option, an empty or too large grid, two equal runs, or no run at all
function plan.of(spec, o)
  spec = file.check(spec)
  local list, keys = axes.of(spec)
  local schedules, checks = axes.schedules(spec.schedules), checker(spec)
  local only = o and o.only and view.filter(o.only)
  local runs, by_id, skipped, count, known = {}, {}, {}, 0, nil
  local function skip(reason)
    for _, one in ipairs(skipped) do
      if one.reason == reason then one.count = one.count + 1 return end
    end
    skipped[#skipped + 1] = {reason = reason, count = 1}
  end
  axes.each(list, function(picked)
    count = count + 1
    local run = run_of(spec, schedules, picked)
    local reason = checks.method(run)
    if reason then return skip(reason) end
    run.absent = checks.data(run)
    known = checks.resolve(run)
    if spec.where and not view.where(spec.where, run, known, keys) then return end
    run.id = options.hash(run.config)
    if by_id[run.id] then same_run(by_id[run.id], run, keys) end
    by_id[run.id], run.dir = run, (spec.dir or "campaign") .. "/" .. run.id
    if not only or only(run, known) then runs[#runs + 1] = run end
  end)
  if #runs == 0 then
    if skipped[1] then fail("no run is left: %s", skipped[1].reason) end
    if next(by_id) then fail("--only %s: none of the %d runs is meant", o.only, count) end
    fail("no run is left: where refuses all %d", count)
  end
  return runs, keys, skipped, by_id
end

return plan
