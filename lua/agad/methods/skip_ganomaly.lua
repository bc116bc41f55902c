-- Skip-GANomaly (Akcay, Atapour-Abarghouei, Breckon, IJCNN 2019, arXiv 1901.08954): a UNet reconstructs, and features
-- of the discriminator are the latent. The score is .9 times the squared error of the picture plus .1 times that of the
-- features. It learns from normals only.

local loss = require "agad.loss"
local nn = require "agad.nn"
local option = require("agad.base.options").option

local again = {bn = "batch", track = false}

return {
  name = "skip_ganomaly",
  options = {
    batch = 64, epochs = 15,
    lambda = {
      adv = option {default = 1.0, min = 0, help = "weight of the adversarial term"},
      con = option {default = 40.0, min = 0, help = "weight of mean |x^ - x|"},
      lat = option {default = 1.0, min = 0, help = "weight of mean (f(x^) - f(x))^2, f: the discriminator's features"},
    },
    delta = option {default = 0.0, min = 0, help = "re-initialise D when its loss falls below this; 0 = off"},
  },
  input = {-1, 1},
  nets = function(_, shape)
    return {generator = nn.program("skip_ganomaly", shape),
      discriminator = nn.program("skip_ganomaly", shape, {part = "discriminator"})}
  end,
  phases = {{
    name = "train",
    updates = {generator = {nets = {"generator"}}, discriminator = {nets = {"discriminator"}}},
    step = {
      {"reconstruct", function(s) s.x_hat = s.net.generator(s.x) end},
      {"generator_loss", function(s)
        local _, f = s.net.discriminator(s.x)
        local y_hat, f_hat = s.net.discriminator(s.x_hat, again)
        local L, w = s.loss, s.options.lambda
        L.adv, L.con, L.lat = loss.bce(y_hat, 1), loss.l1(s.x_hat, s.x), loss.mse(f_hat, f:detach())
        s:backward("generator", w.adv * L.adv + w.con * L.con + w.lat * L.lat)
      end},
      "generator_update",
      {"discriminator_loss", function(s)
        local L = s.loss
        L.real = loss.bce(s.net.discriminator(s.x, again), 1)
        L.fake = loss.bce(s.net.discriminator(s.x_hat:detach(), again), 0)
        s:backward("discriminator", L.real + L.fake)
      end},
      "discriminator_update", "guard_collapse",
    },
  }},
  anomalies = {in_batches = false},
  average = {"generator"},
  guard = {update = "discriminator", below = "delta"},
  picture = "generator",
  discriminator = "discriminator",
  score = {"skip"},
}
