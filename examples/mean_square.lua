-- A method of one's own: an autoencoder on normal pictures, the plainest thing that fits the place. The README explains
-- every key; agad.teach shows its stages, and --set changes its options.
--   agad train weave --method examples/mean_square.lua --out ae.safetensors

local loss = require "agad.loss"
local nn = require "agad.nn"

return {
  name = "mean_square",
  options = {net = "naive", batch = 64, epochs = 10},      -- its own, and other defaults for those of the trainer
  input = {-1, 1},                                         -- the range that pictures are brought to
  nets = function(o, shape) return {generator = nn.program(o.net, shape)} end,
  phases = {{
    name = "train", epochs = "epochs",
    updates = {generator = {nets = {"generator"}}},        -- an optimiser, and the nets whose weights it moves
    step = {
      {"rebuild", function(s)                              -- s.x holds s.n_normal normals, then known anomalies
        s.x_hat = s.net.generator(s.x)
        s:backward("generator", loss.mse(s.x_hat, s.x))
      end},
      "generator_update",                                  -- clipping, accumulation, Adam, the average of weights
    },
  }},
  average = {"generator"},
  picture = "generator",                                   -- the net that gives error maps and reconstructions
  score = {"l2"},
}
