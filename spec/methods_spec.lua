-- The methods beside agad: their nets, what a step of each computes, phases, what is kept, scores, rows, teaching.
-- What a method's file may say: method_spec.lua.
-- To add a case: a method of ours goes into `short` and the list of `every method`; what its step computes is a test of
-- its own.

local agad = require "agad"
local core = agad.core
local nn = agad.nn
local columns = require "agad.evaluate.columns"
local methods = require "agad.train.method"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local set = agad.data.weave {train_normals = 64, train_defects = 20, test_normals = 12, test_defects = 12}
local task = agad.task.one_vs_rest(set, {gamma = .1})
local function quiet() end

local scratch = dofile "spec/support/scratch.lua"
local path = scratch.path
teardown(scratch.remove)

local short = {
  deep_sad = {epochs = 2, pretrain_epochs = 2, batch = 16, milestone = 1},
  supervised = {epochs = 2, batch = 16, milestone = 1},
  skip_ganomaly = {epochs = 1, batch = 16},
  ganomaly = {epochs = 1, batch = 16},
}

local function options(method, more)
  local o = {method = method, gamma = .1, threads = 1, precision = "fp32", deterministic = true, log_every = 1}
  for key, v in pairs(short[method]) do o[key] = v end
  for key, v in pairs(more or {}) do o[key] = v end
  return o
end

local function new(method, more, o) return agad.trainer(task, options(method, more), o) end

local function pictures(method, rows)
  local x = set.test.images:narrow(1, 1, rows):to "float32"
  local low, high = table.unpack(methods.load(method).input)
  return x * ((high - low) / 255) + low
end

local function scores_of(model, images)
  local scores = {}
  for i, result in ipairs(agad.model.open(model):score(images)) do scores[i] = result.score end
  return scores
end

local function largest(t) return t:abs():max():item() end

local function furthest(a, b)
  local worst = 0
  local of_b = b:tensors(false)
  for name, t in pairs(a:tensors(false)) do worst = math.max(worst, largest(t - of_b[name])) end
  return worst
end

local function comparable(row)
  local kept = {}
  local timed = {seconds = true, train_seconds = true, images_per_second = true}
  for key, v in pairs(row) do if not timed[key] then kept[key] = v end end
  return core.json_encode(kept)
end

local running = {bn = "running"}

describe("nets of the methods", function()
  local function params(name, channels, o) return nn.net(nn.program(name, {channels, 32, 32}, o)):info().params end

  it("have the parameters of their papers' code", function()
    assert.equal(520544, params("lenet", 3))
    assert.equal(804544, params("lenet", 3) + params("lenet", 3, {part = "decoder"}))
    assert.equal(9192, params("lenet", 1))
    assert.equal(283536, params("lenet", 1, {kind = "fashion_mnist"}))
    assert.equal(16659075, params("skip_ganomaly", 3))
    assert.equal(1069700, params("skip_ganomaly", 3, {part = "discriminator"}))
  end)

  it("of Deep SAD have no bias anywhere, and decode to pictures in [0, 1]", function()
    for kind, channels in pairs {mnist = 1, fashion_mnist = 1, cifar10 = 3} do
      local encoder = nn.net(nn.program("lenet", {channels, 32, 32}, {kind = kind})):init(1)
      local decoder = nn.net(nn.program("lenet", {channels, 32, 32}, {kind = kind, part = "decoder"})):init(2)
      for _, net in ipairs {encoder, decoder} do
        for _, p in ipairs(net:params()) do assert.matches("^conv.*%.weight$", p.name) end
      end
      local y = decoder(encoder(agad.rand(4, channels, 32, 32)))
      assert.same({4, channels, 32, 32}, y.shape)
      assert.is_true(y:min():item() > 0 and y:max():item() < 1)
      assert.is_true(y:std():item() > 1e-3)
    end
  end)

  it("start as PyTorch's do where their program says so", function()
    local w = nn.net(nn.program("lenet", {3, 32, 32})):init(1):params()[2].tensor         -- 64 x 32 x 5 x 5
    local bound = 1 / math.sqrt(32 * 25)
    assert.is_true(largest(w) <= bound and largest(w) > .99 * bound)
    assert.near(bound / math.sqrt(3), w:std():item(), .02 * bound)
    has(refused(nn.net, {name = "n", input = {1, 8, 8}, nodes = {{layer = "relu", inputs = {0}}},
      outputs = {{name = "y", node = 1}}, init = "zero"}), "init", "zero")
  end)

  it("take pictures of 32 x 32 only", function()
    has(refused(nn.program, "lenet", {1, 28, 28}), "28 x 28", "size = 32")
    has(refused(nn.program, "skip_ganomaly", {3, 64, 64}), "64 x 64", "size = 32")
    has(refused(nn.program, "lenet", {1, 32, 32}, {kind = "alexnet"}), "alexnet", "mnist")
  end)
end)

