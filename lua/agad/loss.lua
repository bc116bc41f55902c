-- The loss terms, by the name that methods require them under (agad/nn/loss.lua).
return require "agad.nn.loss"
