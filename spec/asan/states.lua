-- What states.c runs while allocations fail: {name, fresh, prepare, run}.  prepare is called once in a Lua state, and
-- its results go to run, which is called again and again: a call raises an error, or does all its work and checks it.
-- With `fresh` every call gets a state of its own, so that what is done once (opening a module, looking an operator
-- up) fails too.  To add a case, append one; `sampled` runs fail at 200 places only.

local half = {kernel = 4, stride = 2, padding = 1}
local folder = os.getenv "STATES_FOLDER"

local cases = {}

cases[1] = {"the core is opened", fresh = true, prepare = function() end, run = function()
  package.loaded["agad.core"] = nil
  assert(require("agad.core").libtorch)
end}

cases[2] = {"a tensor is made, printed and indexed", fresh = true, prepare = function() return require "agad" end,
  run = function(agad)
    local t = agad.tensor {{1, 2}, {3, 4}}
    assert(tostring(t):find "4")
    assert(t[{2, 1}]:item() == 3 and #t[{{}, {1, 2}}] == 2)
    assert((t + 1):sum():item() == 14 and #t:split(1) == 2 and t:max(1):size(1) == 2)
    assert(t:totable()[2][2] == 4 and not t:equal(t + 1))
    assert(agad.core.json_decode(agad.core.json_encode {a = {1, "x"}}).a[2] == "x")
  end}

local function nets(agad)
  local made = {}
  local b = agad.nn.builder {1, 8, 8}
  made.generator = agad.nn.net(b:conv(2, half):leaky_relu(.2):conv_transpose(1, half):tanh():build "g"):init(1)
  return made
end

cases[3] = {"a step with Lua stages and a hook", prepare = function()
  local agad = require "agad"
  return agad, nets(agad)
end, run = function(agad, made)
  local core, calls = agad.core, 0
  local step = core.step("tiny", "{}")
  local state = {net = made}
  step:add_net("generator", made.generator)
  step:add_update("generator", {"generator"}, {lr = 0, beta1 = .5, beta2 = .999, eps = 1e-8, weight_decay = 0, clip = 0,
    accumulate = 1})
  step:add_stage("rebuild", function(s)
    assert(s == state)
    local y = made.generator(step:get "x")
    y:register_hook(function(g) calls = calls + 1; return g * 2 end)
    step:set("x_hat", y)
    step:backward("generator", core.losses.l1(y, step:get "x"))
  end)
  step:add_stage "generator_update"
  step:set_state(state)
  step:run(agad.ones(2, 1, 8, 8), 2)
  assert(calls == 1 and step:losses().generator > 0 and step:gradients("generator")[1] == false)
  assert(step:tensors()["update.generator.count"]:item() == 1)
end}

cases[4] = {"a model is opened, scores, and files are saved and loaded", prepare = function()
  local agad = require "agad"
  local scorer = require "agad.evaluate.scorer"
  local method = {name = "agad", score = {"l2"}, picture = "generator", input = {-1, 1}}
  local g = agad.nn.builder({1, 8, 8}):conv(2, half):conv_transpose(1, half):tanh():build "g"
  return agad, agad.nn.net(scorer.program(method, "l2", {generator = g}, {1, 8, 8})):init(4)
end, run = function(agad, net)
  local core, path = agad.core, folder .. "/model.safetensors"
  local about = {input = {-1, 1}, shape = {1, 8, 8}, eval_batch = 16, threshold = 1.5, config = {seed = 1}}
  core.model_save(path, core.json_encode(about), net, {{name = "more", tensor = agad.ones(3)}})
  local model = core.model_open(path)
  assert(core.json_decode(model:about()).threshold == 1.5)
  assert(model:run(agad.zeros(3, 1, 8, 8):to "uint8"):numel() == 3)
  local tensors, metadata = core.load(path)
  assert(tensors.more:sum():item() == 3 and metadata.agad)
  core.save(folder .. "/one.safetensors", {{name = "a", tensor = agad.ones(2)}}, "{}")
end}

cases[5] = {"a picture is written, decoded, listed and loaded", prepare = function()
  local agad = require "agad"
  return agad, (agad.rand(3, 8, 8) * 255):to "uint8"
end, run = function(agad, picture)
  local data, path = agad.core.data, folder .. "/pictures/a.png"
  data.write_png(path, picture)
  local read, about = data.read(path, {height = 4, width = 4})
  assert(read:size(3) == 4 and about.height == 8)
  local seen = 0
  local list = data.list(folder .. "/pictures")
  assert(#list == 1)
  local got = data.load_files({path}, {height = 8, width = 8, threads = 1,
    on_progress = function() seen = seen + 1 end})
  assert(got.images:size(1) == 1 and seen > 0)
  local m = agad.core.metrics
  assert(#m.roc({1, 2, 3}, {0, 1, 1}).fpr > 1 and #m.histogram({1, 2, 3}, {0, 1, 1}, 3).edges == 4)
  assert(data.set_channels(picture, 1):size(1) == 1 and data.hashes(got.images):numel() == 1)
end}

cases[6] = {"a short training", sampled = true, prepare = function()
  local agad = require "agad"
  agad.core.threads(1)
  local set = agad.data.weave {train_normals = 16, train_defects = 4, test_normals = 4, test_defects = 4, size = 32}
  local task = agad.task.one_vs_rest(set, {gamma = .05})
  local net = folder .. "/net.lua"
  local file = assert(io.open(net, "w"))
  file:write [[local nn = require "agad.nn"
    return function(shape)
      return nn.builder(shape):conv(2, {kernel = 4, stride = 2, padding = 1}):leaky_relu(.2)
        :conv_transpose(shape[1], {kernel = 4, stride = 2, padding = 1}):tanh():build "small"
    end]]
  file:close()
  return agad, task, net
end, run = function(agad, task, net)
  local run = agad.trainer(task, {epochs = 1, net = net, min_anom = 1, batch = 8, threads = 1, log_every = 1})
  run:fit(function() end)
  assert(run.steps > 0)
end}

return cases
