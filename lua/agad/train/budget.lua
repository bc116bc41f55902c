--- A time budget as a number of steps: the option `minutes`. A run of its own, which is thrown away, does some steps of
-- each phase, and is timed once the ways of its convolutions have been measured. What is trained then begins anew from
-- its seeds, and knows the number of steps only.

local core = require "agad.core"
local phase = require "agad.train.phase"

local budget = {}

local PROVISIONAL = 100000                        -- steps of the timed run, which does a few of them
local SHARE, MOST = .04, 100                      -- of the budget for timing, and steps that are timed at most

--- The configuration of the run that is timed.
-- @param config table
-- @return table a copy with a number of steps
function budget.trial(config)
  local copy = {}
  for name, v in pairs(config) do copy[name] = v end
  copy.steps = PROVISIONAL
  return copy
end

local function step(run)
  if run.epoch == run.done then
    run.epoch = run.epoch + 1
    phase.enter_epoch(run, math.min(run.epoch, phase.epochs(run)))
  end
  if run:train_step() then return end
  run.sampler:next_epoch()
  run.done = run.epoch
  step(run)
end

-- Seconds of one step of the run's phase. Steps may take turns, so that pairs of them are timed.
local function seconds_per_step(run, limit)
  local began, steady = core.clock(), 0
  repeat
    local measuring = run.measuring
    step(run)
    steady = run.measuring == measuring and steady + 1 or 0
  until steady == 3 or core.clock() - began > limit / 2
  local n, start = 0, core.clock()
  repeat
    step(run)
    step(run)
    n = n + 2
  until n >= MOST or core.clock() - began > limit
  return (core.clock() - start) / n
end

-- Whether a phase has steps.
local function trains(run) return #(phase.current(run).step or {}) > 0 and phase.epochs(run) > 0 end

--- How many steps each phase of a run has.
-- @param run run
-- @return list of integers
function budget.counts(run)
  local list = {}
  for number = 1, #run.method.phases do
    local its = setmetatable({phase = number, extent = {}}, {__index = run})
    list[number] = trains(its) and phase.steps(its) or 0
  end
  return list
end

--- How long a step of each phase takes, from the time of a few.
-- @param run run a new one; it is of no use afterwards
-- @param limit number the seconds that the timing of a phase may take
-- @return list of seconds
function budget.pace(run, limit)
  local list = {}
  if not run.started then phase.start(run) end
  repeat list[#list + 1] = trains(run) and seconds_per_step(run, limit) or 0 until not phase.next(run)
  return list
end

--- How many steps the phase that `steps` limits can have in this time, the steps of other phases and what the timing
-- takes subtracted; at least 1.
-- @param run run a new one with the configuration of `budget.trial`; it is of no use afterwards
-- @param minutes number
-- @return integer
function budget.steps(run, minutes)
  local began, left, limited = core.clock(), 60 * minutes, run.method.limited
  if not run.started then phase.start(run) end
  while run.phase < limited do
    if trains(run) then
      local steps = phase.steps(run)
      left = left - steps * seconds_per_step(run, 60 * minutes * SHARE / limited)
    end
    phase.next(run)
  end
  local each = seconds_per_step(run, 60 * minutes * SHARE / limited)
  local function follows() return #((run.method.phases[run.phase + 1] or {}).step or {}) > 0 end
  while follows() and phase.next(run) do
    if trains(run) then
      left = left - phase.steps(run) * seconds_per_step(run, 60 * minutes * SHARE / limited)
    end
  end
  left = left - (core.clock() - began)
  return math.max(1, math.floor(math.min(left / each, 0x7fffffff)))
end

return budget
