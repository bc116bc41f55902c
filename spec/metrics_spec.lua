-- Metrics: hand-made cases with ties, scikit-learn's stored results, and what is refused.

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
    assert.match("auroc is undefined for 3 anomalous and 0 normal scores: it compares the two; give both",
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
      assert.near(want.f1, metrics.f1(scores, labels, threshold), 1e-12)
      local best, at = metrics.best_f1(scores, labels)
      assert.near(want.best_f1, best, 1e-12)
      assert.equal(want.best_at, at)
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

-- Localisation ------------------------------------------------------------------------------------

-- The definition: every threshold, every region.
local function slow_localisation(maps, masks, h, w, limit)
  local regions, normals, seen = {}, {}, {}
  for k, mask in ipairs(masks) do
    for i = 1, h * w do
      if mask[i] == 0 then normals[#normals + 1] = maps[k][i]
      elseif not seen[k .. " " .. i] then
        local region, stack = {}, {i}
        seen[k .. " " .. i] = true
        while #stack > 0 do
          local at = table.remove(stack)
          region[#region + 1] = maps[k][at]
          local y, x = (at - 1) // w, (at - 1) % w
          for v = math.max(0, y - 1), math.min(h - 1, y + 1) do
            for u = math.max(0, x - 1), math.min(w - 1, x + 1) do
              local next_one = v * w + u + 1
              if mask[next_one] ~= 0 and not seen[k .. " " .. next_one] then
                seen[k .. " " .. next_one] = true
                stack[#stack + 1] = next_one
              end
            end
          end
        end
        regions[#regions + 1] = region
      end
    end
  end
  local cuts, known = {}, {}
  for _, map in ipairs(maps) do
    for _, s in ipairs(map) do if not known[s] then known[s] = true; cuts[#cuts + 1] = s end end
  end
  table.sort(cuts, function(a, b) return a > b end)
  local function share(list, cut)
    local n = 0
    for _, s in ipairs(list) do if s >= cut then n = n + 1 end end
    return n / #list
  end
  local before, area = {0, 0}, 0
  for _, cut in ipairs(cuts) do
    local fpr, overlap = share(normals, cut), 0
    for _, region in ipairs(regions) do overlap = overlap + share(region, cut) / #regions end
    if before[1] < limit and fpr > before[1] then
      local stop = math.min(fpr, limit)
      local there = before[2] + (overlap - before[2]) * (stop - before[1]) / (fpr - before[1])
      area = area + (stop - before[1]) * (before[2] + there) / 2
    end
    before = {fpr, overlap}
  end
  return area / limit, #regions
end

describe("localisation", function()
  local function measure(maps, masks, h, w, limit)
    local l = metrics.localiser(#maps, h, w)
    local flat_maps, flat_masks = {}, {}
    for k = 1, #maps do
      table.move(maps[k], 1, h * w, #flat_maps + 1, flat_maps)
      table.move(masks[k], 1, h * w, #flat_masks + 1, flat_masks)
    end
    l:add(agad.tensor(flat_maps):reshape {#maps, h, w}, agad.core.from_table(flat_masks, "uint8"):reshape {#maps, h, w})
    return l:result(limit)
  end

  it("of a map that is the mask is 1, of its reverse 0, of an even one half", function()
    local mask = {0, 0, 1, 1, 0, 0, 0, 0, 1}
    local reverse, even = {}, {}
    for i, v in ipairs(mask) do reverse[i], even[i] = 1 - v, 3 end
    local r = measure({mask}, {mask}, 3, 3)
    assert.same({1, 1, 3, 3, 6}, {r.pixel_auroc, r.pro, r.regions, r.defect_pixels, r.normal_pixels})
    r = measure({reverse}, {mask}, 3, 3)
    assert.same({0, 0}, {r.pixel_auroc, r.pro})
    r = measure({even}, {mask}, 3, 3)
    assert.equal(.5, r.pixel_auroc)
    assert.near(.15, r.pro, 1e-12)                            -- the diagonal's area up to .3, over .3
  end)

  it("joins diagonal neighbours, and weighs a small region as a large one", function()
    local mask = {1, 0, 0, 0,
                  0, 1, 0, 0,
                  0, 0, 0, 1,
                  1, 0, 0, 1}
    local map = {9, 0, 0, 0,
                 0, 9, 0, 0,
                 0, 0, 0, 0,
                 0, 0, 0, 9}
    local r = measure({map}, {mask}, 4, 4)
    assert.equal(3, r.regions)
    -- covered at no false alarm: 1, 1/2 and 0 of the regions; the rest rises evenly to a rate of 1
    assert.near(.5 + .5 * .15, r.pro, 1e-12)
    assert.near(3 / 5 + 2 / 5 * .5, r.pixel_auroc, 1e-12)
  end)

  it("equals the definition on random cases with ties, added in parts or at once", function()
    local state = 99
    local function draw(n)
      state = (state * 1103515245 + 12345) % 2147483648
      return state // 65536 % n
    end
    for round = 1, 15 do
      local h, w, n = 3 + draw(5), 3 + draw(5), 1 + draw(4)
      local maps, masks, scores, labels = {}, {}, {}, {}
      for k = 1, n do
        maps[k], masks[k] = {}, {}
        for i = 1, h * w do
          masks[k][i] = draw(4) == 0 and 1 or 0
          maps[k][i] = draw(9) + 3 * masks[k][i]
        end
      end
      masks[1][1], masks[1][2] = 1, 0
      for k = 1, n do
        table.move(maps[k], 1, h * w, #scores + 1, scores)
        table.move(masks[k], 1, h * w, #labels + 1, labels)
      end
      for _, limit in ipairs {.3, .05, 1} do
        local r = measure(maps, masks, h, w, limit)
        local pro, regions = slow_localisation(maps, masks, h, w, limit)
        assert.near(pro, r.pro, 1e-12, ("round %d, limit %g"):format(round, limit))
        assert.equal(regions, r.regions)
        assert.near(metrics.auroc(scores, labels), r.pixel_auroc, 1e-12)
      end
    end
  end)

  it("of noise is half", function()
    local l = metrics.localiser(40, 64, 64)
    agad.manual_seed(5)
    local masks = agad.zeros(20, 64, 64, {dtype = "uint8"})
    masks:narrow(2, 10, 12):narrow(3, 20, 9):fill_(1)
    for _ = 1, 2 do l:add(agad.rand(20, 64, 64), masks) end
    local r = l:result()
    assert.same({40, 40 * 12 * 9}, {r.regions, r.defect_pixels})
    assert.near(.5, r.pixel_auroc, .02)
    assert.near(.15, r.pro, .02)
  end)

  it("refuses other shapes, too many maps, numbers that are none, and masks without a defect", function()
    local l = metrics.localiser(1, 2, 3)
    local map, mask = agad.zeros(1, 2, 3), agad.zeros(1, 2, 3, {dtype = "uint8"})
    assert.match("maps are %(count, 2, 3%)", message(l.add, l, agad.zeros(1, 3, 2), mask))
    assert.match("masks are %(count, 2, 3%)", message(l.add, l, map, agad.zeros(2, 2, 3)))
    assert.match("pixel 1 of map 1 is not finite", message(l.add, l, map / 0, mask))
    l:add(map, mask)
    assert.match("more maps than the 1", message(l.add, l, map, mask))
    assert.match("0 defective and 6 normal pixels", message(l.result, l))
    assert.match("is closed", message(l.result, l))
  end)
end)
