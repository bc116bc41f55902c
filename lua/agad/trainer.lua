--- Training: a run of a method on a task. It knows only the method's table.

local agad = require "agad"
local augment = require "agad.augment"
local checkpoint = require "agad.checkpoint"
local core = require "agad.core"
local methods = require "agad.method"
local options = require "agad.options"
local printable = require("agad.task.classes").printable
local results = require "agad.results"
local rundir = require "agad.rundir"
local schedule = require "agad.schedule"
local scorer = require "agad.scorer"
local selection = require "agad.selection"
local states = require "agad.state"

local run = {}
run.__index = run
run.__name = "agad.run"

local trainer = {}

local precisions = {fp32 = {"float32", "float32"}, tf32 = {"float32", "float32"}, bf16 = {"float32", "bfloat16"},
  fp64 = {"float64", "float64"}}

-- auto: bf16 where it is fast, else fp32; the row says which.
local function choose_precision(config, device)
  local wanted = config.precision
  if wanted == "auto" then
    local _, fast = core.capability()
    wanted = (device ~= "cpu" or fast) and "bf16" or "fp32"
  end
  if device == "cpu" and wanted == "tf32" then
    error("precision = tf32 is a GPU's; on the processor use fp32 or bf16", 0)
  end
  if device ~= "cpu" and wanted == "fp64" then error("precision = fp64 runs on the processor only", 0) end
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

-- Seeds of one run, one for each purpose; from the one seed.
local function seed_of(config, purpose) return (config.seed * 1000003 + purpose) & math.maxinteger end

local function add_updates(self, phase)
  local c = self.config
  for name, update in pairs(phase.updates) do
    self.step:add_update(name, update.nets, {lr = update.lr or c.lr, beta1 = c.betas[1], beta2 = c.betas[2],
      eps = c.adam_eps, weight_decay = update.weight_decay or c.weight_decay, clip = c.grad_clip,
      accumulate = c.accumulate})
  end
end

local function build_step(self)
  local method, c = self.method, self.config
  local phase = method.phases[1]
  self.step = core.step(core.json_encode(self.method_options))
  for name, net in pairs(self.nets) do self.step:add_net(name, net) end
  add_updates(self, phase)
  self.averaged = {}
  if c.ema > 0 then
    for _, name in ipairs(method.average or {}) do
      self.step:add_average(name, c.ema)
      self.averaged[name] = true
    end
  end
  for _, stage in ipairs(phase.step) do
    if type(stage) == "string" then self.step:add_stage(method.name, stage)
    else self.step:add_stage(method.name, stage[1], stage[2]) end
  end
  if phase.updates.discriminator then
    self.step:guard("discriminator", self.method_options.delta or 0.0, seed_of(c, 3))
  end
  self.state = states.new(self.step, self.nets, self.method_options)
  self.step:set_state(self.state)
end

