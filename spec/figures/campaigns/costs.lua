-- A run of each kind of the ready campaigns, for the pace of a step: `agad spec/figures/campaign_costs.lua`.

local normals = {net = "unet", size = 128, channels = 1, batch = 64}

return {
  data = "weave", options = {size = 32, channels = 3, gamma = .1, threads = 1},
  variants = {{"naive", {net = "naive"}}, {"unet", {net = "unet"}}, {"unet++", {net = "unet++"}},
    {"unet, 128", normals}, {"ganomaly", {method = "ganomaly"}}, {"deep_sad", {method = "deep_sad"}},
    {"supervised", {method = "supervised"}}},
}
