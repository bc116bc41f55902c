-- Campaigns in a real Slurm of two nodes on this machine (support/slurm.lua): what is killed, cancelled, lost there.
-- To add a case: a campaign of support/campaigns.lua, submitted; wait for what a run's folder holds or Slurm says, and
-- never for a time.

local campaign = require "agad.campaign"
local campaigns = dofile "spec/support/campaigns.lua"
local checks = dofile "spec/support/checks.lua"
local cli = dofile "spec/support/cli.lua"
local lfs = require "lfs"
local luv = require "luv"
local slurm = dofile "spec/support/slurm.lua"
local has, refused = checks.has, checks.refused

local why_not

setup(function() why_not = slurm.start() end)

teardown(function()
  slurm.stop()
  cli.remove()
  campaigns.remove()
end)

-- A case that needs Slurm.
local function with_slurm(title, f)
  it(title, function()
    if why_not then pending(why_not) else f() end
  end)
end

local function agad_does(arguments)
  local status, out, err = cli.agad(arguments)
  assert.equal(0, status, err)
  return out, err
end

local function submit(spec, o)
  local given = {program = campaigns.agad}
  for key, v in pairs(o or {}) do given[key] = v end
  return campaign.submit(spec, given)
end

-- How often runs were started by the elements of a campaign's submissions, by their ids.
local function starts(dir)
  local counts = {}
  for line in (slurm.sh("cat %s/slurm/*/*.txt", dir)):gmatch "[^\n]+" do
    local id = line:match "^(%x+) starts$"
    if id then counts[id] = (counts[id] or 0) + 1 end
  end
  return counts
end

local function checkpoint(run) return lfs.attributes(run.dir .. "/run/state.safetensors", "mode") ~= nil end

local function same_rows(expected, runs)
  for i, run in ipairs(runs) do
    assert.equal("finished", run.state)
    assert.equal(campaigns.comparable(expected[i].row), campaigns.comparable(run.row))
  end
end

