--- Phases of a training. Each has its own updates, stages and number of epochs; nets and kept tensors pass from one to
-- the next. A run is in one phase at a time (`run.phase`, from 1). `run.epoch` and `run.done` count within the phase,
-- `run.steps` counts over all phases. The option `steps` limits one phase (the method's key `limited`): it ends after
-- that many steps, in mid-epoch if need be, or after its epochs.

local agad = require "agad"
local choices = require "agad.train.choices"
local core = require "agad.core"
local errors = require "agad.base.errors"
local methods = require "agad.train.method"
local schedule = require "agad.task.schedule"
local scorer = require "agad.evaluate.scorer"
local format = require("agad.base.text").format
local states = require "agad.train.state"
local tasks = require "agad.task"

local phase = {}

-- The seeds of a run, one for each purpose, derived from its option `seed`.
function phase.seed(config, purpose) return (config.seed * 1000003 + purpose) & math.maxinteger end

--- The current phase of a run, as its method defines it.
function phase.current(run) return run.method.phases[run.phase] end

-- The configured number of epochs of the current phase; nil where only a number of steps limits it.
local function configured(run)
  local its = phase.current(run)
  local option = its.epochs or not its.steps and "epochs"
  if option == 0 then return 0 end
  return option and run.config[option] or nil
end

-- The steps of the current phase if it has this many epochs.
local function count(run, epochs)
  if epochs == 0 then return 0 end
  local function batches(epoch) return (select(4, phase.epoch_of(run, epoch, epochs))) end
  local gamma = run.config.gamma
  if type(gamma) == "number" or gamma == "all" then return batches(1) * epochs end
  local total = 0
  for epoch = 1, epochs do total = total + batches(epoch) end
  return total
end

-- The fewest epochs that have this many steps.
local function epochs_for(run, steps)
  local low, high = 0, 1                                 -- low: too few
  while count(run, high) < steps do low, high = high, 2 * high end
  while high - low > 1 do
    local middle = (low + high) // 2
    if count(run, middle) < steps then low = middle else high = middle end
  end
  return high
end

-- The run as it is in another phase, as far as numbers of steps go.
local function within(run, number) return setmetatable({phase = number, extent = {}}, {__index = run}) end

-- The number of steps that limits the current phase: its own, or the option `steps`; nil if there is none.
local function limit(run)
  local its, before = phase.current(run), 0
  if its.steps then
    for number = 1, run.phase - 1 do before = before + phase.steps(within(run, number)) end
    return its.steps(run.method_options, #run.task.anomalies, before)
  end
  return run.config.steps > 0 and run.phase == run.method.limited and run.config.steps or nil
end

--- How many epochs the current phase has; the last one may be cut short by `steps`.
function phase.epochs(run)
  if not run.extent.epochs then                          -- computed once for each phase
    local epochs, most = configured(run), limit(run)
    if most == 0 then epochs = 0 end
    if most and epochs ~= 0 then epochs = math.min(epochs or math.maxinteger, epochs_for(run, most)) end
    run.extent.epochs = epochs
  end
  return run.extent.epochs
end

--- The number of steps in the current phase.
function phase.steps(run)
  if not run.extent.steps then
    local total = count(run, phase.epochs(run))
    run.extent.steps = math.min(limit(run) or total, total)
  end
  return run.extent.steps
end

--- The number of steps in the phases after the current one.
function phase.steps_after(run)
  if not run.extent.after then
    local after = 0
    for number = run.phase + 1, #run.method.phases do
      after = after + phase.steps(within(run, number))
    end
    run.extent.after = after
  end
  return run.extent.after
end

--- Whether nothing but a number of steps limits the current phase.
function phase.counts_steps(run) return limit(run) ~= nil and not configured(run) end

--- Whether a number of steps ends the current phase here, before the end of its last epoch.
function phase.is_cut(run)
  return limit(run) ~= nil and run.epoch == phase.epochs(run) and run.steps - run.phase_began >= phase.steps(run)
end

--- Whether a run is in its last phase, the only one in which it can be scored.
function phase.is_last(run) return run.phase == #run.method.phases end

-- A setting of an update: a number or the name of an option; if absent, the trainer's option applies.
local function own(run, value, standard)
  if type(value) == "string" then return run.config[value] end
  return value or standard
end

-- The learning rate of an update: its own, or else lr, times the phase's `rate` in this epoch.
local function rate_of(run, update, base, epoch)
  local its, factor = phase.current(run), 1
  if its.rate then factor = its.rate(run.method_options, epoch, phase.epochs(run)) end
  return own(run, its.updates[update].lr, base) * factor
end

-- The updates of a phase whose option `when` is not off; and the stages of those that are left out.
local function updates_of(run, its)
  local updates, left_out = {}, {}
  for name, update in pairs(its.updates or {}) do
    local switch = update.when == nil or run.method_options[update.when]
    if switch and switch ~= 0 then updates[name] = update else left_out[name .. "_update"] = true end
  end
  return updates, left_out
end

-- The option `ema` as the step takes it: a decay, or a share of the steps so far.
local function average_of(ema)
  local part, whole = tostring(ema):match "^(%d+)/(%d+)$"
  return part and {share = part / whole} or {decay = ema}
end

local function build_step(run)
  local its, c = phase.current(run), run.config
  local updates, left_out = updates_of(run, its)
  local step = core.step(run.method.name, methods.encode(run.method, run.method_options), run.method.family)
  for name, net in pairs(run.nets) do step:add_net(name, net) end
  local trained = {}
  for name, update in pairs(updates) do
    step:add_update(name, update.nets, {lr = rate_of(run, name, c.lr, 1), beta1 = c.betas[1], beta2 = c.betas[2],
      eps = c.adam_eps, weight_decay = own(run, update.weight_decay, c.weight_decay), clip = c.grad_clip,
      accumulate = c.accumulate, optimiser = update.optimiser or "adam"})
    for _, net in ipairs(update.nets) do trained[net] = true end
  end
  run.averaged = {}
  for _, name in ipairs(c.ema ~= 0 and run.method.average or {}) do
    if trained[name] then
      step:add_average(name, average_of(c.ema))
      run.averaged[name] = true
    end
  end
  run.stages = 0                                         -- how many there are
  for _, stage in ipairs(its.step or {}) do
    if type(stage) == "table" then step:add_stage(stage[1], stage[2])
    elseif not left_out[stage] then step:add_stage(stage) end
    run.stages = run.stages + (left_out[stage] and 0 or 1)
  end
  local guard, o = run.method.guard, run.method_options
  if guard and updates[guard.update] then
    step:guard(guard.update, o[guard.below], o[guard.moments] ~= "keep", phase.seed(c, 3))
  end
  return step
end

-- The mean of a net's first output over the training pictures, known anomalies included, with running statistics.
local function mean_output(run, name)
  local net = run.nets[name] or error(("mean: there is no net %s"):format(tostring(name)), 0)
  local rows = table.move(run.task.normals, 1, #run.task.normals, 1, {})
  table.move(run.task.anomalies, 1, #run.task.anomalies, #rows + 1, rows)
  local input = run.method.input
  local all = core.score(net, tasks.pictures(run.task.train, rows), {low = input[1], high = input[2],
    batch = run.config.eval_batch, bn = "running", output = net:info().outputs[1]})
  return all:mean {dim = 1}:to {device = run.device, dtype = run.dtype}
end

-- What a program computes of pictures (agad.train.state's outputs).
local function outputs(run, build, pictures)
  local method = {name = run.method.name, score = function(...) return (build(...)) end}
  local program = scorer.program(method, "own", run.programs, run.shape, run.keep)
  local net = scorer.net(program, run:tensors(false), false, {dtype = run.dtype, device = run.device})
  return scorer.score(net, pictures, {input = run.method.input, batch = run.config.eval_batch})
end

--- Moves a run to the beginning of a phase; computes nothing yet.
-- @param run run
-- @param number integer
function phase.enter(run, number)
  run.phase, run.epoch, run.done, run.phase_began, run.started, run.extent = number, 0, 0, run.steps, false, {}
  run.step, run.rates, run.rate_factor = build_step(run), {}, 1
  choices.begin(run)
  run.step:seed(phase.seed(run.config, 500 + number))
  run.state = states.new(run.step, run.nets, run.method_options, run.keep, {task = run.task, seed = run.config.seed,
    mean = function(net) return mean_output(run, net) end,
    outputs = function(build, pictures) return outputs(run, build, pictures) end,
    done = function() return run.steps - run.phase_began end, total = function() return phase.steps(run) end})
  run.step:set_state(run.state)
end

--- Runs a phase's `start`, which computes what the method keeps.
-- @raise `start` fails (with the name of the phase), or keeps a tensor that the method's `keep` does not list; or it is
--   interrupted, and can then be run again
function phase.start(run)
  local its, before = phase.current(run), {}
  if its.start then
    for name, t in pairs(run.keep) do before[name] = t end
    run.step:exchange_random()
    local ok, reason = errors.try(agad.no_grad, function() its.start(run.state) end)
    run.step:exchange_random()
    if not ok and errors.is_interruption(reason) then
      run.step:seed(phase.seed(run.config, 500 + run.phase))
      for name in pairs(run.keep) do run.keep[name] = before[name] end
    end
    if not ok then
      error(("method %s: the start function of phase %s: %s"):format(run.method.name, its.name, errors.text(reason)), 0)
    end
  end
  local listed = {}
  for _, name in ipairs(run.method.keep or {}) do listed[name] = true end
  for name in pairs(run.keep) do
    if not listed[name] then error(("method %s: 'keep' does not list %s"):format(run.method.name, name), 0) end
  end
  run.started = true
end

-- Gives nets their averaged weights, unless the phase with this number trains them.
local function settle(run, number)
  local trained = {}
  for _, update in pairs((updates_of(run, run.method.phases[number]))) do
    for _, net in ipairs(update.nets) do trained[net] = true end
  end
  agad.no_grad(function()
    for name in pairs(run.averaged) do
      local average = not trained[name] and run.step:average(name) or {}
      for i, t in ipairs(average) do run.nets[name]:params()[i].tensor:copy_(t) end
    end
  end)
end

--- Moves on from a finished phase to the next one, and runs its `start`.
-- @return boolean false if there is no next phase
-- @raise as `phase.start`; the run is then in the next phase, which is still to be started
function phase.next(run)
  if phase.is_last(run) then return false end
  settle(run, run.phase + 1)
  if run.done > 0 then run.epochs_before = run.done end
  phase.enter(run, run.phase + 1)
  phase.start(run)
  return true
end

--- What an epoch trains on. If gamma is a schedule, the number of known anomalies changes from epoch to epoch. The
-- method's key `anomalies` names the options for the minimum number of anomalies in a batch, and for whether they count
-- towards the batch size or are added on top; batches have none where it says in_batches = false.
-- @param run run
-- @param epoch integer
-- @param epochs integer of the phase (default: as many as it has)
-- @return number gamma
-- @return integer anomalies per batch
-- @return integer known anomalies
-- @return integer batches in the epoch
-- @return integer pictures per batch, including anomalies added on top ("append")
function phase.epoch_of(run, epoch, epochs)
  local c, o, anomalies = run.config, run.method_options, run.method.anomalies or {}
  local least, mode = anomalies.least and o[anomalies.least] or 0, anomalies.mode and o[anomalies.mode] or "within"
  local gamma = run.task:gamma_at(c.gamma, epoch, epochs or phase.epochs(run))
  local known = run.task:count_at(gamma)
  local k = known > 0 and anomalies.in_batches ~= false and core.data.anomalies_per_batch(c.batch, least, gamma) or 0
  local size = mode == "append" and c.batch + k or c.batch
  return gamma, k, known, math.max(1, #run.task.normals // (size - k)), size
end

--- A run's sampler, as it is before the first step: it draws the batches of an epoch with these known anomalies.
function phase.sampler(run, epoch)
  local gamma, k, _, _, size = phase.epoch_of(run, epoch)
  return core.data.sampler(run.task.normals, run.task:anomalies_at(gamma), size, k, phase.seed(run.config, 2))
end

--- Whether batch norm sees known anomalies among the normals in an epoch's batches.
function phase.mixes(run, epoch)
  local _, k = phase.epoch_of(run, epoch)
  local apart = (run.method.anomalies or {}).apart
  return k > 0 and not (apart and apart(run.method_options))
end

--- What batch norm sees in an epoch: the batches that the sampler draws first, with the known anomalies of that epoch.
-- @param run run
-- @param epoch integer
-- @return list rows of the train split, batch after batch
-- @return integer how many rows make a batch
function phase.mixture(run, epoch)
  local sampler, rows, size = phase.sampler(run, epoch), {}, nil
  local drawn = sampler:next()
  while drawn do
    size = drawn:size(1)                                 -- of each of them, as a short last one is left out
    table.move(drawn:totable(), 1, size, #rows + 1, rows)
    drawn:close()
    drawn = sampler:next()
  end
  return rows, size
end

--- The training pictures of an epoch: the normals, and the known anomalies spread evenly among them.
-- @param run run
-- @param epoch integer
-- @return list rows of the train split
function phase.pictures(run, epoch)
  local normals, known = run.task.normals, run.task:anomalies_at((phase.epoch_of(run, epoch)))
  local rows, used = {}, 0
  for i, row in ipairs(normals) do
    rows[#rows + 1] = row
    local due = i * #known // #normals
    table.move(known, used + 1, due, #rows + 1, rows)
    used = due
  end
  return rows
end

-- Sets lr and the method's numbers to their values in this epoch, where a schedule or the phase's rate changes them.
local function apply_schedules(run, epoch)
  local epochs, lr = phase.epochs(run), run.config.lr
  for name, spec in pairs(run.config.schedule or {}) do
    local value = schedule.value(spec, epoch, epochs)
    if name == "lr" then lr = value
    else
      run.step:set_option(name, value)
      local outer, inner = name:match "^(.-)%.(.+)$"
      if outer then run.method_options[outer][inner] = value else run.method_options[name] = value end
    end
  end
  for _, update in ipairs(run.step:updates()) do
    run.rates[update] = rate_of(run, update, lr, epoch)
    run.step:set_rate(update, run.rates[update])
  end
end

--- Sets the rates of the next step, where the phase has them by step.
-- @raise `rate_of_step` gives no number from 0
function phase.enter_step(run)
  local its = phase.current(run)
  if not its.rate_of_step then return end
  local total = phase.steps(run)
  local factor = its.rate_of_step(run.method_options, math.min(run.steps - run.phase_began, total), total)
  if type(factor) ~= "number" or not (factor >= 0 and factor < math.huge) then
    error(format("method %s: rate_of_step gives %s; a number from 0 is needed", run.method.name, tostring(factor)), 0)
  end
  run.rate_factor = factor
  for update, rate in pairs(run.rates) do run.step:set_rate(update, rate * factor) end
end

--- The learning rates of the latest step.
-- @return table update -> number
function phase.rates(run)
  local rates = {}
  for update, rate in pairs(run.rates) do rates[update] = rate * run.rate_factor end
  return rates
end

--- Sets what depends on the epoch: the values of schedules, and the known anomalies that are trained on.
-- @return number gamma
function phase.enter_epoch(run, epoch)
  apply_schedules(run, epoch)
  local gamma, k, known, _, size = phase.epoch_of(run, epoch)
  if k == run.per_batch and known == run.known then return gamma end
  run.sampler:set_anomalies(run.task:anomalies_at(gamma), k, size)
  run.per_batch, run.known = k, known
  return gamma
end

--- Ends an epoch: the sampler draws anew, and the guard has another spare initialisation.
function phase.leave_epoch(run)
  run.sampler:next_epoch()
  run.step:spare(phase.seed(run.config, 1000 + run.epoch))
  run.done = run.epoch
end

return phase
