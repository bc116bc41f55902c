-- Outputs destroy nothing: links are followed, permissions kept, and only regular files replaced that may be written
-- and that no input is.
-- To add a case: a writer in `writers`, or a file that must stay as it is in a test of a command.

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"
local luv = require "luv"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local cli = dofile "spec/support/cli.lua"
local dir, read, write = cli.dir, cli.read, cli.write
teardown(cli.remove)

local function path(name) return dir .. "/" .. name end
local function names(folder)
  local list = {}
  for name in lfs.dir(folder) do if not name:find "^%.%.?$" then list[#list + 1] = name end end
  table.sort(list)
  return list
end
local function mode(file) return luv.fs_stat(file).mode & tonumber("777", 8) end

-- All ways to write a file, by the ending of its name.
local writers = {
  txt = function(to) core.file_replace(to, "new") end,
  npy = function(to) agad.save(to, agad.zeros(2)) end,
  png = function(to) agad.data.write_png(to, agad.zeros({1, 2, 2}, {dtype = "uint8"})) end,
  safetensors = function(to) agad.save(to, {w = agad.zeros(2)}) end,
}

describe("every writer", function()
  local folder
  before_each(function()
    folder = path "w"
    lfs.mkdir(folder)
  end)
  after_each(function() os.execute(("rm -rf '%s'"):format(folder)) end)

  for ending, save in pairs(writers) do
    local function inside(name) return ("%s/%s.%s"):format(folder, name, ending) end

    it("of ." .. ending .. " follows links to the file, which it replaces with its permissions", function()
      lfs.mkdir(folder .. "/far")
      local target, link, chain = inside "far/target", inside "link", inside "chain"
      write(target, "old")
      luv.fs_chmod(target, tonumber("640", 8))
      luv.fs_symlink("far/target." .. ending, link)
      luv.fs_symlink(link, chain)
      save(chain)
      assert.not_equal("old", read(target))
      assert.equal(tonumber("640", 8), mode(target))
      assert.same({"link", "link"}, {lfs.symlinkattributes(link, "mode"), lfs.symlinkattributes(chain, "mode")})
      assert.same({"target." .. ending}, names(folder .. "/far"))
    end)

    it("of ." .. ending .. " makes the file that a link names, and leaves other names of the old one their bytes",
      function()
        local target, link, second = inside "target", inside "link", inside "second"
        luv.fs_symlink("target." .. ending, link)
        save(link)
        assert.equal("file", lfs.symlinkattributes(target, "mode"))
        write(target, "old")
        luv.fs_link(target, second)
        save(target)
        assert.equal("old", read(second))
        assert.not_equal("old", read(target))
      end)

    it("of ." .. ending .. " refuses what is no regular file, is write-protected, or leads nowhere", function()
      local fifo, device, folder_named, protected = inside "fifo", inside "device", inside "folder", inside "protected"
      os.execute(("mkfifo '%s'"):format(fifo))
      has(refused(save, fifo), "it is not a regular file")
      if os.execute(("mknod '%s' c 1 3 2> /dev/null"):format(device)) then
        has(refused(save, device), "it is not a regular file")
        assert.equal("char device", lfs.attributes(device, "mode"))
      end
      lfs.mkdir(folder_named)
      has(refused(save, folder_named), "Is a directory")
      write(protected, "kept")
      luv.fs_chmod(protected, tonumber("444", 8))
      has(refused(save, protected), "the file is write-protected")
      assert.equal("kept", read(protected))
      luv.fs_symlink("loop." .. ending, inside "loop")
      has(refused(save, inside "loop"), "Too many levels of symbolic links")
      luv.fs_symlink("/dev/stdout", inside "stdout")
      has(refused(save, inside "stdout"), "it is not a regular file")
      assert.equal("link", lfs.symlinkattributes(inside "stdout", "mode"))
      for _, name in ipairs(names(folder)) do assert.is_nil(name:find "agad%-part") end
    end)

    it("of ." .. ending .. " takes names as long as the file system has them", function()
      local name = inside(("n"):rep(254 - #ending))
      save(name)
      assert.equal("file", lfs.attributes(name, "mode"))
      has(refused(save, inside(("n"):rep(255 - #ending))), "File name too long")
    end)
  end
end)

describe("agad train", function()
  local function train(out) return ("train weave --epochs 1 --limit 64 --threads 1 --quiet --out %s"):format(out) end

  it("refuses, before it trains, what is no place for a model", function()
    write(path "parts.csv", "path,label\n")
    write(path "link.csv", "")
    os.execute(("cd '%s' && rm link.csv && ln -s parts.csv link.csv && mkfifo fifo && mkdir r.run"):format(dir))
    write(path "kept.safetensors", "kept")
    luv.fs_chmod(path "kept.safetensors", tonumber("444", 8))
    local other = "there is another file of this name, which is not a model; give another name, or remove it"
    cli.refuses(1, train "parts.csv", "cannot write parts.csv: " .. other)
    cli.refuses(1, train "link.csv", "cannot write link.csv: " .. other)
    cli.refuses(1, train "fifo", "cannot write fifo: it is not a regular file")
    cli.refuses(1, train "kept.safetensors", "cannot write kept.safetensors: the file is write-protected")
    cli.refuses(1, train "/dev/stdout", "cannot write /dev/stdout (a link to ")
    cli.refuses(2, train "r.run/m.safetensors --run r.run", "--out r.run/m.safetensors lies in the run directory r.run")
    assert.equal("path,label\n", read(path "parts.csv"))
    assert.same({"err", "fifo", "kept.safetensors", "link.csv", "out", "parts.csv", "r.run"}, names(dir))
    os.execute(("cd '%s' && rm -rf fifo r.run *.csv *.safetensors"):format(dir))
  end)

  it("writes through a link to a model, and keeps a link to the run directory", function()
    os.execute(("cd '%s' && mkdir far far/m.run && ln -s far/m.safetensors m.safetensors && ln -s far/m.run m.run")
      :format(dir))
    for _ = 1, 2 do
      local status, _, err = cli.agad(train "m.safetensors")
      assert.equal(0, status, err)
      assert.same({"m.run", "m.safetensors"}, names(path "far"))
    end
    assert.same({"link", "link"}, {lfs.symlinkattributes(path "m.safetensors", "mode"),
      lfs.symlinkattributes(path "m.run", "mode")})
    assert.is_true(agad.model.open(path "m.safetensors").info.steps >= 1)
    os.execute(("cd '%s' && rm -rf far m.*"):format(dir))
  end)
end)

describe("a run directory", function()
  it("is not moved over a folder that holds other files", function()
    local rundir = require "agad.train.rundir"
    rundir.create(path "a.run", "{}"):close()
    lfs.mkdir(path "a.run.previous")
    write(path "a.run.previous/result.json", "mine")
    write(path "a.run.previous/notes", "mine")
    has(refused(rundir.create, path "a.run", "{}"), "a.run.previous holds other files (notes); move those away")
    assert.same({"mine", "mine"}, {read(path "a.run.previous/result.json"), read(path "a.run.previous/notes")})
  end)
end)

describe("other outputs", function()
  it("of agad demo go to a folder of their own only", function()
    lfs.mkdir(path "mine")
    write(path "mine/grid.png", "mine")
    write(path "mine/notes", "mine")
    cli.refuses(1, "demo --out mine", "--out mine: this folder holds other files (notes); give a new folder")
    assert.equal("mine", read(path "mine/grid.png"))
  end)

  it("of agad info leave pictures alone that are no mean pictures", function()
    local set = agad.data.tensors {images = (agad.rand(4, 1, 8, 8) * 255):to "uint8", labels = {0, 0, 1, 1},
      classes = {"a", "b"}}
    lfs.mkdir(path "means")
    write(path "means/mean-a.png", "mine")
    local inspect = require "agad.data.inspect"
    for _ = 1, 2 do
      local row, failed = inspect.set(set, {out = path "means"})
      assert.equal(1, failed)
      assert.same({core.null, path "means/mean-b.png"}, {row.classes[1].mean_picture, row.classes[2].mean_picture})
      assert.matches("^no mean picture: .*/mean%-a%.png: there is another file of this name", row.notes[#row.notes])
    end
    assert.equal("mine", read(path "means/mean-a.png"))
  end)

  it("of a net's graph leave a file alone that agad did not write", function()
    local draw, execute = require "agad.nn.draw", os.execute
    local program = agad.nn.program("naive", {1, 32, 32})
    write(path "net.dot", "digraph mine {}")
    os.execute = function() return nil end             -- luacheck: ignore 122 (no Graphviz)
    local reason = refused(draw.svg, program, path "net.svg")
    os.remove(path "net.dot")
    local first, second = draw.svg(program, path "net.svg"), draw.svg(program, path "net.svg")
    os.execute = execute                               -- luacheck: ignore 122
    has(reason, "net.dot: there is another file of this name; it was left as it is")
    assert.same({path "net.dot", path "net.dot"}, {first, second})
    assert.matches("^// a net, written by agad\ndigraph ", read(path "net.dot"))
  end)

  it("of the cache do not replace a file that was named by mistake", function()
    lfs.mkdir(path "parts")
    for i = 1, 3 do agad.data.write_png(path(("parts/%d.png"):format(i)), agad.rand(1, 8, 8):mul(255):to "uint8") end
    write(path "notes", "these are mine")
    has(refused(agad.data.folder, path "parts", {cache = path "notes"}), "there is another file of this name")
    assert.equal("these are mine", read(path "notes"))
    local cache = path "decoded"
    agad.data.folder(path "parts", {cache = cache})
    assert.equal("agad", read(cache):sub(1, 4))
    assert.equal(3, agad.data.folder(path "parts", {cache = cache}).train.labels:numel())
  end)

  it("of gnuplot replace a plot only once it is complete", function()
    if not os.execute "command -v gnuplot > /dev/null 2>&1" then pending "no gnuplot" end
    local plot = agad.plot
    write(path "p.png.new", "mine")
    write(path "p.png", "old")
    has(refused(plot.gnuplot, "plot sin(x); nonsense", path "p.png"), "gnuplot reports: ")
    has(refused(plot.gnuplot, "x = 1", path "p.png"), "gnuplot draws nothing")
    assert.equal("old", read(path "p.png"))
    plot.gnuplot("plot sin(x)", path "p.png")
    assert.equal("\137PNG", read(path "p.png"):sub(1, 4))
    assert.equal("mine", read(path "p.png.new"))
  end)
end)
