-- Metrics: hand-made cases with ties, and what is refused.

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
    assert.match("auroc: score 2 of 3 is not a number", message(metrics.auroc, {1, 0 / 0, 2}, {0, 1, 1}))
    assert.match("score 3 of 3 is infinite", message(metrics.auroc, {1, 2, math.huge}, {0, 1, 1}))
    assert.match("3 anomalous and 0 normal scores; it compares the two, give both",
      message(metrics.auroc, {1, 2, 3}, {1, 1, 1}))
    assert.match("0 anomalous and 0 normal", message(metrics.auroc, {}, {}))
    assert.match("2 labels for 3 values", message(metrics.auroc, {1, 2, 3}, {1, 0}))
    assert.match("label 2 is 3; labels are 0 %(normal%) and 1", message(metrics.auroc, {1, 2}, {0, 3}))
    assert.match("item 2 of the list is no number", message(metrics.auroc, {1, "x"}, {0, 1}))
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
  it("counts a score equal to the threshold as anomalous", function()
    assert.near(2 * 2 / (3 + 2), metrics.f1({1, 2, 2, 3}, {0, 0, 1, 1}, 2), 1e-15)
    assert.near(2 / 3, metrics.f1({1, 2, 2, 3}, {0, 0, 1, 1}, 2.5), 1e-15)
    assert.equal(0, metrics.f1({1, 2, 2, 3}, {0, 0, 1, 1}, 9))
  end)

  it("has its best over all thresholds", function()
    local best, threshold = metrics.best_f1({1, 2, 2, 3}, {0, 0, 1, 1})
    assert.near(0.8, best, 1e-15)
    assert.equal(2, threshold)
    best, threshold = metrics.best_f1({0.1, 0.4, 0.35, 0.8}, {0, 0, 1, 1})
    assert.near(0.8, best, 1e-15)
    assert.equal(0.35, threshold)
  end)

  it("refuses a threshold that is no number", function()
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
