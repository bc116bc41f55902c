-- What `agad info DATA` says of a set: counts, sizes, duplicates, shortcuts, mean pictures.
-- To add a case: a test over sets.new(classes, counts), whose pictures are known.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local core = require "agad.core"
local inspect = require "agad.data.inspect"
local lfs = require "lfs"
local sets = dofile "spec/support/sets.lua"

local function folder()
  local dir = os.tmpname()
  os.remove(dir)
  return dir
end

local function remove(dir)
  for name in lfs.dir(dir) do os.remove(dir .. "/" .. name) end
  lfs.rmdir(dir)
end

-- Copies one picture of a split over another.
local function copy(from, i, to, j) to.images:select(1, j + 1):copy_(from.images:select(1, i + 1)) end

describe("the content of pictures", function()
  it("has a hash for each picture: XXH64 of its bytes", function()
    local images = core.from_table({97, 98, 99, 100, 97, 98, 99, 100, 97, 98, 99, 101}, "uint8"):view({3, 1, 2, 2})
    local hashes = core.data.hashes(images)
    assert.same({{3}, "int64"}, {hashes.shape, hashes.dtype})
    local list = hashes:totable()
    assert.equal(list[1], list[2])
    assert.not_equal(list[1], list[3])
    assert.equal(core.hash "abcd", ("%016x"):format(list[1]))
    assert.same({0}, core.data.hashes(images:narrow(1, 1, 0)).shape)
    local flipped = images:permute({1, 2, 4, 3})                             -- not dense: its own order counts
    assert.equal(core.hash "acbd", ("%016x"):format(core.data.hashes(flipped):totable()[1]))
  end)

  it("has statistics: mean, deviation, gradients", function()
    local images = core.from_table({0, 10, 20, 30}, "uint8"):view({1, 1, 2, 2})
    local t = core.data.statistics(images)
    assert.same({1, 4}, t.shape)
    local list = t[1]:totable()
    for i, v in ipairs {15, math.sqrt(125), 10, 20} do assert.near(v, list[i], 1e-12) end
  end)

  it("is of uint8 pictures only", function()
    for _, f in ipairs {core.data.hashes, core.data.statistics} do
      checks.has(checks.refused(f, agad.rand(2, 1, 4, 4)), "pictures must be a uint8 tensor",
        "float32 with 4 dimensions")
      checks.has(checks.refused(f, agad.rand(4, 4):to "uint8"), "uint8 with 2 dimensions")
      checks.has(checks.refused(f, 3), "bad argument #1 to", "tensor")
    end
  end)
end)

describe("duplicates", function()
  it("are found within and between the splits, with places", function()
    local set = sets.new({"a", "b"}, {20, 10}, {6, 4})
    set.test.paths = {}
    for i = 1, 10 do set.test.paths[i] = ("test/%d.png"):format(i - 1) end
    assert.same({train = 0, test = 0, between = 0, conflicting = 0, examples = {}}, inspect.duplicates(set))
    copy(set.train, 2, set.train, 4)              -- rows 0, 2, 4 … are a, odd ones b, while there are any
    copy(set.train, 2, set.train, 6)
    copy(set.train, 2, set.test, 0)
    copy(set.train, 3, set.test, 2)
    copy(set.test, 5, set.test, 7)
    local d = inspect.duplicates(set)
    assert.same({2, 1, 2, 1}, {d.train, d.test, d.between, d.conflicting})
    assert.same({
      {{split = "train", row = 2, class = "a"}, {split = "test", row = 0, path = "test/0.png", class = "a"}},
      {{split = "train", row = 3, class = "b"}, {split = "test", row = 2, path = "test/2.png", class = "a"}},
      {{split = "train", row = 2, class = "a"}, {split = "train", row = 4, class = "a"}},
      {{split = "train", row = 2, class = "a"}, {split = "train", row = 6, class = "a"}},
      {{split = "test", row = 5, path = "test/5.png", class = "b"}, {split = "test", row = 7, path = "test/7.png",
        class = "b"}},
    }, setmetatable(d.examples, nil))
    local notes = table.concat(inspect.set(set).notes, "\n")
    checks.has(notes, "2 of the test pictures are also in train",
      "duplicates that have a different class than the first copy: 1")
  end)

  it("between splits cannot be had without splits", function()
    local row = inspect.set(sets.new({"a", "b"}, {9, 5}))
    assert.same({0, core.null, core.null, core.null}, {row.duplicates.train, row.duplicates.test,
      row.duplicates.between, row.test})
    assert.same({9, core.null}, {row.classes[1].train, row.classes[1].test})
  end)
end)

