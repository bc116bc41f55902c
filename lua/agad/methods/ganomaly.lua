-- GANomaly (Akcay, Atapour-Abarghouei, Breckon, ACCV 2018): encoder, decoder, second encoder; the score is the distance
-- between the two latent codes. It learns from normals only.

local nn = require "agad.nn"
local loss = require "agad.loss"
local option = require("agad.base.options").option

return {
  name = "ganomaly",
  options = {
    batch = 64, epochs = 15,
    lambda = {
      adv = option {default = 1.0, min = 0, help = "weight of mean (f(x^) - f(x))^2, f: the discriminator's features"},
      con = option {default = 50.0, min = 0, help = "weight of mean |x^ - x|"},
      enc = option {default = 1.0, min = 0, help = "weight of mean (z^ - z)^2"},
    },
    delta = option {default = 1e-5, min = 0, help = "re-initialise D when its loss falls below this; 0 = off"},
  },
  input = {-1, 1},
  nets = function(_, shape)
    return {generator = nn.program("ganomaly", shape), discriminator = nn.program("discriminator", shape)}
  end,
  phases = {{
    name = "train", epochs = "epochs",
    updates = {generator = {nets = {"generator"}}, discriminator = {nets = {"discriminator"}}},
    step = {
      {"reconstruct", function(s) s.x_hat, s.z, s.z_hat = s.net.generator(s.x) end},
      {"generator_loss", function(s)
        local _, f = s.net.discriminator(s.x)
        local _, f_hat = s.net.discriminator(s.x_hat, {bn = "batch", track = false})
        local L, w = s.loss, s.options.lambda
        L.adv, L.con, L.enc = loss.mse(f_hat, f:detach()), loss.l1(s.x_hat, s.x), loss.mse(s.z_hat, s.z)
        s:backward("generator", w.adv * L.adv + w.con * L.con + w.enc * L.enc)
      end},
      "generator_update",
      {"discriminator_loss", function(s)
        local again = {bn = "batch", track = false}
        local L = s.loss
        L.real = loss.bce(s.net.discriminator(s.x, again), 1)
        L.fake = loss.bce(s.net.discriminator(s.x_hat:detach(), again), 0)
        s:backward("discriminator", 0.5 * (L.real + L.fake))
      end},
      "discriminator_update", "guard_collapse",
    },
  }},
  terms = function(_, L)
    return L.real and {discriminator = {{"real", 0.5, 0.5 * L.real}, {"fake", 0.5, 0.5 * L.fake}}} or {}
  end,
  anomalies = {in_batches = false},
  average = {"generator"},
  guard = {update = "discriminator", below = "delta"},
  picture = "generator",
  discriminator = "discriminator",
  score = function(b, n)
    local _, z, z_hat = n.generator(b.x)
    return b:mean_square(z, z_hat)
  end,
}
