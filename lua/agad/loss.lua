-- The loss terms (agad/nn/loss.lua) under the name by which methods require them.
return require "agad.nn.loss"
