-- The ready campaigns of examples/campaigns at a reduced size, over small sets that look like the real ones.
-- To add a case: the file's name in `expected`, with what its table says; or a test for what is drawn of it.

local agad = require "agad"
local campaign = require "agad.campaign"
local checks = dofile "spec/support/checks.lua"
local lfs = require "lfs"
local luv = require "luv"
local scratch = dofile "spec/support/scratch.lua"
local has = checks.has

local program = os.getenv "AGAD" or lfs.currentdir() .. "/build/agad"
local before = os.getenv "AGAD_DATA"

-- Files of MNIST's form: twelve pictures of each class to train, six to test.
local function idx(folder)
  require("agad.base.folder").make(folder)
  for prefix, per_class in pairs {train = 12, t10k = 6} do
    local images, labels = {}, {}
    for i = 0, 10 * per_class - 1 do
      labels[#labels + 1] = string.char(i % 10)
      images[#images + 1] = string.char(20 * (i % 10) + 3 * (i // 10)):rep(392) .. string.char(i):rep(392)
    end
    scratch.write(("%s/%s-images-idx3-ubyte"):format(folder, prefix),
      (">I4I4I4I4"):pack(0x803, #images, 28, 28) .. table.concat(images))
    scratch.write(("%s/%s-labels-idx1-ubyte"):format(folder, prefix),
      (">I4I4"):pack(0x801, #labels) .. table.concat(labels))
  end
end

local function folder_set(dir)
  for _, part in ipairs {"train/normal", "train/sick", "test/normal", "test/sick"} do
    require("agad.base.folder").make(dir .. "/" .. part)
    for i = 1, 24 do
      local picture = (agad.rand(1, 32, 32) * 99):to "uint8"
      agad.data.write_png(("%s/%s/%d.png"):format(dir, part, i), part:find "sick" and picture + 150 or picture)
    end
  end
end

setup(function()
  luv.os_setenv("AGAD_DATA", scratch.folder)
  idx(scratch.path "mnist")
  idx(scratch.path "fashion-mnist")
  folder_set(scratch.path "brain-mri")
end)

teardown(function()
  if before then luv.os_setenv("AGAD_DATA", before) else luv.os_unsetenv "AGAD_DATA" end
  scratch.remove()
end)

-- What stays of an axis: one of its values.
local kept = {seed = 1, gamma = -1, anom_classes = 1, net = 1, data = 1}

local function cut(axis)
  for key, place in pairs(kept) do
    if axis and axis[key] then axis[key] = {axis[key][place > 0 and place or #axis[key]]} end
  end
end

-- The first of the lists that go together; a set that is not there is replaced by one that is.
local function cut_zip(zip)
  for key, list in pairs(zip) do zip[key] = {list[1]} end
  if zip.data[1]:find "^cifar" then zip.data, zip.normal = {"fashion-mnist"}, {"coat"} end
end

-- A ready campaign with few runs on few pictures.
local function reduced(name)
  local spec = campaign.load(("examples/campaigns/%s.lua"):format(name))
  spec.dir = scratch.path(name)
  cut(spec.grid)
  if spec.zip then cut_zip(spec.zip) end
  spec.options = spec.options or {}
  for option, v in pairs {epochs = 1, limit = 8, batch = 8, test_limit = 9, threads = 1, size = 32, cache = false} do
    spec.options[option] = v
  end
  for _, variant in ipairs(spec.variants or {}) do
    if variant[2].method == "deep_sad" then variant[2].pretrain_epochs = 1 end
  end
  return spec
end

-- File -> its runs, and what its table holds.
local expected = {
  table1 = {1, "Table 1: AUROC %, AGAD", "mnist", "steady", "the paper", "100.0", "99.1"},
  table2 = {3, "AGAD, naive", "Deep SAD", "supervised", "100.0"},
  table3 = {2, "99.7", "100.0", "paired differences"}, table4 = {2, "without", "paired differences"},
  table5 = {4, "true", "freeze", "100.0"}, table9 = {1, "naive", "99.1"},
  leaks = {1, "leak.thermometer"}, smoke = {2, "runs"},
  figure2 = {3, "GANomaly"}, figure3 = {2, "AGAD, γ = .10"}, figure4 = {2, "γ = .20"}, figure6 = {1, "runs"},
}

describe("the ready campaigns", function()
  it("have a case each, and the paper's figures lie beside them", function()
    for file in lfs.dir "examples/campaigns" do
      local name = file:match "^(.*)%.lua$"
      if name and name ~= "table8" and name ~= "classes" then assert.is_table(expected[name], name) end
    end
    for _, n in ipairs {1, 2, 3, 4, 5, 8, 9} do
      assert.is_number(lfs.attributes(("examples/campaigns/paper/table%d.csv"):format(n), "size"))
    end
  end)

  it("state their runs and their costs, as measured rates give them", function()
    local costs = dofile "spec/figures/support/costs.lua"
    local rates = costs.rates()
    for name in pairs(expected) do
      has(scratch.read(("examples/campaigns/%s.lua"):format(name)), "-- " .. costs.sentence(name, rates) .. "\n")
    end
  end)

  for name, what in pairs(expected) do
    it(name .. " runs, and its table is that of the paper #slow", function()
      local spec = reduced(name)
      local result = campaign.run(spec, {program = program})
      for _, run in ipairs(result.runs) do assert.equal("finished", run.state, run.reason) end
      assert.equal(what[1], #result.runs)
      has(campaign.table(spec), table.unpack(what, 2))
    end)
  end

  it("draw their figures #slow", function()
    if not os.execute "command -v gnuplot > /dev/null" then pending "gnuplot is not installed" return end
    for _, name in ipairs {"figure2", "figure3", "figure4", "figure6", "smoke"} do
      local bytes = campaign.plot(reduced(name), ".png")
      assert.equal("\137PNG", bytes:sub(1, 4), name)
    end
  end)

  it("table8 is a script that measures the nets #slow", function()
    local pipe = io.popen(program .. " examples/campaigns/table8.lua 2 2>&1")
    local text = pipe:read "a"
    assert.is_true(pipe:close(), text)
    has(text, "| naive | 2.04 | 2.04 | 38.4 |", "| unet | ", "| 188.7 |", "| unet++ | ", "| 465.5 |")
  end)
end)
