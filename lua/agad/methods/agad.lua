-- AGAD (Shi and Zhang): Algorithm 1, every stage in C (csrc/train/agad.c).

local nn = require "agad.nn"

return {
  name = "agad",
  options = {
    net = "naive", norm = "bn",
    lambda = {adv = 1.0, con = 50.0, adcon = 15.0, lat = 5.0},      -- Eq. 9
    terms = {adv = true, con = true, adcon = true, lat = true},      -- Tables 4 and 5
    reciprocal_eps = 1e-3, delta = 1e-5, delta_moments = "reset",
    adcon_anom = "x_xhat", adv_anom = "alg1", d_anom = "real", detach_pseudo = "none", latent_norm = "mse",
    latent = "features", min_anom = 32, batch_mode = "within", branch_weight = "mean", bn_track = "x",
    advprop_bn = false, freeze_bn = "off",
  },
  ranges = {reciprocal_eps = {above = 0}, delta = {min = 0}, min_anom = {min = 0},
    ["lambda.adv"] = {min = 0}, ["lambda.con"] = {min = 0}, ["lambda.adcon"] = {min = 0}, ["lambda.lat"] = {min = 0}},
  switches = {
    norm = {"bn", "none"}, delta_moments = {"reset", "keep"}, adcon_anom = {"x_xhat", "xhat_xhat2", "both"},
    adv_anom = {"alg1", "opposite", "off"}, d_anom = {"real", "real+fake"}, detach_pseudo = {"none", "input", "target"},
    latent_norm = {"mse", "l2"}, latent = {"features", "embedding"}, batch_mode = {"within", "append"},
    branch_weight = {"mean", "count"}, bn_track = {"x", "all"}, freeze_bn = {"off", "freeze", "bypass"},
  },
  implemented = {
    norm = "bn", delta_moments = "reset", adcon_anom = "x_xhat", adv_anom = "alg1", d_anom = "real",
    detach_pseudo = "none", latent_norm = "mse", latent = "features", batch_mode = "within", branch_weight = "mean",
    bn_track = "x", advprop_bn = {false}, freeze_bn = "off",
    ["terms.adv"] = {true}, ["terms.con"] = {true}, ["terms.adcon"] = {true}, ["terms.lat"] = {true},
  },
  describe = {
    net = "generator: naive, or a file such as my_net.lua", ["lambda.con"] = "weight of mean |x^ - x|",
    ["lambda.adv"] = "weight of the adversarial term", ["lambda.adcon"] = "weight of mean |x^' - x^|",
    ["lambda.lat"] = "weight of mean (z^ - z)^2", min_anom = "fewest known anomalies in a batch",
    delta = "D's loss below it: D is re-initialised; 0 = off", reciprocal_eps = "added to each term of L_a",
  },
  input = {-1, 1},
  nets = function(o, shape)
    return {generator = nn.program(o.net, shape, o), discriminator = nn.program("discriminator", shape, o)}
  end,
  phases = {{
    name = "train", epochs = "epochs",
    updates = {generator = {nets = {"generator"}}, discriminator = {nets = {"discriminator"}}},
    step = {"reconstruct", "discriminate", "pseudo_anomaly", "generator_loss", "generator_update",
      "discriminator_loss", "discriminator_update", "guard_collapse"},
  }},
  average = {"generator"},
  score = {"l2"},
}
