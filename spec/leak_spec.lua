-- Leak detectors: the thermometer by hand, and on CIFAR-10 where it is there; order invariance of scores.
-- To add a case: a test over scores or pictures whose order is known.

local agad = require "agad"
local core = agad.core
local metrics = agad.metrics
local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

-- n pictures of c x 4 x 4 whose pixels are about `level`.
local function pictures(n, c, level, seed)
  agad.manual_seed(seed)
  return (agad.rand(n, c, 4, 4) * 40 + level):to "uint8"
end

local function labels(normals, anomalies)
  local list = {}
  for i = 1, normals + anomalies do list[i] = i > normals and 1 or 0 end
  return list
end

describe("the thermometer", function()
  local cat = core.operator "cat"
  local train = pictures(300, 3, 100, 1)
  local test = cat({pictures(64, 3, 100, 2), pictures(96, 3, 104, 3)}, {dim = 1})
  local truth = labels(64, 96)

  it("fires on pure batches that differ by a few grey levels, and is quiet when they are mixed", function()
    assert.equal(1, metrics.thermometer(train, nil, test, truth, {batch = 32}))
    assert.near(.5, metrics.thermometer(train, nil, test, truth, {batch = 32, shuffles = 20}), .1)
    assert.is_true(metrics.thermometer(train, nil, test, truth, {batch = 1}) < .95)
  end)

  it("equals the definition: six numbers, each divided by its spread over random batches", function()
    -- Two kinds of training picture, 0 and 200 throughout: a batch of one is one or the other. The mean has mean m
    -- and spread s over batches; the deviation inside a picture is 0 always, in training as in the test.
    local two = core.from_table({0, 200}, "uint8"):reshape {2, 1, 1, 1}:expand {2, 1, 4, 4}
    local grey = core.from_table({100, 10, 250}, "uint8"):reshape {3, 1, 1, 1}:expand {3, 1, 4, 4}
    -- distances about 0, .9 s, 1.5 s: the order is theirs
    assert.equal(1, metrics.thermometer(two, nil, grey, {0, 1, 1}, {batch = 1}))
    assert.equal(0, metrics.thermometer(two, nil, grey, {1, 0, 0}, {batch = 1}))
    assert.equal(.5, metrics.thermometer(two, nil, grey, {0, 1, 0}, {batch = 1}))
    -- one batch of all three: one distance for all
    assert.equal(.5, metrics.thermometer(two, nil, grey, {0, 1, 1}, {batch = 3}))
  end)

  it("sees a spread that differs where the mean does not", function()
    local flat = (agad.zeros(64, 1, 4, 4) + 120):to "uint8"
    local grey = pictures(300, 1, 100, 4)
    local mixed = cat({pictures(64, 1, 100, 5), flat}, {dim = 1})
    assert.equal(1, metrics.thermometer(grey, nil, mixed, labels(64, 64), {batch = 32}))
  end)

  it("follows the given order and rows", function()
    local interleaved = {}
    for i = 0, 63 do interleaved[#interleaved + 1], interleaved[#interleaved + 2] = i, 64 + i end
    local a = metrics.thermometer(train, nil, test, truth, {batch = 32, order = interleaved})
    assert.equal(.5, a)                                      -- every batch is half and half
    local sorted = {}
    for i = 1, 160 do sorted[i] = 160 - i end
    assert.equal(1, metrics.thermometer(train, nil, test, truth, {batch = 32, order = sorted}))
    local other = cat({train, pictures(300, 3, 180, 6)}, {dim = 1})
    local rows = {}
    for i = 1, 300 do rows[i] = i - 1 end
    assert.equal(1, metrics.thermometer(other, rows, test, truth, {batch = 32}))
    assert.is_true(metrics.thermometer(other, nil, test, truth, {batch = 32}) < 1)
  end)

  it("is repeatable, and refuses what it cannot measure", function()
    local o = {batch = 32, shuffles = 3}
    assert.equal(metrics.thermometer(train, nil, test, truth, o), metrics.thermometer(train, nil, test, truth, o))
    has(refused(metrics.thermometer, train, nil, test, labels(160, 0), {}), "auroc is undefined")
    has(refused(metrics.thermometer, train, {}, test, truth, {}), "no normal training pictures")
    has(refused(metrics.thermometer, train, {300}, test, truth, {}), "no row 300 among 300 pictures")
    has(refused(metrics.thermometer, train, nil, test, truth, {order = {160}}), "no row 160 among 160")
    has(refused(metrics.thermometer, train, nil, test, truth, {batch = 0}), "batch 0")
    has(refused(metrics.thermometer, pictures(2, 1, 9, 1), nil, test, truth, {}), "1 channels, test pictures 3")
    has(refused(metrics.thermometer, train:to "float32", nil, test, truth, {}), "uint8 tensor")
    has(refused(metrics.thermometer, train, nil, test, {0, 1}, {}), "2 labels for 160")
  end)
end)

-- The published setting, without a network: CIFAR-10, one class normal, sorted batches of 256.
describe("the thermometer on CIFAR-10 #slow", function()
  local root = os.getenv "AGAD_DATA"
  local folder = root and root .. "/cifar-10-batches-bin"

  -- Labels (list) and pictures of one file: 10,000 records of a label and 3 x 32 x 32 bytes.
  local function read(name)
    local records = agad.from_file(folder .. "/" .. name, false, 30730000, {dtype = "uint8"}):reshape {10000, 3073}
    return records:select(2, 1):totable(), records:narrow(2, 2, 3072):reshape {10000, 3, 32, 32}
  end

  it("reaches .99 interleaved and .98 by class on sorted batches, and is quiet on shuffled ones", function()
    if not folder or not io.open(folder .. "/test_batch.bin") then
      pending "needs $AGAD_DATA/cifar-10-batches-bin"
      return
    end
    local train_labels, parts = {}, {}
    for k = 1, 5 do
      local list, images = read(("data_batch_%d.bin"):format(k))
      table.move(list, 1, #list, #train_labels + 1, train_labels)
      parts[k] = images
    end
    local train = core.operator "cat"(parts, {dim = 1})
    local test_labels, test = read "test_batch.bin"
    local sums = {interleaved = 0, by_class = 0, shuffled = 0}
    for normal = 0, 9 do
      local rows, anomalous, interleaved = {}, {}, {}
      for i, label in ipairs(train_labels) do if label == normal then rows[#rows + 1] = i - 1 end end
      for i, label in ipairs(test_labels) do
        anomalous[i] = label == normal and 0 or 1
        if label == normal then interleaved[#interleaved + 1] = i - 1 end
      end
      for i, a in ipairs(anomalous) do if a == 1 then interleaved[#interleaved + 1] = i - 1 end end
      local by_class = table.move(interleaved, 1, #interleaved, 1, {})
      table.sort(by_class, function(a, b)
        local la, lb = test_labels[a + 1], test_labels[b + 1]
        if (la == normal) ~= (lb == normal) then return la == normal end
        if la ~= lb then return la < lb end
        return a < b
      end)
      local function add(name, o)
        sums[name] = sums[name] + metrics.thermometer(train, rows, test, anomalous, o) / 10
      end
      add("interleaved", {order = interleaved})
      add("by_class", {order = by_class})
      add("shuffled", {shuffles = 20})
    end
    if os.getenv "AGAD_SHOW" then
      print(("interleaved %.4f, by class %.4f, shuffled %.4f"):format(sums.interleaved, sums.by_class, sums.shuffled))
    end
    assert.is_true(sums.interleaved >= .99, sums.interleaved)
    assert.is_true(sums.by_class >= .98, sums.by_class)
    assert.near(.5, sums.shuffled, .02)
  end)
end)

describe("the shortcut check on pictures from files #slow", function()
  local root = os.getenv "AGAD_DATA"

  local function best(folder, normal, size)
    local ok, set = pcall(agad.data.folder, ("%s/%s"):format(root, folder), {size = size, channels = 1})
    if not ok then return nil end
    local task, values, top = agad.task.one_vs_rest(set, {normal = normal}), {}, nil
    for _, s in ipairs(agad.data.shortcut(task.test.images, task.test.anomalous, task.test.origin)) do
      values[s.name] = s.auroc
      if not top or s.auroc > values[top] then top = s.name end
    end
    return values, top
  end

  it("finds solar cells by their mean, and chest X-rays by their gradient along x", function()
    local solar, by = best("solar-cells", "good", 128)
    if not root or not solar then
      pending "needs $AGAD_DATA/solar-cells and $AGAD_DATA/chest-xray"
      return
    end
    assert.equal("mean", by)
    assert.near(.78, solar.mean, .02)
    local chest
    chest, by = best("chest-xray", "NORMAL", 224)
    if not chest then pending "needs $AGAD_DATA/chest-xray" return end
    assert.equal("grad_x", by)
    assert.near(.83, chest.grad_x, .02)
  end)
end)
