-- The discriminator. Its outputs are the logits of "real", and its last feature map z, the latent of Eq. 7. With
-- latent = "embedding", z is a vector of 100 numbers computed from the whole map.
-- Each layer halves the sides, while both are at least 8, and doubles the channels, up to 512; the last convolution
-- covers the whole map that remains. 3 x 32 x 32: 663,296 parameters, 17.6 million MACs.

local nn = require "agad.nn"
local shared = require "agad.nn.options"

local function build(shape, o)
  local b = nn.builder(shape)
  local height, width, channels = shape[2], shape[3], 64
  local z = b.x
  if height < 8 or width < 8 then error("net discriminator: pictures need at least 8 x 8 pixels", 0) end
  while height >= 8 and width >= 8 do
    local half = {kernel = 4, stride = 2, padding = 1}
    z = (channels > 64 and z:conv_norm(channels, half, o.norm) or z:conv(channels, half)):leaky_relu(0.2)
    height, width, channels = height // 2, width // 2, math.min(channels * 2, 512)
  end
  local logits = z:conv(1, {kernel = {height, width}})
  if o.latent == "embedding" then z = z:conv(100, {kernel = {height, width}}) end
  return logits:build("discriminator", {{"logits", logits}, {"z", z}})
end

return {options = {norm = shared.norm, latent = shared.latent}, build = build}