describe("shortcuts of classes", function()
  it("equal those of agad.data.shortcut, each class against the rest", function()
    local set = agad.data.weave {train_normals = 60, train_defects = 25, test_normals = 15, test_defects = 20}
    local n = {85, 35}
    local all, labels = core.operator "cat"({set.train.images, set.test.images}, 1), set.train.labels:totable()
    for _, label in ipairs(set.test.labels:totable()) do labels[#labels + 1] = label end
    local origin = {height = {}, file_bytes = {}}
    for i = 1, 120 do origin.height[i], origin.file_bytes[i] = 100 + i % 3, 1000 * (labels[i] == 2 and 2 or i % 5) end
    local function part(list, first, count)
      return core.from_table(table.move(list, first, first + count - 1, 1, {}), "int64")
    end
    for i, side in ipairs {"train", "test"} do
      local first = i == 1 and 1 or 86
      set[side].origin = {height = part(origin.height, first, n[i]),
        file_bytes = part(origin.file_bytes, first, n[i])}
    end
    local found = inspect.shortcuts(set)
    for class = 0, #set.classes - 1 do
      local anomalous, best = {}, {auroc = 0}
      for i, label in ipairs(labels) do anomalous[i] = label == class and 1 or 0 end
      for _, s in ipairs(agad.data.shortcut(all, anomalous, origin)) do
        if s.auroc > best.auroc then best = s end
      end
      assert.equal(best.name, found[class + 1].name)
      assert.near(best.auroc, found[class + 1].auroc, 1e-12)
    end
  end)

  it("are warned about at .90, and cannot be had of one class or none", function()
    local set = sets.new({"dark", "bright", "none"}, {10, 10, 0}, {5, 5, 0})
    for _, side in ipairs {set.train, set.test} do
      side.images:copy_((side.labels * 100 + 50):to "uint8":view({-1, 1, 1, 1}):expand({-1, 1, 8, 8}))
    end
    local row = inspect.set(set)
    assert.same({name = "mean", auroc = 1.0}, row.classes[1].shortcut)
    assert.equal(core.null, row.classes[3].shortcut)
    checks.has(table.concat(row.notes, "\n"),
      "a simple picture statistic separates from the rest: dark (mean, AUROC 1.00), bright",
      "class none has no pictures")
    assert.equal(core.null, inspect.set(sets.new({"only"}, {4})).classes[1].shortcut)
  end)
end)

describe("sizes", function()
  it("are those of the files, over both splits", function()
    local set = sets.new({"a"}, {3}, {2})
    local function ints(...) return core.from_table({...}, "int64") end
    set.train.origin = {height = ints(30, 10, 20), width = ints(5, 5, 5), file_bytes = ints(1000, 3000, 2000)}
    set.test.origin = {height = ints(40, 50), width = ints(7, 5), file_bytes = ints(500, 600)}
    local row = inspect.set(set)
    assert.same({height = {min = 10, median = 30, max = 50}, width = {min = 5, median = 5, max = 7},
      file_bytes = {min = 500, median = 1000, max = 3000}}, row.sizes)
    assert.same({7100, 5 * 64}, {row.file_bytes, row.bytes})
    set.test.origin = nil
    row = inspect.set(set)
    assert.same({core.null, core.null}, {row.sizes, row.file_bytes})
    checks.has(table.concat(row.notes, "\n"), "sizes: ")
  end)
end)

describe("mean pictures", function()
  it("are written for each class, of both splits", function()
    local dir, set = folder(), sets.new({"a", "b/../c", "none"}, {3, 2, 0}, {1, 1, 0})
    for _, side in ipairs {set.train, set.test} do side.images:fill_(10) end
    set.test.images:select(1, 1):fill_(15)                             -- a: (3 * 10 + 15) / 4 = 11.25
    local paths = inspect.mean_pictures(set, dir .. "/deep/er")
    assert.same({dir .. "/deep/er/mean-a.png", dir .. "/deep/er/mean-b_.._c.png", false}, paths)
    local a, b = agad.data.read(paths[1]), agad.data.read(paths[2])
    assert.same({1, 8, 8}, a.shape)
    assert.same({11, 11, 10}, {a:max():item(), a:min():item(), b:max():item()})
    local row = inspect.set(set, {out = dir .. "/deep/er"})
    assert.same({paths[1], core.null}, {row.classes[1].mean_picture, row.classes[3].mean_picture})
    remove(dir .. "/deep/er")
    remove(dir .. "/deep")
    remove(dir)
  end)

  it("have file names that any class name makes, each its own", function()
    local taken = {}
    local function name(class) return inspect.file_name(class, taken) end
    assert.equal("mean-a.png", name "a")
    assert.equal("mean-A-2.png", name "A")                             -- some file systems do not tell them apart
    assert.equal("mean-a_b.png", name "a/b")
    assert.equal("mean-a_b-2.png", name "a b")
    assert.equal("mean-....png", name "...")
    assert.equal("mean-é.png", name "é")
    assert.equal("mean-_.png", name "\xE9")
    assert.equal("mean-_-2.png", name "\0")
    local long = name(("é"):rep(200))
    assert.is_true(#long <= 120 and utf8.len(long) ~= nil)
  end)

  it("are refused where no folder can be made", function()
    checks.has(checks.refused(inspect.mean_pictures, sets.new({"a"}, {3}), "/proc/no"),
      "cannot create the folder /proc/no")
  end)
end)

describe("the row of a set", function()
  it("is JSON whatever its names are", function()
    local set = sets.new({"b\xE9", "new\nline"}, {9, 3}, {2, 2}, {name = "s\xFF", call = "set(\xFF)",
      notes = {"3 files were skipped: \xFF"}})
    local row = core.json_decode(core.json_encode(inspect.set(set)))
    assert.same({"data", "s\\xFF", "set(\\xFF)", "b\\xE9", "new\\x0Aline"},
      {row.kind, row.name, row.call, row.classes[1].name, row.classes[2].name})
    assert.same({{1, 8, 8}, 12, 4, 1024}, {row.shape, row.train, row.test, row.bytes})
    assert.equal("3 files were skipped: \\xFF", row.notes[1])
  end)

  it("of MNIST has its counts, no duplicates, and the best single number #slow", function()
    local root = os.getenv "AGAD_DATA"
    if not root or not lfs.attributes(root .. "/mnist") then return pending "no MNIST under $AGAD_DATA" end
    local set = agad.data.mnist()
    local row = inspect.set(set)
    assert.same({60000, 10000, 5923, 1135}, {row.train, row.test, row.classes[1].train, row.classes[2].test})
    assert.same({0, 0, 0}, {row.duplicates.train, row.duplicates.test, row.duplicates.between})
    local shortcut = row.classes[2].shortcut
    assert.equal("grad_y", shortcut.name)
    assert.near(.98664, shortcut.auroc, 5e-6)
  end)
end)
