-- Campaigns that train: one process a run, nothing lost, nothing done twice. Each run is a process of some seconds.
-- To add a case: a campaign of support/campaigns.lua; kills come at what a run's folder holds, never at a time.

local agad = require "agad"
local campaign = require "agad.campaign"
local campaigns = dofile "spec/support/campaigns.lua"
local checks = dofile "spec/support/checks.lua"
local core = agad.core
local lfs = require "lfs"
local refused, has = checks.refused, checks.has
local tiny, path, program = campaigns.tiny, campaigns.path, campaigns.agad

teardown(campaigns.remove)

local function run(spec, o)
  local given = {program = program, workers = 2}
  for key, v in pairs(o or {}) do given[key] = v end
  return campaign.run(spec, given)
end

local function states(runs)
  local list = {}
  for i, one in ipairs(runs) do list[i] = one.state end
  return list
end

local function exists(name) return lfs.attributes(name, "mode") ~= nil end

-- Runs Lua in a process of its own; what it prints, and its status.
local function child(code, before)
  local file = campaigns.write(path "child.lua", code)
  local pipe = io.popen(("%s %s %s 2>&1"):format(before or "", program, file))
  local text = pipe:read "a"
  local _, _, status = pipe:close()
  return text, status
end

describe("a campaign", function()
  it("ends with one line if its program cannot be started", function()
    local text, status = child(([[require("agad.campaign").run(
      {data = "weave", options = {epochs = 1}, grid = {seed = {1}}, dir = %q}, {program = "/no/such"})]]):format(
      path "unstarted"))
    assert.same({1, "agad: campaign: /no/such cannot be started: ENOENT: no such file or directory\n"}, {status, text})
  end)

  it("trains each run in its own folder, keeps its row and log, and leaves what is finished alone", function()
    local spec, events = tiny "runs", {}
    local result = run(spec, {on_event = function(e) events[e.kind] = (events[e.kind] or 0) + 1 end})
    assert.same({2, 2, 0}, {events.start, events.done, result.failed})
    assert.is_nil(result.stopped)
    for _, one in ipairs(result.runs) do
      assert.same({"finished", one.point.seed, 1}, {one.state, one.row.seed, one.row.epochs})
      has(campaigns.read(one.dir .. "/log.txt"), "steady", "normals: ")
      assert.is_true(exists(one.dir .. "/run/log.jsonl"))
      for _, name in ipairs {"model.safetensors", "run/state.safetensors", "error.json"} do
        assert.is_false(exists(one.dir .. "/" .. name), name)
      end
    end
    events = {}
    local again = run(spec, {on_event = function(e) events[e.kind] = (events[e.kind] or 0) + 1 end})
    assert.same({nil, nil}, {events.start, events.done})
    for i, one in ipairs(again.runs) do assert.same(result.runs[i].row, one.row) end
    local its = campaign.status(spec)
    assert.same({finished = 2}, its.counts)
    assert.is_true(its.bytes > 4000 and its.bytes < 1e6)
  end)

  it("keeps the model or the checkpoint of finished runs where it is to", function()
    local spec = tiny("kept", {keep = "model", grid = {seed = {1}}})
    local one = run(spec).runs[1]
    assert.is_true(lfs.attributes(one.dir .. "/model.safetensors", "size") > 1000)
    assert.is_false(exists(one.dir .. "/run/state.safetensors"))
    spec = tiny("kept", {keep = "all", grid = {seed = {2}}})
    one = run(spec).runs[1]
    assert.is_true(exists(one.dir .. "/model.safetensors") and exists(one.dir .. "/run/state.safetensors"))
    run(tiny("kept", {grid = {seed = {2}}}))                       -- the file asks for less now
    assert.is_false(exists(one.dir .. "/model.safetensors") or exists(one.dir .. "/run/state.safetensors"))
  end)

  it("keeps the error of a run that failed, goes on with the others, and tries it again only if asked", function()
    local spec = tiny("failing", {grid = {net = {campaigns.folder .. "/none.lua", "spec/support/small_net.lua"}}})
    local result = run(spec, {workers = 1})
    assert.same({"failed", "finished"}, states(result.runs))
    assert.equal(1, result.failed)
    has(result.runs[1].reason, "there is no such file")
    local started = 0
    local function count(e) started = started + (e.kind == "start" and 1 or 0) end
    result = run(spec, {on_event = count})
    assert.same({0, 1}, {started, result.failed})
    has(campaign.plan(spec)[1].reason, "there is no such file")
    campaigns.write(campaigns.folder .. "/none.lua", campaigns.read "spec/support/small_net.lua")
    result = run(spec, {on_event = count, retry_failed = true})
    assert.same({1, 0}, {started, result.failed})
    assert.same({"finished", "finished"}, states(result.runs))
    assert.is_false(exists(result.runs[1].dir .. "/error.json"))
  end)
end)

