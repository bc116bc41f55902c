-- AGAD (Shi and Zhang): Algorithm 1, every stage in C (csrc/train/agad.c).

local nn = require "agad.nn"

return {
  name = "agad",
  options = {
    net = "naive", norm = "bn", width = 0, depth = 0,
    lambda = {adv = 1.0, con = 50.0, adcon = 15.0, lat = 5.0},      -- Eq. 9
    terms = {adv = true, con = true, adcon = true, lat = true},      -- Tables 4 and 5
    reciprocal_eps = 1e-3, delta = 1e-5, delta_moments = "reset",
    adcon_anom = "x_xhat", adv_anom = "alg1", d_anom = "real", detach_pseudo = "none", latent_norm = "mse",
    latent = "features", min_anom = 32, batch_mode = "within", branch_weight = "mean", bn_track = "x",
    advprop_bn = false, freeze_bn = "off",
  },
  ranges = {reciprocal_eps = {above = 0}, delta = {min = 0}, min_anom = {min = 0}, width = {min = 0, max = 1024},
    depth = {min = 0, max = 8},
    ["lambda.adv"] = {min = 0}, ["lambda.con"] = {min = 0}, ["lambda.adcon"] = {min = 0}, ["lambda.lat"] = {min = 0}},
  switches = {
    norm = {"bn", "none"}, delta_moments = {"reset", "keep"}, adcon_anom = {"x_xhat", "xhat_xhat2", "both"},
    adv_anom = {"alg1", "opposite", "off"}, d_anom = {"real", "real+fake"}, detach_pseudo = {"none", "input", "target"},
    latent_norm = {"mse", "l2"}, latent = {"features", "embedding"}, batch_mode = {"within", "append"},
    branch_weight = {"mean", "count"}, bn_track = {"x", "all"}, freeze_bn = {"off", "freeze", "bypass"},
  },
  describe = {
    net = "generator: naive, unet, unet++, or a file such as my_net.lua", norm = "batch norms, or none",
    width = "filters of the generator's first layer; 0 = the net's own",
    depth = "levels of a UNet; 0 = the net's own", ["lambda.con"] = "weight of mean |x^ - x|",
    ["lambda.adv"] = "weight of the adversarial term", ["lambda.adcon"] = "weight of mean |x^' - x^|",
    ["lambda.lat"] = "weight of mean (z^ - z)^2", min_anom = "fewest known anomalies in a batch",
    delta = "D's loss below it: D is re-initialised; 0 = off", reciprocal_eps = "added to each term of L_a",
    delta_moments = "Adam's moments at a re-initialisation", adcon_anom = "an anomaly's contextual term",
    adv_anom = "an anomaly's adversarial term: lambda / BCE against 0, 1, or none",
    d_anom = "what D is shown of anomalies", detach_pseudo = "where |x^' - x^| lets no gradient through x^",
    latent_norm = "Eq. 7 as a mean square or a norm", latent = "z: D's last feature map, or a vector of 100",
    batch_mode = "known anomalies within the batch, or on top of it", branch_weight = "L_n + L_a, or by counts",
    bn_track = "running statistics move with the passes over x, or with all",
    advprop_bn = "a second set of batch norms for the pass G(x^)",
    freeze_bn = "anomalies by running statistics, or past batch norm",
  },
  input = {-1, 1},
  nets = function(o, shape)
    local size = {norm = o.norm, width = o.width > 0 and o.width or nil, depth = o.depth > 0 and o.depth or nil}
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
  anomalies = {least = "min_anom", mode = "batch_mode"},
  picture = "generator",
  score = {"l2"},
}
