-- The options of evaluation, and its presets.

local configuration = require "agad.base.configuration"
local option = require("agad.base.options").option
local scores = require "agad.evaluate.scores"

configuration.define_presets("preset", {
  steady = {bn_eval = "recalibrated", test_order = "shuffled", selection = "last"},
  plain = {bn_eval = "running", test_order = "shuffled", selection = "last"},
  paper_like = {bn_eval = "batch", test_order = "sorted", selection = "best_on_test"},
})

return configuration.define("evaluation", {
  preset = option {choices = {"steady", "plain", "paper_like"}, flag = "NAME",
    help = "the column (way of scoring) reported as auroc"},
  bn_eval = option {choices = {"recalibrated", "running", "batch"}, help = "batch-norm statistics used for scoring"},
  test_order = option {choices = {"shuffled", "sorted"}, help = "order of the test pictures"},
  eval_batch = option {default = 256, min = 1, max = 1 << 24, help = "pictures per scoring batch"},
  selection = option {choices = {"last", "best_val", "best_on_test"}, help = "which epoch's weights are scored"},
  score = option {kind = "string", help = "the anomaly score; default: the method's first one",
    about = function(name) return scores[name] and scores[name].help or "the method's own" end},
  threshold_quantile = option {default = 0.95, above = 0, below = 1,
    help = "the threshold: this quantile of the scores of held-out normals"},
})
