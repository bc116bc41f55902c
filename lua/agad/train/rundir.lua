-- A run's directory: config.json, log.jsonl, state.safetensors, result.json, grid.png, and events for TensorBoard. The
-- directory of an earlier run is moved aside, and removed after the new run's first checkpoint; a file lock keeps two
-- runs from using one of them.

local core = require "agad.core"
local errors = require "agad.base.errors"
local lfs = require "lfs"
local luv = require "luv"
local is_events = require("agad.train.tensorboard").is_events
local json_lines = require "agad.base.json_lines"
local make_folder = require("agad.base.folder").make

local rundir = {}
rundir.__index = rundir

local files = {"config.json", "log.jsonl", "state.safetensors", "result.json", "grid.png", "lock"}

-- Where a directory lies that a link stands for, so that the link stays when the directory is moved aside.
local function place(dir) return luv.fs_realpath(dir) or dir end

local function exists(path) return lfs.attributes(path, "mode") end

-- A file that a killed process left half-written: "state.safetensors.4711-18ec62995ad4ec86.agad-part".
local function is_half_written(name)
  local of = name:match "^(.+)%.%d+%-%x+%.agad%-part$"
  for _, known in ipairs(files) do if of == known then return true end end
  return false
end

local function sweep(dir)
  for name in lfs.dir(dir) do if is_half_written(name) then os.remove(dir .. "/" .. name) end end
end

local function remove_events(dir)
  for name in lfs.dir(dir) do if is_events(name) then os.remove(dir .. "/" .. name) end end
end

-- Whether a directory holds only what a run leaves that was killed before its first checkpoint.
local function is_empty(dir)
  for name in lfs.dir(dir) do
    if name ~= "." and name ~= ".." and name ~= "lock" and not is_half_written(name) then return false end
  end
  return true
end

-- A name in a directory that no run leaves there, or nil.
local function foreign(dir)
  for name in lfs.dir(dir) do
    local known = name == "." or name == ".." or is_half_written(name) or is_events(name)
    for _, file in ipairs(files) do known = known or name == file end
    if not known then return name end
  end
end

-- The text of a file, or nil.
local function text_of(path)
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  return text
end

-- The configuration of a run, or nil.
local function config_of(dir)
  local ok, config = pcall(core.json_decode, text_of(dir .. "/config.json") or "")
  return ok and type(config) == "table" and config or nil
end

--- Whether a folder is a run's directory, and not another one with a file called config.json, such as a folder of
-- pictures: it holds nothing but the files of a run, or the state of a run beside the configuration of one.
-- @param dir string
-- @return boolean
function rundir.is(dir)
  if not exists(dir .. "/config.json") then return false end
  if not foreign(dir) then return true end
  local config = config_of(dir)
  return exists(dir .. "/state.safetensors") ~= nil and config ~= nil and config.method ~= nil
end

--- The configuration of the run in a directory; nil if there is none.
function rundir.config(dir) return config_of(dir) end

--- Whether the run in a directory can be continued.
function rundir.has_checkpoint(dir)
  return exists(dir .. "/state.safetensors") ~= nil and exists(dir .. "/config.json") ~= nil
end

local function remove(dir)
  for _, name in ipairs(files) do os.remove(dir .. "/" .. name) end
  sweep(dir)
  remove_events(dir)
  lfs.rmdir(dir)
end

local function lock(dir)
  local held, reason = core.file_lock(dir .. "/lock")
  if held == false then
    collectgarbage()                                     -- a run that nobody refers to any more releases its lock
    held, reason = core.file_lock(dir .. "/lock")
  end
  if not held then
    error(("run directory %s: %s"):format(dir, held == false
      and "another run is using it; wait for it to end, close it, or give another directory" or reason), 0)
  end
  return held
end

local function fail(dir, form, ...) error(("run directory %s: "):format(dir) .. form:format(...), 0) end

