--- Training's loop: steps, epochs and phases, with events, checkpoints and evaluations on the way. These are methods of
-- a run.

local check, option = require("agad.base.options").check, require("agad.base.options").option
local checkpoint = require "agad.train.checkpoint"
local choices = require "agad.train.choices"
local core = require "agad.core"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"
local phase = require "agad.train.phase"
local format = require("agad.base.text").format

local run = {}

-- Words for an error message: the last good checkpoint of a failed run.
local function last_good(self)
  return self.saved and ("; the last good checkpoint, %s/state.safetensors, is of step %d"):format(self.dir, self.saved)
    or "; there is no earlier checkpoint (checkpoint_steps sets how often one is written)"
end

-- Stops the run if a loss is NaN or infinite; the error names the loss and the last good checkpoint.
local function check_finite(self)
  for name, value in pairs(self.losses) do
    if value ~= value or value - value ~= 0 then
      error(format("training stopped: loss %s is %s in step %d%s", name, value, self.steps, last_good(self)), 0)
    end
  end
end

local function read_losses(self)
  self.losses = self.step:losses()
  check_finite(self)
end

--- Runs one step on the next batch.
-- @param log function(step): whether the losses of this step are read (nil: they are not)
-- @return boolean nil at the end of the epoch
-- @example run:train_step(); run.steps
function run:train_step(log)
  if phase.is_cut(self) then return nil end
  local x, n_normal = self:next_batch()
  if not x then return nil end
  phase.enter_step(self)
  local ok, reason = errors.try(self.step.run, self.step, x, n_normal)
  if not ok then error(("step %d: %s%s"):format(self.steps + 1, errors.text(reason), last_good(self)), 0) end
  self.steps, self.images = self.steps + 1, self.images + x:size(1)
  x:close()                                              -- the step holds what it needs; a collection would be late
  choices.keep(self)
  if log and log(self.steps) then read_losses(self) end
  return true
end

--- Seconds that this run has taken so far, including those before it was resumed.
function run:seconds_so_far() return (self.seconds or 0) + (self.began and core.clock() - self.began or 0) end

-- Writes a checkpoint. If that fails (the disk is full, for example), a note says so and training continues.
local function try_checkpoint(self, on_event)
  local ok, reason = errors.try(self.checkpoint, self)
  if ok then return end
  self.saved_at = core.clock()
  self.unsaved = ("checkpoint of step %d: %s; %s"):format(self.steps, errors.text(reason),
    self.saved and "the previous checkpoint is kept" or "there is no checkpoint yet")
  on_event {kind = "note", text = self.unsaved}
end

-- Whether no update is half accumulated: only there can a run be stopped and resumed.
local function is_between_updates(self)
  return (self.steps - self.phase_began) % self.config.accumulate == 0 or self.done == phase.epochs(self)
end

local function save_now(self, on_event)
  read_losses(self)
  try_checkpoint(self, on_event)
end

-- Writes a checkpoint if one is due after a step, by steps or by minutes.
local function checkpoint_if_due(self, on_event)
  local c = self.config
  if not self.rundir or not is_between_updates(self) then return end
  local by_steps = c.checkpoint_steps > 0 and self.steps % c.checkpoint_steps == 0
  local by_minutes = c.checkpoint_minutes > 0 and core.clock() - self.saved_at >= 60 * c.checkpoint_minutes
  if by_steps or by_minutes then save_now(self, on_event) end
end

-- BYTES of a parameter: its value, average and two moments. The speed is a fast disk's, until the first checkpoint has
-- measured it.
local SHARE, BYTES, BYTES_PER_SECOND = .01, 16, 1e9

-- Writes a checkpoint at the end of an epoch where that costs at most a hundredth of the time: for the first one, of
-- the time that the phase will take, and else of the time since the last one.
local function checkpoint_epoch(self, on_event)
  if not self.rundir or self.config.checkpoint_minutes == 0 or not is_between_updates(self) then return end
  local cost = self.save_seconds or self.info.params * BYTES / BYTES_PER_SECOND
  local time = self.saved and core.clock() - self.saved_at or self.train_seconds * phase.epochs(self) / self.done
  if cost <= SHARE * time then save_now(self, on_event) end
end

local known_callbacks = {
  on_step = option {kind = "function"}, on_epoch = option {kind = "function"}, on_evaluate = option {kind = "function"},
  on_event = option {kind = "any"}, time_left = option {kind = "function"},
}
local callback_of = {step = "on_step", epoch = "on_epoch", evaluated = "on_evaluate"}

