-- Folders of pictures as sets: every layout, masks, what is left out and said, names in any bytes, the cache.
-- To add a case: a test over tree.of {path = grey level} and what data.folder makes of it.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local lfs = require "lfs"
local tree = dofile "spec/support/tree.lua"
local data, core = agad.data, agad.core
local refused, has = checks.refused, checks.has

local function folder(dir, o)
  local given = {cache = false, on_progress = false}
  for key, value in pairs(o or {}) do given[key] = value end
  return data.folder(dir, given)
end

-- {"class name:value", …} of a split, in its order: what each picture is, and its first pixel.
local function rows(set, split)
  local list, labels = {}, split.labels:totable()
  for i, label in ipairs(labels) do
    local value = split.images:select(1, i):reshape({-1}):select(1, 1):item()
    list[i] = ("%s %s:%d"):format(set.classes[label + 1], split.paths[i]:match "[^/]+$", value)
  end
  return list
end

local function notes(set) return table.concat(set.notes or {}, "\n") end

after_each(tree.remove)

describe("a folder with train and test", function()
  it("is a set with the classes of both, and asks for the normal one", function()
    local dir = tree.of {["train/cat/1.png"] = 10, ["train/dog/1.png"] = 20, ["test/cat/2.png"] = 30,
      ["test/dog/a/3.png"] = 40, ["test/eel/4.png"] = 50}
    local set = folder(dir)
    assert.same({"cat", "dog", "eel"}, set.classes)
    assert.same({"cat 1.png:10", "dog 1.png:20"}, rows(set, set.train))
    assert.same({"cat 2.png:30", "dog 3.png:40", "eel 4.png:50"}, rows(set, set.test))
    assert.is_nil(set.unsplit)
    assert.is_nil(set.normal)
    assert.is_nil(set.notes)
    assert.equal(0.1, set.holdout)
    assert.same({1, 8, 8}, {set.channels, set.height, set.width})
    assert.equal(dir:match "[^/]+$", set.name)
    assert.equal(("agad.data.folder(%q, {cache = false})"):format(dir), tostring(set))
    assert.same({"uint8", "int64"}, {set.train.images.dtype, set.train.labels.dtype})
    assert.equal(dir .. "/test/dog/a/3.png", set.test.paths[2])
  end)

  it("takes good, normal or ok for normal, unless there are two", function()
    for _, name in ipairs {"good", "NORMAL", "Ok"} do
      assert.equal(name, folder(tree.of {["train/" .. name .. "/1.png"] = 1, ["test/bad/1.png"] = 2}).normal)
    end
    assert.is_nil(folder(tree.of {["train/good/1.png"] = 1, ["test/ok/1.png"] = 2}).normal)
  end)

  it("knows its folders in any case, and says what lies beside them", function()
    local set = folder(tree.of {["Train/good/1.png"] = 1, ["TEST/bad/1.png"] = 2, ["val/bad/9.png"] = 3,
      ["c.png"] = 4})
    assert.same({"good 1.png:1"}, rows(set, set.train))
    assert.same({"bad 1.png:2"}, rows(set, set.test))
    has(notes(set), "1 picture is ignored: neither in Train nor in test (val/bad/9.png)",
      "1 picture is ignored: outside train and test (c.png)")
  end)

  it("takes loose pictures in train for normal, and none in test", function()
    local set = folder(tree.of {["train/1.png"] = 1, ["test/good/2.png"] = 2, ["test/bad/3.png"] = 3,
      ["test/4.png"] = 4})
    assert.same({"good 1.png:1"}, rows(set, set.train))
    assert.same({"bad 3.png:3", "good 2.png:2"}, rows(set, set.test))
    has(notes(set), "1 picture is ignored: outside the class folders (test/4.png)")
  end)

  it("is split by seed where test is empty", function()
    local set = folder(tree.of {["train/good/1.png"] = 1, ["train/bad/2.png"] = 2, ["test/"] = true})
    assert.is_true(set.unsplit)
    assert.is_nil(set.test)
    assert.equal(2, set.info.train)
    has(notes(set), "there are no test pictures; train is split at random from the seed")
  end)
end)

