--- A training step, stage by stage: an iterator over the stages of one or more steps. Each step takes the next batch.
--     for stage, state in agad.teach(run) do print(stage, state.losses.con) end
-- Between stages every slot of the state can be read and written: state.x, state.x_hat, state.loss.con …, and
-- state.gradient_norms, state.statistics. Running all stages gives the same result, to the bit, as a step of training.
-- If a method has several phases, the next one begins after the epochs of the current one, or with run:next_phase().
-- @param run run
-- @param o table steps (1)
-- @return function returns the name of the stage that has just run (nil at the end), the state, and the stage's number
-- @raise a stage fails (with step and stage)
-- @example for stage, state in agad.teach(run, {steps = 2}) do print(stage, state.losses.con) end

local errors = require "agad.base.errors"
local options = require "agad.base.options"

local known = {steps = options.option {default = 1, min = 0}}

return function(run, o)
  local left, at, stages = options.check("teach", o, known, true).steps, 0, nil
  return function()
    if at == stages then run.steps, at, left = run.steps + 1, 0, left - 1 end
    if at == 0 then
      if left == 0 or not run:begin_step() then return nil end
      stages = run.stages
    end
    at = at + 1
    local ok, name = errors.try(run.step.run_stage, run.step, at)
    if not ok then error(("step %d: %s"):format(run.steps + 1, errors.text(name)), 0) end
    return name, run.state, at
  end
end
