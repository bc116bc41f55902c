-- Runs: repeatable, recorded, evaluated in columns; what is refused, and what an interrupted run leaves.
-- To add a case: a test over trained {options}; a row {options, words of the message} in `refused`.

local agad = require "agad"
local core = require "agad.core"
local columns = require "agad.evaluate.columns"
local lfs = require "lfs"
local metrics = agad.metrics

local quiet = function() end
local set = agad.data.weave {train_normals = 120, train_defects = 20, test_normals = 20, test_defects = 25}
local task = agad.task.one_vs_rest(set, {gamma = 0.05})
local small = {net = "examples/small_net.lua", epochs = 2, batch = 32, min_anom = 4, seed = 5, threads = 1,
  precision = "fp32"}

local function with(more)
  local o = {}
  for key, value in pairs(small) do o[key] = value end
  for key, value in pairs(more or {}) do o[key] = value end
  return o
end

local function trained(more, o) return agad.trainer(task, with(more), o):fit(quiet) end

local function weights(run)
  local parts = {}
  for _, name in ipairs {"generator", "discriminator"} do
    if run.nets[name] then
      for _, p in ipairs(run.nets[name]:params()) do parts[#parts + 1] = p.tensor:tostring_bytes() end
    end
  end
  return core.hash(table.concat(parts))
end

local function directory()
  local dir = os.tmpname()
  os.remove(dir)
  return dir
end

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("a run", function()
  it("is the same to the bit for the same seed, and another for another", function()
    local a, b, c = trained(), trained(), trained {seed = 6}
    assert.equal(weights(a), weights(b))
    assert.not_equal(weights(a), weights(c))
    assert.equal(a:evaluate(quiet).auroc, b:evaluate(quiet).auroc)
  end)

  it("gives the columns of its row side by side", function()
    local run = trained()
    local row = run:evaluate(quiet)
    for _, name in ipairs {"steady", "plain", "paper_like"} do
      local of = columns.scores(run.source, task, columns.presets(run.config, run.source)[name], 256)
      assert.equal(metrics.auroc(of.scores, of.labels), row["auroc_" .. name], name)
      if name == "steady" then
        assert.equal(metrics.average_precision(of.scores, of.labels), row.aupr)
        assert.equal(metrics.tpr_at_fpr(of.scores, of.labels, .01), row.tpr_at_1fpr)
        assert.equal(metrics.f1(of.scores, of.labels, row.threshold), row.f1)
      end
    end
    assert.equal(row.auroc, row.auroc_steady)
    assert.equal(core.null, row.auroc_best_on_test)
    assert.is_true(row.leak.order_invariant)
    assert.equal("0.1.0", row.versions.agad)
    assert.matches("^%x+$", row.hash)
    assert.equal(6, row.steps)                           -- 108 - 20 held out, 28 a batch
  end)

  it("takes no name for the data but its own", function()
    assert.equal("weave", agad.trainer(task, with {data = "weave"}).config.data)
    assert.has_error(function() agad.trainer(task, with {data = "mnist"}) end,
      "data = mnist, but the task's pictures are those of weave; leave data out")
  end)

  it("calls another column auroc under another preset", function()
    local run = trained {preset = "plain"}
    local row = run:evaluate(quiet)
    assert.equal(row.auroc_plain, row.auroc)
    local mixed = trained {bn_eval = "batch", eval_batch = 45}
    local custom = mixed:evaluate(quiet)
    assert.equal("custom", custom.preset)
    local of = columns.scores(mixed.source, task, {weights = "average", bn = "batch", order = "shuffled"}, 45)
    assert.equal(metrics.auroc(of.scores, of.labels), custom.auroc)
  end)

  it("keeps the best epoch on the test set apart, as an oracle", function()
    local run = trained {evaluate_every = 1}
    local row, best = run:evaluate(quiet), 0
    assert.equal(2, #run.history)
    for _, h in ipairs(run.history) do best = math.max(best, h.auroc_steady) end
    assert.equal(best, row.auroc_best_on_test)
  end)

  it("scores with the raw weights where ema is 0", function()
    local run = trained {ema = 0, bn_eval = "running"}
    local row = run:evaluate(quiet)
    assert.equal(row.auroc_plain, row.auroc)
  end)

  it("scores no picture by its neighbours", function()
    local run = trained()
    local path = directory() .. ".safetensors"
    run:save(path)
    local model = agad.model.open(path)
    local all = model:score(set.test.images)
    for _, i in ipairs {1, 20, 45} do
      local one = model:score(set.test.images:narrow(1, i, 1))[1].score
      assert.is_true(math.abs(one - all[i].score) <= 1e-5 * math.abs(one))
    end
    os.remove(path)
  end)

  it("keeps its configuration, log, state and result in its directory", function()
    local dir = directory()
    local run = trained({log_every = 1}, {dir = dir})
    local row = run:evaluate(quiet)
    assert.equal(agad.options.canonical(run.config) .. "\n", slurp(dir .. "/config.json"))
    local last
    local kinds = {}
    for line in io.lines(dir .. "/log.jsonl") do
      local entry = core.json_decode(line)
      kinds[#kinds + 1] = entry.kind
      last = entry.kind == "step" and entry or last
    end
    assert.equal("begin step step step step step step end result", table.concat(kinds, " "))
    assert.equal(6, last.step)
    assert.is_number(last.losses.generator)
    assert.same({generator = 2e-4, discriminator = 2e-4}, last.rates)
    local state = core.load(dir .. "/state.safetensors")
    for _, p in ipairs(run.nets.generator:params()) do
      assert.equal(p.tensor:tostring_bytes(), state["generator." .. p.name]:tostring_bytes(), p.name)
    end
    for _, p in ipairs(run.nets.generator:buffers()) do
      assert.equal(p.tensor:tostring_bytes(), state["generator." .. p.name]:tostring_bytes(), p.name)
    end
    assert.equal(row.auroc, core.json_decode(slurp(dir .. "/result.json")).auroc)
    run:close()

    -- a second run moves the first aside and drops it at its first checkpoint; one of another process is refused
    local second = agad.trainer(task, with {seed = 9}, {dir = dir})
    assert.equal("directory", lfs.attributes(dir .. ".previous", "mode"))
    second:fit(quiet)
    assert.is_nil(lfs.attributes(dir .. ".previous", "mode"))
    local third = ([[%s -e 'print(require("agad.train.rundir").create("%s", "{}"))' 2>&1]]):format(
      os.getenv "AGAD" or "build/agad", dir)
    local pipe = io.popen(third)
    assert.equal(("agad: run directory %s: another run is using it; wait for it to end, close it, or give another "
      .. "directory\n"):format(dir), pipe:read "a")
    pipe:close()
    second:close()
    os.execute("rm -rf " .. dir)
  end)

  it("leaves a folder alone that is no run", function()
    local dir = directory()
    lfs.mkdir(dir)
    local file = io.open(dir .. "/letter.txt", "w")
    file:close()
    local ok, reason = pcall(agad.trainer, task, with(), {dir = dir})
    assert.is_false(ok)
    assert.matches("this folder is not a run directory, and was left untouched", reason)
    assert.equal("file", lfs.attributes(dir .. "/letter.txt", "mode"))
    os.execute("rm -rf " .. dir)
  end)

  it("stops when its listener says so, and counts what was done", function()
    local run = agad.trainer(task, with())
    run:fit(function(e) if e.kind == "step" and e.step == 2 then return "stop" end end)
    assert.equal(2, run.steps)
    assert.is_false(run.interrupted)
  end)

  for _, method in ipairs {"agad_reference", "ganomaly", "examples/mean_square.lua"} do
    it("of method " .. method .. " trains, evaluates and saves" .. (method == "ganomaly" and " #slow" or ""), function()
      local o = {method = method, epochs = 1, batch = 44, seed = 5, threads = 1, precision = "fp32"}
      if method ~= "ganomaly" then o.net = small.net end
      if method == "agad_reference" then o.min_anom = 4 end
      local run = agad.trainer(task, o):fit(quiet)
      local row = run:evaluate(quiet)
      assert.equal(method:match "([%w_]+)%.?l?u?a?$", row.method)
      local path = directory() .. ".safetensors"
      run:save(path)
      local scores, truth = {}, {}
      for i, result in ipairs(agad.model.open(path):score(task.test.images)) do scores[i] = result.score end
      for i, anomalous in ipairs(task.test.anomalous) do truth[i] = anomalous end
      assert.near(metrics.auroc(scores, truth), row.auroc, 1e-6)
      assert.is_true(scores[1] > 0 and scores[1] ~= scores[2])
      os.remove(path)
    end)
  end

  it("of agad has the losses of its reference over autograd #slow", function()
    local o = {epochs = 1, precision = "fp64", batch = 32}
    local a, b = trained(o), trained {epochs = 1, precision = "fp64", batch = 32, method = "agad_reference"}
    for name, value in pairs(a.losses) do
      assert.is_true(math.abs(value - b.losses[name]) <= 1e-10 * math.abs(value), name)
    end
  end)

  it("notes normals that are fewer than a batch", function()
    local few = agad.task.one_vs_rest(set, {limit = 30})
    local notes = {}
    local run = agad.trainer(few, with {batch = 256, epochs = 1})
    run:fit(function(e) if e.kind == "note" then notes[#notes + 1] = e.text end end)
    assert.equal(1, run.steps)
    assert.matches("for a batch of 256", notes[1])
  end)

  local refused = {
    {{adcon_anom = "never"}, 'it must be one of x_xhat, xhat_xhat2, both'},
    {{lambda = {con = -1}}, "lambda.con"}, {{lr = 0 / 0}, "lr"}, {{net = "nonet"}, 'unknown net "nonet"'},
    {{method = "agda"}, 'unknown method "agda"; did you mean agad?'}, {{epoch = 3}, 'unknown option "epoch"'},
    {{device = "cuda:7"}, "device = cuda:7"}, {{score = "sim"}, "score"},
  }
  for _, r in ipairs(refused) do
    it("is refused for " .. r[2], function()
      local ok, reason = pcall(agad.trainer, task, with(r[1]))
      assert.is_false(ok)
      assert.is_truthy(tostring(reason):find(r[2], 1, true), reason)
      assert.is_nil(tostring(reason):find "\n")
    end)
  end
end)
