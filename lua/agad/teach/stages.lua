-- The stages of a run's steps as an iterator.

local options = require "agad.base.options"

local known = {steps = options.option {default = 1, min = 0}}

--- The stages of one or more steps, each on the next batch.
-- @param run run
-- @param o table steps (1)
-- @return function returns the name of the stage that has just run (nil at the end), the state, and the stage's number
return {options = known, of = function(run, o)
  local left, at, stages = options.check("teach", o, known, true).steps, 0, nil
  return function()
    if at == stages then at, left = 0, left - 1 end
    if at == 0 then
      if left == 0 or not run:begin_step() then return nil end
      stages = run.stages
    end
    at = at + 1
    return run:run_stage(at), run.state, at
  end
end}
