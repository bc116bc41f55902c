-- One run as a process of its own: `agad train` in the run's folder. What it prints goes to log.txt, so that it goes on
-- if whoever started it ends; it has the run's lock too, so that nobody starts the run a second time then. Its session
-- is its own: Ctrl-C at the terminal reaches it once, from whoever started it.

local core = require "agad.core"
local luv = require "luv"
local sorted_keys = require "agad.base.values".keys
local store = require "agad.campaign.store"

local child = {}

-- Options as `--set name=value` arguments, sorted.
local function assignments(o, prefix, into)
  for _, name in ipairs(sorted_keys(o)) do
    local v, full = o[name], prefix .. name
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

--- Options as arguments of the program: `--set name=value`, sorted.
-- @param o table
-- @return list of texts
function child.assignments(o) return assignments(o, "", {}) end

--- The arguments of the program for a run.
-- @param spec table root, curves
-- @param run table dir, data, given
-- @return list of texts
function child.arguments(spec, run)
  local args = {"train", run.data, "--out", run.dir .. "/model.safetensors", "--run", run.dir .. "/run", "--resume"}
  if spec.root then args[#args + 1], args[#args + 2] = "--root", spec.root end
  if spec.curves then args[#args + 1] = "--curves" end
  return assignments(run.given, "", args)
end

-- The environment: OMP_NUM_THREADS is the run's share of the cores, CUDA_VISIBLE_DEVICES its GPU.
local function environment(threads, gpu)
  local list, all = {}, luv.os_environ()
  if (all.OMP_NUM_THREADS or "") == "" then all.OMP_NUM_THREADS = threads end
  if gpu then all.CUDA_VISIBLE_DEVICES = gpu end
  for _, name in ipairs(sorted_keys(all)) do list[#list + 1] = name .. "=" .. all[name] end
  return list
end

--- Starts a run.
-- @param run table
-- @param lock lock the run's, which the process gets too
-- @param o table program, args, threads, gpu (what CUDA_VISIBLE_DEVICES is to be; or nil)
-- @param ended function(code, signal)
-- @return handle
-- @raise the log cannot be written, or the program cannot be started
function child.start(run, lock, o, ended)
  local path = run.dir .. "/log.txt"
  local log, reason = luv.fs_open(path, "a", 420)          -- rw-r--r--
  if not log then error(("campaign: cannot write the log: %s"):format(reason), 0) end
  local handle
  handle, reason = luv.spawn(o.program, {args = o.args, env = environment(o.threads, o.gpu), detached = true,
    stdio = {nil, log, log, lock:fd()}}, function(code, signal)
    handle:close()
    ended(code, signal)
  end)
  luv.fs_close(log)
  if not handle then
    luv.run "nowait"                                       -- closing takes a turn of the loop
    error(("campaign: %s cannot be started: %s"):format(o.program, reason), 0)
  end
  return handle
end

local KILLS = {[1] = true, [2] = true, [9] = true, [15] = true}

--- What an ended process says of its run.
-- @return string|nil why it failed; nil if it was killed or interrupted, and goes on from its checkpoint
function child.verdict(run, code, signal)
  if KILLS[signal] or code > 128 and KILLS[code - 128] then return nil end
  if signal ~= 0 then return ("ended by signal %d; see %s/log.txt"):format(signal, run.dir) end
  if code > 128 then return ("ended by signal %d; see %s/log.txt"):format(code - 128, run.dir) end
  return store.last_words(run)
end

return child
