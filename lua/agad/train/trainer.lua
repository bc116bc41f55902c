--- Training: a run of a method on a task.

local agad = require "agad"
local augment = require "agad.train.augment"
local auto = require "agad.train.auto"
local budget = require "agad.train.budget"
local checkpoint = require "agad.train.checkpoint"
local choices = require "agad.train.choices"
local columns = require "agad.evaluate.columns"
local core = require "agad.core"
local errors = require "agad.base.errors"
local expect = require "agad.base.expect"
local fit = require "agad.train.fit"
local log = require "agad.train.log"
local methods = require "agad.train.method"
local options = require "agad.base.configuration"
local phase = require "agad.train.phase"
local format = require("agad.base.text").format
local printable = require("agad.base.text").printable
local results = require "agad.train.results"
local rundir = require "agad.train.rundir"
local scorer = require "agad.evaluate.scorer"
local selection = require "agad.train.selection"
local sides = require "agad.data.sides"
local sorted_keys = require("agad.base.values").keys
local takes = require("agad.base.options").takes

local run = {}
run.__index = run
run.__name = "agad.run"
run.__public = require("agad.base.public").members.run

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

-- The options that are auto go on as they were decided when the run began.
local function as_before(given, method, before)
  local steady = (given.preset or "steady") == "steady" and columns.computed[before.bn_eval]
  for name, v in pairs {ema = before.ema, bn_eval = steady and before.bn_eval or nil} do
    if given[name] == "auto" or given[name] == nil and method.options[name] == nil then given[name] = v end
  end
end

-- The method and the configuration of a run; and a note of why it is this method, or nil. `before` is the configuration
-- of the run that is resumed, or nil.
local function configured(task, given, before)
  if type(task) ~= "table" or not task.normals then                -- what a task is made of may be changed
    expect.be("trainer", task, "agad.task", "a task (agad.task.new)")
  end
  if given ~= nil then expect.be("trainer", given, "table", "options as a table") end
  given = options.merge(options.merge({}, task.options), given or {})
  local note
  given.method, note = auto.method(given, task.train.paths ~= nil)
  local method = methods.load(given.method)
  local set = task.set
  if before then as_before(given, method, before) end
  local config = options.resolve(method, given, {size = sides.size(set.height, set.width),
    channels = set.channels, holdout = task.options.holdout, normal = task.options.normal,
    batch = method.options.batch == nil and set.batch or nil})
  if config.data ~= nil and config.data ~= printable(set.name) then
    error(("data = %s, but the task's pictures are those of %s; leave data out"):format(config.data,
      printable(set.name)), 0)
  end
  config.data = printable(set.name)
  options.settle(config, method, task)
  task:check(config)
  selection.check(config, task)
  if method.needs_anomalies and #task.anomalies == 0 then
    error(("method %s learns from known anomalies, but the task has none; give a gamma above 0"):format(method.name), 0)
  end
  return method, config, note
end

-- Whether `minutes` is still to become a number of steps.
local function is_untimed(config) return config.minutes > 0 and config.steps == 0 end

-- What a resumed run takes from the one before it: the number of threads of a deterministic one, as its results depend
-- on it, and the steps that its minutes became. Returns a note if these minutes were others.
local function take_earlier(config, dir)
  local before = rundir.config(dir)
  if not before then return nil end
  if config.deterministic then config.threads = config.threads or math.tointeger(before.threads) end
  local steps, minutes = math.tointeger(before.steps) or 0, tonumber(before.minutes) or 0
  if not is_untimed(config) then return nil end
  if not rundir.has_checkpoint(dir) then
    if minutes == config.minutes then config.steps = steps end
    return nil
  end
  if minutes == 0 or steps == 0 then
    error(("cannot resume %s: it was started without minutes; give the same options, or train without --resume")
      :format(dir), 0)
  end
  local asked = config.minutes
  config.minutes, config.steps = minutes, steps
  return asked ~= minutes and format("minutes = %g: the run goes on with the %d steps that its %g minutes became",
    asked, steps, minutes) or nil
