-- AUROC after each epoch without known anomalies: two digits, three seeds; all normals and 2,500 others are tested.
return {data = "mnist", options = {net = "naive", precision = "fp32", threads = 1, evaluate_every = 1,
  test_limit = 2500, epochs = 10, gamma = 0.0, checkpoint_minutes = 10}, grid = {normal = {0, 8}, seed = {1, 2, 3}}}
