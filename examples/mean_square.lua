-- A method of one's own: an autoencoder on normal pictures, the plainest thing that fits the place.
--   agad train weave --method examples/mean_square.lua --out ae.safetensors

local loss = require "agad.loss"
local nn = require "agad.nn"

return {
  name = "mean_square",
  options = {net = "naive", batch = 64, epochs = 10},
  input = {-1, 1},
  nets = function(o, shape) return {generator = nn.program(o.net, shape)} end,
  phases = {{
    name = "train", epochs = "epochs",
    updates = {generator = {nets = {"generator"}}},
    step = {
      {"rebuild", function(s)
        s.x_hat = s.net.generator(s.x)
        s:backward("generator", loss.mse(s.x_hat, s.x))
      end},
      "generator_update",
    },
  }},
  average = {"generator"},
  score = {"l2"},
}