end

-- A run with its nets, at the beginning of its first phase.
local function prepared(task, method, config)
  local set = task.set
  local self = setmetatable({task = task, method = method, config = config, steps = 0, keep = {}, history = {},
    logged = {}, losses = {}, train_seconds = 0, measuring = 0, images = 0, notes = {}, complaints = {}}, run)
  self.device = choose_device(config.device)
  self.precision, self.dtype, self.compute = choose_precision(config, self.device)
  if self.device ~= "cpu" then core.allow_tf32(self.precision == "tf32") end
  core.deterministic(config.deterministic)
  self.method_options = core.json_decode(core.json_encode(options.select(config, "method")))   -- schedules change it
  self.statistics = columns.statistics(config, options.shared("bn_eval").auto(config, method, task))
  self.augment = augment.wanted(config.augment)
  self.shape = {set.channels, set.height, set.width}
  make_nets(self)
  check_phases(self)
  phase.enter(self, 1)
  if not method.keep then self:scorer() end              -- fails now rather than after training
  local _, k, known, _, size = phase.epoch_of(self, 1)
  self.per_batch, self.known = k, known
  self.sampler = phase.sampler(self, 1)
  if #task.normals < size - k then
    table.insert(self.notes, ("there are only %d normals for a batch of %d, so that each epoch is one step with a "
      .. "smaller batch"):format(#task.normals, config.batch))
  end
  return self
end

-- Gives a run its directory. Returns whether that holds a checkpoint to continue from.
local function open_directory(self, config, o)
  self.fingerprint = checkpoint.fingerprint(self.task)
  local earlier = o.resume and rundir.reopen(o.dir)
  if o.resume and not earlier then
    self.anew = ("there is no checkpoint in %s; training starts from the beginning"):format(o.dir)
  end
  self.rundir = earlier or rundir.create(o.dir, options.canonical(config))
  self.dir = self.rundir.path
  return earlier
end

-- Times a run that has just been prepared, and prepares another one with the number of steps.
local function timed(first, config, on_event)
  on_event {kind = "work", text = "timing a training step"}
  config.steps = budget.steps(first, config.minutes)
  local self = prepared(first.task, first.method, config)
  for _, name in ipairs {"fingerprint", "anew", "rundir", "dir"} do self[name] = first[name] end
  if self.rundir then self.rundir:configure(options.canonical(config)) end
  return self
end

--- @name agad.trainer(task, given, o)
-- Prepares to train a method on a task; `run:fit()` then trains it. With the option `minutes` it first times some
-- steps, for at most a twentieth of that time.
-- @param task task
-- @param given table options: method (default "auto": agad_local for sets of files, agad for others), epochs, steps,
--   minutes, batch, seed … (`agad.options`); unknown ones are refused
-- @param o table dir: the run directory (nil: nothing is written); resume: continue the run in that directory;
--   on_event: a function for events of kind work, which say what takes time here
-- @return run fit, evaluate, save; config, nets, step, state, history
-- @raise an option is wrong, a net does not fit the pictures, or the device does not exist
-- @example run = agad.trainer(task, {net = "unet", epochs = 5}); run
function trainer.new(task, given, o)
  o = o or {}
  local before = o.resume and o.dir and rundir.has_checkpoint(o.dir) and rundir.config(o.dir) or nil
  local method, config, note = configured(task, given, before)
  local changed = o.resume and o.dir and take_earlier(config, o.dir)
  if config.threads then core.threads(config.threads) end
  config.threads = core.threads()
  local untimed = is_untimed(config)
  local self = prepared(task, method, untimed and budget.trial(config) or config)
  local earlier = o.dir and open_directory(self, config, o)
  local held = self.rundir
  local ok, reason = pcall(function()
    if untimed then
      self = timed(self, config, o.on_event or function() end)
      collectgarbage()                                   -- the memory of the timed run
    end
    if earlier then checkpoint.resume(self) end
    if not self.started then phase.start(self) end
  end)
  if not ok then
    if held then held:close() end                        -- releases the lock at once, not at the next collection
    error(reason, 0)
  end
  for _, text in ipairs {note or false, changed or false} do if text then table.insert(self.notes, text) end end
  return self
end

-- Its options are those of the method that is given.
takes(trainer.new, 2, function(given)
  local ok, method = pcall(methods.load, given.method and given.method ~= "auto" and given.method or "agad")
  local _, named = options.schema(ok and method or nil)
  return named
end)

function run:__tostring()
  local c = self.config
  local limits = (c.epochs and ("epochs = %d, "):format(c.epochs) or "") ..
    (c.steps > 0 and ("steps = %d, "):format(c.steps) or "")
  return ("agad.trainer(%s, {method = %q, net = %q, %sseed = %d})"):format(tostring(self.task), self.method.name,
    c.net or "-", limits, c.seed)
end

local function figures(values, form)
  local parts = {}
  for _, name in ipairs(sorted_keys(values)) do
    if type(values[name]) == "number" then parts[#parts + 1] = form:format(name, values[name]) end
  end
  return table.concat(parts, ", ")
end

-- What the REPL prints under the call: the nets, how far the training is, the last losses and columns.
function run:__describe()
  local lines, c = {}, self.config
  for i, name in ipairs(sorted_keys(self.nets)) do lines[i] = ("%s: %s"):format(name, tostring(self.nets[name])) end
  local limit = c.steps > 0 and (" of %d"):format(c.steps) or ""
  local epochs = c.epochs and (" of %d"):format(c.epochs) or ""
  lines[#lines + 1] = ("step %d%s, epoch %d%s, on %s in %s"):format(self.steps, limit, self.epoch, epochs, self.device,
    self.precision)
  if next(self.losses) then lines[#lines + 1] = "losses: " .. figures(self.losses, "%s %.4g") end
  local last = self.history[#self.history]
  local aurocs = {}
  for name, v in pairs(last or {}) do aurocs[name:match "^auroc_(.*)$" or ""] = v end
  aurocs[""] = nil
  if next(aurocs) then
    lines[#lines + 1] = ("AUROC after epoch %d: %s"):format(last.epoch, (figures(aurocs, "%s %.4f"):gsub("_", "-")))
  end
  return lines
end

--- The next batch of this epoch, in the form that the step takes.
-- @return tensor x, normals first; nil at the epoch's end
-- @return integer how many of its rows are normals
function run:next_batch()
  local rows, n_normal = self.sampler:next()
  if not rows then return nil end
  local x = core.batch(self.task.train.images, rows, self.method.input[1], self.method.input[2],
    {dtype = self.dtype, device = self.device})
  rawget(self.state, "source").batch = rows:totable()
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
  end
  phase.enter_epoch(self, math.max(1, math.min(self.epoch, phase.epochs(self))))     -- also where a run goes on
  local x, n_normal
  if not phase.is_cut(self) then x, n_normal = self:next_batch() end
  if not x then
    phase.leave_epoch(self)
    return self:begin_step()
  end
  phase.enter_step(self)
  self.images = self.images + x:size(1)
  self.step:begin(x, n_normal)
  return true
end

--- Runs a stage of the step that `begin_step` has begun; the last one ends the step.
-- @param number integer
-- @return string the stage's name
-- @raise the stage fails (with step and stage)
function run:run_stage(number)
  self.source = nil                                      -- scoring nets of weights that it may change
  local ok, name = errors.try(self.step.run_stage, self.step, number)
  if not ok then error(("step %d: %s"):format(self.steps + 1, errors.text(name)), 0) end
  choices.keep(self)
  if number == self.stages then self.steps = self.steps + 1 end
  return name
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

--- Gives up the run directory, so that another run may use it; this one trains on without checkpoints.
function run:close()
  if self.rundir then self.rundir:close() end
  if self.events then self.events:close() end
  self.rundir, self.events = nil, nil
end

fit.extend(run)
log.extend(run)
results.extend(run)

return trainer
