-- `agad fetch` as a process: statuses, lines, Ctrl-C, kill, a full disk, two at once.
-- To add a case: a test that runs command(set, modes of the server); spec/support/http_server.lua lists the modes.

local core = require "agad.core"
local lfs = require "lfs"
local luv = require "luv"

local has = dofile("spec/support/checks.lua").has
local site = dofile "spec/support/fetch_site.lua"
local dir, root, files, content, sums, nowhere = site.dir, site.root, site.files, site.content, site.sums, site.nowhere
local shell, read, write, tree = site.shell, site.read, site.write, site.tree
local get, requests, assert_tiny = site.get, site.requests, site.assert_tiny
local launcher = os.getenv "AGAD" or lfs.currentdir() .. "/build/agad"

if not site.can_fetch then
  describe("agad fetch", function() pending "is not tested: there is no curl" end)
  return
end

setup(site.start)
teardown(site.stop)
before_each(site.fresh)

-- A chunk that is `agad fetch` with another table of sources; `more` are other arguments of the command.
local function command(name, modes, more)
  local path, places = dir .. "/sources.lua", {}
  for i, mode in ipairs(modes) do places[i] = ("%q"):format(site.base(mode)) end
  write(path, ([[
    local places = {%s}
    return {
      tiny = {folder = "tiny", places = places, files = {
        {name = "a.gz", bytes = %d, download = 60000, sha256 = %q}, {name = "b.bin", bytes = %d, sha256 = %q}}},
      packed = {folder = "packed", places = places,
        archive = {name = "packed.tar.gz", bytes = %d, sha256 = %q},
        files = {{name = "one.bin", bytes = %d, sha256 = %q}, {name = "names.txt"}}},
    }]]):format(table.concat(places, ", "), #content.a, sums.a, #content.b, sums.b, site.archive_bytes, sums.packed,
    #content.one, sums.one))
  write(dir .. "/run.lua", ("require('agad.cli.commands.fetch').run {" ..
    "name = {%q}, root = %q, sources = %q, %s}"):format(name, root,
    path, more or ""))
  return ("'%s' '%s/run.lua'"):format(launcher, dir)
end

-- Status, stdout, stderr of a shell command.
local function run(text)
  local status = shell("cd '%s' && %s > out 2> err", dir, text)
  return status, read(dir .. "/out"), read(dir .. "/err")
end

-- Starts a command and waits until it has written a part of some size; its process id.
local function started(text, part)
  shell("cd '%s' && { %s > out 2> err & echo $! > pid; wait $!; echo $? > code; mv code status; } 2> /dev/null &", dir,
    text)
  for _ = 1, 15000 do
    local size = lfs.attributes(part, "size")
    if size and size > 8000 then return tonumber(read(dir .. "/pid")) end
    luv.sleep(20)
  end
  error("no part: " .. (read(dir .. "/err") or ""))
end

local function ended()
  for _ = 1, 15000 do
    local status = read(dir .. "/status")
    if status then
      os.remove(dir .. "/status")
      return tonumber(status)
    end
    luv.sleep(20)
  end
  error "it did not end"
end

local function curls()                           -- processes that still download from here
  local n = 0
  for pid in lfs.dir "/proc" do
    local line = pid:find "^%d+$" and read("/proc/" .. pid .. "/cmdline")
    if line and line:find "^curl%z" and line:find(("127.0.0.1:%s/"):format(site.port), 1, true) then n = n + 1 end
  end
  return n
end

describe("agad fetch", function()
  it("prints a line, or JSON", function()
    local status, out, err = run(command("tiny", {"plain"}, "json = true"))
    assert.equal(0, status, err)
    assert.equal("", err)
    assert.same({name = "tiny", path = root .. "/tiny", bytes = #read(files .. "/a.gz") + #content.b,
      files = {"a.gz", "b.bin"}, already = false}, core.json_decode(out))
    status, out = run(command("tiny", {"plain"}))
    assert.equal(0, status)
    assert.equal(("tiny: 2 files, 0.1 MB, in %s/tiny (already there)\n"):format(root), out)
  end)

  it("fails with one line and status 1", function()
    local status, out, err = run(command("tiny", {"missing", nowhere}))
    assert.equal(1, status)
    assert.equal("", out)
    assert.matches("^agad: tiny: a.gz could not be downloaded: [^\n]+\n$", err)
  end)

  it("ends with 130 on Ctrl-C, keeps the part, and continues it", function()
    local part = root .. "/tiny/a.gz.part"
    local pid = started(command("tiny", {"hold"}), part)
    assert.equal(0, shell("kill -INT %d", pid))
    assert.equal(130, ended())
    assert.equal("agad: interrupted\n", read(dir .. "/err"))
    assert.same({"tiny/a.gz.part"}, tree(root))
    local size = lfs.attributes(part, "size")
    requests()
    assert.equal(0, (run(command("tiny", {"plain"}))))
    assert.equal(("plain a.gz bytes=%d- 206"):format(size), requests()[1])
    assert_tiny()
  end)

  it("continues after it was killed, and its curl does not go on", function()
    local part = root .. "/tiny/a.gz.part"
    local pid = started(command("tiny", {"hold"}), part)
    assert.equal(1, curls())
    assert.equal(0, shell("kill -KILL %d", pid))
    assert.equal(137, ended())
    site.go "drip"                               -- all of it would take minutes
    for _ = 1, 5000 do
      if curls() == 0 then break end
      luv.sleep(20)
    end
    assert.equal(0, curls())
    local size = lfs.attributes(part, "size")
    requests()
    assert.equal(0, (run(command("tiny", {"plain"}))))
    assert.equal(("plain a.gz bytes=%d- 206"):format(size), requests()[1])
    assert_tiny()
  end)

  it("waits for another that is at work in the same place", function()
    started(command("tiny", {"hold"}), root .. "/tiny/a.gz.part")
    local waits = 0
    local row = get("tiny", {nowhere}, {on_event = function(e)
      assert.equal("wait", e.kind)
      waits = waits + 1
      site.go "all"
    end})
    assert.same({true, 1}, {row.already, waits})
    assert.equal(0, ended())
    assert_tiny()
  end)

  -- A file system of some KB over the root, seen by these processes only.
  local function on_small_disk(kilobytes, text)
    lfs.mkdir(root)
    local unshare = shell("unshare -m true 2> /dev/null") == 0 and "unshare -m" or "unshare -rm"
    local mount = ("mount -t tmpfs -o size=%dk tmpfs '%s'"):format(kilobytes, root)
    if shell("%s sh -c \"%s\" 2> /dev/null", unshare, mount) ~= 0 then return nil end
    return run(([[%s sh -c "%s && { %s; s=\$?; cd '%s'; find . ! -type d -size +0 > ../listing; exit \$s; }"]]):format(
      unshare, mount, text, root))
  end

  it("says that the disk is full and keeps the part", function()
    local status, _, err = on_small_disk(32, command("tiny", {"plain"}))
    if not status then return pending "no small file system can be mounted here" end
    assert.equal(1, status)
    assert.matches(("^agad: the disk is full: %s/tiny/a.gz.part holds %%d+ bytes and is kept; make room, then fetch "
      .. "again to continue\n$"):format(root:gsub("%p", "%%%0")), err)
    assert.equal("./tiny/a.gz.part\n", read(dir .. "/listing"))
  end)

  it("keeps the archive when the disk is too full to unpack it", function()
    local status, _, err = on_small_disk(140, command("packed", {"plain"}))
    if not status then return pending "no small file system can be mounted here" end
    assert.equal(1, status)
    assert.matches("^agad: packed: the disk is full: unpacking [^\n]*packed.tar.gz.part takes 0.1 MB, but 0.0 MB are "
      .. "free; [^\n]*\n$", err)
    assert.equal("./packed.tar.gz.part\n", read(dir .. "/listing"))
  end)

  it("lists what there is", function()
    local status, out = run(("'%s' fetch --root '%s'"):format(launcher, root))
    assert.equal(0, status)
    has(out, "cifar10 ", "cifar100 ", "fashion-mnist ", "mnist ", "170.1 MB", "11.6 MB", " no ", root)
    status, out = run(("'%s' fetch --json --root '%s'"):format(launcher, root))
    assert.equal(0, status)
    local names = {}
    for line in out:gmatch "[^\n]+" do
      local row = core.json_decode(line)
      names[#names + 1] = row.name
      assert.is_true(row.bytes > 1e7)
      assert.is_false(row.already)
    end
    local wanted = {}
    for name in pairs(require("agad.data.named").sources()) do wanted[#wanted + 1] = name end
    table.sort(wanted)
    assert.same(wanted, names)
  end)

  it("refuses wrong usage with status 2", function()
    local function refuses(arguments, ...)
      local status, out, err = run(("'%s' fetch %s"):format(launcher, arguments))
      assert.equal(2, status)
      assert.equal("", out)
      assert.matches("^agad: [^\n]+\n$", err)
      has(err, ...)
    end
    refuses("mnst", "no data set mnst; did you mean mnist?")
    refuses("mnist fashion-mnist --from http://x/", "--from needs exactly one data set")
  end)

  it("says without a network which files to bring where", function()
    local status, out, err = run(("http_proxy=%s https_proxy=%s '%s' fetch mnist --root '%s'"):format(nowhere, nowhere,
      launcher, root))
    assert.equal(1, status)
    assert.equal("", out)
    has(err, "mnist: train-images-idx3-ubyte.gz could not be downloaded: ", "train-labels-idx1-ubyte.gz, ",
      "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz (from https://",
      (" to %s/mnist and run: agad fetch mnist --root %s"):format(root, root))
  end)

  it("is named where data is missing", function()
    for _, name in ipairs {"mnist", "fashion-mnist"} do
      local status, _, err = run(("'%s' info %s --root '%s'"):format(launcher, name, root))
      assert.equal(1, status)
      assert.matches((" or run: agad fetch " .. name .. "\n$"):gsub("%-", "%%-"), err)
    end
  end)
end)
