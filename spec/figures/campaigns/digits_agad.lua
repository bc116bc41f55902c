-- MNIST, each digit normal once, 5 % of known anomalies: of all other classes, or of one.
-- All are scored by ema = .99 and statistics of the normals.
return {data = "mnist", options = {net = "naive", precision = "fp32", threads = 1, gamma = .05, epochs = 4,
  ema = .99, bn_eval = "recalibrated", checkpoint_minutes = 10},
  grid = {normal = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, anom_classes = {"all", 1}, seed = {1}}}
