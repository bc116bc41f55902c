-- Readers of IDX and PNG, resizing, MNIST's files, the sampler.
-- To add a case: a row in a list of refusals, or a test over small files that are written here.

local agad = require "agad"
local lfs = require "lfs"
local data, core = agad.data, agad.core

local scratch = dofile "spec/support/scratch.lua"
local folder = scratch.folder

local function write(name, bytes) return scratch.write(scratch.path(name), bytes) end

local function message(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.is_nil(tostring(err):find("\n"))
  return tostring(err)
end

teardown(scratch.remove)

-- IDX ---------------------------------------------------------------------------------------------

local function idx_images(n, h, w, body)
  return string.pack(">I4I4I4I4", 0x803, n, h, w) .. (body or string.rep("\5", n * h * w))
end

local function idx_labels(n, body)
  return string.pack(">I4I4", 0x801, n) .. (body or string.rep("\1", n))
end

-- A whole little set in FOLDER/mnist; `files` replaces some of its files (false: absent).
local function mnist_folder(files)
  os.execute(("rm -rf '%s/mnist' && mkdir '%s/mnist'"):format(folder, folder))
  local all = {
    ["train-images-idx3-ubyte"] = idx_images(3, 4, 5), ["train-labels-idx1-ubyte"] = idx_labels(3),
    ["t10k-images-idx3-ubyte"] = idx_images(2, 4, 5), ["t10k-labels-idx1-ubyte"] = idx_labels(2),
  }
  for name, bytes in pairs(files or {}) do all[name] = bytes end
  for name, bytes in pairs(all) do if bytes then write("mnist/" .. name, bytes) end end
end

local function load() return data.mnist {root = folder, size = 8} end

describe("mnist", function()
  it("reads counts from the headers", function()
    local body = {}
    for i = 1, 60 do body[i] = string.char(i) end
    mnist_folder {["train-images-idx3-ubyte"] = idx_images(3, 4, 5, table.concat(body)),
      ["train-labels-idx1-ubyte"] = idx_labels(3, "\7\0\9")}
    local set = load()
    assert.same({3, 1, 8, 8}, set.train.images.shape)
    assert.same({2, 1, 8, 8}, set.test.images.shape)
    assert.same({7, 0, 9}, set.train.labels:totable())
    assert.equal("uint8", set.train.images.dtype)
    assert.equal("int64", set.train.labels.dtype)
    assert.is_nil(set.train.masks)
    assert.equal(10, #set.classes)
    assert.equal(8, set:label_of(8))
    assert.equal(8, set:label_of("8"))
    assert.match("mnist has no class 12; its classes: 0, 1, 2", message(set.label_of, set, 12))
    assert.equal(('agad.data.mnist{root = %q, size = 8}'):format(folder), tostring(set))
  end)

  it("reads gzip, and torchvision's folders", function()
    mnist_folder()
    local plain = core.hash(load().train.images:tostring_bytes())
    os.execute(("cd '%s' && gzip mnist/* && mkdir MNIST && mv mnist MNIST/raw"):format(folder))
    assert.equal(plain, core.hash(load().train.images:tostring_bytes()))
    os.execute(("rm -rf '%s/MNIST'"):format(folder))
  end)

  it("says where it looked and which files to put there", function()
    mnist_folder {["t10k-labels-idx1-ubyte"] = false}
    local text = message(load)
    local function says(wanted) assert.is_truthy(text:find(wanted, 1, true), text) end
    says("mnist: t10k-labels-idx1-ubyte.gz is missing; looked in " .. folder .. "/mnist, ")
    says("/MNIST/raw; put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, ")
    text = message(data.fashion_mnist, {root = folder})
    assert.match("fashion%-mnist: train%-images", text)
    assert.match("FashionMNIST/raw", text)
  end)

  local images, labels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
  for what, case in pairs {
    ["images cut short"] = {images, idx_images(3, 4, 5):sub(1, -2),
      "1 bytes are missing at its end; the file is truncated, fetch it again"},
    ["a header cut short"] = {images, idx_images(3, 4, 5):sub(1, 11), "5 bytes are missing"},
    ["an empty file"] = {images, "", "truncated"},
    ["bytes too many"] = {images, idx_images(3, 4, 5) .. "x", "it has more bytes than its header announces"},
    ["labels as images"] = {images, idx_labels(3), "bytes are 00000801, not 00000803; this is not an IDX images file"},
    ["a picture as labels"] = {labels, "\137PNG\r\n\26\n",
      "are 89504e47, not 00000801; this is not an IDX labels file"},
    ["fewer labels"] = {labels, idx_labels(2), "2 labels but 3 images in .*train%-images"},
    ["labels cut short"] = {labels, idx_labels(3):sub(1, -2), "1 bytes are missing"},
    ["a label over 9"] = {labels, idx_labels(3, "\1\10\1"), "label 10 of image 1 is over 9"},
    ["absurd sizes"] = {images, idx_images(0xffffffff, 0xffffffff, 0xffffffff, "x"), "which is invalid"},
    ["a size whose product overflows"] = {images, idx_images(0xffffffff, 65536, 65536, "x"), "which is invalid"},
    ["a side of 0"] = {images, idx_images(3, 0, 5, ""), "which is invalid"},
    ["more than is there"] = {images, idx_images(100000, 100, 100, "x"), "bytes are missing"},
    ["test images of another size"] = {"t10k-images-idx3-ubyte", idx_images(2, 5, 5),
      "train images are 4 x 5, test images 5 x 5"},
    ["damaged gzip"] = {images, "\31\139\8\0\0\0\0\0\0\3garbage", "damaged"},
  } do
    it("refuses " .. what, function()
      mnist_folder {[case[1]] = case[2]}
      assert.match(case[3], message(load))
    end)
  end

  it("refuses a gzip file that is cut short", function()
    mnist_folder()
    os.execute(("cd '%s/mnist' && gzip %s && head -c 30 %s.gz > x && mv x %s.gz"):format(folder, images, images,
      images))
    assert.match("fetch it again", message(load))
  end)

  it("refuses unknown options and values", function()
    assert.match("mnist: unknown option sized; did you mean size%?; known: channels, filter, fit, root, size",
      message(data.mnist, {sized = 3}))
    assert.match('mnist: fit = "fill": it must be one of resize, crop, pad', message(data.mnist, {fit = "fill"}))
    assert.match('mnist: filter = "cubic": it must be one of bilinear, area', message(data.mnist, {filter = "cubic"}))
    assert.match("mnist: size = 0: it must be between 1 and 4096", message(data.mnist, {size = 0}))
    local text = message(data.load, "mnits")
    local wanted = ("there is no data set mnits; did you mean mnist?; give a known name (%s), or an existing "):format(
      table.concat(data.names, ", "))
    assert.equal(wanted, text:sub(1, #wanted))
  end)

  local root = os.getenv "AGAD_DATA"
  for _, name in ipairs {"mnist", "fashion-mnist"} do
    it("reads the real " .. name, function()
      if not root or not lfs.attributes(root .. "/" .. name) then return pending("no " .. name .. " in AGAD_DATA") end
      local set = data.load(name)
      for part, about in pairs {train = 60000, test = 10000} do     -- copies with fewer are about
        local part_labels = set[part].labels
        assert.same({part_labels:size(1), 1, 32, 32}, set[part].images.shape)
        assert.near(about, part_labels:size(1), about / 100)
        assert.same({0, 9}, {part_labels:min():item(), part_labels:max():item()})
        for label = 0, 9 do assert.near(about / 10, part_labels:eq(label):sum():item(), about / 50) end
      end
    end)
  end
end)

-- Pictures ----------------------------------------------------------------------------------------

local function picture(channels, height, width)
  local list = {}
  for i = 1, channels * height * width do list[i] = (i * i * 7 + i // 3) % 256 end
  return core.from_table(list, "uint8"):reshape({channels, height, width})
end

describe("PNG", function()
  it("comes back as it was written, grey and RGB", function()
    for _, channels in ipairs {1, 3} do
      local p, path = picture(channels, 7, 5), folder .. "/p.png"
      data.write_png(path, p)
      local q = data.read(path)
      assert.same({channels, 7, 5}, q.shape)
      assert.same(p:totable(), q:totable())
    end
  end)

  it("takes a plane, and leaves nothing beside the file", function()
    local path = folder .. "/plane.png"
    data.write_png(path, picture(1, 4, 6):reshape({4, 6}))
    assert.same({1, 4, 6}, data.read(path).shape)
    for name in lfs.dir(folder) do assert.is_nil(name:find("%.part$")) end
  end)

  it("refuses what is no PNG, or cut short, in one line", function()
    local path = folder .. "/p.png"
    data.write_png(path, picture(3, 9, 9))
    local file = assert(io.open(path, "rb"))
    local bytes = file:read "a"
    file:close()
    assert.match("is a truncated PNG file", message(data.read, write("cut.png", bytes:sub(1, -20))))
    assert.match("is not a PNG[%w, ]* file .it begins with", message(data.read, write("text.png", "hello, you")))
    assert.match("is empty", message(data.read, write("empty.png", "")))
    assert.match("No such file", message(data.read, folder .. "/absent.png"))
    assert.match("not a regular file", message(data.read, folder))
  end)

  it("does not believe a header that promises more than the file can hold", function()
    local path = folder .. "/p.png"
    data.write_png(path, picture(1, 9, 9))
    local bytes = scratch.read(path)
    local chunk = dofile "spec/support/pictures.lua".png_chunk
    local header = string.pack(">I4I4", 60000, 1000) .. bytes:sub(25, 29)
    local lie = bytes:sub(1, 8) .. chunk("IHDR", header) .. bytes:sub(34)
    assert.match("more pixels than its bytes can hold", message(data.read, write("lie.png", lie)))
  end)

  it("refuses to write what is no picture, or where it cannot", function()
    local real = core.from_table({1, 2}, "float32"):reshape({1, 1, 2})
    assert.match("a uint8 tensor .* this is float32", message(data.write_png, folder .. "/x.png", real))
    assert.match("1 %(grey%) or 3 %(colour%)", message(data.write_png, folder .. "/x.png", picture(2, 3, 3)))
    assert.match("cannot be written: No such file", message(data.write_png, folder .. "/none/x.png", picture(1, 3, 3)))
  end)
end)

describe("resizing", function()
  -- torch's antialiased interpolation in double precision; here pixels are rounded after each of the two passes
  for _, case in ipairs {{28, 28, 32, 32}, {5, 9, 13, 4}, {1, 1, 3, 3}, {16, 16, 8, 8}, {7, 3, 7, 20}} do
    it(("equals torch's interpolate: %d x %d to %d x %d"):format(table.unpack(case)), function()
      local p = picture(3, case[1], case[2])
      local x = p:to({dtype = "float64"}):reshape({1, 3, case[1], case[2]})
      local wanted = agad.core.operator "_upsample_bilinear2d_aa"(x, {case[3], case[4]}, false)
      local got = data.resize(p, case[3], case[4])
      assert.equal("uint8", got.dtype)
      assert.same({3, case[3], case[4]}, got.shape)
      local list, exact = got:flatten():totable(), wanted:flatten():totable()
      for i = 1, #list do assert.is_true(math.abs(list[i] - exact[i]) <= 1, i) end
    end)
  end

  it("rounds halves up", function()
    local p = core.from_table({0, 1, 1, 2}, "uint8"):reshape({1, 1, 4})
    assert.same({1, 2}, data.resize(p, 1, 2, {filter = "area"}):flatten():totable())   -- 0.5 and 1.5
  end)

  it("takes a fit or a table, and has two names", function()
    local p = picture(3, 9, 14)
    for _, fit in ipairs {"resize", "crop", "pad"} do
      local wanted = data.resample(p, 5, 6, {fit = fit}):totable()
      assert.same(wanted, data.resize(p, 5, 6, fit):totable())
      assert.same(wanted, data.resize(p, 5, 6, {fit = fit, filter = "bilinear"}):totable())
    end
    assert.same({5, 6, 7, 8}, data.resize(core.from_table({4, 5, 6, 7, 8, 9}, "uint8"):reshape({1, 1, 6}), 1, 4, "crop")
      :flatten():totable())
    assert.match("fit = fill; give resize, crop or pad", message(data.resize, p, 5, 6, "fill"))
    assert.match("unknown option size; known: filter, fit", message(data.resize, p, 5, 6, {size = 3}))
  end)

  it("pads: centred on black, shrunk only when too large", function()
    local p = core.from_table({9, 9, 9, 9}, "uint8"):reshape({1, 2, 2})
    assert.same({0, 0, 0, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 0, 0, 0}, data.resize(p, 4, 4, "pad"):flatten():totable())
    local wide = core.from_table({9, 9, 9, 9, 9, 9, 9, 9}, "uint8"):reshape({1, 2, 4})
    assert.same({9, 9, 0, 0}, data.resize(wide, 2, 2, "pad"):flatten():totable())
  end)

  it("turns colour to luma and grey to colour", function()
    local p = core.from_table({255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255}, "uint8"):reshape({3, 1, 4})
    assert.same({76, 150, 29, 255}, data.set_channels(p, 1):flatten():totable())
    local grey = core.from_table({1, 2}, "uint8"):reshape({1, 1, 2})
    assert.same({1, 2, 1, 2, 1, 2}, data.set_channels(grey, 3):flatten():totable())
  end)
end)

describe("shortcut statistics", function()
  it("name what separates the classes alone", function()
    local images, anomalous, bytes = {}, {}, {}
    for i = 1, 20 do
      local dark = i > 10
      for p = 1, 16 do images[#images + 1] = (dark and 40 or 60) + (p * i) % 7 end
      anomalous[i], bytes[i] = dark, i % 2
    end
    local found = {}
    for _, f in ipairs(data.shortcut(core.from_table(images, "uint8"):reshape({20, 1, 4, 4}), anomalous,
      {file_bytes = bytes})) do found[f.name] = f.auroc end
    assert.equal(1, found.mean)
    assert.equal(0.5, found.file_bytes)
    assert.is_nil(found.height)
    assert.is_true(found.sd >= 0.5 and found.grad_x >= 0.5 and found.grad_y >= 0.5)
  end)

  it("are the mean, the deviation and the mean absolute differences", function()
    -- one bright pixel moved about: the mean is equal, gradients tell corner from middle
    local corner, middle = {9, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 9, 0, 0, 0, 0}
    local list = {}
    for _, p in ipairs {corner, middle} do table.move(p, 1, 9, #list + 1, list) end
    local by_name = {}
    local images = core.from_table(list, "uint8"):reshape({2, 1, 3, 3})
    for _, f in ipairs(data.shortcut(images, {0, 1})) do by_name[f.name] = f.auroc end
    assert.same({mean = 0.5, sd = 0.5, grad_x = 1, grad_y = 1}, by_name)
  end)
end)

-- The sampler -------------------------------------------------------------------------------------

local function rows(first, last)
  local list = {}
  for i = first, last do list[#list + 1] = i end
  return list
end

local function epoch(s)
  local batches = {}
  for batch, n_normal in s.next, s do batches[#batches + 1] = {rows = batch:totable(), n_normal = n_normal} end
  s:next_epoch()
  return batches
end

describe("sampler", function()
  it("passes over the normals once an epoch, shuffled anew", function()
    local s = data.sampler(rows(0, 99), {}, 10, 0, 1)
    assert.equal(10, s:batches())
    local first, second = epoch(s), epoch(s)
    for _, batches in ipairs {first, second} do
      local seen = {}
      for _, b in ipairs(batches) do
        assert.equal(10, b.n_normal)
        for _, row in ipairs(b.rows) do seen[#seen + 1] = row end
      end
      table.sort(seen)
      assert.same(rows(0, 99), seen)
    end
    assert.not_same(first[1], second[1])
    assert.not_same(rows(0, 9), first[1].rows)
  end)

  it("holds k anomalies after B - k normals and drops the last short batch", function()
    local s = data.sampler(rows(0, 99), rows(100, 119), 16, 4, 7)
    assert.equal(8, s:batches())
    local batches = epoch(s)
    assert.equal(8, #batches)
    for _, b in ipairs(batches) do
      assert.equal(16, #b.rows)
      assert.equal(12, b.n_normal)
      for i, row in ipairs(b.rows) do assert.equal(i <= 12, row < 100) end
    end
  end)

  it("uses every anomaly up before it comes again", function()
    local s = data.sampler(rows(0, 99), rows(100, 119), 16, 4, 7)
    local drawn = {}
    for _ = 1, 3 do
      for _, b in ipairs(epoch(s)) do for i = 13, 16 do drawn[#drawn + 1] = b.rows[i] end end
    end
    for cycle = 0, #drawn // 20 - 1 do
      local list = table.move(drawn, cycle * 20 + 1, cycle * 20 + 20, 1, {})
      table.sort(list)
      assert.same(rows(100, 119), list)
    end
  end)

  it("draws with replacement, evenly, when fewer than k exist", function()
    local s = data.sampler(rows(0, 2799), rows(5000, 5002), 56, 28, 3)
    local count, total = {}, 0
    for _ = 1, 10 do
      for _, b in ipairs(epoch(s)) do
        for i = b.n_normal + 1, #b.rows do count[b.rows[i]], total = (count[b.rows[i]] or 0) + 1, total + 1 end
      end
    end
    assert.equal(28000, total)
    for row = 5000, 5002 do assert.near(total / 3, count[row], 400) end     -- 5 standard deviations
  end)

  it("shuffles evenly: every row is as often first", function()
    local s, count = data.sampler(rows(0, 9), {}, 10, 0, 5), {}
    for _ = 1, 5000 do
      local first = epoch(s)[1].rows[1]
      count[first] = (count[first] or 0) + 1
    end
    for row = 0, 9 do assert.near(500, count[row], 107) end                -- 5 standard deviations
  end)

  it("keeps the only batch whole, at most half of it anomalies", function()
    local s = data.sampler(rows(0, 9), rows(10, 50), 64, 32, 1)
    assert.equal(1, s:batches())
    local only = epoch(s)
    assert.equal(1, #only)
    assert.same({20, 10}, {#only[1].rows, only[1].n_normal})
  end)

  it("knows the protocol's k", function()
    local k = data.anomalies_per_batch
    local given = {{256, 32, 0}, {256, 32, 0.05}, {256, 32, 0.1}, {256, 32, 0.2}, {256, 32, 0.9}, {16, 32, 0.05}}
    for i, wanted in ipairs {0, 32, 32, 51, 128, 8} do assert.equal(wanted, k(table.unpack(given[i]))) end
  end)

  it("repeats from its seed, and goes on from its state", function()
    local function new(seed) return data.sampler(rows(0, 199), rows(200, 220), 32, 8, seed) end
    assert.same(epoch(new(4)), epoch(new(4)))
    assert.not_same(epoch(new(4)), epoch(new(5)))
    local a, b = new(4), new(4)
    epoch(a)
    a:next()
    b:set_state(a:state())
    assert.same(a:state(), b:state())
    for _ = 1, 4 do assert.same(epoch(a), epoch(b)) end
    assert.match("the state belongs to other data",
      message(b.set_state, b, {seed = 1, epoch = 0, batch = 900, cycle = 0, cycle_position = 0}))
    assert.match("sampler state: batch = nil; give a whole number", message(b.set_state, b, {}))
  end)

  it("takes another pool of anomalies between epochs", function()
    local s = data.sampler(rows(0, 99), {}, 16, 4, 7)
    assert.equal(6, s:batches())
    s:set_anomalies(agad.core.from_table(rows(100, 119), "int64"), 4)
    assert.equal(8, s:batches())
    assert.equal(12, epoch(s)[1].n_normal)
  end)

  it("refuses a set without normals and rows that are no integers", function()
    assert.match("no normal picture to train on", message(data.sampler, {}, {}, 16, 4, 7))
    assert.match("item 2 is not an integer", message(data.sampler, {1, 1.5}, {}, 16, 4, 7))
    assert.match("batch 0; give 1", message(data.sampler, {1}, {}, 0, 4, 7))
  end)
end)

-- CIFAR as sets (cifar_spec reads the files) ------------------------------------------------------------

describe("cifar sets", function()
  local function pictures(labels)                       -- a record for each text of label bytes
    local list = {}
    for i, bytes in ipairs(labels) do list[i] = bytes .. ("\7"):rep(3072) end
    return table.concat(list)
  end
  local function lines(prefix, n)
    local list = {}
    for i = 1, n do list[i] = prefix .. i - 1 end
    return table.concat(list, "\n") .. "\n"
  end

  setup(function()
    os.execute(("mkdir -p '%s/cifar-10-batches-bin' '%s/cifar-100-binary'"):format(folder, folder))
    local ten, hundred = {}, {}
    for i = 0, 9 do ten[i + 1] = string.char(i) end
    for i = 0, 99 do hundred[i + 1] = string.char(i // 5, i) end
    for i = 1, 5 do write(("cifar-10-batches-bin/data_batch_%d.bin"):format(i), pictures(ten)) end
    write("cifar-10-batches-bin/test_batch.bin", pictures(ten))
    write("cifar-10-batches-bin/batches.meta.txt", lines("kind", 10))
    write("cifar-100-binary/train.bin", pictures(hundred))
    write("cifar-100-binary/test.bin", pictures(hundred))
    write("cifar-100-binary/fine_label_names.txt", lines("fine", 100))
    write("cifar-100-binary/coarse_label_names.txt", lines("coarse", 20))
  end)

  it("are found under the root, by name too", function()
    local set = data.load("cifar10", {root = folder, normal = "kind3", filter = "area"})
    assert.same({"cifar10", 50, 10, 3, 32}, {set.name, set.info.train, set.info.test, set.channels, set.width})
    assert.equal(("agad.data.cifar10{filter = \"area\", root = %q}"):format(folder), tostring(set))
    assert.equal(3, set:label_of "kind3")
    assert.is_nil(set.superclasses)
    assert.same({1, 16}, {data.cifar10({root = folder, channels = 1, size = 16}).channels,
      data.cifar10({root = folder, size = 16}).height})
  end)

  it("have superclasses, or them for classes", function()
    local set = data.cifar100 {root = folder}
    assert.same({100, 20, 100}, {#set.classes, #set.superclasses.names, #set.superclasses.of})
    assert.same({"coarse0", 0, 19}, {set.superclasses.names[1], set.superclasses.of[5], set.superclasses.of[96]})
    set = data.load("cifar100", {root = folder, labels = "coarse"})
    assert.equal(20, #set.classes)
    assert.equal(19, set.test.labels:max():item())
  end)

  it("refuse other options, and say what is missing", function()
    assert.match('cifar100: labels = "rough": it must be one of fine, coarse',
      message(data.cifar100, {labels = "rough"}))
    assert.match("cifar10: unknown option labels; known: channels, filter, fit, root, size",
      message(data.cifar10, {labels = "fine"}))
    assert.match('cifar10: fit = "fill": it must be one of resize, crop, pad', message(data.cifar10, {fit = "fill"}))
    assert.match("cifar10: its files are missing; looked in .*; put .* agad fetch cifar10",
      message(data.cifar10, {root = folder .. "/nowhere"}))
  end)
end)

describe("a named set", function()
  local named = require "agad.data.named"
  local doc = require "agad.cli.doc"

  it("is a file that says all of it", function()
    for _, name in ipairs(named.names) do
      local about = named.about(name)
      assert.equal("function", type(data[named.call(name)]), name)
      assert.matches("^[^\n]+$", about.title)
      assert.is_true((about.fetch == nil) ~= (about.not_fetched == nil), name)
      local text = doc.lookup("agad.data." .. named.call(name))
      assert.is_truthy(text and text:find("agad.data." .. named.call(name) .. "(o)", 1, true), name)
    end
  end)

  it("is one of these, or a new one", function()
    local known = {}
    for _, name in ipairs(data.names) do known[name] = true end
    for _, name in ipairs {"cifar10", "cifar100", "fashion-mnist", "mnist", "weave"} do
      assert.is_true(known[name], name)
    end
    assert.is_nil(named.about "../named")
    assert.is_nil(named.about(nil))
    assert.match("weave is drawn from a seed, so that there is nothing to fetch", message(agad.fetch.get, "weave"))
  end)
end)
