-- A classifier of normal against known anomalous pictures (the supervised baseline of Ruff et al. 2020): Deep SAD's
-- LeNet with one logit, binary cross entropy, every normal picture counted as normal. The score is the logit. It is
-- blind to kinds of anomalies that it was not shown.

local loss = require "agad.loss"
local nn = require "agad.nn"
local option = require("agad.base.options").option

return {
  name = "supervised",
  options = {
    batch = 128, lr = 1e-4, betas = {0.9, 0.999}, epochs = 150, weight_decay = 0.5e-6, ema = 0.0,
    min_anom = option {default = 0, min = 0,
      help = "minimum number of known anomalies in a batch; 32, AGAD's value, gives a stronger classifier"},
    milestone = option {default = 50, min = 0, help = "the learning rate is divided by 10 after this many epochs"},
    lenet = option {choices = {"auto", "mnist", "fashion_mnist", "cifar10"},
      help = "the net; auto means mnist for grey pictures and cifar10 for colour"},
  },
  input = {0, 1},
  needs_anomalies = true,
  anomalies = {least = "min_anom"},
  nets = function(o, shape)
    return {classifier = nn.program("lenet", shape, {kind = o.lenet ~= "auto" and o.lenet or nil, part = "classifier"})}
  end,
  phases = {{
    name = "train",
    rate = function(o, epoch) return epoch > o.milestone and 0.1 or 1 end,
    updates = {classifier = {nets = {"classifier"}}},
    step = {
      {"classify", function(s)
        local n, all = s.n_normal, s.x:size(1)
        s.y = s.net.classifier(s.x)
        s.loss.normal = loss.bce(s.y:narrow(1, 1, n), 0) * (n / all)
        local total = s.loss.normal
        if n < all then
          s.loss.anomalous = loss.bce(s.y:narrow(1, n + 1, all - n), 1) * ((all - n) / all)
          total = total + s.loss.anomalous
        end
        s:backward("classifier", total)
      end},
      "classifier_update",
    },
  }},
  average = {},
  score = function(b, n) return (n.classifier(b.x)):op("sum.dim_IntList", {dim = {2, 3, 4}}) end,   -- of one number
}
