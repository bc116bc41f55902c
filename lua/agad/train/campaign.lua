--- Campaigns: a grid of trainings, each in its own process and in a directory named by the hash of its configuration.
--     return {data = "mnist", options = {epochs = 5, gamma = .05}, grid = {normal = {0, 1, 2}, seed = {1, 2, 3}}}
-- Finished runs are skipped, interrupted ones resumed; one table is printed at the end. Runs that are trained at the
-- same time share the cores, unless options.threads or OMP_NUM_THREADS says how many threads each has.

local agad = require "agad"
local auto = require "agad.train.auto"
local check_names = require("agad.base.options").check_names
local core = agad.core
local interrupt = require "agad.base.interrupt"
local luv = require "luv"
local methods = require "agad.train.method"
local note_of_name = require("agad.data.named").note
local options = require "agad.base.configuration"
local make_folder = require("agad.base.folder").make
local sorted_keys = require("agad.base.values").keys
local format = require("agad.base.text").format
local sort = require("agad.base.text").sort

local campaign = {}

local known = {"data", "dir", "grid", "options", "root"}

local function fail(form, ...) error("campaign: " .. format(form, ...), 0) end

-- Every combination of the grid's values, the last key fastest; keys in the order of their names.
local function combinations(grid)
  local keys, list = {}, {{}}
  for key, values in pairs(grid) do
    if type(key) ~= "string" or type(values) ~= "table" or #values == 0 then
      fail("grid.%s must be a list of values", key)
    end
    keys[#keys + 1] = key
  end
  sort(keys)
  for _, key in ipairs(keys) do
    local longer = {}
    for _, before in ipairs(list) do
      for _, value in ipairs(grid[key]) do
        local one = {}
        for k, v in pairs(before) do one[k] = v end
        one[key] = value
        longer[#longer + 1] = one
      end
    end
    list = longer
  end
  return list, keys
end

-- Options as `--set name=value` arguments, sorted.
local function assignments(o, prefix, into)
  for _, name in ipairs(sorted_keys(o)) do
    local v, full = o[name], prefix .. name
    if type(v) == "function" then fail("%s is a Lua function; campaigns take named schedules only", full) end
    if type(v) == "table" and #v == 0 and not v.schedule then assignments(v, full .. ".", into)
    else
      local function text_of(one) return math.type(one) == "float" and core.json_encode(one) or tostring(one) end
      local text = text_of(v)
      if type(v) == "table" then
        local parts, named = {}, v.schedule and {v.schedule, v.value or v.from, v.to, v.epochs}
        for i, one in ipairs(named or v) do parts[i] = text_of(one) end
        text = table.concat(parts, named and ":" or ",")
      end
      into[#into + 1] = "--set"
      into[#into + 1] = full .. "=" .. text
    end
  end
  return into
end

--- Checks a campaign and lists its runs without starting them.
-- @param spec table data, options (of every run), grid (option = list of values), dir (the folder for the runs), root
-- @return list of {id, dir, given (its options), point (its values in the grid), row (its result, once finished)}
-- @return list the names of the grid's options
-- @raise an unknown key, or a wrong option
-- @example runs = agad.campaign.plan {data = "weave", options = {epochs = 1}, grid = {seed = {1, 2}}}
function campaign.plan(spec)
  if type(spec) ~= "table" then fail("the file must return a table") end
  check_names("campaign", spec, known)
  if type(spec.data) ~= "string" then fail("data is missing: give a data set's name, a folder or a .csv file") end
  local points, keys = combinations(spec.grid or {})
  local runs, seen = {}, {}
  for _, point in ipairs(points) do
    local given = options.merge(options.merge({}, spec.options or {}), {})
    for key, value in pairs(point) do
      local outer, inner = key:match "^(.-)%.(.+)$"
      if outer then given[outer] = options.merge(options.merge({}, given[outer] or {}), {[inner] = value})
      else given[key] = value end
    end
    local method = methods.load((auto.method(given, auto.is_files(spec.data))))
    local config = options.resolve(method, given)
    config.data = spec.data
    local id = options.hash(config)
    if seen[id] then fail("two runs of the grid have the same configuration (%s)", id) end
    seen[id] = true
    local run = {id = id, dir = (spec.dir or "campaign") .. "/" .. id, given = given, point = point}
    local file = io.open(run.dir .. "/row.json")
    if file then
      local ok, row = pcall(core.json_decode, file:read "a")
      file:close()
      run.row = ok and row or nil
    end
    runs[#runs + 1] = run
  end
  return runs, keys
end

-- The environment of the runs: OMP_NUM_THREADS is their share of the cores if that many are trained at the same time.
local function environment(at_once)
  local list, all = {}, luv.os_environ()
  if (all.OMP_NUM_THREADS or "") == "" then all.OMP_NUM_THREADS = math.max(1, core.cores() // at_once) end
  for _, name in ipairs(sorted_keys(all)) do list[#list + 1] = name .. "=" .. all[name] end
  return list
end

-- Starts one training; done(run, reason) is called when it has ended, with no reason if it returned its row.
local function start(program, env, spec, run, done)
  make_folder(run.dir)
  local args = {"train", spec.data, "--out", run.dir .. "/model.safetensors", "--run", run.dir .. "/run", "--json",
    "--quiet", "--resume"}
  if spec.root then args[#args + 1], args[#args + 2] = "--root", spec.root end
  assignments(run.given, "", args)
  local out, err, texts, handle = luv.new_pipe(), luv.new_pipe(), {"", ""}, nil
  local left = 3
  local function ended(code)
    left = left - 1
    run.code = code or run.code
    if left > 0 then return end
    local ok, row = pcall(core.json_decode, texts[1])
    if run.code ~= 0 or not ok then
      return done(run, (texts[2]:gsub("%s+$", ""):match "[^\n]*$") or "it gave no row")
    end
    run.row = row
    core.file_replace(run.dir .. "/row.json", core.json_encode(row) .. "\n")
    done(run)
  end
  local reason
  handle, reason = luv.spawn(program, {args = args, env = env, stdio = {nil, out, err}}, function(code)
    handle:close()
    ended(code)
  end)
  if not handle then
    out:close()
    err:close()
    luv.run "nowait"                               -- closing takes a turn of the loop
    fail("%s cannot be started: %s", program, reason)
  end
  run.handle = handle
  for i, pipe in ipairs {out, err} do
    pipe:read_start(function(_, data)
      if data then texts[i] = texts[i] .. data else pipe:close() ended() end
    end)
  end
end

--- Trains all unfinished runs, `workers` at a time.
-- @param spec table as for `agad.campaign.plan`
-- @param o table workers (1), program (the agad to start; nil: this one), on_event (function(event): kind (start, done,
--   failed), run, left; or kind = note, text)
-- @return list of runs, each with its row or the reason why it failed
-- @return list the names of the grid's options
function campaign.run(spec, o)
  o = o or {}
  local runs, keys = campaign.plan(spec)
  local waiting, busy = {}, {}
  for _, run in ipairs(runs) do if not run.row then waiting[#waiting + 1] = run end end
  local left, at_once = #waiting, math.max(1, math.min(o.workers or 1, #waiting))
  local env = environment(at_once)
  local on_event = o.on_event or function() end
  local note = note_of_name(spec.data, spec.root)
  if note then on_event {kind = "note", text = note} end
  local held <close> = interrupt.hold()            -- luacheck: ignore 211
  local next_one
  local function done(run, reason)
    busy[run], run.reason, left = nil, reason, left - 1
    on_event {kind = reason and "failed" or "done", run = run, left = left}
    next_one()
  end
  function next_one()
    local run = not core.interrupted() and table.remove(waiting, 1)
    if not run then return end
    busy[run] = true
    on_event {kind = "start", run = run, left = left}
    start(o.program or os.getenv "AGAD_PROGRAM" or "agad", env, spec, run, done)
  end
  for _ = 1, at_once do next_one() end
  local told, wake = false, luv.new_timer()
  wake:start(100, 100, function() end)             -- a signal alone does not end luv.run
  while next(busy) do
    luv.run "once"
    if core.interrupted() and not told then
      told = true                                  -- once: a second signal would interrupt the saving of the runs
      for run in pairs(busy) do run.handle:kill "sigint" end
    end
  end
  wake:close()
  luv.run "nowait"                                 -- closing takes a turn of the loop
  return runs, keys
end

return campaign
