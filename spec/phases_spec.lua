-- How long a phase trains and with what: steps and epochs, rates by step, phases without steps, what `start` finds.
-- To add a case: a test that changes the made-up method by `with`, and trains it on the small task.

local agad = require "agad"
local core = agad.core
local loss = require "agad.loss"
local luv = require "luv"
local nn = agad.nn
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local scratch = dofile "spec/support/scratch.lua"
local path = scratch.path
teardown(scratch.remove)

local set = agad.data.weave {train_normals = 50, train_defects = 12, test_normals = 12, test_defects = 12}
local task = agad.task.one_vs_rest(set, {gamma = .1, holdout = .2})       -- 30 normals, 20 held out, 3 anomalies
local quiet = function() end

local function net(shape)
  return nn.builder(shape):conv(4, {kernel = 3, padding = 1}):batch_norm():conv(shape[1], {kernel = 1}):build "g"
end

-- One phase that rebuilds pictures; `changes` are keys of the method.
local function with(changes)
  local m = {name = "made_up", options = {epochs = 2, ema = 0.0}, input = {0, 1},
    nets = function(_, shape) return {g = net(shape)} end, picture = "g", score = {"l2"}, average = {"g"},
    phases = {{name = "train", updates = {g = {nets = {"g"}}}, step = {
      {"rebuild", function(s) s:backward("g", loss.mse(s.net.g(s.x), s.x)) end}, "g_update"}}}}
  for key, v in pairs(changes or {}) do m[key] = v end
  return m
end

local function new(method, given, o)
  package.loaded["agad.methods.made_up"] = method
  local all = {method = "made_up", batch = 8, gamma = .1, holdout = .2, threads = 1, precision = "fp32",
    deterministic = true}
  for key, v in pairs(given or {}) do all[key] = v end
  local ok, run = pcall(agad.trainer, task, all, o)
  package.loaded["agad.methods.made_up"] = nil
  if not ok then error(run, 0) end
  return run
end

