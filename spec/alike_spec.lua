-- Pictures that are nearly the same: which are found, and that no split separates them.
-- To add a case: a list of tensors (1, 32, 32) for `groups_of`, or a folder of such pictures for a task.

local agad = require "agad"
local core = agad.core
local alike = require "agad.task.alike"
local split = require "agad.task.split"
core.threads(2)

local checks = dofile "spec/support/checks.lua"
local tree = dofile "spec/support/tree.lua"
local has = checks.has
teardown(tree.remove)

agad.manual_seed(7)

-- A picture of blobs; of another part at each call.
local function part()
  local x = agad.rand {1, 1, 6, 6} * 200 + 20
  return agad.interpolate(x, {size = 32, mode = "bilinear", align_corners = false}):squeeze(1)
end

-- The same part in another photograph: darker, noisy, and shifted by a quarter of a pixel.
local function again(x)
  return (x * .75 + x:roll({1}, {3}) * .25) * .9 + agad.randn(x.shape)
end

-- One of many aligned objects: a common part, and a detail of its own.
local common = part()
local function aligned() return common * .9 + (part() - 120) * .1 end

local function repeated(n, f)
  local list = {}
  for i = 1, n do list[i] = f(i) end
  return list
end

local function groups_of(list, n_test)
  local images = core.operator "stack"(list, 1):clamp(0, 255):to "uint8"
  local paths, n = {}, #list - (n_test or 0)
  for i = 1, n do paths[i] = i .. ".png" end
  local set = {train = {images = images:narrow(1, 1, n), paths = paths}}
  if n_test then set.test = {images = images:narrow(1, n + 1, n_test)} end
  return alike.groups(set), set
end

describe("pictures of files", function()
  it("that are copies, or one part photographed again, are groups", function()
    local list = repeated(40, part)
    list[41], list[42], list[43], list[44] = list[3], again(list[3]), again(list[9]), again(list[9])
    assert.same({{2, 40, 41}, {8, 42, 43}}, groups_of(list))
    assert.same({{2, 40, 41}, {8, 42, 43}}, groups_of(list, 2))   -- also across a given split
  end)

  it("that are aligned objects, or vary in one thing, are not", function()
    assert.same({}, groups_of(repeated(60, aligned)))
    assert.same({}, groups_of(repeated(60, part)))
    assert.same({}, groups_of(repeated(60, function() return agad.rand {1, 32, 32} * 255 end)))
    local list = repeated(60, aligned)
    list[61] = list[5] * .9 + agad.randn(list[5].shape) * .5
    assert.same({{4, 60}}, groups_of(list))
  end)

  it("that show nothing are groups only as copies", function()
    local function flat(v) return agad.zeros {1, 32, 32} + v end
    assert.same({{0, 2}}, groups_of {flat(0), flat(1), flat(0), flat(2), part()})
    assert.same({}, groups_of {part()})
  end)

  it("are not compared in sets without files", function()
    local _, set = groups_of {part(), part()}
    set.train.images:select(1, 2):copy_(set.train.images:select(1, 1))
    set.train.paths = nil
    assert.same({}, alike.groups(set))
  end)
end)

describe("a split", function()
  it("picks groups whole, and passes over those that are too large", function()
    local function picked(n, groups)
      local of, chosen, list = {}, {}, {}
      for _, group in ipairs(groups) do for _, row in ipairs(group) do of[row] = group end end
      split.pick({5, 3, 1, 4, 2, 0}, n, of, chosen)
      for row in pairs(chosen) do list[#list + 1] = row end
      table.sort(list)
      return list
    end
    assert.same({3, 5}, picked(2, {}))
    assert.same({1, 3, 5}, picked(3, {{5, 1}}))
    assert.same({0, 1}, picked(2, {{3, 5, 2, 4}}))
    assert.same({3, 5, 9}, picked(2, {{5, 9}}))                           -- 9 is of another class
    assert.same({1, 3}, picked(1, {{5, 0, 2, 4}, {3, 1}}))                -- the smallest, though too large
    assert.same({}, picked(3, {{0, 1, 2, 3, 4, 5}}))
    local all = {}
    split.pick({1, 0}, 1, {[0] = {0, 1}, [1] = {0, 1}}, all, true)
    assert.same({[0] = true, [1] = true}, all)
  end)

  local function folder(files)
    local dir = tree.folder()
    for name, x in pairs(files) do
      require("agad.base.folder").make((dir .. "/" .. name):match "^(.*)/")
      core.data.write_png(dir .. "/" .. name, x:clamp(0, 255):to "uint8")
    end
    return agad.data.folder(dir, {cache = false})
  end

  local function sides(task)
    local of = {}
    for _, side in ipairs {"normals", "held_out", "pool", "test_rows"} do
      for _, row in ipairs(task[side]) do of[task.train.paths[row + 1]:match "[^/]+/[^/]+$"] = side end
    end
    return of
  end

  it("never separates them, whatever the seed: neither in test nor in what is held out", function()
    local files = {}
    for i = 1, 30 do
      local x = part()
      files[("good/%02da.png"):format(i)], files[("good/%02db.png"):format(i)] = x, again(x)
      if i <= 8 then files[("hole/%02da.png"):format(i)], files[("hole/%02db.png"):format(i)] = part(), nil end
    end
    files["hole/twin.png"] = again(files["good/07a.png"])                 -- a defect that looks like a normal part
    local set, held = folder(files), {}
    for seed = 1, 6 do
      local task = agad.task.new(set, {task_seed = seed, holdout = 10, gamma = "all"})
      local of = sides(task)
      for i = 1, 30 do
        local a, b = of[("good/%02da.png"):format(i)], of[("good/%02db.png"):format(i)]
        assert.equal(a, b)
      end
      assert.equal(of["good/07a.png"] == "test_rows", of["hole/twin.png"] == "test_rows")
      held[seed] = task.counts.held_out
      assert.is_true(task.counts.test_normals >= 11 and task.counts.test_normals <= 14)
      has(table.concat(task.notes, "\n"), "61 training pictures are nearly the same as others (30 groups, for example ")
    end
    assert.same({10, 10, 10, 10, 10, 10}, held)
  end)

  it("names test pictures of a given split that are nearly training pictures", function()
    local files = {}
    for i = 1, 20 do files[("train/good/%02d.png"):format(i)] = part() end
    for i = 1, 6 do
      files[("test/good/%02d.png"):format(i)], files[("test/hole/%02d.png"):format(i)] = part(), part()
    end
    files["test/good/03.png"] = again(files["train/good/11.png"])
    local task = agad.task.new(folder(files))
    local notes = table.concat(task.notes, "\n")
    has(notes, "1 test pictures are nearly the same as training ones, for example ", "train/good/11.png and ",
      "test/good/03.png; figures for them mean little")
  end)

  it("does not lose its sides where all pictures are the same", function()
    local files, x = {}, part()
    for i = 1, 20 do files[("good/%02d.png"):format(i)] = x end
    files["hole/1.png"], files["hole/2.png"] = part(), part()
    local task = agad.task.new(folder(files))
    assert.same({normals = 8, held_out = 8, anomalies = 0, test_normals = 4, test_anomalies = 1}, task.counts)
    has(table.concat(task.notes, "\n"), "all normals are nearly the same picture: ")
  end)
end)
