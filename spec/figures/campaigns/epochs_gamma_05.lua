-- The same with 5 % of known anomalies, by ema = .99 and statistics of the normals.
return {data = "mnist", options = {net = "naive", precision = "fp32", threads = 1, evaluate_every = 1,
  test_limit = 2500, epochs = 8, gamma = .05, ema = .99, bn_eval = "recalibrated", checkpoint_minutes = 10},
  grid = {normal = {0, 8}, seed = {1, 2, 3}}}