describe("MVTec's layout", function()
  local function files(more)
    local all = {["train/good/000.png"] = 10, ["train/good/001.png"] = 11, ["test/good/000.png"] = 12,
      ["test/hole/000.png"] = 20, ["test/hole/001.png"] = 21, ["test/cut/000.png"] = 30,
      ["ground_truth/hole/000_mask.png"] = 255, ["ground_truth/hole/001_mask.png"] = 7,
      ["ground_truth/cut/000.png"] = 1}
    for name, value in pairs(more or {}) do all[name] = value or nil end
    return all
  end

  it("has masks of the defects, zero for the good", function()
    local set = folder(tree.of(files()))
    assert.equal("good", set.normal)
    assert.same({"cut", "good", "hole"}, set.classes)
    assert.same({"cut 000.png:30", "good 000.png:12", "hole 000.png:20", "hole 001.png:21"}, rows(set, set.test))
    assert.same({4, 8, 8}, set.test.masks.shape)
    assert.equal("uint8", set.test.masks.dtype)
    assert.same({64, 0, 64, 64}, set.test.masks:to("int64"):sum({2, 3}):totable())
    assert.is_nil(set.train.masks)
  end)

  it("resizes masks with their pictures, to 0 and 1", function()
    local dir = tree.of(files())
    local half = core.from_table({0, 0, 0, 0, 255, 255, 255, 255}, "uint8"):reshape({8, 1}):expand({8, 8}):contiguous()
    core.data.write_png(dir .. "/ground_truth/hole/000_mask.png", half)
    local masks = folder(dir, {size = 4}).test.masks
    assert.same({4, 4, 4}, masks.shape)
    assert.same({0, 0, 1, 1}, masks:select(1, 3):select(2, 1):totable())
  end)

  it("leaves a picture without a usable mask to itself, and says so", function()
    local dir = tree.of(files {["test/hole/002.png"] = 22})
    tree.picture(dir .. "/ground_truth/hole/001_mask.png", 255, 8, 9)
    local set = folder(dir)
    assert.same({64, 0, 64, 0, 0}, set.test.masks:to("int64"):sum({2, 3}):totable())
    has(notes(set), "anomalous test pictures that have no mask: 1 of 4, for example " .. dir .. "/test/hole/002.png",
      "1 mask has another size than its picture: " .. dir .. "/ground_truth/hole/001_mask.png has 8 x 9 pixels, its " ..
      "picture " .. dir .. "/test/hole/001.png has 8 x 8",
      "masks: 2 of the 4 anomalous test pictures have one that is used")
    has(refused(folder, dir, {strict = true}), "the mask " .. dir .. "/ground_truth/hole/001_mask.png has 8 x 9 pixels")
  end)

  it("is refused one folder too high", function()
    local dir = tree.of {["bottle/train/good/1.png"] = 1, ["bottle/test/bad/1.png"] = 2, ["more/1.png"] = 3}
    has(refused(folder, dir),
      "its subfolder bottle is a data set of its own, with train and test; give that one: " .. dir ..
      "/bottle")
  end)
end)

describe("a folder without a split", function()
  it("has a class for each of its folders", function()
    local set = folder(tree.of {["good/b.png"] = 2, ["good/a.png"] = 1, ["scratch/x/1.png"] = 3, ["empty/"] = true,
      ["bare/"] = true, ["cover.png"] = 9, ["notes.txt"] = "text", [".hidden/1.png"] = 4})
    assert.is_true(set.unsplit)
    assert.equal("good", set.normal)
    assert.same({"good", "scratch"}, set.classes)
    assert.same({"good a.png:1", "good b.png:2", "scratch 1.png:3"}, rows(set, set.train))
    has(notes(set), "classes without pictures: bare, empty",
      "1 picture is ignored: outside the class folders (cover.png)")
  end)

  it("may call classes train or test", function()
    local set = folder(tree.of {["train/1.png"] = 1, ["plane/1.png"] = 2})
    assert.same({"plane", "train"}, set.classes)
  end)

  it("takes masks from ground_truth", function()
    local set = folder(tree.of {["good/1.png"] = 1, ["bad/1.png"] = 2, ["ground_truth/bad/1_mask.png"] = 255})
    assert.same({"bad", "good"}, set.classes)
    assert.same({64, 0}, set.train.masks:to("int64"):sum({2, 3}):totable())
  end)

  it("is all normal when it is flat", function()
    local set = folder(tree.of {["b.PNG"] = 2, ["a.png"] = 1})
    assert.same({"normal"}, set.classes)
    assert.equal("normal", set.normal)
    assert.is_true(set.unsplit)
    assert.same({"normal a.png:1", "normal b.PNG:2"}, rows(set, set.train))
  end)
end)

