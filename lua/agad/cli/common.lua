-- What the subcommands share: errors with an exit status, options from arguments, checks of outputs before the work
-- starts, and rows printed as JSON or as an aligned table.

local errors = require "agad.base.errors"
local lfs = require "lfs"
local methods = require "agad.train.method"
local options = require "agad.options"
local text_of = require("agad.base.text").of

local common = {}

-- An error with an exit status; main.lua prints the message and exits.
local failure = {__tostring = function(self) return self.message end}

--- Ends the program with one line on stderr and a status: 1 failed, 2 wrong usage.
function common.fail(message, status)
  error(setmetatable({message = message, status = status or 1}, failure), 0)
end

--- Whether a list holds a value.
function common.contains(list, v)
  for _, x in ipairs(list) do if x == v then return true end end
  return false
end

function common.is_failure(err) return getmetatable(err) == failure end

--- A text as one line.
function common.one_line(text) return (text:gsub("%s*\n%s*", " ")) end

--- The message shown for an error in a user's script or chunk: one line, without the position that Lua's `error` puts
-- before it ("file.lua:12:"). Lua's own runtime errors keep their position, as nothing else tells where they occurred.
-- The message is for people only; no code may depend on it.
function common.message(err)
  local text = text_of(err)
  local bare = text:gsub("^[^:\n]-%.lua:%d+: ", ""):gsub("^%[string [^\n]-%]:%d+: ", "")
    :gsub("^stdin:%d+: ", ""):gsub("^%(command line%):%d+: ", "")
  if not bare:find("^attempt to ") and not bare:find("^bad argument #") then text = bare end
  text = text:gsub("^(.-module '[^'\n]*' not found):\n.*$", "%1 along package.path and package.cpath")
  return common.one_line((text:gsub("\nstack traceback:.*$", "")))
end

--- Calls f; an error in it counts as wrong usage (status 2).
function common.usage(f, ...)
  local result = table.pack(pcall(f, ...))
  if not result[1] then
    if common.is_failure(result[2]) then error(result[2], 0) end
    common.fail(common.one_line(errors.text(result[2])), 2)
  end
  return table.unpack(result, 2, result.n)
end

--- The options in the arguments, as a table for `options.resolve`; `--set` overrides flags.
function common.given(args)
  local given, flag = {}, require("agad.cli.parser").flag
  for name, value in pairs(args) do if flag(name) then given[name] = value end end
  for _, text in ipairs(args.set or {}) do
    options.merge(given, common.usage(options.parse_assignment, text))
  end
  return given
end

-- The number of threads holds from now on, also for the reading of pictures.
local function set_threads(config)
  if config.threads then require("agad.core").threads(config.threads) end
end

--- The method (agad unless one is given), and the given options divided into those of the task (typed) and those of the
-- trainer. Sets the number of threads.
-- Wrong options, and a method that cannot be loaded, count as wrong usage.
function common.configure(given)
  local method = common.usage(methods.load, given.method == "auto" and "agad" or given.method or "agad")
  local config = common.usage(options.resolve, method, given)
  local of_task, task, run = options.select(config, "task"), {task_seed = config.task_seed}, {}
  for name, v in pairs(given) do
    if of_task[name] ~= nil then task[name] = config[name] else run[name] = v end
  end
  set_threads(config)
  return method, task, run
end

--- The typed options of task, trainer and evaluation for a command that does not train; sets the number of threads.
-- A device other than the CPU is refused, as saved models are scored there only.
-- @param given table
-- @param owner table name, options: further options (nil: none)
function common.prepare(given, owner)
  local config = common.usage(options.resolve, owner or {name = "agad", options = {}}, given)
  if config.device:find "^cuda" then
    common.fail(("device = %s: saved models run on the CPU only; use device = cpu"):format(config.device))
  end
  set_threads(config)
  return config
end

--- Loads the data set that the arguments name, with the task's options; shows progress while its files are read.
-- `choose` is as for `agad.data.load`, or nil.
function common.load(args, task, choose)
  local show = require("agad.train.progress").new {quiet = args.quiet}
  local o = {root = args.root, choose = choose,
    on_progress = function(done, total) show {kind = "load", done = done, total = total} end}
  for _, name in ipairs {"size", "channels", "fit", "filter", "fast_decode", "strict", "outside", "cache", "normal"} do
    o[name] = task[name]
  end
  local set = require("agad").data.load(args.data or {normals = args.normals, anomalies = args.anomalies}, o)
  show:clear()
  if args.command ~= "info" then                           -- it has them in its table
    for _, note in ipairs(set.notes or {}) do show {kind = "note", text = note} end
  end
  return set
end

-- Outputs -----------------------------------------------------------------------------------------

local function cannot_write(path, reason) common.fail(("cannot write %s: %s"):format(path, reason)) end

--- Fails unless a file can be written at `path`, as it is written later; leaves nothing behind.
function common.check_writable(path)
  if lfs.attributes(path, "mode") == "directory" then cannot_write(path, "it is a folder") end
  local dir = path:match("^(.*)/[^/]*$") or "."
  if dir == "" then dir = "/" end
  local mode = lfs.attributes(dir, "mode")
  if not mode then cannot_write(path, ("the folder %s does not exist; create it first"):format(dir)) end
  if mode ~= "directory" then cannot_write(path, ("%s is not a folder"):format(dir)) end
  local reason = require("agad.core").file_check(path)
  if reason then
    local target = lfs.symlinkattributes(path, "target")
    cannot_write(target and ("%s (a link to %s)"):format(path, target) or path, reason)
  end
end

--- Fails if a file would lie in a run directory, whose files it could replace, and which a new run moves aside.
function common.check_outside(path, dir)
  local real = require("luv").fs_realpath
  local folder, run = real(path:match "^(.*/)[^/]*$" or "."), real(dir)
  if folder and folder == run then
    common.fail(("--out %s lies in the run directory %s; give a name outside it"):format(path, dir), 2)
  end
end

--- Fails unless a model can be written at `path`: also where a file of another kind has this name, which would be lost
-- (the .csv file, for example, that the pictures are listed in). An empty file, and one that is called .safetensors,
-- may be replaced.
function common.check_model(path)
  common.check_writable(path)
  local file = not path:lower():find "%.safetensors$" and io.open(path, "rb")
  local head = file and file:read(9)
  if file then file:close() end
  if head and not head:find "^........{" then
    cannot_write(path, "there is another file of this name, which is not a model; give another name, or remove it")
  end
end

-- Rows --------------------------------------------------------------------------------------------

--- Prints one row as one line of JSON on stdout, at once.
function common.print_json(row) require("agad.evaluate.report").out(require("agad.core").json_encode(row)) end

--- Prints lines of cells with aligned columns (`agad.report.align`).
function common.print_table(lines, out) (out or io.stdout):write(require("agad.evaluate.report").align(lines)) end

return common