-- Callbacks as one function of events: given as such, or as a table of on_step, on_epoch, on_evaluate and on_event; the
-- function time_left, if there is one; and one that clears the line of progress for what others write.
local function listener(given)
  if type(given) == "function" then return given, nil, function() end end
  given = check("fit", given, known_callbacks, true)
  local show = given.on_event or require("agad.train.progress").new {}
  local function clear() if not given.on_event then show:clear() end end
  return function(e)
    local answer, own = show(e), given[callback_of[e.kind]]
    if own and e.kind ~= "step" then clear() end
    return own and own(e) or answer
  end, given.time_left, clear
end

-- Whether the score of the held-out normals has not improved for `patience` evaluations.
local function out_of_patience(self, entry)
  if self.config.patience == 0 then return false end
  local better = self.best_value == nil or entry.val > self.best_value
  self.best_value = better and entry.val or self.best_value
  self.stale = better and 0 or (self.stale or 0) + 1
  return self.stale >= self.config.patience
end

-- The epoch's evaluation where one is due; true if Ctrl-C ended it, as if the epoch were still to be ended.
local function evaluate_epoch(self, on_event)
  local every = self.config.evaluate_every
  if not phase.is_last(self) or every == 0 or self.epoch % every ~= 0 then return false end
  local ok, entry = pcall(self.measure, self, on_event)
  if not ok and errors.is_interruption(entry) then return true end
  if not ok then error(entry, 0) end
  on_event {kind = "evaluated", epoch = self.epoch, entry = entry}
  if out_of_patience(self, entry) then
    self.stopped = true
    on_event {kind = "note", text = ("stopped after epoch %d: %d evaluations without improvement on held-out normals")
      :format(self.epoch, self.stale)}
  end
  return false
end

-- Ends an epoch; returns whether Ctrl-C kept it from that.
local function end_epoch(self, on_event, gamma)
  on_event {kind = "epoch", phase = self:phase_name(), epoch = self.epoch, gamma = gamma, anomalies = self.known,
    losses = self.losses}
  if evaluate_epoch(self, on_event) then return true end
  phase.leave_epoch(self)
  checkpoint_epoch(self, on_event)
  return core.interrupted()
end

--- The name of the current phase; nil if the method has only one.
function run:phase_name() return #self.method.phases > 1 and phase.current(self).name or nil end

