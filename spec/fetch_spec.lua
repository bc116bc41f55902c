-- agad fetch against a local server that misbehaves: what is written, what is asked for, what is said.

local core = require "agad.core"
local fetch = require "agad.fetch"
local lfs = require "lfs"
local luv = require "luv"

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local launcher = os.getenv "AGAD" or lfs.currentdir() .. "/build/agad"
local dir = os.tmpname()
os.remove(dir)
lfs.mkdir(dir)
local root = dir .. "/root"
local nowhere = "http://127.0.0.1:1/"            -- nothing listens on port 1

local function shell(...)
  local _, _, status = os.execute(string.format(...))
  return status
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function sha256(path)
  local pipe = io.popen(("sha256sum < '%s'"):format(path))
  local hash = pipe:read "l":sub(1, 64)
  pipe:close()
  return hash
end

-- All names below a folder, sorted, folders left out.
local function tree(path)
  local pipe = io.popen(("cd '%s' && find . ! -type d | sed 's/^..//' | LC_ALL=C sort"):format(path))
  local names = {}
  for line in pipe:lines() do names[#names + 1] = line end
  pipe:close()
  return names
end

-- Files that gzip cannot shrink, so that "half-way" means something.
local function noise(n, seed)
  local words, x = {}, seed
  for i = 1, n // 8 do
    x = x * 6364136223846793005 + 1442695040888963407
    words[i] = ("<i8"):pack(x ~ x >> 29)
  end
  return table.concat(words)
end

-- What is served ----------------------------------------------------------------------------------------

local files = dir .. "/files"
local content = {a = noise(60000, 1), b = noise(8000, 2), one = noise(90000, 3), names = "cat\ndog\n"}
local server, port, sums, archive_bytes = nil, nil, {}, nil

setup(function()
  shell("mkdir -p '%s/packed'", files)
  write(files .. "/a", content.a)
  write(files .. "/b.bin", content.b)
  write(files .. "/packed/one.bin", content.one)
  write(files .. "/packed/names.txt", content.names)
  for name, path in pairs {a = "a", b = "b.bin", one = "packed/one.bin"} do sums[name] = sha256(files .. "/" .. path) end
  shell("cd '%s' && gzip -n a && tar -czf packed.tar.gz packed && rm -r packed", files)
  sums.packed, archive_bytes = sha256(files .. "/packed.tar.gz"), lfs.attributes(files .. "/packed.tar.gz", "size")
  server = io.popen(("exec '%s' spec/support/http_server.lua '%s'"):format(luv.exepath(), dir), "w")
  for _ = 1, 100 do
    port = read(dir .. "/port")
    if port then break end
    luv.sleep(50)
  end
  assert(port, "the server did not start")
end)

teardown(function()
  if server then server:close() end              -- its standard input ends, and so does it
  shell("rm -rf '%s'", dir)
end)

local function base(mode) return mode:find "^http" and mode or ("http://127.0.0.1:%s/%s/"):format(port, mode) end

-- The table of sources with these modes as places.
local function sources(...)
  local places = {}
  for i, mode in ipairs {...} do places[i] = base(mode) end
  return {
    tiny = {folder = "tiny", places = places, title = "two files", files = {
      {name = "a.gz", bytes = #content.a, download = 60000, sha256 = sums.a},
      {name = "b.bin", bytes = #content.b, download = 8000, sha256 = sums.b},
    }},
    packed = {folder = "packed", places = places, title = "an archive",
      archive = {name = "packed.tar.gz", bytes = archive_bytes, download = archive_bytes, sha256 = sums.packed},
      files = {{name = "one.bin", bytes = #content.one, sha256 = sums.one}, {name = "names.txt"}}},
  }
end

local function get(name, modes, o)
  o = o or {}
  o.root, o.sources = o.root or root, sources(table.unpack(modes))
  return fetch.get(name, o)
end

-- The requests since the last call, as {"plain a.gz - 200", …}.
local function requests()
  local lines = {}
  for line in (read(dir .. "/requests") or ""):gmatch "[^\n]+" do lines[#lines + 1] = line end
  os.remove(dir .. "/requests")
  return lines
end

local tiny_files, packed_files = {"tiny/a.gz", "tiny/b.bin"}, {"packed/names.txt", "packed/one.bin"}

local function assert_tiny()
  assert.same(tiny_files, tree(root))
  assert.equal(read(files .. "/a.gz"), read(root .. "/tiny/a.gz"))
  assert.equal(content.b, read(root .. "/tiny/b.bin"))
end

local function assert_packed()
  assert.same(packed_files, tree(root))
  assert.equal(content.one, read(root .. "/packed/one.bin"))
  assert.equal(content.names, read(root .. "/packed/names.txt"))
end

before_each(function()
  shell("rm -rf '%s'", root)
  requests()
end)

describe("fetch.get, files", function()
  it("gets them, checks them, and says what it has", function()
    local row = get("tiny", {"plain"})
    assert_tiny()
    assert.same({name = "tiny", path = root .. "/tiny", bytes = #read(files .. "/a.gz") + #content.b,
      files = {"a.gz", "b.bin"}, already = false}, row)
    assert.same({"plain a.gz - 200", "plain b.bin - 200"}, requests())
  end)

  it("tells how far it is", function()
    local events = {}
    get("tiny", {"plain"}, {on_event = function(e) events[#events + 1] = e end})
    local last = events[#events]
    assert.same({kind = "progress", name = "tiny", file = "b.bin", host = "127.0.0.1:" .. port, bytes = #content.b,
      total = 8000}, last)
  end)

  it("leaves a good copy alone", function()
    get("tiny", {"plain"})
    requests()
    local before = lfs.attributes(root .. "/tiny/a.gz", "ino")
    local row = get("tiny", {"plain"})
    assert.is_true(row.already)
    assert.same({}, requests())
    assert.equal(before, lfs.attributes(root .. "/tiny/a.gz", "ino"))
  end)

  it("takes unpacked copies, and gets only what is not there", function()
    shell("mkdir -p '%s/tiny'", root)
    write(root .. "/tiny/a", content.a)
    local row = get("tiny", {"plain"})
    assert.same({"plain b.bin - 200"}, requests())
    assert.same({"a", "b.bin"}, row.files)
    assert.same({"tiny/a", "tiny/b.bin"}, tree(root))
  end)

  it("moves a wrong copy aside, whichever name it has", function()
    shell("mkdir -p '%s/tiny'", root)
    write(root .. "/tiny/a", "mine")
    write(root .. "/tiny/a.gz", "mine too")
    local row = get("tiny", {"plain"})
    assert.same({"tiny/a.gz", "tiny/a.gz.old", "tiny/a.old", "tiny/b.bin"}, tree(root))
    assert.equal("mine", read(root .. "/tiny/a.old"))
    assert.equal("mine too", read(root .. "/tiny/a.gz.old"))
    assert.equal(2, #row.notes)
    has(row.notes[1], root .. "/tiny/a was not the official file; it is now " .. root .. "/tiny/a.old")
    write(root .. "/tiny/a.gz", "again")
    get("tiny", {"plain"})
    assert.equal("mine too", read(root .. "/tiny/a.gz.old"))
    assert.equal("again", read(root .. "/tiny/a.gz.old2"))
  end)

  it("moves an unpacked wrong copy out of a good one's way without asking anybody", function()
    get("tiny", {"plain"})
    requests()
    write(root .. "/tiny/a", "cut short")
    local row = get("tiny", {"plain"})
    assert.same({}, requests())
    assert.equal(1, #row.notes)
    assert.same({"tiny/a.gz", "tiny/a.old", "tiny/b.bin"}, tree(root))
  end)

  it("fetches again with force, and keeps the old copy when that fails", function()
    get("tiny", {"plain"})
    local before = lfs.attributes(root .. "/tiny/a.gz", "ino")
    refused(get, "tiny", {"broken"}, {force = true})
    assert_tiny()
    assert.equal(before, lfs.attributes(root .. "/tiny/a.gz", "ino"))
    requests()
    assert.is_false(get("tiny", {"plain"}, {force = true}).already)
    assert_tiny()
    assert.same({"plain a.gz - 200", "plain b.bin - 200"}, requests())
    assert.not_equal(before, lfs.attributes(root .. "/tiny/a.gz", "ino"))
  end)

  it("follows redirects to servers, not to files", function()
    get("tiny", {"redirect"})
    assert_tiny()
    shell("rm -rf '%s'", root)
    has(refused(get, "tiny", {"tofile"}), "tiny: a.gz could not be fetched: ", "rotocol \"file\"")
    assert.same({}, tree(root))
  end)

  it("takes the files from another address", function()
    local row = get("tiny", {"missing"}, {from = base "plain":sub(1, -2)})   -- without its last slash
    assert.is_false(row.already)
    assert_tiny()
  end)
end)

describe("fetch.get, parts", function()
  local half = 30000

  it("continues by itself when a connection is cut", function()
    get("tiny", {"cutonce"})
    assert_tiny()
    local said = requests()
    local size = #read(files .. "/a.gz")
    assert.same({"cutonce a.gz - 200", ("cutonce a.gz bytes=%d- 206"):format(size // 2), "cutonce b.bin - 200",
      ("cutonce b.bin bytes=%d- 206"):format(#content.b // 2)}, said)
  end)

  it("gives a place up after five cuts and goes on from there at the next", function()
    local row = get("tiny", {"cut", "plain"})
    assert_tiny()
    local said = requests()
    assert.matches("^cut a.gz bytes=%d+%- 206$", said[5])
    assert.matches("^plain a.gz bytes=%d+%- 206$", said[6])
    assert.equal(2, #row.notes)
    has(row.notes[1], "a.gz: 127.0.0.1:" .. port .. ": ")
  end)

  it("keeps the part when all places fail, and continues it next time", function()
    has(refused(get, "tiny", {"cut"}), " bytes are kept and will be continued")
    local part = read(root .. "/tiny/a.gz.part")
    assert.equal(read(files .. "/a.gz"):sub(1, #part), part)
    assert.is_true(#part > half)
    requests()
    get("tiny", {"plain"})
    assert_tiny()
    assert.equal(("plain a.gz bytes=%d- 206"):format(#part), requests()[1])
  end)

  it("starts again at a server without ranges", function()
    shell("mkdir -p '%s/tiny'", root)
    write(root .. "/tiny/a.gz.part", read(files .. "/a.gz"):sub(1, half))
    get("tiny", {"noranges"})
    assert_tiny()
    assert.same({("noranges a.gz bytes=%d- 200"):format(half), "noranges a.gz - 200", "noranges b.bin - 200"},
      requests())
  end)

  it("ends where a server without ranges always cuts", function()
    has(refused(get, "tiny", {"short"}), "tiny: a.gz could not be fetched: ")
    assert.is_true(#requests() <= 12)
  end)

  it("starts again when the part is of something else, or too long", function()
    shell("mkdir -p '%s/tiny'", root)
    write(root .. "/tiny/a.gz.part", ("x"):rep(half))
    write(root .. "/tiny/b.bin.part", ("x"):rep(100000))
    get("tiny", {"plain"})
    assert_tiny()
    assert.same({("plain a.gz bytes=%d- 206"):format(half), "plain a.gz - 200", "plain b.bin bytes=100000- 416",
      "plain b.bin - 200"}, requests())
  end)

  it("needs no server for a part that is whole", function()
    shell("mkdir -p '%s/tiny'", root)
    write(root .. "/tiny/a.gz.part", read(files .. "/a.gz"))
    write(root .. "/tiny/b.bin.part", content.b)
    get("tiny", {nowhere})
    assert_tiny()
  end)
end)

describe("fetch.get, wrong answers", function()
  it("takes the mirror when a sum is wrong", function()
    local row = get("tiny", {"wrong", "plain"})
    assert_tiny()
    assert.same({"wrong a.gz - 200", "plain a.gz - 200", "wrong b.bin - 200", "plain b.bin - 200"}, requests())
    assert.equal(("a.gz: 127.0.0.1:%s: its SHA-256 is wrong"):format(port), row.notes[1])
  end)

  it("ends with one error when every sum is wrong, and leaves no part", function()
    for _, mode in ipairs {"wrong", "page", "empty"} do
      local message = refused(get, "tiny", {mode, "wrong"})
      has(message, "tiny: a.gz could not be fetched: ", "its SHA-256 is wrong; 127.0.0.1")
      assert.is_nil(message:find "are kept")
      assert.same({}, tree(root))
    end
  end)

  it("refuses content that is right but goes on", function()
    local path = files .. "/b.bin"
    write(path, content.b .. "more")
    finally(function() write(path, content.b) end)
    has(refused(get, "tiny", {"plain"}), "b.bin could not be fetched: ", "its SHA-256 is wrong")
    assert.same({"tiny/a.gz"}, tree(root))
  end)

  it("says why each place failed, and how to go on without a network", function()
    local message = refused(get, "tiny", {nowhere, "missing", "broken"})
    has(message, "tiny: a.gz could not be fetched: 127.0.0.1:1: ", "127.0.0.1:" .. port .. ": ", "404", "503",
      ("without a network, bring a.gz, b.bin (from %s) to %s/tiny and run: agad fetch tiny --root %s"):format(nowhere,
        root, root), "--from URL")
    assert.same({}, tree(root))
  end)

  it("refuses unknown names and options", function()
    has(refused(get, "tyni", {"plain"}), "no data set tyni; did you mean tiny?; known: packed, tiny")
    has(refused(fetch.get, "weave"), "there is nothing to fetch")
    has(refused(fetch.get, "mnist", {rot = 1}), "unknown option rot; known: force, from, on_event, root, sources")
    for _, from in ipairs {"ftp://x/", "file:///etc", "-o/x", "http://"} do
      has(refused(get, "tiny", {"plain"}, {from = from}), "is no address")
    end
  end)

  it("says which package a missing program is in", function()
    local path = os.getenv "PATH"
    shell("mkdir '%s/bin' && ln -s \"$(command -v sh)\" \"$(command -v head)\" '%s/bin'", dir, dir)
    luv.os_setenv("PATH", dir .. "/bin")
    finally(function()
      luv.os_setenv("PATH", path)
      shell("rm -rf '%s/bin'", dir)
    end)
    has(refused(get, "tiny", {"plain"}), "the program curl is missing; install the package curl")
    luv.os_setenv("PATH", path)
    shell("ln -s \"$(command -v curl)\" '%s/bin'", dir)
    luv.os_setenv("PATH", dir .. "/bin")
    has(refused(get, "tiny", {"plain"}), "the program gzip is missing; install the package gzip")
    luv.os_setenv("PATH", path)
    shell("ln -s \"$(command -v gzip)\" '%s/bin'", dir)
    luv.os_setenv("PATH", dir .. "/bin")
    has(refused(get, "tiny", {"plain"}), "the program sha256sum is missing; install the package coreutils")
  end)
end)

describe("fetch.get, archives", function()
  it("unpacks them and removes the archive", function()
    local row = get("packed", {"plain"})
    assert_packed()
    assert.same({name = "packed", path = root .. "/packed", bytes = #content.one + #content.names,
      files = {"one.bin", "names.txt"}, already = false}, row)
    assert.is_true(get("packed", {nowhere}).already)
  end)

  it("takes an archive that was brought, and leaves it", function()
    shell("mkdir -p '%s' && cp '%s/packed.tar.gz' '%s'", root, files, root)
    get("packed", {nowhere})
    assert.same({"packed.tar.gz", packed_files[1], packed_files[2]}, tree(root))
  end)

  it("puts a file that is lost or wrong into its place and leaves what else is there", function()
    get("packed", {"plain"})
    write(root .. "/packed/one.bin", "mine")
    write(root .. "/packed/notes", "kept")
    os.remove(root .. "/packed/names.txt")
    get("packed", {"plain"})
    assert.same({"packed/names.txt", "packed/notes", "packed/one.bin", "packed/one.bin.old"}, tree(root))
    assert.equal(content.one, read(root .. "/packed/one.bin"))
    assert.equal(content.names, read(root .. "/packed/names.txt"))
  end)

  it("removes what a killed attempt had unpacked", function()
    shell("mkdir -p '%s/packed.part/packed'", root)
    write(root .. "/packed.part/packed/one.bin", "half")
    get("packed", {"plain"})
    assert_packed()
    assert.is_nil(lfs.attributes(root .. "/packed.part"))
  end)

  it("keeps an archive that cannot be unpacked, and what was there", function()
    local table_ = sources "plain"
    table_.packed.files[3] = {name = "lost.bin", bytes = 1, sha256 = ("0"):rep(64)}
    shell("mkdir -p '%s/packed'", root)
    write(root .. "/packed/one.bin", "mine")
    local message = refused(fetch.get, "packed", {root = root, sources = table_})
    has(message, "packed.tar.gz cannot be unpacked; it is kept: ")
    assert.same({"packed.tar.gz", "packed/one.bin"}, tree(root))
    table_.packed.files[3] = nil
    table_.packed.files[1].sha256 = ("0"):rep(64)
    has(refused(fetch.get, "packed", {root = root, sources = table_}), "packed/one.bin in ", "has a wrong SHA-256")
    assert.same({"packed.tar.gz", "packed/one.bin"}, tree(root))
  end)

  it("names the archive to bring", function()
    has(refused(get, "packed", {nowhere}),
      ("without a network, bring packed.tar.gz (from %s) to %s and run: agad fetch packed"):format(nowhere, root))
  end)
end)

-- As processes ------------------------------------------------------------------------------------------

-- A chunk that is `agad fetch` with another table of sources; `more` are other arguments of the command.
local function command(name, modes, more)
  local path, places = dir .. "/sources.lua", {}
  for i, mode in ipairs(modes) do places[i] = ("%q"):format(base(mode)) end
  write(path, ([[
    local places = {%s}
    return {
      tiny = {folder = "tiny", places = places, files = {
        {name = "a.gz", bytes = %d, download = 60000, sha256 = %q}, {name = "b.bin", bytes = %d, sha256 = %q}}},
      packed = {folder = "packed", places = places,
        archive = {name = "packed.tar.gz", bytes = %d, sha256 = %q},
        files = {{name = "one.bin", bytes = %d, sha256 = %q}, {name = "names.txt"}}},
    }]]):format(table.concat(places, ", "), #content.a, sums.a, #content.b, sums.b, archive_bytes, sums.packed,
    #content.one, sums.one))
  write(dir .. "/run.lua", ("require 'agad.cli.fetch' {name = {%q}, root = %q, sources = %q, %s}"):format(name, root,
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
  shell("cd '%s' && { %s > out 2> err & echo $! > pid; wait $!; echo $? > status.new; mv status.new status; } &", dir,
    text)
  for _ = 1, 400 do
    local size = lfs.attributes(part, "size")
    if size and size > 8000 then return tonumber(read(dir .. "/pid")) end
    luv.sleep(20)
  end
  error("no part: " .. (read(dir .. "/err") or ""))
end

local function ended()
  for _ = 1, 400 do
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
  local pipe = io.popen(("pgrep -f -c 'curl.*127.0.0.1:%s/'"):format(port))
  local n = tonumber(pipe:read "a") - 1          -- pgrep's own shell
  pipe:close()
  return n
end

describe("agad fetch", function()
  it("prints a line, or JSON", function()
    local status, out, err = run(command("tiny", {"plain"}))
    assert.equal(0, status, err)
    assert.equal("", err)
    assert.equal(("tiny: 2 files, 0.1 MB, in %s/tiny\n"):format(root), out)
    status, out = run(command("tiny", {"plain"}))
    assert.equal(0, status)
    assert.equal(("tiny: 2 files, 0.1 MB, in %s/tiny (already there)\n"):format(root), out)
    status, out = run(command("tiny", {"plain"}, "json = true, force = true"))
    assert.equal(0, status)
    assert.same({name = "tiny", path = root .. "/tiny", bytes = #read(files .. "/a.gz") + #content.b,
      files = {"a.gz", "b.bin"}, already = false}, core.json_decode(out))
  end)

  it("fails with one line and status 1", function()
    local status, out, err = run(command("tiny", {"missing", nowhere}))
    assert.equal(1, status)
    assert.equal("", out)
    assert.matches("^agad: tiny: a.gz could not be fetched: [^\n]+\n$", err)
  end)

  it("ends with 130 on Ctrl-C, keeps the part, and continues it", function()
    local part = root .. "/tiny/a.gz.part"
    local pid = started(command("tiny", {"slow"}), part)
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
    local pid = started(command("tiny", {"slow"}), part)
    assert.equal(0, shell("kill -KILL %d", pid))
    assert.equal(137, ended())
    for _ = 1, 100 do
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
    started(command("tiny", {"slow"}), root .. "/tiny/a.gz.part")
    local row = get("tiny", {nowhere})
    assert.is_true(row.already)
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
    assert.matches("^agad: packed: the disk is full: unpacking [^\n]*packed.tar.gz takes 0.1 MB, 0.0 MB are free; it is kept; [^\n]*\n$",
      err)
    assert.equal("./packed.tar.gz\n", read(dir .. "/listing"))
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
    assert.same({"cifar10", "cifar100", "fashion-mnist", "mnist"}, names)
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
    refuses("mnist fashion-mnist --from http://x/", "--from goes with one name")
    refuses("mnist --from x", "from = x is no address")
    refuses("weave", "there is nothing to fetch")
  end)

  it("says without a network which files to bring where", function()
    local status, out, err = run(("http_proxy=%s https_proxy=%s '%s' fetch mnist --root '%s'"):format(nowhere, nowhere,
      launcher, root))
    assert.equal(1, status)
    assert.equal("", out)
    has(err, "mnist: train-images-idx3-ubyte.gz could not be fetched: ", "train-labels-idx1-ubyte.gz, ",
      "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz (from https://",
      (" to %s/mnist and run: agad fetch mnist --root %s"):format(root, root))
  end)

  it("is named where data is missing", function()
    for _, name in ipairs {"mnist", "fashion-mnist"} do
      local status, _, err = run(("'%s' info %s --root '%s'"):format(launcher, name, root))
      assert.equal(1, status)
      assert.matches((" or: agad fetch " .. name .. "\n$"):gsub("%-", "%%-"), err)
    end
  end)
end)

describe("the table of sources", function()
  it("has two places and whole sums for every set", function()
    local seen, count = {}, 0
    for name, source in pairs(require "agad.fetch_sources") do
      count = count + 1
      assert.equal(2, #source.places, name)
      for _, place in ipairs(source.places) do assert.matches("^https?://[%w.-]+/[%w./~-]*$", place) end
      local with_sum = {source.archive}
      for _, file in ipairs(source.files) do
        if file.name:find "%.txt$" then assert.is_nil(file.sha256) else with_sum[#with_sum + 1] = file end
      end
      for _, file in ipairs(with_sum) do
        assert.matches("^" .. ("%x"):rep(64) .. "$", file.sha256)
        assert.is_nil(seen[file.sha256])
        seen[file.sha256] = true
        assert.is_true(file.bytes > 0)
      end
    end
    assert.equal(4, count)
  end)
end)
