-- The threshold by a rate of false alarms, when training and when scoring; pictures unlike those of the training.
-- To add a case: a command over the model m.st and the pictures in `fine` and `other`.

local agad = require "agad"
local core = agad.core
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local cli = dofile "spec/support/cli.lua"
teardown(cli.remove)

local dir = cli.dir
local quiet = function() end
local o = {method = "agad", net = "examples/small_net.lua", epochs = 1, batch = 16, threads = 1, precision = "fp32"}

local function with(more)
  local all = {}
  for key, v in pairs(o) do all[key] = v end
  for key, v in pairs(more) do all[key] = v end
  return all
end

local function noise(path, height, width, channels)
  core.data.write_png(path, (agad.rand {channels, height, width} * 255):to "uint8")
end

local run, scores
setup(function()
  for _, name in ipairs {"fine/good", "fine/hole", "other"} do require("agad.base.folder").make(dir .. "/" .. name) end
  for i = 1, 60 do noise(("%s/fine/good/%02d.png"):format(dir, i), 16, 20, 1) end
  for i = 1, 10 do noise(("%s/fine/hole/%02d.png"):format(dir, i), 16, 20, 1) end
  noise(dir .. "/other/grey.png", 24, 20, 1)
  noise(dir .. "/other/colour.png", 16, 20, 3)
  local set = agad.data.folder(dir .. "/fine", {size = 16, cache = false})
  run = agad.trainer(agad.task.new(set, {holdout = 20}), with {false_alarms = .1}):fit(quiet)
  run:save(dir .. "/m.st")
  local held = agad.task.pictures(run.task.train, run.task.held_out)
  scores = {}
  for i, one in ipairs(agad.model.open(dir .. "/m.st"):score(held)) do scores[i] = one.score end
end)

local function above(threshold)
  local n = 0
  for _, s in ipairs(scores) do n = n + (s > threshold and 1 or 0) end
  return n
end

describe("the rate of false alarms", function()
  it("sets the threshold that so many held-out normals are above", function()
    local model = agad.model.open(dir .. "/m.st")
    assert.equal(20, #scores)
    assert.near(agad.metrics.quantile(scores, .9), model.threshold, 1e-6 * model.threshold)
    assert.equal(2, above(model.threshold))
  end)

  it("can be another one when pictures are scored", function()
    local function threshold(rate) return agad.model.open(dir .. "/m.st", {false_alarms = rate}).threshold end
    assert.same({10, 1, 0}, {above(threshold(.5)), above(threshold(.05)), above(threshold(0) * (1 + 1e-6))})
    local function of(more)
      return core.json_decode(select(2, cli.agad("score m.st fine/good/01.png --json" .. more)))
    end
    assert.equal(threshold(.5), of(" --false-alarms .5").threshold)
    assert.equal(threshold(.5), of(" --set threshold_quantile=.5").threshold)
    assert.equal(threshold(.1), of("").threshold)
    assert.equal(of(" --false-alarms .5").score > threshold(.5), of(" --false-alarms .5").anomalous)
    has(refused(agad.model.open, dir .. "/m.st", {false_alarms = 1}), "false_alarms = 1: it must be at least 0")
    cli.refuses(2, "score m.st fine --false-alarms 2", "false_alarms = 2: it must be at least 0 and below 1")
    local _, out = cli.agad "info m.st --json"
    assert.is_nil(out:find("held_out_scores", 1, true))
  end)

  it("needs held-out normals", function()
    local set = agad.data.folder(dir .. "/fine", {size = 16, cache = false})
    agad.trainer(agad.task.new(set, {holdout = 0}), with {}):fit(quiet):save(dir .. "/none.st")
    has(refused(agad.model.open, dir .. "/none.st", {false_alarms = .1}), "stores no scores of held-out normals")
  end)

  it("is one option with threshold_quantile", function()
    local function config(given) return agad.options.resolve(require "agad.methods.agad", given) end
    assert.equal(.05, config({}).false_alarms)
    local hash = agad.options.hash
    assert.equal(hash(config {false_alarms = .01}), hash(config {threshold_quantile = "0.99"}))
    assert.is_nil(config({threshold_quantile = .9}).threshold_quantile)
    has(refused(config, {threshold_quantile = .9, false_alarms = .1}), "threshold_quantile and false_alarms are one")
    has(refused(config, {threshold_quantile = 1}), "threshold_quantile = 1: it must be above 0 and below 1")
  end)
end)

describe("a model of a newer version", function()
  it("is refused in one line that says what to do", function()
    local tensors, metadata = core.load(dir .. "/m.st")
    local list = {}
    for name, t in pairs(tensors) do list[#list + 1] = {name = name, tensor = t} end
    for key, text in pairs(metadata) do metadata[key] = text:gsub('"format":1', '"format":2') end
    core.save(dir .. "/newer.st", list, core.json_encode(metadata))
    cli.refuses(1, "score newer.st fine/good", "newer.st: its format is 2, which a newer version of agad wrote; " ..
      "this one reads 1: update agad")
  end)
end)

describe("pictures unlike those of the training", function()
  it("are converted, with one note", function()
    local status, out, err = cli.agad "score m.st fine/good other --json"
    assert.equal(0, status, err)
    assert.equal(62, select(2, out:gsub("\n", "")))
    assert.equal("note: other/colour.png: it is 20 x 16, in colour, and the training pictures were 20 x 16, grey; " ..
      "such pictures are converted\nnote: 2 of 62 pictures differ from those of the training in size or colour, and " ..
      "were converted\n", err)
    status, out, err = cli.agad "score m.st fine/hole"
    assert.same({0, ""}, {status, err})
    has(out, "fine/hole/01.png")
  end)

  it("are refused where foreign is refuse, and the others are scored", function()
    local status, out, err = cli.agad "score m.st fine/hole other/grey.png --json --set foreign=refuse"
    assert.equal(1, status)
    assert.equal(10, select(2, out:gsub("\n", "")))
    has(err, "other/grey.png: it is 20 x 24, grey, and the training pictures were 20 x 16, grey (foreign = refuse)\n",
      "agad: 1 of 11 pictures could not be scored\n")
    local n = 0
    for row, _, file in agad.model.open(dir .. "/m.st"):rows({dir .. "/other/colour.png", dir .. "/fine/good/02.png"},
      {foreign = "refuse"}) do
      n = n + 1
      assert.equal(n == 1, row.error ~= nil)
      if n == 2 then assert.same({channels = 1, height = 16, width = 20}, file) end
    end
    assert.equal(2, n)
  end)
end)
