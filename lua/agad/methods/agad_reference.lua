-- AGAD's step written with plain autograd: readable, and independent of the backward passes in C. Tests compare `agad`
-- with it: with the same options and the same initial weights, the losses are the same.

local core = require "agad.core"

local op = setmetatable({}, {__index = function(_, name) return core.operator(name) end})

local function l1(a, b) return (a - b):abs():mean() end                            -- Eq. 6, 8
local function mse(a, b) local d = a - b; return (d * d):mean() end                -- Eq. 7, squared
local function l2(a, b) return op.linalg_vector_norm((a - b):flatten(2), 2, {2}):mean() end   -- Eq. 7
local function bce(logits, target)                                                 -- Eq. 5, on logits
  return op.softplus(target == 1 and -logits or logits):mean()
end

-- Rows of normals and of known anomalies (nil where there are none).
local function split(t, n)
  local a = t:size(1) - n
  return t:narrow(1, 1, n), a > 0 and t:narrow(1, n + 1, a) or nil
end

-- How batch norm treats a pass: passes over x update the running statistics; anomalies may be left out.
local function groups(s, over_x, set)
  local o, n, a = s.options, s.n_normal, s.x:size(1) - s.n_normal
  local normal = {bn = "batch", track = over_x or o.bn_track == "all", set = set or 1}
  if o.freeze_bn == "off" or a == 0 then return normal end
  normal.rows = n
  return {normal, {first = n + 1, bn = o.freeze_bn == "freeze" and "running" or "bypass", set = set or 1}}
end

local function forward(s)
  local G, D, o = s.net.generator, s.net.discriminator, s.options
  s.x_hat = G:eager(s.x, groups(s, true))
  s.y, s.z = D:eager(s.x, groups(s, true))
  s.y_hat, s.z_hat = D:eager(s.x_hat, groups(s, false))
  local input = o.detach_pseudo == "input" and s.x_hat:detach() or s.x_hat
  s.x_hat2 = G:eager(input, groups(s, false, o.advprop_bn and 2 or 1))
end

local function weights(s)                                                          -- of the two branches
  local n, a = s.n_normal, s.x:size(1) - s.n_normal
  if s.options.branch_weight == "mean" or a == 0 then return 1, 1 end
  return n / (n + a), a / (n + a)
end

local function generator_loss(s)
  forward(s)
  local o, n, eps, L = s.options, s.n_normal, s.options.reciprocal_eps, s.loss
  local w, latent, wn, wa = {}, o.latent_norm == "l2" and l2 or mse, weights(s)
  for term, weight in pairs(o.lambda) do w[term] = o.terms[term] and weight or 0 end
  local xn, xa = split(s.x, n)
  local xhn, xha = split(s.x_hat, n)
  local xh2n, xh2a = split(s.x_hat2, n)
  local yhn, yha = split(s.y_hat, n)
  local zn, za = split(s.z:detach(), n)
  local zhn, zha = split(s.z_hat, n)
  local function target(t) return o.detach_pseudo == "target" and t:detach() or t end
  L.adv, L.con, L.adcon, L.lat = bce(yhn, 1), l1(xhn, xn), l1(xh2n, target(xhn)), latent(zhn, zn)
  local total = (L.adv * w.adv + L.con * w.con - L.adcon * w.adcon + L.lat * w.lat) * wn       -- Eq. 9
  if xa then                                                                                   -- Eq. 10
    local function add(weight, loss) total = total + wa * weight / (loss + eps) end
    L.adv_anom, L.lat_anom = bce(yha, o.adv_anom == "opposite" and 1 or 0), latent(zha, za)
    local direct, pseudo = l1(xha, xa), l1(xh2a, target(xha))
    L.adcon_anom = o.adcon_anom == "xhat_xhat2" and pseudo or direct
    if o.adv_anom ~= "off" then add(w.adv, L.adv_anom) end
    if o.adcon_anom ~= "xhat_xhat2" then add(w.adcon, direct) end
    if o.adcon_anom ~= "x_xhat" then add(w.adcon, pseudo) end
    if o.adcon_anom == "both" then L.pseudo_anom = pseudo end
    add(w.lat, L.lat_anom)
  end
  s:backward("generator", total, {retain_graph = true})
end

local function discriminator_loss(s)
  local o, n, L = s.options, s.n_normal, s.loss
  local wn, wa = weights(s)
  local yn, ya = split(s.y, n)
  local yhn, yha = split(s.y_hat, n)
  L.real, L.fake = bce(yn, 1), bce(yhn, 0)
  local total = (L.fake + L.real) * wn
  if ya then
    L.anom = bce(ya, 0)
    total = total + L.anom * wa
    if o.d_anom == "real+fake" then
      L.fake_anom = bce(yha, 0)
      total = total + L.fake_anom * wa
    end
  end
  s:backward("discriminator", total)
end

return {
  name = "agad_reference", extends = "agad",
  phases = {train = {
    step = {{"generator_loss", generator_loss}, "generator_update", {"discriminator_loss", discriminator_loss},
      "discriminator_update", "guard_collapse"},
  }},
}