describe("every method", function()
  for _, name in ipairs {"deep_sad", "supervised", "skip_ganomaly", "ganomaly"} do
    local slow = name == "skip_ganomaly" and " #slow" or ""
    it(name .. " trains, gives a row, and a model that scores as the run does" .. slow, function()
      local run = new(name, nil, {dir = path(name)}):fit(quiet)
      local row = run:evaluate(quiet)
      assert.equal(name, row.method)
      for _, column in ipairs {"steady", "plain", "paper_like"} do
        local of = columns.scores(run.source, task, columns.presets(run.config, run.source)[column], 256)
        assert.equal(core.metrics.auroc(of.scores, of.labels), row["auroc_" .. column], column)
      end
      assert.equal(row.auroc_steady, row.auroc)
      assert.is_true(row.leak.order_invariant)
      run:save(path(name .. ".st"))
      local scores = scores_of(path(name .. ".st"), set.test.images)
      local truth = {}
      for i, v in ipairs(task.test.anomalous) do truth[i] = v end
      assert.near(row.auroc_steady, core.metrics.auroc(scores, truth), 1e-6)
      assert.near(row.aupr, core.metrics.average_precision(scores, truth), 1e-6)
      run:close()
    end)

    slow = name == "deep_sad" and "" or " #slow"       -- the one with two phases stands for all of them
    it(name .. " is the same to the bit for the same seed, and resumed" .. slow, function()
      local whole = new(name):fit(quiet)
      local half = new(name, nil, {dir = path(name .. ".half")})
      local stop = whole.steps - 1
      half:fit(function(e) return e.kind == "step" and e.step == stop and "stop" or nil end)
      half:close()
      local again = new(name, nil, {dir = path(name .. ".half"), resume = true}):fit(quiet)
      assert.equal(stop, again.resumed)
      assert.equal(whole.steps, again.steps)
      assert.equal(0, furthest(whole, again))
      assert.equal(comparable(whole:evaluate(quiet)), comparable(again:evaluate(quiet)))
      again:close()
    end)

    it(name .. " is taught stage by stage, equal to the bit to training" .. slow, function()
      local trained, taught = new(name):fit(quiet), new(name)
      local stages = {}
      for stage in agad.teach(taught, {steps = trained.steps}) do stages[stage] = true end
      assert.equal(trained.steps, taught.steps)
      assert.equal(0, furthest(trained, taught))
      for _, phase in ipairs(methods.load(name).phases) do
        for _, stage in ipairs(phase.step) do assert.is_true(stages[type(stage) == "string" and stage or stage[1]]) end
      end
    end)
  end
end)

