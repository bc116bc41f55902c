--- Checks that an AUROC should be read with: do the test batches leak labels, does a simple picture statistic separate
-- as well, and does the error map point at the defect?

local columns = require "agad.evaluate.columns"
local core = require "agad.core"
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"
local format = require("agad.base.text").format

local checks = {}

local SHUFFLES, SAMPLE, TOLERANCE = 20, 256, 1e-5
local LEAKS, SEPARATES = 0.75, 0.90
local MAX_FPR = 0.3

-- The largest relative difference between scores of a sample in order, and in reverse order with another batch size.
-- Scores that are small beside the range of all of them, as sums of standardised ones can be, are compared with that.
local function order_difference(source, task, result, batch)
  local rows, places, n = {}, {}, #result.rows
  for i = 1, math.min(SAMPLE, n) do
    places[i] = (i - 1) * n // math.min(SAMPLE, n)
    rows[i] = result.rows[places[i] + 1]
  end
  local pictures = tasks.pictures(task.test, rows)
  local how = columns.how(source, result.column, math.min(batch, math.max(1, #rows // 2)))
  local a
  if how.bn == "batch" then a = scorer.score(result.net, pictures, how)
  else a = result.scores:index_select(1, core.from_table(places, "int64")) end
  how.batch = how.batch > 1 and how.batch // 2 + 1 or 2
  local b = scorer.score(result.net, pictures:flip {1}, how):flip {1}
  local size = a:abs():maximum(b:abs()):clamp {min = math.max(1e-30, (a:max() - a:min()):item())}
  return ((a - b):abs() / size):max():item()
end

--- Runs the leak checks on the column called `auroc`.
-- @param result table as `columns.scores` returns it
-- @param batch integer pictures per scoring batch
-- @return table thermometer (AUROC of a detector that sees only batch statistics), order_invariant (whether scores stay
--   the same in another order), order_difference (the largest relative change)
-- @return list notes
function checks.leak(source, task, result, batch)
  local o, notes = {batch = batch}, {}
  if result.column.order == "sorted" then o.order = result.rows else o.shuffles = SHUFFLES end
  local leak = {thermometer = core.metrics.thermometer(task.train.images, task.normals, task.test.images,
    task.test.anomalous, o)}
  leak.order_difference = order_difference(source, task, result, batch)
  leak.order_invariant = leak.order_difference <= TOLERANCE
  if result.column.bn == "batch" and leak.thermometer > LEAKS then
    notes[1] = format("leak: batch statistics alone reach an AUROC of %.2f without a network; with bn_eval = batch " ..
      "the network can use them", leak.thermometer)
  elseif not leak.order_invariant and result.column.bn ~= "batch" then
    notes[1] = format("leak: scores change by %.1e (relative) with order or batch size", leak.order_difference)
  end
  return leak, notes
end

--- The shortcut check: the AUROC of each single statistic of the test pictures.
-- @param task task
-- @param auroc number the model's, or nil
-- @return table the best one: {name, auroc}
-- @return list all of them
-- @return list notes
function checks.shortcuts(task, auroc)
  local all, best = core.data.shortcut(task.test.images, task.test.anomalous, task.test.origin), nil
  for _, s in ipairs(all) do if not best or s.auroc > best.auroc then best = s end end
  if best.auroc >= SEPARATES or auroc and best.auroc > auroc then
    local more = auroc and best.auroc > auroc and ", more than the model" or ""
    return best, all, {format("shortcut: %s of the picture alone reaches %.2f%s: the classes may differ by camera, " ..
      "light or file, not by defect", best.name, best.auroc, more)}
  end
  return best, all, {}
end

-- The rows whose defective pixels are known: all but those of anomalous pictures whose masks mark nothing.
local function located(rows, task)
  local marked, known = task.test.masks:flatten(2):any(2):totable(), {}
  for _, row in ipairs(rows) do
    local is = marked[row + 1]
    if task.test.anomalous[row + 1] == 0 or is == true or is == 1 then known[#known + 1] = row end
  end
  return known
end

--- Pixel AUROC and PRO (up to a false-positive rate of .3) of the error maps. An anomalous picture without a mask, or
-- with one that marks nothing, is left out, as its defective pixels are unknown.
-- @return table pixel_auroc, pro, regions; or nil
-- @return string the reason; or, with a result, a note of what was left out, if anything
function checks.localisation(source, task, result, batch)
  local masks = task.test.masks
  if not masks then return nil, "the test pictures have no masks" end
  local shape = masks.shape
  local known = located(result.rows, task)
  local localiser = core.metrics.localiser(#known, shape[2], shape[3])
  local how = columns.how(source, result.column, batch)
  local defective, pixels = 0, #known * shape[2] * shape[3]
  for first = 1, #known, batch do
    local rows = table.move(known, first, math.min(first + batch - 1, #known), 1, {})
    local maps = scorer.maps(result.net, tasks.pictures(task.test, rows), how)
    if not maps then return nil, "the method gives no error map" end
    local here = masks:index_select(1, core.from_table(rows, "int64"))
    defective = defective + here:ne(0):sum():item()
    localiser:add(maps, here)
  end
  if defective == 0 or defective == pixels then
    return nil, ("%d defective and %d normal pixels, but both are needed"):format(defective, pixels - defective)
  end
  local left_out = #result.rows - #known
  return localiser:result(MAX_FPR), left_out > 0 and ("%d of the %d anomalous test pictures %s left out, as their " ..
    "masks are missing or mark nothing"):format(left_out, task.counts.test_anomalies, left_out == 1 and "is" or "are")
    or nil
end

return checks