-- Moves an earlier run aside; its new path.
local function move_aside(dir, real)
  if exists(dir) ~= "directory" then fail(dir, "there is a file of this name; give another directory") end
  if not is_empty(dir) and not rundir.is(dir) then
    fail(dir, "this folder is not a run directory, and was left untouched; give another one")
  end
  local held, previous = lock(dir), real .. ".previous"
  local other, ok, reason = exists(previous) == "directory" and foreign(previous), true, nil
  if other then
    ok, reason = false, ("%s holds other files (%s); move those away"):format(previous, other)
  elseif exists(previous) and not exists(dir .. "/state.safetensors") then   -- it failed; the one before it counts
    remove(real)
  else
    if exists(previous) then remove(previous) end
    ok, reason = os.rename(real, previous)
  end
  held:close()
  if not ok then fail(dir, "cannot be moved aside: %s", reason) end
  return previous
end

--- Makes the directory of a new run.
-- @raise it exists and is not a run directory, another run is using it, or it cannot be created
function rundir.create(dir, config_text)
  dir = dir:gsub("/+$", "")
  local real = place(dir)
  local previous = exists(dir) and move_aside(dir, real) or nil
  make_folder(real)
  local self = setmetatable({path = dir, previous = previous, lock = lock(dir)}, rundir)
  self:configure(config_text)
  return self
end

--- Reopens the directory of an earlier run to continue it; nil if it has no checkpoint.
-- @raise another run is using it
function rundir.reopen(dir)
  dir = dir:gsub("/+$", "")
  if not rundir.has_checkpoint(dir) then return nil end
  local self = setmetatable({path = dir, lock = lock(dir)}, rundir)
  sweep(dir)
  return self
end

--- Replaces config.json.
-- @param text string
function rundir:configure(text) core.file_replace(self.path .. "/config.json", text .. "\n") end

--- Removes from log.jsonl what will come again: the entries after a step, and later evaluations than the run knows of.
-- @param step integer
-- @param known integer the step of the last evaluation that the run knows of
-- @return integer the step of the last evaluation up to `step` that was in the log, or nil
function rundir:rewind_log(step, known)
  local path, kept, evaluated = self.path .. "/log.jsonl", {}, nil
  local text = text_of(path)
  if not text then return nil end
  if self.log_file then self.log_file:close() end
  self.log_file = nil                             -- opened again at the next entry, as the file will be another one
  local entries, lines = json_lines.decode(text)
  for i, entry in ipairs(entries) do
    local at = entry.step or 0
    if at <= step then
      if entry.kind == "evaluate" or entry.kind == "result" then evaluated = at end
      if entry.kind ~= "evaluate" or at <= known then kept[#kept + 1] = lines[i] .. "\n" end
    end
  end
  core.file_replace(path, table.concat(kept))
  return evaluated
end

--- Appends one line to log.jsonl.
-- @param entry table
-- @return string why it could not be written; nil if it was
function rundir:log(entry)
  local path = self.path .. "/log.jsonl"
  if not self.log_file then
    local file, reason = io.open(path, "a")
    if not file then return errors.reason(path, reason) end
    file:setvbuf "full"
    self.log_file = file
  end
  local line = core.json_encode(entry) .. "\n"
  local ok, reason = self.log_file:write(self.torn and "\n" or "", line)
  if ok then ok, reason = self.log_file:flush() end
  self.torn = not ok                              -- the next entry begins a line of its own
  return not ok and reason or nil
end

--- Writes state.safetensors, and then removes the earlier run that was moved aside.
-- @param tensors list of {name = …, tensor = …}
-- @param metadata table of strings
function rundir:checkpoint(tensors, metadata)
  core.save(self.path .. "/state.safetensors", tensors, core.json_encode(metadata))
  if self.previous then
    remove(self.previous)
    self.previous = nil
  end
end

function rundir:result(row) core.file_replace(self.path .. "/result.json", core.json_encode(row) .. "\n") end

--- Gives up the lock; another run may use the directory then.
function rundir:close()
  if self.log_file then self.log_file:close() end
  if self.lock then self.lock:close() end
  self.log_file, self.lock = nil, nil
end

return rundir
