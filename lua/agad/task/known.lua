-- Whether training batches have known anomalies, which `ema = auto` and `bn_eval = auto` depend on.

local schedule = require "agad.task.schedule"

--- @param config table gamma
-- @param method table anomalies
-- @param task task or nil
-- @return boolean nil if only the task can say it (gamma is "all" or a function)
return function(config, method, task)
  if (method.anomalies or {}).in_batches == false then return false end
  if type(config.gamma) == "number" then return config.gamma > 0 end
  if task then return #task.anomalies > 0 end
  local most = config.gamma ~= "all" and schedule.largest(config.gamma) or nil
  if most then return most > 0 end
end
