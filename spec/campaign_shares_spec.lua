-- How a campaign divides the machine: cores between runs, and GPUs where there are some.
-- To add a case: `shares.of` with a list of GPUs; what a run gets of that is seen by a program that only notes it.

local campaign = require "agad.campaign"
local campaigns = dofile "spec/support/campaigns.lua"
local checks = dofile "spec/support/checks.lua"
local child = require "agad.campaign.child"
local core = require("agad").core
local luv = require "luv"
local shares = require "agad.campaign.shares"
local has = checks.has

teardown(campaigns.remove)

local function trained(spec) return campaign.run(spec, {program = campaigns.agad, workers = 2}) end

describe("a campaign's cores", function()
  it("are divided between runs, alike after whatever ended it where they are deterministic #slow", function()
    local spec, given = campaigns.tiny("shares", {grid = {seed = {1, 2}}}), os.getenv "OMP_NUM_THREADS"
    luv.os_unsetenv "OMP_NUM_THREADS"
    finally(function()
      if given then luv.os_setenv("OMP_NUM_THREADS", given) else luv.os_unsetenv "OMP_NUM_THREADS" end
    end)
    spec.options.threads = nil
    local share = math.max(1, core.cores() // math.min(2, core.cores()))
    local result = trained(spec)
    for _, one in ipairs(result.runs) do assert.same({"finished", share}, {one.state, one.row.config.threads}) end
    os.execute(("rm -r '%s'"):format(result.runs[1].dir))          -- now it is the only one left
    local again = trained(spec)
    assert.same({share, result.runs[1].row.auroc}, {again.runs[1].row.config.threads, again.runs[1].row.auroc})
    spec = campaigns.tiny("shares", {grid = {seed = {3}}})
    spec.options.threads = nil
    assert.equal(core.cores(), trained(spec).runs[1].row.config.threads)
    luv.os_setenv("OMP_NUM_THREADS", "1")
    spec.grid.seed = {4}
    assert.equal(1, trained(spec).runs[1].row.config.threads)
    spec.grid.seed, spec.options.threads = {5}, 3
    assert.equal(3, trained(spec).runs[1].row.config.threads)
  end)

  it("are as many as the runs at a time, whoever asks for more", function()
    local its = shares.of(1000, 5000, {device = "cpu"})
    assert.equal(core.cores(), its.at_once)
    has(its.note, "1000 workers on ")
    assert.equal(1, its.threads(5000))
    assert.equal(core.cores(), its.threads(1))
    assert.is_nil(its.gpu(1, "cpu"))
    its = shares.of(nil, 1, {device = "cpu"})
    assert.same({1, core.cores()}, {its.at_once, its.threads(1)})
  end)

  it("are divided alike for a deterministic run, however many are left", function()
    local its = shares.of(nil, 5000, {device = "cpu"})
    assert.same({1, 1}, {its.threads(5000, true), its.threads(1, true)})
    its = shares.of(1, 5000, {device = "cpu"})
    assert.same({core.cores(), core.cores()}, {its.threads(5000, true), its.threads(1, true)})
  end)
end)

describe("a campaign's GPUs", function()
  it("are those that the process sees, by the names that it sees them by", function()
    assert.same({}, shares.gpus(0))
    assert.same({"0", "1", "2"}, shares.gpus(3))
    assert.same({"4", "GPU-ab"}, shares.gpus(2, "4, GPU-ab"))
    assert.same({"3"}, shares.gpus(1, "3,9"))              -- there is no 9
    assert.same({}, shares.gpus(0, ""))
  end)

  -- The GPUs of the runs in the slots.
  local function places(its, device)
    local list = {}
    for slot = 1, its.at_once do list[slot] = its.gpu(slot, device or "auto") end
    return list
  end

  it("train a run each, or as many as there are workers, in turn", function()
    assert.same({"2", "5"}, places(shares.of(nil, 9, {}, {"2", "5"})))
    assert.same({"2", "5", "2", "5"}, places(shares.of(4, 9, {device = "cuda"}, {"2", "5"}), "cuda"))
    assert.same({"2"}, places(shares.of(nil, 1, {}, {"2", "5"})))
    assert.same({"2"}, places(shares.of(1, 9, {}, {"2", "5"})))
  end)

  it("are left alone by runs that name their device", function()
    local its = shares.of(nil, 9, {device = "cuda:1"}, {"2", "5"})
    assert.equal(1, its.at_once)
    assert.is_nil(its.gpu(1, "cuda:1"))
    its = shares.of(nil, 9, {device = "cpu"}, {"2", "5"})
    assert.is_true(its.at_once <= core.cores())
    assert.is_nil(its.gpu(1, "cpu"))
  end)

  it("reach a run as CUDA_VISIBLE_DEVICES, and its share of the cores as OMP_NUM_THREADS", function()
    local given = os.getenv "OMP_NUM_THREADS"
    luv.os_unsetenv "OMP_NUM_THREADS"
    finally(function() if given then luv.os_setenv("OMP_NUM_THREADS", given) end end)
    local run = {dir = campaigns.path "seen"}
    require("agad.base.folder").make(run.dir)
    local lock = core.file_lock(run.dir .. "/lock")
    for _, gpu in ipairs {"5", "GPU-ab"} do
      local status
      child.start(run, lock, {program = "/bin/sh", args = {"-c", "echo $CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS"},
        threads = 3, gpu = gpu}, function(code) status = code end)
      while not status do luv.run "once" end
    end
    lock:close()
    assert.equal("5 3\nGPU-ab 3\n", campaigns.read(run.dir .. "/log.txt"))
  end)
end)
