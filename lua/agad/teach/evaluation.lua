-- What a lesson's model is worth as it is now: AUROC in three columns, and how far the statistics of the test batches
-- alone, without a net, tell normal from anomalous pictures.

local columns = require "agad.evaluate.columns"
local core = require "agad.core"
local format = require("agad.base.text").format
local report = require "agad.evaluate.report"

local SHUFFLES = 20

local evaluation, result = {}, {__name = "agad.evaluation"}

local about = {
  {"steady", "averaged weights, recalibrated batch norm"},
  {"plain", "last weights, running statistics"},
  {"paper_like", "last weights, statistics of the test batch, sorted"},
}

function result.__tostring(e)
  return format("AUROC after %d steps (epoch %d), %d normals against %d anomalies", e.steps, e.epoch, e.normals,
    e.anomalies)
end

function result.__describe(e, width)
  local lines = {{"column", "AUROC", "how pictures are scored"}}
  for _, c in ipairs(about) do
    local auroc = e["auroc_" .. c[1]]
    lines[#lines + 1] = {(c[1]:gsub("_", "-")), auroc and format("%.4f", auroc) or "-", c[2]}
  end
  lines[#lines + 1] = {"no net", format("%.4f", e.thermometer_shuffled), "mean and spread of a batch, shuffled"}
  lines[#lines + 1] = {"no net", format("%.4f", e.thermometer_sorted), "mean and spread of a batch, sorted by label"}
  local out, text = {}, report.align(lines)
  if text:find(("[^\n]"):rep((width or 77) + 1)) then       -- no room for a table
    for i = 2, #lines do out[#out + 1] = ("%s %s: %s"):format(table.unpack(lines[i])) end
    return out
  end
  for line in text:gmatch "[^\n]+" do out[#out + 1] = line end
  return out
end

--- Evaluates a run with its weights as they are now.
-- @param run run
-- @return evaluation steps, epoch, normals, anomalies, auroc_steady, auroc_plain, auroc_paper_like (nil where one
--   cannot be had), thermometer_shuffled, thermometer_sorted (AUROC of batch statistics without a net)
-- @raise as run:evaluate; there are no test pictures
function evaluation.of(run)
  local task, batch = run.task, run.config.eval_batch
  if not task.test or #task.test.anomalous == 0 then error("evaluate: there are no test pictures", 0) end
  local row, counts = run:evaluate(), task.counts
  local e = {steps = run.steps, epoch = run.epoch, normals = counts.test_normals, anomalies = counts.test_anomalies}
  for _, c in ipairs(about) do
    local auroc = row["auroc_" .. c[1]]
    e["auroc_" .. c[1]] = auroc ~= core.null and auroc or nil
  end
  local function thermometer(o)
    o.batch = batch
    return core.metrics.thermometer(task.train.images, task.normals, task.test.images, task.test.anomalous, o)
  end
  e.thermometer_shuffled = thermometer {shuffles = SHUFFLES}
  e.thermometer_sorted = thermometer {order = columns.rows(task.test, "sorted")}
  return setmetatable(e, result)
end

return evaluation
