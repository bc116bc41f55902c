-- Deep SAD (Ruff et al., ICLR 2020, arXiv 1906.02694): an autoencoder is trained; then its encoder gathers the normal
-- pictures around a centre and sends the known anomalies away from it. The score is the squared distance to the centre.
-- At gamma = 0 it is one-class Deep SVDD (Ruff et al., ICML 2018).

local agad = require "agad"
local loss = require "agad.loss"
local nn = require "agad.nn"

-- No coordinate of the centre is near 0, where an encoder could put every picture.
local function away_from_zero(c)
  return agad.where(c:abs():lt(0.1), agad.where(c:lt(0), -0.1, 0.1):to(c.dtype), c)
end

return {
  name = "deep_sad",
  options = {
    batch = 128, lr = 1e-4, betas = {0.9, 0.999}, epochs = 150, weight_decay = 0.5e-6, ema = 0.0, min_anom = 0,
    pretrain_epochs = 150, pretrain_weight_decay = 0.5e-3, milestone = 50, eta = 1.0, eps = 1e-6, lenet = "auto",
  },
  ranges = {min_anom = {min = 0}, pretrain_epochs = {min = 0}, pretrain_weight_decay = {min = 0}, eta = {min = 0},
    milestone = {min = 0}, eps = {above = 0}},
  choices = {lenet = {"auto", "mnist", "fashion_mnist", "cifar10"}},
  describe = {
    pretrain_epochs = "epochs of the autoencoder", milestone = "after so many epochs the step size is a tenth",
    pretrain_weight_decay = "coupled L2 of the autoencoder", eta = "weight of the known anomalies' term",
    eps = "added to a known anomaly's distance", min_anom = "fewest known anomalies in a batch",
    lenet = "the encoder: auto is mnist for grey pictures, cifar10 for colour",
  },
  input = {0, 1},
  nets = function(o, shape)
    local kind = o.lenet ~= "auto" and o.lenet or nil
    return {encoder = nn.program("lenet", shape, {kind = kind}),
      decoder = nn.program("lenet", shape, {kind = kind, part = "decoder"})}
  end,
  phases = {
    {name = "pretrain", epochs = "pretrain_epochs",
      updates = {autoencoder = {nets = {"encoder", "decoder"}, weight_decay = "pretrain_weight_decay"}},
      step = {
        {"reconstruct", function(s)
          s.x_hat = s.net.decoder(s.net.encoder(s.x))
          s.loss.rec = loss.mse(s.x_hat, s.x)
          s:backward("autoencoder", s.loss.rec)
        end},
        "autoencoder_update",
      }},
    {name = "train",
      rate = function(o, epoch) return epoch > o.milestone and 0.1 or 1 end,
      updates = {encoder = {nets = {"encoder"}}},
      start = function(s) s.keep.c = away_from_zero(s:mean "encoder") end,
      step = {
        {"distance", function(s)
          local z = s.net.encoder(s.x)
          local d = (z - s.keep.c):square():sum {dim = {2, 3, 4}}
          local n, all = s.n_normal, s.x:size(1)
          s.loss.normal = d:narrow(1, 1, n):sum() / all
          local total = s.loss.normal
          if n < all then
            s.loss.anomalous = (d:narrow(1, n + 1, all - n) + s.options.eps):reciprocal():sum() * (s.options.eta / all)
            total = total + s.loss.anomalous
          end
          s:backward("encoder", total)
        end},
        "encoder_update",
      }},
  },
  keep = {"c"},
  anomalies = {least = "min_anom"},
  average = {},
  score = function(b, n, k) return b:sum_square(n.encoder(b.x), k.c) end,
}
