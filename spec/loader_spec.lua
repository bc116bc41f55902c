-- Listing folders and loading many pictures: their order, what is skipped or refused, masks, progress.
-- To add a case: a test over pictures.many(n), or files that pictures.write makes.

local agad = require "agad"
local lfs = require "lfs"
local checks = dofile "spec/support/checks.lua"
local pictures = dofile "spec/support/pictures.lua"
local core, data = agad.core, agad.core.data
local refused, has, shell, write, read = checks.refused, checks.has, pictures.shell, pictures.write, pictures.read

local folder

before_each(function() folder = pictures.open() end)
after_each(pictures.close)

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

  it("lists pictures of other formats apart, by their extensions", function()
    lfs.mkdir(folder .. "/b")
    for _, name in ipairs {"b/1.png", "b/2.TIF", "b/3.webp", "a.heic", "b/4.txt", "b/tif", ".h.tif", "5.tiff.bak",
      "b/6.bmp"} do write(name, "") end
    shell("cd '%s' && ln -s a.heic l.gif && ln -s nowhere gone.dng", folder)
    local found, problems, others = data.list(folder)
    assert.same({"b/1.png", "b/6.bmp"}, found)
    assert.same({}, problems)
    assert.same({"a.heic", "b/2.TIF", "b/3.webp", "l.gif"}, others)
  end)

  it("skips what operating systems and tools keep among pictures", function()
    local skipped = {"@eaDir", "__MACOSX", "$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information", "lost+found",
      ".ipynb_checkpoints", "#recycle"}
    for _, name in ipairs(skipped) do
      lfs.mkdir(folder .. "/" .. name)
      write(name .. "/x.png", "")
      write(name .. "/x.tif", "")
      assert.is_true(data.list_skips(name), name)
    end
    for _, name in ipairs {"._a.png", "Thumbs.db", "a.png", "lost+found.png"} do write(name, "") end
    local found, problems, others = data.list(folder)
    assert.same({{"a.png", "lost+found.png"}, {}, {}}, {found, problems, others})
    for _, name in ipairs {"good", "a.png", "lost", "MACOSX", ""} do assert.is_false(data.list_skips(name), name) end
  end)

  it("follows links to folders and files, and ends at loops", function()
    lfs.mkdir(folder .. "/a")
    lfs.mkdir(folder .. "/shared")
    write("shared/s.png", "")
    shell("cd '%s' && ln -s ../shared a/one && ln -s ../shared a/two && ln -s .. a/up && ln -s . shared/self && "
      .. "ln -s shared/s.png l.png && ln -s nowhere gone.png && ln -s nowhere gone && mkfifo f.png", folder)
    local found, problems = data.list(folder)
    assert.same({"a/one/s.png", "a/two/s.png", "l.png", "shared/s.png"}, found)
    local loop = ": a link to a folder that contains it; skipped"
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
    has(problems[1], "more than 64 folders deep; skipped")
  end)

  it("refuses what is no folder", function()
    has(refused(data.list, folder .. "/none"), "list: ", "/none: No such file or directory")
    has(refused(data.list, write("file", "")), "/file: is not a folder; name one")
  end)

  it("takes time that grows as the files do, up to 100,000 #slow", function()
    local function listed(n) return data.list(("%s/%d"):format(folder, n)) end
    for _, n in ipairs {5000, 100000} do
      local root = ("%s/%d"):format(folder, n)
      lfs.mkdir(root)
      lfs.mkdir(root .. "/001")
      for i = 1, 1000 do write(("%d/001/%04d.png"):format(n, i), "") end
      for d = 2, n // 1000 do lfs.link("001", ("%s/%03d"):format(root, d), true) end
    end
    local found = listed(100000)
    assert.equal(100000, #found)
    assert.equal("001/0001.png", found[1])
    assert.equal("100/1000.png", found[100000])
    local factor = checks.growth(5000, 100000, listed)
    assert.is_true(factor < 100, ("twenty times the files take %.0f times as long"):format(factor))
  end)
end)

