-- agad_local: finds local defects in people's own pictures. A small UNet (nets/defect_map.lua) learns to map synthetic
-- defects, drawn into normal pictures and into crops of them (csrc/data/defects.c); known defects that have masks are
-- pasted into them too, as one more kind (`known`). In the phase `tune` it learns from the pictures of known defects as
-- they are, without masks. Then the phase `fit` computes six groups of scores from pictures of the training side alone,
-- and, where defects are known, a logistic regression on what the scores and the net say of them. All of that becomes
-- one scoring program.
-- The parts are in methods/agad_local: `prepare` (what is computed before training), `bands` (what the net sees),
-- `losses`, `pseudo` (reconstructions as defects), `known` (known defects without masks), `features` and `scores` (what
-- is measured on a picture, for tensors and for the program alike), `fit` (the constants of the scores), `picks`
-- (defaults that depend on the pictures).

local agad = require "agad"
local bands = require "agad.methods.agad_local.bands"
local core = require "agad.core"
local fit = require "agad.methods.agad_local.fit"
local known = require "agad.methods.agad_local.known"
local losses = require "agad.methods.agad_local.losses"
local nn = require "agad.nn"
local option = require("agad.base.options").option
local picks = require "agad.methods.agad_local.picks"
local prepare = require "agad.methods.agad_local.prepare"
local pseudo = require "agad.methods.agad_local.pseudo"
local scores = require "agad.methods.agad_local.scores"

local WARM_UP, FLOOR = 0.03, 0.02                 -- of the training; of the learning rate
local TUNING, TUNING_WARM_UP = 0.25, 0.1          -- of the learning rate; of the steps with known defects
local KNOWN = 2                                   -- weight of the loss of known defects
local GENERATOR = 8                               -- filters in its first layer
local MEMORY = 0.02                               -- how fast what is known of a kind of defect follows

-- lr rises, and then falls as a cosine to 0.
local function rate(_, done, total)
  local at = done / total
  return math.min(1, at / WARM_UP + FLOOR) * .5 * (1 + math.cos(math.pi * at))
end

-- The same at a quarter of its height.
local function tuning_rate(_, done, total)
  local at = (done + .5) / total
  return TUNING * math.min(1, at / TUNING_WARM_UP) * .5 * (1 + math.cos(math.pi * at))
end

