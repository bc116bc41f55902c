-- What a training picks by itself: the method, how files are read, what is held out and known.
-- To add a case: a line in a list of what picks.pictures or picks.task is told and says; a test with a small folder.

local agad = require "agad"
local core = agad.core
local auto = require "agad.train.auto"
local options = agad.options
local picks = require "agad.methods.agad_local.picks"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local cli = dofile "spec/support/cli.lua"
local tree = dofile "spec/support/tree.lua"
teardown(tree.remove)
teardown(cli.remove)

local quiet = function() end

-- A method for files, as agad_local is one.
local method_text = [[
  local nn, loss = require "agad.nn", require "agad.loss"
  local picks = require "agad.methods.agad_local.picks"
  return {name = "for_files", options = {batch = 4, minutes = .0005, ema = 0.0}, input = {0, 1}, score = {"l2"},
    nets = function(_, shape) return {g = nn.builder(shape):conv(shape[1], {kernel = 3, padding = 1}):build "g"} end,
    phases = {{updates = {g = {nets = {"g"}}}, step = {
      {"rebuild", function(s) s:backward("g", loss.mse(s.net.g(s.x), s.x)) end}, "g_update"}}},
    picture = "g", anomalies = {in_batches = false}, pictures = picks.pictures, task = picks.task}
]]

-- Runs f while agad_local is this method.
local function with_local(f)
  local before = package.loaded["agad.methods.agad_local"]
  local m = load(method_text)()
  m.name = "agad_local"
  package.loaded["agad.methods.agad_local"] = m
  local ok, reason = pcall(f)
  package.loaded["agad.methods.agad_local"] = before
  if not ok then error(reason, 0) end
end

-- A folder of noise: so many files of each class, this large.
local function folder(counts, height, width, channels)
  local dir = tree.folder()
  for class, n in pairs(counts) do
    require("agad.base.folder").make(dir .. "/" .. class)
    for i = 1, n do
      local x = agad.rand {channels or 1, height or 8, width or 8} * 255
      core.data.write_png(("%s/%s/%d.png"):format(dir, class, i), x:to "uint8")
    end
  end
  return dir
end

