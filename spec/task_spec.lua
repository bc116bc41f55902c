-- Tasks: counts, nested pools, held-out normals, and what is refused.
-- To add a case: a test over sets.new(classes, counts) and its task; a row {options, words of the message} in
-- `refused`.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local sets = dofile "spec/support/sets.lua"

local function small()
  return agad.data.weave {train_normals = 300, train_defects = 100, test_normals = 20, test_defects = 30}
end

local function count_by_class(set, rows)
  local labels, counts = set.train.labels:totable(), {}
  for _, row in ipairs(rows) do
    local class = set.classes[labels[row + 1] + 1]
    counts[class] = (counts[class] or 0) + 1
  end
  return counts
end

describe("a task", function()
  local set = small()

  it("counts gamma = a / (n + a) over the normals that remain", function()
    local task = agad.task.one_vs_rest(set, {gamma = 0.05})
    assert.same({normals = 270, held_out = 30, anomalies = 14, test_normals = 20, test_anomalies = 30}, task.counts)
    assert.equal(math.floor(0.05 * 270 / 0.95 + .5), #task.anomalies)
  end)

  it("takes anomalies as evenly over classes as possible", function()
    local counts = count_by_class(set, agad.task.one_vs_rest(set, {gamma = 0.05}).anomalies)
    for _, kind in ipairs {"scratch", "hole", "stain", "missing_thread", "smudge"} do
      assert.is_true(counts[kind] == 2 or counts[kind] == 3, kind)
    end
  end)

  it("nests its pools over gamma", function()
    local few = agad.task.one_vs_rest(set, {gamma = 0.02}).anomalies
    local many = agad.task.one_vs_rest(set, {gamma = 0.2}).anomalies
    for i, row in ipairs(few) do assert.equal(row, many[i]) end
  end)

  it("is the same for the same seed and another for another", function()
    local function rows(seed)
      return table.concat(agad.task.one_vs_rest(set, {gamma = 0.1, task_seed = seed}).anomalies, " ")
    end
    assert.equal(rows(1), rows(1))
    assert.not_equal(rows(1), rows(2))
  end)

  it("keeps held-out normals out of training", function()
    local task, seen = agad.task.one_vs_rest(set, {holdout = 0.1}), {}
    for _, row in ipairs(task.normals) do seen[row] = true end
    for _, row in ipairs(task.held_out) do assert.is_nil(seen[row]) end
    assert.equal(300, #task.normals + #task.held_out)
  end)

  it("limits the normals", function()
    assert.equal(100, agad.task.one_vs_rest(set, {limit = 100, holdout = 0}).counts.normals)
    assert.equal(300, agad.task.one_vs_rest(set, {limit = math.maxinteger, holdout = 0}).counts.normals)
  end)

  it("takes known anomalies from named classes only", function()
    local task = agad.task.one_vs_rest(set, {gamma = 0.05, anom_classes = {"hole"}})
    assert.same({hole = 14}, count_by_class(set, task.anomalies))
    local one = count_by_class(set, agad.task.one_vs_rest(set, {gamma = 0.05, anom_classes = 1}).anomalies)
    local classes = 0
    for _ in pairs(one) do classes = classes + 1 end
    assert.equal(1, classes)
  end)

  it("says when gamma asks for more anomalies than there are", function()
    local task = agad.task.one_vs_rest(set, {gamma = 0.5})
    assert.equal(100, #task.anomalies)
    assert.matches("asks for 270 known anomalies, but the train split has 100", task.notes[1])
  end)

  it("refuses a trainer whose options say otherwise", function()
    local task = agad.task.one_vs_rest(set, {gamma = .05})
    checks.has(checks.refused(agad.trainer, task, {gamma = .1}),
      "gamma = 0.1: the task was made with 0.05; give this option to the task instead")
    checks.has(checks.refused(agad.trainer, task, {normal = "hole"}), 'normal = "hole": the task was made with "cloth"')
    assert.equal(2, agad.trainer(task, {gamma = "0.05", seed = 2, net = "examples/small_net.lua"}).config.seed)
  end)

  it("says in words what it has", function()
    local task = agad.task.one_vs_rest(set, {gamma = .05})
    assert.equal(tostring(task) .. [[

  train: 270 normals, 30 held out, 14 known anomalies of 100
  known: scratch 3, hole 3, stain 3, missing_thread 2, smudge 3
  test:  20 normals, 30 anomalies
         cloth 20, scratch 6, hole 6, stain 6, missing_thread 6, smudge 6]], task:describe())
  end)

  it("prints as the call that makes it", function()
    assert.matches('^agad.task.one_vs_rest%(agad.data.weave{.*}, {normal = "cloth", gamma = 0.1, task_seed = 1}%)$',
      tostring(agad.task.one_vs_rest(set, {gamma = 0.1})))
  end)

  local refused = {
    {{gamma = 1}, "gamma = 1: it must be at least 0 and below 1"}, {{gamma = -0.1}, "gamma"},
    {{gamma = {0, 1.5}}, "gamma = 1.5: it must be"},
    {{normal = "silk"}, "normal: weave has no class silk; its classes: cloth, scratch"},
    {{normal = "clot"}, "has no class clot; did you mean cloth?"},
    {{normal = {"cloth", "hol"}}, "did you mean hole?"},
    {{anom_classes = {"cloth"}}, "is normal; give anomalous classes"},
      {{anom_classes = {"stian"}}, "did you mean stain?"},
    {{anom_classes = 9}, "only 5 classes"}, {{normals = "cloth"}, 'unknown option "normals"; did you mean normal'},
    {{epochs = 3}, "epochs is not an option of a task; give it to the trainer"},
    {{protocol = "leave_one_out"}, "protocol = leave_one_out; use agad.task.new for other protocols"},
    {{anomaly = "hole"}, "anomaly is an option of protocol = leave_one_out; here give normal"},
    {{test_set = "ganomaly", gamma = .1}, "give gamma = 0, or force = true"},
    {{test_set = "ganomaly", gamma = {0, .1}}, "give gamma = 0, or force = true"},
  }
  for _, r in ipairs(refused) do
    it("refuses " .. next(r[1]) .. ": " .. r[2], function()
      checks.has(checks.refused(agad.task.one_vs_rest, set, r[1]), r[2])
    end)
  end
end)

describe("leave_one_out", function()
  local set = small()

  it("has one anomalous class, all others normal", function()
    local t = agad.task.leave_one_out(set, {anomaly = "hole", gamma = .05, holdout = .1})
    -- normals: 300 cloth and 80 of four defects; 38 are held out; round(.05 * 342 / .95) = 18 of 20 holes
    assert.same({normals = 342, held_out = 38, anomalies = 18, test_normals = 44, test_anomalies = 6}, t.counts)
    assert.same({hole = 18}, count_by_class(set, t.anomalies))
    assert.same({0, 1, 3, 4, 5}, t.normal_labels)
    assert.matches('^agad.task.leave_one_out%(agad.data.weave{.*}, {anomaly = "hole", gamma = 0.05, task_seed = 1}%)$',
      tostring(t))
    local same = agad.task.new(set, {protocol = "leave_one_out", anomaly = "hole", gamma = .05})
    assert.same(t.anomalies, same.anomalies)
  end)

  it("refuses a normal class, and wants the anomalous one", function()
    checks.has(checks.refused(agad.task.leave_one_out, set, {normal = "hole"}),
      "protocol = leave_one_out: give anomaly = CLASS, the anomalous class; all others are normal, "
      .. "so that normal = hole has no meaning")
    checks.has(checks.refused(agad.task.leave_one_out, set, {}),
      "which class is anomalous? give anomaly = one of cloth")
    checks.has(checks.refused(agad.task.leave_one_out, set, {anomaly = "hoel"}), "anomaly: weave has no class hoel",
      "did you mean hole?")
    checks.has(checks.refused(agad.task.leave_one_out, set, {anomaly = set.classes}), "every class is anomalous")
  end)
end)

describe("normal classes", function()
  local fine = {"apple", "pear", "shark", "trout", "lamp"}
  local set = sets.new(fine, {10, 11, 12, 13, 14}, {2, 3, 4, 5, 6},
    {superclasses = {names = {"fruit", "fish", "things"}, of = {0, 0, 1, 1, 2}}})

  it("may be several, or a superclass", function()
    local t = agad.task.one_vs_rest(set, {normal = "fish", gamma = .2})
    assert.same({2, 3}, t.normal_labels)
    -- round(.2 * 25 / .8) = 6 (6.25) of 35
    assert.same({normals = 25, held_out = 0, anomalies = 6, test_normals = 9, test_anomalies = 11}, t.counts)
    assert.same({apple = 2, pear = 2, lamp = 2}, count_by_class(set, t.anomalies))
    assert.same({"shark", "trout"}, t:normal_names())
    for _, same in ipairs {{"trout", "shark"}, "shark, trout", {"fish"}, {"fish", "trout"}} do
      assert.same(t.normals, agad.task.one_vs_rest(set, {normal = same, gamma = .2}).normals)
    end
    assert.same({"shark", "trout"}, agad.task.one_vs_rest(set, {normal = "shark, trout"}).options.normal)
    checks.has(tostring(agad.task.one_vs_rest(set, {normal = "shark,trout"})),
      '{normal = {"shark", "trout"}, gamma = 0,')
  end)

  it("suggest superclasses too", function()
    checks.has(checks.refused(agad.task.one_vs_rest, set, {normal = "fruits"}), "did you mean fruit?")
    checks.has(checks.refused(agad.task.one_vs_rest, set, {}),
      "which class is normal? give normal = one of apple, pear")
  end)

  it("and anomalous ones must have pictures where they are named", function()
    local holey = sets.new({"good", "crack", "dent"}, {30, 0, 5}, {5, 5, 5}, {normal = "good"})
    checks.has(checks.refused(agad.task.one_vs_rest, holey, {anom_classes = {"crack"}, gamma = .1}),
      "anom_classes: class crack has no training pictures")
    assert.equal(0, agad.task.one_vs_rest(holey, {anom_classes = {"crack"}}).counts.anomalies)
    checks.has(checks.refused(agad.task.one_vs_rest, holey, {normal = "crack"}),
      "made: class crack has no training pictures")
    local t = agad.task.one_vs_rest(holey, {gamma = .2})
    assert.same({5, {"gamma = 0.2 asks for 8 known anomalies, but the train split has 5; all of them are used"}},
      {t.counts.anomalies, t.notes})
  end)
end)

describe("pools", function()
  local set = sets.new({"a", "b", "c", "d"}, {200, 30, 7, 19}, {5, 5, 5, 5})

  it("nest, and are as even over classes as the classes last, for every seed", function()
    local have = {b = 30, c = 7, d = 19}
    for seed = 1, 12 do
      local task = agad.task.one_vs_rest(set, {normal = "a", gamma = .1, task_seed = seed})
      assert.equal(56, #task.pool)
      assert.equal(22, #task.anomalies)                       -- round(.1 * 200 / .9)
      for n = 1, #task.pool do
        local counts = count_by_class(set, table.move(task.pool, 1, n, 1, {}))
        local least, most = math.huge, 0
        for class, all in pairs(have) do
          local c = counts[class] or 0
          most = math.max(most, c)
          if c < all then least = math.min(least, c) end      -- a class that is used up may stay behind
        end
        assert.is_true(least == math.huge or most - least <= 1, ("seed %d, %d of the pool"):format(seed, n))
      end
      for _, gamma in ipairs {0, .01, .05, .2} do
        local rows = task:anomalies_at(gamma)
        assert.equal(math.min(56, math.floor(gamma * 200 / (1 - gamma) + .5)), #rows)
        assert.same(rows, agad.task.one_vs_rest(set, {normal = "a", gamma = gamma, task_seed = seed}).anomalies)
        for i, row in ipairs(rows) do assert.equal(task.pool[i], row) end
      end
    end
  end)

  it("take the largest gamma of a schedule", function()
    local task = agad.task.one_vs_rest(set, {normal = "a", gamma = "linear:0:0.1:10"})
    assert.equal(22, task.counts.anomalies)
    checks.has(task:describe(), "up to 22 known anomalies of 56")
    assert.equal(56, agad.task.one_vs_rest(set, {normal = "a", gamma = function() return 0 end}).counts.anomalies)
  end)

  it("nest over how many classes they come from", function()
    local seen = {}
    for k = 1, 3 do
      local task = agad.task.one_vs_rest(set, {normal = "a", gamma = .05, anom_classes = k, task_seed = 4})
      local counts, n = count_by_class(set, task.pool), 0
      for class in pairs(seen) do assert.is_truthy(counts[class]) end
      for class in pairs(counts) do seen[class], n = true, n + 1 end
      assert.equal(k, n)
    end
  end)
end)

describe("an unsplit set", function()
  local function made()
    return sets.new({"good", "crack", "dent"}, {103, 21, 1}, nil, {normal = "good", holdout = .1})
  end
  local set = made()

  local function union(...)
    local seen, n = {}, 0
    for _, rows in ipairs {...} do
      for _, row in ipairs(rows) do
        assert.is_nil(seen[row], "row " .. row .. " is on two sides")
        seen[row], n = true, n + 1
      end
    end
    return n
  end

  it("is split by seed: a fifth of the normals, half of the anomalies", function()
    local t = agad.task.one_vs_rest(set, {gamma = .1})
    -- test: round(20.6) of 103, 11 of 21, 1 of 1; 82 remain, 20 of them are held out (at least 20)
    assert.same({normals = 62, held_out = 20, anomalies = 7, test_normals = 21, test_anomalies = 12}, t.counts)
    assert.equal(10, #t.pool)
    assert.equal(125, union(t.normals, t.held_out, t.pool, t.test_rows))
    assert.same({33, 1, 8, 8}, t.test.images.shape)
    assert.equal(set.train, t.train)
    assert.equal(set.train.images, t.train.images)             -- the whole tensor, not a copy
    local labels = set.train.labels:totable()
    for i, row in ipairs(t.test_rows) do
      assert.equal(labels[row + 1] == 0 and 0 or 1, t.test.anomalous[i])
      assert.same(set.train.images:select(1, row + 1):totable(), t.test.images:select(1, i):totable())
    end
  end)

  it("is split the same way whatever gamma, limit and holdout are, and another for another seed", function()
    local function test_rows(o) return agad.task.one_vs_rest(set, o).test_rows end
    local base = test_rows {}
    assert.same(base, test_rows {gamma = .1, limit = 9, holdout = 0, anom_classes = {"crack"}})
    assert.same(base, test_rows {seed = 1})
    for seed = 2, 6 do
      assert.not_same(base, test_rows {task_seed = seed})
      assert.equal(#base, #test_rows {task_seed = seed})
    end
  end)

  it("carries masks, paths and origins to its test side", function()
    local other = made()
    other.train.paths, other.train.masks = {}, other.train.images:select(2, 1)
    other.train.origin = {height = other.train.labels + 100, width = other.train.labels,
      file_bytes = other.train.labels}
    for i = 1, 125 do other.train.paths[i] = "p" .. i - 1 end
    local t = agad.task.one_vs_rest(other, {})
    for i, row in ipairs(t.test_rows) do assert.equal("p" .. row, t.test.paths[i]) end
    assert.same({33, 8, 8}, t.test.masks.shape)
    assert.equal(100 + t.test.labels:select(1, 33):item(), t.test.origin.height:select(1, 33):item())
  end)

  it("without anomalies is all for training, and has an empty test side", function()
    local flat = sets.new({"good", "other"}, {50, 0}, nil, {normal = "good", holdout = .1})
    local t = agad.task.one_vs_rest(flat, {gamma = .05})
    assert.same({normals = 30, held_out = 20, anomalies = 0, test_normals = 0, test_anomalies = 0}, t.counts)
    assert.same({}, t.test.anomalous)
    assert.same({0, 1, 8, 8}, t.test.images.shape)
    checks.has(t:describe(), "0 normals, 0 anomalies")
  end)
end)

describe("held-out normals", function()
  it("are at least 20 and at most 1,000, at most half, and never all", function()
    local function aside(n, holdout)
      return agad.task.one_vs_rest(sets.new({"a", "b"}, {n, 1}, {1, 1}), {normal = "a", holdout = holdout}).counts
    end
    for _, case in ipairs {{1, .1, 0}, {2, .1, 1}, {30, .1, 15}, {100, .1, 20}, {300, .1, 30}, {2100, .6, 1000},
                           {100, 0, 0}} do
      local counts = aside(case[1], case[2])
      assert.equal(case[3], counts.held_out, case[1])
      assert.equal(case[1] - case[3], counts.normals)
    end
  end)
end)

describe("test_set = ganomaly", function()
  local set = sets.new({"a", "b", "c"}, {20, 6, 4}, {5, 3, 2})

  it("tests the anomalies of the train split too", function()
    local t = agad.task.one_vs_rest(set, {normal = "a", test_set = "ganomaly", anom_classes = {"b"}})
    assert.same({normals = 20, held_out = 0, anomalies = 0, test_normals = 5, test_anomalies = 15}, t.counts)
    assert.same({20, 1, 8, 8}, t.test.images.shape)
    assert.same({20, 20}, {t.test.labels:numel(), #t.test.anomalous})
    assert.same(set.test.images:totable(), t.test.images:narrow(1, 1, 10):totable())
    checks.has(tostring(t), 'test_set = "ganomaly"')
  end)

  it("is forced on known anomalies only with a note", function()
    local t = agad.task.one_vs_rest(set, {normal = "a", test_set = "ganomaly", gamma = .2, force = true})
    assert.same({"5 of the test pictures were also trained on as known anomalies (force = true)"}, t.notes)
  end)

  it("never tests twice what an unsplit set tests already", function()
    local one = sets.new({"a", "b"}, {20, 7})
    local t = agad.task.one_vs_rest(one, {normal = "a", test_set = "ganomaly"})
    assert.same({normals = 16, held_out = 0, anomalies = 0, test_normals = 4, test_anomalies = 7}, t.counts)
  end)
end)
