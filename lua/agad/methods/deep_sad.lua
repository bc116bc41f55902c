-- Deep SAD (Ruff et al., ICLR 2020, arXiv 1906.02694): an autoencoder is pretrained; then its encoder learns to pull
-- the normal pictures towards a centre and to push the known anomalies away from it. The score is the squared distance
-- to the centre. At gamma = 0 this is one-class Deep SVDD (Ruff et al., ICML 2018).

local agad = require "agad"
local loss = require "agad.loss"
local nn = require "agad.nn"
local option = require("agad.base.options").option

-- Keeps every coordinate of the centre away from 0, to which an encoder could map all pictures.
local function away_from_zero(c)
  return agad.where(c:abs():lt(0.1), agad.where(c:lt(0), -0.1, 0.1):to(c.dtype), c)
end

return {
  name = "deep_sad",
  options = {
    batch = 128, lr = 1e-4, betas = {0.9, 0.999}, epochs = 150, weight_decay = 0.5e-6, ema = 0.0,
    min_anom = option {default = 0, min = 0, help = "minimum number of known anomalies in a batch"},
    pretrain_epochs = option {default = 150, min = 0, max = 0x7fffffff,
      help = "epochs of the autoencoder's pretraining"},
    pretrain_weight_decay = option {default = 0.5e-3, min = 0, max = 1e30,
      help = "weight decay of the autoencoder (coupled L2)"},
    milestone = option {default = 50, min = 0, help = "the learning rate is divided by 10 after this many epochs"},
    eta = option {default = 1.0, min = 0, help = "weight of the term of known anomalies"},
    eps = option {default = 1e-6, above = 0, help = "epsilon added to the distance of a known anomaly"},
    lenet = option {choices = {"auto", "mnist", "fashion_mnist", "cifar10"},
      help = "the encoder; auto means mnist for grey pictures and cifar10 for colour"},
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