describe("two folders", function()
  local function two(a, b, o)
    local given = {cache = false, on_progress = false}
    for key, value in pairs(o or {}) do given[key] = value end
    return data.folders(a, b, given)
  end

  it("are normals, and anomalies whose subfolders are kinds", function()
    local a = tree.of {["1.png"] = 1, ["more/2.png"] = 2}
    local b = tree.of {["3.png"] = 3, ["zip/4.png"] = 4, ["cut/x/5.png"] = 5}
    local set = two(a, b)
    assert.same({"normal", "anomaly", "cut", "zip"}, set.classes)
    assert.same({"normal 1.png:1", "normal 2.png:2", "anomaly 3.png:3", "cut 5.png:5", "zip 4.png:4"},
      rows(set, set.train))
    assert.is_true(set.unsplit)
    assert.equal("normal", set.normal)
    assert.equal(("agad.data.folders(%q, %q, {cache = false})"):format(a, b), tostring(set))
    assert.same(set.classes, data.load({normals = a, anomalies = b}, {cache = false, on_progress = false}).classes)
  end)

  it("may not lie in each other, nor call a defect normal", function()
    local dir = tree.of {["1.png"] = 1, ["bad/2.png"] = 2, ["other/normal/3.png"] = 3}
    has(refused(two, dir, dir .. "/bad"), "one folder is inside the other")
    has(refused(two, dir, dir), "one folder is inside the other")
    has(refused(two, dir .. "/bad", dir .. "/other"), "a kind of defect cannot be called normal")
    has(refused(two, dir, dir .. "/none"), dir .. "/none: No such file or directory")
  end)
end)

