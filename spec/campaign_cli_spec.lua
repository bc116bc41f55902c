-- The command agad campaign: what it prints, its exit status, its one-line errors.
-- To add a case: a file in the folder of cli.lua, and what a command over it says.

local agad = require "agad"
local campaigns = dofile "spec/support/campaigns.lua"
local checks = dofile "spec/support/checks.lua"
local cli = dofile "spec/support/cli.lua"
local has = checks.has

teardown(function()
  cli.remove()
  campaigns.remove()
end)

-- A file that returns a campaign of tiny runs; `extra` is Lua that may change `spec`.
local function file(name, more, extra)
  local spec = campaigns.tiny(name, more)
  spec.dir = nil
  local code = "local spec = require('agad').core.json_decode %q\n%s\nreturn spec\n"
  cli.write(cli.dir .. "/" .. name .. ".lua", code:format(agad.core.json_encode(spec), extra or ""))
end

-- Runs a command that must succeed: its output, and stderr.
local function agad_does(arguments, status)
  local s, out, err = cli.agad(arguments)
  assert.equal(status or 0, s, err)
  return out, err
end

describe("agad campaign", function()
  it("trains what is not finished, prints a table, and says what each run does", function()
    file("grid", {grid = {seed = {1, 2}, batch = {8, 16}}})
    local out, err = agad_does "campaign grid.lua --only 'batch == 8' --workers 1"
    assert.matches("^  batch   runs   steady   SD seeds   plain   paper%-like\n      8   2/2 ", out)
    assert.matches("^%x+ starts %(batch = 8, seed = 1%), 2 left\n"
      .. "%x+ done, AUROC 0%.%d+ %(batch = 8, seed = 1%), 1 left\n", err)
    out, err = agad_does "campaign grid.lua status"
    assert.matches("^  4 runs in grid%.runs, [%d.]+ [kM]B\n  2 finished, 2 waiting\n$", out)
    assert.equal("", err)
    out = agad_does "campaign grid.lua table --by batch --values auroc_steady --format csv"
    assert.matches("^batch,runs,steady,SD seeds\n8,2/2,0%.%d+,0?%.?[%de-]+\n16,0/2,,\n$", out)
    out = agad_does "campaign grid.lua status --json"
    assert.equal(4, select(2, out:gsub('"state"', "")))
    assert.equal(2, select(2, out:gsub('"state":"finished"', "")))
    out = agad_does "campaign grid.lua table --json --by seed"
    assert.equal(1, agad.core.json_decode(out:match "^[^\n]+").finished)
    cli.refuses(1, "campaign grid.lua plot --kind scores",
      "no finished run has a histogram of its scores; set curves = true")
  end)

  it("counts the runs and estimates their time without training any", function()
    file("dry", {grid = {seed = {1, 2, 3}}})
    local out = agad_does "campaign dry.lua --dry-run"
    assert.matches("\n  all%s+3%s+3%s+1%s+[%d.]+ s%s+a measured step\n", out)
    assert.matches("\n  3 runs, 3 to train: about [%d.:]+ s? ?with %d workers? %(an estimate%)\n$", out)
    assert.is_nil(require("lfs").attributes(cli.dir .. "/dry.runs"))
  end)

  it("leaves out of it what is absent, and says so, as a training and the status do", function()
    file("part", {grid = {seed = {1}}}, "spec.grid.data, spec.data = {spec.data, 'no/such'}")
    local note = "1 run is left out: there is no data set no/such"
    local out, err = agad_does "campaign part.lua --dry-run"
    assert.matches("\n  data = no/such%s+1%s+0%s+%-%s+%-%s+%-\n  2 runs, 1 to train: about ", out)
    has(err, "note: " .. note)
    out, err = agad_does "campaign part.lua"
    has(err, "note: " .. note)
    has(out, "1/1")
    has(agad_does "campaign part.lua status", "  1 finished, 1 absent\n  absent:\n    " .. note)
  end)

  it("fails if a run failed, which status and the table survive", function()
    file("bad", {grid = {net = {"none.lua"}}})
    local _, err = agad_does("campaign bad.lua --quiet", 1)
    assert.equal("agad: 1 of 1 run failed; agad campaign bad.lua status says why, --retry-failed trains them again\n",
      err)
    local out = agad_does "campaign bad.lua status"
    has(out, "  1 failed\n", "failed (--retry-failed trains them again):", "net none.lua: there is no such file")
    has(agad_does "campaign bad.lua table", "0/1")
  end)

  it("takes options for every run, but for those that have an axis", function()
    file("given", {grid = {seed = {1}}})
    agad_does "campaign given.lua --set lambda.con=11 --quiet"
    local id = agad_does("campaign given.lua status --set lambda.con=11 --json"):match '"id":"(%x+)"'
    local row = agad.core.json_decode(cli.read(("%s/given.runs/%s/run/result.json"):format(cli.dir, id)))
    assert.equal(11.0, row.config.lambda.con)
    has(agad_does "campaign given.lua status", "1 waiting", "1 result of the folder belongs to no run of this file")
    cli.refuses(2, "campaign given.lua --seed 3", "seed has an axis in given.lua; choose runs with --only 'seed == …'")
  end)

  it("refuses what is wrong with one line", function()
    cli.write(cli.dir .. "/three.lua", "return 3")
    cli.refuses(2, "campaign three.lua", "three.lua must return a table, not a number")
    cli.write(cli.dir .. "/broken.lua", "return {")
    cli.refuses(2, "campaign broken.lua", "broken.lua:1:")
    cli.refuses(2, "campaign absent.lua", "absent.lua")
    file("empty", {}, "spec.grid = {}")
    cli.refuses(2, "campaign empty.lua", "grid is empty")
    file("huge", {}, "spec.grid.seed = {} for i = 1, 30000 do spec.grid.seed[i] = i end")
    cli.refuses(2, "campaign huge.lua status", "the grid has 30000 runs; 20000 are the most")
    file("twice", {}, "spec.variants = {a = {}, b = {}}")
    cli.refuses(2, "campaign twice.lua table", "the variants a and b are the same run")
    file("keys", {}, "spec.grdi = {}")
    cli.refuses(2, "campaign keys.lua", "unknown option grdi; did you mean grid?")
    file("fine", {})
    cli.refuses(2, "campaign fine.lua stats", "argument 'action' must be one of")
    cli.refuses(2, "campaign fine.lua --workers 0", "it must be a whole number from 1 to 1024")
    cli.refuses(2, "campaign fine.lua --only seed=1", "this is not a Lua expression")
    cli.refuses(1, "campaign fine.lua plot", "no run is finished yet")
    cli.refuses(2, "campaign fine.lua --by gama", "unknown option gama; did you mean gamma?")     -- before the training
    assert.is_nil(require("lfs").attributes(cli.dir .. "/fine.runs"))
    file("type", {}, "spec.options = 3")
    cli.refuses(2, "campaign type.lua status", "options must be a table, not a number")
    cli.write(cli.dir .. "/note.txt", "mine")
    cli.refuses(1, "campaign fine.lua --dir .", "is no campaign's", "was left untouched")
  end)

  it("is a set of functions too", function()
    file("lua", {grid = {seed = {1}}})
    local out = agad_does([[-e '
      local spec = agad.campaign.load "lua.lua"
      print(agad.campaign.run(spec, {only = "seed == 1"}).failed, agad.campaign.status(spec).counts.finished)
      print(agad.campaign.status(spec))
      io.write((agad.campaign.table(spec, {values = {"auroc_plain"}})))']])
    assert.matches("^0\t1\n1 run: 1 finished\n  runs%s+plain\n  1/1 ", out)
  end)
end)