describe("method = auto", function()
  it("is agad_local for files and agad for named sets, and a given method stays", function()
    with_local(function()
      assert.equal("agad_local", auto.method({}, true))
      assert.equal("agad_local", auto.method({method = "auto", epochs = 3, gamma = .1}, true))
      assert.equal("agad", auto.method({method = "auto"}, false))
      assert.equal("ganomaly", auto.method({method = "ganomaly"}, true))
    end)
    assert.same({true, true, true, false, false}, {auto.is_files "parts", auto.is_files "list.csv",
      auto.is_files {normals = "a", anomalies = "b"}, auto.is_files "weave", auto.is_files "mnist"})
  end)

  it("is agad for files where options only it has are given, with a note", function()
    with_local(function()
      local name, note = auto.method({net = "unet", lambda = {con = 3}, epochs = 2}, true)
      assert.same({"agad", "method = agad, which has the options lambda.con, net; agad_local, the method for folders "
        .. "and CSV files, has not"}, {name, note})
      assert.equal("agad_local", auto.method({net = "unet", nothing = 1}, true))
    end)
  end)

  it("is chosen by the trainer, and written in configuration, row and hash", function()
    with_local(function()
      local set = agad.data.folder(folder({good = 12, hole = 6}), {cache = false})
      local task = agad.task.new(set, {gamma = "all", holdout = 3})
      local run = agad.trainer(task, {steps = 2, threads = 1}):fit(quiet)
      assert.same({"agad_local", "agad_local", 4}, {run.config.method, run:evaluate(quiet).method, run.config.batch})
      local named = agad.trainer(task, {method = "agad_local", steps = 2})
      assert.equal(options.hash(run.config), options.hash(named.config))
      local weave = agad.task.one_vs_rest(agad.data.weave {train_normals = 40, train_defects = 5, test_normals = 5,
        test_defects = 5})
      assert.equal("agad", agad.trainer(weave, {method = "auto", epochs = 1}).config.method)
      run = agad.trainer(task, {net = "examples/small_net.lua", epochs = 1, gamma = "all", holdout = 3})
      local notes = {}
      run:fit(function(e) if e.kind == "note" then notes[#notes + 1] = e.text end end)
      assert.equal("agad", run.config.method)
      has(table.concat(notes, "\n"), "method = agad, which has the option net;")
    end)
  end)
end)

describe("the pictures of files", function()
  it("are read in a size and with channels that suit them", function()
    for _, case in ipairs {
      {{side = 300, height = 300, width = 300, colour = 40}, {256, 256, 3}},
      {{side = 200, height = 200, width = 200, colour = 4.1}, {256, 256, 3}},
      {{side = 199, height = 199, width = 199, colour = 4}, {128, 128, 1}},
      {{side = 64, height = 64, width = 64, colour = 0}, {128, 128, 1}},
      {{side = 63, height = 63, width = 63, colour = 0}, {64, 64, 1}},
      {{side = 32, height = 32, width = 32, colour = 0}, {32, 32, 1}},
      {{side = 40, height = 40, width = 40, colour = 0}, {48, 48, 1}},
      {{side = 28, height = 28, width = 28, colour = 0}, {32, 32, 1}},
      {{side = 4, height = 4, width = 4, colour = 0}, {16, 16, 1}},
      {{side = 693, height = 600, width = 800, colour = 0}, {256, 256, 1}},  -- 1 : 1.33
      {{side = 1000, height = 500, width = 2000, colour = 0}, {128, 512, 1}},
      {{side = 1000, height = 1600, width = 625, colour = 0}, {416, 160, 1}},
    } do
      local o = picks.pictures(case[1])
      assert.same(case[2], {o.height, o.width, o.channels})
      assert.equal("adaptive", o.filter)
    end
  end)

  it("are looked at before they are decoded; given options stay", function()
    local dir = folder({good = 5}, 40, 100, 3)
    with_local(function()
      local given = {}
      local chosen = auto.new(given, dir)
      local set = agad.data.load(dir, {cache = false, choose = chosen.choose})
      assert.equal("agad_local", given.method)
      assert.same({3, 48, 96}, {set.channels, set.height, set.width})
      assert.same({"48x96", 3, "adaptive"}, {set.options.size, set.options.channels, set.options.filter})
      assert.same({100, 40, 5}, {chosen.found.width, chosen.found.height, chosen.found.pictures})
      set = agad.data.load(dir, {cache = false, size = 32, channels = 1, choose = auto.new({size = 32, channels = 1},
        dir).choose})
      assert.same({1, 32, 32, "adaptive"}, {set.channels, set.height, set.width, set.options.filter})
      assert.is_nil(auto.new({method = "agad"}, dir).choose)
    end)
  end)

  it("may be read with sides that differ, and trained on and evaluated so", function()
    local dir = folder({good = 30, hole = 8}, 20, 50)
    local set = agad.data.folder(dir, {cache = false, size = "16X32"})
    assert.same({16, 32}, {set.height, set.width})
    assert.matches('size = "16x32"', tostring(set), 1, true)
    local o = {method = "agad", net = "examples/small_net.lua", epochs = 1}
    local run = agad.trainer(agad.task.new(set), o):fit(quiet)
    assert.equal("16x32", run.config.size)
    assert.equal(24, agad.data.folder(dir, {cache = false, size = "24x24"}).options.size)
    has(refused(agad.data.folder, dir, {size = "24x0"}), "size = 0: it must be between 1 and 4096")
    has(refused(agad.data.folder, dir, {size = "big"}), 'size = "big": a whole number is needed')
  end)

  it("that cannot be read leave the message to the reading of them", function()
    local dir = tree.of {["good/a.png"] = "no picture"}
    with_local(function()
      has(refused(agad.data.load, dir, {cache = false, choose = auto.new({}, dir).choose}), "none of")
    end)
  end)
end)

describe("the task of files", function()
  it("holds out a share that suits the number of normals, and knows all defects", function()
    for n, held in pairs {[5] = 1, [20] = 6, [59] = 19, [60] = 30, [200] = 30, [300] = 45, [1000] = 150,
      [9999] = 150} do
      local o = picks.task {normals = n, known = 3}
      assert.same({"all", held}, {o.gamma, o.holdout}, n)
    end
  end)

  it("knows all anomalies of the training side where gamma is all", function()
    local set = agad.data.folder(folder({good = 20, hole = 7, dent = 4}), {cache = false})
    local task = agad.task.new(set, {gamma = "all", holdout = 3})
    assert.same({normals = 13, held_out = 3, anomalies = 5, test_normals = 4, test_anomalies = 6}, task.counts)
    assert.same({5, 5, 5 / 18}, {task:count_at "all", #task:anomalies_at "all", task:gamma_at("all", 1, 9)})
    has(tostring(task), 'gamma = "all"', "holdout = 3")
    has(task:describe(), "3 held out, 5 known anomalies of 5")
    task:save(cli.dir .. "/all.json")
    assert.same(task.anomalies, agad.task.load(cli.dir .. "/all.json", set).anomalies)
    local run = agad.trainer(task, {method = "agad", net = "examples/small_net.lua", epochs = 1, batch = 8})
    assert.same({"all", 3, 4}, {run.config.gamma, run.config.holdout, run.per_batch})
    run:fit(quiet)
    set = agad.data.folder(folder {good = 9}, {cache = false})
    assert.equal(0, agad.task.new(set, {gamma = "all"}).counts.anomalies)
  end)

  it("may hold out a number of normals, but not all of them", function()
    local set = agad.data.folder(folder {good = 20}, {cache = false})
    local function held(n) return agad.task.new(set, {holdout = n}).counts.held_out end
    assert.same({1, 7, 19, 10}, {held(1), held "7", held(25), held(.1)})
    has(refused(held, 1.5), "holdout = 1.5: it must be a share below 1, or a whole number of pictures")
    has(refused(held, -1), "holdout = -1")
  end)
end)

describe("agad train on a folder", function()
  setup(function() cli.write(cli.dir .. "/for_files.lua", method_text) end)

  it("says in three lines what it picked, and writes it in the configuration", function()
    local dir = folder({good = 75, hole = 6}, 40, 40)
    local command = ("train %s --method for_files.lua --set cache=false --json"):format(dir)
    local status, out, err = cli.agad(command .. " --out a.st")
    assert.equal(0, status, err)
    local row = core.json_decode(out)
    has(err, "data      30 normals, 30 more held out, 3 known defects; test: 15 normals, 3\n          defects\n",
      "pictures  48 x 48, as files have about 40 x 40; grey, without colours\n",
      ("training  for_files, as given; 0.0005 minutes: %d step"):format(row.steps))
    local c = row.config
    assert.same({"all", 30, 48, 1, "adaptive", 4}, {c.gamma, c.holdout, c.size, c.channels, c.filter, c.batch})
    assert.same({.0005, c.steps, core.null}, {row.minutes, row.steps, c.epochs or core.null})
    local again
    status, again, err = cli.agad(("%s --out b.st --steps %d --gamma 0 --size 32 --channels 3"):format(command,
      row.steps))
    assert.equal(0, status, err)
    c = core.json_decode(again).config
    assert.same({0, 30, 32, 3, 0}, {c.gamma, c.holdout, c.size, c.channels, c.minutes})
    has(err, "0 known defects", "32 x 32, as given; in colour, as given", "for_files, as given; ")
    status, out, err = cli.agad(("evaluate a.st %s --set cache=false --quiet"):format(dir))
    assert.equal(0, status, err)
    has(out, "AUROC")
  end)

  it("says how many masks of known defects the net learns from, where its method does", function()
    local set = agad.data.weave {size = 32, train_normals = 40, train_defects = 6, test_normals = 5, test_defects = 5}
    local task = agad.task.new(set, {normal = "cloth", gamma = "all", holdout = 5})
    task.train.masks:narrow(1, task.anomalies[1] + 1, 1):zero_()
    local function first_line(method, kinds)
      local run = agad.trainer(task, {method = method, steps = 2, batch = 4, kinds = kinds})
      return auto.new({method = method}, "weave"):about(run)[1]
    end
    local n = #task.anomalies
    has(first_line "agad_local", ("%d known defects (the net learns from the masks of %d); test: "):format(n, n - 1))
    has(first_line("agad_local", {known = false}), ("%d known defects; test: "):format(n))
    has(first_line "skip_ganomaly", ("%d known defects; test: "):format(n))
  end)

  -- To add a case: a folder of `bad`, and a word of the note or message that it gives.
  local bad = {
    {"few", {good = 16, hole = 6}, 'data      9 normals, 4 more held out, 3 known defects; test: 3 normals, 3',
      '13 normals to learn from: take scores and figures as rough; 100 or more are good',
      'the threshold is that of 4 held-out normals: false alarms may be far from 5 %'},
    {"one class", {good = 20}, '0 known defects; test: 0 normals, 0', 'there are no test pictures'},
    {"two", {good = 2, hole = 1}, 'no figures for the test split: it has 0 normal and 1 anomalous pictures'},
    {"single", {good = 1}, 'no normals are held out; set holdout above 0'},
  }
  for i, case in ipairs(bad) do
    it("says what it is worth: " .. case[1], function()
      local command = "train %s --method for_files.lua --set cache=false --steps 2 --json --out %d.st"
      local status, out, err = cli.agad(command:format(folder(case[2], 40, 40), i))
      assert.equal(0, status, err)
      local said = err .. table.concat(core.json_decode(out).notes, "\n")
      for k = 3, #case do has(said, case[k]) end
    end)
  end
end)
