-- Bad input to training, one clear line each: nets that cannot be, weights and rates that are no sound numbers, a stage
-- that raises in mid-step. From Lua, and at the command line where a user meets it there.
-- To add a case: a row {what it is, the net's file, words of the message …} in the first list, {options, words …} in
-- the second.

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local adam = dofile("spec/support/steps.lua").adam
local small = dofile "spec/support/small_run.lua"
local task, with, quiet = small.task, small.with, small.quiet

local scratch = dofile "spec/support/scratch.lua"
local folder, path, read = scratch.folder, scratch.path, scratch.read
teardown(scratch.remove)

local function write(name, text) return scratch.write(path(name), text) end

-- Expects `agad train weave ARGUMENTS` to end with this status and one line on stderr, and to leave nothing.
local function train_refuses(status, arguments, ...)
  local command = ("cd '%s' && '%s' train weave --limit 60 --epochs 1 --threads 1 --quiet --out m.st %s > out 2> err")
    :format(folder, os.getenv "AGAD" or lfs.currentdir() .. "/build/agad", arguments)
  local _, _, ended_with = os.execute(command)
  local err = read(path "err")
  assert.equal(status, ended_with, err)
  assert.equal("", read(path "out"))
  assert.matches("^agad: [^\n]+\n$", err)
  has(err, ...)
  assert.is_nil(lfs.attributes(path "m.st"))
end

describe("a net's file", function()
  local head = 'local nn = require "agad.nn"\nreturn function(shape)\n  local b = nn.builder(shape)\n'
  local same = "{kernel = 3, padding = 1}"

  local wrong = {
    {"has a cycle", head .. ("local p = b:conv(4, %s):relu():conv(shape[1], %s):build 'loop'\np.nodes[1].inputs = {3}\n"
      .. "return p end"):format(same, same), "net 'loop': conv1: input 1 is not an earlier node", "cannot have cycles"},
    {"joins what does not fit", head .. ("b:conv(4, {kernel = 4, stride = 2, padding = 1})\n"
      .. "return b:concat(b.x):conv(shape[1], %s):build 'misfit' end"):format(same),
      "net 'misfit': concat1: input 2 is 1 x 32 x 32, but the first is 4 x 16 x 16"},
    {"has a kernel that does not fit", head .. "return b:conv(1, {kernel = 33}):build 'wide' end",
      "net 'wide': conv1: its kernel of 33 does not fit into 32 + 2 x 0 pixels"},
    {"names an unknown layer", "return function(shape) return {name = 'odd', input = shape, outputs = {{name = 'y', "
      .. "node = 1}}, nodes = {{layer = 'convolve', inputs = {0}}}} end",
      "net 'odd': node 1: unknown layer 'convolve'; layers are batch_norm, concat, constant, conv, conv_transpose"},
    {"calls a layer that there is not", head .. "return b:leaky_rely(.2):build 'odd' end",
      "calls.lua:4: net: unknown layer 'leaky_rely'; did you mean leaky_relu?; known: batch_norm, build, concat"},
    {"calls one on a node", head .. "return b:conv(1):softmax():build 'odd' end", "unknown layer 'softmax'", "known: "},
    {"gives another size than it takes", head .. "return b:conv(1, {kernel = 4, stride = 2, padding = 1}):build 'half' "
      .. "end", "net half: it returns 1 x 16 x 16 for an input of 1 x 32 x 32", "a generator must keep the shape"},
    {"takes another size", head .. ("return nn.builder({1, 16, 16}):conv(1, %s):build 'fixed' end"):format(same),
      "net fixed: its input is 1 x 16 x 16, the pictures are 1 x 32 x 32"},
    {"cannot divide the size", head .. "nn.check_divides('mine', shape, 24)\nreturn b:tanh():build 'mine' end",
      "net mine: the sides of 32 x 32 pixels must be multiples of 24; resize the pictures (size = 48, for example)"},
    {"raises", "return function(shape) return shape.a.b end",
      "calls.lua: its function raises: ", "calls.lua:1: attempt to index a nil value (field 'a')"},
    {"gives no program", "return function() return 3 end", "must return a program"},
    {"holds no data", "return function(shape) return {name = 'odd', input = shape, nodes = {print}, outputs = {}} end",
      "net odd: its program cannot be written as JSON", "a function cannot be written"},
  }
  for _, w in ipairs(wrong) do
    it("that " .. w[1] .. " is refused", function()
      local net = write("calls.lua", w[2])
      has(refused(agad.trainer, task, with {net = net}), table.unpack(w, 3))
    end)
  end

  it("is refused at the command line in one line, before anything is written", function()
    for _, w in ipairs {wrong[1], wrong[5]} do
      write("calls.lua", w[2])
      train_refuses(1, "--net calls.lua", w[3])
      assert.is_nil(lfs.attributes(path "m.run"))
    end
  end)

  it("takes sizes that it can divide only, whatever the net", function()
    local set = agad.data.weave {train_normals = 20, train_defects = 4, test_normals = 4, test_defects = 4, size = 40}
    for _, net in ipairs {"naive", "unet", "unet++"} do
      has(refused(agad.trainer, agad.task.one_vs_rest(set), {net = net}), "net " .. net,
        "sides of 40 x 40 pixels must be multiples of 16; resize the pictures (size = 48, for example)")
    end
    train_refuses(1, "--net unet++ --size 40", "net unet++: the sides of 40 x 40 pixels must be multiples of 16")
    assert.is_nil(lfs.attributes(path "m.run"))
  end)
end)

describe("a weight or a rate", function()
  local nan = 0 / 0

  local wrong = {
    {{lr = -1e-4}, "lr = -0.0001: it must be at least 0"}, {{lr = nan}, "lr = ", "a finite number is needed"},
    {{lr = math.huge}, "lr = inf: a finite number is needed"}, {{lr = "fast"}, 'lr = "fast": a number is needed'},
    {{lambda = {con = -1}}, "lambda.con = -1: it must be at least 0"},
    {{["lambda.lat"] = nan}, "lambda.lat = ", "a finite number is needed"},
    {{lambda = {con = math.huge}}, "lambda.con = inf: a finite number is needed"},
    {{schedule = {lr = "linear:2e-4:-1e-4"}}, "lr = -0.0001: it must be at least 0"},
    {{schedule = {lr = {schedule = "cosine", from = nan, to = 0}}}, "lr = ", "a finite number is needed"},
    {{schedule = {lambda = {con = {50, -2}}}}, "lambda.con = -2: it must be at least 0"},
    {{schedule = {lambda = {con = "50,nan"}}}, 'lambda.con = "nan": a number is needed'},
    {{schedule = {lr = "nan:1"}}, "schedule.lr", '"nan:1" is not a schedule'},
    {{method = "ganomaly", net = core.null, lambda = {enc = -1}}, "lambda.enc = -1: it must be at least 0"},
  }
  for i, w in ipairs(wrong) do
    it(("is refused where it is negative or not finite (%d: %s)"):format(i, w[2]), function()
      local o = w[1].method and {method = w[1].method, lambda = w[1].lambda} or with {schedule = core.null}
      for key, v in pairs(w[1]) do o[key] = v end
      has(refused(agad.trainer, task, o), table.unpack(w, 2))
    end)
  end

  it("that a schedule's function gives is refused in its epoch, named", function()
    local function at_two(value) return function(epoch) return epoch == 2 and value or 1e-4 end end
    for _, case in ipairs {{"lr", {lr = at_two(-1)}}, {"lambda.con", {lambda = {con = at_two(-1)}}}} do
      local run = agad.trainer(task, with {schedule = case[2]})
      has(refused(run.fit, run, quiet),
        ("schedule.%s in epoch 2: %s = -1: it must be at least 0"):format(case[1], case[1]))
    end
    local run = agad.trainer(task, with {schedule = {lr = at_two(nan)}})
    has(refused(run.fit, run, quiet), "schedule.lr in epoch 2: lr = ", "a finite number is needed")
    run = agad.trainer(task, with {schedule = {lr = at_two "much"}})
    has(refused(run.fit, run, quiet), 'schedule.lr in epoch 2: lr = "much": a number is needed')
  end)

  it("of a method of one's own is in the same range", function()
    local own = write("own.lua", [[
      return {name = "own", extends = "agad", options = {lambda = {own = 1.0}}}]])
    has(refused(agad.trainer, task, with {method = own, lambda = {own = -1}}), "lambda.own = -1: it must be at least 0")
    for _, rate in ipairs {-1, 0 / 0} do
      local step = core.step("m", "{}")
      step:add_net("g", agad.nn.net(agad.nn.builder({1, 8, 8}):conv(1):build "g"))
      for _, name in ipairs {"lr", "weight_decay"} do
        has(refused(step.add_update, step, "g", {"g"}, adam {[name] = rate}), ("update g: %s = "):format(name),
          "give a number from 0")
      end
      step:add_update("g", {"g"}, adam())
      has(refused(step.set_rate, step, "g", rate), "a learning rate must be a number from 0")
    end
  end)

  it("is refused at the command line as wrong usage", function()
    train_refuses(2, "--set lr=-1", "lr = -1: it must be at least 0")
    train_refuses(2, "--set lr=nan", 'lr = "nan": a number is needed')
    train_refuses(2, "--set lambda.con=-1", "lambda.con = -1: it must be at least 0")
    train_refuses(2, "--set lambda.con=nan", 'lambda.con = "nan": a number is needed')
    train_refuses(2, "--set schedule.lr=linear:1e-3:-1", "lr = -1: it must be at least 0")
    train_refuses(2, "--method ganomaly --set lambda.enc=-1", "lambda.enc = -1: it must be at least 0")
    assert.is_nil(lfs.attributes(path "m.run"))
  end)
end)

describe("a stage that raises in mid-step", function()
  -- AGAD with a Lua stage after the generator's update, which raises in a step of its file's choice.
  local function method(trips)
    return write("trips.lua", ([[
      local m, steps = setmetatable({name = "agad"}, {__index = require "agad.methods.agad"}), 0
      local step = {table.unpack(require("agad.methods.agad").phases[1].step)}
      table.insert(step, 6, {"trip", function(state)
        steps = steps + 1
        if steps == %d then error("no such number: " .. state.loss.con:item() // 1) end
      end})
      m.phases = {{name = "train", epochs = "epochs", updates = require("agad.methods.agad").phases[1].updates,
        step = step}}
      return m]]):format(trips))
  end

  it("names step and stage; the last checkpoint stays, and training goes on from it to the bit", function()
    local dir = path "trips"
    local run = agad.trainer(task, with {method = method(6)}, {dir = dir})
    local before                                                    -- checkpoints are of steps 2 and 4
    local message = refused(run.fit, run, function(e)
      if e.kind == "step" and e.step == 5 then before = read(dir .. "/state.safetensors") end
    end)
    has(message, "step 6: stage trip: ", "trips.lua:5: no such number", dir .. "/state.safetensors, is of step 4")
    assert.equal(5, run.steps)
    assert.is_true(before == read(dir .. "/state.safetensors"), "the checkpoint has changed")
    run:close()
    local again = agad.trainer(task, with {method = method(0)}, {dir = dir, resume = true})
    assert.equal(4, again.steps)
    again:fit(quiet)
    again:close()
    local whole = agad.trainer(task, with {method = method(0)}):fit(quiet)
    assert.equal(whole.steps, again.steps)
    assert.equal(0, small.furthest(whole, again))
    assert.equal(0, small.furthest(small.whole(), again))           -- a stage that only looks changes nothing
  end)
end)

describe("a value of the wrong kind", function()
  it("is named by the function that was given it, in one line", function()
    local set = agad.data.weave {train_normals = 8, test_normals = 2, test_defects = 2}
    for message, f in pairs {
      ["trainer: give a task (agad.task.new)"] = function() agad.trainer() end,
      ["trainer: give a task (agad.task.new), not an agad.set"] = function() agad.trainer(set) end,
      ["trainer: give options as a table, not a number"] = function() agad.trainer(agad.task.new(set), 5) end,
      ["task.new: give a set of pictures (agad.data.load), not a string"] = function() agad.task.new "weave" end,
      ["task.one_vs_rest: give options as a table, not a number"] = function() agad.task.one_vs_rest(set, 5) end,
      ["task.load: give the path of a task's file"] = function() agad.task.load() end,
      ["model.open: give the path of a model's file, not a number"] = function() agad.model.open(5) end,
      ["data.load: give a name, a folder or a .csv file, or a table of normals and anomalies"] = agad.data.load,
      ["plot: give a run's folder, its log file, or a list"] = function() agad.plot.losses() end,
    } do
      local ok, reason = pcall(f)
      assert.is_false(ok)
      assert.equal(message, (reason:gsub("^spec/bad_input_spec%.lua:%d+: ", "")))
    end
  end)
end)
