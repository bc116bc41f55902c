--- A training, stage by stage. Of a task or a set it makes a lesson, which goes on by stages and steps, goes back, and
-- shows the same stage under other options:
--     lesson = agad.teach("weave", {gamma = .05})
--     lesson:next()                            -- the first stage
--     lesson:step()                            -- to the end of the step
--     lesson:what_if("adv_anom", "opposite")   -- side by side
--     lesson:set("lambda.con", 10); lesson:back(); lesson:run_to(3)
--     lesson:evaluate()                        -- AUROC of the model as it is now, and what batch statistics leak
--     lesson:plot "step.png"; lesson:save "model.safetensors"
-- Of a run it makes an iterator over the stages of one or more steps, each on the next batch:
--     for stage, state in agad.teach(run) do print(stage, state.losses.con) end
-- Between stages every slot of the state can be read and written: state.x, state.x_hat, state.loss.con …, and
-- state.gradient_norms, state.statistics. Running all stages gives the same result, to the bit, as a step of training.
-- If a method has several phases, the next one begins after the epochs of the current one, or with run:next_phase().
-- @param given task|set|string|run a string is the name of a data set
-- @param o table of a lesson: options of the task (where a set is given) and of the trainer, and memory (1000): how
--   many MB the states of earlier steps may take; of a run: steps (1)
-- @return lesson|function the iterator returns the name of the stage that has just run (nil at the end), the state, and
--   the stage's number
-- @raise an option is wrong; a stage fails (with step and stage)
-- @example lesson = agad.teach("weave", {gamma = .05}); lesson:step()
-- @example for stage, state in agad.teach(run, {steps = 2}) do print(stage, state.losses.con) end

local agad = require "agad"
local auto = require "agad.train.auto"
local configuration = require "agad.base.configuration"
local expect = require "agad.base.expect"
local lesson = require "agad.teach.lesson"
local methods = require "agad.train.method"
local options = require "agad.base.options"
local stages = require "agad.teach.stages"

-- The options of a task, and those of the trainer.
local function divided(given, set)
  local method = methods.load((auto.method(given, set.train.paths ~= nil)))
  local of_task = configuration.select(configuration.resolve(method, given), "task")
  local task, run = {}, {}
  for name, v in pairs(given) do if of_task[name] ~= nil then task[name] = v else run[name] = v end end
  return task, run
end

local function teach(given, o)
  local kind = expect.kind(given)
  if kind == "agad.run" then return stages.of(given, o) end
  if kind ~= "agad.task" and kind ~= "agad.set" and kind ~= "string" then
    agad.core.fail(("teach: give a task, a set, the name of a data set, or a run, not a %s"):format(kind))
  end
  local rest, mine = {}, {}
  if o ~= nil and type(o) ~= "table" then options.check_names("teach", o, {}, true) end
  for name, v in pairs(o or {}) do
    if lesson.options[name] then mine[name] = v else rest[name] = v end
  end
  mine = options.check("teach", mine, lesson.options, true)
  local task = given
  if kind ~= "agad.task" then
    local set = kind == "string" and agad.data.load(given) or given
    local of_task
    of_task, rest = divided(rest, set)
    task = agad.task.new(set, of_task)
  end
  return lesson.new(task, rest, mine)
end

return options.takes(teach, 2, function(given)
  local ok, method = pcall(methods.load, given.method and given.method ~= "auto" and given.method or "agad")
  local all = {steps = stages.options.steps, memory = lesson.options.memory}
  for name, d in pairs((select(2, configuration.schema(ok and method or nil)))) do all[name] = all[name] or d end
  return all
end)
