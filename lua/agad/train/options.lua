-- The options of the trainer, for every method.

local configuration = require "agad.base.configuration"
local options = require "agad.base.options"
local schedule = require "agad.task.schedule"

local option = options.option

local function device(key, _, v)
  if v == "cuda:0" then return "cuda" end
  if v == "auto" or v == "cpu" or v == "cuda" or (type(v) == "string" and v:find("^cuda:%d+$")) then return v end
  error(("%s = %s: it must be auto, cpu, cuda or cuda:N"):format(key, options.show(v)), 0)
end

return configuration.define("trainer", {
  method = option {default = "agad", flag = "NAME", help = "the method"},
  epochs = option {default = 35, min = 1, flag = "N", help = "passes over the normals"},
  batch = option {default = 256, min = 1, flag = "N", help = "images in a step"},
  lr = option {default = 2e-4, min = 0, help = "Adam's step size"},
  betas = option {default = {0.5, 0.999}, of = "number", count = 2, min = 0, below = 1, help = "Adam's decay rates"},
  adam_eps = option {default = 1e-8, above = 0, help = "Adam's epsilon"},
  weight_decay = option {default = 0.0, min = 0, help = "coupled L2"},
  schedule = option {kind = schedule.of_option,
    help = "lr or a number of the method, over epochs: schedule.lr=cosine:2e-4:0"},
  grad_clip = option {default = 0.0, min = 0, help = "largest norm of an update's gradient, 0 = off"},
  accumulate = option {default = 1, min = 1, help = "micro-batches in a step"},
  ema = option {default = 0.99, min = 0, below = 1, help = "average of the scoring weights over steps, 0 = off"},
  augment = {
    flip = option {default = false, help = "half of the pictures are flipped left to right"},
    shift = option {default = 0, min = 0, unit = "pixels", help = "pictures are shifted by up to so many pixels"},
    brightness = option {default = 0.0, min = 0, max = 1, help = "and made brighter or darker by up to this share"},
  },
  precision = option {choices = {"auto", "fp32", "tf32", "bf16", "fp64"}, flag = "P", help = "arithmetic of the nets"},
  device = option {kind = device, default = "auto", results = false, flag = "D", help = "auto, cpu, cuda or cuda:N"},
  seed = option {default = 1, min = 0, flag = "N", help = "weights, sampler, noise"},
  deterministic = option {default = false, help = "the same numbers to the bit"},
  threads = option {kind = "integer", min = 1, flag = "N", help = "CPU threads; default: all cores",
    results = function(config) return config.deterministic end},
  checkpoint_steps = option {default = 0, min = 0, results = false,
    help = "steps between checkpoints, 0 = at the end only"},
  checkpoint_minutes = option {default = 0.0, min = 0, results = false,
    help = "minutes between checkpoints, 0 = at the end only"},
  log_every = option {default = 10, min = 1, results = false, help = "steps between lines of the log"},
  patience = option {default = 0, min = 0,
    help = "evaluations without a better score of the held-out normals before training stops, 0 = never"},
  evaluate_every = option {default = 0, min = 0, help = "epochs between evaluations, 0 = at the end only"},
})