describe("a campaign in Slurm", function()
  with_slurm("is trained by an array, and its table is written after that", function()
    local path = campaigns.file("whole", {grid = {seed = {1, 2}}})
    local out = agad_does("campaign " .. path
      .. " run --slurm --throttle 1 --partition main --time 30 --memory 100M --gres gpu:1")
    assert.matches("^  2 runs submitted as job %d+ %(2 elements%), in .*whole%.runs/slurm/1\n"
      .. "  job %d+ writes .*whole%.runs/slurm/1/table.txt after that\n$", out)
    local job, collector = out:match "job (%d+) %(.*job (%d+) writes"
    out = agad_does("campaign " .. path .. " run --slurm")                 -- nothing is there twice
    assert.matches("^  nothing to submit; the others: ", out)
    slurm.ended(job)
    slurm.ended(collector)
    local dir = path:gsub("%.lua$", ".runs")
    has(campaigns.read(dir .. "/slurm/1/table.txt"), "2/2")
    has(campaigns.read(dir .. "/slurm/1/status.txt"), "2 finished")
    assert.equal(campaigns.read(dir .. "/slurm/1/table.txt"), (agad_does("campaign " .. path .. " table")))
    for _, its in pairs(slurm.elements(job)) do
      assert.same({"COMPLETED", "0", "n0", "main", "00:30:00", "100M", "gres:gpu:1"}, {its.JobState, its.Restarts,
        its.NodeList, its.Partition, its.TimeLimit, its.MinMemoryNode, its.TresPerNode})
    end
    has(campaigns.read(dir .. "/slurm/1/job.sh"), "#SBATCH --array=0-1%1\n")
    assert.matches("^  nothing to submit; the others: 2 finished\n$",
      (agad_does("campaign " .. path .. " run --slurm")))
  end)

  with_slurm("shares the work with a campaign here, and keeps the error of a run that failed #slow", function()
    local missing = campaigns.folder .. "/later.lua"
    local spec = campaigns.tiny("shared", {grid = {net = {"spec/support/small_net.lua", missing}, seed = {1, 2, 3}}})
    local its = submit(spec, {slurm = {runs_per_job = 2}})
    assert.same({6, 3}, {its.runs, its.elements})
    local counts = {}
    campaign.run(spec, {program = campaigns.agad, workers = 1, on_event = function(e)
      if e.kind == "start" then counts[e.run.id] = (counts[e.run.id] or 0) + 1 end
    end})
    slurm.ended(its.job)
    for id, n in pairs(starts(spec.dir)) do counts[id] = (counts[id] or 0) + n end
    for _, run in ipairs(campaign.plan(spec)) do
      assert.equal(1, counts[run.id])
      assert.equal(run.point.net == missing and "failed" or "finished", run.state)
    end
    assert.same({runs = 0, elements = 0, counts = {finished = 3, failed = 3}, notes = {}}, submit(spec))
    campaigns.write(missing, campaigns.read "spec/support/small_net.lua")
    its = submit(spec, {retry_failed = true})
    assert.same({3, {finished = 3}}, {its.runs, its.counts})
    slurm.ended(its.job)
    assert.same({finished = 6}, campaign.status(spec).counts)
  end)

  with_slurm("has no more elements than Slurm takes, and says why they wait", function()
    local seeds = {}
    for i = 1, 230 do seeds[i] = i end
    local path = campaigns.file("many", {grid = {seed = seeds}, slurm = {arguments = {"--hold"}}})
    local its = submit(campaign.load(path))
    assert.same({230, 100}, {its.runs, its.elements})
    local out = agad_does("campaign " .. path .. " status")
    has(out, "  230 queued\n", "  queued in Slurm: 230 JobHeldUser\n")
    assert(slurm.sh("scancel %s", its.job))
    slurm.ended(its.job)
    has(agad_does("campaign " .. path .. " status"), "  230 waiting\n")
  end)

  with_slurm("goes back to the queue when its time is nearly over, and goes on from its checkpoint #slow", function()
    local spec = campaigns.tiny("time", {grid = {seed = {1}}, options = {epochs = 12, checkpoint_steps = 1}})
    local run = campaign.plan(spec)[1]
    local its = submit(spec)
    slurm.await("a checkpoint", function() return checkpoint(run) end)
    finally(function() slurm.sh "scontrol update PartitionName=main State=UP" end)
    assert(slurm.sh "scontrol update PartitionName=main State=DOWN")       -- what is running goes on, nothing starts
    assert(slurm.sh("scancel --batch --signal=USR1 %s_0", its.job))        -- as Slurm's --signal sends it
    slurm.await("the job in the queue again", function()
      local element = slurm.elements(its.job)[0]
      return element and element.Restarts == "1" and element.JobState == "PENDING"
    end)
    assert.equal("queued", campaign.status(spec).runs[1].state)
    assert(slurm.sh "scontrol update PartitionName=main State=UP")
    slurm.ended(its.job)
    has(campaigns.read(its.folder .. "/0.txt"), run.id .. " is interrupted\n")
    assert.equal(2, starts(spec.dir)[run.id])
    has(campaigns.read(run.dir .. "/log.txt"), "resum")
    local here = campaigns.tiny("time_here", {grid = spec.grid, options = {epochs = 12, checkpoint_steps = 1}})
    same_rows(campaign.run(here, {program = campaigns.agad}).runs, campaign.plan(spec))
  end)
end)

describe("a campaign of twelve runs in Slurm", function()
  with_slurm("ends in the undisturbed table, to the bit, whatever is killed, cancelled or lost #slow", function()
    local grid = {grid = {seed = {1, 2, 3}, batch = {8, 16}, gamma = {0, .05}}, options = {epochs = 5,
      checkpoint_steps = 1}}
    local path, here = campaigns.file("twelve", grid), campaigns.file("here", grid)
    local spec = campaign.load(path)
    local runs = campaign.plan(spec)
    local its = submit(spec, {file = path})
    local function element(i) return slurm.elements(its.job)[i] or {} end
    assert(slurm.sh("scancel %s_11", its.job))                             -- cancelled: it leaves no record

    slurm.await("a checkpoint of the first run", function() return checkpoint(runs[1]) end)
    local trainer = slurm.sh("pgrep -f '[t]rain .*%s/model.safetensors' | tail -n 1", runs[1].dir)
    assert(slurm.sh("kill -9 %s", trainer))                                -- the training alone
    slurm.await("the training again", function() return (starts(spec.dir)[runs[1].id] or 0) == 2 end)
    assert(slurm.sh("scontrol requeue %s_0", its.job))                     -- the whole job

    slurm.await("the third job's training", function()
      return element(2).JobState == "RUNNING" and checkpoint(runs[3])
    end)
    local node, id = element(2).BatchHost, element(2).JobId
    slurm.lose(node, id)                                                   -- and its training goes on
    slurm.await("the lost job in the queue", function() return element(2).Restarts == "1" end)
    slurm.restart(node)
    slurm.ended(its.job)
    slurm.ended(its.collector)
    assert.equal("1", element(0).Restarts)
    has(campaigns.read(its.folder .. "/status.txt"), "11 finished, 1 waiting")
    for i, run in ipairs(runs) do
      if i > 1 then assert.equal(i < 12 and 1 or nil, starts(spec.dir)[run.id], run.id) end
    end

    its = submit(spec, {file = path})
    assert.equal(1, its.runs)
    slurm.ended(its.job)
    slurm.ended(its.collector)
    local undisturbed = campaign.run(campaign.load(here), {program = campaigns.agad})
    same_rows(undisturbed.runs, campaign.plan(spec))
    assert.equal((agad_does("campaign " .. here .. " table")), campaigns.read(its.folder .. "/table.txt"))
  end)
end)