-- What an epoch trains on: gamma may be a schedule, which lengthens the pool.
-- Gives gamma, the anomalies in a batch, the number of known ones, the batches, and the pictures in one: batch_mode =
-- append puts the anomalies on top.
local function epoch_of(self, epoch)
  local c = self.config
  local gamma = schedule.value(c.gamma, epoch, c.epochs)
  local known = self.task:count_at(gamma)
  local k = known > 0 and core.data.anomalies_per_batch(c.batch, self.method_options.min_anom or 0, gamma) or 0
  local size = self.method_options.batch_mode == "append" and c.batch + k or c.batch
  return gamma, k, known, math.max(1, #self.task.normals // (size - k)), size
end

-- lr and the method's numbers, where a schedule says what they are in this epoch.
local function apply_schedules(self, epoch)
  for name, spec in pairs(self.config.schedule or {}) do
    local value = schedule.value(spec, epoch, self.config.epochs)
    if name == "lr" then
      for _, update in ipairs(self.step:updates()) do
        if not self.method.phases[1].updates[update].lr then self.step:set_rate(update, value) end
      end
    else
      self.step:set_option(name, value)
      local outer, inner = name:match "^(.-)%.(.+)$"
      if outer then self.method_options[outer][inner] = value else self.method_options[name] = value end
    end
  end
end

local function enter_epoch(self, epoch)
  apply_schedules(self, epoch)
  local gamma, k, known, _, size = epoch_of(self, epoch)
  if k == self.per_batch and known == self.known then return gamma end
  self.sampler:set_anomalies(self.task:anomalies_at(gamma), k, size)
  self.per_batch, self.known = k, known
  return gamma
end

-- The pool of anomalies of the epoch that a resumed run is in.
function run:restore_pool()
  local gamma, k, _, _, size = epoch_of(self, math.max(1, self.epoch))
  self.sampler:set_anomalies(self.task:anomalies_at(gamma), k, size)
end

--- A training of a method on a task.
-- @param task task
-- @param given table options: method, net, epochs, batch, seed … (`agad.options`); unknown ones are refused
-- @param o table dir: the run directory (none: nothing is written); resume: go on with the run that is there
-- @return run fit, evaluate, save; config, nets, step, state, history
-- @raise one line for a wrong option, a net that does not fit, a device that is not there
function trainer.new(task, given, o)
  given = options.merge(options.merge({}, task.options), given or {})
  local method = methods.load(given.method or "agad")
  local set = task.set
  local config = options.resolve(method, given, {size = set.height == set.width and set.height or nil,
    channels = set.channels, holdout = task.options.holdout, normal = task.options.normal, batch = set.batch})
  config.data = config.data or printable(set.name)
  task:check(config)
  selection.check(config, task)
  local self = setmetatable({task = task, method = method, config = config, epoch = 0, done = 0, steps = 0,
    history = {}, losses = {}, train_seconds = 0, images = 0, notes = {}}, run)
  if config.threads then core.threads(config.threads) end
  config.threads = core.threads()
  self.device = choose_device(config.device)
  self.precision, self.dtype, self.compute = choose_precision(config, self.device)
  if self.device ~= "cpu" then core.allow_tf32(self.precision == "tf32") end
  core.deterministic(config.deterministic)
  self.method_options = core.json_decode(core.json_encode(options.select(config, "method")))   -- schedules change it
  self.augment = augment.wanted(config.augment)
  self.shape = {set.channels, set.height, set.width}
  self.programs = method.nets(self.method_options, self.shape)
  self.nets, self.info = {}, {params = 0, macs = 0}
  local names = {}
  for name in pairs(self.programs) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local net = agad.nn.net(self.programs[name], {dtype = self.dtype, compute = self.compute, device = self.device})
    self.nets[name] = net:init(seed_of(config, 100 + i))
    local info = net:info()
    self.info[name] = info
    self.info.params, self.info.macs = self.info.params + info.params, self.info.macs + info.macs
  end
  build_step(self)
  self.scorer_program = scorer.program(method, config.score, self.programs, self.shape)
  local gamma, k, known, _, size = epoch_of(self, 1)
  self.per_batch, self.known = k, known
  self.sampler = core.data.sampler(task.normals, task:anomalies_at(gamma), size, k, seed_of(config, 2))
  if #task.normals < size - k then
    self.notes[1] = ("%d normals are fewer than a batch of %d: every epoch is one short step"):format(#task.normals,
      config.batch)
  end
  if o and o.dir then
    local earlier = o.resume and rundir.reopen(o.dir)
    self.rundir = earlier or rundir.create(o.dir, options.canonical(config))
    self.dir = self.rundir.path
    if earlier then checkpoint.resume(self) end
  end
  return self
end

function run:__tostring()
  return ("agad.trainer(%s, {method = %q, net = %q, epochs = %d, seed = %d})"):format(tostring(self.task),
    self.method.name, self.config.net or "-", self.config.epochs, self.config.seed)
end

-- A loss that is NaN or infinite stops the run, named, with the last good checkpoint.
local function check_finite(self)
  for name, value in pairs(self.losses) do
    if value ~= value or value - value ~= 0 then
      local good = self.saved and ("; %s/state.safetensors is of step %d"):format(self.dir, self.saved)
        or "; no checkpoint was written before (checkpoint_steps, checkpoint_minutes)"
      error(("training stopped: loss %s is %s in step %d%s"):format(name, value, self.steps, good), 0)
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

--- The next batch of this epoch, as the step takes it.
-- @return tensor x, normals first; nil at the epoch's end
-- @return integer how many of its rows are normals
function run:next_batch()
  local rows, n_normal = self.sampler:next()
  if not rows then return nil end
  local x = core.batch(self.task.train.images, rows, self.method.input[1], self.method.input[2],
    {dtype = self.dtype, device = self.device})
  rows:close()
  if self.augment then x = augment.apply(x, self.augment, seed_of(self.config, 4), self.steps, self.method.input) end
  return x, n_normal
end

--- Puts the next batch into the step, whose stages can then be run one by one (agad.teach). At the end of an epoch the
-- next one begins, also past the configured number.
function run:begin_step()
  if self.epoch == self.done then
    self.epoch = self.epoch + 1
    enter_epoch(self, math.min(self.epoch, self.config.epochs))
  end
  local x, n_normal = self:next_batch()
  if not x then
    self.sampler:next_epoch()
    self.done = self.epoch
    return self:begin_step()
  end
  self.images = self.images + x:size(1)
  self.step:begin(x, n_normal)
end

-- One step on the next batch; nil at the epoch's end.
local function one_step(self, log)
  local x, n_normal = self:next_batch()
  if not x then return nil end
  local ok, reason = pcall(self.step.run, self.step, x, n_normal)
  if not ok then error(("step %d: %s"):format(self.steps + 1, tostring(reason)), 0) end
  self.steps, self.images = self.steps + 1, self.images + x:size(1)
  x:close()                                              -- the step holds what it needs; the collector is too late
  if log(self.steps) then note_losses(self) end
  return true
end

--- Seconds of this run up to now, those before it was resumed included.
function run:seconds_so_far() return (self.seconds or 0) + (self.began and core.clock() - self.began or 0) end

-- A checkpoint where one is due: by steps, or by minutes. One that cannot be written is a note, and training goes on.
local function checkpoint_if_due(self, on_event)
  local c = self.config
  if self.steps % c.accumulate ~= 0 or not self.rundir then return end
  local by_steps = c.checkpoint_steps > 0 and self.steps % c.checkpoint_steps == 0
  local by_minutes = c.checkpoint_minutes > 0 and core.clock() - self.saved_at >= 60 * c.checkpoint_minutes
  if not by_steps and not by_minutes then return end
  self.losses = self.step:losses()
  check_finite(self)
  local ok, reason = pcall(self.checkpoint, self)
  if not ok then
    self.saved_at = core.clock()
    on_event {kind = "note", text = ("checkpoint of step %d: %s; the one before it stays"):format(self.steps, reason)}
  end
end

local callback_of = {step = "on_step", epoch = "on_epoch", evaluated = "on_evaluate"}

-- One function out of callbacks: a function of every event, or a table of on_step, on_epoch, on_evaluate, on_event.
local function listener(given)
  if type(given) == "function" then return given end
  given = given or {}
  for name in pairs(given) do
    if name ~= "on_step" and name ~= "on_epoch" and name ~= "on_evaluate" and name ~= "on_event" then
      error(("fit: unknown callback %s; known: on_step, on_epoch, on_evaluate, on_event"):format(tostring(name)), 3)
    end
  end
  local show = given.on_event or require("agad.progress").new {}
  return function(e)
    local answer, own = show(e), given[callback_of[e.kind]]
    return own and own(e) or answer
  end
end

-- Whether the held-out normals have had no better score for `patience` evaluations.
local function out_of_patience(self, entry)
  if self.config.patience == 0 then return false end
  local better = self.best_value == nil or entry.val > self.best_value
  self.best_value = better and entry.val or self.best_value
  self.stale = better and 0 or (self.stale or 0) + 1
  return self.stale >= self.config.patience
end

local function end_epoch(self, on_event, gamma)
  local config = self.config
  self.sampler:next_epoch()
  self.step:spare(seed_of(config, 1000 + self.epoch))
  self.done = self.epoch
  on_event {kind = "epoch", epoch = self.epoch, gamma = gamma, anomalies = self.known, losses = self.losses}
  if config.evaluate_every == 0 or self.epoch % config.evaluate_every ~= 0 then return end
  local entry = self:measure(on_event)
  on_event {kind = "evaluated", epoch = self.epoch, entry = entry}
  if out_of_patience(self, entry) then
    self.stopped = true
    on_event {kind = "note", text = ("stopped after epoch %d: %d evaluations without a better score of the held-out "
      .. "normals"):format(self.epoch, self.stale)}
  end
end

--- Trains to the configured number of epochs, or until it is interrupted; a resumed run goes on where it was.
-- @param callbacks function|table a function(event): begin, step, epoch, evaluate, note, end; or a table of on_step,
--   on_epoch, on_evaluate, each a function(event) (on_event: in place of the progress bar); "stop" as the answer to a
--   step ends after it
-- @return run itself
-- @raise a loss that is NaN or infinite (step, term, last good checkpoint), a stage that raises (step and stage)
function run:fit(callbacks)
  local on_event = listener(callbacks)
  local config, total, last = self.config, 0, 0
  for epoch = 1, config.epochs do total = total + select(4, epoch_of(self, epoch)) end
  self.began, self.saved_at = core.clock(), core.clock()
  local interrupted, stopped, first = false, false, self.steps
  on_event {kind = "begin", epochs = config.epochs, batches = math.ceil(total / config.epochs), config = config,
    device = self.device}
  for _, note in ipairs(self.notes) do on_event {kind = "note", text = note} end
  if self.resumed then on_event {kind = "note", text = ("resumed after step %d"):format(self.resumed)} end
  local function log(step) return step % config.log_every == 0 or step == last or step == 1 end
  local earlier, spent = self.train_seconds, 0
  while self.done < config.epochs and not interrupted and not stopped and not self.stopped do
    if self.epoch == self.done then self.epoch = self.epoch + 1 end
    local gamma = enter_epoch(self, self.epoch)
    local batch = self.sampler:state().batch
    last = self.steps - batch + self.sampler:batches()
    local epoch_began = core.clock()
    while not interrupted and not stopped and one_step(self, log) do
      batch = batch + 1
      local seconds = spent + core.clock() - epoch_began
      self.train_seconds = earlier + seconds
      self.images_per_second = self.images / self.train_seconds
      stopped = on_event {kind = "step", epoch = self.epoch, batch = batch, step = self.steps, losses = self.losses,
        images_per_second = self.images_per_second,
        eta = (total - self.steps) * seconds / math.max(1, self.steps - first)} == "stop"
      checkpoint_if_due(self, on_event)
      interrupted = core.interrupted()
    end
    spent = spent + core.clock() - epoch_began
    if not interrupted and not stopped then end_epoch(self, on_event, gamma) end
  end
  self.train_seconds, self.seconds, self.began = earlier + spent, self:seconds_so_far(), nil
  self.interrupted = interrupted
  self:checkpoint()
  on_event {kind = "end", interrupted = interrupted, seconds = self.train_seconds}
  return self
end

--- Every tensor of the nets by its full name ("generator.conv1.weight"); averaged weights where there are some.
-- @param averaged boolean
-- @return table name -> tensor
function run:tensors(averaged)
  local tensors = {}
  for name, net in pairs(self.nets) do
    local average = averaged and self.averaged[name] and self.step:average(name)
    for i, p in ipairs(net:params()) do tensors[name .. "." .. p.name] = average and average[i] or p.tensor end
    for _, p in ipairs(net:buffers()) do tensors[name .. "." .. p.name] = p.tensor end
  end
  return tensors
end

--- Writes the run directory's state: all that resuming needs. Without a run directory nothing is done.
-- @raise it cannot be written; the checkpoint before it stays
function run:checkpoint()
  if not self.rundir then return end
  checkpoint.save(self)
  self.saved, self.saved_at = self.steps, core.clock()
end

results.extend(run)

return trainer
