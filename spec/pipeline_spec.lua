-- What a model is trained on is what it scores: the pixels of a set, and those of the same picture read from a file
-- with the options that the model keeps, are equal to the byte.
-- To add a case: a test with another kind of set; the bytes of its pictures are those that scoring reads.

local agad = require "agad"
local lfs = require "lfs"
local core, data = agad.core, agad.data
core.threads(1)

local scratch = dofile "spec/support/scratch.lua"
local refused, has
do
  local checks = dofile "spec/support/checks.lua"
  refused, has = checks.refused, checks.has
end

teardown(scratch.remove)

local SIZES = {16, 24, 28, 32, 48}
local FITS, FILTERS = {"resize", "crop", "pad"}, {"bilinear", "area", "adaptive"}

-- n pictures that are all edges, and smooth within.
local function drawn(n, channels, height, width)
  local list = {}
  for i = 0, n * channels * height * width - 1 do
    local x, y = i % width, i // width % height
    list[#list + 1] = (x * x * 3 + y * 7 * (i // (width * height) + 1) + (x // 5 + y // 7) % 2 * 120) % 256
  end
  return core.from_table(list, "uint8"):reshape({n, channels, height, width})
end

local function idx(name, pictures, labels)
  local shape = pictures.shape
  scratch.write(scratch.path("mnist/" .. name .. "-images-idx3-ubyte"),
    string.pack(">I4I4I4I4", 0x803, shape[1], shape[3], shape[4]) .. pictures:tostring_bytes())
  scratch.write(scratch.path("mnist/" .. name .. "-labels-idx1-ubyte"),
    string.pack(">I4I4", 0x801, #labels) .. string.char(table.unpack(labels)))
end

-- ROOT/mnist of pictures (n, 1, height, width), ten classes in turn, the same for testing.
local function mnist(pictures)
  lfs.mkdir(scratch.path "mnist")
  local labels = {}
  for i = 1, pictures.shape[1] do labels[i] = (i - 1) % 10 end
  idx("train", pictures, labels)
  idx("t10k", pictures, labels)
end

local function png(name, picture)
  local path = scratch.path(name)
  data.write_png(path, picture)
  return path
end

-- The set of these options against its pictures as files, one after the other.
local function assert_same(set, paths, o)
  for i, path in ipairs(paths) do
    local read = data.read(path, {height = o.size, width = o.size, channels = o.channels, fit = o.fit,
      filter = o.filter})
    assert.equal(core.hash(read:tostring_bytes()), core.hash(set.train.images:select(1, i):contiguous()
      :tostring_bytes()), ("%s %d: %d x %d, %s, %s"):format(set.name, i, o.channels, o.size, o.fit, o.filter))
  end
end

local function every(f)
  for _, size in ipairs(SIZES) do
    for channels = 1, 3, 2 do
      for _, fit in ipairs(FITS) do
        for _, filter in ipairs(FILTERS) do f {size = size, channels = channels, fit = fit, filter = filter} end
      end
    end
  end
end

local function check_idx(name, root, originals)
  local paths = {}
  for i = 1, originals.shape[1] do paths[i] = png(("%d.png"):format(i), originals:select(1, i)) end
  every(function(o)
    o.root = root
    assert_same(data.load(name, o), paths, o)
  end)
end

describe("pictures are the same for training and scoring", function()
  it("in IDX files, square and not", function()
    for _, side in ipairs {{28, 28}, {20, 33}, {41, 17}} do
      local originals = drawn(3, 1, side[1], side[2])
      mnist(originals)
      check_idx("mnist", scratch.folder, originals)
    end
  end)

  it("in real MNIST", function()
    local root = os.getenv "AGAD_DATA"
    local path = root and root .. "/mnist/train-images-idx3-ubyte"
    if not path or not lfs.attributes(path) and not lfs.attributes(path .. ".gz") then
      return pending "no mnist in AGAD_DATA"
    end
    local all = core.data.read_idx(lfs.attributes(path) and path or path .. ".gz")
    local originals = all:narrow(1, 1, 200):unsqueeze(2):contiguous()
    mnist(originals)
    check_idx("mnist", scratch.folder, originals)
    local whole = data.mnist {size = 16, filter = "area"}
    assert_same(whole, {scratch.path "1.png", scratch.path "2.png"}, {size = 16, channels = 1, fit = "resize",
      filter = "area"})
  end)

  it("in CIFAR's files, also in grey", function()
    local folder = scratch.path "cifar-10-batches-bin"
    lfs.mkdir(folder)
    local originals, records, paths = drawn(2, 3, 32, 32), {}, {}
    for i = 1, 2 do
      records[i] = string.char(i) .. originals:select(1, i):tostring_bytes()
      paths[i] = png("cifar" .. i .. ".png", originals:select(1, i))
    end
    for b = 1, 5 do scratch.write(("%s/data_batch_%d.bin"):format(folder, b), table.concat(records)) end
    scratch.write(folder .. "/test_batch.bin", records[1])
    scratch.write(folder .. "/batches.meta.txt", ("abcdefghij"):gsub(".", "%0\n"))
    every(function(o)
      o.root = scratch.folder
      assert_same(data.load("cifar10", o), paths, o)
    end)
  end)

  it("in folders", function()
    local folder, paths = scratch.path "folder", {}
    lfs.mkdir(folder)
    for i, shape in ipairs {{1, 28, 28}, {3, 20, 33}, {3, 64, 9}} do
      paths[i] = png("folder/" .. i .. ".png", drawn(1, table.unpack(shape)):select(1, 1))
    end
    every(function(o)
      o.cache, o.on_progress = false, false
      assert_same(data.load(folder, o), paths, o)
    end)
  end)
end)

describe("a mask lies on its picture", function()
  it("under every fit: where the picture is marked, so is the mask", function()
    for _, side in ipairs {{28, 28}, {20, 33}, {41, 17}, {12, 90}} do
      local marked = agad.zeros({1, side[1], side[2]}, {dtype = "uint8"})
      marked:narrow(2, side[1] // 3 + 1, side[1] // 2):narrow(3, side[2] // 4 + 1, side[2] // 2):fill_(255)
      local path = png("mask.png", marked)
      for _, size in ipairs(SIZES) do
        for _, fit in ipairs(FITS) do
          local o = {height = size, width = size, channels = 1, fit = fit}
          local picture = data.read(path, o):reshape({size, size})
          o.mask, o.channels = true, nil
          local mask = core.data.load_files({path}, o).images:reshape({size, size})
          -- away from the edges, where the picture is neither black nor white, both say the same
          assert.equal(0, (picture:eq(255):logical_and(mask:eq(0))):sum():item(), fit .. size)
          assert.equal(0, (picture:eq(0):logical_and(mask:eq(1))):sum():item(), fit .. size)
          assert.is_true(mask:sum():item() > 0)
        end
      end
    end
  end)
end)

describe("a model", function()
  it("scores a file as the picture of its training", function()
    local originals = drawn(40, 1, 20, 33)
    mnist(originals)
    for _, o in ipairs {{filter = "area"}, {fit = "crop"}, {fit = "pad", filter = "area"}} do
      local set = data.mnist {root = scratch.folder, size = 16, fit = o.fit, filter = o.filter}
      local run = agad.trainer(agad.task.one_vs_rest(set, {normal = 0}), {epochs = 1, batch = 4,
        net = "spec/support/small_net.lua"})
      assert.same({set.options.fit, set.options.filter}, {run.config.fit, run.config.filter})
      run:fit(function() end)
      run:save(scratch.path "model")
      local model = agad.model.open(scratch.path "model")
      for _, row in ipairs {1, 2, 39} do
        assert.equal(model:score(set.train.images:narrow(1, row, 1))[1].score,
          model:score({png("one.png", originals:select(1, row))})[1].score)
      end
    end
  end)

  it("is not told another form than that of its set", function()
    local set = data.mnist {root = scratch.folder, size = 16, filter = "area"}
    assert.equal("area", agad.task.one_vs_rest(set, {normal = 0, filter = "area"}).options.filter)
    has(refused(agad.task.one_vs_rest, set, {normal = 0, filter = "bilinear"}),
      "filter = bilinear: the pictures of mnist were read with area; give this option to the data set instead")
    has(refused(agad.task.one_vs_rest, set, {normal = 0, fit = "pad"}), "fit = pad: the pictures of mnist")
    local task = agad.task.one_vs_rest(set, {normal = 0})
    has(refused(agad.trainer, task, {filter = "bilinear"}),
      "filter = \"bilinear\": the task was made with \"area\"; give this option to the task instead")
  end)
end)
