--- Checkpoints: all that a run needs to continue as if it had never stopped, in one safetensors file.
-- Tensors: nets with their running statistics ("generator.conv1.weight"), the other state of the step ("update.…",
-- "average.…", "guard.…", "random.…"), the best epoch's weights ("best.…"). The rest is metadata.

local agad = require "agad"
local core = require "agad.core"
local manifest = require "agad.task.manifest"
local options = require "agad.base.configuration"
local phase = require "agad.train.phase"
local text = require "agad.base.text"

local checkpoint = {}

--- Hashes by which changed data are noticed: of the rows that a run trains on, and of the pictures and labels.
-- @param task task
-- @return table rows, pictures
function checkpoint.fingerprint(task)
  local parts = {}
  for _, name in ipairs {"normals", "held_out", "anomalies"} do parts[#parts + 1] = table.concat(task[name], ",") end
  return {rows = core.hash(table.concat(parts, ";")), pictures = manifest.content(task.train).hash}
end

--- The live tensors of a run, not copies, but for what is kept: copying into them restores the run.
-- @return table name -> tensor
function checkpoint.live(run)
  local all = run.step:tensors()
  for name, t in pairs(run:tensors(false)) do if not name:find "^keep%." then all[name] = t end end
  return all
end

local function sorted_list(tensors)
  local list = {}
  for name, t in pairs(tensors) do list[#list + 1] = {name = name, tensor = t} end
  table.sort(list, function(a, b) return text.less(a.name, b.name) end)
  return list
end

--- Fields of a run that resuming it needs, besides tensors.
checkpoint.fields = {"phase_began", "started", "epochs_before", "epoch", "done", "steps", "images", "train_seconds",
  "history", "losses", "per_batch", "known", "stale", "best_value", "stopped"}

--- Writes a run's state to a temporary file beside the checkpoint, then renames it.
-- @param run run with a run directory
-- @raise it cannot be written; the previous checkpoint is kept
function checkpoint.save(run)
  local tensors, at = checkpoint.live(run), {}
  at.keep = setmetatable({}, {__jsontype = "array"})
  for name, t in pairs(run.keep) do
    tensors["keep." .. name] = t
    table.insert(at.keep, name)
  end
  for _, name in ipairs(checkpoint.fields) do at[name] = run[name] end
  at.phase, at.seconds = run.phase, run:seconds_so_far()
  at.sampler, at.data = run.sampler:state(), run.fingerprint
  if run.best then
    for name, t in pairs(run.best.tensors) do tensors["best." .. name] = t end
    at.best = {epoch = run.best.epoch, value = run.best.value, criterion = run.best.criterion}
  end
  at.best_on_test, at.choices = run.best_on_test, run.choices
  run.rundir:checkpoint(sorted_list(tensors), {config = options.canonical(run.config), step = tostring(run.steps),
    run = core.json_encode(at)})
end

local function text_of(v) return v == nil and "not set" or type(v) == "table" and core.json_encode(v) or text.of(v) end

-- The differences between two configurations ("lr = 0.0002, now 0.0001"), without those that a resumed run may have.
local function differences(before, now)
  local found = {}
  local function compare(a, b, prefix)
    local names = {}
    for name in pairs(a) do names[name] = true end
    for name in pairs(b) do names[name] = true end
    for name in pairs(names) do
      local x, y = a[name], b[name]
      if type(x) == "table" and type(y) == "table" then compare(x, y, prefix .. name .. ".")
      elseif x ~= y then found[#found + 1] = ("%s%s = %s, now %s"):format(prefix, name, text_of(x), text_of(y)) end
    end
  end
  compare(options.hashed(before), options.hashed(now), "")
  text.sort(found)
  return found
end

local function check(run, path, metadata)
  local before = metadata.config and core.json_decode(metadata.config)
  if not before or not metadata.run then error(path .. ": this is not the checkpoint of a run", 0) end
  if not metadata["agad.checksum"] then error(path .. ": it has no checksum; the file is damaged", 0) end
  local differing = differences(before, core.json_decode(options.canonical(run.config)))
  if #differing > 0 then
    error(("cannot resume %s: it was started with a different configuration (%s); give the same options, or train " ..
      "without --resume"):format(run.dir, table.concat(differing, "; ")), 0)
  end
  local at = core.json_decode(metadata.run)
  local now = run.fingerprint
  local changed = at.data and (at.data.rows ~= now.rows and "the training split differs from the one" or
    at.data.pictures ~= now.pictures and "the training pictures have changed since those")
  if not at.data or changed then
    error(("cannot resume %s: %s it was started with; restore them, or train without --resume"):format(run.dir,
      changed or "its checkpoint does not record the pictures that"), 0)
  end
  return at
end

local function listed(list, name)
  for _, other in ipairs(list or {}) do if other == name then return true end end
  return false
end

local function check_tensors(path, wanted, stored)
  for name, t in pairs(wanted) do
    local from = stored[name] or error(("%s: tensor %s is missing"):format(path, name), 0)
    if table.concat(from.shape, "x") ~= table.concat(t.shape, "x") then
      error(("%s: tensor %s has a different shape than the net"):format(path, name), 0)
    end
    if from.dtype ~= t.dtype then
      error(("%s: tensor %s is %s, not %s"):format(path, name, from.dtype, t.dtype), 0)
    end
  end
end

--- Restores a new run from the checkpoint in its directory.
-- @param run run with a run directory that has a checkpoint
-- @raise the configuration (each differing key is named) or the data differs; the file is damaged, or a tensor is
--   missing or unexpected
function checkpoint.resume(run)
  local path = run.dir .. "/state.safetensors"
  local stored, metadata = core.load(path)
  local at = check(run, path, metadata)
  run.choices = at.choices
  phase.enter(run, at.phase)
  for name, t in pairs(stored) do
    local own = name:match "^keep%.(.+)$"
    if own and listed(run.method.keep, own) then run.keep[own] = t:to {device = run.device} end
  end
  local wanted, beside = checkpoint.live(run), {}
  if not (wanted["random.cuda"] and stored["random.cuda"]) then          -- begun on another kind of device
    wanted["random.cuda"], stored["random.cuda"] = nil, nil
  end
  for _, name in ipairs(at.keep or {}) do
    if not run.keep[name] then error(("%s: tensor keep.%s is missing"):format(path, name), 0) end
    beside["keep." .. name] = run.keep[name]
  end
  if at.best then for name, t in pairs(run:tensors(true)) do beside["best." .. name] = t end end
  for name in pairs(stored) do
    if not wanted[name] and not beside[name] then
      error(("%s: unexpected tensor %s, which this run does not have"):format(path, name), 0)
    end
  end
  check_tensors(path, wanted, stored)
  check_tensors(path, beside, stored)
  agad.no_grad(function() for name, t in pairs(wanted) do t:copy_(stored[name]) end end)
  for _, name in ipairs(checkpoint.fields) do run[name] = at[name] end
  run.seconds = at.seconds
  run.images_per_second = run.train_seconds > 0 and run.images / run.train_seconds or nil
  if at.best then
    run.best = at.best
    run.best.tensors = {}
    for name, t in pairs(stored) do
      local own = name:match "^best%.(.+)$"
      if own then run.best.tensors[own] = t end
    end
  end
  run.best_on_test = at.best_on_test
  run:restore_pool()
  run.sampler:set_state(at.sampler)
  local latest = run.history[#run.history]
  run.evaluated = run.rundir:rewind_log(run.steps, latest and latest.step or 0)
  run.saved, run.resumed = run.steps, run.steps
end

return checkpoint
