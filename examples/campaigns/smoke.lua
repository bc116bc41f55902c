-- 12 runs on built-in textures: does a campaign work here? Under 3 minutes on 2 cores; an H100: a minute, an estimate.

return {
  data = "weave", options = {net = "naive", epochs = 1, limit = 128, batch = 32, test_limit = 60, evaluate_every = 1},
  grid = {normal = {"cloth", "metal"}, gamma = {0, .05, .1}, seed = {1, 2}},
}