-- Seconds that the training takes from here: its steps, those of later phases at the same pace, and the evaluations to
-- come, each as long as the latest one.
local function seconds_left(self, seconds_per_step)
  local steps = phase.steps(self) - (self.steps - self.phase_began) + phase.steps_after(self)
  local every, latest, evaluations = self.config.evaluate_every, self.history[#self.history], 0
  if every > 0 and latest and phase.is_last(self) then
    evaluations = phase.epochs(self) // every - self.done // every
  end
  return steps * seconds_per_step + (evaluations > 0 and evaluations * latest.seconds or 0)
end

-- The event of a step. Where `time_left` ends the training before its last step does, the time left counts to that, and
-- `share`, how much is done, is one of time.
local function step_event(self, batch, seconds_per_step, time_left)
  local e = {kind = "step", phase = self:phase_name(), epoch = self.epoch, batch = batch, step = self.steps,
    done = self.steps - self.phase_began, total = phase.steps(self), losses = self.losses,
    images_per_second = self.images_per_second, eta = seconds_left(self, seconds_per_step)}
  e.share = e.done / e.total
  local allowed = time_left and time_left(e)
  if not allowed or allowed >= e.eta then return e, false end
  e.eta = math.max(0, allowed)
  e.share = math.max(e.share, self.train_seconds / (self.train_seconds + e.eta))
  return e, allowed <= 0
end

-- Trains the rest of a phase; returns whether it was interrupted, and whether a callback stopped it.
local function fit_phase(self, on_event, time_left)
  local config, total, first, began = self.config, phase.steps(self), self.steps, core.clock()
  local epochs, last, interrupted, stopped = phase.epochs(self), 0, false, false
  local counted = phase.counts_steps(self) and total or nil
  on_event {kind = "begin", phase = self:phase_name(), epochs = epochs, steps = counted,
    batches = math.ceil(total / math.max(1, epochs)), config = config, device = self.device}
  self:log({kind = "begin", phase = self:phase_name(), epoch = self.done + 1, epochs = epochs, steps = counted,
    step = first, first = self.phase_began, last = self.phase_began + total}, on_event)
  local function log(step) return step % config.log_every == 0 or step == last or step == 1 end
  -- `away`: evaluating, and measuring the ways of convolutions, are not training.
  local before, away, measured = self.train_seconds, 0, self.measuring
  local asked = false                                      -- to stop, by a callback
  if epochs == 0 then return core.interrupted(), false end
  while self.done < epochs and not interrupted and not stopped and not self.stopped do
    if self.epoch == self.done then self.epoch = self.epoch + 1 end
    local gamma = phase.enter_epoch(self, self.epoch)
    local batch = self.sampler:state().batch
    last = math.min(self.steps - batch + self.sampler:batches(), self.phase_began + total)
    while not interrupted and not stopped and self:train_step(log) do
      batch = batch + 1
      away, measured = away + self.measuring - measured, self.measuring
      local seconds = core.clock() - began - away
      self.train_seconds = before + seconds
      self.images_per_second = self.images / self.train_seconds
      local e, over = step_event(self, batch, seconds / (self.steps - first), time_left)
      if log(self.steps) then
        self:log({kind = "step", step = e.step, epoch = e.epoch, losses = e.losses, rates = phase.rates(self),
          images_per_second = e.images_per_second, seconds = self.train_seconds, eta = e.eta, share = e.share},
          on_event)
      end
      asked = on_event(e) == "stop" or over or asked
      checkpoint_if_due(self, on_event)
      local between = is_between_updates(self)
      interrupted, stopped = between and core.interrupted(), between and asked
    end
    local ended = core.clock()
    self.train_seconds = before + ended - began - away
    if not interrupted and not stopped then interrupted = end_epoch(self, on_event, gamma) end
    away = away + core.clock() - ended
  end
  return interrupted, stopped
end

-- Starts the current phase if that is still to be done; returns whether it was interrupted.
local function start_phase(self)
  local ok, reason = pcall(function() if not self.started then phase.start(self) end end)
  if not ok and not errors.is_interruption(reason) then error(reason, 0) end
  return not ok
end

-- Moves to the next phase; returns whether there is one, and whether its start was interrupted.
local function next_phase(self)
  local ok, more = pcall(phase.next, self)
  if not ok and not errors.is_interruption(more) then error(more, 0) end
  return more, not ok
end

--- Trains every phase for its configured number of epochs or steps, or until Ctrl-C; a resumed run continues where it
-- stopped.
-- @param callbacks function|table a function(event) for events of kind begin, step, epoch, evaluate, note and end; or a
--   table of on_step, on_epoch and on_evaluate, each a function(event), and on_event, which replaces the progress bar.
--   If one of them returns "stop" at a step, the training ends after that step (with `accumulate`, after the update
--   that the step belongs to). The table may also hold time_left, a function(event) that says at each step how many
--   seconds the training may still take: it ends where there are none, and the time left that is shown counts to it
-- @return run itself
-- @raise a loss is NaN or infinite (with step, term and last good checkpoint); a stage fails (with step and stage)
-- @example run:fit {on_epoch = function(event) print(event.epoch) end}
function run:fit(callbacks)
  local on_event, time_left, clear = listener(callbacks)
  local failing <close> = setmetatable({}, {__close = function(_, err)      -- luacheck: ignore 211
    if err ~= nil then clear() end
  end})
  local held <close> = interrupt.hold()                  -- luacheck: ignore 211
  self.began, self.saved_at = core.clock(), core.clock()
  for _, note in ipairs(self.notes) do on_event {kind = "note", text = note} end
  if self.anew then on_event {kind = "note", text = self.anew} end
  if self.resumed then on_event {kind = "note", text = ("resumed after step %d"):format(self.resumed)} end
  local interrupted, more = start_phase(self), true
  while more and not interrupted do
    if self.rundir and self.phase_began == self.steps and self.phase > 1 and self.config.checkpoint_minutes > 0 then
      try_checkpoint(self, on_event)                       -- at the end of the phase before
    end
    local stopped
    interrupted, stopped = fit_phase(self, on_event, time_left)
    more = not (interrupted or stopped or self.stopped)
    if more then more, interrupted = next_phase(self) end
  end
  self.seconds, self.began = self:seconds_so_far(), nil
  self.interrupted = interrupted
  try_checkpoint(self, on_event)
  self:log({kind = "end", step = self.steps, epoch = self.epoch, interrupted = interrupted,
    seconds = self.train_seconds}, on_event)
  on_event {kind = "end", interrupted = interrupted, seconds = self.train_seconds}
  return self
end

--- Writes a checkpoint to the run directory: all that resuming needs. Without a run directory it does nothing.
-- @raise it cannot be written (the previous checkpoint is kept); the gradients of an update are half accumulated
function run:checkpoint()
  if not self.rundir then return end
  if not is_between_updates(self) then
    error(("checkpoint of step %d: its update accumulates %d batches; write it after the last of them"):format(
      self.steps, self.config.accumulate), 0)
  end
  local began = core.clock()
  checkpoint.save(self)
  self.saved, self.saved_at, self.unsaved = self.steps, core.clock(), nil
  self.save_seconds = self.saved_at - began
end

local fit = {}

--- Adds the methods of this file to those of a run.
-- @param class table
function fit.extend(class) for name, method in pairs(run) do class[name] = method end end

return fit
