-- CIFAR's binary files and IDX of every type, read back from files made here.
-- To add a case: a row {what it is, the change, words of the message …} in a list of refusals, or a test over files
-- written here.

local agad = require "agad"
local lfs = require "lfs"
local checks = dofile "spec/support/checks.lua"
local data = agad.core.data
local refused, has = checks.refused, checks.has

local pictures = dofile "spec/support/pictures.lua"
local write = pictures.write
local folder

before_each(function() folder = pictures.open() end)
after_each(pictures.close)

-- CIFAR -------------------------------------------------------------------------------------------

local TEN, HUNDRED = "cifar-10-batches-bin", "cifar-100-binary"

-- A record: label bytes, then planes of the values red, green, blue; the last pixel of blue is 255.
local function record(labels, red, green, blue)
  return labels .. ("%c"):rep(3):format(red, green, blue):gsub(".", function(c) return c:rep(1024) end):sub(1, -2)
    .. "\255"
end

local function form(side, channels, fit)
  return {height = side or 32, width = side or 32, channels = channels or 3, fit = fit}
end

local function names(prefix, n)
  local list = {}
  for i = 1, n do list[i] = prefix .. i - 1 end
  return list
end

-- CIFAR-10 with two records a batch, in FOLDER/where; `files` replaces some files (false: absent).
local function cifar10(files, where)
  where = where or TEN
  os.execute(("rm -rf '%s/%s' && mkdir -p '%s/%s'"):format(folder, where, folder, where))
  local all = {["batches.meta.txt"] = table.concat(names("class", 10), "\n") .. "\n\n",
    ["test_batch.bin"] = record("\9", 1, 2, 3) .. record("\0", 4, 5, 6) .. record("\5", 7, 8, 9)}
  for b = 1, 5 do
    all[("data_batch_%d.bin"):format(b)] = record(string.char(b), b, 20 + b, 40 + b)
      .. record(string.char(b + 4), 100 + b, 120 + b, 140 + b)
  end
  for name, bytes in pairs(files or {}) do all[name] = bytes end
  for name, bytes in pairs(all) do if bytes then write(where .. "/" .. name, bytes) end end
end

