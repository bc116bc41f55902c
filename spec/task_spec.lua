-- Tasks: counts, nested pools, held-out normals, and what is refused.

local agad = require "agad"

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
    assert.matches("asks for 270 known anomalies, the train split has 100", task.notes[1])
  end)

  it("prints as the call that makes it", function()
    assert.matches('^agad.task.one_vs_rest%(agad.data.weave{.*}, {normal = "cloth", gamma = 0.1, task_seed = 1}%)$',
      tostring(agad.task.one_vs_rest(set, {gamma = 0.1})))
  end)

  local refused = {
    {{gamma = 1}, "gamma = 1: it must be at least 0 and below 1"}, {{gamma = -0.1}, "gamma"},
    {{normal = "silk"}, "no class silk"}, {{anom_classes = {"cloth"}}, "is the normal class"},
    {{anom_classes = 9}, "only 5 classes"}, {{normals = "cloth"}, 'unknown option "normals"; did you mean normal'},
    {{protocol = "leave_one_out"}, "not available yet"},
  }
  for _, r in ipairs(refused) do
    it("refuses " .. next(r[1]) .. ": " .. r[2], function()
      local ok, reason = pcall(agad.task.one_vs_rest, set, r[1])
      assert.is_false(ok)
      assert.is_truthy(tostring(reason):find(r[2], 1, true), reason)
      assert.is_nil(tostring(reason):find "\n")
    end)
  end
end)
