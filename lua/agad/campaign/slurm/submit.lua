-- Submits the unfinished runs of a campaign to Slurm: a job array, whose elements train one run each (or several, where
-- there are more runs than Slurm takes elements), and behind it a job that writes the table. Both are scripts in a
-- numbered folder of the campaign's folder `slurm`, with what they print:
--   job.sh, runs.jsonl (the runs, by element), campaign.json (what they share), INDEX.txt (what an element printed)
--   collect.sh, table.txt (the table), status.txt (the campaign's status at its end)
--   job.json (what `queue` reads: the jobs' numbers)
-- Nodes share the campaign's folder, and its file system must have locks (fcntl) that hold between nodes.

local child = require "agad.campaign.child"
local core = require "agad.core"
local element = require "agad.campaign.slurm.element"
local interrupt = require "agad.base.interrupt"
local lfs = require "lfs"
local luv = require "luv"
local make_folder = require("agad.base.folder").make
local options = require "agad.base.options"
local places = require "agad.base.places"
local plan = require "agad.campaign.plan"
local queue = require "agad.campaign.slurm.queue"
local shell = require("agad.base.text").shell
local store = require "agad.campaign.store"

local slurm = {}

local option = options.option

local function fail(form, ...) error("campaign: " .. form:format(...), 0) end

--- What the jobs may have; the key `slurm` of a campaign's file.
slurm.settings = {
  partition = option {}, account = option {}, qos = option {}, time = option {}, memory = option {}, gres = option {},
  cpus = option {kind = "integer", min = 1}, throttle = option {kind = "integer", min = 1},
  runs_per_job = option {default = 1, min = 1}, arguments = option {kind = "list", of = "string"},
}

slurm.options = {
  slurm = option {kind = "any"}, file = option {}, options = option {kind = "any"}, only = option {},
  program = option {}, retry_failed = option {default = false},
}

-- The lines for sbatch. Both jobs have `shared`; only the array has what is for training.
local shared = {{"partition", "--partition"}, {"account", "--account"}, {"qos", "--qos"}}
local training = {{"time", "--time"}, {"memory", "--mem"}, {"gres", "--gres"}, {"cpus", "--cpus-per-task"}}

local function check_word(name, v)
  if tostring(v):find "[%c\"\\]" or v == "" then
    fail("slurm.%s = %s cannot be given to sbatch", name, options.show(v))
  end
  return v
end

local function directives(settings, list, into)
  for _, pair in ipairs(list) do
    local v = settings[pair[1]]
    if v ~= nil then into[#into + 1] = ('#SBATCH "%s=%s"'):format(pair[2], check_word(pair[1], v)) end
  end
  return into
end

local function further(settings, into)
  for _, v in ipairs(settings.arguments or {}) do
    if not v:find "^%-" then fail("slurm.arguments: %s is no option of sbatch (--name=value)", options.show(v)) end
    into[#into + 1] = ('#SBATCH "%s"'):format(check_word("arguments", v))
  end
  return into
end

-- Where a job prints to. In the folder's name % stands for itself.
local function output(folder, name) return ('#SBATCH "--output=%s/%s"'):format(folder:gsub("%%", "%%%%"), name) end

local TRAIN = [[
# Trains an element's runs; written by agad campaign. A signal for the end (TERM) and the one that comes a minute before
# the job's time is over (USR1) interrupt the training, which saves itself. Out of time, the job goes back to the queue.
stop= pid= again=0
trap 'stop=end; [ -z "$pid" ] || kill -TERM "$pid" 2> /dev/null' TERM
trap 'stop=time; [ -z "$pid" ] || kill -TERM "$pid" 2> /dev/null' USR1
[ -n "${OMP_NUM_THREADS:-}" ] || export OMP_NUM_THREADS=%s
while :; do
  %s -e 'os.exit(require("agad.campaign.slurm.element").train(arg[1], tonumber(arg[2])), true)' \
    %s "$SLURM_ARRAY_TASK_ID" & pid=$!
  wait "$pid"; status=$?
  while kill -0 "$pid" 2> /dev/null; do wait "$pid"; status=$?; done
  [ "$status" -gt 128 ] && [ -z "$stop" ] && [ "$again" -lt 2 ] || break
  again=$((again + 1))                           # it was killed by something else
done
if [ "$stop" = time ] && [ "$status" = %d ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && exit 0
fi
exit $((status != 0))                            # others may make Slurm start the job again, without end
]]

local COLLECT = [[
# Writes the table once the array has ended; written by agad campaign.
%s > %s.part && mv %s.part %s
exec %s
]]

-- A command of the campaign's file.
local function command(spec, o, action)
  local words = {o.program, "campaign", luv.fs_realpath(o.file), action, "--dir", luv.fs_realpath(spec.dir)}
  if spec.root then words[#words + 1], words[#words + 2] = "--root", spec.root end
  if o.only then words[#words + 1], words[#words + 2] = "--only", o.only end
  for _, word in ipairs(child.assignments(o.options or {})) do words[#words + 1] = word end
  for i, word in ipairs(words) do words[i] = shell(word) end
  return table.concat(words, " ")
end

-- The program by its whole path: a job's PATH may be another.
local function program_of(given)
  local name = given or os.getenv "AGAD_PROGRAM" or "agad"
  local path = name:find("/", 1, true) and name or places.program(name)
  local real = path and luv.fs_realpath(path)
  if not real then fail("%s cannot be started: there is no such program", name) end
  return real
end

local LOCKLESS = {nfs = {"nolock", "local_lock=all", "local_lock=posix"}, lustre = {"localflock"}}

--- Why locks on a folder may not hold between nodes; nil if nothing speaks against it.
-- @param dir string
-- @param mounts string what /proc/self/mounts holds
-- @return string|nil
function slurm.lockless(dir, mounts)
  local best, kind, flags = "", nil, nil
  for point, its, how in mounts:gmatch "%S+ (%S+) (%S+) (%S+)[^\n]*\n" do
    point = point:gsub("\\(%d%d%d)", function(octal) return string.char(tonumber(octal, 8)) end)
    local below = dir == point or point == "/" or dir:sub(1, #point + 1) == point .. "/"
    if below and #point >= #best then best, kind, flags = point, its, "," .. how .. "," end
  end
  local flag
  for _, one in ipairs(kind and LOCKLESS[kind:match "^%a+"] or {}) do
    if flags:find("," .. one .. ",", 1, true) then flag = one end
  end
  return flag and ("%s is mounted with %s: locks do not hold between nodes, so that a run may be trained twice"):format(
    best, flag)
end

-- Which runs are to be trained, and what becomes of the others.
local function sort_out(spec, runs, retry)
  local list, counts, has, reason = {}, {}, queue.of(spec)
  if not has then fail("%s; nothing was submitted", reason) end
  for _, run in ipairs(runs) do
    store.look(run)
    local state = run.state
    if state ~= "finished" and has[run.id] then state = "queued" end
    if state == "waiting" or state == "interrupted" or state == "failed" and retry then list[#list + 1] = run
    else counts[state] = (counts[state] or 0) + 1 end
  end
  return list, counts
end

-- A new numbered folder.
local function new_folder(top)
  local number = 1
  for name in lfs.dir(top) do
    if name:find "^%d+$" then number = math.max(number, tonumber(name) + 1) end
  end
  local folder = ("%s/%d"):format(top, number)
  make_folder(folder)
  return folder
end

local function remove_folder(folder)
  for name in lfs.dir(folder) do os.remove(folder .. "/" .. name) end
  lfs.rmdir(folder)
end

local function write(folder, name, text) core.file_replace(folder .. "/" .. name, text) end

-- sbatch: the job's number; nil and why not.
local function sbatch(...)
  local text, reason = queue.ask {"sbatch", "--parsable", ...}
  local job = text and text:match "^(%d+)"
  return job, reason or "Slurm's sbatch gave no job's number"
end

local function write_all(folder, spec, o, settings, runs, elements)
  local real, lines, ids = luv.fs_realpath(folder), {}, {}
  for i, run in ipairs(runs) do
    lines[i] = core.json_encode {id = run.id, data = run.data, options = run.given}
    ids[i] = run.id
  end
  write(folder, "runs.jsonl", table.concat(lines, "\n") .. "\n")
  write(folder, "campaign.json", core.json_encode {name = spec.name, dir = luv.fs_realpath(spec.dir), root = spec.root,
    keep = spec.keep, curves = spec.curves, retry_failed = o.retry_failed, elements = elements} .. "\n")
  local throttle = settings.throttle and "%" .. settings.throttle or ""
  local head = {"#!/bin/sh", "#SBATCH --job-name=" .. queue.name(spec),
    ("#SBATCH --array=0-%d%s"):format(elements - 1, throttle), "#SBATCH --requeue --open-mode=append",
    "#SBATCH --signal=B:USR1@60", output(real, "%a.txt")}
  further(settings, directives(settings, training, directives(settings, shared, head)))
  write(folder, "job.sh", table.concat(head, "\n") .. "\n" .. TRAIN:format(
    settings.cpus or "${SLURM_CPUS_ON_NODE:-1}", shell(o.program), shell(real), element.GAINED))
  if o.file then
    head = further(settings, directives(settings, shared, {"#!/bin/sh", "#SBATCH --job-name=" .. queue.name(spec),
      "#SBATCH --requeue --open-mode=truncate", output(real, "status.txt")}))
    local at = shell(real .. "/table.txt")
    write(folder, "collect.sh", table.concat(head, "\n") .. "\n"
      .. COLLECT:format(command(spec, o, "table"), at, at, at, command(spec, o, "status")))
  end
  return ids
end

--- Submits the unfinished runs of a campaign to Slurm; those that Slurm or another process has are left out.
-- @param spec table the campaign; its key `slurm` holds settings too
-- @param o table slurm (settings: partition, account, qos, time, memory, gres, cpus, throttle (elements at a time),
--   runs_per_job (1), arguments (list of further options of sbatch)), file (the campaign's file; without it no table is
--   written at the end), options (of the command line, for the table), only, program, retry_failed
-- @return table runs (a count), elements, job, collector, folder, counts (state -> runs left out), notes (list)
-- @raise as `agad.campaign.plan`; a wrong setting; Slurm is not there, or refuses; then nothing was submitted
function slurm.submit(spec, o)
  o = options.check("campaign.submit", o, slurm.options)
  local merged = {}
  for _, from in ipairs {spec.slurm or {}, o.slurm or {}} do for k, v in pairs(from) do merged[k] = v end end
  local settings = options.check("slurm", merged, slurm.settings)
  local runs, _, skipped = plan.of(spec, o)
  spec = require("agad.campaign.file").check(spec)
  spec.dir = spec.dir or "campaign"
  o.program = program_of(o.program)
  if spec.dir:find '[%c"\\]' then fail("Slurm cannot write into the folder %s; give another name (--dir)", spec.dir) end
  local longest = queue.longest()
  store.own(spec)
  local top, notes = spec.dir .. "/slurm", {}
  make_folder(top)
  local held <close> = interrupt.hold()            -- luacheck: ignore 211
  local lock <close>, reason = core.file_lock(top .. "/lock")
  if not lock then
    fail("%s/lock: %s", top, reason or "another campaign is being submitted from this folder; try again")
  end
  local list, counts = sort_out(spec, runs, o.retry_failed)
  for _, one in ipairs(skipped) do notes[#notes + 1] = plan.left_out(one.count, one.reason) end
  if #list == 0 then return {runs = 0, elements = 0, counts = counts, notes = notes} end
  local elements = math.min((#list + settings.runs_per_job - 1) // settings.runs_per_job, longest)
  local file = io.open "/proc/self/mounts"
  notes[#notes + 1] = file and slurm.lockless(luv.fs_realpath(spec.dir), file:read "a")
  if file then file:close() end
  local folder, job, collector = new_folder(top), nil, nil
  local undo <close> = setmetatable({}, {__close = function()      -- luacheck: ignore 211
    if not job then remove_folder(folder) end
  end})
  local ids = write_all(folder, spec, o, settings, list, elements)
  job, reason = sbatch(folder .. "/job.sh")
  if not job then fail("%s; nothing was submitted", reason) end
  local function note() write(folder, "job.json", core.json_encode {job = job, collector = collector or core.null,
    elements = elements, ids = ids} .. "\n") end
  note()
  if o.file then
    collector, reason = sbatch("--dependency=afterany:" .. job, folder .. "/collect.sh")
    if collector then note()
    else notes[#notes + 1] = ("the table will not be written: %s; print it with agad campaign %s table"):format(reason,
      o.file) end
  end
  return {runs = #list, elements = elements, job = job, collector = collector, folder = folder, counts = counts,
    notes = notes}
end

return slurm
