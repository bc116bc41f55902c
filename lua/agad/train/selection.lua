--- Selection of an epoch: `selection = best_val` keeps the weights of the best epoch, chosen without test labels.

local format = require("agad.base.text").format
local columns = require "agad.evaluate.columns"
local core = require "agad.core"
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"

local selection = {}

--- Refuses a selection that is impossible with the task and the options.
-- @raise best_val or patience is set, but no normals are held out or nothing is evaluated during training
function selection.check(config, task)
  if config.selection ~= "best_val" and config.patience == 0 then return end
  if #task.held_out == 0 or config.evaluate_every == 0 then
    local what = config.patience > 0 and "patience" or "selection = best_val"
    error(format("%s needs held-out normals and evaluations: set holdout (now %g) and evaluate_every (now %d) above 0",
      what, task.options.holdout or 0, config.evaluate_every), 0)
  end
end

--- The criterion for an epoch: the AUROC of known training anomalies against held-out normals or, without known
-- anomalies, minus the mean score of held-out normals. Higher is better.
-- @param source table net, input
-- @return number
-- @return string its name
function selection.criterion(source, task, config)
  local column, batch = columns.own(config, source), config.eval_batch
  local net = assert(source.net(column.weights, column.bn))
  local how = columns.how(source, column, batch)
  local normal = scorer.score(net, tasks.pictures(task.train, task.held_out), how)
  if #task.anomalies == 0 then return -normal:mean():item(), "mean held-out score" end
  local scores = scorer.score(net, tasks.pictures(task.train, task.anomalies), how):totable()
  local truth, n = {}, #scores
  for i, s in ipairs(normal:totable()) do scores[n + i] = s end
  for i = 1, #scores do truth[i] = i <= n and 1 or 0 end
  return core.metrics.auroc(scores, truth), "AUROC of known anomalies against held-out normals"
end

--- The better of the best epoch so far and this one; keeps copies of its weights.
-- @param best table or nil: epoch, value, criterion, tensors (by name)
-- @param epoch integer
-- @param tensors table name -> tensor, of this epoch
-- @return table
function selection.better(best, epoch, value, criterion, tensors)
  if value ~= value or best and best.value >= value then return best end
  local copies = {}
  for name, t in pairs(tensors) do copies[name] = t:clone() end
  return {epoch = epoch, value = value, criterion = criterion, tensors = copies}
end

return selection
