-- fetch.get against a local server that misbehaves: what is written, what is asked for, what is said.
-- To add a case: a test that calls get(set, modes of the server); spec/support/http_server.lua lists the modes.

local fetch = require "agad.data.fetch"
local lfs = require "lfs"
local luv = require "luv"

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local site = dofile "spec/support/fetch_site.lua"
local dir, root, files, content, nowhere = site.dir, site.root, site.files, site.content, site.nowhere
local shell, read, write, tree = site.shell, site.read, site.write, site.tree
local get, requests, assert_tiny = site.get, site.requests, site.assert_tiny

local function assert_packed()
  assert.same({"packed/names.txt", "packed/one.bin"}, tree(root))
  assert.equal(content.one, read(root .. "/packed/one.bin"))
  assert.equal(content.names, read(root .. "/packed/names.txt"))
end

if not site.can_fetch then
  describe("agad fetch", function() pending "is not tested: there is no curl" end)
  return
end

setup(site.start)
teardown(site.stop)
before_each(site.fresh)

describe("fetch.get of single files", function()
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
    assert.same({kind = "progress", name = "tiny", file = "b.bin", host = "127.0.0.1:" .. site.port, bytes = #content.b,
      total = 8000}, last)
  end)

  it("passes an error of the listener on", function()
    assert.equal("enough", refused(get, "tiny", {"plain"}, {on_event = function() error("enough", 0) end}))
    get("tiny", {"plain"})
    assert_tiny()
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
    has(row.notes[1], root .. "/tiny/a was not the official file; it was renamed to " .. root .. "/tiny/a.old")
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
    has(refused(get, "tiny", {"tofile"}), "tiny: a.gz could not be downloaded: ", "rotocol \"file\"")
    assert.same({}, tree(root))
  end)

  it("takes the files from another address", function()
    local row = get("tiny", {"missing"}, {from = site.base "plain":sub(1, -2)})   -- without its last slash
    assert.is_false(row.already)
    assert_tiny()
  end)
end)

describe("fetch.get of a part", function()
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
    has(row.notes[1], "a.gz: 127.0.0.1:" .. site.port .. ": ")
  end)

  it("keeps the part when all places fail, and continues it next time", function()
    has(refused(get, "tiny", {"cut"}), " bytes received so far are kept, and the next fetch continues them")
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
    has(refused(get, "tiny", {"short"}), "tiny: a.gz could not be downloaded: ")
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

describe("fetch.get of a wrong answer", function()
  it("takes the mirror when a sum is wrong", function()
    local row = get("tiny", {"wrong", "plain"})
    assert_tiny()
    assert.same({"wrong a.gz - 200", "plain a.gz - 200", "wrong b.bin - 200", "plain b.bin - 200"}, requests())
    assert.equal(("a.gz: 127.0.0.1:%s: its SHA-256 is wrong"):format(site.port), row.notes[1])
  end)

  it("ends with one error when every sum is wrong, and leaves no part", function()
    for _, mode in ipairs {"wrong", "page", "empty"} do
      local message = refused(get, "tiny", {mode, "wrong"})
      has(message, "tiny: a.gz could not be downloaded: ", "its SHA-256 is wrong; 127.0.0.1")
      assert.is_nil(message:find "are kept")
      assert.same({}, tree(root))
    end
  end)

  it("refuses content that is right but goes on", function()
    local path = files .. "/b.bin"
    write(path, content.b .. "more")
    finally(function() write(path, content.b) end)
    has(refused(get, "tiny", {"plain"}), "b.bin could not be downloaded: ", "its SHA-256 is wrong")
    assert.same({"tiny/a.gz"}, tree(root))
  end)

  it("says why each place failed, and how to go on without a network", function()
    local message = refused(get, "tiny", {nowhere, "missing", "broken"})
    has(message, "tiny: a.gz could not be downloaded: 127.0.0.1:1: ", "127.0.0.1:" .. site.port .. ": ", "404", "503",
      ("without a network, copy a.gz, b.bin (from %s) to %s/tiny and run: agad fetch tiny --root %s"):format(nowhere,
        root, root), "--from URL")
    assert.same({}, tree(root))
  end)

  it("refuses unknown names and options", function()
    has(refused(get, "tyni", {"plain"}), "no data set tyni; did you mean tiny?; known: packed, tiny")
    has(refused(fetch.get, "weave"), "there is nothing to fetch")
    has(refused(fetch.get, "mnist", {rot = 1}),
      "unknown option rot; did you mean root?; known: force, from, on_event, root, sources")
    for _, from in ipairs {"ftp://x/", "file:///etc", "-o/x", "http://"} do
      has(refused(get, "tiny", {"plain"}, {from = from}), "is not a URL")
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

describe("fetch.get of archives", function()
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
    assert.same({"packed.tar.gz", "packed/names.txt", "packed/one.bin"}, tree(root))
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
    local table_ = site.sources "plain"
    table_.packed.files[3] = {name = "lost.bin", bytes = 1, sha256 = ("0"):rep(64)}
    shell("mkdir -p '%s/packed'", root)
    write(root .. "/packed/one.bin", "mine")
    local message = refused(fetch.get, "packed", {root = root, sources = table_})
    has(message, "packed.tar.gz.part cannot be unpacked (and was kept): ")
    assert.same({"packed.tar.gz.part", "packed/one.bin"}, tree(root))
    table_.packed.files[3] = nil
    table_.packed.files[1].sha256 = ("0"):rep(64)
    has(refused(fetch.get, "packed", {root = root, sources = table_}), "packed/one.bin in ", "has the wrong SHA-256")
    assert.same({"packed.tar.gz.part", "packed/one.bin"}, tree(root))
  end)

  it("unpacks without a server what an earlier attempt had downloaded, and removes it then", function()
    shell("mkdir -p '%s' && cp '%s/packed.tar.gz' '%s/packed.tar.gz.part'", root, files, root)
    get("packed", {nowhere})
    assert_packed()
  end)

  it("names the archive to bring", function()
    has(refused(get, "packed", {nowhere}),
      ("without a network, copy packed.tar.gz (from %s) to %s and run: agad fetch packed"):format(nowhere, root))
  end)
end)

describe("the table of sources", function()
  it("has two places and whole sums for every set", function()
    local seen, count = {}, 0
    for name, source in pairs(require("agad.data.named").sources()) do
      count = count + 1
      assert.is_truthy(source.title and source.folder, name)
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
    assert.is_true(count >= 4)
  end)
end)
