-- Masks: which values mark a pixel, which files are masks and of which pictures, what happens to those that cannot be
-- used, and what is said of all that. To add a case: a tree of pictures (numbers: grey levels) and masks (mask(n): the
-- first n pixels are marked), and how many pixels each picture of the set then has marked.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local chunk = dofile "spec/support/pictures.lua".png_chunk
local cli = dofile "spec/support/cli.lua"
local tree = dofile "spec/support/tree.lua"
local core, data = agad.core, agad.data
local refused, has = checks.refused, checks.has

local STORED = "spec/data/decode/"
local SIDE = 8

after_each(tree.remove)
teardown(cli.remove)

-- Files -------------------------------------------------------------------------------------------

local function adler32(text)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + text:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return b << 16 | a
end

-- A PNG file of any kind; rows: its bytes, a text for each row; more: chunks before the pixels.
local function png(width, depth, colour, rows, more)
  local body = "\0" .. table.concat(rows, "\0")
  local packed = "\x78\x01\1" .. string.pack("<I2I2", #body, ~#body & 0xffff) .. body
  return "\137PNG\r\n\26\n" .. chunk("IHDR", string.pack(">I4I4BBBBB", width, #rows, depth, colour, 0, 0, 0)) ..
    (more or "") .. chunk("IDAT", packed .. string.pack(">I4", adler32(body))) .. chunk("IEND", "")
end

local GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6

-- The mask with the first n of 64 pixels marked by `value`, as a file.
local function mask(n, value)
  local text = (string.char(value or 255)):rep(n) .. ("\0"):rep(SIDE * SIDE - n)
  local rows = {}
  for y = 1, SIDE do rows[y] = text:sub((y - 1) * SIDE + 1, y * SIDE) end
  return png(SIDE, 8, GREY, rows)
end

-- What is marked in a file of this text.
local function marks(bytes, o)
  local path = tree.folder() .. "/mask"
  tree.write(path, bytes)
  local given = {mask = true, strict = true}
  for key, value in pairs(o or {}) do given[key] = value end
  return core.data.load_files({path}, given).images:flatten():totable()
end

local function stored(name)
  local file = assert(io.open(STORED .. name, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

-- Sets --------------------------------------------------------------------------------------------

local function folder(dir, o)
  local given = {cache = false, on_progress = false}
  for key, value in pairs(o or {}) do given[key] = value end
  return data.folder(dir, given)
end

-- {["class/…/name"] = pixels marked} of the tested pictures; nil where the set has no masks.
local function counts(set, dir)
  local split, found = set.test or set.train, {}
  if not split.masks then return nil end
  for i, n in ipairs(split.masks:to("int64"):sum({2, 3}):totable()) do
    found[split.paths[i]:sub(#dir + 2)] = n
  end
  return found
end

local function notes(set) return table.concat(set.notes or {}, "\n") end

-- A set with two good pictures to train on and one to test, and these files.
local function with(files)
  local all = {["train/good/0.png"] = 100, ["train/good/1.png"] = 110, ["test/good/0.png"] = 120}
  for name, value in pairs(files) do all[name] = value or nil end
  return tree.of(all)
end

-- Expects these pictures to be tested, with so many pixels marked in each but the good one; returns the set.
local function expects(expected, files, o)
  local dir = with(files)
  local set = folder(dir, o)
  expected["test/good/0.png"] = expected["test/good/0.png"] or 0
  assert.same(expected, counts(set, dir))
  return set
end

-- Values ------------------------------------------------------------------------------------------

describe("a pixel of a mask is marked", function()
  it("where its value is above 0, of any number of bits", function()
    assert.same({0, 1, 1, 1}, marks(png(4, 8, GREY, {"\0\1\127\255"})))
    assert.same({0, 1, 1, 1}, marks(png(4, 16, GREY, {"\0\0\0\1\1\0\255\255"})))
    assert.same({0, 1, 0, 0, 0, 0, 0, 1}, marks(png(8, 1, GREY, {"\x41"})))
    assert.same({0, 1, 1, 1}, marks(png(4, 2, GREY, {"\x1b"})))
    assert.same({0, 1, 1}, marks(png(3, 4, GREY, {"\x01\xf0"})))
  end)

  it("where any of its colours is above 0, and alpha marks nothing", function()
    assert.same({0, 1, 1}, marks(png(3, 8, RGB, {"\0\0\0\0\0\1\255\0\0"})))
    assert.same({0, 1}, marks(png(2, 16, RGB, {("\0"):rep(6) .. "\0\0\0\1\0\0"})))
    assert.same({0, 0, 1}, marks(png(3, 8, GREY_ALPHA, {"\0\0\0\255\1\0"})))
    assert.same({0, 1}, marks(png(2, 8, RGBA, {"\0\0\0\255\0\1\0\0"})))
    assert.same({0, 1}, marks(png(2, 16, GREY_ALPHA, {"\0\0\255\255\0\1\0\0"})))
  end)

  it("where its index in a palette is above 0, whatever the colours", function()
    local function of(palette, row) return marks(png(#row, 8, PALETTE, {row}, chunk("PLTE", palette))) end
    assert.same({0, 1, 1}, of("\0\0\0\128\0\0\0\0\1", "\0\1\2"))
    assert.same({0, 1, 1}, of("\0\0\0\0\0\0\0\0\0", "\0\1\2"))
    assert.same({0, 1, 1}, of("\255\255\255\9\9\9\0\0\0", "\0\1\1"))     -- black is not used
    assert.same({0, 1, 1, 0, 0, 0, 0, 1}, marks(png(8, 1, PALETTE, {"\x61"}, chunk("PLTE", "\0\0\0\1\0\0"))))
    has(refused(of, "\255\255\255\0\0\0", "\0\1\1"), "is a mask in doubt: colour 0 of its palette is not black")
  end)

  it("in JPEG, which blurs edges, from half of the range on", function()
    for _, name in ipairs {"grey.jpg", "jpeg444.jpg", "cmyk.jpg", "orientation6.jpg", "orientation3.jpg"} do
      local wanted = data.read(STORED .. name):amax({1}):ge(128):to("uint8"):flatten():totable()
      assert.same(wanted, marks(stored(name)), name)
      assert.same(wanted, marks(stored(name), {fast_decode = true}), name)
    end
  end)

  it("where the upright picture has it, as EXIF says", function()
    local upright = data.read(STORED .. "turned.png")
    local wanted = upright:amax({1}):gt(0):to "uint8"
    local found = core.data.load_files({STORED .. "turned.png"}, {mask = true}).images
    assert.same({1, 1, upright.shape[2], upright.shape[3]}, found.shape)
    assert.same(wanted:flatten():totable(), found:flatten():totable())
    local exif = chunk("eXIf", "MM\0\42\0\0\0\8\0\1\1\18\0\3\0\0\0\1\0\6\0\0\0\0\0\0")      -- turned by 90 degrees
    local one = png(2, 8, GREY, {"\0\0", "\0\0", "\255\0"}, exif)
    assert.same({1, 0, 0, 0, 0, 0}, marks(one))                                          -- 2 rows of 3
  end)
end)

-- Names -------------------------------------------------------------------------------------------

describe("the masks of a folder", function()
  it("belong to pictures by their whole paths", function()
    expects({["test/hole/cam1/0.png"] = 3, ["test/hole/cam2/0.png"] = 5, ["test/hole/0.png"] = 7}, {
      ["test/hole/cam1/0.png"] = 20, ["test/hole/cam2/0.png"] = 21, ["test/hole/0.png"] = 22,
      ["ground_truth/hole/cam1/0_mask.png"] = mask(3), ["ground_truth/hole/cam2/0_mask.png"] = mask(5),
      ["ground_truth/hole/0.png"] = mask(7)})
  end)

  it("may stand below the name of the split, in a folder in capitals", function()
    expects({["test/hole/0.png"] = 3}, {["test/hole/0.png"] = 20, ["Ground_Truth/test/hole/0_Mask.png"] = mask(3)})
    expects({["test/hole/0.png"] = 3}, {["test/hole/0.png"] = 20, ["GROUND_TRUTH/hole/0-GT.png"] = mask(3)})
    expects({["test/hole/0.png"] = 3}, {["test/hole/0.png"] = 20, ["masks/hole/0.png"] = mask(3)})
    expects({["test/hole/0.png"] = 3}, {["test/hole/0.png"] = 20, ["ground_truth/hole/0_ground_truth.png"] = mask(3)})
  end)

  it("are united where a picture has several, in a folder of its name or by numbers", function()
    local empty = ("\0"):rep(SIDE)
    local first = mask(3)
    local second = png(SIDE, 8, GREY, {empty, "\9" .. empty:sub(2), empty, empty, empty, empty, empty,
      empty:sub(2) .. "\255"})
    expects({["test/hole/000.png"] = 5, ["test/hole/001.png"] = 7}, {
      ["test/hole/000.png"] = 20, ["test/hole/001.png"] = 21, ["ground_truth/hole/000/000.png"] = first,
      ["ground_truth/hole/000/001.png"] = second, ["ground_truth/hole/001/000.png"] = mask(7)})
    expects({["test/hole/a.png"] = 5}, {["test/hole/a.png"] = 20, ["test/hole/a_mask.png"] = first,
      ["test/hole/a_mask_1.png"] = second})
  end)

  it("are not used where two fit one picture, or one fits two", function()
    local set = expects({["test/hole/0.png"] = 0, ["test/hole/1.png"] = 3}, {
      ["test/hole/0.png"] = 20, ["test/hole/1.png"] = 21, ["ground_truth/hole/0.png"] = mask(5),
      ["ground_truth/hole/0_mask.png"] = mask(7), ["ground_truth/hole/1.png"] = mask(3)})
    has(notes(set), "1 picture's mask is not used, as it is in doubt", "(test/hole/0.png)",
      "masks: 1 of the 2 anomalous test pictures have one that is used")
    set = expects({["test/hole/0.png"] = 0, ["test/hole/0.jpg"] = 0, ["test/hole/1.png"] = 3}, {
      ["test/hole/0.png"] = stored "rgb8.png", ["test/hole/0.jpg"] = stored "grey.jpg", ["test/hole/1.png"] = 21,
      ["ground_truth/hole/0.png"] = mask(5), ["ground_truth/hole/1.png"] = mask(3)}, {size = SIDE, channels = 1})
    has(notes(set), "2 pictures' masks are not used, as they are in doubt")
    local dir = tree.of {["good/1.png"] = 100, ["bad/1.png"] = 20, ["bad/2.png"] = 21, ["ground_truth/1.png"] = mask(3),
      ["ground_truth/2.png"] = mask(5)}
    assert.same({["good/1.png"] = 0, ["bad/1.png"] = 0, ["bad/2.png"] = 5}, counts(folder(dir), dir))
  end)

  it("are named where no picture is theirs", function()
    local set = expects({["test/hole/0.png"] = 3}, {["test/hole/0.png"] = 20, ["ground_truth/hole/0.png"] = mask(3),
      ["ground_truth/hole/9_mask.png"] = mask(3)})
    has(notes(set), "1 mask belongs to no picture (ground_truth/hole/9_mask.png)",
      "masks: 1 of the 1 anomalous test pictures have one")
  end)

  it("are those of its own layout without a split", function()
    local dir = tree.of {["good/1.png"] = 100, ["bad/x/1.png"] = 20, ["ground_truth/bad/x/1_mask.png"] = mask(3)}
    local set = folder(dir)
    assert.same({["good/1.png"] = 0, ["bad/x/1.png"] = 3}, counts(set, dir))
    assert.same({"bad", "good"}, set.classes)
    assert.same({"masks: 1 of the 1 anomalous pictures have one"}, set.notes)
  end)
end)

describe("masks beside their pictures", function()
  it("are no pictures, where a folder of masks has the same names", function()
    local set = expects({["test/hole/rgb/0.png"] = 3, ["test/hole/rgb/1.png"] = 5, ["test/cut/0.png"] = 7}, {
      ["test/hole/rgb/0.png"] = 20, ["test/hole/rgb/1.png"] = 21, ["test/hole/gt/0.png"] = mask(3),
      ["test/hole/gt/1.png"] = mask(5), ["test/good/gt/0.png"] = mask(0), ["test/cut/0.png"] = 22,
      ["test/cut/masks/0_mask.png"] = mask(7)})
    assert.same({"cut", "good", "hole"}, set.classes)
    has(notes(set), "4 files in folders of masks, beside pictures of the same names, are taken for masks " ..
      "(test/cut/masks/0_mask.png, test/good/gt/0.png, test/hole/gt/0.png, …)")
  end)

  it("are no pictures, where they are named like them", function()
    for _, name in ipairs {"0_mask.png", "0_GT.png", "0-label.png", "0 seg.png", "0.mask.png", "0_groundtruth.PNG",
      "mask_0.png"} do
      local set = expects({["test/hole/0.png"] = 3}, {["test/hole/0.png"] = 20, ["test/hole/" .. name] = mask(3)})
      has(notes(set), "1 file named like the picture beside it, and a mask, is taken for its mask (test/hole/" .. name)
    end
    local dir = tree.of {["good/0.png"] = 100, ["good/0_label.png"] = mask(0), ["bad/1.png"] = 20,
      ["bad/1_label.png"] = mask(5)}
    assert.same({["good/0.png"] = 0, ["bad/1.png"] = 5}, counts(folder(dir), dir))
  end)

  it("are no pictures, where two files have one name and one of them looks like a mask", function()
    local dir = tree.of {["OK/a/0.jpg"] = stored "grey.jpg", ["NG/a/1.jpg"] = stored "grey.jpg",
      ["NG/a/1.png"] = mask(5), ["NG/b/2.jpg"] = stored "grey.jpg", ["NG/b/2.png"] = stored "rgb8.png"}
    local set = folder(dir, {size = 16, channels = 1})
    assert.same({"NG/a/1.jpg", "NG/b/2.jpg", "NG/b/2.png", "OK/a/0.jpg"}, (function()
      local list = {}
      for i, path in ipairs(set.train.paths) do list[i] = path:sub(#dir + 2) end
      return list
    end)())
    has(notes(set),
      "1 file of black and one other colour, beside a picture of the same name, is taken for its mask (NG/a/1.png)",
      "2 files of the same names as others beside them do not look like masks and are taken for pictures",
      "1 mask has another size than its picture: ")
  end)

  it("leave pictures alone whose names only look like theirs", function()
    local people = tree.of {["good/face_mask.png"] = 100, ["good/x.png"] = 110, ["bad/gt.png"] = 20,
      ["bad/other_label.png"] = 21, ["mask/m.png"] = 50}
    local set = folder(people)
    assert.same({"bad", "good", "mask"}, set.classes)
    assert.equal(5, set.info.train)
    assert.is_nil(set.notes)
    expects({["test/label/0.png"] = 3, ["test/hole/0.png"] = 5}, {["test/label/0.png"] = 20, ["test/hole/0.png"] = 21,
      ["ground_truth/label/0_mask.png"] = mask(3), ["ground_truth/hole/0_mask.png"] = mask(5)})
    local photo, files = stored "rgb8.png", {}
    for i = 1, 3 do files[("mask/%d.png"):format(i)], files[("bare/%d.png"):format(i)] = photo, photo end
    set = folder(tree.of(files))
    assert.same({"bare", "mask"}, set.classes)
    assert.equal(6, set.info.train)
    has(notes(set), "1 folder is called as folders of masks are, but its files do not look like masks and are " ..
      "taken for pictures (mask)")
  end)

  it("are found as a class that looks like masks and has the names of others", function()
    local photo = stored "rgb8.png"
    local dir = tree.of {["images/1.png"] = photo, ["images/2.png"] = photo, ["masks/1.png"] = mask(3),
      ["masks/2.png"] = mask(0)}
    local set = folder(dir, {size = 8})
    assert.same({"images"}, set.classes)
    assert.equal(2, set.info.train)
    has(notes(set), "2 files in folders of masks, beside pictures of the same names, are taken for masks (masks/1.png")
  end)

  it("are read of training pictures that have some, and looked for in the test alone", function()
    local dir = with {["train/hole/0.png"] = 20, ["train/hole/0_mask.png"] = mask(3), ["train/hole/1.png"] = 21,
      ["train/cut/gt/2.png"] = mask(5), ["train/cut/2.png"] = 22, ["test/hole/7.png"] = 23,
      ["ground_truth/hole/7.png"] = mask(9)}
    local set, found = folder(dir), {}
    for i, n in ipairs(set.train.masks:to("int64"):sum({2, 3}):totable()) do
      found[set.train.paths[i]:sub(#dir + 2)] = n
    end
    assert.same({["train/good/0.png"] = 0, ["train/good/1.png"] = 0, ["train/hole/0.png"] = 3, ["train/hole/1.png"] = 0,
      ["train/cut/2.png"] = 5}, found)
    assert.same({["test/good/0.png"] = 0, ["test/hole/7.png"] = 9}, counts(set, dir))
    has(notes(set), "masks: 1 of the 1 anomalous test pictures have one")
    assert.not_match("have no mask", notes(set))
  end)

  it("are those of two folders, too", function()
    local normals, anomalies = tree.of {["1.png"] = 100, ["1_mask.png"] = mask(0)},
      tree.of {["cut/1.png"] = 20, ["ground_truth/cut/1_mask.png"] = mask(3), ["2.png"] = 21, ["2_mask.png"] = mask(5)}
    local set = data.folders(normals, anomalies, {cache = false, on_progress = false})
    assert.same({"normal", "anomaly", "cut"}, set.classes)
    assert.same({0, 5, 3}, set.train.masks:to("int64"):sum({2, 3}):totable())
    has(notes(set), "masks: 2 of the 2 anomalous pictures have one")
  end)

  it("are all that a folder has: it is refused", function()
    has(refused(folder, tree.of {["ground_truth/a/1.png"] = mask(3)}), "there are only masks in this folder")
  end)
end)

-- What cannot be used -----------------------------------------------------------------------------

describe("a mask that cannot be used", function()
  local files = {["test/hole/0.png"] = 20, ["test/hole/1.png"] = 21, ["test/hole/2.png"] = 22,
    ["ground_truth/hole/0.png"] = mask(3), ["ground_truth/hole/2.png"] = mask(5)}

  local function with_second(bytes)
    local all = {["ground_truth/hole/1.png"] = bytes}
    for name, value in pairs(files) do all[name] = value end
    return all
  end

  local function expects_note(bytes, ...)
    local set = expects({["test/hole/0.png"] = 3, ["test/hole/1.png"] = 0, ["test/hole/2.png"] = 5}, with_second(bytes))
    has(notes(set), "masks: 2 of the 3 anomalous test pictures have one that is used", ...)
  end

  it("costs itself, with a note: cut short, of another size, missing, or empty", function()
    expects_note(mask(9):sub(1, 60), "1 mask cannot be read: ", "ground_truth/hole/1.png: is a ")
    expects_note("no picture", "1 mask cannot be read: ", "ground_truth/hole/1.png: ")
    expects_note(png(4, 8, GREY, {"\1\1\1\1"}), "1 mask has another size than its picture: ",
      "ground_truth/hole/1.png has 1 x 4 pixels, its picture ", "test/hole/1.png has 8 x 8")
    expects_note(nil, "anomalous test pictures that have no mask: 1 of 3, for example ", "test/hole/1.png")
    expects_note(mask(0), "1 mask of an anomalous picture marks nothing at 8 x 8 pixels: ", "ground_truth/hole/1.png")
  end)

  it("leaves a set without masks if it is the only one", function()
    local dir = with {["test/hole/0.png"] = 20, ["ground_truth/hole/0.png"] = mask(0)}
    local set = folder(dir)
    assert.is_nil(set.test.masks)
    has(notes(set), "masks: 0 of the 1 anomalous test pictures have one that is used")
  end)

  it("is an error with strict, but an empty one is not", function()
    local function strict(bytes) return folder(with(with_second(bytes)), {strict = true}) end
    has(refused(strict, mask(9):sub(1, 60)), "ground_truth/hole/1.png: is a ")
    has(refused(strict, png(4, 8, GREY, {"\1\1\1\1"})), "the mask ", "has 1 x 4 pixels, its picture ")
    has(refused(strict, nil), "anomalous test pictures that have no mask: 1 of 3")
    assert.equal(8, strict(mask(0)).width)
  end)

  it("costs all parts of the mask it is one of", function()
    local set = expects({["test/hole/0.png"] = 0, ["test/hole/1.png"] = 3}, {["test/hole/0.png"] = 20,
      ["test/hole/1.png"] = 21, ["ground_truth/hole/0/0.png"] = mask(3), ["ground_truth/hole/0/1.png"] = "broken",
      ["ground_truth/hole/1/0.png"] = mask(3)})
    has(notes(set), "1 mask cannot be read")
  end)

  it("is noted where a normal picture's marks something", function()
    local set = expects({["test/hole/0.png"] = 3, ["test/good/0.png"] = 2}, {["test/hole/0.png"] = 20,
      ["ground_truth/hole/0.png"] = mask(3), ["ground_truth/good/0.png"] = mask(2)})
    has(notes(set), "1 mask of a normal picture marks something: ", "ground_truth/good/0.png")
  end)

  it("is the same in a CSV file, whose empty cells are no masks", function()
    local dir = with(files)
    tree.write(dir .. "/list.csv", "path,label,mask\ntrain/good/0.png,good,\n"
      .. "test/hole/0.png,hole,ground_truth/hole/0.png\ntest/hole/1.png,hole,none.png\ntest/hole/2.png,hole,\n")
    local set = data.manifest(dir .. "/list.csv", {cache = false, on_progress = false})
    assert.same({0, 3, 0, 0}, set.train.masks:to("int64"):sum({2, 3}):totable())
    has(notes(set), "1 mask cannot be read: ", "none.png: ", "anomalous pictures that have no mask: 1 of 3",
      "masks: 1 of the 3 anomalous pictures have one that is used")
    has(refused(data.manifest, dir .. "/list.csv", {cache = false, on_progress = false, strict = true}), "none.png")
  end)
end)

-- What was decided --------------------------------------------------------------------------------

describe("a note of what was decided", function()
  -- 16-bit pictures whose values go up to `most`.
  local function deep(most, name)
    local row = {}
    for x = 0, SIDE - 1 do row[x + 1] = string.pack(">I2", most * x // (SIDE - 1)) end
    local rows = {}
    for y = 1, SIDE do rows[y] = table.concat(row) end
    return {[name or "good/1.png"] = png(SIDE, 16, GREY, rows), ["bad/1.png"] = png(SIDE, 16, GREY, rows)}
  end

  it("says that values of few bits fill few grey levels, and how to stretch them", function()
    for bits, expected in pairs {[10] = "4 of 255, so that 5 ", [12] = "16 of 255, so that 17 ",
      [14] = "64 of 255, so that 65 "} do
      has(notes(folder(tree.of(deep((1 << bits) - 1)))), "no picture is brighter than " .. expected,
        ("%d-bit values; multiply them by %d first"):format(bits, 1 << 16 - bits))
    end
    assert.is_nil(folder(tree.of(deep(65535))).notes)
    assert.is_nil(folder(tree.of {["good/1.png"] = 20, ["bad/1.png"] = 30}).notes)              -- a dark scene
    has(notes(folder(tree.of {["good/1.png"] = 0, ["bad/1.png"] = 1})), "no picture is brighter than 1 of 255")
    has(notes(folder(tree.of {["good/1.png"] = 0, ["bad/1.png"] = 0})), "all pictures are black")
  end)

  it("names classes that differ only in case", function()
    local set = folder(tree.of {["good/1.png"] = 100, ["Good/1.png"] = 110, ["bad/1.png"] = 20})
    assert.is_nil(set.normal)
    has(notes(set), "the names of these classes differ only in case: Good and good; if they are one class")
  end)

  it("is printed by info and train: masks, and the normals that are held out", function()
    local dir, files = cli.dir .. "/parts", {}
    for i = 1, 50 do files[("train/good/%d.png"):format(i)] = 100 + i end
    for i = 1, 4 do
      files[("test/good/%d.png"):format(i)], files[("test/hole/%d.png"):format(i)] = 90 + i, 20 + i
      files[("ground_truth/hole/%d.png"):format(i)] = mask(i)
    end
    assert(require("lfs").link(tree.of(files), dir, true))
    local status, out = cli.agad "info parts --set cache=false"
    assert.equal(0, status)
    has(out, "training holds out 16 of 50 normals for the threshold",
      "masks: 4 of the 4 anomalous test pictures have one")
    local _, json = cli.agad "info parts --set cache=false --json"
    has(json, '"kind":"data"')
    assert.is_nil(json:find("holds out", 1, true))
    local trained, row, err = cli.agad("train parts --method agad --epochs 1 --set size=16 --set cache=false " ..
      "--json --out m.st")
    assert.equal(0, trained, err)
    has(err, "data      30 normals, 20 more held out, 0 known defects; test: 4 normals, 4\n",
      "note: masks: 4 of the 4 anomalous test pictures have one\n")
    assert.is_nil(row:find("holds out", 1, true))
  end)
end)

describe("pixel AUROC and PRO", function()
  it("leave out anomalous pictures whose masks mark nothing, and keep normal ones", function()
    local evaluate_checks = require "agad.evaluate.checks"
    local set = data.weave {train_normals = 60, train_defects = 8, test_normals = 12, test_defects = 12}
    local task = agad.task.new(set, {gamma = 0})
    local run = agad.trainer(task, {epochs = 1, batch = 32}, {dir = tree.folder() .. "/run"})
    local quiet = function() end
    run:fit(quiet)
    local whole = run:evaluate(quiet)
    assert.is_true(whole.pixel_auroc > 0 and whole.pixel_auroc < 1)
    local masks, others, emptied = task.test.masks:clone(), {}, 0
    for i, is in ipairs(task.test.anomalous) do
      if is == 1 and emptied < 3 then
        masks:select(1, i):fill_(0)
        emptied = emptied + 1
      else
        others[#others + 1] = i - 1
      end
    end
    local columns = require "agad.evaluate.columns"
    local result = columns.scores(run.source, task, columns.presets(run.config, run.source).steady, 32)
    local without = setmetatable({test = setmetatable({masks = masks}, {__index = task.test})}, {__index = task})
    local some, note = evaluate_checks.localisation(run.source, without, result, 32)
    result.rows = others
    local same, none = evaluate_checks.localisation(run.source, task, result, 32)
    assert.near(same.pixel_auroc, some.pixel_auroc, 1e-12)
    assert.near(same.pro, some.pro, 1e-12)
    assert.not_equal(whole.pixel_auroc, some.pixel_auroc)
    assert.is_nil(none)
    assert.equal("3 of the 12 anomalous test pictures are left out, as their masks are missing or mark nothing", note)
    run:close()
  end)
end)
