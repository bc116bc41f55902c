-- Campaigns: what a grid makes, and a real one: one process a run, finished runs left alone, one that was cut resumed.
-- To add a case: a test over tiny_spec(), with its grid changed; each of its runs is a process of some seconds.

local agad = require "agad"
local campaign = require "agad.train.campaign"
local core = agad.core
local luv = require "luv"
local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local program = os.getenv "AGAD" or "build/agad"
local scratch = dofile "spec/support/scratch.lua"
local folder = scratch.folder
teardown(scratch.remove)

-- A small set on disk and a small net: a run takes some seconds.
local function tiny_spec()
  local set = agad.data.weave {train_normals = 40, train_defects = 0, test_normals = 8, test_defects = 8}
  local dir = folder .. "/set"
  for split, part in pairs {train = set.train, test = set.test} do
    local labels = part.labels:totable()
    for i, label in ipairs(labels) do
      local class = ("%s/%s/%s"):format(dir, split, label == 0 and "good" or "bad")
      require("agad.base.folder").make(class)
      agad.data.write_png(("%s/%03d.png"):format(class, i), part.images:select(1, i))
    end
  end
  return {data = dir, dir = folder .. "/runs", options = {epochs = 1, batch = 16, size = 32, threads = 1, cache = false,
    width = 4, holdout = .1}, grid = {seed = {1, 2}, ["lambda.con"] = {10, 50}}}
end

describe("the plan of a campaign", function()
  it("has a run for every combination, named by its configuration", function()
    local grid = {gamma = {0, .05}, seed = {1, 2, 3}}
    local runs, keys = campaign.plan {data = "weave", options = {epochs = 2}, grid = grid}
    assert.equal(6, #runs)
    assert.same({"gamma", "seed"}, keys)
    local seen = {}
    for _, run in ipairs(runs) do
      assert.matches("^%x+$", run.id)
      assert.is_nil(seen[run.id])
      seen[run.id] = true
      assert.equal(2, run.given.epochs)
    end
    local again = campaign.plan {data = "weave", options = {epochs = 2.0, gamma = .05}, grid = {seed = {3}}}
    assert.equal(runs[6].id, again[1].id)                       -- the same configuration, however it was written
  end)

  it("refuses what no run can have", function()
    has(refused(campaign.plan, {data = "weave", grids = {}}), "unknown option grids; did you mean grid?")
    has(refused(campaign.plan, {grid = {}}), "data is missing")
    has(refused(campaign.plan, {data = "weave", grid = {seed = 3}}), "grid.seed", "list of values")
    has(refused(campaign.plan, {data = "weave", grid = {sede = {3}}}), "sede", "did you mean seed?")
    has(refused(campaign.plan, {data = "weave", grid = {gamma = {2}}}), "gamma = 2")
    has(refused(campaign.plan, {data = "weave", grid = {gamma = {.05, 0.05}}}), "same configuration")
  end)
end)

describe("a campaign", function()
  it("ends with one line if its program cannot be started", function()
    local path = scratch.write(folder .. "/start.lua", ([[require("agad.train.campaign").run(
      {data = "weave", options = {epochs = 1}, grid = {seed = {1}}, dir = %q}, {program = "/no/such"})]]):format(
      folder .. "/unstarted"))
    local pipe = io.popen(("%s %s 2>&1"):format(program, path))
    local text = pipe:read "a"
    local _, _, status = pipe:close()
    assert.same({1, "agad: campaign: /no/such cannot be started: ENOENT: no such file or directory\n"}, {status, text})
  end)

  it("trains each run in its own directory, and leaves what is finished alone", function()
    local spec = tiny_spec()
    local started = 0
    local function count(e) started = started + (e.kind == "start" and 1 or 0) end
    local runs = campaign.run(spec, {workers = 2, program = program, on_event = count})
    assert.equal(4, started)
    for _, run in ipairs(runs) do
      assert.is_nil(run.reason)
      assert.equal(run.point.seed, run.row.seed)
      assert.equal(run.point["lambda.con"], run.row.config.lambda.con)
      assert.equal(1, run.row.epochs)
      assert.is_true(require("lfs").attributes(run.dir .. "/model.safetensors", "size") > 1000)
    end
    os.remove(runs[2].dir .. "/row.json")                          -- cut short before its end: resumed
    local again = campaign.run(spec, {program = program, on_event = count})
    assert.equal(5, started)
    for i, run in ipairs(again) do assert.equal(runs[i].row.auroc, run.row.auroc) end
  end)

  it("divides the cores between the runs that are trained at the same time", function()
    local spec, given = tiny_spec(), os.getenv "OMP_NUM_THREADS"
    luv.os_unsetenv "OMP_NUM_THREADS"
    finally(function()
      if given then luv.os_setenv("OMP_NUM_THREADS", given) else luv.os_unsetenv "OMP_NUM_THREADS" end
    end)
    spec.dir, spec.grid = folder .. "/shares", {seed = {1, 2}}
    spec.options.threads, spec.options.deterministic = nil, true
    local share = math.max(1, core.cores() // 2)
    local runs = campaign.run(spec, {workers = 2, program = program})
    for _, run in ipairs(runs) do assert.same({nil, share}, {run.reason, run.row.config.threads}) end
    os.remove(runs[1].dir .. "/row.json")                          -- the one left could have all cores
    local again = campaign.run(spec, {workers = 2, program = program})[1]
    assert.same({nil, share, runs[1].row.auroc}, {again.reason, again.row.config.threads, again.row.auroc})
    os.execute(("rm -r '%s'"):format(again.dir))
    again = campaign.run(spec, {workers = 2, program = program})[1]
    assert.same({nil, core.cores()}, {again.reason, again.row.config.threads})
    luv.os_setenv("OMP_NUM_THREADS", "1")
    spec.grid.seed = {3}
    again = campaign.run(spec, {program = program})[1]
    assert.same({nil, 1}, {again.reason, again.row.config.threads})
    spec.grid.seed, spec.options.threads = {4}, 3
    again = campaign.run(spec, {program = program})[1]
    assert.same({nil, 3}, {again.reason, again.row.config.threads})
  end)

  it("names a run that failed, and goes on with the others", function()
    local spec = tiny_spec()
    spec.grid, spec.dir = {net = {"naive", folder .. "/none.lua"}}, folder .. "/failing"
    local runs = campaign.run(spec, {program = program})
    local reasons = {}
    for _, run in ipairs(runs) do reasons[run.point.net] = run.reason or "none" end
    assert.equal("none", reasons.naive)
    has(reasons[folder .. "/none.lua"], "there is no such file")
  end)

  it("is a command with one table at the end", function()
    local spec = tiny_spec()
    local path = folder .. "/grid.lua"
    local file = assert(io.open(path, "w"))
    file:write(("return {data = %q, options = agad.core.json_decode %q, grid = {seed = {1, 2}}}"):format(spec.data,
      core.json_encode(spec.options)):gsub("agad%.core", 'require("agad").core'), "\n")
    file:close()
    local pipe = io.popen(("%s campaign %s --dir %s --quiet 2>&1"):format(program, path, folder .. "/runs"))
    local text = pipe:read "a"
    assert.is_true(pipe:close())
    has(text, "seed", "auroc", "steady")
    assert.equal(3, select(2, text:gsub("\n", "")))
  end)
end)