-- Kinds of which the net finds a half are drawn most: what is told at once teaches little, and so does what cannot be.
local function probabilities(s)
  local p, sum = s.keep.kinds:totable(), 0
  for i, r in ipairs(p) do
    local name = prepare.kinds[i]
    local drawn = s.options.kinds[name] and (name ~= "known" or #prepare.known(s) > 0)
    p[i] = drawn and .12 + 4 * r * (1 - r) or 0
    sum = sum + p[i]
  end
  if sum == 0 then
    error("kinds: every kind of synthetic defect is switched off, or is `known` without masks; leave another one on", 0)
  end
  return p
end

-- Whether this step's batch is of crops at full size. Whole pictures and crops take turns where pictures are larger
-- than the net's window.
local function crops(s) return prepare.factor(s) > 1 and s.done % 2 == 1 end

-- Normal pictures with defects in two thirds of them, the mask of what is to be found, and the weight of each pixel: 0
-- where a change is too faint to be told.
local function draw(s)
  local where = {device = s.x.device, dtype = s.x.dtype}
  local x, mask, weight, kinds = prepare.defects(s):batch(s.batch, s.done, {crop = crops(s),
    probabilities = probabilities(s)})
  s.drawn, s.mask, s.weight = x:to(where), mask:to(where), weight:to(where)
  rawset(s, "drawn_kinds", kinds)
end

-- Reconstructions as one more kind of defect, where the option `pseudo` says so.
local function rebuild(s) if s.options.pseudo > 0 then pseudo.rebuild(s) end end
local function blend(s) if s.options.pseudo > 0 then pseudo.blend(s, s.options.pseudo) end end

local function logits_of(s, x)
  return s.net.detector(bands.of(x, (crops(s) and s.keep.scales_full or s.keep.scales_whole):reshape {1, 3, 1, 1}))
end

-- The loss of pictures with synthetic defects and of the clean ones beside them, from their logits; and how much of the
-- marks is found.
local function loss_of_drawn(s, logit)
  local loss, found, wanted = losses.of_pixels(logit, s.mask, s.weight)
  s.loss.map = loss
  local marked = wanted:sum {dim = {2, 3, 4}}
  s.found, s.marked = (found * wanted):sum {dim = {2, 3, 4}} / marked:clamp {min = 1}, marked
  return loss
end

local function map_loss(s)
  s.map = logits_of(s, s.drawn)
  s:backward("detector", loss_of_drawn(s, s.map))
end

-- The same losses; where the pictures drawn are whole, known defects are beside them, with a loss of their own.
local function known_loss(s)
  if crops(s) then return map_loss(s) end
  local n, more = s.drawn:size(1), known.batch(s)
  local logit = logits_of(s, agad.cat({s.drawn, more}, 1))
  s.loss.known = losses.of_defective(logit:narrow(1, n + 1, more:size(1)))
  s:backward("detector", loss_of_drawn(s, logit:narrow(1, 1, n)) + s.loss.known * KNOWN)
end

-- Follows which share of the marks of each kind is found.
local function remember(s)
  local shares, found, marked = s.keep.kinds:totable(), s.found:totable(), s.marked:totable()
  for i, kinds in ipairs(rawget(s, "drawn_kinds")) do
    for _, kind in ipairs(marked[i] > 0 and kinds or {}) do
      shares[kind] = shares[kind] + MEMORY * (found[i] - shares[kind])
    end
  end
  s.keep.kinds = core.from_table(shares, "float64")
end

local kinds = {}
for _, name in ipairs(prepare.kinds) do kinds[name] = true end

return {
  name = "agad_local",
  options = {
    batch = 16, lr = 2e-3, betas = {0.9, 0.999}, weight_decay = 1e-2, grad_clip = 1.0, ema = 0.0, eval_batch = 32,
    minutes = 12.0,
    width = option {default = 16, min = 4, max = 256, help = "filters in the first level of the net"},
    defects = {
      least = option {default = 1.5, above = 0, help = "weakest synthetic defects, in deviations of a picture"},
      most = option {default = 12.0, above = 0, help = "strongest synthetic defects"},
      count = option {default = 1.8, min = 1, max = 4, help = "mean number of synthetic defects in a picture"},
    },
    kinds = kinds,
    tune = option {default = 300, min = 0, max = 100000,
      help = "steps with the pictures of known defects after training (at most a tenth of it)"},
    pseudo = option {default = 0.0, min = 0, max = 1,
      help = "share of the clean pictures of a batch into which parts of their reconstructions are blended; 0 = none"},
  },
  input = {0, 1},
  nets = function(o, shape)
    local h, w = prepare.window(shape[2], shape[3])
    local detector = nn.program("defect_map", {4 * shape[1], h, w}, {width = o.width})
    if o.pseudo == 0 then return {detector = detector} end
    return {detector = detector, generator = nn.program("naive", {shape[1], h, w}, {width = GENERATOR})}
  end,
  phases = {
    {name = "train", rate_of_step = rate,
      updates = {detector = {nets = {"detector"}, optimiser = "muon"},
        generator = {nets = {"generator"}, when = "pseudo"}},
      start = prepare.start,
      step = {{"draw", draw}, {"rebuild", rebuild}, "generator_update", {"blend", blend}, {"map_loss", map_loss},
        "detector_update", {"remember", remember}}},
    {name = "tune", steps = known.steps, rate_of_step = tuning_rate,
      updates = {detector = {nets = {"detector"}, optimiser = "muon"}},
      step = {{"draw", draw}, {"known_loss", known_loss}, "detector_update"}},
    {name = "fit", epochs = 0, updates = {}, start = fit.start, step = {}},
  },
  keep = fit.kept,
  held_out_scores = "unseen",
  anomalies = {in_batches = false, masks = function(o) return o.kinds.known end},
  pictures = picks.pictures,
  task = picks.task,
  recalibrate = false,
  average = {},
  score = scores.build,
}
