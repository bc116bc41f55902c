--- Campaigns: a grid of trainings, each in its own process and in a folder named by the hash of its configuration.
-- A campaign is a table, or a Lua file that returns one:
--     return {data = "mnist", options = {epochs = 5, gamma = .05}, grid = {normal = {0, 1, 2}, seed = {1, 2, 3}}}
-- Its keys:
--   data       a data set's name, a folder or a .csv file; or an axis of that name
--   options    options of every run
--   grid       {option = list}: crossed
--   zip        {option = list}: lists that go together; or a list of such tables
--   variants   {NAME = options} or {{"NAME", options}, …}: named sets of options, which win over grid and zip
--   where      function(o): whether a run is wanted; o has the options of the run by name, data and variant
--   schedules  {NAME = schedule}: what gamma and schedule.NAME may be called on an axis
--   dir, root  the folder of the runs, and that of the data sets
--   keep       what a finished run keeps beside its result: nothing, model, checkpoint, all
--   curves     true: ROC points and histograms of scores in the results
--   workers    how many runs are trained at the same time
--   most       the most runs that a grid may have (20,000)
--   name       whose folder it is (default: the file's name)
--   slurm      what the jobs of `agad.campaign.submit` have, as partition, time, memory, gres
--   table, plot  what `agad.campaign.table` and `agad.campaign.plot` are given

local engine = require "agad.campaign.engine"
local file = require "agad.campaign.file"
local planned = require "agad.campaign.plan"
local queue = require "agad.campaign.slurm.queue"
local slurm = require "agad.campaign.slurm.submit"
local store = require "agad.campaign.store"

local campaign = {}

-- State -> how many runs.
local function counted(runs)
  local counts = {}
  for _, run in ipairs(runs) do counts[run.state] = (counts[run.state] or 0) + 1 end
  return counts
end

-- What the REPL prints of a campaign: "12 runs: 11 finished, 1 failed".
local summary = {}

function summary.__tostring(its)
  return ("%d run%s: %s"):format(#its.runs, #its.runs == 1 and "" or "s", store.words(counted(its.runs)))
end

--- Loads a campaign's file.
-- @param path string
-- @return table the campaign, with name and dir where the file does not give them
-- @raise it cannot be read, is not valid Lua, or does not return a table
function campaign.load(path) return file.load(path) end

--- Checks a campaign and lists its runs with what is there of them, without starting any.
-- @param spec table the campaign
-- @param o table only (the text of an expression over options: runs for which it holds)
-- @return list of {id, dir, data, given (its options), config, point (its values on the axes), state (finished,
--   running, failed, interrupted, waiting, absent), row (its result), reason (why it failed, or is absent: its data
--   set is not there)}
-- @return list the names of the axes
-- @raise an unknown key, a wrong option, an empty or too large grid, two equal runs
-- @example runs = agad.campaign.plan {data = "weave", options = {epochs = 1}, grid = {seed = {1, 2}}}
function campaign.plan(spec, o)
  local runs, keys, skipped, all = planned.of(spec, o)
  for _, run in ipairs(runs) do store.look(run) end
  return runs, keys, skipped, all
end

--- Trains all unfinished runs; may be called again after whatever ended it.
-- @param spec table the campaign
-- @param o table workers (default: one for each core or GPU), program (the agad to start), only (the text of an
--   expression), retry_failed (false), on_event (function(event): kind = start, done, failed, again, with run, left
--   and busy; progress; note, with text)
-- @return table runs (each with state, and row or reason), keys, failed (a count), stopped (why it ended early, or nil)
-- @raise as `agad.campaign.plan`; the folder belongs to another campaign; the program cannot be started
function campaign.run(spec, o) return setmetatable(engine.run(spec, o), summary) end

--- Submits the unfinished runs to Slurm: a job array, and behind it a job that writes the table. Runs that Slurm or
-- another process has are left out. The nodes share the campaign's folder and the data, on a file system whose locks
-- (fcntl) hold between nodes; agad lies at the same place on all.
-- @param spec table the campaign
-- @param o table slurm (over the file's key of that name: partition, account, qos, time, memory, gres, cpus, throttle:
--   elements at a time, runs_per_job, arguments: list of further options of sbatch), file (the campaign's file; without
--   it no table is written), options (for that table), only, program, retry_failed (false)
-- @return table runs and elements (counts), job and collector (numbers as text; nil: none), folder (of the scripts and
--   what the jobs print), counts (state -> runs left out), notes (list)
-- @raise as `agad.campaign.plan`; a wrong setting; Slurm is not there, does not answer or refuses (nothing is sent)
function campaign.submit(spec, o) return slurm.submit(spec, o) end

-- The runs of a call that may give them.
local function runs_of(spec, o)
  if o.runs then return o.runs, o.keys end
  return campaign.plan(spec, {only = o.only})
end

-- The options for a table or a plot: those of the call over those of the file.
local function options_of(given, o, but)
  local merged = {}
  for name, v in pairs(given or {}) do merged[name] = v end
  for name, v in pairs(o) do if not but[name] then merged[name] = v end end
  return merged
end

local own = {runs = true, keys = true, only = true, format = true}

--- How far a campaign is.
-- @param spec table the campaign
-- @param o table only
-- @return table runs (as of `agad.campaign.plan`; unfinished ones that Slurm has are queued or running), keys, counts
--   (state -> number), bytes (of the folder), older (list of {id, dir, row}: results of no run of the file), skipped
--   (list of {reason, count}), slurm (why Slurm does not answer; nil if it does, or has nothing)
-- @raise as `agad.campaign.plan`; the folder belongs to another campaign
function campaign.status(spec, o)
  store.check(spec)
  local runs, keys, skipped, all = campaign.plan(spec, o)
  local dir = spec.dir or "campaign"
  local its = {runs = runs, keys = keys, skipped = skipped, bytes = store.size(dir), older = store.older(dir, all),
    slurm = queue.look(spec, runs)}
  its.counts = counted(runs)
  return setmetatable(its, summary)
end

--- The results of a campaign in groups, as text and as data: the mean over classes, the SDs over classes (population
-- and sample) and over seeds, the other columns, and published figures beside them.
-- @param spec table the campaign; its key `table` holds these options too
-- @param o table by (options that tell groups apart; default: the axes that are neither classes nor seeds), over (the
--   classes: normal), values (columns of the rows, the first in full), columns (an option along the top), compare (an
--   option: paired differences to its first value), paper (`agad.campaign.paper`), title, format (text, markdown, csv,
--   latex), only
-- @return string
-- @return table groups (list of {values, runs, finished, figures, published}), differences
-- @raise as `agad.campaign.plan`; an unknown option; the file of published figures cannot be read
function campaign.table(spec, o)
  o = o or {}
  local runs, keys = runs_of(spec, o)
  local tables = require "agad.campaign.table"
  local data = tables.data(runs, keys, options_of(spec.table, o, own))
  return tables.text(data, o.format or "text"), data
end

--- Plots a campaign.
-- @param spec table the campaign; its key `plot` holds these options too
-- @param path string the file to write (.png, .svg, .pdf); "-" or nil: the terminal; an ending alone: bytes
-- @param o table kind (auto; gamma: AUROC over gamma with bands; epochs; box: classes; bars; scores: histograms;
--   classes and reconstructions: of kept models), by, over, value ("auroc_steady"), x ("gamma"), panel (options),
--   title, yrange, most (panels of histograms), only
-- @return string the bytes of the plot, with an ending alone; else nil
-- @raise no run is finished, or there is nothing of this kind; as `agad.plot`
function campaign.plot(spec, path, o)
  o = o or {}
  local runs, keys = runs_of(spec, o)
  return require("agad.campaign.plot").draw(spec, runs, keys, path, options_of(spec.plot, o, own))
end

--- Writes the results of a campaign as an SQLite database with the tables `runs` and `epochs`.
-- @param spec table the campaign
-- @param path string
-- @param o table only
-- @raise lua-sql-sqlite3 is missing, or the file cannot be written
function campaign.sqlite(spec, path, o)
  local runs, keys = runs_of(spec, o or {})
  require("agad.campaign.sqlite").write(runs, keys, path)
end

--- Estimates how long the unfinished runs will take: from finished ones of the same kind, or from a measured step.
-- @param spec table the campaign
-- @param o table workers, only, retry_failed
-- @return table seconds, workers, kinds (list of {run, runs, left, seconds (of one run), steps, from; and pace, where
--   a step was measured: steps (seconds a picture, by phase), score (seconds a scored picture), precision})
-- @raise as `agad.campaign.plan`
function campaign.estimate(spec, o)
  o = o or {}
  local runs = runs_of(spec, o)
  return require("agad.campaign.cost").of(spec, runs, o.workers, o.retry_failed)
end

local takes = require("agad.base.options").takes
takes(campaign.run, 2, engine.options)
takes(campaign.submit, 2, slurm.options)

return campaign
