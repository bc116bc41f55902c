-- Manifests (path,label[,split][,mask]), sets of tensors. How CSV files are read is in csv_spec.lua.
-- To add a case: a test over manifest(text, options).

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local lfs = require "lfs"
local tree = dofile "spec/support/tree.lua"
local data, core = agad.data, agad.core
local refused, has = checks.refused, checks.has

after_each(tree.remove)

describe("a manifest", function()
  local dir

  local function manifest(text, o)
    tree.write(dir .. "/list.csv", text)
    local given = {cache = false, on_progress = false}
    for key, value in pairs(o or {}) do given[key] = value end
    return data.manifest(dir .. "/list.csv", given)
  end

  local function rows(set, split)
    local list = {}
    for i, label in ipairs(split.labels:totable()) do
      list[i] = ("%s:%d"):format(set.classes[label + 1],
        split.images:select(1, i):reshape({-1}):select(1, 1):item())
    end
    return list
  end

  before_each(function()
    dir = tree.of {["a/1.png"] = 1, ["a/2.png"] = 2, ["b, c/3.png"] = 3, ["m/3.png"] = 255, ["4.png"] = 4}
  end)

  it("gives train and test, labels of any text, masks", function()
    local set = manifest('\239\187\191path,label,split,mask\r\na/1.png,good,train,\r\na/2.png,good,test,\r\n'
      .. '"b, c/3.png","a ""bad"" one",test,m/3.png\r\n\r\n4.png,Größe,train,\r\n')
    assert.same({"Größe", 'a "bad" one', "good"}, set.classes)
    assert.same({"good:1", "Größe:4"}, rows(set, set.train))
    assert.same({"good:2", 'a "bad" one:3'}, rows(set, set.test))
    assert.same({0, 64}, set.test.masks:to("int64"):sum({2, 3}):totable())
    assert.is_nil(set.train.masks)
    assert.equal("good", set.normal)
    assert.equal("list", set.name)
    assert.is_nil(set.unsplit)
    assert.equal(dir .. "/b, c/3.png", set.test.paths[2])
    assert.equal(("agad.data.manifest(%q, {cache = false})"):format(dir .. "/list.csv"), tostring(set))
  end)

  it("may have columns in any order, and no split", function()
    local set = manifest("Label,PATH\nx,a/1.png\ny,4.png\nx,a/2.png\n")
    assert.is_true(set.unsplit)
    assert.is_nil(set.test)
    assert.is_nil(set.normal)
    assert.same({"x:1", "y:4", "x:2"}, rows(set, set.train))
    assert.is_true(manifest("path,label,split\na/1.png,x,\n4.png,y,\n").unsplit)
    set = manifest "path,label,split\n4.png,x,train\n"
    assert.is_true(set.unsplit)
    assert.same({"no pictures are marked test; train is split at random from the seed"}, set.notes)
    assert.equal("x", set.normal)
  end)

  it("is what data.load takes a .csv file for", function()
    tree.write(dir .. "/L.CSV", "path,label\na/1.png,x\n")
    assert.same({"x"}, data.load(dir .. "/L.CSV", {normal = "x", cache = false, on_progress = false}).classes)
  end)

  it("is refused with the line", function()
    for text, message in pairs {
      [""] = "no pictures are listed; give one per line, below the header path,label[,split][,mask]",
      ["path,label\n"] = "no pictures are listed",
      ["a/1.png,good\n"] = "line 1: there is no column path; the first line must be the header path,label[,split]",
      ["path,lable\n"] = "line 1: unknown column lable; did you mean label?",
      ["path\na/1.png\n"] = "line 1: there is no column label",
      ["path,label,path\n"] = "line 1: two columns are called path",
      ["path,label,splt\n"] = "line 1: unknown column splt; did you mean split?",
      ["path,label\na/1.png,x,y\n"] = "line 2: 3 fields, but the header has 2",
      ["path,label\na/1.png\n"] = "line 2: 1 fields, but the header has 2",
      ["path,label\n\n,x\n"] = "line 3: the path is empty",
      ["path,label\na/1.png,\n"] = "line 2: a/1.png has no label",
      ["path,label,split\na/1.png,x,val\n"] = "line 2: split = val; give train, test or nothing",
      ["path,label,split\na/1.png,x,train\n4.png,x,\n"] = "line 3: the split is empty, but in line 2 it is train",
      ["path,label,split\na/1.png,x,test\n"] = "every picture is marked test; mark some as train",
      ["path,label\na/1.png,x\na/1.png,y\n"] = "line 3: a/1.png is already listed in line 2",
      ["path,label\na/1.png,x\n/etc/x.png,y\n"] = "line 3: /etc/x.png is an absolute path",
      ["path,label\n..\\x.png,y\n"] = "/..\\x.png: No such file",
      ["path,label\nC:\\x.png,y\n"] = "line 2: C:\\x.png is an absolute path of Windows; make it relative to the",
      ["path,label\n\\\\host\\x.png,y\n"] = "line 2: \\\\host\\x.png is an absolute path of Windows",
      ["path,label\na/../../x.png,y\n"] = "line 2: a/../../x.png is outside the folder of the CSV file",
      ["path,label\na/b/..,y\n"] = "line 2: a/b/.. is outside the folder",
      ["path,label,mask\na/1.png,y,../m.png\n"] = "line 2: ../m.png is outside the folder",
      ["path,label\na\0b,y\n"] = "line 2: the path contains a zero byte",
      ["path,label\nnone.png,y\n"] = "none.png",
    } do
      local said = refused(manifest, text)
      has(said, message, dir)
    end
    has(refused(data.manifest, dir .. "/none.csv"), dir .. "/none.csv: No such file or directory")
    has(refused(data.manifest, dir), "this is a folder, not a CSV file")
    has(refused(manifest, "path,label\na/1.png,x\n", {outsid = true}), "unknown option outsid; did you mean outside?")
  end)

  it("stays in its folder, also through links, unless it may leave", function()
    local other = tree.of {["x.png"] = 9}
    assert(lfs.link(other, dir .. "/away", true))
    assert(lfs.link(other .. "/x.png", dir .. "/x.png", true))
    assert(lfs.link("a/1.png", dir .. "/near.png", true))
    has(refused(manifest, "path,label\naway/x.png,y\n"), "line 2: away/x.png is outside the folder of the CSV file")
    has(refused(manifest, "path,label\na/1.png,y\nx.png,y\n"), "line 3: x.png is outside the folder of the CSV file")
    local set = manifest "path,label\nnear.png,y\n"
    assert.same({"y:1"}, rows(set, set.train))
    set = manifest(("path,label\naway/x.png,y\n%s/x.png,y\na/../4.png,y\n"):format(other), {outside = true})
    assert.same({"y:9", "y:9", "y:4"}, rows(set, set.train))
  end)

  it("leaves out what cannot be read", function()
    tree.write(dir .. "/bad.png", "x")
    local set = manifest "path,label,split\nbad.png,x,train\na/1.png,x,train\ngone.png,x,test\n4.png,y,test\n"
    assert.same({"x:1"}, rows(set, set.train))
    assert.same({"y:4"}, rows(set, set.test))
    has(set.notes[1], "2 of 4 pictures cannot be read and were skipped: ", "bad.png", "gone.png")
  end)
end)

