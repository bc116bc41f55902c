-- A campaign's folder: campaign.json says whose it is; each run has a folder named by its id, which holds
--   run/result.json   its row: a run is finished once this is whole and of this version
--   run/              the run directory: configuration, log, checkpoint
--   model.safetensors, log.txt (what the training printed), error.json (why it failed)
--   lock              a kernel lock, which its process has, and who started that
-- A run that is finished keeps neither checkpoint nor model, unless the campaign's `keep` says so.

local core = require "agad.core"
local errors = require "agad.base.errors"
local lfs = require "lfs"
local luv = require "luv"
local make_folder = require("agad.base.folder").make
local rundir = require "agad.train.rundir"

local store = {}

local function fail(form, ...) error("campaign: " .. form:format(...), 0) end

local function bytes_of(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local bytes = file:read "a"
  file:close()
  return bytes
end

--- What a JSON file holds, if that is a table; else nil.
-- @return table|nil
-- @return boolean whether the file is there; nil if not
function store.json(path)
  local bytes = bytes_of(path)
  if not bytes then return nil end
  local ok, value = pcall(core.json_decode, bytes)
  return ok and type(value) == "table" and value or nil, true
end

-- Whose folder it is -------------------------------------------------------------------------------

local ID = "^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$"

local own = {["campaign.json"] = true, slurm = true, ["."] = true, [".."] = true}

-- A name in a folder that no campaign leaves there, or nil.
local function foreign(dir)
  for name in lfs.dir(dir) do
    if not own[name] and not name:find(ID) and not name:find "%.agad%-part$" then return name end
  end
end

--- Checks that a folder is this campaign's, or is free to become it.
-- @param spec table dir, name (nil: it is nobody's name, and fits every folder of a campaign)
-- @raise it is another campaign's, or not a campaign's
function store.check(spec)
  local dir, mode = spec.dir or "campaign", lfs.attributes(spec.dir or "campaign", "mode")
  if not mode then return end
  if mode ~= "directory" then fail("%s is a file; give another folder (--dir)", dir) end
  local about = store.json(dir .. "/campaign.json")
  local owner = about and type(about.name) == "string" and about.name
  if owner and spec.name and owner ~= spec.name then
    fail("the folder %s belongs to the campaign %s; give another one (--dir)", dir, owner)
  end
  local other = not about and foreign(dir)
  if other then
    fail("the folder %s is no campaign's (it holds %s), and was left untouched; give another one (--dir)", dir, other)
  end
end

--- Makes the folder this campaign's.
-- @raise as `store.check`; it cannot be written
function store.own(spec)
  store.check(spec)
  local dir = spec.dir or "campaign"
  make_folder(dir)
  local path = dir .. "/campaign.json"
  local about = store.json(path)
  if about and about.version then return end
  core.file_replace(path, core.json_encode {name = spec.name or core.null, version = require("agad").version} .. "\n")
end

-- What is there of a run ---------------------------------------------------------------------------

local STATES = {"finished", "running", "queued", "interrupted", "waiting", "absent", "failed"}

--- How many runs are in which state, in words: "11 finished, 1 failed".
-- @param counts table state -> number
-- @return string
function store.words(counts)
  local parts = {}
  for _, state in ipairs(STATES) do
    if counts[state] then parts[#parts + 1] = ("%d %s"):format(counts[state], state) end
  end
  return table.concat(parts, ", ")
end

local function result_of(dir) return dir .. "/run/result.json" end

-- The first two numbers of a version: with them results change.
local function series(version) return tostring(version):match "^%d+%.%d+" end

-- The row of a finished run; or nil and why the file that is there is not one.
local function row_of(dir)
  local row, there = store.json(result_of(dir))
  if not there then return row, row == nil and lfs.attributes(result_of(dir), "mode") and "cannot be read" or nil end
  if not row then return nil, "is cut short" end
  local version = type(row.versions) == "table" and row.versions.agad
  if not version or row.config == nil then return nil, "is no result" end
  if series(version) ~= series(require("agad").version) then return nil, "is of agad " .. tostring(version) end
  return row
end

--- Looks at what is there of a run: its `state` becomes finished (with its `row`), running, failed (with its `reason`),
-- absent (likewise: its data set is not there), interrupted or waiting; `unfit` says what is wrong with a result file
-- that does not count.
-- @param run table dir, absent
-- @return table run itself
function store.look(run)
  run.row, run.reason, run.unfit = nil, nil, nil
  run.row, run.unfit = row_of(run.dir)
  if run.row then run.state = "finished" return run end
  if core.file_is_locked(run.dir .. "/lock") then run.state = "running" return run end
  local failure = store.json(run.dir .. "/error.json")
  if failure then
    run.state, run.reason = "failed", tostring(failure.reason)
  elseif run.absent then run.state, run.reason = "absent", run.absent
  elseif not run.unfit and rundir.has_checkpoint(run.dir .. "/run") then run.state = "interrupted"
  else run.state = "waiting" end
  return run
end

--- The results in a campaign's folder that belong to none of its runs: of an earlier form of its file.
-- @param dir string the folder
-- @param by_id table the runs by their id
-- @return list of {id, dir, row}, in the order of their ids
function store.older(dir, by_id)
  local list = {}
  if lfs.attributes(dir, "mode") ~= "directory" then return list end
  for name in lfs.dir(dir) do
    if name:find(ID) and not by_id[name] then
      local one = {id = name, dir = dir .. "/" .. name}
      one.row = row_of(one.dir)
      if one.row then list[#list + 1] = one end
    end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

--- The bytes of the files in a folder and in those below it (a run's folders have no point in their names).
function store.size(dir)
  local sum = 0
  if lfs.attributes(dir, "mode") ~= "directory" then return 0 end
  for name in lfs.dir(dir) do
    if name ~= "." and name ~= ".." then
      local path = dir .. "/" .. name
      if not name:find(".", 1, true) and lfs.symlinkattributes(path, "mode") == "directory" then
        sum = sum + store.size(path)
      else sum = sum + (lfs.symlinkattributes(path, "size") or 0) end
    end
  end
  return sum
end

--- The bytes that are free on a folder's disk; nil if that is not known.
function store.free(dir)
  local about = luv.fs_statfs(dir)
  return about and about.bavail * about.bsize or nil
end

-- What changes a run's folder: only who has its lock -----------------------------------------------

--- Takes a run: makes its folder and locks it. What lies there is looked at again, as another process may have had it.
-- @return lock; nil if another process has the run
-- @raise the folder cannot be made
function store.take(run)
  make_folder(run.dir)
  local lock, reason = core.file_lock(run.dir .. "/lock")
  if lock == nil then fail("%s/lock: %s", run.dir, reason) end
  if not lock then
    run.state = "running"
    return nil
  end
  local unlocked = store.look({dir = run.dir})
  if unlocked.state == "running" then                      -- by this lock
    local failure = store.json(run.dir .. "/error.json")
    unlocked.state, unlocked.reason = failure and "failed" or "waiting", failure and tostring(failure.reason) or nil
  end
  run.state, run.row, run.reason, run.unfit = unlocked.state, unlocked.row, unlocked.reason, unlocked.unfit
  return lock
end

--- Makes a run ready to be trained: an earlier failure and what a killed process left half-written are removed, and a
-- result that does not count is kept under another name (result-VERSION.json, or result-unfit.json).
function store.prepare(run)
  os.remove(run.dir .. "/error.json")
  for name in lfs.dir(run.dir) do
    if name:find "%.agad%-part$" then os.remove(run.dir .. "/" .. name) end
  end
  if not run.unfit then return end
  local row = store.json(result_of(run.dir))
  local version = row and type(row.versions) == "table" and tostring(row.versions.agad):match "^[%w.-]+$"
  local kept = ("%s/result-%s.json"):format(run.dir, version or "unfit")
  local ok, reason = os.rename(result_of(run.dir), kept)
  if not ok then fail("%s", reason) end
  if version then os.remove(run.dir .. "/run/state.safetensors") end     -- it would go on from there
  run.unfit = nil
end

--- Notes why a run failed.
function store.fail(run, reason)
  run.state, run.reason, run.row = "failed", reason, nil
  core.file_replace(run.dir .. "/error.json", core.json_encode {reason = reason} .. "\n")
end

--- Removes from a finished run what the campaign does not keep.
-- @param keep string nothing, model, checkpoint, all
function store.tidy(run, keep)
  local function drop(kind, name)
    if keep ~= "all" and keep ~= kind then os.remove(run.dir .. "/" .. name) end
  end
  drop("checkpoint", "run/state.safetensors")
  drop("model", "model.safetensors")
  os.remove(run.dir .. "/error.json")
end

--- The last line of a run's log that says what went wrong: the program's own, without its name.
-- @return string
function store.last_words(run)
  local text, said, last = bytes_of(run.dir .. "/log.txt") or "", nil, nil
  for line in text:gmatch "[^\r\n]+" do
    last = line
    said = line:match "^agad: (.+)$" or said
  end
  return said or last or "it printed nothing"
end

--- The seconds that a run in training says it still needs: what its log said last. nil: it has not said any.
function store.seconds_left(run)
  local file = io.open(run.dir .. "/run/log.jsonl", "rb")
  if not file then return nil end
  local size = file:seek "end"
  file:seek("set", math.max(0, size - 4096))
  local text = file:read "a" or ""
  file:close()
  local found
  for line in text:gmatch "([^\n]+)\n" do
    local ok, entry = errors.try(core.json_decode, line)
    if ok and type(entry) == "table" and type(entry.eta) == "number" then found = entry.eta end
  end
  return found
end

return store
