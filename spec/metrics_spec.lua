-- Metrics: hand-made cases with ties, scikit-learn's stored results, and what is refused.
-- To add a case: scores and labels with the figure known by hand; a random one in spec/bench/metrics_reference.py.

local agad = require "agad"
local metrics = agad.metrics

local function message(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.is_nil(tostring(err):find("\n"))
  return tostring(err)
end

-- The definition, over all pairs.
local function slow_auroc(scores, labels)
  local wins, pairs_ = 0, 0
  for i, a in ipairs(scores) do
    for j, b in ipairs(scores) do
      if labels[i] == 1 and labels[j] == 0 then
        pairs_ = pairs_ + 1
        wins = wins + (a > b and 1 or a == b and 0.5 or 0)
      end
    end
  end
  return wins / pairs_
end

describe("auroc", function()
  it("is 1, 0 and .5 for perfect, reversed and equal scores", function()
    assert.equal(1, metrics.auroc({1, 2, 3, 4}, {0, 0, 1, 1}))
    assert.equal(0, metrics.auroc({4, 3, 2, 1}, {0, 0, 1, 1}))
    assert.equal(0.5, metrics.auroc({7, 7, 7, 7}, {0, 1, 0, 1}))
  end)

  it("counts a tie as half", function()
    assert.equal(0.75, metrics.auroc({0.1, 0.4, 0.35, 0.8}, {0, 0, 1, 1}))
    assert.equal(0.875, metrics.auroc({1, 2, 2, 3}, {0, 0, 1, 1}))
    assert.equal(2 / 6, metrics.auroc({1, 1, 2, 2, 3}, {0, 1, 0, 1, 0}))
  end)

  it("is the share of pairs in the right order, whatever the order of the rows", function()
    local random = 12345
    local function draw(n)
      random = (random * 1103515245 + 12345) % 2147483648
      return random // 65536 % n
    end
    for _ = 1, 20 do
      local scores, labels = {}, {}
      for i = 1, 60 do scores[i], labels[i] = draw(12), draw(2) end
      labels[1], labels[2] = 0, 1
      assert.near(slow_auroc(scores, labels), metrics.auroc(scores, labels), 1e-15)
    end
  end)

  it("takes tensors and booleans", function()
    local scores, labels = agad.core.from_table({1, 2, 2, 3}, "float32"), agad.core.from_table({0, 0, 1, 1}, "int64")
    assert.equal(0.875, metrics.auroc(scores, labels))
    assert.equal(0.875, metrics.auroc(scores, {false, false, true, true}))
  end)

  it("is exact for a hundred thousand scores", function()
    local scores, labels = {}, {}
    for i = 1, 100000 do scores[i], labels[i] = i, i % 2 end
    -- 1-based odd numbers are anomalous: pairs (2k - 1 > 2j) number n (n - 1) / 2 of n^2
    assert.equal(49999 / 100000, metrics.auroc(scores, labels))
  end)

  it("refuses scores that are no numbers and labels of one class", function()
    assert.match("auroc: 1 of 3 scores are not finite, the first is score 2 %(not a number%)",
      message(metrics.auroc, {1, 0 / 0, 2}, {0, 1, 1}))
    assert.match("2 of 4 scores are not finite, the first is score 3 %(infinite%)",
      message(metrics.auroc, {1, 2, math.huge, 0 / 0}, {0, 1, 1, 0}))
    assert.match("auroc is undefined for 3 anomalous and 0 normal scores; both kinds are needed",
      message(metrics.auroc, {1, 2, 3}, {1, 1, 1}))
    assert.match("0 anomalous and 0 normal", message(metrics.auroc, {}, {}))
    assert.match("2 labels for 3 values", message(metrics.auroc, {1, 2, 3}, {1, 0}))
    assert.match("label 2 is 3; labels are 0 %(normal%) and 1", message(metrics.auroc, {1, 2}, {0, 3}))
    assert.match("item 2 of the list is not a number", message(metrics.auroc, {1, "x"}, {0, 1}))
    assert.match("list or tensor of numbers", message(metrics.auroc, 7, {0, 1}))
  end)
end)

describe("average precision", function()
  it("is scikit-learn's", function()
    assert.near(0.8333333333333333, metrics.average_precision({0.1, 0.4, 0.35, 0.8}, {0, 0, 1, 1}), 1e-15)
    assert.equal(1, metrics.average_precision({1, 2, 3}, {0, 1, 1}))
  end)

  it("takes equal scores as one threshold", function()
    assert.equal(0.5, metrics.average_precision({7, 7, 7, 7}, {0, 1, 0, 1}))
    assert.near((1 + 2 / 3) / 2, metrics.average_precision({1, 2, 2, 3}, {0, 0, 1, 1}), 1e-15)
  end)
end)

describe("F1", function()
  it("counts a score equal to the threshold as normal, as a model's verdict does", function()
    assert.near(2 / 3, metrics.f1({1, 2, 2, 3}, {0, 0, 1, 1}, 2), 1e-15)
    assert.near(2 * 2 / (3 + 2), metrics.f1({1, 2, 2, 3}, {0, 0, 1, 1}, 1.5), 1e-15)
    assert.equal(1, metrics.f1({5, 5, 5, 7}, {0, 0, 0, 1}, 5))
    assert.equal(0, metrics.f1({5, 5, 5, 7}, {0, 0, 0, 1}, 7))
    assert.equal(0, metrics.f1({0.0, 0.0}, {0, 1}, -0.0))
    assert.equal(0, metrics.f1({1, 2, 2, 3}, {0, 0, 1, 1}, 9))
  end)

  it("has its best over all thresholds", function()
    local best, threshold = metrics.best_f1({1, 2, 2, 3}, {0, 0, 1, 1})
    assert.near(0.8, best, 1e-15)
    assert.is_true(threshold < 2 and threshold > 2 - 1e-15)        -- below the tied scores, which are called anomalous
    assert.equal(best, metrics.f1({1, 2, 2, 3}, {0, 0, 1, 1}, threshold))
    best, threshold = metrics.best_f1({0.1, 0.4, 0.35, 0.8}, {0, 0, 1, 1})
    assert.near(0.8, best, 1e-15)
    assert.is_true(threshold < 0.35 and threshold > 0.35 - 1e-15)
  end)

  it("refuses a threshold that is not a number", function()
    assert.match("f1: the threshold is not a number", message(metrics.f1, {1, 2}, {0, 1}, 0 / 0))
  end)
end)

describe("true positives at a false-positive rate", function()
  local scores, labels = {}, {}
  for i = 1, 100 do scores[i], labels[i] = i, 0 end
  for i = 1, 10 do scores[100 + i], labels[100 + i] = 90.5 + i, 1 end

  it("takes the best threshold that keeps the rate", function()
    assert.equal(0.1, metrics.tpr_at_fpr(scores, labels, 0))
    assert.equal(0.2, metrics.tpr_at_fpr(scores, labels, 0.01))
    assert.equal(0.6, metrics.tpr_at_fpr(scores, labels, 0.05))
    assert.equal(1, metrics.tpr_at_fpr(scores, labels, 1))
  end)

  it("is 0 where the highest score is a tie with too many normals", function()
    assert.equal(0, metrics.tpr_at_fpr({5, 5, 1}, {0, 1, 0}, 0.1))
  end)

  it("refuses a rate outside 0 to 1", function()
    assert.match("false%-positive rate 2; give 0 to 1", message(metrics.tpr_at_fpr, scores, labels, 2))
  end)
end)

describe("quantile", function()
  it("interpolates between order statistics", function()
    assert.equal(1, metrics.quantile({3, 1, 2}, 0))
    assert.equal(2, metrics.quantile({3, 1, 2}, 0.5))
    assert.equal(3, metrics.quantile({3, 1, 2}, 1))
    assert.near(3.85, metrics.quantile({1, 2, 3, 4}, 0.95), 1e-12)
    assert.equal(4, metrics.quantile({4}, 0.3))
  end)

  it("refuses nothing, what is not finite, and other shares", function()
    assert.match("no values", message(metrics.quantile, {}, 0.5))
    assert.match("value 1 of 2 is not finite", message(metrics.quantile, {0 / 0, 1}, 0.5))
    assert.match("quantile: 1.5; give 0 to 1", message(metrics.quantile, {1}, 1.5))
  end)
end)

-- The cases of spec/bench/metrics_reference.py: drawn here with the same generator.
local function case(seed)
  local state = seed
  local function draw(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % n
  end
  local n, levels, shift = 4 + draw(300), 2 + draw(24), draw(6)
  local scores, labels = {}, {}
  for i = 1, n do labels[i] = draw(3) // 2 end
  labels[1], labels[2] = 0, 1
  for i = 1, n do scores[i] = (draw(levels) + shift * labels[i] - levels // 2) / 8 end
  return scores, labels, (draw(levels) - levels // 2) / 8
end

describe("scikit-learn's results on 200 cases with ties", function()
  local file = assert(io.open "spec/data/metrics.json")
  local stored = agad.core.json_decode(file:read "a")
  file:close()

  -- Equal to 1e-12, point by point; `flat` holds the first coordinates, then the second ones.
  local function same_points(flat, first, second, seed)
    assert.equal(#flat, #first + #second, "points of case " .. seed)
    for i, x in ipairs(first) do assert.near(flat[i], x, 1e-12) end
    for i, y in ipairs(second) do assert.near(flat[#first + i], y, 1e-12) end
  end

  it("are equal to 1e-12", function()
    assert.equal(200, #stored.cases)
    for seed, want in ipairs(stored.cases) do
      local scores, labels, threshold = case(seed)
      assert.equal(want.n, #scores)
      assert.near(want.auroc, metrics.auroc(scores, labels), 1e-12)
      assert.near(want.ap, metrics.average_precision(scores, labels), 1e-12)
      -- Scores are multiples of 1/8; those at the threshold itself count in the stored figure.
      assert.near(want.f1, metrics.f1(scores, labels, threshold - 1 / 16), 1e-12)
      local best, at = metrics.best_f1(scores, labels)
      assert.near(want.best_f1, best, 1e-12)
      assert.is_true(at < want.best_at)
      assert.near(want.best_at, at, 1e-12)
      assert.equal(best, metrics.f1(scores, labels, at))
      assert.is_true(metrics.f1(scores, labels, want.best_at) <= best)
      assert.near(want.tpr1, metrics.tpr_at_fpr(scores, labels, 0.01), 1e-12)
      assert.near(want.tpr5, metrics.tpr_at_fpr(scores, labels, 0.05), 1e-12)
      local roc = metrics.roc(scores, labels)
      same_points(want.roc, roc.fpr, roc.tpr, seed)
      assert.equal(math.huge, table.remove(roc.thresholds, 1))
      assert.same(want.cuts, roc.thresholds)
      local pr = metrics.precision_recall(scores, labels)
      same_points(want.pr, pr.recall, pr.precision, seed)
    end
  end)
end)

-- Scores of a known AUROC: normals N(0, 1), anomalies N(d, 1) by Box and Muller.
local function gaussian(seed, n, d)
  local state = seed
  local function uniform()
    state = (state * 1103515245 + 12345) % 2147483648
    return (state // 65536 + .5) / 32768
  end
  local scores, labels = {}, {}
  for i = 1, n do
    labels[i] = i % 2
    scores[i] = math.sqrt(-2 * math.log(uniform())) * math.cos(2 * math.pi * uniform()) + d * labels[i]
  end
  return scores, labels
end

describe("the interval of AUROC", function()
  it("is that of the bootstrap, about as wide as Hanley and McNeil's", function()
    local scores, labels = gaussian(3, 400, 1)
    local low, high = metrics.auroc_interval(scores, labels, {seed = 4})
    local a = metrics.auroc(scores, labels)
    assert.is_true(low < a and a < high)
    local q1, q2 = a / (2 - a), 2 * a * a / (1 + a)          -- Hanley and McNeil, 1982
    local se = math.sqrt((a * (1 - a) + 199 * (q1 - a * a) + 199 * (q2 - a * a)) / 200 ^ 2)
    assert.near(2 * 1.96 * se, high - low, 0.15 * 2 * 1.96 * se)
    assert.near(a, (low + high) / 2, .5 * se)
  end)

  it("covers the true value about 95 times in 100", function()
    local truth, covered = 0.760249938906, 0                 -- Phi(1 / sqrt(2))
    for seed = 1, 200 do
      local scores, labels = gaussian(seed * 7919, 120, 1)
      local low, high = metrics.auroc_interval(scores, labels, {resamples = 400, seed = seed})
      if low <= truth and truth <= high then covered = covered + 1 end
    end
    assert.is_true(covered >= 180 and covered <= 199, covered)
  end)

  it("is the same for the same seed, and 1 to 1 for what is told apart perfectly", function()
    local scores, labels = gaussian(5, 50, 1)
    local a, b = {metrics.auroc_interval(scores, labels)}, {metrics.auroc_interval(scores, labels, {seed = 1})}
    assert.same(a, b)
    assert.not_same(a, {metrics.auroc_interval(scores, labels, {seed = 2})})
    assert.same({1, 1}, {metrics.auroc_interval({1, 2, 3, 4}, {0, 0, 1, 1})})
    assert.same({0.5, 0.5}, {metrics.auroc_interval({7, 7, 7}, {0, 0, 1})})
    local wide = {metrics.auroc_interval(scores, labels, {level = .99})}
    assert.is_true(wide[1] < a[1] and wide[2] > a[2])
  end)

  it("is refused without both classes, or with other numbers of resamples", function()
    assert.match("auroc interval is undefined", message(metrics.auroc_interval, {1, 2}, {1, 1}))
    assert.match("2 to 1000000", message(metrics.auroc_interval, {1, 2}, {1, 0}, {resamples = 1}))
    assert.match("level 2", message(metrics.auroc_interval, {1, 2}, {1, 0}, {level = 2}))
  end)
end)

describe("curves", function()
  local scores, labels = gaussian(11, 20000, 1)

  it("are thinned to even steps with both ends, on the same curve", function()
    local full, thin = metrics.roc(scores, labels), metrics.roc(scores, labels, 200)
    assert.is_true(#full.fpr > 5000 and #thin.fpr <= 200 and #thin.fpr > 190)
    assert.same({0, 0, 1, 1}, {thin.fpr[1], thin.tpr[1], thin.fpr[#thin.fpr], thin.tpr[#thin.tpr]})
    local known, area = {}, 0
    for i = 1, #full.fpr do known[full.fpr[i] .. " " .. full.tpr[i]] = full.thresholds[i] end
    for i = 1, #thin.fpr do
      assert.equal(thin.thresholds[i], known[thin.fpr[i] .. " " .. thin.tpr[i]])
      if i > 1 then
        area = area + (thin.fpr[i] - thin.fpr[i - 1]) * (thin.tpr[i] + thin.tpr[i - 1]) / 2
        assert.is_true(thin.fpr[i] - thin.fpr[i - 1] + thin.tpr[i] - thin.tpr[i - 1] < .03)
      end
    end
    assert.near(metrics.auroc(scores, labels), area, 1e-3)
  end)

  it("have histograms that count every score once", function()
    local h = metrics.histogram({0, 1, 1, 2, 4}, {0, 0, 1, 1, 1}, 4)
    assert.same({0, 1, 2, 3, 4}, h.edges)
    assert.same({1, 1, 0, 0}, h.normal)
    assert.same({0, 1, 1, 1}, h.anomalous)
    assert.same({normal = {0, 0, 1}, anomalous = {0, 0, 1}, edges = {5, 5, 5, 5}},
      (function() local c = metrics.histogram({5, 5}, {0, 1}, 3)
        c.normal, c.anomalous = {0, 0, c.normal[1] + c.normal[3]}, {0, 0, c.anomalous[1] + c.anomalous[3]}
        return c end)())
    assert.match("score 2 of 2 is not finite", message(metrics.histogram, {1, 0 / 0}, {0, 1}))
  end)
end)

describe("sorting", function()
  it("orders negative, tiny, huge and equal scores, few or many of them", function()
    local few = {-math.huge, -1e300, -2, -1e-310, -0.0, 0.0, 5e-324, 1e-310, 3, 1e300}
    for i = 2, #few do
      assert.equal(few[i] == few[i - 1] and 0.5 or 1,
        metrics.auroc({math.max(few[i - 1], -1e308), few[i]}, {0, 1}))
    end
    local many, labels = agad.randn(30000, {dtype = "float64"}) * 1e10, {}
    for i = 1, 30000 do labels[i] = i % 2 end
    local list, wins = many:totable(), 0
    local order = {}
    for i = 1, #list do order[i] = i end
    table.sort(order, function(a, b) return list[a] < list[b] end)
    local normals = 0
    for _, i in ipairs(order) do
      if labels[i] == 0 then normals = normals + 1 else wins = wins + normals end
    end
    assert.near(wins / 15000 ^ 2, metrics.auroc(many, labels), 1e-12)
  end)
end)
