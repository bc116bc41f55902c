-- The file of decoded pictures: when it is read, when it is written, who may be killed meanwhile.
-- To add a case: a test that loads `paths` with load {options} and checks the result's `source`.

local agad = require "agad"
local lfs = require "lfs"
local checks = dofile "spec/support/checks.lua"
local pictures = dofile "spec/support/pictures.lua"
local data = agad.core.data
local refused, has, shell, write, read = checks.refused, checks.has, pictures.shell, pictures.write, pictures.read

local folder

local function parts()
  local list = {}
  for name in lfs.dir(folder) do if name:find "%.agad%-part$" then list[#list + 1] = folder .. "/" .. name end end
  return list
end

before_each(function() folder = pictures.open() end)
after_each(pictures.close)

describe("the cache", function()
  local cache, paths, o

  before_each(function()
    paths = pictures.many(20)
    paths[5] = write("bad.png", "x")
    cache = folder .. "/rows"
    o = {cache = cache, height = 4, width = 4}
  end)

  local function load(more)
    local given = {}
    for key, value in pairs(o) do given[key] = value end
    for key, value in pairs(more or {}) do given[key] = value end
    return data.load_files(paths, given)
  end

  local function same(r)
    assert.same({1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, pictures.values(r.images))
    assert.same({0, 1, 2, 3, 5}, r.kept:narrow(1, 1, 5):totable())
    assert.equal(19, r.height:size(1))
    assert.equal(lfs.attributes(paths[20]).size, r.file_bytes:select(1, -1):item())
    assert.equal(1, r.skipped)
    has(r.examples[1], "bad.png: is not a PNG")
  end

  it("is written once and read after that", function()
    local first = load()
    assert.equal("written", first.source)
    same(first)
    local again = load {threads = 1}
    assert.equal("cached", again.source)
    same(again)
    has(refused(load, {strict = true}), "bad.png: is not a PNG")
    assert.same({}, parts())
  end)

  it("is not changed by changing the pictures in memory", function()
    load().images:zero_()
    load().images:zero_()
    same(load())
    assert.equal("cached", load().source)
  end)

  it("belongs to the options", function()
    load()
    for _, more in ipairs {{height = 5, width = 4}, {height = 4, width = 5}, {channels = 1}, {channels = 3},
      {fit = "pad"}, {filter = "area"}, {fast_decode = true}, {mask = true}, {max_pixels = 1000}, {max_bytes = 1000}} do
      assert.equal("written", load(more).source)
      assert.equal("cached", load(more).source)
    end
    assert.equal("written", load().source)
  end)

  it("belongs to the files: their names, sizes and times", function()
    load()
    shell("touch -d '2001-02-03 04:05:06.7' '%s'", paths[9])
    assert.equal("written", load().source)
    shell("touch -d '2001-02-03 04:05:06.8' '%s'", paths[9])
    assert.equal("written", load().source)
    assert.equal("cached", load().source)
    local times = lfs.attributes(paths[3]).modification
    write("p003.png", read(paths[3]) .. "more")
    lfs.touch(paths[3], times)
    assert.equal("written", load().source)
    paths[2], paths[3] = paths[3], paths[2]
    assert.equal("written", load().source)
    table.remove(paths)
    assert.equal("written", load().source)
    shell("rm '%s'", paths[1])
    assert.equal("decoded", load().source)
  end)

  it("may move with its folder", function()
    lfs.mkdir(folder .. "/one")
    local inside = {}
    for i = 1, 3 do inside[i] = pictures.one(("one/%d.png"):format(i), i) end
    paths = inside
    load()
    shell("cd '%s' && mv one two", folder)
    for i = 1, 3 do paths[i] = folder .. ("/two/%d.png"):format(i) end
    assert.equal("cached", load().source)
  end)

  it("is written again when it is damaged, cut short, empty or something else", function()
    load()
    local whole = read(cache)
    local function broken(bytes)
      write("rows", bytes)
      local r = load()
      assert.equal("written", r.source)
      same(r)
      assert.equal(#whole, lfs.attributes(cache).size)
    end
    for _, n in ipairs {0, 7, 100, 8191, 8192, #whole - 1} do broken(whole:sub(1, n)) end
    broken(whole .. "x")
    for _, at in ipairs {1, 5, 10, 20, 30, 40, 50, 60, 64, 68, 72, 80, 2000, 8193, 8300, 8192 + 20 * 32} do
      broken(whole:sub(1, at - 1) .. string.char(whole:byte(at) ~ 0x5a) .. whole:sub(at + 1))
    end
    broken(("\255"):rep(#whole))
    os.remove(cache)
    lfs.mkdir(cache)
    local r = load()
    same(r)
    assert.equal("decoded", r.source)
    has(r.note, "the decoded pictures are not kept in ", "rows: ")
    lfs.rmdir(cache)
    assert.same({}, parts())
  end)

  it("is done without where its folder is missing", function()
    local r = load {cache = folder .. "/none/rows"}
    same(r)
    assert.equal("decoded", r.source)
    has(r.note, "not kept in ", "/none/rows: No such file or directory")
  end)

  it("keeps nothing of a file that could not be opened, which may pass", function()
    paths[3] = folder .. "/later.png"
    local r = load()
    assert.equal("decoded", r.source)
    has(r.note, "a file could not be opened")
    assert.is_nil(lfs.attributes(cache))
    assert.same({}, parts())
    pictures.one("later.png", 3)
    r = load()
    assert.equal("written", r.source)
    same(r)
  end)

  it("leaves nothing when the loading fails", function()
    paths[20] = pictures.one("wide.png", 1, 4, 9)
    has(refused(data.load_files, paths, {cache = cache}), "give a size")
    has(refused(load, {strict = true}), "bad.png")
    has(refused(load, {on_progress = function() error("stop", 0) end}), "stop")
    assert.is_nil(lfs.attributes(cache))
    assert.same({}, parts())
  end)

  it("may be written by several processes at once", function()
    local chunk = ([[
      for round = 1, 15 do
        local r = data.load_files(paths, {cache = %q, height = 4, width = 4 + round %% 3})
        assert(r.images:sum():item() == 205 * 4 * (4 + round %% 3), "a wrong picture")
        assert(not r.note, r.note)
        if round %% 5 == 0 then os.remove(%q) end
      end
      print "good"]]):format(cache, cache)
    local text = pictures.child(paths, chunk, "for i in 1 2; do", "& done; wait")
    assert.equal("good\ngood\n", text)
    assert.same({}, parts())
    assert.equal("written", load().source)
  end)

  it("does not appear when its writer is killed, and what that left goes a day later", function()
    local text, code = pictures.child(pictures.endless(), ([[
      data.load_files(paths, {cache = %q, height = 8, width = 8, on_progress = function() signal "sigkill" end})
      print "not killed"]]):format(cache), nil, "; true")
    assert.is_nil(text:find "not killed", text .. tostring(code))
    assert.is_nil(lfs.attributes(cache))
    local left = parts()
    assert.equal(1, #left)
    same(load())
    assert.equal("cached", load().source)
    assert.same(left, parts())
    shell("touch -d '25 hours ago' '%s'", left[1])
    load {channels = 3}
    assert.same({}, parts())
  end)

  it("ends at an interrupt with nothing half-written", function()
    local text, code = pictures.child(pictures.endless(), ([[
      core.arm_interrupt()
      local ok, err = pcall(data.load_files, paths, {cache = %q, height = 8, width = 8, on_progress = function(done, n)
        assert(done < n, "too late")
        signal "sigint"
      end})
      print(ok, err)]]):format(cache))
    has(text, "false", "interrupted")
    assert.equal(0, code)
    assert.is_nil(lfs.attributes(cache))
    assert.same({}, parts())
  end)

  local chunk = [[
    local r = data.load_files(paths, {cache = %q, height = 64, width = 64})
    print(r.source, r.images:sum():item(), r.note)]]

  it("goes on in memory where a limit on file sizes is met", function()
    local text, code = pictures.child(paths, chunk:format(cache), "ulimit -f 50; ")
    has(text, "decoded\t" .. 205 * 64 * 64, "not kept in " .. cache .. ": File too large")
    assert.equal(0, code)
    assert.is_nil(lfs.attributes(cache))
    assert.same({}, parts())
  end)

  it("goes on in memory where the disk is full", function()
    local disk = folder .. "/disk"
    lfs.mkdir(disk)
    if not os.execute(("mount -t tmpfs -o size=64k none '%s' 2> /dev/null"):format(disk)) then
      return pending "a small file system cannot be mounted here"
    end
    local text = pictures.child(paths, chunk:format(disk .. "/rows"))
    local left = {}
    for name in lfs.dir(disk) do left[#left + 1] = name end
    shell("umount '%s'", disk)
    has(text, "decoded\t" .. 205 * 64 * 64, "No space left on device")
    assert.equal(2, #left)                                                                 -- . and ..
  end)

  it("serves 20,000 files #slow", function()
    local bytes = {}
    for i = 1, 50 do bytes[i] = read(pictures.one("x.png", i, 32, 32)) end
    paths = {}
    for i = 1, 20000 do paths[i] = write(("f%05d.png"):format(i), bytes[i % 50 + 1]) end
    local began = os.clock()
    local r = load {height = 16, width = 16}
    local written = os.clock() - began
    assert.equal("written", r.source)
    assert.equal(20000, r.images:size(1))
    for i = 1, 20000, 777 do assert.equal(i % 50 + 1, r.images:select(1, i):max():item()) end
    began = os.clock()
    local again = load {height = 16, width = 16}
    local cached = os.clock() - began
    assert.equal("cached", again.source)
    assert.is_true(cached < written / 2, ("%.2f s of processor time, %.2f s without"):format(cached, written))
    assert.is_true(again.images:eq(r.images):all():item())
  end)
end)