-- CIFAR-100 with two records a class in train and one in test; class i lies in superclass (7 i) mod 20.
local function cifar100(files)
  os.execute(("rm -rf '%s/%s' && mkdir '%s/%s'"):format(folder, HUNDRED, folder, HUNDRED))
  local train, test = {}, {}
  for i = 0, 99 do
    local labels = string.char(7 * i % 20, i)
    train[#train + 1] = record(labels, i, 0, 0) .. record(labels, i, 1, 0)
    test[#test + 1] = record(labels, i, 2, 0)
  end
  local all = {["fine_label_names.txt"] = table.concat(names("fine", 100), "\n"),
    ["coarse_label_names.txt"] = table.concat(names("coarse", 20), "\r\n") .. "\r\n",
    ["train.bin"] = table.concat(train), ["test.bin"] = table.concat(test)}
  for name, change in pairs(files or {}) do
    if type(change) == "function" then all[name] = change(all[name]) else all[name] = change end
  end
  for name, bytes in pairs(all) do if bytes then write(HUNDRED .. "/" .. name, bytes) end end
end

local function channel(images, row, c) return images:select(1, row):select(1, c) end

describe("cifar 10", function()
  it("reads the batches in order, with labels and names", function()
    cifar10()
    local train, test, classes, above = data.cifar(folder, 10, "fine", form())
    assert.same({10, 3, 32, 32}, train.images.shape)
    assert.same({3, 3, 32, 32}, test.images.shape)
    assert.equal("uint8", train.images.dtype)
    assert.equal("int64", train.labels.dtype)
    assert.same({1, 5, 2, 6, 3, 7, 4, 8, 5, 9}, train.labels:totable())
    assert.same({9, 0, 5}, test.labels:totable())
    assert.same(names("class", 10), classes)
    assert.is_nil(above)
    assert.is_nil(train.masks)
    assert.same({102 * 1024, 122 * 1024, 142 * 1023 + 255}, {channel(train.images, 4, 1):sum():item(),
      channel(train.images, 4, 2):sum():item(), channel(train.images, 4, 3):sum():item()})
    assert.equal(255, channel(train.images, 4, 3):select(1, 32):select(1, 32):item())
  end)

  it("looks in the places where it may lie", function()
    for _, where in ipairs {"cifar10", TEN, "cifar10/" .. TEN} do
      cifar10({}, where)
      assert.equal(10, data.cifar(folder, 10, "fine", form()).labels:size(1))
      os.execute(("rm -rf '%s/%s'"):format(folder, where))
    end
    has(refused(data.cifar, folder, 10, "fine", form()),
      "cifar10: its files are missing; looked in " .. folder .. "/cifar10, ",
      folder .. "/" .. TEN, "put data_batch_1.bin to data_batch_5.bin, test_batch.bin and batches.meta.txt there, or "
      .. "name another root, or run: agad fetch cifar10")
  end)

  it("resizes, pads and turns to grey", function()
    cifar10()
    local train = data.cifar(folder, 10, "fine", form(8, 1))
    assert.same({10, 1, 8, 8}, train.images.shape)
    assert.equal((19595 * 1 + 38470 * 21 + 7471 * 41 + 32768) >> 16, train.images:min():item())
    train = data.cifar(folder, 10, "fine", form(40, 3, "pad"))
    assert.same({10, 3, 40, 40}, train.images.shape)
    assert.equal(0, channel(train.images, 1, 1):select(1, 4):sum():item())
    assert.equal(32, channel(train.images, 1, 1):select(1, 5):sum():item())
  end)

  for what, case in pairs {
    ["a batch that is cut short"] = {"data_batch_3.bin", record("\1", 1, 1, 1):sub(1, -2),
      "data_batch_3.bin has 3072 bytes, not whole records of 3073 bytes; the file is truncated, fetch it again"},
    ["an empty batch"] = {"test_batch.bin", "", "test_batch.bin has 0 bytes, not whole records"},
    ["a batch with fewer records"] = {"data_batch_4.bin", record("\1", 1, 1, 1),
      "data_batch_4.bin has 1 records, but data_batch_1.bin has 2; one is truncated, fetch both again"},
    ["a batch that is too long"] = {"test_batch.bin", record("\1", 1, 1, 1):rep(10001),
      "test_batch.bin has 30733073 bytes, more than the 30730000 of 10000 records; fetch it again"},
    ["a label over 9"] = {"data_batch_5.bin", record("\1", 1, 1, 1) .. record("\10", 1, 1, 1),
      "data_batch_5.bin: label 10 of record 1 is over 9; fetch it again"},
    ["a batch that is missing"] = {"data_batch_2.bin", false, "data_batch_2.bin: No such file or directory"},
    ["names that are missing"] = {"batches.meta.txt", false, "batches.meta.txt: No such file or directory"},
    ["too few names"] = {"batches.meta.txt", "a\nb\n", "batches.meta.txt does not hold 10 names, one a line"},
    ["too many names"] = {"batches.meta.txt", ("a\n"):rep(11), "does not hold 10 names"},
    ["an endless name"] = {"batches.meta.txt", ("a\n"):rep(9) .. ("b"):rep(5000), "does not hold 10 names"},
  } do
    it("refuses " .. what, function()
      cifar10 {[case[1]] = case[2]}
      has(refused(data.cifar, folder, 10, "fine", form()), "cifar10: ", case[3])
    end)
  end

  it("refuses other arguments", function()
    cifar10()
    has(refused(data.cifar, folder, 20, "fine", form()), "10 or 100 classes")
    has(refused(data.cifar, folder, 10, "fine", form(0)), "height = 0; give a whole number from 1 to 65536")
    has(refused(data.cifar, folder, 10, "fine", form(32, 2)), "channels = 2; give 1 (grey) or 3 (colour)")
    has(refused(data.cifar, folder, 10, "coarse", form()), "cifar10 has no coarse labels; use cifar100")
    has(refused(data.cifar, folder, 10, "rough", form()), "invalid option 'rough'")
    has(refused(data.cifar, folder, 10, "fine", {side = 32}), "unknown option side; known: channels, filter, fit")
  end)
end)

describe("cifar 100", function()
  it("reads fine labels, and each class's superclass from the records", function()
    cifar100()
    local train, test, classes, above = data.cifar(folder, 100, "fine", form())
    assert.same({200, 3, 32, 32}, train.images.shape)
    assert.same({100, 3, 32, 32}, test.images.shape)
    assert.same(names("fine", 100), classes)
    assert.same(names("coarse", 20), above.names)
    local labels, of = {}, {}
    for i = 0, 99 do labels[i + 1], of[i + 1] = i, 7 * i % 20 end
    assert.same(labels, test.labels:totable())
    assert.same(of, above.of)
    assert.equal(57 * 1024, channel(test.images, 58, 1):sum():item())
  end)

  it("reads coarse labels", function()
    cifar100()
    local _, test, classes, above = data.cifar(folder, 100, "coarse", form())
    local labels = {}
    for i = 0, 99 do labels[i + 1] = 7 * i % 20 end
    assert.same(labels, test.labels:totable())
    assert.same(names("coarse", 20), classes)
    assert.is_nil(above)
  end)

  local function changed(at, byte)
    return function(bytes) return bytes:sub(1, at - 1) .. byte .. bytes:sub(at + 1) end
  end
  for what, case in pairs {
    ["a class in two superclasses"] = {"test.bin", changed(3 * 3074 + 1, "\2"),
      "test.bin: record 3 puts class 3 into superclass 2, an earlier one into 1; fetch it again"},
    ["a fine label over 99"] = {"train.bin", changed(3074 + 2, "\100"), "label 100 of record 1 is over 99"},
    ["a coarse label over 19"] = {"train.bin", changed(1, "\20"), "coarse label 20 of record 0 is over 19"},
    ["a file that is cut short"] = {"train.bin", function(bytes) return bytes:sub(1, -1000) end,
      "train.bin has 613801 bytes, not whole records of 3074 bytes"},
    ["a class without a record"] = {"train.bin", function(bytes) return bytes:sub(1, 3074 * 198) end, "", true},
    ["no class names"] = {"fine_label_names.txt", "", "fine_label_names.txt does not hold 100 names"},
    ["no superclass names"] = {"coarse_label_names.txt", false, "coarse_label_names.txt: No such file"},
  } do
    it((case[4] and "takes from test " or "refuses ") .. what, function()
      cifar100 {[case[1]] = case[2]}
      if case[4] then return assert.equal(198, data.cifar(folder, 100, "fine", form()).labels:size(1)) end
      has(refused(data.cifar, folder, 100, "fine", form()), "cifar100: ", case[3])
    end)
  end

  it("refuses a class that no record has", function()
    cifar100 {["train.bin"] = function(b) return b:sub(1, 3074 * 198) end,
      ["test.bin"] = function(b) return b:sub(1, 3074 * 99) end}
    has(refused(data.cifar, folder, 100, "fine", form()), "no record of class 99; fetch it again")
  end)
end)

describe("the real CIFAR-10", function()
  it("has 5,000 and 1,000 of each class #slow", function()
    local root = os.getenv "AGAD_DATA"
    if not root or not lfs.attributes(root .. "/" .. TEN) then return pending "no cifar-10-batches-bin in AGAD_DATA" end
    local train, test, classes = data.cifar(root, 10, "fine", form())
    assert.same({50000, 3, 32, 32}, train.images.shape)
    assert.same({"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}, classes)
    for label = 0, 9 do
      assert.equal(5000, train.labels:eq(label):sum():item())
      assert.equal(1000, test.labels:eq(label):sum():item())
    end
  end)
end)

-- IDX ---------------------------------------------------------------------------------------------

describe("read_idx", function()
  local function header(code, ...)
    return string.pack(">I2BB", 0, code, select("#", ...)) .. string.pack((">I4"):rep(select("#", ...)), ...)
  end

  for name, case in pairs {
    uint8 = {0x08, "B", {0, 1, 127, 128, 255, 7}}, int8 = {0x09, "b", {0, 1, 127, -128, -1, 7}},
    int16 = {0x0b, "i2", {0, 1, 32767, -32768, -2, 258}},
    int32 = {0x0c, "i4", {0, 1, 2147483647, -2147483648, -2, 16909060}},
    float32 = {0x0d, "f", {0, 1, -1.5, 2.0 ^ -149, 2.0 ^ 127, 0.25}},
    float64 = {0x0e, "d", {0, 1, -1.5, 2.0 ^ -1074, 0.1, 1e300}},
  } do
    it("reads " .. name .. ", plain and gzip", function()
      local path = write("x.idx", header(case[1], 2, 3) .. string.pack(">" .. case[2]:rep(6), table.unpack(case[3])))
      for _ = 1, 2 do
        local t = data.read_idx(path)
        assert.equal(name, t.dtype)
        assert.same({2, 3}, t.shape)
        assert.same(case[3], t:flatten():totable())
        if path:find "%.gz$" then break end
        os.execute(("gzip '%s'"):format(path))
        path = path .. ".gz"
      end
    end)
  end

  it("reads one to eight dimensions, and none of elements", function()
    local sizes = {}
    for n = 1, 8 do
      sizes[n] = n % 3 + 1
      local total = 1
      for _, size in ipairs(sizes) do total = total * size end
      assert.same(sizes, data.read_idx(write("x", header(0x0b, table.unpack(sizes)) .. ("\0\1"):rep(total))).shape)
    end
    assert.same({3, 0, 2}, data.read_idx(write("x", header(0x0d, 3, 0, 2))).shape)
  end)

  for what, case in pairs {
    ["text"] = {"no IDX at all",
      "its first bytes are 6e6f2049; this is not an IDX file (type 08, 09, 0b, 0c, 0d or 0e"},
    ["an unknown type"] = {header(0x0a, 1) .. "x", "first bytes are 00000a01; this is not an IDX file"},
    ["no dimension"] = {"\0\0\8\0", "first bytes are 00000800; this is not an IDX file"},
    ["nine dimensions"] = {header(8, 1, 1, 1, 1, 1, 1, 1, 1, 1) .. "x", "first bytes are 00000809"},
    ["an empty file"] = {"", "truncated"},
    ["a header cut short"] = {header(8, 2, 3):sub(1, -2), "1 bytes are missing"},
    ["elements cut short"] = {header(0x0e, 2) .. ("x"):rep(15), "1 bytes are missing"},
    ["bytes too many"] = {header(0x0e, 2) .. ("x"):rep(17), "it has more bytes than its header announces"},
    ["absurd sizes"] = {header(0x0e, 0xffffffff, 0xffffffff, 0xffffffff), "more than 4 GiB, the most that is read"},
  } do
    it("refuses " .. what, function() has(refused(data.read_idx, write("x", case[1])), "idx: ", case[2]) end)
  end

  it("tells MNIST's readers what a file of another type is", function()
    lfs.mkdir(folder .. "/mnist")
    for name, bytes in pairs {["train-images-idx3-ubyte"] = header(0x0d, 1, 2, 2) .. ("\0"):rep(16),
      ["train-labels-idx1-ubyte"] = "", ["t10k-images-idx3-ubyte"] = "", ["t10k-labels-idx1-ubyte"] = ""} do
      write("mnist/" .. name, bytes)
    end
    has(refused(agad.data.mnist, {root = folder}), "its first bytes are 00000d03, not 00000803; this is not an IDX "
      .. "images file, but one of float32 with 3 dimensions")
  end)
end)