describe("Slurm that cannot be used", function()
  it("is refused with one line where it is not installed", function()
    local given = os.getenv "PATH"
    luv.os_setenv("PATH", "/nonexistent")
    local message = refused(submit, campaigns.tiny "absent")
    luv.os_setenv("PATH", given)
    assert.equal("campaign: Slurm is not installed here (there is no scontrol); nothing was submitted", message)
  end)

  with_slurm("is refused with one line, and what is finished stays", function()
    local spec = campaigns.tiny("refused", {grid = {seed = {1}}})
    campaign.run(spec, {program = campaigns.agad})
    spec.grid.seed = {1, 2}
    local function refuses(settings, reason)
      has(refused(submit, spec, {slurm = settings}), reason)
      assert.equal("lock", slurm.sh("ls %s/slurm", spec.dir))              -- nothing is left of it
    end
    refuses({partition = "none"}, "campaign: Slurm's sbatch: Invalid partition name specified; nothing was submitted")
    refuses({time = "soon"}, "campaign: Slurm's sbatch: Invalid --time specification; nothing was submitted")
    refuses({gres = "gpu:2"}, "campaign: Slurm's sbatch: Requested node configuration is not available")
    refuses({gres = "disk:2"}, "campaign: Slurm's sbatch: Invalid generic resource (gres) specification")
    refuses({gres = 'a"b'}, "cannot be given to sbatch")
    refuses({partitions = "main"}, "partitions")
    refuses({arguments = {"x"}}, 'is no option of sbatch')
    assert.equal("finished", campaign.plan(spec)[1].state)
  end)

  with_slurm("and does not answer is said by run and status #slow", function()
    local path = campaigns.file("unreachable", {grid = {seed = {1, 2}}})
    local its = submit(campaign.load(path))
    local given, conf = os.getenv "SLURM_CONF", campaigns.path "dead.conf"
    slurm.ended(its.job)
    os.remove(campaign.plan(campaign.load(path))[1].dir .. "/run/result.json")
    campaigns.write(conf, (campaigns.read(given):gsub("SlurmctldPort=%d+", "SlurmctldPort=1")))
    luv.os_setenv("SLURM_CONF", conf)
    finally(function() luv.os_setenv("SLURM_CONF", given) end)
    cli.refuses(1, "campaign " .. path .. " run --slurm", "campaign: Slurm's scontrol: ")
    local out, err = agad_does("campaign " .. path .. " status")
    has(out, "1 finished")
    assert.matches("^note: Slurm's squeue: [^\n]+; what it has queued is not shown\n$", err)
  end)

  it("is named by options that do not go with each other", function()
    local path = campaigns.file("usage")
    cli.refuses(2, "campaign " .. path .. " run --partition main", "--partition goes with --slurm")
    cli.refuses(2, "campaign " .. path .. " status --slurm", "--slurm goes with run, not with status")
    cli.refuses(2, "campaign " .. path .. " --slurm --workers 2", "--workers divides this machine")
    cli.refuses(2, "campaign " .. path .. " --slurm --throttle 0", "--throttle 0: it must be a whole number")
  end)
end)

describe("a folder of a campaign in Slurm", function()
  it("is named where its locks do not hold between nodes", function()
    local lockless = require("agad.campaign.slurm.submit").lockless
    local mounts = "/dev/sda / ext4 rw 0 0\nhost:/a /home nfs4 rw,vers=4.2,local_lock=none 0 0\n"
      .. "host:/b /home/my\\040runs nfs rw,nolock,local_lock=all 0 0\nmds:/x /lustre lustre rw,localflock 0 0\n"
      .. "mds:/y /good lustre rw,flock 0 0\n"
    assert.is_nil(lockless("/tmp/x", mounts))
    assert.is_nil(lockless("/home/a", mounts))
    assert.is_nil(lockless("/good/a", mounts))
    has(lockless("/home/my runs/a", mounts), "/home/my runs is mounted with ", ": locks do not hold between nodes")
    has(lockless("/lustre/a", mounts), "/lustre is mounted with localflock")
    assert.is_nil(lockless("/home/my runsaway", mounts))
  end)
end)