describe("deep_sad", function()
  it("keeps the mean of its codes after the first phase, away from zero", function()
    local run = new("deep_sad", {epochs = 1})
    for _ in agad.teach(run, {steps = 6}) do end                  -- two epochs of three steps
    assert.equal(1, run.phase)
    assert.is_nil(run.state.keep.c)
    local rows = table.move(task.normals, 1, #task.normals, 1, {})
    table.move(task.anomalies, 1, #task.anomalies, #rows + 1, rows)
    local x = agad.task.pictures(task.train, rows):to "float32" / 255
    local mean = agad.no_grad(function() return run.nets.encoder(x, running):mean {dim = 1} end)
    run:next_phase()
    assert.same({32, 1, 1}, run.keep.c.shape)
    local c, want = run.keep.c:flatten():totable(), mean:flatten():totable()
    local pushed = 0
    for i, v in ipairs(want) do
      if math.abs(v) < .1 then
        pushed = pushed + 1
        assert.near(v < 0 and -.1 or .1, c[i], 1e-7)
      else assert.near(v, c[i], 1e-5 * math.max(1, math.abs(v))) end
    end
    assert.is_true(pushed > 0 and pushed < 32)
    has(refused(run.next_phase, run), "train is its last phase")
  end)

  it("pulls normals to the centre and pushes anomalies away: Eq. 7 by hand", function()
    local run = new("deep_sad", {eta = 2, precision = "fp64"})
    run:next_phase()
    local read
    for stage, state in agad.teach(run) do
      if stage == "distance" then
        read = {x = state.x, n = state.n_normal, losses = state.losses, total = state.loss.encoder:item(),
          gradient = run.step:gradients("encoder")}
        local z = run.nets.encoder(read.x)                      -- the weights have not moved yet
        local n, all = read.n, read.x:size(1)
        assert.same({14, 16}, {n, all})
        local d = (z - run.keep.c):square():sum {dim = {2, 3, 4}}:totable()
        local normal, anomalous = 0, 0
        for i = 1, n do normal = normal + d[i] / all end
        for i = n + 1, all do anomalous = anomalous + 2 / (d[i] + 1e-6) / all end
        assert.near(normal, read.losses.normal, 1e-12 * normal)
        assert.near(anomalous, read.losses.anomalous, 1e-12 * anomalous)
        assert.near(normal + anomalous, read.total, 1e-12 * read.total)
        -- and its gradient by autograd, operator by operator
        local net = nn.net(run.programs.encoder, {dtype = "float64"})
        for i, p in ipairs(net:params()) do
          net:set(p.name, run.nets.encoder:params()[i].tensor:detach())
          p.tensor:requires_grad_(true)
        end
        local dz = (net:eager(read.x) - run.keep.c):square():sum {dim = {2, 3, 4}}
        local loss = (dz:narrow(1, 1, n):sum() + 2 * (dz:narrow(1, n + 1, all - n) + 1e-6):reciprocal():sum()) / all
        loss:backward()
        for i, p in ipairs(net:params()) do
          assert.is_true(largest(p.tensor.grad - read.gradient[i]) <= 1e-10 * largest(p.tensor.grad), p.name)
        end
      end
    end
  end)

  it("trains the decoder in its first phase only, each with its own step size and decay", function()
    local run = new "deep_sad"
    local before = run.nets.decoder:params()[1].tensor:clone()
    for _ in agad.teach(run) do end
    assert.is_true(largest(run.nets.decoder:params()[1].tensor - before) > 0)
    run:next_phase()
    before = run.nets.decoder:params()[1].tensor:clone()
    for epoch, rate in ipairs {1e-4, 1e-5} do                    -- milestone = 1
      local was = run.nets.encoder:params()[1].tensor:clone()
      run:begin_step()
      run.step:run_stage(1)
      run.step:run_stage(2)
      assert.equal(epoch, run.epoch)
      if epoch == 1 then                                          -- Adam's first step is lr for every weight
        assert.near(rate, (run.nets.encoder:params()[1].tensor - was):abs():median():item(), .02 * rate)
      end
      for _ = 2, 3 do run:begin_step() end
    end
    assert.equal(0, largest(run.nets.decoder:params()[1].tensor - before))
  end)

  it("scores by the squared distance to the centre", function()
    local run = new("deep_sad"):fit(quiet)
    run:save(path "centre.st")
    local scores = scores_of(path "centre.st", set.test.images)
    local tensors = core.load(path "centre.st")
    local net = nn.net(run.programs.encoder)
    for _, list in ipairs {net:params(), net:buffers()} do
      for _, p in ipairs(list) do net:set(p.name, tensors["encoder." .. p.name]) end
    end
    local z = agad.no_grad(function() return net(pictures("deep_sad", #scores), running) end):flatten {start_dim = 2}
    local want = (z - tensors["keep.c.value"]):square():sum {dim = 2}:totable()
    for i, v in ipairs(want) do assert.near(v, scores[i], 1e-4 * v) end
  end)

  it("runs at gamma 0, as Deep SVDD", function()
    local plain = agad.task.one_vs_rest(set, {gamma = 0})
    local run = agad.trainer(plain, options("deep_sad", {gamma = 0})):fit(quiet)
    assert.is_nil(run.losses.anomalous)
    assert.is_true(run:evaluate(quiet).auroc >= 0)
  end)

  it("gives no score, row or model before its last phase, and goes on after it was stopped there", function()
    local dir = path "early"
    local run = new("deep_sad", nil, {dir = dir})
    run:fit(function(e) return e.kind == "step" and e.step == 3 and "stop" or nil end)
    assert.equal("pretrain", run:phase_name())
    has(refused(run.save, run, path "early.st"), "no scores before its phase train", "in phase pretrain")
    has(refused(run.evaluate, run, quiet), "no scores before its phase train")
    assert.is_nil(io.open(path "early.st"))
    run:close()
    local again, whole = new("deep_sad", nil, {dir = dir, resume = true}):fit(quiet), new("deep_sad"):fit(quiet)
    assert.equal(0, furthest(whole, again))
    again:close()
    has(refused(new, "deep_sad", {eta = 3}, {dir = dir, resume = true}), "a different configuration", "eta")
  end)

  it("skips a phase of no epochs", function()
    local run = new("deep_sad", {pretrain_epochs = 0}):fit(quiet)
    assert.equal(2, run.phase)
    assert.equal(6, run.steps)
    assert.is_not_nil(run.keep.c)
  end)
end)

describe("supervised", function()
  it("is binary cross entropy over the batch, and its score is the logit", function()
    local run = new("supervised", {precision = "fp64"})
    for stage, state in agad.teach(run) do
      if stage == "classify" then
        local y, n, sum = state.y:flatten():totable(), state.n_normal, 0
        for i, v in ipairs(y) do sum = sum + math.log(1 + math.exp(i <= n and v or -v)) / #y end
        assert.near(sum, state.loss.classifier:item(), 1e-12)
      end
    end
    run = new("supervised"):fit(quiet)
    run:save(path "logit.st")
    local scores = scores_of(path "logit.st", set.test.images)
    local tensors, net = core.load(path "logit.st"), nn.net(run.programs.classifier)
    for _, list in ipairs {net:params(), net:buffers()} do
      for _, p in ipairs(list) do net:set(p.name, tensors["classifier." .. p.name]) end
    end
    local y = agad.no_grad(function() return (net(pictures("supervised", #scores), running)) end):flatten():totable()
    for i, v in ipairs(y) do assert.near(v, scores[i], 1e-5) end
  end)

  it("needs known anomalies", function()
    local plain = agad.task.one_vs_rest(set, {gamma = 0})
    has(refused(agad.trainer, plain, options("supervised", {gamma = 0})), "supervised", "give a gamma above 0")
  end)
end)

describe("ganomaly and skip_ganomaly", function()
  it("learn from normals only, whatever is known", function()
    assert.is_true(#task.anomalies > 0)
    for _, method in ipairs {"ganomaly", "skip_ganomaly"} do
      local x, normals = new(method):next_batch()
      assert.same({16, 16}, {x.shape[1], normals})
    end
  end)
end)

describe("skip_ganomaly", function()
  it("scores .9 of the picture's error and .1 of the features', both by one discriminator #slow", function()
    local run = new("skip_ganomaly"):fit(quiet)
    run:save(path "skip.st")
    local tensors = core.load(path "skip.st")
    for name in pairs(tensors) do assert.is_nil(name:find "@", name) end
    local nets = {}
    for name, program in pairs(run.programs) do
      nets[name] = nn.net(program)
      for _, list in ipairs {nets[name]:params(), nets[name]:buffers()} do
        for _, p in ipairs(list) do nets[name]:set(p.name, tensors[name .. "." .. p.name]) end
      end
    end
    local x = pictures("skip_ganomaly", 8)
    local want = agad.no_grad(function()
      local x_hat = nets.generator(x, running)
      local _, f = nets.discriminator(x, running)
      local _, f_hat = nets.discriminator(x_hat, running)
      local function mean_square(a, b) return (a - b):square():flatten {start_dim = 2}:mean {dim = 2} end
      return .9 * mean_square(x, x_hat) + .1 * mean_square(f, f_hat)
    end):totable()
    local scores = scores_of(path "skip.st", set.test.images:narrow(1, 1, 8))
    for i, v in ipairs(want) do assert.near(v, scores[i], 1e-4 * v) end
  end)

  it("weighs its three terms, and moves each net by its own loss", function()
    local run = new("skip_ganomaly", {lambda = {adv = 2, con = 3, lat = 4}})
    for stage, state in agad.teach(run) do
      local l = state.losses
      if stage == "generator_loss" then
        assert.near(2 * l.adv + 3 * l.con + 4 * l.lat, l.generator, 1e-5 * l.generator)
        assert.is_nil(state.gradient_norms.discriminator)
      elseif stage == "discriminator_loss" then
        assert.near(l.real + l.fake, l.discriminator, 1e-6 * l.discriminator)
        assert.is_nil(state.gradient_norms.generator)
      end
    end
  end)
end)

describe("a node that shares tensors", function()
  local function program(change)
    local nodes = {{layer = "conv", name = "a", inputs = {0}, out = 2, kernel = 3, padding = 1},
      {layer = "batch_norm", name = "n", inputs = {1}},
      {layer = "conv", name = "b", inputs = {0}, out = 2, kernel = 3, padding = 1, shares = "a"},
      {layer = "batch_norm", name = "m", inputs = {3}, shares = "n"},
      {layer = "concat", name = "c", inputs = {2, 4}}}
    change(nodes)
    return {name = "n", input = {2, 8, 8}, nodes = nodes, outputs = {{name = "y", node = 5}}}
  end

  it("has none of its own, and its gradients are added", function()
    local net = nn.net(program(function() end), {dtype = "float64"}):init(3):requires_grad_()
    assert.equal(36 + 4, net:info().params)
    local names = {}
    for i, p in ipairs(net:params()) do names[i] = p.name end
    assert.same({"a.weight", "n.weight", "n.bias"}, names)
    local x = agad.rand(4, 2, 8, 8, {dtype = "float64"})
    local function gradient(how)
      local y = net[how] and net[how](net, x) or net(x)
      local loss = (y * y:detach():sin()):sum()
      return (agad.grad(loss, {net:params()[1].tensor})), y
    end
    local g, y = gradient "call"
    local e = gradient "eager"
    assert.is_true(largest(g - e) <= 1e-12 * largest(e))
    assert.equal(0, largest(y:narrow(2, 1, 2) - y:narrow(2, 3, 2)))
  end)

  it("moves no statistics: those of the first use count", function()
    local net, alone = nn.net(program(function() end)):init(3), nn.net(program(function(nodes)
      nodes[4] = {layer = "relu", name = "m", inputs = {3}}
    end)):init(3)
    local x = agad.rand(4, 2, 8, 8)
    agad.no_grad(function() net(x) alone(x) end)
    for i, b in ipairs(net:buffers()) do assert.equal(0, largest(b.tensor - alone:buffers()[i].tensor)) end
  end)

  it("is refused where its tensors are not those of the node that it shares with", function()
    has(refused(nn.net, program(function(n) n[3].shares = "z" end)), "b", "'z'", "not an earlier node")
    has(refused(nn.net, program(function(n) n[3].shares = "m" end)), "not an earlier node")
    has(refused(nn.net, program(function(n) n[3].out = 3 end)), "b: its tensors differ in shape from those of", "a")
    has(refused(nn.net, program(function(n) n[3].shares = "n" end)), "differ in shape")
  end)
end)
