-- What a campaign will cost: runs that differ in seeds and classes alone are of one kind. Where some of a kind are
-- finished, their time counts; else a few steps of its net are timed, on a small batch, and a pass of scoring. What
-- was timed is kept by the process.

local budget = require "agad.train.budget"
local core = require "agad.core"
local errors = require "agad.base.errors"
local nets = require "agad.nn.options"
local options = require "agad.base.configuration"
local plan = require "agad.campaign.plan"
local scorer = require "agad.evaluate.scorer"
local shares = require "agad.campaign.shares"
local sorted_keys = require("agad.base.values").keys
local task_of = require "agad.campaign.task"
local trainer = require "agad.train.trainer"

local cost = {}

local BATCH, LIMIT, SCORED = 32, 1.0, 64          -- pictures of a timed step; seconds; pictures of a timed pass
local START = 1.5                                 -- seconds of a process before it trains and after
local PASSES = 3                                  -- over the test pictures, for the three columns

-- A key of some options of a run's configuration.
local function key_of(run, names)
  local kept = {}
  for _, name in ipairs(names) do kept[name] = run.config[name] end
  return core.hash(core.json_encode(options.plain(kept)))
end

local function kind_of(run) return key_of(run, plan.of_kind(sorted_keys(run.config))) end

local of_step = {data = true, method = true, size = true, channels = true, batch = true, precision = true,
  deterministic = true, device = true, min_anom = true, batch_mode = true, limit = true}

-- What decides how long a step takes, but for its known anomalies.
local function net_of(run, threads)
  local names = {}
  for name in pairs(run.config) do if of_step[name] or nets[name] ~= nil then names[#names + 1] = name end end
  return threads .. " " .. key_of(run, names)
end

-- A trainer of a run, as `agad train` makes it, with some other options.
local function trainer_of(spec, run, more)
  local task, options_of_run = task_of(spec, run, more)
  return trainer.new(task, options_of_run)
end

-- Seconds of scoring one picture; those of a third of a step's where the method is not scored so early.
local function scoring(run, per_picture)
  local ok, seconds = errors.try(function()
    local net = scorer.net(run:scorer(), run:tensors(true), false, {dtype = run.dtype, compute = run.compute,
      device = run.device})
    local n = math.min(SCORED, run.task.train.images:size(1))
    local pictures = run.task.train.images:narrow(1, 1, n)
    scorer.score(net, pictures, {input = run.method.input, batch = n}):close()
    local began = core.clock()
    scorer.score(net, pictures, {input = run.method.input, batch = n}):close()
    return (core.clock() - began) / n
  end)
  if not ok and errors.is_interruption(seconds) then error(seconds, 0) end
  return ok and seconds or per_picture / 3
end

local paces = {}

-- Seconds for each picture of a step, by phase, and for each that is scored.
local function pace_of(spec, run, threads)
  local key = net_of(run, threads)
  if not paces[key] then
    local batch = math.min(BATCH, run.config.batch)
    local small = trainer_of(spec, run, {batch = batch, threads = threads, minutes = 0, steps = 1000})
    local list = budget.pace(small, LIMIT)
    for i, seconds in ipairs(list) do list[i] = seconds / batch end
    paces[key] = {steps = list, score = scoring(small, list[#list]), precision = small.precision}
  end
  return paces[key]
end

--- The seconds of a run.
-- @param config table
-- @param steps list how many steps each of its phases has
-- @param pictures table normals (to train), tests
-- @param pace table steps (seconds a picture, by phase), score (seconds a scored picture)
-- @return number
function cost.seconds(config, steps, pictures, pace)
  local seconds = START
  for i, count in ipairs(steps) do seconds = seconds + count * config.batch * pace.steps[i] end
  if config.minutes > 0 and config.steps == 0 then seconds = START + 60 * config.minutes end
  local evaluations = 1
  if config.evaluate_every > 0 and config.epochs then
    evaluations = evaluations + config.epochs // config.evaluate_every
  end
  return seconds + evaluations * pace.score * (PASSES * pictures.tests + pictures.normals)
end

-- The same from a measured step; how many steps that are, and the pace.
local function measured(spec, run, threads)
  local whole = trainer_of(spec, run, {threads = threads, minutes = 0})
  local pace, steps, counts, sum = pace_of(spec, run, threads), budget.counts(whole), whole.task.counts, 0
  for _, count in ipairs(steps) do sum = sum + count end
  local pictures = {normals = counts.normals, tests = counts.test_normals + counts.test_anomalies}
  return cost.seconds(run.config, steps, pictures, pace), sum, pace
end

--- Estimates what is left of a campaign.
-- @param spec table the campaign
-- @param runs list as of `agad.campaign.plan`, looked at
-- @param workers integer, or nil: the default
-- @param retry_failed boolean whether failed runs are trained again
-- @return table seconds (with so many workers), workers, kinds (list of {run, runs, left, seconds (of one run), steps,
--   pace, from: "steps" or "results"; or error})
function cost.of(spec, runs, workers, retry_failed)
  local its = shares.of(workers or spec.workers, #runs, spec.options or {})
  local kinds, place = {}, {}
  for _, run in ipairs(runs) do
    local key = kind_of(run)
    local kind = place[key]
    if not kind then
      kind = {run = run, runs = 0, left = 0, done = 0, sum = 0}
      place[key], kinds[#kinds + 1] = kind, kind
    end
    kind.runs = kind.runs + 1
    if run.row and type(run.row.seconds) == "number" then
      kind.done, kind.sum = kind.done + 1, kind.sum + run.row.seconds + START
    elseif run.state ~= "absent" and (retry_failed or run.state ~= "failed") then kind.left = kind.left + 1 end
  end
  local sum, longest = 0, 0
  local before = core.threads()
  for _, kind in ipairs(kinds) do
    if kind.done > 0 then kind.seconds, kind.from = kind.sum / kind.done, "results"
    elseif kind.left > 0 then
      local config = kind.run.config
      local own = config.threads or its.threads(#runs, config.deterministic)
      local ok, seconds, steps, pace = errors.try(measured, spec, kind.run, own)
      if not ok then kind.error = errors.text(seconds)
      else kind.seconds, kind.steps, kind.pace, kind.from = seconds, steps, pace, "steps" end
    end
    if kind.left > 0 and kind.seconds then
      sum, longest = sum + kind.left * kind.seconds, math.max(longest, kind.seconds)
    end
  end
  core.threads(before)
  return {seconds = math.max(longest, sum / its.at_once), workers = its.at_once, kinds = kinds}
end

return cost
