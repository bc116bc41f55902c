-- Listing folders and loading many pictures: rows, what is skipped, the file of decoded rows, kills, full disks.

local agad = require "agad"
local lfs = require "lfs"
local checks = dofile "spec/support/checks.lua"
local core, data = agad.core, agad.core.data
local refused, has = checks.refused, checks.has

local folder

local function shell(...) return assert(os.execute((...):format(select(2, ...)))) end

local function write(name, bytes)
  local path = folder .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

-- A grey or colour picture whose every pixel is `value`.
local function picture(name, value, height, width, channels)
  local path = folder .. "/" .. name
  data.write_png(path, core.from_table({value}, "uint8"):expand({channels or 1, height or 4, width or 4}))
  return path
end

-- n pictures with the values 1 to n.
local function pictures(n)
  local paths = {}
  for i = 1, n do paths[i] = picture(("p%03d.png"):format(i), i) end
  return paths
end

-- The first pixel of every row.
local function values(images) return images:select(4, 1):select(3, 1):select(2, 1):totable() end

local function parts()
  local list = {}
  for name in lfs.dir(folder) do if name:find "%.agad%-part$" then list[#list + 1] = folder .. "/" .. name end end
  return list
end

-- Runs Lua in a process of its own, with `paths`, `data`, `core` and `pid`; its output and exit status.
local function child(paths, chunk, before, behind)
  local script = write("child.lua", [[
    local agad = require "agad"
    local core, data = agad.core, agad.core.data
    local pid = io.open "/proc/self/stat":read "n"
    local paths = {}
    for line in io.lines(arg[1]) do paths[#paths + 1] = line end
  ]] .. chunk)
  local list = write("paths", table.concat(paths, "\n") .. "\n")
  local command = ("'%s' '%s' '%s' 2>&1"):format(os.getenv "AGAD", script, list)
  local pipe = io.popen(("%s %s %s"):format(before or "", command, behind or ""))
  local text = pipe:read "a"
  local _, how, code = pipe:close()
  return text, how == "signal" and 128 + code or code
end

-- Work for some seconds on any machine: one large picture, many times.
local function slow_paths()
  local path = folder .. "/large.png"
  data.write_png(path, agad.rand(1, 1200, 1200):mul(255):to "uint8")
  local paths = {}
  for i = 1, 300 do paths[i] = path end
  return paths
end

before_each(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
end)

after_each(function() shell("chmod -R u+rwx '%s'; rm -rf '%s'", folder, folder) end)

-- Listing -----------------------------------------------------------------------------------------

describe("list", function()
  it("finds pictures in folders, sorted by their bytes", function()
    for _, name in ipairs {"b", "b/c", "a-", ".hidden"} do lfs.mkdir(folder .. "/" .. name) end
    for _, name in ipairs {"b/2.png", "b/10.JPG", "b/c/x.jPeG", "a-/1.png", "b.png", "Z.png", "n.txt", ".x.png",
      ".hidden/y.png", "png", "a\xff\1 \n.png", "b/c.png.bak", "b/.png"} do write(name, "") end
    local found, problems = data.list(folder)
    assert.same({"Z.png", "a-/1.png", "a\xff\1 \n.png", "b.png", "b/10.JPG", "b/2.png", "b/c/x.jPeG"}, found)
    assert.same({}, problems)
  end)

  it("follows links to folders and files, and ends at loops", function()
    lfs.mkdir(folder .. "/a")
    lfs.mkdir(folder .. "/shared")
    write("shared/s.png", "")
    shell("cd '%s' && ln -s ../shared a/one && ln -s ../shared a/two && ln -s .. a/up && ln -s . shared/self && "
      .. "ln -s shared/s.png l.png && ln -s nowhere gone.png && ln -s nowhere gone && mkfifo f.png", folder)
    local found, problems = data.list(folder)
    assert.same({"a/one/s.png", "a/two/s.png", "l.png", "shared/s.png"}, found)
    local loop = ": a link back to a folder that it lies in; passed over"
    assert.same({"a/one/self" .. loop, "a/two/self" .. loop, "a/up" .. loop, "gone.png: the link is broken",
      "shared/self" .. loop}, problems)
  end)

  it("reports a folder that cannot be read and goes on", function()
    lfs.mkdir(folder .. "/closed")
    write("closed/x.png", "")
    write("y.png", "")
    shell("chmod 000 '%s/closed'", folder)
    if lfs.dir and pcall(lfs.dir, folder .. "/closed") then return pending "root may read every folder" end
    local found, problems = data.list(folder)
    assert.same({"y.png"}, found)
    assert.same({"closed: Permission denied"}, problems)
  end)

  it("does not go deeper than 64 folders", function()
    local name = folder
    for _ = 1, 70 do
      name = name .. "/d"
      lfs.mkdir(name)
    end
    local found, problems = data.list(folder)
    assert.same({}, found)
    assert.equal(1, #problems)
    has(problems[1], "more than 64 folders deep; passed over")
  end)

  it("refuses what is no folder", function()
    has(refused(data.list, folder .. "/none"), "list: ", "/none: No such file or directory")
    has(refused(data.list, write("file", "")), "/file: is no folder; name one")
  end)

  it("takes at most 2 s for 100,000 files #slow", function()
    for d = 1, 100 do
      lfs.mkdir(("%s/%03d"):format(folder, d))
      for i = 1, 1000 do io.open(("%s/%03d/%04d.png"):format(folder, d, i), "w"):close() end
    end
    local began = os.clock()
    local found = data.list(folder)
    local took = os.clock() - began
    assert.equal(100000, #found)
    assert.equal("001/0001.png", found[1])
    assert.equal("100/1000.png", found[100000])
    assert.is_true(took <= 2, took .. " s of processor time")
  end)
end)

-- Loading -----------------------------------------------------------------------------------------

describe("load_files", function()
  it("gives the pictures in the order of their paths, whatever the threads", function()
    local paths = pictures(100)
    for _, threads in ipairs {1, 2, 7, 200} do
      local r = data.load_files(paths, {threads = threads})
      assert.same({100, 1, 4, 4}, r.images.shape)
      assert.equal("uint8", r.images.dtype)
      local wanted = {}
      for i = 1, 100 do wanted[i] = i end
      assert.same(wanted, values(r.images))
      for i = 1, 100 do wanted[i] = i - 1 end
      assert.same(wanted, r.kept:totable())
      assert.equal("int64", r.kept.dtype)
      assert.equal(0, r.skipped)
      assert.same({}, r.examples)
      assert.equal("decoded", r.source)
      assert.is_nil(r.note)
    end
  end)

  it("knows the files before resizing", function()
    local paths = {picture("a.png", 10, 6, 8), picture("b.png", 20, 40, 30)}
    local r = data.load_files(paths, {height = 5, width = 7})
    assert.same({2, 1, 5, 7}, r.images.shape)
    assert.same({10, 20}, values(r.images))
    assert.same({6, 40}, r.height:totable())
    assert.same({8, 30}, r.width:totable())
    assert.same({lfs.attributes(paths[1]).size, lfs.attributes(paths[2]).size}, r.file_bytes:totable())
  end)

  it("decodes as the reader of one file does, with every option", function()
    local path = folder .. "/x.png"
    data.write_png(path, agad.rand(3, 21, 33):mul(255):to "uint8")
    for _, fit in ipairs {"resize", "crop", "pad"} do
      for _, filter in ipairs {"bilinear", "area"} do
        for channels = 1, 3, 2 do
          local one = data.read(path, {height = 8, width = 9, channels = channels, fit = fit, filter = filter})
          local r = data.load_files({path}, {height = 8, width = 9, channels = channels, fit = fit, filter = filter})
          assert.equal(one:tostring_bytes(), r.images:tostring_bytes())
        end
      end
    end
  end)

  it("is grey where all files are, else in colour", function()
    local paths = pictures(3)
    assert.equal(1, data.load_files(paths).images.shape[2])
    paths[4] = picture("c.png", 9, 4, 4, 3)
    local r = data.load_files(paths)
    assert.equal(3, r.images.shape[2])
    assert.same({1, 2, 3, 9}, r.images:select(4, 1):select(3, 1):select(2, 3):totable())
    assert.equal(1, data.load_files(paths, {channels = 1}).images.shape[2])
    write("palette.png", read(paths[1]):sub(1, 25) .. "\3" .. read(paths[1]):sub(27))   -- its header says palette
    assert.equal(3, data.load_files({paths[1], folder .. "/palette.png"}).images.shape[2])
  end)

  it("skips what cannot be read, leaves no hole, and names the first five", function()
    local paths = pictures(12)
    local whole = read(paths[1])
    paths[1] = write("zero.png", "")
    paths[3] = write("text.jpg", "no picture")
    paths[4] = write("cut.png", whole:sub(1, -20))
    paths[6] = folder .. "/none.png"
    paths[9] = folder
    paths[12] = write("cut2.png", whole:sub(1, 30))
    for _, threads in ipairs {1, 4} do
      local r = data.load_files(paths, {threads = threads})
      assert.same({1, 4, 6, 7, 9, 10}, r.kept:totable())
      assert.same({2, 5, 7, 8, 10, 11}, values(r.images))
      assert.same({4, 4, 4, 4, 4, 4}, r.height:totable())
      assert.equal(6, r.skipped)
      assert.equal(5, #r.examples)
      has(r.examples[1], folder .. "/zero.png: is empty")
      has(r.examples[2], folder .. "/text.jpg: is no PNG or JPEG file")
      has(r.examples[3], folder .. "/cut.png: ", "cut short")
      has(r.examples[4], folder .. "/none.png: No such file or directory")
      has(r.examples[5], folder .. ": ")
    end
  end)

  it("makes the first unreadable file an error with strict", function()
    local paths = pictures(40)
    paths[7], paths[20] = write("bad7.png", "x"), write("bad20.png", "x")
    for _ = 1, 5 do has(refused(data.load_files, paths, {strict = true, threads = 4}), "bad7.png: is no PNG") end
    paths[1] = write("bad1.png", "")
    has(refused(data.load_files, paths, {strict = true}), "bad1.png: is empty")
  end)

  it("says so when nothing can be read, or nothing is there", function()
    local bad = {write("a.png", "x"), write("b.png", "")}
    for _, o in ipairs {{}, {height = 4, width = 4}} do
      has(refused(data.load_files, bad, o), "load: none of 2 files can be read; the first one: ", "a.png: is no PNG")
    end
    has(refused(data.load_files, {}), "load: there are no files")
    assert.same({0, 1, 4, 4}, data.load_files({}, {height = 4, width = 4}).images.shape)
  end)

  it("refuses pictures of unequal size without a size", function()
    local paths = pictures(30)
    paths[2], paths[9] = picture("wide.png", 2, 4, 5), picture("high.png", 2, 6, 4)
    for _ = 1, 5 do
      has(refused(data.load_files, paths, {threads = 4}), "p001.png has 4 x 4 pixels but ", "wide.png 4 x 5; "
        .. "give a size to which all are resized (size = N)")
    end
    assert.same({30, 1, 4, 4}, data.load_files(paths, {height = 4, width = 4}).images.shape)
  end)

  it("reads masks: nearest, over 0 is 1, under every fit", function()
    local path = folder .. "/m.png"
    data.write_png(path, core.from_table({0, 0, 7, 7, 0, 0, 0, 255}, "uint8"):reshape({1, 2, 4}))
    local function mask(o)
      o.mask = true
      return data.load_files({path}, o).images
    end
    assert.same({1, 1, 2, 4}, mask({}).shape)
    assert.same({0, 0, 1, 1, 0, 0, 0, 1}, mask({}):totable())
    assert.same({0, 1, 0, 0}, mask({height = 2, width = 2, fit = "crop"}):totable())      -- the middle columns
    assert.same({0, 1, 0, 1}, mask({height = 2, width = 2}):totable())
    assert.same({0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0}, mask({height = 4, width = 4, fit = "pad"}):totable())
    data.write_png(path, core.from_table({0, 0, 1, 0, 0, 0}, "uint8"):reshape({3, 1, 2}))
    assert.same({1, 0}, mask({height = 1, width = 2}):totable())                           -- any channel counts
    local two = {path, picture("n.png", 3)}
    has(refused(data.load_files, two, {mask = true}), "m.png has 1 x 2 pixels but ", "n.png 4 x 4; give a size")
    assert.same({1, 0, 1, 1}, data.load_files(two, {mask = true, height = 1, width = 2}).images:totable())
  end)

  it("obeys the limits of the decoder", function()
    local paths = {picture("small.png", 1, 4, 4), picture("large.png", 2, 10, 10)}
    local r = data.load_files(paths, {height = 4, width = 4, max_pixels = 99})
    assert.same({0}, r.kept:totable())
    has(r.examples[1], "large.png: has 10 x 10 pixels; at most 99")
    data.write_png(paths[2], agad.rand(3, 10, 10):mul(255):to "uint8")
    r = data.load_files(paths, {height = 4, width = 4, max_bytes = lfs.attributes(paths[1]).size})
    assert.same({0}, r.kept:totable())
    has(r.examples[1], "large.png: has ", " bytes; at most ")
  end)

  it("calls on_progress, at last with all files", function()
    local done, total
    data.load_files(pictures(10), {on_progress = function(d, n) done, total = d, n end})
    assert.same({10, 10}, {done, total})
    local function broken() error("the bar broke", 0) end
    has(refused(data.load_files, pictures(10), {on_progress = broken}), "the bar broke")
    local calls, before = 0, -1
    local paths = slow_paths()
    data.load_files({table.unpack(paths, 1, 60)}, {height = 8, width = 8, on_progress = function(d, n)
      assert(d >= before and d <= n and n == 60)
      calls, before = calls + 1, d
    end})
    assert.is_true(calls >= 2, calls .. " calls")
    assert.equal(60, before)
  end)

  it("refuses wrong arguments in one line that says which", function()
    local p = pictures(1)
    for wanted, args in pairs {
      ["unknown option sized; known: cache, channels"] = {p, {sized = 3}},
      ["unknown option 1; known"] = {p, {"x"}},
      ["give both height and width, or neither"] = {p, {height = 3}},
      ["height is a whole number from 1 to 65536"] = {p, {height = 0.5, width = 3}},
      ["width is a whole number"] = {p, {height = 3, width = -3}},
      ["channels = 2; give 1 (grey), 3 (colour) or neither"] = {p, {channels = 2}},
      ["fit = fill; give resize, crop or pad"] = {p, {fit = "fill"}},
      ["filter = true; give bilinear, area"] = {p, {filter = true}},
      ["cache is the path of a file"] = {p, {cache = 7}},
      ["on_progress is a function"] = {p, {on_progress = 7}},
      ["item 2 of the paths is a number, not a string"] = {{p[1], 7}},
      ["path 1 holds a zero byte"] = {{"a\0b"}},
    } do has(refused(data.load_files, table.unpack(args)), wanted) end
  end)
end)

-- The file of decoded rows ------------------------------------------------------------------------

describe("the cache", function()
  local cache, paths, o

  before_each(function()
    paths = pictures(20)
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
    assert.same({1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, values(r.images))
    assert.same({0, 1, 2, 3, 5}, r.kept:narrow(1, 1, 5):totable())
    assert.equal(19, r.height:size(1))
    assert.equal(lfs.attributes(paths[20]).size, r.file_bytes:select(1, -1):item())
    assert.equal(1, r.skipped)
    has(r.examples[1], "bad.png: is no PNG")
  end

  it("is written once and read after that", function()
    local first = load()
    assert.equal("written", first.source)
    same(first)
    local again = load {threads = 1}
    assert.equal("cached", again.source)
    same(again)
    has(refused(load, {strict = true}), "bad.png: is no PNG")
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
    for i = 1, 3 do inside[i] = picture(("one/%d.png"):format(i), i) end
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
    has(r.note, "some file could not be opened")
    assert.is_nil(lfs.attributes(cache))
    assert.same({}, parts())
    picture("later.png", 3)
    r = load()
    assert.equal("written", r.source)
    same(r)
  end)

  it("leaves nothing when the loading fails", function()
    paths[20] = picture("wide.png", 1, 4, 9)
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
    local text = child(paths, chunk, "for i in 1 2; do", "& done; wait")
    assert.equal("good\ngood\n", text)
    assert.same({}, parts())
    assert.equal("written", load().source)
  end)

  it("does not appear when its writer is killed, and what that left goes a day later", function()
    local slow = slow_paths()
    local text, code = child(slow, ([[
      data.load_files(paths, {cache = %q, height = 8, width = 8, on_progress = function(done)
        if done < 300 then os.execute("kill -9 " .. pid) end
      end})
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
    local text, code = child(slow_paths(), ([[
      core.arm_interrupt()
      local sent                       -- by another process: os.execute itself ignores SIGINT
      local ok, err = pcall(data.load_files, paths, {cache = %q, height = 8, width = 8, on_progress = function(done)
        assert(done < 300, "too late")
        sent = sent or os.execute("(sleep .02; kill -INT " .. pid .. ") &")
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
    local text, code = child(paths, chunk:format(cache), "ulimit -f 50; ")
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
    local text = child(paths, chunk:format(disk .. "/rows"))
    local left = {}
    for name in lfs.dir(disk) do left[#left + 1] = name end
    shell("umount '%s'", disk)
    has(text, "decoded\t" .. 205 * 64 * 64, "No space left on device")
    assert.equal(2, #left)                                                                 -- . and ..
  end)

  it("serves 20,000 files #slow", function()
    local bytes = {}
    for i = 1, 50 do bytes[i] = read(picture("x.png", i, 32, 32)) end
    paths = {}
    for i = 1, 20000 do paths[i] = write(("f%05d.png"):format(i), bytes[i % 50 + 1]) end
    local began = os.clock()
    local r = load {height = 16, width = 16}
    assert.is_true(os.clock() - began < 10, os.clock() - began .. " s of processor time")
    assert.equal("written", r.source)
    assert.equal(20000, r.images:size(1))
    for i = 1, 20000, 777 do assert.equal(i % 50 + 1, r.images:select(1, i):max():item()) end
    began = os.clock()
    local again = load {height = 16, width = 16}
    assert.is_true(os.clock() - began < 1, os.clock() - began .. " s of processor time")
    assert.equal("cached", again.source)
    assert.is_true(again.images:eq(r.images):all():item())
  end)
end)
