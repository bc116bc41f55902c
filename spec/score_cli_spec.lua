-- agad score on many files: rows for all that can be read, as they are computed, and error maps that replace nothing.
-- To add a case: write pictures, call `score`, and compare rows, notes and status.

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"
local luv = require "luv"
core.threads(1)

local cli = dofile "spec/support/cli.lua"
local small = dofile "spec/support/small_run.lua"
local maps = require "agad.evaluate.maps"
local dir, read, write = cli.dir, cli.read, cli.write
teardown(cli.remove)

local function path(name) return dir .. "/" .. name end
local function picture(name)
  require("agad.base.folder").make(path(name):match "^(.*)/")
  agad.data.write_png(path(name), (agad.rand(1, 32, 32) * 255):to "uint8")
end

setup(function()
  agad.trainer(small.task, small.with {epochs = 1}):fit(small.quiet):save(path "m.st")
  agad.trainer(small.task, small.with {epochs = 1, net = "naive", deterministic = false}):fit(small.quiet)
    :save(path "naive.st")
  picture "good/a.png"
  picture "good/b.png"
  write(path "bad.png", "no picture")
  lfs.mkdir(path "empty")
end)

-- The rows, the text on stderr and the status.
local function score(arguments, model)
  local status, out, err = cli.agad(("score %s --threads 1 --json %s"):format(model or "m.st", arguments))
  local rows = {}
  for line in out:gmatch "[^\n]+" do rows[#rows + 1] = core.json_decode(line) end
  return rows, err, status
end

local function paths_of(rows)
  local list = {}
  for i, row in ipairs(rows) do list[i] = row.path end
  return list
end

describe("agad score", function()
  it("gives rows for all that can be read, in order, a note for each other file, and status 1", function()
    local rows, err, status = score "good/b.png bad.png empty nowhere.png good good/a.png"
    assert.same({"good/b.png", "good/a.png", "good/b.png", "good/a.png"}, paths_of(rows))
    assert.equal(rows[2].score, rows[4].score)
    assert.equal(1, status)
    assert.matches("^note: bad%.png: is not a PNG[^\n]*\n"
      .. "note: empty: there are no pictures %(.*%) in this folder\n"
      .. "note: nowhere%.png: no such file or folder\n"
      .. "agad: 3 of 7 pictures could not be scored\n$", err)
  end)

  it("gives a picture the same score whatever is scored with it, to the bit", function()
    os.execute(("cp -r spec/data/decode '%s/kinds'; cp '%s/bad.png' '%s/kinds/k.png'"):format(dir, dir, dir))
    for _, name in ipairs {"m.st", "naive.st"} do
      local model, rows, err = agad.model.open(path(name)), score("kinds", name)
      assert.is_true(#rows >= 40, err)
      for _, row in ipairs(rows) do
        assert.equal(model:score({path(row.path)})[1].score, row.score, row.path)
        assert.equal(model:score(model:picture(path(row.path)))[1].score, row.score, row.path)
      end
      for i = 1, #rows, 40 do assert.same({rows[i]}, (score(rows[i].path, name))) end
    end
  end)

  it("leaves the masks of a folder out, with a note, and scores a mask that is named itself", function()
    picture "parts/1.png"
    agad.data.write_png(path "parts/1_mask.png", agad.zeros({1, 32, 32}, {dtype = "uint8"}))
    local rows, err, status = score "parts"
    assert.same({"parts/1.png"}, paths_of(rows))
    assert.equal(0, status)
    assert.equal("note: parts: 1 file named like the picture beside it, and a mask, is taken for its mask "
      .. "(1_mask.png)\n", err)
    assert.same({"parts/1.png", "parts/1_mask.png"}, paths_of((score "parts/1.png parts/1_mask.png")))
  end)

  it("names the first few files only, and those of a folder without status 1", function()
    picture "some/9.png"
    for i = 1, 8 do write(path(("some/%d.png"):format(i)), "no picture") end
    local rows, err, status = score "some"
    assert.same({"some/9.png"}, paths_of(rows))
    assert.equal(0, status)
    assert.equal(5, select(2, err:gsub("note: some/%d%.png: is not a PNG", "")))
    assert.matches("\nnote: 8 of 9 pictures could not be scored\n$", err)
  end)

  it("says in one line, without a table, that nothing can be scored", function()
    cli.refuses(1, "score m.st bad.png", "bad.png: is not a PNG")
    cli.refuses(1, "score m.st nowhere.png", "nowhere.png: no such file or folder")
    cli.refuses(1, "score m.st empty", "empty: there are no pictures (")
    cli.refuses(1, "score m.st bad.png bad.png", "none of the 2 pictures can be scored; the first: bad.png: is not ")
    cli.refuses(1, "score none.st a.png b.png", "the first: a.png: no such file or folder")
    cli.refuses(2, "score m.st good --map ''", "--map: give the name of a folder")
  end)

  it("stops at the first bad file if strict, after the rows before it", function()
    local rows, err, status = score "good/a.png bad.png good/b.png --set strict=true"
    assert.same({"good/a.png"}, paths_of(rows))
    assert.equal(1, status)
    assert.matches("^agad: bad%.png: is not a PNG[^\n]*\n$", err)
  end)

  it("prints a table with fixed columns and printable names", function()
    os.rename(path "good/a.png", path "good/\27a.png")
    local status, out = cli.agad "score m.st good --threads 1"
    os.rename(path "good/\27a.png", path "good/a.png")
    assert.equal(0, status)
    assert.matches("^       score               picture\n"
      .. " +%d[%d.]*   %l+ +good/\\x1Ba%.png\n +%d[%d.]*   %l+ +good/b%.png\n$", out)
    for line in out:gmatch "[^\n]+" do assert.matches("^" .. ("."):rep(27) .. "[pg]", line) end
  end)

  it("keeps the rows before Ctrl-C, and ends with 130", function()
    os.execute(("mkdir '%s/one'; cp '%s/good/a.png' '%s/one'"):format(dir, dir, dir))
    local status, out, err = cli.interrupted("score naive.st --threads 1 --json" .. (" one"):rep(10000), "out")
    assert.same({130, "agad: interrupted\n"}, {status, err})
    local n = 0
    for line in out:gmatch "([^\n]*)\n" do
      n = n + 1
      assert.equal("one/a.png", core.json_decode(line).path)
    end
    assert.is_true(n >= 1 and n < 10000, n)
    assert.equal("\n", out:sub(-1))
  end)
end)

describe("the file of an error map", function()
  it("differs for different paths, and stays in its folder", function()
    local seen, long = {}, ("x"):rep(250)
    for _, name in ipairs {"x.png", "x.jpg", "a/x.png", "a_x.png", "../a/x.png", "../../a/x.png", "/a/x.png",
      "%root/a/x.png", "%up/a/x.png", "%%up/a/x.png", "x.png.map.png/y.png", "x.png.map.png%/y.png",
      long .. ".jpg", long .. ".png", long .. "/x.png", ("d/"):rep(2000) .. "x.png", ("d/"):rep(2001) .. "x.png"} do
      local to = maps.path("maps", name)
      assert.is_nil(seen[to], to)
      seen[to] = true
      assert.matches("^maps/.*[^/]%.map%.png$", to)
      assert.is_true(#to <= 4095)
      for part in to:gmatch "[^/]+" do assert.is_true(part ~= ".." and #part <= 255, part) end
    end
    assert.equal("maps/a/x.png.map.png", maps.path("maps/", "./a//x.png"))
    assert.equal("/x.png.map.png", maps.path("/", "x.png"))
    for to in pairs(seen) do                           -- no map lies in a folder that another map's file is
      for other in pairs(seen) do assert.not_equal(other .. "/", to:sub(1, #other + 1)) end
    end
  end)
end)

describe("agad score --map", function()
  it("beside the pictures leaves them as they are, and later calls leave the maps out", function()
    local before = read(path "good/a.png")
    for _ = 1, 2 do
      local rows, err, status = score "good/*.png --map ."
      assert.same({0, {"good/a.png", "good/b.png"}}, {status, paths_of(rows)}, err)
      assert.equal("./good/a.png.map.png", rows[1].map)
      assert.equal(before, read(path "good/a.png"))
      assert.same({1, 32, 32}, agad.data.read(path "good/a.png.map.png").shape)
      rows, err = score "good"
      assert.same({"good/a.png", "good/b.png"}, paths_of(rows))
      assert.equal("note: 2 pictures that agad drew are left out: good/a.png.map.png, good/b.png.map.png\n", err)
    end
    cli.refuses(1, "score m.st good/a.png.map.png", "1 picture that agad drew is left out: good/a.png.map.png")
    os.execute(("rm '%s'/good/*.map.png"):format(dir))
  end)

  it("replaces no file that is not an earlier map, and no map that an input is", function()
    picture "o/a.png.map.png"                          -- a picture of the user's, whatever its name
    local mine = read(path "o/a.png.map.png")
    picture "o/a.png"
    local rows, err, status = score "o --map ."
    assert.same({1, {"o/a.png", "o/a.png.map.png"}}, {status, paths_of(rows)})
    assert.same({core.null, "./o/a.png.map.png.map.png"}, {rows[1].map, rows[2].map})
    assert.equal("note: no error map for o/a.png: ./o/a.png.map.png: there is another file of this name; "
      .. "it was left as it is\nagad: 1 of 2 error maps could not be written\n", err)
    assert.equal(mine, read(path "o/a.png.map.png"))

    os.rename(path "o/a.png.map.png.map.png", path "o/b.png.map.png")
    os.remove(path "o/a.png.map.png")
    luv.fs_symlink("b.png.map.png", path "o/c.png")
    picture "o/b.png"
    local earlier = read(path "o/b.png.map.png")
    rows, err, status = score "o/b.png o/c.png --map ."
    assert.same({1, core.null, "./o/c.png.map.png"}, {status, rows[1].map, rows[2].map}, err)
    assert.equal(earlier, read(path "o/b.png.map.png"))
  end)

  it("costs no row where maps cannot be written", function()
    write(path "file", "")
    os.execute(("mkdir '%s/m' && touch '%s/m/good'"):format(dir, dir))
    local rows, err, status = score "good --map m"
    assert.same({1, {"good/a.png", "good/b.png"}}, {status, paths_of(rows)})
    local reason = "cannot create the folder m/good: there is a file of this name\n"
    assert.equal("note: no error map for good/a.png: " .. reason .. "note: no error map for good/b.png: " .. reason
      .. "agad: 2 of 2 error maps could not be written\n", err)
    cli.refuses(1, "score m.st good --map file", "cannot create the folder file: there is a file of this name")
  end)
end)

describe("model:rows", function()
  it("gives rows in order with their pictures, and may be left at any row", function()
    local model, names = agad.model.open(path "naive.st"), {}
    for i = 1, 100 do names[i] = path(i % 9 == 0 and "bad.png" or i % 2 == 0 and "good/a.png" or "good/b.png") end
    local n, want = 0, model:score(names, {strict = false})
    for row, read_picture in model:rows(names) do
      n = n + 1
      assert.same(want[n], row)
      assert.equal(row.error == nil, read_picture ~= nil)
      if read_picture then assert.is_true(read_picture:equal(model:picture(names[n]))) end
    end
    assert.equal(100, n)
    local next_row, _, _, reader <close> = model:rows(names)
    assert.same(want[1], (next_row()))
    assert.is_userdata(reader)
  end)
end)

describe("model:score", function()
  it("gives the other rows too if it is not strict", function()
    local model = agad.model.open(path "m.st")
    assert.has_error(function() model:score {path "good/a.png", path "bad.png"} end)
    local rows = model:score({path "bad.png", path "good/a.png"}, {strict = false})
    assert.matches("bad%.png: is not a PNG", rows[1].error)
    assert.equal(model:score({path "good/a.png"})[1].score, rows[2].score)
    assert.equal(model:score(model:picture(path "good/a.png"))[1].score, rows[2].score)
    assert.is_true(model.has_map)
    assert.same({}, model:score {})
    assert.has_error(function() model:score({path "good/a.png", 1}, {strict = false}) end)
  end)
end)