local function weights(run)
  local parts = {}
  for _, p in ipairs(run.nets.g:params()) do parts[#parts + 1] = p.tensor:tostring_bytes() end
  for _, p in ipairs(run.nets.g:buffers()) do parts[#parts + 1] = p.tensor:tostring_bytes() end
  return core.hash(table.concat(parts))
end

local function stopped_after(run, n)
  return run:fit(function(e) return e.kind == "step" and e.step == n and "stop" or nil end)
end

describe("the option steps", function()
  it("ends training in mid-epoch, and alone is the only limit", function()
    local seen, begun, epochs = {}, nil, {}
    local run = new(with(), {steps = 6, schedule = {lr = "linear:1e-3:2e-3"}}):fit(function(e)
      if e.kind == "begin" then begun = {e.epochs, e.steps} end
      if e.kind == "step" then seen[#seen + 1] = ("%d %d/%d"):format(e.epoch, e.done, e.total) end
      if e.kind == "epoch" then epochs[#epochs + 1] = e.epoch end
    end)
    assert.same({"1 1/6", "1 2/6", "1 3/6", "1 4/6", "2 5/6", "2 6/6"}, seen)     -- 4 batches of 30 - 1 normals
    assert.same({{2, 6}, {1, 2}, 6, 2}, {begun, epochs, run.steps, run.done})
    assert.is_nil(run.config.epochs)
    assert.matches("steps = 6, seed", tostring(run))
    local row = run:evaluate(quiet)
    assert.same({6, 2}, {row.steps, row.epochs})
  end)

  it("and given epochs both are limits; the first one that is reached ends training", function()
    assert.equal(8, new(with(), {steps = 100, epochs = 2}):fit(quiet).steps)
    assert.equal(5, new(with(), {steps = 5, epochs = 2}):fit(quiet).steps)
    assert.equal(100, new(with(), {steps = 100}):fit(quiet).steps)
  end)

  it("counts the batches of a gamma that changes over the epochs", function()
    local varied = agad.task.one_vs_rest(set, {gamma = "linear:0:0.1", holdout = .2})
    package.loaded["agad.methods.made_up"] = with {anomalies = {least = "least"},
      options = {least = 4, ema = 0.0}}
    local run = agad.trainer(varied, {method = "made_up", steps = 13, batch = 8, threads = 1, precision = "fp32"})
    package.loaded["agad.methods.made_up"] = nil
    local gammas = {}
    run:fit(function(e) if e.kind == "epoch" then gammas[#gammas + 1] = e.gamma end end)
    assert.same({13, 3}, {run.steps, #gammas})               -- 3 batches, and 7 in each epoch with anomalies
    assert.same({0.0, .05, .1}, gammas)
  end)

  it("gives the same to the bit when stopped anywhere and resumed, and taught", function()
    local whole = weights(new(with(), {steps = 6}):fit(quiet))
    for _, n in ipairs {3, 5, 6} do
      local dir = path("steps" .. n)
      stopped_after(new(with(), {steps = 6}, {dir = dir}), n):close()
      local again = new(with(), {steps = 6}, {dir = dir, resume = true}):fit(quiet)
      assert.same({6, whole}, {again.steps, weights(again)})
      again:close()
    end
    local taught = new(with(), {steps = 6})
    for _ in agad.teach(taught, {steps = 6}) do end
    assert.equal(whole, weights(taught))
    has(refused(new, with(), {steps = 7}, {dir = path "steps3", resume = true}), "steps = 6, now 7")
  end)

  it("changes the hash of a configuration", function()
    local function hash(o) return agad.options.hash(new(with(), o).config) end
    assert.not_equal(hash {steps = 6}, hash {steps = 7})
    assert.not_equal(hash {steps = 8}, hash {steps = 8, epochs = 2})
  end)
end)

describe("the option minutes", function()
  it("becomes a number of steps, and the run is the same to the bit as one with that number", function()
    local dir, started, worked = path "minutes", 0, {}
    local m = with {keep = {"k"}}
    m.phases[2] = {name = "fit", epochs = 0, start = function(s)
      started = started + 1
      s.keep.k = s:mean "g"
    end}
    local run = new(m, {minutes = .002}, {dir = dir, on_event = function(e) worked[#worked + 1] = e.text end})
    local steps = run.config.steps
    assert.same({0, 0, 0, {"timing a training step"}}, {run.steps, run.epoch, started, worked})
    assert.is_true(steps >= 1)
    assert.is_nil(run.config.epochs)
    local config = core.json_decode(scratch.read(dir .. "/config.json"))
    assert.same({steps, .002}, {config.steps, config.minutes})
    run:fit(quiet)
    assert.same({steps, 1}, {run.steps, started})
    assert.same({.002, steps}, {run:evaluate(quiet).minutes, run:evaluate(quiet).steps})
    local counted = new(m, {steps = steps}):fit(quiet)
    assert.equal(weights(counted), weights(run))
    assert.equal(core.null, counted:evaluate(quiet).minutes)
    assert.equal(agad.options.hash(counted.config), agad.options.hash(run.config))
    run:close()
    -- given again with the steps that it became, as in the configuration of a row, it is not timed
    assert.equal(3, new(m, {minutes = 100, steps = 3}).config.steps)
  end)

  it("is that of the first start where a run is resumed", function()
    local dir = path "resumed_minutes"
    local run = new(with(), {minutes = .003}, {dir = dir})
    local steps, notes = run.config.steps, {}
    stopped_after(run, 1)
    run:close()
    local again = new(with(), {minutes = .1}, {dir = dir, resume = true}):fit(function(e)
      if e.kind == "note" then notes[#notes + 1] = e.text end
    end)
    assert.same({steps, .003}, {again.steps, again.config.minutes})
    assert.equal(("minutes = 0.1: the run goes on with the %d steps that its 0.003 minutes became"):format(steps),
      notes[1])
    again:close()
    assert.equal(weights(new(with(), {steps = steps}):fit(quiet)), weights(again))
    local other = path "epochs"
    stopped_after(new(with(), nil, {dir = other}), 1):close()
    has(refused(new, with(), {minutes = 1}, {dir = other, resume = true}), "it was started without minutes")
    -- one that left no checkpoint keeps its number of steps too
    os.remove(dir .. "/state.safetensors")
    local third = new(with(), {minutes = .003}, {dir = dir, resume = true})
    assert.equal(steps, third.config.steps)
    third:close()
  end)

  it("and epochs are both limits", function()
    assert.equal(8, new(with(), {minutes = 100, epochs = 2}):fit(quiet).steps)
  end)

  it("leaves time for the phases before the one that it limits", function()
    local m = with {options = {ema = 0.0, first = 3}}
    m.phases[2] = m.phases[1]
    m.phases[1] = {name = "first", epochs = "first", updates = m.phases[2].updates, step = m.phases[2].step}
    m.options.first = agad.options.option {default = 3, min = 0}
    assert.equal(3 * 4 + 1, new(m, {minutes = 1e-6}):fit(quiet).steps)
  end)

  it("changes the hash of a configuration only until it is a number of steps", function()
    local methods = require "agad.train.method"
    local function hash(o) return agad.options.hash(agad.options.resolve(methods.load "agad", o)) end
    assert.not_equal(hash {minutes = 1}, hash {minutes = 2})
    assert.equal(hash {minutes = 1, steps = 5}, hash {minutes = 2, steps = 5})
    assert.equal(hash {steps = 5}, hash {minutes = 2, steps = 5})
  end)
end)

describe("a phase", function()
  it("has a factor of its rate for each step", function()
    local seen = {}
    local function halted(m)
      m.phases[1].rate_of_step = function(o, done, total)
        seen[#seen + 1] = ("%d/%d of %d"):format(done, total, o.width)
        return done < 3 and 1 or 0
      end
      return m
    end
    local given = {epochs = 2, ema = 0.0, width = 5}
    local run = new(halted(with {options = given}), {steps = 5}):fit(quiet)
    assert.same({"0/5 of 5", "1/5 of 5", "2/5 of 5", "3/5 of 5", "4/5 of 5"}, seen)
    local three = stopped_after(new(with {options = given}, {steps = 5}), 3)
    local function moved(a, b)
      return (a.nets.g:params()[1].tensor - b.nets.g:params()[1].tensor):abs():max():item()
    end
    assert.equal(0, moved(run, three))
    assert.is_true(moved(run, new(with {options = given}, {steps = 5})) > 0)
    local bad = with()
    bad.phases[1].rate_of_step = function() return -1 end
    run = new(bad)
    has(refused(run.fit, run, quiet), "rate_of_step gives -1")
  end)

  it("may have known anomalies beside its batches", function()
    local counts = {}
    local m = with {anomalies = {in_batches = false}}
    m.phases[1].step[1] = {"rebuild", function(s)
      counts[#counts + 1] = ("%d of %d"):format(s.n_normal, s.x:size(1))
      s:backward("g", loss.mse(s.net.g(s.x), s.x))
    end}
    local run = new(m, {epochs = 1}):fit(quiet)
    assert.equal(3, #run.task.anomalies)
    assert.same({"8 of 8", "8 of 8", "8 of 8"}, counts)
  end)

  it("finds pictures, rows, masks, the seed and its progress in its start", function()
    local found = {}
    local m = with {keep = {"k"}}
    m.phases[2] = {name = "fit", epochs = 0, start = function(s)
      for _, which in ipairs {"normals", "held_out", "anomalies", "marked"} do
        local rows = s:rows(which)
        found[which] = #rows
        local expected = s.images:index_select(1, core.from_table(rows, "int64"))
        assert.equal(expected:tostring_bytes(), s:pictures(which):tostring_bytes())
      end
      found.masks, found.seed, found.done, found.total = s:masks {3, 4}, s.seed, s.done, s.total
      has(refused(s.rows, s, "defects"), "rows: defects is not normals, held_out, anomalies or marked")
      has(refused(function() s.seed = 3 end), "seed is no slot")
      s.keep.k = agad.ones {1}
    end}
    local run = new(m, {seed = 7}):fit(quiet)
    assert.same({2, 32, 32}, found.masks.shape)
    found.masks = nil
    assert.same({normals = 30, held_out = 20, anomalies = 3, marked = 3, seed = 7, done = 0, total = 0}, found)
    assert.is_not_nil(run.keep.k)
    local plain = agad.task.one_vs_rest(set, {gamma = 0})
    local state = require("agad.train.state").new(nil, {}, {}, {}, {task = plain})
    assert.same({}, state:rows "anomalies")
    assert.is_nil(state:pictures "anomalies")
    assert.same({}, state:rows "marked")
  end)
end)

describe("a phase without steps", function()
  -- Trains, and then keeps the mean of the net's output on held-out pictures; its score is the distance to it.
  local function fitting(start)
    local m = with {keep = {"k"}, score = function(b, n, k) return b:sum_square(n.g(b.x), k.k) end}
    m.phases[2] = {name = "fit", epochs = 0, start = start or function(s) s.keep.k = s:mean "g" end}
    return m
  end

  it("computes what the score needs, and the run is then as long as its training", function()
    local run = new(fitting(), {steps = 6}):fit(quiet)
    assert.same({2, 6, true}, {run.phase, run.steps, run.started})
    local row = run:evaluate(quiet)
    assert.same({6, 2}, {row.steps, row.epochs})
    run:save(path "fit.st")
    local kept = core.load(path "fit.st")["keep.k.value"]
    assert.equal(run.keep.k:flatten():tostring_bytes(), kept:flatten():tostring_bytes())
    local model = agad.model.open(path "fit.st")
    assert.same({6, 2}, {model.info.steps, model.info.epochs})
    local scores, truth = {}, {}
    for i, one in ipairs(model:score(task.test.images)) do scores[i] = one.score end
    for i, anomalous in ipairs(task.test.anomalous) do truth[i] = anomalous end
    assert.near(agad.metrics.auroc(scores, truth), row.auroc, 1e-6)
  end)

  it("ends the steps that are taught", function()
    local run, n = new(fitting(), {steps = 3}), 0
    for _ in agad.teach(run, {steps = 10}) do n = n + 1 end
    assert.same({6, 3, 2, true}, {n, run.steps, run.phase, run.keep.k ~= nil})
  end)

  it("that was interrupted runs again when the run goes on, to the same numbers", function()
    local whole = new(fitting(), {steps = 4}):fit(quiet)
    local dir, interrupt = path "interrupted", true
    local function start(s)
      local noise = agad.rand {1}                            -- from the step's own state
      s.keep.k = s:mean "g" + noise * 0
      if interrupt then luv.kill(luv.os_getpid(), "sigint") end
      s.keep.k = s:mean "g"                                  -- raises the interruption
    end
    core.arm_interrupt()
    local run = new(fitting(start), {steps = 4}, {dir = dir}):fit(quiet)
    assert.is_true(core.interrupted())
    core.interrupt_clear()
    assert.same({true, 2, false, 4}, {run.interrupted, run.phase, run.started, run.steps})
    assert.is_nil(run.keep.k)
    has(refused(run.scorer, run), "no scores before its phase fit")
    interrupt = false
    run:close()
    local again = new(fitting(start), {steps = 4}, {dir = dir, resume = true}):fit(quiet)
    assert.equal(whole.keep.k:tostring_bytes(), again.keep.k:tostring_bytes())
    again:close()
    local third = new(fitting(function() error "it ran again" end), {steps = 4}, {dir = dir, resume = true}):fit(quiet)
    assert.equal(whole.keep.k:tostring_bytes(), third.keep.k:tostring_bytes())
    third:close()
  end)

  it("finds the averaged weights in the nets, which are those that are scored", function()
    local mean
    local m = fitting(function(s)
      mean = s:mean "g"
      s.keep.k = mean
    end)
    local run = new(m, {steps = 6, ema = .5}):fit(quiet)
    local plain = new(with(), {steps = 6, ema = .5}):fit(quiet)
    local average = plain.step:average "g"
    for i, p in ipairs(run.nets.g:params()) do
      assert.equal(average[i]:tostring_bytes(), p.tensor:tostring_bytes())
      assert.not_equal(plain.nets.g:params()[i].tensor:tostring_bytes(), p.tensor:tostring_bytes())
    end
  end)

  it("is refused with evaluations before it, and with epochs but no stages", function()
    has(refused(new, fitting(), {evaluate_every = 1}), "evaluate_every = 1", "at the end of its training only")
    local m = fitting()
    m.options.fit_epochs = agad.options.option {default = 0, min = 0}
    m.phases[2].epochs = "fit_epochs"
    assert.equal(2, new(m, {steps = 2}):fit(quiet).phase)
    has(refused(new, m, {fit_epochs = 1}), "phase fit has no stages, so that fit_epochs must be 0")
    m.phases[2].epochs = "epochs"
    has(refused(new, m), "phase fit lacks 'updates'")
  end)
end)

describe("a method that does not recalibrate", function()
  it("scores, thresholds and saves with the running statistics", function()
    local run = new(with {recalibrate = false}):fit(quiet)
    local row = run:evaluate(quiet)
    assert.equal(row.auroc_plain, row.auroc_steady)          -- ema is 0
    assert.not_equal(row.auroc_plain, new(with()):fit(quiet):evaluate(quiet).auroc_steady)
    run:save(path "running.st")
    local stored = core.load(path "running.st")
    for _, p in ipairs(run.nets.g:buffers()) do
      assert.equal(p.tensor:flatten():tostring_bytes(), stored["g." .. p.name]:flatten():tostring_bytes(), p.name)
    end
    local model, scores = agad.model.open(path "running.st"), {}
    local held = agad.task.pictures(task.train, task.held_out)
    for i, one in ipairs(model:score(held)) do scores[i] = one.score end
    assert.near(agad.metrics.quantile(scores, .95), model.threshold, 1e-6 * model.threshold)
  end)
end)

describe("the optimiser of an update", function()
  it("may be AdamW, which shrinks weights apart from the gradient", function()
    local n = nn.net(net {1, 8, 8}, {dtype = "float64"}):init(3)
    local step = core.step("made_up", "{}", "made_up")
    local lr, decay, b1, b2, eps = 1e-2, .3, .9, .99, 1e-8
    step:add_net("g", n)
    step:add_update("g", {"g"}, {lr = lr, beta1 = b1, beta2 = b2, eps = eps, weight_decay = decay, clip = 0,
      accumulate = 1, optimiser = "adamw"})
    local x, gradient, weight = agad.rand({2, 1, 8, 8}, {dtype = "float64"}), nil, nil
    step:add_stage("rebuild", function(s)
      s:backward("g", loss.mse(s.net.g(s.x), s.x))
      gradient, weight = step:gradients "g"[1]:clone(), n:params()[1].tensor:detach():clone()
    end)
    step:add_stage "g_update"
    step:set_state(require("agad.train.state").new(step, {g = n}, {}))
    local m, v
    for t = 1, 3 do
      step:run(x, 2)
      m = m and m * b1 + gradient * (1 - b1) or gradient * (1 - b1)
      v = v and v * b2 + gradient:square() * (1 - b2) or gradient:square() * (1 - b2)
      local expected = weight * (1 - lr * decay)
        - (m / (1 - b1 ^ t)) / ((v / (1 - b2 ^ t)):sqrt() + eps) * lr
      assert.is_true((expected - n:params()[1].tensor):abs():max():item() < 1e-12)
    end
  end)

  it("may be Muon, which makes the singular values of what moves a matrix alike", function()
    agad.manual_seed(5)
    local b = nn.builder {3, 8, 8}
    local n = nn.net(b:conv(16, {kernel = 1, bias = true}):conv(2, {kernel = 3, padding = 1}):conv_transpose(1,
      {kernel = 4, stride = 4}):build "made_up", {dtype = "float64"}):init(3)
    local step = core.step("made_up", "{}", "made_up")
    local lr, decay, b1, b2, eps, momentum = 1e-2, .3, .9, .99, 1e-8, .95
    step:add_net("g", n)
    step:add_update("g", {"g"}, {lr = lr, beta1 = b1, beta2 = b2, eps = eps, weight_decay = decay, clip = 0,
      accumulate = 1, optimiser = "muon"})
    local x, gradients, before = agad.rand({2, 3, 8, 8}, {dtype = "float64"}), {}, {}
    step:add_stage("fit", function(s)
      s:backward("g", s.net.g(s.x):square():mean())
      for i, gradient in ipairs(step:gradients "g") do
        gradients[i], before[i] = gradient:clone(), n:params()[i].tensor:detach():clone()
      end
    end)
    step:add_stage "g_update"
    step:set_state(require("agad.train.state").new(step, {g = n}, {}))
    local matrices, others, m, v = 0, 0, {}, {}
    for t = 1, 3 do
      step:run(x, 2)
      for i, p in ipairs(n:params()) do
        local g, kept, moved = gradients[i], before[i] * (1 - lr * decay)
        m[i], v[i] = m[i] or g * 0, v[i] or g * 0
        if g:dim() > 1 then
          matrices, m[i] = matrices + 1, m[i] * momentum + g * (1 - momentum)
          local u, s, vt = agad.linalg_svd((m[i] * momentum + g * (1 - momentum)):flatten {start_dim = 2}, false)
          s = s / (s:square():sum():sqrt() + 1e-7)
          for _ = 1, 5 do s = s * 3.4445 - s:pow(3) * 4.775 + s:pow(5) * 2.0315 end
          local rows, columns = u:size(1), vt:size(2)
          moved = (u * s):matmul(vt):reshape(g:size()) * .2 * math.sqrt(math.max(rows, columns))
        else
          others, m[i] = others + 1, m[i] * b1 + g * (1 - b1)
          v[i] = v[i] * b2 + g:square() * (1 - b2)
          moved = m[i] / (1 - b1 ^ t) / ((v[i] / (1 - b2 ^ t)):sqrt() + eps)
        end
        assert.is_true((kept - moved * lr - p.tensor):abs():max():item() < 1e-10)
      end
    end
    assert.same({9, 3}, {matrices, others})
  end)

  it("is an update's own, and one of three", function()
    local m = with()
    m.phases[1].updates.g.optimiser = "adamw"
    assert.not_equal(weights(new(with(), {weight_decay = .1}):fit(quiet)),
      weights(new(m, {weight_decay = .1}):fit(quiet)))
    assert.equal(weights(new(with()):fit(quiet)), weights(new(m):fit(quiet)))     -- without a decay
    m.phases[1].updates.g.optimiser = "lion"
    has(refused(new, m), "update g: optimiser = lion is none of adam, adamw, muon")
    m.phases[1].updates.g = {nets = {"g"}, decay = 1}
    has(refused(new, m), "update g: unknown key decay")
  end)
end)
