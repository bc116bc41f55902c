--- Training: a run of a method on a task.

local agad = require "agad"
local augment = require "agad.train.augment"
local check, option = require("agad.base.options").check, require("agad.base.options").option
local checkpoint = require "agad.train.checkpoint"
local choices = require "agad.train.choices"
local core = require "agad.core"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"
local methods = require "agad.train.method"
local options = require "agad.base.configuration"
local phase = require "agad.train.phase"
local format = require("agad.base.text").format
local printable = require("agad.base.text").printable
local results = require "agad.train.results"
local rundir = require "agad.train.rundir"
local scorer = require "agad.evaluate.scorer"
local selection = require "agad.train.selection"
local sorted_keys = require("agad.base.values").keys

local run = {}
run.__index = run
run.__name = "agad.run"

local trainer = {}

local precisions = {fp32 = {"float32", "float32"}, tf32 = {"float32", "float32"}, bf16 = {"float32", "bfloat16"},
  fp64 = {"float64", "float64"}}

-- auto chooses bf16 if the processor has it, else fp32; the result row records the choice.
local function choose_precision(config, device)
  local wanted = config.precision
  if wanted == "auto" then
    local _, fast = core.capability()
    wanted = (device ~= "cpu" or fast) and "bf16" or "fp32"
  end
  if device == "cpu" and wanted == "tf32" then
    error("precision = tf32 needs a GPU; on the CPU use fp32 or bf16", 0)
  end
  if device ~= "cpu" and wanted == "fp64" then error("precision = fp64 runs on the CPU only; give device = cpu", 0) end
  return wanted, precisions[wanted][1], precisions[wanted][2]
end

local function choose_device(wanted)
  if wanted == "auto" then return agad.devices > 0 and "cuda" or "cpu" end
  if wanted == "cpu" then return "cpu" end
  local index = tonumber(wanted:match ":(%d+)$" or 0)
  if agad.devices <= index then
    error(("device = %s: %s"):format(wanted, agad.devices == 0 and agad.device_note
      or ("there are only %d devices"):format(agad.devices)), 0)
  end
  return wanted
end

-- Restores the pool of anomalies for the current epoch of a resumed run.
function run:restore_pool()
  local gamma, k, _, _, size = phase.epoch_of(self, math.max(1, self.epoch))
  self.sampler:set_anomalies(self.task:anomalies_at(gamma), k, size)
end

