-- A user-defined method: an autoencoder trained on normal pictures, about the simplest method possible. The README
-- explains every key; agad.teach shows its stages, and --set changes its options.
--   agad train weave --method examples/mean_square.lua --out ae.safetensors

local loss = require "agad.loss"
local nn = require "agad.nn"

return {
  name = "mean_square",
  options = {net = "naive", batch = 64, epochs = 10},      -- its own options, and other defaults for the trainer's
  input = {-1, 1},                                         -- the range that pixels are scaled to
  nets = function(o, shape) return {generator = nn.program(o.net, shape)} end,
  phases = {{
    name = "train", epochs = "epochs",
    updates = {generator = {nets = {"generator"}}},        -- an optimiser, and the nets that it trains
    step = {
      {"rebuild", function(s)                              -- s.x holds s.n_normal normals, then known anomalies
        s.x_hat = s.net.generator(s.x)
        s:backward("generator", loss.mse(s.x_hat, s.x))
      end},
      "generator_update",                                  -- clipping, accumulation, Adam, weight averaging
    },
  }},
  average = {"generator"},
  picture = "generator",                                   -- the net that reconstructs, for error maps
  score = {"l2"},
}