-- Loading -----------------------------------------------------------------------------------------

describe("load_files", function()
  it("gives the pictures in the order of their paths, whatever the threads", function()
    local paths = pictures.many(100)
    for _, threads in ipairs {1, 2, 7, 200} do
      local r = data.load_files(paths, {threads = threads})
      assert.same({100, 1, 4, 4}, r.images.shape)
      assert.equal("uint8", r.images.dtype)
      local wanted = {}
      for i = 1, 100 do wanted[i] = i end
      assert.same(wanted, pictures.values(r.images))
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
    local paths = {pictures.one("a.png", 10, 6, 8), pictures.one("b.png", 20, 40, 30)}
    local r = data.load_files(paths, {height = 5, width = 7})
    assert.same({2, 1, 5, 7}, r.images.shape)
    assert.same({10, 20}, pictures.values(r.images))
    assert.same({6, 40}, r.height:totable())
    assert.same({8, 30}, r.width:totable())
    assert.same({lfs.attributes(paths[1]).size, lfs.attributes(paths[2]).size}, r.file_bytes:totable())
  end)

  it("decodes as the reader of one file does, with every option", function()
    local path = folder .. "/x.png"
    data.write_png(path, agad.rand(3, 21, 33):mul(255):to "uint8")
    for _, fit in ipairs {"resize", "crop", "pad"} do
      for _, filter in ipairs {"bilinear", "area", "adaptive"} do
        for channels = 1, 3, 2 do
          local one = data.read(path, {height = 8, width = 9, channels = channels, fit = fit, filter = filter})
          local r = data.load_files({path}, {height = 8, width = 9, channels = channels, fit = fit, filter = filter})
          assert.equal(one:tostring_bytes(), r.images:tostring_bytes())
        end
      end
    end
  end)

  it("is grey where all files are, else in colour", function()
    local paths = pictures.many(3)
    assert.equal(1, data.load_files(paths).images.shape[2])
    paths[4] = pictures.one("c.png", 9, 4, 4, 3)
    local r = data.load_files(paths)
    assert.equal(3, r.images.shape[2])
    assert.same({1, 2, 3, 9}, r.images:select(4, 1):select(3, 1):select(2, 3):totable())
    assert.equal(1, data.load_files(paths, {channels = 1}).images.shape[2])
    local small, stored = {height = 4, width = 4}, "spec/data/decode/"
    for name, channels in pairs {["palette8.png"] = 3, ["rgb8.png"] = 3, ["grey16.png"] = 1, ["grey_alpha8.png"] = 1,
      ["jpeg444.jpg"] = 3, ["cmyk.jpg"] = 3, ["grey_progressive.jpg"] = 1} do
      assert.equal(channels, data.load_files({paths[1], stored .. name}, small).images.shape[2], name)
    end
    local cut = write("cut.png", read(stored .. "rgb8.png"):sub(1, 40))              -- what cannot be read has no say
    assert.equal(1, data.load_files({paths[1], cut}).images.shape[2])
  end)

  it("finds the header behind texts of any length", function()
    local colour = read(pictures.one("c.png", 9, 4, 4, 3))
    local text = pictures.png_chunk("tEXt", ("x"):rep(300000))
    local long = write("long.png", colour:sub(1, 33) .. text .. colour:sub(34))
    assert.equal(3, data.load_files({pictures.one("a.png", 1), long}).images.shape[2])
    local jpeg = read "spec/data/decode/jpeg444.jpg"
    local notes = ("\255\254\255\255" .. ("x"):rep(65533)):rep(5)
    long = write("long.jpg", jpeg:sub(1, 2) .. notes .. jpeg:sub(3))
    assert.equal(3, data.load_files({pictures.one("a.png", 1), long}, {height = 4, width = 4}).images.shape[2])
  end)

  it("skips what cannot be read, leaves no hole, and names the first five", function()
    local paths = pictures.many(12)
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
      assert.same({2, 5, 7, 8, 10, 11}, pictures.values(r.images))
      assert.same({4, 4, 4, 4, 4, 4}, r.height:totable())
      assert.equal(6, r.skipped)
      assert.equal(5, #r.examples)
      has(r.examples[1], folder .. "/zero.png: is empty")
      has(r.examples[2], folder .. "/text.jpg: is not a PNG")
      has(r.examples[3], folder .. "/cut.png: ", "truncated")
      has(r.examples[4], folder .. "/none.png: No such file or directory")
      has(r.examples[5], folder .. ": ")
    end
    paths = {write("line\nbreak.png", "x"), pictures.one("y.png", 1)}
    for _, o in ipairs {{}, {height = 4, width = 4}} do
      has(data.load_files(paths, o).examples[1], "/line\\x0Abreak.png: is not a PNG")
      o.strict = true
      has(refused(data.load_files, paths, o), "/line\\x0Abreak.png: is not a PNG")
    end
  end)

  it("makes the first unreadable file an error with strict", function()
    local paths = pictures.many(40)
    paths[7], paths[20] = write("bad7.png", "x"), write("bad20.png", "x")
    for _ = 1, 5 do has(refused(data.load_files, paths, {strict = true, threads = 4}), "bad7.png: is not a PNG") end
    paths[1] = write("bad1.png", "")
    has(refused(data.load_files, paths, {strict = true}), "bad1.png: is empty")
  end)

  it("refuses more than memory holds in one line, the cache's reason in it", function()
    local o = {height = 60000, width = 60000, cache = folder .. "/rows"}
    local paths, one = {}, pictures.one("x.png", 1)
    for i = 1, 2000 do paths[i] = one end
    local message = refused(data.load_files, paths, o)
    has(message, "load: no memory for 2000 pictures of 1 x 60000 x 60000; take a smaller size, fewer files or a cache",
      "are not kept in " .. o.cache .. ": No space left on device")
    o.cache = nil
    assert.is_nil(refused(data.load_files, paths, o):find "kept")
  end)

  it("says so when nothing can be read, or nothing is there", function()
    local bad = {write("a.png", "x"), write("b.png", "")}
    for _, o in ipairs {{}, {height = 4, width = 4}} do
      has(refused(data.load_files, bad, o), "load: none of 2 files can be read; the first one: ", "a.png: is not a PNG")
    end
    has(refused(data.load_files, {}), "load: there are no files")
    assert.same({0, 1, 4, 4}, data.load_files({}, {height = 4, width = 4}).images.shape)
  end)

  it("refuses pictures of unequal size without a size", function()
    local paths = pictures.many(30)
    paths[2], paths[9] = pictures.one("wide.png", 2, 4, 5), pictures.one("high.png", 2, 6, 4)
    for _ = 1, 5 do
      has(refused(data.load_files, paths, {threads = 4}), "p001.png has 4 x 4 pixels but ", "wide.png has 4 x 5; "
        .. "give a size to resize all to (size = N)")
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
    local function flat(t) return t:flatten():totable() end
    assert.same({1, 1, 2, 4}, mask({}).shape)
    assert.same({0, 0, 1, 1, 0, 0, 0, 1}, flat(mask({})))
    assert.same({0, 1, 0, 0}, flat(mask({height = 2, width = 2, fit = "crop"})))      -- the middle columns
    assert.same({0, 1, 0, 1}, flat(mask({height = 2, width = 2})))
    assert.same({0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0}, flat(mask({height = 4, width = 4, fit = "pad"})))
    data.write_png(path, core.from_table({0, 0, 1, 0, 0, 0}, "uint8"):reshape({3, 1, 2}))
    assert.same({1, 0}, flat(mask({height = 1, width = 2})))                           -- any channel counts
    local two = {path, pictures.one("n.png", 3)}
    has(refused(data.load_files, two, {mask = true}), "m.png has 1 x 2 pixels but ", "n.png has 4 x 4; give a size")
    assert.same({1, 0, 1, 1}, flat(data.load_files(two, {mask = true, height = 1, width = 2}).images))
  end)

  it("lays masks on their pictures", function()
    for _, fit in ipairs {"resize", "crop", "pad"} do
      for _, from in ipairs {{7, 30}, {30, 7}, {5, 6}, {64, 33}, {200, 3}} do
        for _, to in ipairs {{16, 16}, {9, 31}, {40, 12}} do
          local o = {height = to[1], width = to[2], fit = fit}
          local path = pictures.one("white.png", 255, from[1], from[2])
          local picture = data.load_files({path}, o).images
          o.mask = true
          local mask = data.load_files({path}, o).images
          assert.equal(picture:gt(0):to("uint8"):tostring_bytes(), mask:tostring_bytes(), fit)
          local half = agad.zeros({1, from[1], from[2]}, {dtype = "uint8"})       -- the right half is white
          half:narrow(3, from[2] // 2 + 1, from[2] - from[2] // 2):fill_(255)
          data.write_png(path, half)
          mask = data.load_files({path}, o).images
          o.mask = nil
          picture = data.load_files({path}, o).images:gt(127):to "uint8"
          assert.is_true(picture:ne(mask):sum():item() <= to[1], fit)             -- a column, where it is halfway
        end
      end
    end
  end)

  it("obeys the limits of the decoder", function()
    local paths = {pictures.one("small.png", 1, 4, 4), pictures.one("large.png", 2, 10, 10)}
    local r = data.load_files(paths, {height = 4, width = 4, max_pixels = 99})
    assert.same({0}, r.kept:totable())
    has(r.examples[1], "large.png: has 10 x 10 pixels, over the limit of 99")
    data.write_png(paths[2], agad.rand(3, 10, 10):mul(255):to "uint8")
    r = data.load_files(paths, {height = 4, width = 4, max_bytes = lfs.attributes(paths[1]).size})
    assert.same({0}, r.kept:totable())
    has(r.examples[1], "large.png: has ", " bytes, over the limit of ")
  end)

  it("calls on_progress, at last with all files", function()
    local done, total
    data.load_files(pictures.many(10), {on_progress = function(d, n) done, total = d, n end})
    assert.same({10, 10}, {done, total})
    local function broken() error("the bar broke", 0) end
    has(refused(data.load_files, pictures.many(10), {on_progress = broken}), "the bar broke")
    local seen = {}
    has(refused(data.load_files, pictures.endless(), {height = 8, width = 8, on_progress = function(d, n)
      assert(d < n and d >= (seen[#seen] or 0))
      seen[#seen + 1] = d
      if #seen == 2 then error("twice before the end", 0) end
    end}), "twice before the end")
  end)

  it("refuses wrong arguments in one line that says which", function()
    local p = pictures.many(1)
    for wanted, args in pairs {
      ["unknown option sized; known: cache, channels"] = {p, {sized = 3}},
      ["unknown option 1; known"] = {p, {"x"}},
      ["give height and width, or neither"] = {p, {height = 3}},
      ["height = 0.5; give a whole number from 1 to 65536"] = {p, {height = 0.5, width = 3}},
      ["width = -3; give a whole number from 1"] = {p, {height = 3, width = -3}},
      ["channels = 2; give 1 (grey) or 3 (colour)"] = {p, {channels = 2}},
      ["fit = fill; give resize, crop or pad"] = {p, {fit = "fill"}},
      ["filter = true; give bilinear, area or adaptive"] = {p, {filter = true}},
      ["cache = 7; give a string"] = {p, {cache = 7}},
      ["on_progress must be a function"] = {p, {on_progress = 7}},
      ["item 2 of the paths is a number, not a string"] = {{p[1], 7}},
      ["path 1 holds a zero byte"] = {{"a\0b"}},
    } do has(refused(data.load_files, table.unpack(args)), wanted) end
  end)
end)