-- Phases without stages have no epochs; a method that is scored after such a phase only cannot be evaluated before.
local function check_phases(self)
  local method, config = self.method, self.config
  for _, its in ipairs(method.phases) do
    local epochs = its.epochs or "epochs"
    if #(its.step or {}) == 0 and epochs ~= 0 and config[epochs] ~= 0 then
      error(("method %s: phase %s has no stages, so that %s must be 0"):format(method.name, its.name or "1", epochs), 0)
    end
  end
  local last = method.phases[#method.phases].epochs
  if config.evaluate_every > 0 and (last == 0 or last and config[last] == 0) then
    error(("evaluate_every = %d: method %s has scores at the end of its training only; leave evaluate_every out")
      :format(config.evaluate_every, method.name), 0)
  end
end

-- Makes the nets and initialises their weights, each from its own seed.
local function make_nets(self)
  self.programs = self.method.nets(self.method_options, self.shape)
  self.nets, self.info = {}, {params = 0, macs = 0}
  local picture = self.method.picture
  if picture and not self.programs[picture] then
    error(("method %s: 'picture' names the net %s, which the method does not have"):format(self.method.name,
      picture), 0)
  end
  for i, name in ipairs(sorted_keys(self.programs)) do
    local net = agad.nn.net(self.programs[name], {dtype = self.dtype, compute = self.compute, device = self.device})
    if name == picture then agad.nn.check_generator(net, self.programs[name], self.shape) end
    self.nets[name] = net:init(phase.seed(self.config, 100 + i))
    local info = net:info()
    self.info[name] = info
    self.info.params, self.info.macs = self.info.params + info.params, self.info.macs + info.macs
  end
end

--- Prepares to train a method on a task; `run:fit()` then trains it.
-- @param task task
-- @param given table options: method, net, epochs, batch, seed … (`agad.options`); unknown ones are refused
-- @param o table dir: the run directory (nil: nothing is written); resume: continue the run in that directory
-- @return run fit, evaluate, save; config, nets, step, state, history
-- @raise an option is wrong, a net does not fit the pictures, or the device does not exist
function trainer.new(task, given, o)
  given = options.merge(options.merge({}, task.options), given or {})
  local method = methods.load(given.method or "agad")
  local set = task.set
  local config = options.resolve(method, given, {size = set.height == set.width and set.height or nil,
    channels = set.channels, holdout = task.options.holdout, normal = task.options.normal, batch = set.batch})
  if config.data ~= nil and config.data ~= printable(set.name) then
    error(("data = %s, but the task's pictures are those of %s; leave data out"):format(config.data,
      printable(set.name)), 0)
  end
  config.data = printable(set.name)
  task:check(config)
  selection.check(config, task)
  if method.needs_anomalies and #task.anomalies == 0 then
    error(("method %s learns from known anomalies, but the task has none; give a gamma above 0"):format(method.name), 0)
  end
  local self = setmetatable({task = task, method = method, config = config, steps = 0, keep = {}, history = {},
    losses = {}, train_seconds = 0, measuring = 0, images = 0, notes = {}}, run)
  -- The results of a deterministic run depend on it.
  if config.deterministic and o and o.resume and o.dir then config.threads = config.threads or rundir.threads(o.dir) end
  if config.threads then core.threads(config.threads) end
  config.threads = core.threads()
  self.device = choose_device(config.device)
  self.precision, self.dtype, self.compute = choose_precision(config, self.device)
  if self.device ~= "cpu" then core.allow_tf32(self.precision == "tf32") end
  core.deterministic(config.deterministic)
  self.method_options = core.json_decode(core.json_encode(options.select(config, "method")))   -- schedules change it
  self.augment = augment.wanted(config.augment)
  self.shape = {set.channels, set.height, set.width}
  make_nets(self)
  check_phases(self)
  phase.enter(self, 1)
  if not method.keep then self:scorer() end              -- fails now rather than after training
  local gamma, k, known, _, size = phase.epoch_of(self, 1)
  self.per_batch, self.known = k, known
  self.sampler = core.data.sampler(task.normals, task:anomalies_at(gamma), size, k, phase.seed(config, 2))
  if #task.normals < size - k then
    table.insert(self.notes, ("there are only %d normals for a batch of %d, so that each epoch is one step with a "
      .. "smaller batch"):format(#task.normals, config.batch))
  end
  if o and o.dir then
    self.fingerprint = checkpoint.fingerprint(task)
    local earlier = o.resume and rundir.reopen(o.dir)
    if o.resume and not earlier then
      self.anew = ("there is no checkpoint in %s; training starts from the beginning"):format(o.dir)
    end
    self.rundir = earlier or rundir.create(o.dir, options.canonical(config))
    self.dir = self.rundir.path
    local ok, reason = pcall(function() if earlier then checkpoint.resume(self) end end)
    if not ok then
      self.rundir:close()                                -- releases the lock at once, not at the next collection
      error(reason, 0)
    end
  end
  if not self.started then phase.start(self) end
  return self
end

function run:__tostring()
  local c = self.config
  local limits = (c.epochs and ("epochs = %d, "):format(c.epochs) or "") ..
    (c.steps > 0 and ("steps = %d, "):format(c.steps) or "")
  return ("agad.trainer(%s, {method = %q, net = %q, %sseed = %d})"):format(tostring(self.task), self.method.name,
    c.net or "-", limits, c.seed)
end

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

local function note_losses(self)
  self.losses = self.step:losses()
  check_finite(self)
  if self.rundir then
    self.rundir:log {kind = "step", step = self.steps, epoch = self.epoch, losses = self.losses}
  end
end

--- The next batch of this epoch, in the form that the step takes.
-- @return tensor x, normals first; nil at the epoch's end
-- @return integer how many of its rows are normals
function run:next_batch()
  local rows, n_normal = self.sampler:next()
  if not rows then return nil end
  local x = core.batch(self.task.train.images, rows, self.method.input[1], self.method.input[2],
    {dtype = self.dtype, device = self.device})
  rows:close()
  if self.augment then x = augment.apply(x, self.augment, phase.seed(self.config, 4), self.steps, self.method.input) end
  return x, n_normal
end

--- Ends the current phase at once and begins the next one.
-- @raise this is the last phase
function run:next_phase()
  if not phase.next(self) then
    error(("method %s: %s is its last phase"):format(self.method.name, phase.current(self).name), 0)
  end
end

--- Gives the next batch to the step, so that its stages can be run one by one (agad.teach). After an epoch the next one
-- begins, and after a phase the next phase; the last phase continues beyond the configured number of epochs or steps.
-- @return boolean false if the last phase has no stages, so that there are no more steps
function run:begin_step()
  if self.epoch == self.done then
    if not self.started then phase.start(self) end
    while self.done >= phase.epochs(self) and phase.next(self) do end
    if #(phase.current(self).step or {}) == 0 then return false end
    self.epoch = self.epoch + 1
    phase.enter_epoch(self, math.max(1, math.min(self.epoch, phase.epochs(self))))
  end
  local x, n_normal
  if not phase.is_cut(self) then x, n_normal = self:next_batch() end
  if not x then
    self.sampler:next_epoch()
    self.done = self.epoch
    return self:begin_step()
  end
  phase.enter_step(self)
  self.images = self.images + x:size(1)
  self.step:begin(x, n_normal)
  return true
end

-- Runs one step on the next batch; nil at the end of the epoch.
local function one_step(self, log)
  if phase.is_cut(self) then return nil end
  local x, n_normal = self:next_batch()
  if not x then return nil end
  phase.enter_step(self)
  local ok, reason = errors.try(self.step.run, self.step, x, n_normal)
  if not ok then error(("step %d: %s%s"):format(self.steps + 1, errors.text(reason), last_good(self)), 0) end
  self.steps, self.images = self.steps + 1, self.images + x:size(1)
  x:close()                                              -- the step holds what it needs; a collection would be late
  choices.keep(self)
  if log(self.steps) then note_losses(self) end
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
  self.losses = self.step:losses()
  check_finite(self)
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

local SHARE, BYTES, BYTES_PER_SECOND = .01, 16, 3e8  -- of a parameter: its value, average and two moments

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
  on_event = option {kind = "any"},
}
local callback_of = {step = "on_step", epoch = "on_epoch", evaluated = "on_evaluate"}

-- Callbacks as one function of events: given as such, or as a table of on_step, on_epoch, on_evaluate and on_event.
local function listener(given)
  if type(given) == "function" then return given end
  given = check("fit", given, known_callbacks, true)
  local show = given.on_event or require("agad.train.progress").new {}
  return function(e)
    local answer, own = show(e), given[callback_of[e.kind]]
    return own and own(e) or answer
  end
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
  self.sampler:next_epoch()
  self.step:spare(phase.seed(self.config, 1000 + self.epoch))
  self.done = self.epoch
  checkpoint_epoch(self, on_event)
  return core.interrupted()
end

--- The name of the current phase; nil if the method has only one.
function run:phase_name() return #self.method.phases > 1 and phase.current(self).name or nil end

-- Trains the rest of a phase; returns whether it was interrupted, and whether a callback stopped it.
local function fit_phase(self, on_event)
  local config, total, first, began = self.config, phase.steps(self), self.steps, core.clock()
  local epochs, last, interrupted, stopped = phase.epochs(self), 0, false, false
  on_event {kind = "begin", phase = self:phase_name(), epochs = epochs,
    batches = math.ceil(total / math.max(1, epochs)), config = config, device = self.device}
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
    while not interrupted and not stopped and one_step(self, log) do
      batch = batch + 1
      away, measured = away + self.measuring - measured, self.measuring
      local seconds = core.clock() - began - away
      self.train_seconds = before + seconds
      self.images_per_second = self.images / self.train_seconds
      asked = on_event {kind = "step", phase = self:phase_name(), epoch = self.epoch, batch = batch,
        step = self.steps, done = self.steps - self.phase_began, total = total, losses = self.losses,
        images_per_second = self.images_per_second,
        eta = (total - self.steps + self.phase_began) * seconds / math.max(1, self.steps - first)} == "stop" or asked
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
--   that the step belongs to)
-- @return run itself
-- @raise a loss is NaN or infinite (with step, term and last good checkpoint); a stage fails (with step and stage)
function run:fit(callbacks)
  local on_event = listener(callbacks)
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
    interrupted, stopped = fit_phase(self, on_event)
    more = not (interrupted or stopped or self.stopped)
    if more then more, interrupted = next_phase(self) end
  end
  self.seconds, self.began = self:seconds_so_far(), nil
  self.interrupted = interrupted
  try_checkpoint(self, on_event)
  on_event {kind = "end", interrupted = interrupted, seconds = self.train_seconds}
  return self
end

--- Every tensor of the nets by its full name ("generator.conv1.weight").
-- @param averaged boolean true: averaged weights, for nets that have them
-- @return table name -> tensor
function run:tensors(averaged)
  local tensors = {}
  for name, net in pairs(self.nets) do
    local average = averaged and self.averaged[name] and self.step:average(name)
    for i, p in ipairs(net:params()) do tensors[name .. "." .. p.name] = average and average[i] or p.tensor end
    for _, p in ipairs(net:buffers()) do tensors[name .. "." .. p.name] = p.tensor end
  end
  for name, t in pairs(self.keep) do tensors[scorer.kept(name)] = t:flatten() end
  return tensors
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

--- Gives up the run directory, so that another run may use it; this one trains on without checkpoints.
function run:close()
  if self.rundir then self.rundir:close() end
  self.rundir = nil
end

results.extend(run)

return trainer
