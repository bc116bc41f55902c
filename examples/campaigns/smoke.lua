-- Built-in textures: does a campaign work here?
-- 12 runs: 1 minute on 2 cores of an AMD EPYC (Zen 5, bf16), 1 minute on an H100 (an estimate).

return {
  data = "weave", options = {net = "naive", epochs = 1, limit = 128, batch = 32, test_limit = 60, evaluate_every = 1},
  grid = {normal = {"cloth", "metal"}, gamma = {0, .05, .1}, seed = {1, 2}},
}
