-- The table of options: names, groups, types, defaults and ranges (the protocol's section 5), and the evaluation
-- presets. `options.lua` reads it.

local UNSET = nil          -- in the default's column: no value unless one is given

-- group, name, kind, default, description; ranges: min, max (inclusive), above, below (exclusive)
local definitions = {
  {"task", "data", "string", UNSET, "data set: a known name or a folder"},
  {"task", "normal", "class_or_list", UNSET, "the normal class, a superclass, or a list"},
  {"task", "anomaly", "class_or_list", UNSET, "leave_one_out: the anomalous class"},
  {"task", "gamma", "schedule", 0.0, "share of known anomalies, a/(n+a), or a schedule", min = 0, below = 1},
  {"task", "anom_classes", "classes", "all", "classes the known anomalies come from: all, how many, or a list"},
  {"task", "protocol", "choice", "one_vs_rest", "what is normal", choices = {"one_vs_rest", "leave_one_out"}},
  {"task", "test_set", "choice", "official", "test split", choices = {"official", "ganomaly"}},
  {"task", "force", "boolean", UNSET, "test_set = ganomaly with gamma > 0, though test pictures are trained on"},
  {"task", "holdout", "number", UNSET, "share of the normals held out for the threshold", min = 0, below = 1},
  {"task", "limit", "integer", UNSET, "at most this many normals", min = 1},
  {"task", "test_limit", "integer", UNSET, "at most this many anomalies are tested, the same for every seed", min = 1},
  {"task", "size", "integer", UNSET, "pictures are resized to this side", min = 8},
  {"task", "channels", "integer", UNSET, "1 (grey) or 3 (colour)", choices = {1, 3}},
  {"task", "fit", "choice", "resize", "how pictures reach that size", choices = {"resize", "crop", "pad"}},
  {"task", "filter", "choice", "bilinear", "how they are resized", choices = {"bilinear", "area"}},
  {"task", "fast_decode", "boolean", false, "JPEG at a fraction of its size where that is enough: other pixels"},
  {"task", "strict", "boolean", false, "a file that cannot be read is an error"},
  {"task", "outside", "boolean", false, "a manifest may name pictures outside its folder"},
  {"task", "cache", "cache", true, "decoded pictures are kept: true (in the user's cache), false, or a path"},
  {"task", "task_seed", "integer", UNSET, "which anomalies are known; default: seed", min = 0},

  {"trainer", "method", "string", "agad", "the method"},
  {"trainer", "epochs", "integer", 35, "passes over the normals", min = 1},
  {"trainer", "batch", "integer", 256, "images in a step", min = 1},
  {"trainer", "lr", "number", 2e-4, "Adam's step size", min = 0},
  {"trainer", "betas", "list", {0.5, 0.999}, "Adam's decay rates", of = "number", count = 2, min = 0, below = 1},
  {"trainer", "adam_eps", "number", 1e-8, "Adam's epsilon", above = 0},
  {"trainer", "weight_decay", "number", 0.0, "coupled L2", min = 0},
  {"trainer", "schedule", "schedules", UNSET, "lr or a number of the method, over epochs: schedule.lr=cosine:2e-4:0"},
  {"trainer", "grad_clip", "number", 0.0, "largest norm of an update's gradient, 0 = off", min = 0},
  {"trainer", "accumulate", "integer", 1, "micro-batches in a step", min = 1},
  {"trainer", "ema", "number", 0.99, "average of the scoring weights over steps, 0 = off", min = 0, below = 1},
  {"trainer", "augment.flip", "boolean", false, "half of the pictures are flipped left to right"},
  {"trainer", "augment.shift", "integer", 0, "pictures are shifted by up to so many pixels", min = 0},
  {"trainer", "augment.brightness", "number", 0.0, "and made brighter or darker by up to this share", min = 0, max = 1},
  {"trainer", "precision", "choice", "auto", "arithmetic of the nets",
    choices = {"auto", "fp32", "tf32", "bf16", "fp64"}},
  {"trainer", "device", "device", "auto", "auto, cpu, cuda or cuda:N"},
  {"trainer", "seed", "integer", 1, "weights, sampler, noise", min = 0},
  {"trainer", "deterministic", "boolean", false, "the same numbers to the bit"},
  {"trainer", "threads", "integer", UNSET, "CPU threads; default: all cores", min = 1},
  {"trainer", "checkpoint_steps", "integer", 0, "steps between checkpoints, 0 = at the end only", min = 0},
  {"trainer", "checkpoint_minutes", "number", 0.0, "minutes between checkpoints, 0 = at the end only", min = 0},
  {"trainer", "log_every", "integer", 10, "steps between lines of the log", min = 1},
  {"trainer", "patience", "integer", 0,
    "evaluations without a better score of the held-out normals before training stops, 0 = never", min = 0},
  {"trainer", "evaluate_every", "integer", 0, "epochs between evaluations, 0 = at the end only", min = 0},

  {"evaluation", "preset", "choice", "steady", "which column is called auroc",
    choices = {"steady", "plain", "paper_like"}},
  {"evaluation", "bn_eval", "choice", "recalibrated", "batch norm when scoring",
    choices = {"recalibrated", "running", "batch"}},
  {"evaluation", "test_order", "choice", "shuffled", "order of the test images", choices = {"shuffled", "sorted"}},
  {"evaluation", "eval_batch", "integer", 256, "images in a scoring batch", min = 1},
  {"evaluation", "selection", "choice", "last", "which epoch counts", choices = {"last", "best_val", "best_on_test"}},
  {"evaluation", "score", "string", UNSET, "the anomaly score; default: the method's first"},
  {"evaluation", "threshold_quantile", "number", 0.95, "quantile of held-out normal scores", above = 0, below = 1},
}

local presets = {
  steady = {bn_eval = "recalibrated", test_order = "shuffled", selection = "last"},
  plain = {bn_eval = "running", test_order = "shuffled", selection = "last"},
  paper_like = {bn_eval = "batch", test_order = "sorted", selection = "best_on_test"},
}

return {definitions = definitions, presets = presets}
