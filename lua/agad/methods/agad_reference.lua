-- AGAD's step once more over plain autograd: readable, and independent of every backward in C.
-- It is the oracle of `agad`: the same options, the same start, the same losses.

local agad = require "agad.methods.agad"
local core = require "agad.core"

local op = setmetatable({}, {__index = function(_, name) return core.operator(name) end})

local function l1(a, b) return (a - b):abs():mean() end                            -- Eq. 6, 8
local function mse(a, b) local d = a - b; return (d * d):mean() end                -- Eq. 7, squared
local function bce(logits, target)                                                 -- Eq. 5, on logits
  return op.softplus(target == 1 and -logits or logits):mean()
end

local once, again = {bn = "batch", track = true}, {bn = "batch", track = false}

-- Rows of normals and of known anomalies (nil where there are none).
local function split(t, n)
  local a = t:size(1) - n
  return t:narrow(1, 1, n), a > 0 and t:narrow(1, n + 1, a) or nil
end

local function generator_loss(s)
  local G, D, n, w, eps = s.net.generator, s.net.discriminator, s.n_normal, s.options.lambda, s.options.reciprocal_eps
  s.x_hat = G:eager(s.x, once)
  local x_hat = s.x_hat
  local x_hat2 = G:eager(x_hat, again)
  local _, z = D:eager(s.x, once)
  local y_hat, z_hat = D:eager(x_hat, again)
  local xn, xa = split(s.x, n)
  local xhn, xha = split(x_hat, n)
  local yhn, yha = split(y_hat, n)
  local zn, za = split(z:detach(), n)
  local zhn, zha = split(z_hat, n)
  local L = s.loss
  L.adv, L.con, L.adcon, L.lat = bce(yhn, 1), l1(xhn, xn), l1(split(x_hat2, n), xhn), mse(zhn, zn)
  local total = L.adv * w.adv + L.con * w.con - L.adcon * w.adcon + L.lat * w.lat  -- Eq. 9
  if xa then                                                                       -- Eq. 10
    L.adv_anom, L.adcon_anom, L.lat_anom = bce(yha, 0), l1(xha, xa), mse(zha, za)
    total = total + w.adv / (L.adv_anom + eps) + w.adcon / (L.adcon_anom + eps) + w.lat / (L.lat_anom + eps)
  end
  s:backward("generator", total)
end

local function discriminator_loss(s)
  local D, n, L = s.net.discriminator, s.n_normal, s.loss
  local yn, ya = split(D:eager(s.x, again), n)
  L.real, L.fake = bce(yn, 1), bce(split(D:eager(s.x_hat:detach(), again), n), 0)
  local total = L.fake + L.real
  if ya then
    L.anom = bce(ya, 0)
    total = total + L.anom
  end
  s:backward("discriminator", total)
end

local method = {}
for key, value in pairs(agad) do method[key] = value end
method.name = "agad_reference"
method.phases = {{
  name = "train", epochs = "epochs", updates = agad.phases[1].updates,
  step = {{"generator_loss", generator_loss}, "generator_update", {"discriminator_loss", discriminator_loss},
    "discriminator_update", "guard_collapse"},
}}
return method
