-- Names that could mean two things: a folder called like a built-in set, a folder of pictures with a file called
-- config.json. To add a case: files in the folder of cli.lua, and what a command says about them.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local cli = dofile "spec/support/cli.lua"
local lfs = require "lfs"
local rundir = require "agad.train.rundir"
local has = checks.has

local function picture(path, value)
  require("agad.base.folder").make(cli.dir .. "/" .. path:match "^(.*)/")
  agad.data.write_png(cli.dir .. "/" .. path, agad.zeros({1, 32, 32}, {dtype = "uint8"}) + value)
end

-- Runs Lua in the folder: what it prints.
local function lua(code)
  cli.write(cli.dir .. "/chunk.lua", code)
  local status, out, err = cli.agad "chunk.lua"
  assert.equal(0, status, err)
  return out
end

local function info(what)
  local status, out, err = cli.agad("info --json " .. what)
  assert.equal(0, status, err)
  return agad.core.json_decode(out), err
end

teardown(cli.remove)

describe("a folder called like a built-in set", function()
  local note = "weave is taken as the data set of that name; for the folder weave, give ./weave"

  setup(function() for i = 1, 4 do picture(("weave/good/%d.png"):format(i), i * 20) end end)
  teardown(function() os.execute(("rm -rf '%s/weave'"):format(cli.dir)) end)

  it("is passed over with a note that says how to name it", function()
    local row = info "weave"
    assert.equal("agad.data.weave()", row.call)
    has(table.concat(row.notes, "\n"), note)
    row = info "./weave"
    assert.equal('agad.data.folder("./weave")', row.call)
    assert.same({"good"}, {row.classes[1].name, row.classes[2]})
    assert.is_nil(table.concat(row.notes, "\n"):find("is taken as", 1, true))
  end)

  it("is noted by each way to load a set, and not for other names", function()
    local out = lua [[
      local agad = require "agad"
      local small = {train_normals = 2, train_defects = 0, test_normals = 1, test_defects = 0}
      print(agad.data.load("weave", small).notes[1])
      print(agad.task.new(agad.data.load("weave", small)).notes[1])
      print(agad.data.weave(small).notes)
      print(pcall(agad.data.load, "weave", {size = 31}))
      local named = require "agad.data.named"
      print(named.note "mnist", named.note "./weave", named.note "chunk.lua")
      print(named.note("weave", "."), named.note("weave", "./weave"))
    ]]
    assert.equal(table.concat({note, note, "nil",
      "false\tweave: size = 31: it must be between 32 and 1024; " .. note, "nil\tnil\tnil", "nil\t" .. note}, "\n")
      .. "\n", out)
  end)

  it("is noted by a campaign before its runs", function()
    cli.write(cli.dir .. "/grid.lua", 'return {data = "weave", grid = {epochs = {0}}}')
    cli.refuses(2, "campaign grid.lua", "epochs = 0: it must be at least 1")
    local out = lua [[
      local agad = require "agad"
      agad.campaign.run({data = "weave", dir = "runs"}, {program = "/bin/false", on_event = function(e)
        if e.kind ~= "progress" then print(e.kind, e.text) end
      end})
    ]]
    assert.equal("note\t" .. note .. "\nstart\tnil\nfailed\tnil\n", out)
  end)
end)

describe("a folder with a file called config.json", function()
  it("is a folder of pictures if it has pictures, and is never taken for a run's directory", function()
    for i = 1, 4 do picture(("mine/good/%d.png"):format(i), i * 20) end
    for name, text in pairs {["config.json"] = '{"fps": 25}', ["log.jsonl"] = "", ["notes.txt"] = "x"} do
      cli.write(cli.dir .. "/mine/" .. name, text)
    end
    assert.is_false(rundir.is(cli.dir .. "/mine"))
    assert.equal("data", info("mine").kind)
    cli.refuses(1, "train weave --limit 20 --epochs 1 --threads 1 --out m.st --run mine",
      "run directory mine: this folder is not a run directory, and was left untouched")
    assert.equal('{"fps": 25}', cli.read(cli.dir .. "/mine/config.json"))
    assert.is_nil(lfs.attributes(cli.dir .. "/mine.previous"))
  end)

  it("is a run's directory if it has nothing but the files of a run, or the state of one", function()
    local dir = cli.dir .. "/a.run"
    lfs.mkdir(dir)
    assert.is_false(rundir.is(dir))
    cli.write(dir .. "/config.json", '{"method": "agad", "epochs": 3}')
    cli.write(dir .. "/lock", "")
    cli.write(dir .. "/state.safetensors.4711-18ec62995ad4ec86.agad-part", "")
    assert.is_true(rundir.is(dir))
    assert.same({"run", 3}, {info("a.run").kind, info("a.run").config.epochs})
    picture("a.run/losses.png", 7)
    assert.is_false(rundir.is(dir))
    cli.write(dir .. "/state.safetensors", "")
    assert.is_true(rundir.is(dir))
    cli.write(dir .. "/config.json", '{"fps": 25}')
    assert.is_false(rundir.is(dir))
    cli.write(dir .. "/config.json", "{")
    assert.is_false(rundir.is(dir))
  end)
end)
