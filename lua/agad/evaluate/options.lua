-- The options of evaluation, and its presets.

local configuration = require "agad.base.configuration"
local format = require("agad.base.text").format
local known_in_batches = require "agad.task.known"
local option = require("agad.base.options").option
local scores = require "agad.evaluate.scores"

configuration.define_presets("preset", {
  steady = {bn_eval = {"auto", "recalibrated", "training", "mixture"}, test_order = "shuffled", selection = "last"},
  plain = {bn_eval = "running", test_order = "shuffled", selection = "last"},
  paper_like = {bn_eval = "batch", test_order = "sorted", selection = "best_on_test"},
})

local statistics = {
  auto = "mixture where batches have known anomalies, or else recalibrated",
  recalibrated = "those of the normal training pictures",
  training = "those of the training pictures, known anomalies once each among the normals",
  mixture = "those of training batches, with the known anomalies in them",
  running = "the running ones of the training",
  batch = "those of the pictures that are scored together",
}

local function auto(config, method, task)
  local known = known_in_batches(config, method, task)
  if known == nil then return nil end
  return known and method.recalibrate ~= false and "mixture" or "recalibrated"
end

-- The name of the same fact as a quantile of the scores of held-out normals.
configuration.define_alias("threshold_quantile", "false_alarms", option {kind = "number", above = 0, below = 1},
  function(quantile) return tonumber(format("%.12g", 1 - quantile)) end)

return configuration.define("evaluation", {
  preset = option {choices = {"steady", "plain", "paper_like"}, flag = "NAME",
    help = "the column (way of scoring) reported as auroc"},
  bn_eval = option {choices = {"auto", "recalibrated", "training", "mixture", "running", "batch"}, auto = auto,
    help = "batch-norm statistics used for scoring", about = function(name) return statistics[name] end},
  test_order = option {choices = {"shuffled", "sorted"}, help = "order of the test pictures"},
  eval_batch = option {default = 256, min = 1, max = 1 << 24, help = "pictures per scoring batch"},
  selection = option {choices = {"last", "best_val", "best_on_test"}, help = "which epoch's weights are scored"},
  score = option {kind = "string", help = "the anomaly score; default: the method's first one",
    about = function(name) return scores[name] and scores[name].help or "the method's own" end},
  false_alarms = option {default = 0.05, min = 0, below = 1, flag = "RATE",
    help = "the threshold: this share of the held-out normals is above it"},
  foreign = option {choices = {"convert", "refuse"}, results = false,
    help = "pictures to score that differ in size or colour from those of the training"},
})
