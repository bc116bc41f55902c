-- The set-up: what is fetched, what is refused, where the program runs from, what is installed.
-- Wheels are small stand-ins, so nothing here needs a network.
-- To add a case: a test that runs the shell or make with sh(command), and checks status, output and files.

local root = io.popen("pwd -P"):read "l"
local build = os.getenv "AGAD_BUILD" or "build"

-- Runs a shell command; status, output (both streams).
local function sh(command, ...)
  local p = io.popen("exec 2>&1\n" .. command:format(...))
  local out = p:read "a"
  local _, _, status = p:close()
  return status, out
end

local function must(command, ...)
  local status, out = sh(command, ...)
  assert(status == 0, out)
  return (out:gsub("\n$", ""))
end

local function write(path, text)
  must("mkdir -p \"$(dirname '%s')\"", path)
  local f = assert(io.open(path, "w"))
  f:write(text)
  f:close()
end

local function exists(path) return (sh("test -e '%s'", path)) == 0 end

-- Without what make and test.sh set for the specs themselves.
local clean_env = "env -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u LIBTORCH -u LD_PRELOAD -u MAKEFLAGS -u MFLAGS -u MAKELEVEL"

describe("LIBTORCH", function()
  local dir
  before_each(function() dir = must "mktemp -d" end)
  after_each(function() must("rm -rf '%s'", dir) end)

  local function libtorch(version, abi)
    local major, minor, patch = version:match "(%d+)%.(%d+)%.(%d+)"
    write(dir .. "/include/torch/headeronly/version.h", ("#define TORCH_VERSION_MAJOR %s\n#define "
      .. "TORCH_VERSION_MINOR %s\n#define TORCH_VERSION_PATCH %s\n"):format(major, minor, patch))
    write(dir .. "/include/ATen/core/Tensor.h", "")
    write(dir .. "/lib/libtorch_cpu.so", "")
    write(dir .. "/lib/libc10.so", abi or "std::__cxx11::basic_string")
  end

  local function check()
    return sh("%s LIBTORCH='%s' .make/libtorch.sh", clean_env, dir)
  end

  it("takes 2.11 and says what it found where", function()
    libtorch "2.11.1"
    local status, out = check()
    assert.are.equal(0, status)
    assert.are.equal(("libtorch 2.11.1 at %s\n%s\n"):format(dir, dir), out)
  end)

  it("refuses another version, in one line with the reason", function()
    for _, v in ipairs {"2.10.0", "2.12.1", "1.13.1", "3.11.0"} do
      libtorch(v)
      local status, out = check()
      assert.are.equal(1, status)
      assert.are.equal(("libtorch: %s is version %s; agad is written for the operators of 2.11 and "
        .. "refuses another\n"):format(dir, v), out)
    end
  end)

  it("refuses the C++ ABI from before C++11", function()
    libtorch("2.11.0", "std::basic_string")
    local status, out = check()
    assert.are.equal(1, status)
    assert.matches("C%+%+ ABI before C%+%+11", out)
  end)

  it("refuses a folder without headers, without libraries, without a version, and no folder", function()
    for _, path in ipairs {"include/ATen", "lib/libtorch_cpu.so", "lib/libc10.so"} do
      libtorch "2.11.0"
      must("rm -rf '%s/%s'", dir, path)
      local status, out = check()
      assert.are.equal(1, status)
      assert.matches("has no include/ATen, lib/libtorch_cpu.so and lib/libc10.so", out, 1, true)
    end
    libtorch "2.11.0"
    write(dir .. "/include/torch/headeronly/version.h", "")
    assert.matches("names no version", select(2, check()))
    must("rm -rf '%s'", dir)
    local status, out = check()
    assert.are.equal(1, status)
    assert.matches("is not a folder", out)
  end)

  it("is refused by make before anything is built", function()
    libtorch "2.10.0"
    local status, out = sh("%s make --no-print-directory -C '%s' CONFIG='%s/config.mk' LIBTORCH='%s' all",
      clean_env, root, dir, dir)
    assert.are_not.equal(0, status)
    assert.matches("refuses another", out)
    assert.is_false(exists(dir .. "/config.mk"))
  end)
end)

