-- AGAD (Shi and Zhang): Algorithm 1, every stage in C (csrc/train/agad.c).

local nets = require "agad.nn.options"
local nn = require "agad.nn"
local option = require("agad.base.options").option

return {
  name = "agad",
  options = {
    net = nets.net, norm = nets.norm, width = nets.width, depth = nets.depth, latent = nets.latent,
    lambda = {                                                                                  -- Eq. 9
      adv = option {default = 1.0, min = 0, help = "weight of the adversarial term"},
      con = option {default = 50.0, min = 0, help = "weight of mean |x^ - x|"},
      adcon = option {default = 15.0, min = 0, help = "weight of mean |x^' - x^|"},
      lat = option {default = 5.0, min = 0, help = "weight of mean (z^ - z)^2"},
    },
    terms = {adv = true, con = true, adcon = true, lat = true},                                 -- Tables 4 and 5
    reciprocal_eps = option {default = 1e-3, above = 0, help = "epsilon added to the denominators of L_a"},
    delta = option {default = 1e-5, min = 0, help = "re-initialise D when its loss falls below this; 0 = off"},
    delta_moments = option {choices = {"reset", "keep"}, help = "Adam's moments when D is re-initialised"},
    adcon_anom = option {choices = {"x_xhat", "xhat_xhat2", "both"},
      help = "pictures compared in the contextual term of anomalies"},
    adv_anom = option {choices = {"alg1", "opposite", "off"},
      help = "adversarial term of anomalies: lambda / BCE with target 0, with target 1, or none"},
    d_anom = option {choices = {"real", "real+fake"},
      help = "anomalies that D sees: real ones, or also their reconstructions as fakes"},
    detach_pseudo = option {choices = {"none", "input", "target"},
      help = "where the gradient of |x^' - x^| does not reach x^: nowhere, as G's input, or as the target"},
    latent_norm = option {choices = {"mse", "l2"}, help = "Eq. 7 as a mean square or as a norm"},
    min_anom = option {default = 32, min = 0, help = "minimum number of known anomalies in a batch"},
    batch_mode = option {choices = {"within", "append"},
      help = "known anomalies count towards the batch size, or are added on top"},
    branch_weight = option {choices = {"mean", "count"},
      help = "L_n + L_a unweighted, or weighted by the number of pictures"},
    bn_track = option {choices = {"x", "all"},
      help = "passes that update the running statistics: those over x only, or all"},
    advprop_bn = option {default = false, help = "separate batch norms for the pass G(x^)"},
    freeze_bn = option {choices = {"off", "freeze", "bypass"},
      help = "anomalies are normalised by batch statistics, by running statistics, or not at all"},
  },
  input = {-1, 1},
  nets = function(o, shape)
    local size = nn.accepted(o.net, {norm = o.norm, width = o.width, depth = o.depth}, nets)
    local generator = nn.program(o.net, shape, size)
    return {
      generator = o.advprop_bn and nn.with_second_norms(generator) or generator,
      discriminator = nn.program("discriminator", shape, {norm = o.norm, latent = o.latent}),
    }
  end,
  phases = {{
    name = "train", epochs = "epochs",
    updates = {generator = {nets = {"generator"}}, discriminator = {nets = {"discriminator"}}},
    step = {"reconstruct", "discriminate", "pseudo_anomaly", "generator_loss", "generator_update",
      "discriminator_loss", "discriminator_update", "guard_collapse"},
  }},
  average = {"generator"},
  guard = {update = "discriminator", below = "delta", moments = "delta_moments"},
  anomalies = {least = "min_anom", mode = "batch_mode", apart = function(o) return o.freeze_bn ~= "off" end},
  picture = "generator",
  discriminator = "discriminator",
  score = {"l2"},
}
