-- AGAD (Shi and Zhang): Algorithm 1, every stage in C (csrc/train/agad.c).

local nets = require "agad.nn.options"
local nn = require "agad.nn"
local option = require("agad.base.options").option

-- What each term adds to the losses of csrc/train/agad_loss.c, in a batch of n normals and a known anomalies.
local function terms(o, L, n, a)
  local counted = o.branch_weight == "count" and a > 0
  local wn, wa = counted and n / (n + a) or 1, counted and a / (n + a) or 1
  local g, d = {}, {}
  local function weight(name) return o.terms[name] and o.lambda[name] or 0 end
  local function normal(list, name, w) list[#list + 1] = {name, wn * w, wn * w * L[name]} end
  local function anomalous(name, w)                                                             -- Eq. 10
    if L[name] then g[#g + 1] = {name, wa * w, wa * w / (L[name] + o.reciprocal_eps)} end
  end
  normal(g, "adv", weight "adv")                                                                -- Eq. 9
  normal(g, "con", weight "con")
  normal(g, "adcon", -weight "adcon")
  normal(g, "lat", weight "lat")
  anomalous("adv_anom", o.adv_anom ~= "off" and weight "adv" or 0)
  anomalous("adcon_anom", weight "adcon")
  anomalous("pseudo_anom", weight "adcon")
  anomalous("lat_anom", weight "lat")
  if not L.real then return {generator = g} end
  normal(d, "fake", 1)
  normal(d, "real", 1)
  for _, name in ipairs {"anom", "fake_anom"} do if L[name] then d[#d + 1] = {name, wa, wa * L[name]} end end
  return {generator = g, discriminator = d}
end

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
  about = {
    reconstruct = "Algorithm 1, line 3: x^ = G(x)",
    discriminate = "lines 3 and 4: y, z = D(x) and y^, z^ = D(x^)",
    pseudo_anomaly = "line 4: x^' = G(x^), the pseudo-anomaly",
    generator_loss = "lines 6 and 9, normals: L_g = lambda_adv l_adv(y^, 1) + lambda_con l_con(x, x^) + lambda_adcon "
      .. "l_adcon(x^, x^') + lambda_lat l_lat(z, z^), where l_adcon(x^, x^') = -mean |x^ - x^'| (Eq. 8); known "
      .. "anomalies: L_g = lambda_adv / l_adv(y^, 0) - lambda_adcon / l_adcon + lambda_lat / l_lat(z, z^). Line 9 has "
      .. "x^ and x^' there, Eq. 3 and Figure 1b have x and x^ (the option adcon_anom). What is shown as adcon is the "
      .. "mean, without the sign",
    generator_update = "line 12: G takes a step of Adam along the gradient of L_g",
    discriminator_loss = "lines 7 and 10, normals: L_d = l_adv(y^, 0) + l_adv(y, 1); known anomalies: L_d = "
      .. "l_adv(y, 0)",
    discriminator_update = "line 13: D takes a step of Adam along the gradient of L_d",
    guard_collapse = "delta: D gets new weights where L_d has fallen below it",
  },
  terms = terms,
  average = {"generator"},
  guard = {update = "discriminator", below = "delta", moments = "delta_moments"},
  anomalies = {least = "min_anom", mode = "batch_mode", apart = function(o) return o.freeze_bn ~= "off" end},
  picture = "generator",
  discriminator = "discriminator",
  score = {"l2"},
}