describe("the fetched libtorch #slow", function()
  local dir, target
  -- Stand-in wheels with the pinned names; `size` bytes of zeros for the large library.
  local function wheels(size)
    write(dir .. "/make.py", ([[
import zipfile, hashlib, sys
def wheel(name, version, tag, files):
    path = f"%s/wheels/{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info/"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for n, size in files.items(): z.writestr(n, bytes(size))
        z.writestr(info + "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        z.writestr(info + "WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        z.writestr(info + "RECORD", "")
    digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
    print(f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}")
wheel("torch", "2.11.0", "cp312-cp312-manylinux_2_28_x86_64", {
    "torch/include/torch/headeronly/version.h": 3, "torch/include/ATen/core/Tensor.h": 3, "torch/__init__.py": 3,
    "torch/lib/libc10.so": 10, "torch/lib/libgomp.so.1": 10, "torch/lib/libtorch_cuda.so": 10,
    "torch/lib/libtorch_cpu.so": %d, "torch/lib/libtorch_python.so": 5})
wheel("nvidia_cuda_cupti", "13.0.85", "py3-none-manylinux_2_25_x86_64", {"nvidia/cu13/lib/libcupti.so.13": 5})
wheel("nvidia_cuda_runtime", "13.0.96", "py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64",
    {"nvidia/cu13/lib/libcudart.so.13": 5, "nvidia/cu13/include/cuda.h": 5})
]]):format(dir, size))
    must("mkdir -p '%s/wheels' && python3 '%s/make.py' > '%s/pins.txt'", dir, dir, dir)
  end

  local fetch = function(options)
    return ("%s PIP_NO_INDEX=1 PIP_FIND_LINKS='%s/wheels' python3 .make/fetch.py --wheels '%s/pins.txt' %s '%s'")
      :format(clean_env, dir, dir, options or "", target)
  end

  local function files(path)
    return must("cd '%s' && find . -type f | LC_ALL=C sort", path)
  end

  before_each(function() dir = must "mktemp -d"; target = dir .. "/cache/libtorch" end)
  after_each(function() must("rm -rf '%s'", dir) end)

  it("holds headers and linked libraries, and no wheel #slow", function()
    wheels(1000)
    must("%s", fetch())
    assert.are.equal("./.libtorch.lock\n./libtorch/.complete\n./libtorch/nvidia/cu13/lib/libcudart.so.13\n"
      .. "./libtorch/nvidia/cu13/lib/libcupti.so.13\n./libtorch/torch/include/ATen/core/Tensor.h\n"
      .. "./libtorch/torch/include/torch/headeronly/version.h\n./libtorch/torch/lib/libc10.so\n"
      .. "./libtorch/torch/lib/libgomp.so.1\n./libtorch/torch/lib/libtorch_cpu.so", files(dir .. "/cache"))
    -- ready: nothing is fetched again, though the wheels are gone
    must("rm -rf '%s/wheels'", dir)
    assert.are.equal("", must("%s", fetch()))
    -- a library that lost its end is noticed
    must("truncate -s 5 '%s/torch/lib/libtorch_cpu.so'", target)
    assert.are.equal(1, (sh("%s", fetch "--check")))
    wheels(1000)
    must("%s", fetch())
    assert.are.equal("1000", must("stat -c %%s '%s/torch/lib/libtorch_cpu.so'", target))
    -- the CUDA libraries are added to it
    must("%s", fetch "--cuda")
    assert.is_true(exists(target .. "/torch/lib/libtorch_cuda.so"))
    assert.is_true(exists(target .. "/torch/lib/libtorch_cpu.so"))
  end)

  it("is refused where a wheel is not the pinned one #slow", function()
    wheels(1000)
    must("sed -i '1s/sha256:..../sha256:0000/' '%s/pins.txt'", dir)
    local status, out = sh("%s", fetch())
    assert.are.equal(1, status)
    assert.matches("not the pinned ones", out, 1, true)
    assert.are.equal("./.libtorch.lock", files(dir .. "/cache"))
    assert.is_false(exists(target))
  end)

  it("leaves nothing broken when killed half-way #slow", function()
    wheels(1000)
    -- killed as soon as the large library is unpacked, with more to come
    write(dir .. "/killed.py", [[
import os, runpy, signal, sys, zipfile
extract = zipfile.ZipFile.extract
def extract_or_die(self, member, path):
    extract(self, member, path)
    if member.filename.endswith("libtorch_cpu.so"): os.kill(os.getpid(), signal.SIGKILL)
zipfile.ZipFile.extract = extract_or_die
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
]])
    local status = sh("%s; exit $?", (fetch():gsub("python3 ", "%0" .. dir .. "/killed.py ")))
    assert.are.equal(137, status)
    assert.is_false(exists(target))
    assert.matches("libtorch%.new%-", files(dir .. "/cache"))   -- half of it was there
    must("rm -rf '%s/wheels'", dir)
    wheels(1000)
    must("%s", fetch())
    assert.are.equal("1000", must("stat -c %%s '%s/torch/lib/libtorch_cpu.so'", target))
    assert.not_matches("libtorch%.new%-", files(dir .. "/cache"))
  end)

  it("is fetched once by two runs at the same time #slow", function()
    wheels(1000)
    local status, out = sh("(%s) & a=$!; (%s) & b=$!; wait $a && wait $b", fetch(), fetch())
    assert.are.equal(0, status)
    assert.are.equal(1, select(2, out:gsub("unpacking", "")))
    assert.are.equal(0, (sh("%s", fetch "--check")))
  end)
end)

describe("packages", function()
  it("are found without a package manager", function()
    local status, out = sh("AGAD_APT=no .make/packages.sh build test")
    assert.are.equal("", out)
    assert.are.equal(0, status)
  end)

  it("that are missing are named with the one command to run", function()
    -- a PATH with a few tools, apt-get among them, for a user who is not root and has no sudo
    local dir = must "mktemp -d"
    must([[cd '%s' && for c in sh sed cat env; do ln -s "$(command -v $c)" $c; done
      printf '#!/bin/sh\necho 1000\n' > id && printf '#!/bin/sh\nexit 1\n' > apt-get && chmod +x id apt-get]], dir)
    local status, out = sh("PATH='%s' .make/packages.sh build", dir)
    must("rm -rf '%s'", dir)
    assert.are.equal(1, status)
    assert.matches("packages: missing; run this, then make again:\n  sudo apt%-get install gcc g%+%+ lua5.4 "
      .. "lua%-filesystem lua%-argparse lua%-luv lua%-readline liblua5.4%-dev libjansson%-dev libxxhash%-dev "
      .. "libpng%-dev libjpeg%-dev zlib1g%-dev pkg%-config gnuplot%-nox\n", out)
  end)
end)

describe("the build #slow", function()
  it("has nothing to do the second time #slow", function()
    must("%s make --no-print-directory B='%s' all", clean_env, build)
    local out = must("%s make --no-print-directory B='%s' all", clean_env, build)
    assert.matches("^%S+/agad is ready %([^\n]*libtorch 2%.11%.%d[^\n]*%)$", out)
  end)

  it("maps one OpenMP runtime, the one of libtorch", function()
    local out = must("lua5.4 -e 'require \"agad.core\" for l in io.lines \"/proc/self/maps\" do "
      .. "local p = l:match \"%%S*gomp%%S*$\" or l:match \"%%S*iomp%%S*$\" if p then print(p) end end' | sort -u")
    assert.matches("^/%S+/lib/libgomp[^/\n]*$", out)
    assert.not_matches("^/usr/", out)
    assert.not_matches("^/lib/", out)
  end)

  it("does not link the module with a Lua library", function()
    assert.not_matches("liblua", must("readelf -d '%s/lib/agad/core.so'", build))
  end)
end)

describe("the launcher", function()
  local agad = ("%s '%s/%s/agad'"):format(clean_env, root, build)

  it("runs from another folder", function()
    assert.are.equal("1", must("cd / && %s -e 'print(1)'", agad))
  end)

  it("runs through symbolic links, relative ones too", function()
    local dir = must "mktemp -d"
    must("mkdir '%s/a b' && ln -s '%s/%s/agad' '%s/a b/one' && ln -s 'a b/one' '%s/two'", dir, root, build, dir, dir)
    assert.are.equal("1", must("cd / && %s '%s/two' -e 'print(1)'", clean_env, dir))
    must("rm -rf '%s'", dir)
  end)

  it("hands on arguments and exit status", function()
    assert.are.equal("a b", must("cd / && %s -e 'print(\"a b\")'", agad))
    assert.are.equal(2, (sh("cd / && %s no-such-command", agad)))
  end)
end)

describe("make install #slow", function()
  local dir
  before_each(function() dir = must "mktemp -d" end)
  after_each(function() must("rm -rf '%s'", dir) end)

  it("runs when tree and cache cannot be reached #slow", function()
    -- all may read it, whatever the umask of who installed it
    must("umask 077; %s make --no-print-directory B='%s' install PREFIX='%s/p q'", clean_env, build, dir)
    assert.are.equal("", must("find '%s/p q' ! -perm -004 -o -type d ! -perm -005", dir))
    local agad = ("cd / && %s -u XDG_CACHE_HOME HOME=/nonexistent '%s/p q/bin/agad'"):format(clean_env, dir)
    assert.are.equal("1", must("%s -e 'print(1)'", agad))
    -- the script that PyTorch runs for `agad bench` is there, with what it imports
    local script = must("%s -e 'print((require \"agad.bench.peer\".script()))'", agad)
    assert.are.equal(dir .. "/p q/bin/../share/lua/5.4/agad/bench/peer.py", script)
    must("test -f '%s' && test -f '%s'", script, script:gsub("peer%.py$", "peer_nets.py"))
    -- what is mapped lies under the prefix or in the system
    local maps = must("%s -e 'require \"agad.core\" for l in io.lines \"/proc/self/maps\" do print(l) end'"
      .. " | sed -n 's|^[^/]*/|/|p' | sort -u", agad)
    assert.matches("p q/lib/agad/libtorch_cpu.so", maps, 1, true)
    assert.not_matches("/.cache/", maps, 1, true)
    assert.not_matches(root .. "/", maps, 1, true)
    -- and no file names the tree or the cache
    assert.are.equal(1, (sh("readelf -d '%s/p q/lib/agad/'*.so '%s/p q/lib/lua/5.4/agad/core.so' | grep PATH "
      .. "| grep -e '%s/' -e '/.cache/'", dir, dir, root)))
    -- and they export what those of the build do
    local exports = "nm -D --defined-only '%s/%s' | cut -d' ' -f3"
    for installed, built in pairs {["agad/libagad.so"] = "libagad.so", ["lua/5.4/agad/core.so"] = "agad/core.so"} do
      assert.equal(must(exports, build .. "/lib", built), must(exports, dir .. "/p q/lib", installed))
    end
  end)

  it("puts everything under DESTDIR #slow", function()
    must("%s make --no-print-directory B='%s' install PREFIX=/opt/x DESTDIR='%s/d'", clean_env, build, dir)
    assert.are.equal("./opt/x", must("cd '%s/d' && find . -maxdepth 2 -mindepth 2", dir))
    -- moved to another place it still runs: every path in it is relative
    must("mv '%s/d/opt/x' '%s/y'", dir, dir)
    assert.are.equal("1", must("cd / && %s '%s/y/bin/agad' -e 'print(1)'", clean_env, dir))
  end)

  it("refuses a relative prefix", function()
    local status, out = sh("%s make --no-print-directory B='%s' install PREFIX=here", clean_env, build)
    assert.are_not.equal(0, status)
    assert.matches("PREFIX must be an absolute path, not here/share/lua/5.4", out, 1, true)
  end)
end)