describe("tensors", function()
  local function images(n, ...)
    local sizes = {n, ...}
    local count = 1
    for _, size in ipairs(sizes) do count = count * size end
    local list = {}
    for i = 1, count do list[i] = i % 256 end
    return core.from_table(list, "uint8"):reshape(sizes)
  end

  it("are a set", function()
    local set = data.tensors {images = images(4, 3, 5, 6), labels = {0, 2, 1, 0}, test_images = images(2, 3, 5, 6),
      test_labels = core.from_table({1, 0}, "int64"), test_masks = images(2, 5, 6), classes = {"ok", "b", "c"}}
    assert.same({3, 5, 6}, {set.channels, set.height, set.width})
    assert.same({0, 2, 1, 0}, set.train.labels:totable())
    assert.same({1, 0}, set.test.labels:totable())
    assert.equal("int64", set.test.labels.dtype)
    assert.equal("ok", set.normal)
    assert.equal(1, set.test.masks:max():item())
    assert.is_nil(set.train.masks)
    assert.is_nil(set.unsplit)
    assert.equal("agad.data.tensors({…})", tostring(set))
    assert.equal("7", data.tensors {images = images(2, 4, 4), labels = {7, 0}, normal = 7}.normal)
  end)

  it("may be planes, and without labels", function()
    local set = data.tensors {images = images(3, 4, 5)}
    assert.same({3, 1, 4, 5}, set.train.images.shape)
    assert.same({"normal"}, set.classes)
    assert.is_true(set.unsplit)
    assert.same({0, 0, 0}, set.train.labels:totable())
  end)

  for message, given in pairs {
    ["tensors: images is a nil; give a uint8 tensor"] = {},
    ["tensors: images is a tensor of float32; give a uint8 tensor"] = {
      images = function() return agad.zeros({2, 3, 3}) end},
    ["tensors: images is 2 x 2 x 3 x 3; give (n, channels"] = {images = {2, 2, 3, 3}},
    ["tensors: images is 0 x 1 x 3 x 3"] = {images = {0, 3, 3}},
    ["tensors: labels has 3 labels for 2 pictures"] = {images = {2, 3, 3}, labels = {0, 1, 1}},
    ["tensors: labels: item 2 is -1; labels are whole numbers from 0"] = {images = {2, 3, 3}, labels = {0, -1}},
    ["tensors: labels: item 1 is 0.5"] = {images = {2, 3, 3}, labels = {.5, 1}},
    ["tensors: labels is a string"] = {images = {2, 3, 3}, labels = "x"},
    ["tensors: labels is a tensor of float32"] = {images = {2, 3, 3}, labels = function() return agad.zeros({2}) end},
    ["tensors: label 2, but there are only 2 classes"] = {images = {2, 3, 3}, labels = {0, 2}, classes = {"a", "b"}},
    ["tensors: classes: a is listed twice"] = {images = {2, 3, 3}, labels = {0, 1}, classes = {"a", "a"}},
    ["tensors: masks is 2 x 3 x 4; the pictures need 2 x 3 x 3"] = {images = {2, 3, 3}, masks = {2, 3, 4}},
    ["tensors: images are 2 x 1 x 3 x 3, test_images 2 x 1 x 3 x 4"] = {images = {2, 3, 3}, test_images = {2, 3, 4}},
    ["tensors: test_images are missing"] = {images = {2, 3, 3}, test_labels = {0, 1}},
    ["tensors: test_labels are missing"] = {images = {2, 3, 3}, labels = {0, 1}, test_images = {2, 3, 3}},
    ["tensors: unknown option image; did you mean images?"] = {image = {2, 3, 3}},
    ["tensors has no class 9; its classes: 0, 1"] = {images = {2, 3, 3}, labels = {0, 1}, normal = 9},
  } do
    it("are refused: " .. message, function()
      for key, value in pairs(given) do
        if type(value) == "function" then given[key] = value()
        elseif key:find "image" or key:find "mask" then given[key] = images(table.unpack(value)) end
      end
      has(refused(data.tensors, given), message)
    end)
  end
end)
