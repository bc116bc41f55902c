-- A real Slurm of two nodes on this machine, with a core each and what it takes for a GPU on the first. Any user can
-- start it: munged, slurmctld, and a slurmd for each node, in a folder of its own. It is reached through SLURM_CONF,
-- which is set here. Call slurm.stop() in teardown.

local checks = dofile "spec/support/checks.lua"
local lfs = require "lfs"
local luv = require "luv"
local scratch = dofile "spec/support/scratch.lua"

local slurm = {folder = scratch.folder}

local CONF = [[
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort=PORT0
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=DIR/munge.sock,cred_expire=5
SlurmUser=USER
SlurmdUser=USER
StateSaveLocation=DIR/state
SlurmdSpoolDir=DIR/spool.%n
SlurmctldPidFile=DIR/slurmctld.pid
SlurmdPidFile=DIR/slurmd.%n.pid
SlurmctldLogFile=DIR/slurmctld.log
SlurmdLogFile=DIR/slurmd.%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=5
MinJobAge=3600
MaxArraySize=100
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
RequeueExit=137,143
GresTypes=gpu
NodeName=n0 NodeHostname=localhost NodeAddr=127.0.0.1 Port=PORT1 CPUs=1 RealMemory=2000 Gres=gpu:1
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=PORT2 CPUs=1 RealMemory=2000
PartitionName=main Nodes=ALL Default=YES
]]

-- Ports that nobody has now.
local function free_ports(n)
  local ports, sockets = {}, {}
  for i = 1, n do
    sockets[i] = luv.new_tcp()
    assert(sockets[i]:bind("127.0.0.1", 0))
    ports[i] = sockets[i]:getsockname().port
  end
  for _, socket in ipairs(sockets) do socket:close() end
  luv.run "nowait"
  return ports
end

--- What a shell's command prints, without the last line's end; nil if it fails.
function slurm.sh(command, ...)
  local pipe = io.popen(command:format(...) .. " 2> /dev/null")
  local text = pipe:read "a"
  return pipe:close() and (text:gsub("\n$", "")) or nil
end

--- Waits for an event; an error shows Slurm's queue and logs too.
function slurm.await(what, f)
  return checks.await(what, f, function()
    return ("\n%s\n%s"):format(slurm.sh "squeue -a -r" or "no squeue",
      slurm.sh("tail -n 20 %s/slurm*.log", slurm.folder) or "")
  end)
end

local function daemon(command, ...)
  local text = slurm.sh("PATH=$PATH:/usr/sbin:/sbin " .. command .. " 2>&1 && echo up", ...)
  assert(text and text:find "up$", command)
end

--- Starts it.
-- @return string|nil why it cannot be had here; nil: it is up
function slurm.start()
  for _, name in ipairs {"munged", "slurmctld", "slurmd", "sbatch", "pgrep"} do
    if not slurm.sh("PATH=$PATH:/usr/sbin:/sbin command -v %s", name) then
      return ("%s is not installed (make test-deps)"):format(name)
    end
  end
  local dir, ports = scratch.folder, free_ports(3)
  local changes = {DIR = dir, USER = slurm.sh "id -un", PORT0 = ports[1], PORT1 = ports[2], PORT2 = ports[3]}
  scratch.write(dir .. "/slurm.conf", (CONF:gsub("%u[%u]+%d?", function(word) return changes[word] end)))
  scratch.write(dir .. "/gres.conf", "NodeName=n0 Name=gpu File=/dev/null\n")
  assert(os.execute(("cd %s && chmod 755 . && mkdir state spool.n0 spool.n1 "
    .. "&& head -c 1024 /dev/urandom > munge.key && chmod 400 munge.key"):format(dir)))
  luv.os_setenv("SLURM_CONF", dir .. "/slurm.conf")
  daemon("munged --key-file=%s/munge.key --socket=%s/munge.sock --pid-file=%s/munged.pid --log-file=%s/munge.log "
    .. "--seed-file=%s/munge.seed", dir, dir, dir, dir, dir)
  daemon "slurmctld"
  slurm.restart "n0"
  slurm.restart "n1"
  slurm.await("two nodes", function() return slurm.sh "sinfo -h -o '%%D %%t'" == "2 idle" end)
end

--- Starts a node's slurmd.
function slurm.restart(node) daemon("slurmd -N %s", node) end

local function pid_of(name)
  local text = scratch.read(("%s/%s.pid"):format(scratch.folder, name))
  return text and text:match "%d+"
end

--- Takes a node away, with Slurm's processes there, as if its machine were lost; what trains there goes on.
-- @param node string
-- @param job string the number of the job there
function slurm.lose(node, job)
  local found = 0
  for pid in (slurm.sh "pgrep -x slurmstepd" or ""):gmatch "%d+" do
    local ours = (scratch.read(("/proc/%s/environ"):format(pid)) or ""):find(scratch.folder, 1, true)
    local name = scratch.read(("/proc/%s/cmdline"):format(pid)) or ""
    if ours and name:find(("[%s."):format(job), 1, true) then
      os.execute("kill -9 " .. pid)
      found = found + 1
    end
  end
  assert(found == 1, "no slurmstepd has job " .. job)
  os.execute("kill -9 " .. pid_of("slurmd." .. node))
end

--- The fields of a job's elements: index -> {JobState, Restarts, BatchHost, …}.
function slurm.elements(job)
  local list = {}
  for line in (slurm.sh("scontrol -o show job %s", job) or ""):gmatch "[^\n]+" do
    local its = {}
    for key, v in line:gmatch "([%w:/]+)=(%S*)" do its[key] = v end
    if its.ArrayTaskId then list[tonumber(its.ArrayTaskId) or its.ArrayTaskId] = its else list.job = its end
  end
  return list
end

--- Waits until Slurm has a job no more.
function slurm.ended(job)
  slurm.await("the end of job " .. job, function() return slurm.sh("squeue -h -r -j %s", job) == "" end)
end

--- Ends it, and removes its folder.
function slurm.stop()
  if not lfs.attributes(scratch.folder .. "/slurm.conf") then return scratch.remove() end
  local pids = {}
  for _, name in ipairs {"slurmctld", "slurmd.n0", "slurmd.n1", "munged"} do pids[#pids + 1] = pid_of(name) end
  slurm.sh "scancel -u $(id -un)"
  slurm.sh "scontrol shutdown"
  for i, pid in ipairs(pids) do
    if i == #pids then slurm.sh("kill %s", pid) end
    for _ = 1, 100 do
      local stat = scratch.read(("/proc/%s/stat"):format(pid))
      if not stat or stat:find "%) Z" then break end
      luv.sleep(100)
    end
  end
  luv.os_unsetenv "SLURM_CONF"
  scratch.remove()
end

return slurm
