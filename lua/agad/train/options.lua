-- The options of the trainer, for every method.

local configuration = require "agad.base.configuration"
local known_in_batches = require "agad.task.known"
local options = require "agad.base.options"
local schedule = require "agad.task.schedule"

local option = options.option

-- What the core takes: numbers that single precision holds, and counts that 32 bits hold.
local MOST, MOST_STEPS = 1e30, 0x7fffffff

local function device(key, _, v)
  if v == "cuda:0" then return "cuda" end
  if v == "auto" or v == "cpu" or v == "cuda" or (type(v) == "string" and v:find("^cuda:%d+$")) then return v end
  error(("%s = %s: it must be auto, cpu, cuda or cuda:N"):format(key, options.show(v)), 0)
end

local function methods() return require("agad.train.method").names() end

-- A decay, or a share of the steps so far as text, in lowest terms: "2/8" and "1/4" are one configuration; or "auto".
local function average(key, d, v)
  if v == "auto" then return v end
  local part, whole = tostring(v):match "^%s*(%d+)%s*/%s*(%d+)%s*$"
  part, whole = tonumber(part), tonumber(whole)
  if not part then
    local known, decay = pcall(options.convert.number, key, d, v)
    if known then return decay end
  elseif part >= 1 and part <= whole and whole <= 1000 then
    local a, b = part, whole
    while b > 0 do a, b = b, a % b end                   -- their greatest common divisor
    return ("%d/%d"):format(part // a, whole // a)
  end
  error(("%s = %s: it must be auto, a decay of at least 0 and below 1, or a share of the steps so far, from 1/1000 to "
    .. "1/1"):format(key, options.show(v)), 0)
end

local function auto_average(config, method, task)
  local known = known_in_batches(config, method, task)
  if known == nil then return nil end
  return known and "1/16" or 0.99
end

return configuration.define("trainer", {
  method = option {default = "auto", flag = "NAME", suggest = methods,
    help = "the method: a name, a file such as my_method.lua, or auto: "
      .. "agad_local for folders and CSV files, agad for named sets"},
  epochs = option {default = 35, min = 1, max = MOST_STEPS, flag = "N", help = "passes over the normal pictures"},
  steps = option {default = 0, min = 0, max = MOST_STEPS, flag = "N",
    results = function(config) return (config.steps or 0) > 0 end,
    help = "end training after this many steps (0 = after the epochs); without epochs, they set no limit"},
  minutes = option {default = 0.0, min = 0, max = 1e6, unit = "minutes", flag = "M",
    results = function(config) return (config.steps or 0) == 0 and (config.minutes or 0) > 0 end,
    help = "time for the training, which becomes a number of steps when it starts; 0 = by epochs or steps"},
  batch = option {default = 256, min = 1, max = 1 << 24, flag = "N", help = "pictures per step"},
  lr = option {default = 2e-4, min = 0, max = MOST, help = "learning rate of Adam"},
  betas = option {default = {0.5, 0.999}, of = "number", count = 2, min = 0, below = 1, help = "Adam's decay rates"},
  adam_eps = option {default = 1e-8, above = 0, help = "Adam's epsilon"},
  weight_decay = option {default = 0.0, min = 0, max = MOST, help = "L2 penalty, added to the gradient (coupled)"},
  schedule = option {kind = schedule.of_option,
    help = "changes lr or a numeric option of the method over the epochs: schedule.lr=cosine:2e-4:0"},
  grad_clip = option {default = 0.0, min = 0, max = MOST,
    help = "clip gradients to this norm, for each update; 0 = off"},
  accumulate = option {default = 1, min = 1, max = MOST_STEPS,
    help = "batches whose gradients are accumulated for one update"},
  ema = option {kind = average, default = "auto", min = 0, below = 1, auto = auto_average,
    help = "moving average of the scored weights: its decay, or the share of the steps so far that it spans, such as "
      .. "1/4 (1/1 = the mean of all); 0 = off; auto = 1/16 where batches have known anomalies, or else 0.99"},
  augment = {
    flip = option {default = false, help = "flip half of the pictures left to right"},
    shift = option {default = 0, min = 0, max = 4096, unit = "pixels",
      help = "shift pictures by up to this many pixels"},
    brightness = option {default = 0.0, min = 0, max = 1,
      help = "brighten or darken pictures by up to this share of the range"},
  },
  precision = option {choices = {"auto", "fp32", "tf32", "bf16", "fp64"}, flag = "P", help = "arithmetic of the nets"},
  device = option {kind = device, default = "auto", results = false, flag = "D",
    suggest = function() return {"auto", table.unpack(require("agad.tensor.operators").devices)} end,
    help = "auto, cpu, cuda or cuda:N"},
  seed = option {default = 1, min = 0, flag = "N", help = "seed of weights, sampling and noise"},
  deterministic = option {default = false, help = "bit-identical results for the same seed, machine and threads"},
  threads = option {kind = "integer", min = 1, max = 4096, flag = "N",
    help = "CPU threads; default: one for each core that the process may use",
    results = function(config) return config.deterministic end},
  checkpoint_steps = option {default = 0, min = 0, results = false,
    help = "steps between checkpoints; 0 = by checkpoint_minutes only"},
  checkpoint_minutes = option {default = 5.0, min = 0, results = false,
    help = "minutes between checkpoints, besides those after phases and, where cheap, epochs; 0 = at the end only"},
  log_every = option {default = 10, min = 1, results = false, help = "steps between entries in the log"},
  tensorboard = option {default = false, results = false,
    help = "write the log as event files for TensorBoard too, with a grid of pictures for each evaluation"},
  patience = option {default = 0, min = 0,
    help = "stop after this many evaluations without improvement on held-out normals; 0 = never"},
  evaluate_every = option {default = 0, min = 0, help = "epochs between evaluations; 0 = at the end only"},
})
