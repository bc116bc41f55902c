-- As digits_agad.lua, by Deep SAD.
return {data = "mnist", options = {method = "deep_sad", precision = "fp32", threads = 1, gamma = .05,
  pretrain_epochs = 20, epochs = 30, milestone = 20, bn_eval = "recalibrated", checkpoint_minutes = 5},
  grid = {normal = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, anom_classes = {"all", 1}, seed = {1}}}
