-- Threads: how many cores a process may use, which number of threads follows from it, and how idle ones wait.
-- To add a machine: the texts of the files below /proc and /sys that tell its cores, given to cores().

local agad = require "agad"
local core = agad.core
local make_folder = require("agad.base.folder").make
local cli = dofile "spec/support/cli.lua"
local scratch = dofile "spec/support/scratch.lua"
local read, write = scratch.read, scratch.write
teardown(function() scratch.remove() cli.remove() end)

local machines = 0

-- The cores of a machine of four cores with two hyperthreads each: 0 and 4, 1 and 5, 2 and 6, 3 and 7.
local function cores(files)
  machines = machines + 1
  local root = scratch.path("machine" .. machines)
  local all = {["/proc/thread-self/status"] = "Name:\tagad\nThreads:\t1\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n"}
  for cpu = 0, 7 do
    all[("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list"):format(cpu)] =
      ("%d,%d\n"):format(cpu % 4, cpu % 4 + 4)
  end
  for path, text in pairs(files) do all[path] = text end
  for path, text in pairs(all) do
    make_folder((root .. path):match "^(.*)/")
    write(root .. path, text)
  end
  return core.cores(root)
end

local function allowed(list) return {["/proc/thread-self/status"] = "Cpus_allowed_list:\t" .. list .. "\n"} end

describe("the cores that a process may use", function()
  it("are the physical ones in its affinity mask", function()
    assert.equal(4, cores {})
    assert.equal(1, cores(allowed "2"))
    assert.equal(1, cores(allowed "0,4"))                -- one core's two hyperthreads
    assert.equal(2, cores(allowed "0-1,5"))
    assert.equal(3, cores(allowed "1-3,7"))
  end)

  it("are single where nothing tells which share a core", function()
    assert.equal(3, cores(allowed "97,100-101"))
  end)

  it("are at most what the cgroup of a container allows, rounded up", function()
    local function limited(limit)
      return cores {["/proc/self/cgroup"] = "0::/\n", ["/sys/fs/cgroup/cpu.max"] = limit, ["/proc/self/mountinfo"] =
        "604 580 0:53 / / rw,relatime master:173 - overlay overlay rw,lowerdir=/a:/b\n" ..
        "612 611 0:30 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n"}
    end
    assert.equal(4, limited "max 100000\n")
    assert.equal(2, limited "150000 100000\n")
    assert.equal(2, limited "200000 100000\n")
    assert.equal(1, limited "5000 100000\n")
    assert.equal(4, limited "1600000 100000\n")
  end)

  it("are at most what the cgroups around its own allow", function()
    local service = "/system.slice/train.service"
    assert.equal(2, cores {["/proc/self/cgroup"] = "0::" .. service .. "\n",
      ["/proc/self/mountinfo"] = "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
      ["/sys/fs/cgroup" .. service .. "/cpu.max"] = "max 100000\n",
      ["/sys/fs/cgroup/system.slice/cpu.max"] = "180000 100000\n"})
  end)

  it("are at most what a cgroup of version 1 allows", function()
    local function limited(quota, from, where)
      return cores {["/proc/self/cgroup"] = "12:cpuset:/docker/1f\n4:cpuacct,cpu:/docker/1f\n1:name=systemd:/\n",
        ["/proc/self/mountinfo"] = "40 32 0:34 " .. from ..
          " /sys/fs/cgroup/cpuset ro,nosuid - cgroup cgroup rw,cpuset\n41 32 0:35 " .. from ..
          " /sys/fs/cgroup/cpu,cpuacct ro,nosuid,nodev master:15 - cgroup cgroup rw,cpuacct,cpu\n",
        ["/sys/fs/cgroup/cpuset/cpu.cfs_quota_us"] = "100000\n",
        ["/sys/fs/cgroup/cpu,cpuacct" .. where .. "/cpu.cfs_quota_us"] = quota,
        ["/sys/fs/cgroup/cpu,cpuacct" .. where .. "/cpu.cfs_period_us"] = "50000\n"}
    end
    assert.equal(4, limited("-1\n", "/docker/1f", ""))
    assert.equal(3, limited("125000\n", "/docker/1f", ""))           -- in the container: its part of the hierarchy
    assert.equal(3, limited("125000\n", "/", "/docker/1f"))          -- on the host
  end)
end)

describe("a process", function()
  local cpu = read("/proc/thread-self/status"):match "Cpus_allowed_list:%s*(%d+)"

  local function threads(before)
    local status, out, err = cli.agad("-e 'print(agad.get_num_threads())'", before)
    assert.same({0, ""}, {status, err})
    return math.tointeger(out)
  end

  it("has as many threads as cores by default", function()
    assert.equal(core.cores(), threads "env -u OMP_NUM_THREADS -u MKL_NUM_THREADS")
    assert.equal(1, threads(("env -u OMP_NUM_THREADS -u MKL_NUM_THREADS taskset -c %s"):format(cpu)))
  end)

  it("has as many as OMP_NUM_THREADS says", function()
    assert.equal(1, threads "OMP_NUM_THREADS=1")
    assert.equal(threads "OMP_NUM_THREADS=2", threads(("OMP_NUM_THREADS=2 taskset -c %s"):format(cpu)))
  end)

  it("has as many as were asked for before the devices are looked for", function()
    local code = [[local core = require "agad.core" core.threads(3) require "agad" print(core.threads())]]
    local pipe = io.popen(("taskset -c %s lua5.4 -e '%s'"):format(cpu, code))
    local text = pipe:read "a"
    pipe:close()
    assert.equal("3\n", text)
  end)

  -- What libgomp read when it was loaded, and what the environment is afterwards.
  local function spins(command)
    local pipe = io.popen(("env -u GOMP_SPINCOUNT -u OMP_WAIT_POLICY OMP_DISPLAY_ENV=verbose %s 2>&1"):format(command))
    local text = pipe:read "a"
    assert(pipe:close(), text)
    return text:match "GOMP_SPINCOUNT = '(%d+)'", text:match "spins\t(%w+)"
  end

  it("lets idle threads sleep soon, and leaves its environment as it was", function()
    local code = [[require "agad" print("spins", os.getenv "GOMP_SPINCOUNT")]]
    for _, program in ipairs {cli.launcher, "lua5.4"} do
      local function started(with) return spins(("%s %s -e '%s'"):format(with, program, code)) end
      assert.same({"3000", "nil"}, {started ""}, program)
      assert.same({"77", "77"}, {started "GOMP_SPINCOUNT=77"}, program)
      assert.same({"0", "nil"}, {started "OMP_WAIT_POLICY=passive"}, program)
    end
  end)

  it("uses the core that its host brings", function()
    local code = [[local path = package.searchpath("agad.core", package.cpath)
      package.preload["agad.core"] = function() host = true return package.loadlib(path, "luaopen_agad_core")() end
      require "agad" print(host, agad == nil, package.loaded["agad.core"].threads() > 0)]]
    local pipe = io.popen(("lua5.4 -e '%s' 2>&1"):format(code))
    local text = pipe:read "a"
    pipe:close()
    assert.equal("true\ttrue\ttrue\n", text)
  end)
end)