describe("a result that does not count", function()
  -- A campaign of one finished run whose result is changed, run again: its notes, and the run.
  local function changed(name, change)
    local spec = tiny(name, {grid = {seed = {1}}})
    local one = run(spec).runs[1]
    local file = one.dir .. "/run/result.json"
    campaigns.write(file, change(campaigns.read(file)))
    local notes = {}
    local unfit = campaign.plan(spec)[1].unfit
    local again = run(spec, {on_event = function(e) notes[#notes + 1] = e.kind == "note" and e.text or nil end}).runs[1]
    assert.same({"finished", campaigns.comparable(one.row)}, {again.state, campaigns.comparable(again.row)})
    return table.concat(notes, "\n"), unfit, one
  end

  it("is named and trained again if it is cut short", function()
    local notes, unfit, one = changed("cut", function(text) return text:sub(1, #text // 2) end)
    assert.equal("is cut short", unfit)
    has(notes, one.id .. ": its result file is cut short; the run is trained again")
    assert.is_true(exists(one.dir .. "/result-unfit.json"))
  end)

  it("is named, kept under another name and trained again if it is of another version", function()
    local notes, unfit, one = changed("version", function(text)
      return (text:gsub('"agad":"0%.1%.0"', '"agad":"0.0.9"'))
    end)
    assert.equal("is of agad 0.0.9", unfit)
    has(notes, "its result file is of agad 0.0.9; the run is trained again")
    assert.equal("0.0.9", core.json_decode(campaigns.read(one.dir .. "/result-0.0.9.json")).versions.agad)
  end)
end)

describe("a campaign's folder", function()
  it("is not another campaign's, nor a folder of other things", function()
    local spec = tiny("owned", {grid = {seed = {1}}, name = "first"})
    require("agad.campaign.store").own(spec)
    spec.name = "second"
    has(refused(run, spec), "campaign: the folder " .. spec.dir .. " belongs to the campaign first; give another one")
    has(refused(campaign.status, spec), "belongs to the campaign first")
    spec.dir = campaigns.set()
    has(refused(run, spec), "is no campaign's (it holds t", "and was left untouched")
    spec.dir = campaigns.write(path "file", "x")
    has(refused(run, spec), "is a file")
    assert.equal("x", campaigns.read(path "file"))
  end)

  it("is known by what lies in it where campaign.json is damaged, which is written again", function()
    local spec = tiny("damaged", {grid = {seed = {1}}})
    local store = require "agad.campaign.store"
    store.own(spec)
    for _, bytes in ipairs {"", '{"name":', "[]"} do
      campaigns.write(spec.dir .. "/campaign.json", bytes)
      lfs.mkdir(spec.dir .. "/slurm")
      store.own(spec)
      has(campaigns.read(spec.dir .. "/campaign.json"), '"version":')
    end
  end)

  it("shows which results belong to an earlier form of the file", function()
    local spec = tiny("older", {grid = {seed = {1}}})
    local first = run(spec).runs[1]
    spec.grid.seed = {2}
    local its = campaign.status(spec)
    assert.same({waiting = 1}, its.counts)
    assert.same({first.id}, {its.older[1].id, its.older[2]})
    assert.equal(0, #campaign.status(tiny("older", {grid = {seed = {1}}})).older)
  end)
end)

describe("a run that another process has", function()
  it("is left to it, and its result is taken from there", function()
    local spec = tiny("taken", {grid = {seed = {1, 2}}})
    campaigns.write(path "started", "")
    -- The second campaign starts once the first one trains: it must share the runs, and see all of them end.
    local noting = campaigns.noting "noting"
    local code = [[
      local campaign, core = require "agad.campaign", require "agad.core"
      local spec = core.json_decode(%q)
      local result = campaign.run(spec, {program = %q, workers = 1})
      local rows = {}
      for i, run in ipairs(result.runs) do rows[i] = run.state .. " " .. run.row.auroc end
      print(table.concat(rows, ", "))
    ]]
    campaigns.write(path "one.lua", code:format(core.json_encode(spec), noting))
    assert(os.execute(([[cd %s; ln -sfn %s/spec spec; ln -sfn %s/lua lua
      AGAD=%s; $AGAD one.lua > a.out 2>&1 & a=$!
      until [ -s started ]; do sleep .05; done
      $AGAD one.lua > b.out 2>&1; b=$?; wait $a; exit $((b + $?))]]):format(campaigns.folder, lfs.currentdir(),
      lfs.currentdir(), program)))
    assert.equal(campaigns.read(path "a.out"), campaigns.read(path "b.out"))
    assert.matches("^finished [%d.]+, finished [%d.]+\n$", campaigns.read(path "a.out"))
    for id, n in pairs(campaigns.starts()) do assert.equal(1, n, id) end
  end)
end)

describe("a campaign that is killed", function()
  local whole
  -- Three runs of several checkpoints, never disturbed.
  local function undisturbed()
    if not whole then
      whole = {}
      local spec = tiny("whole", {options = {epochs = 3, checkpoint_steps = 1}, grid = {seed = {1, 2, 3}}})
      for _, one in ipairs(run(spec).runs) do whole[one.id] = campaigns.comparable(one.row) end
    end
    return whole
  end

  local function expect(spec)
    local rows = undisturbed()
    local result = run(spec)
    assert.same({"finished", "finished", "finished"}, states(result.runs))
    for _, one in ipairs(result.runs) do assert.equal(rows[one.id], campaigns.comparable(one.row)) end
  end

  local function disturbed(name)
    return tiny(name, {options = {epochs = 3, checkpoint_steps = 1}, grid = {seed = {1, 2, 3}}})
  end

  -- Starts a campaign, and kills as soon as the logs of all runs have so many lines: the campaign ($campaign), or one
  -- worker ($worker), or both. Nothing is waited for but these lines.
  local function killed_at(spec, lines, what)
    campaigns.write(path "kill.lua", ([[
      local core = require "agad.core"
      require("agad.campaign").run(core.json_decode(%q), {program = %q, workers = 2})
    ]]):format(core.json_encode(spec), campaigns.noting "noting"))
    os.execute(([[%s %s > %s 2>&1 & campaign=$!
      while kill -0 $campaign 2> /dev/null; do
        n=$(cat %s/*/run/log.jsonl 2> /dev/null | wc -l)
        [ "$n" -ge %d ] && break
        sleep .02
      done
      worker=$(cat %s/*/pid | tail -n 1)
      kill -9 %s 2> /dev/null; wait $campaign 2> /dev/null; true]]):format(program, path "kill.lua", path "kill.out",
      spec.dir, lines, spec.dir, what))
  end

  it("and whose worker is killed, ends in the same table, to the bit #slow", function()
    local spec = disturbed "killed"
    for _, one in ipairs {{1, "$campaign"}, {5, "$worker"}, {9, "$campaign $worker"}, {13, "$campaign"}} do
      killed_at(spec, one[1], one[2])
    end
    expect(spec)
  end)

  it("leaves its workers training, which nobody starts a second time", function()
    local spec = disturbed "orphans"
    campaigns.write(path "started", "")
    killed_at(spec, 2, "$campaign")
    local counts = campaigns.starts()
    run(spec, {program = campaigns.noting "noting"})
    for id, n in pairs(campaigns.starts()) do assert.equal(1, n, id .. " " .. tostring(counts[id])) end
    expect(spec)
  end)

  it("leaves nothing half-written once it has gone on", function()
    local spec = tiny("parts", {grid = {seed = {1}}, keep = "model"})
    local dir = campaign.plan(spec)[1].dir
    require("agad.base.folder").make(dir)
    local part = campaigns.write(dir .. "/model.safetensors.1-ab.agad-part", "half")
    assert.equal("finished", run(spec).runs[1].state)
    assert.is_false(exists(part))
    assert.is_true(exists(dir .. "/model.safetensors"))
  end)

  it("trains on what is killed while it goes on, but not for ever", function()
    local spec = tiny("again", {grid = {seed = {1}}})
    local dying = campaigns.noting("dying", "kill -9 $$")
    local kinds = {}
    local result = run(spec, {program = dying, on_event = function(e) kinds[#kinds + 1] = e.kind end})
    assert.equal("failed", result.runs[1].state)
    has(result.runs[1].reason, "killed 3 times (signal 9)")
    has(table.concat(kinds, " "), "start", "again", "failed")
    local crashing = campaigns.noting("crashing", "kill -ABRT $$")
    result = run(spec, {program = crashing, retry_failed = true})
    has(result.runs[1].reason, "ended by signal 6; see " .. result.runs[1].dir .. "/log.txt")
    assert.equal("finished", run(spec, {retry_failed = true}).runs[1].state)
  end)
end)

describe("a full disk", function()
  it("ends a campaign with one line, and what is finished is there #slow", function()
    local disk = path "disk"
    lfs.mkdir(disk)
    local spec = tiny("disk/runs", {grid = {seed = {1, 2, 3}}})
    campaigns.write(path "full.lua", ([[
      local core = require "agad.core"
      local spec = core.json_decode(%q)
      local function report(result)
        local finished = 0
        for _, run in ipairs(result.runs) do finished = finished + (run.state == "finished" and 1 or 0) end
        print(finished, result.failed, result.stopped)
      end
      local campaign = require "agad.campaign"
      local o = {program = %q, workers = 1}
      report(campaign.run(spec, {program = o.program, workers = 1, only = "seed == 1"}))
      assert(os.execute("dd if=/dev/zero of=%s/fill bs=1024 2> /dev/null; true"))
      local ok, result = pcall(campaign.run, spec, o)
      if ok then report(result) else print(result) end
      os.remove "%s/fill"
      report(campaign.run(spec, o))
    ]]):format(core.json_encode(spec), program, disk, disk))
    local mounted = ("unshare -Urm sh -c 'mount -t tmpfs -o size=80m none %s && %%s'"):format(disk)
    if not os.execute(mounted:format "true" .. " 2> /dev/null") then pending "no tmpfs can be mounted here" return end
    local command = ("cd %s && %s %s"):format(lfs.currentdir(), program, path "full.lua")
    local pipe = io.popen(mounted:format(command) .. " 2>&1")
    local text = pipe:read "a"
    pipe:close()
    local first, second, third = text:match "^([^\n]*)\n([^\n]*)\n([^\n]*)\n$"
    assert.equal("1\t0\tnil", first, text)
    assert.is_truthy(second:find("the disk of ", 1, true) or second:find "No space left", text)
    assert.equal("3\t0\tnil", third, text)
  end)
end)