describe("a folder, its options", function()
  it("resizes, and keeps where pictures came from", function()
    local dir = tree.folder()
    tree.picture(dir .. "/good/1.png", 50, 20, 10)
    tree.picture(dir .. "/good/2.png", {100, 100, 100}, 6, 6)
    local set = folder(dir, {size = 4, channels = 1})
    assert.same({2, 1, 4, 4}, set.train.images.shape)
    assert.same({"good 1.png:50", "good 2.png:100"}, rows(set, set.train))
    assert.same({{20, 6}, {10, 6}}, {set.train.origin.height:totable(), set.train.origin.width:totable()})
    assert.same({lfs.attributes(dir .. "/good/1.png", "size"), lfs.attributes(dir .. "/good/2.png", "size")},
      set.train.origin.file_bytes:totable())
    assert.equal(3, folder(dir, {size = 4}).channels)
    local padded = folder(dir, {size = 4, channels = 1, fit = "pad"}).train.images[{1, 1, 1}]:totable()
    assert.same({0, 50, 50, 0}, padded)
    has(refused(folder, dir), dir)                               -- no size, and two sizes
  end)

  it("refuses what it does not know", function()
    local dir = tree.of {["1.png"] = 1}
    has(refused(folder, dir, {siez = 4}), "folder: unknown option siez; did you mean size?; known: cache, channels, ")
    for text, o in pairs {["size = 0: it must be between 1 and 4096"] = {size = 0},
      ["size = 1.5: a whole number is needed"] = {size = 1.5},
      ["channels = 2: it must be one of 1, 3"] = {channels = 2},
      ['fit = "fill": it must be one of resize, crop, pad'] = {fit = "fill"},
      ['filter = "cubic": it must be one of bilinear, area'] = {filter = "cubic"},
      ['strict = "maybe": true or false is needed'] = {strict = "maybe"},
      ["cache = 3: true, false or a path is needed"] = {cache = 3},
      ["max_pixels = 0: it must be at least 1"] = {max_pixels = 0},
      ["on_progress = true: a function is needed"] = {on_progress = true}} do
      has(refused(folder, dir, o), "folder: " .. text)
    end
    local of_a_task = {root = "/x", normal = "normal", seed = 3, cache = false, on_progress = false}
    assert.equal(8, data.load(dir, of_a_task).width)
  end)

  it("tells how far it is", function()
    local seen = {}
    local files = {}
    for i = 1, 30 do files[i .. ".png"] = i end
    folder(tree.of(files), {on_progress = function(done, total) seen[#seen + 1] = {done, total} end})
    assert.same({30, 30}, seen[#seen])
  end)

  it("keeps decoded pictures in a cache file, and sees that a file has changed", function()
    local dir, cache = tree.of {["a/1.png"] = 1, ["b/2.png"] = 2}, tree.folder() .. "/cache"
    local set = folder(dir, {cache = cache})
    assert.equal("file", lfs.attributes(cache, "mode"))
    local again = folder(dir, {cache = cache})
    assert.same({rows(set, set.train), set.train.origin.file_bytes:totable()},
      {rows(again, again.train), again.train.origin.file_bytes:totable()})
    os.remove(dir .. "/b/2.png")
    tree.picture(dir .. "/b/2.png", 77, 8, 8)
    lfs.touch(dir .. "/b/2.png", 1, 1)
    again = folder(dir, {cache = cache})
    assert.same({"a 1.png:1", "b 2.png:77"}, rows(again, again.train))
  end)
end)

describe("a folder with other files", function()
  local stored = "spec/data/decode/"
  local function bytes(name)
    local file <close> = assert(io.open(stored .. name, "rb"))
    return file:read "a"
  end

  it("has JPEG and BMP files under all their names", function()
    local jpeg = bytes "grey.jpg"
    local set = folder(tree.of {["a/1.jfif"] = jpeg, ["a/2.JPE"] = jpeg, ["b/3.Jpeg"] = jpeg}, {size = 8})
    assert.same({3, {"a", "b"}}, {set.info.train, set.classes})
    set = folder(tree.of {["a/1.bmp"] = bytes "grey8.bmp", ["a/2.DIB"] = bytes "grey8.bmp"})
    assert.same({{1, 5, 12}, 2}, {{set.channels, set.height, set.width}, set.info.train})
    assert.is_nil(set.notes)
  end)

  it("counts pictures of other formats in a note", function()
    local set = folder(tree.of {["good/1.png"] = 200, ["good/2.tif"] = "x", ["bad/3.png"] = 30, ["bad/4.webp"] = "x",
      ["bad/5.WEBP"] = "x", ["good/6.txt"] = "x"})
    assert.same({"bad 3.png:30", "good 1.png:200"}, rows(set, set.train))
    assert.same({"3 pictures of formats other than PNG, JPEG and BMP were left out: 1 .tif, 2 .webp; "
      .. "convert them to PNG"}, set.notes)
    set = folder(tree.of {["1.png"] = 200, ["2.heic"] = "x"})
    assert.same({"1 picture of formats other than PNG, JPEG and BMP was left out: 1 .heic; convert it to PNG"},
      set.notes)
  end)

  it("reads BMP masks, and counts masks of other formats", function()
    local function files(ending, mask)
      return {["train/ok/1.png"] = 100, ["test/ok/2.png"] = 200, ["test/ko/3.png"] = 30,
        ["Ground_Truth/ko/3" .. ending] = mask}
    end
    local mask = "BM" .. string.pack("<I4I4I4I4i4i4I2I2I4I4i4i4I4I4", 94, 0, 62, 40, 8, 8, 1, 1, 0, 32, 0, 0, 2, 0)
      .. "\0\0\0\0\xff\xff\xff\0" .. ("\0\0\0\0"):rep(6) .. ("\xf0\0\0\0"):rep(2)      -- the upper left
    local set = folder(tree.of(files(".bmp", mask)))
    assert.same({"masks: 1 of the 1 anomalous test pictures have one"}, set.notes)
    assert.same({{{1, 1, 1, 1, 0, 0, 0, 0}, {1, 1, 1, 1, 0, 0, 0, 0}}, 8},
      {set.test.masks[1]:narrow(1, 1, 2):totable(), set.test.masks:to("int64"):sum():item()})
    set = folder(tree.of(files(".tif", "x")))
    assert.is_nil(set.test.masks)
    has(notes(set), "1 mask of formats other than PNG, JPEG and BMP was left out: 1 .tif; convert it to PNG")
  end)

  it("has no classes of the folders that systems create", function()
    local files = {["good/1.png"] = 100, ["bad/2.png"] = 200, ["good/._1.png"] = "x", ["Thumbs.db"] = "x"}
    for _, name in ipairs {"@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found",
      ".ipynb_checkpoints"} do
      files[name .. "/3.png"], files[name .. "/4.tif"], files["good/" .. name .. "/5.png"] = 3, "x", 5
    end
    for _, name in ipairs {"@Recycle/", "#snapshot/", "__pycache__/"} do files[name] = true end
    local set = folder(tree.of(files))
    assert.same({"bad", "good"}, set.classes)
    assert.same({"bad 2.png:200", "good 1.png:100"}, rows(set, set.train))
    assert.is_nil(set.notes)
  end)
end)

describe("a folder with bad files", function()
  it("leaves them out, and says how many and why", function()
    local dir = tree.of {["good/1.png"] = 1, ["good/2.png"] = "no picture", ["good/3.png"] = "", ["bad/4.png"] = 4,
      ["good/text.txt"] = "x"}
    local set = folder(dir)
    assert.same({"bad 4.png:4", "good 1.png:1"}, rows(set, set.train))
    assert.equal(1, #set.notes)
    has(set.notes[1], "2 of 4 pictures cannot be read and were skipped: " .. dir .. "/good/2.png",
      "; " .. dir .. "/good/3.png")
    has(refused(folder, dir, {strict = true}), dir .. "/good/2.png")
  end)

  it("keeps splits apart when pictures of both are left out", function()
    local set = folder(tree.of {["train/good/1.png"] = "x", ["train/good/2.png"] = 2, ["train/good/3.png"] = "x",
      ["test/good/4.png"] = "x", ["test/bad/5.png"] = 5, ["test/good/6.png"] = 6,
      ["ground_truth/bad/5_mask.png"] = 255})
    assert.same({"good 2.png:2"}, rows(set, set.train))
    assert.same({"bad 5.png:5", "good 6.png:6"}, rows(set, set.test))
    assert.same({64, 0}, set.test.masks:to("int64"):sum({2, 3}):totable())
  end)

  it("is refused when nothing is left of it, or of one side", function()
    has(refused(folder, tree.of {["good/1.png"] = "x"}), "none of 1 ")
    local function one_bad(train, test) return tree.of {["train/a/1.png"] = train, ["test/a/1.png"] = test} end
    has(refused(folder, one_bad("x", 1)), "none of the training pictures can be read")
    has(refused(folder, one_bad(1, "x")), "none of the test pictures can be read")
  end)

  it("is refused when there is none", function()
    local dir = tree.of {["a.txt"] = "x", ["empty/"] = true}
    has(refused(folder, dir), dir .. ": there are no pictures (*.png, *.jpg, ", "*.dib) in this folder")
    local other = tree.of {["a/1.tif"] = "x", ["a/2.tif"] = "x", ["b/3.gif"] = "x"}
    has(refused(folder, other), "*.dib) in this folder, only 1 .gif, 2 .tif; convert them to PNG")
    has(refused(folder, dir .. "/a.txt"), dir .. "/a.txt: this is not a folder")
    has(refused(folder, dir .. "/none"), dir .. "/none: No such file or directory")
    has(refused(folder, 3), "folder: give the path of a folder")
    has(refused(data.load, "weev"), "there is no data set weev; did you mean weave?; give a known name (cifar10,")
    has(refused(data.load, dir .. "/a.txt"), "or an existing folder or .csv file")
    has(refused(folder, tree.of {["test/a/1.png"] = 1, ["train/"] = true, ["x/train/1.png"] = 1, ["x/test/2.png"] = 1}),
      "its subfolder x is a data set of its own")
  end)

  it("goes round a loop of links, and a broken one", function()
    local dir = tree.of {["good/1.png"] = 1, ["bad/2.png"] = 2}
    assert(lfs.link("..", dir .. "/good/loop", true))
    assert(lfs.link("nowhere.png", dir .. "/bad/3.png", true))
    local set = folder(dir)
    assert.same({"bad 2.png:2", "good 1.png:1"}, rows(set, set.train))
    has(notes(set), "2 entries cannot be read: bad/3.png: the link is broken; good/loop: ")
    has(refused(folder, dir, {strict = true}), dir .. "/bad/3.png: the link is broken")
  end)

  it("takes names in any bytes, and prints them as text", function()
    local dir = tree.of {["caf\xe9/a\nb.png"] = 1, ["caf\xe9/'\" \\.png"] = 2, ["größe/c.png"] = 3}
    local set = folder(dir)
    assert.same({"caf\\xE9", "größe"}, set.classes)
    assert.equal(0, set:label_of "caf\xe9")
    assert.same({"caf\\xE9 '\" \\.png:2", "caf\\xE9 a\nb.png:1", "größe c.png:3"}, rows(set, set.train))
    assert.equal('["caf\\\\xE9","größe"]', core.json_encode(set.classes))
  end)

  it("says which folders cannot be looked at", function()
    -- Without this capability root may no more than others.
    local as_others = "setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all "
    if not os.execute(as_others .. "true 2> /dev/null") then return pending "setpriv cannot drop capabilities" end
    local dir = tree.of {["good/1.png"] = 1, ["bad/2.png"] = 2}
    os.execute(("chmod 0 '%s/bad'"):format(dir))
    local pipe = io.popen(as_others .. (os.getenv "AGAD" or "build/agad") .. ([[ -e '
      print(data.folder("%s", {cache = false}).notes[1])
      print(pcall(data.folder, "%s/bad", {cache = false}))' 2>&1]]):format(dir, dir))
    local text = pipe:read "a"
    pipe:close()
    has(text, "1 entry cannot be read: bad: Permission denied", "false\t", dir .. "/bad: Permission denied")
  end)
end)

describe("the layout of a large folder", function()
  it("is found in time that grows as its files do", function()
    local layout = require "agad.data.layout"
    local function of(n)
      local paths = {}
      for i = 1, n do paths[i] = ("%s/class%d/%06d.png"):format(i % 5 == 0 and "test" or "train", i % 10, i) end
      table.sort(paths)
      return layout.of("x", paths)
    end
    local found = of(100000)
    assert.same({80000, 20000, 10}, {#found.train, #found.test, #found.classes})
    local factor = checks.growth(2500, 50000, of)
    assert.is_true(factor < 100, ("twenty times the files take %.0f times as long"):format(factor))
  end)
end)

describe("the formats of pictures", function()
  local formats = require "agad.data.formats"

  it("are known by their endings, in any case", function()
    assert.equal("*.png, *.jpg, *.jpeg, *.jfif, *.jpe, *.bmp, *.dib", formats.patterns)
    for _, name in ipairs {"a.png", "b.PNG", "c.d.Jpg", ".jpeg", "e.JFIF", "f.jpe", "g.Bmp", "h.dib"} do
      assert.is_true(formats.is_picture(name), name)
    end
    for _, name in ipairs {"png", "a.pn", "a.png.txt", "a.", "", "a.jpegs"} do
      assert.is_false(formats.is_picture(name), name)
    end
  end)
end)
