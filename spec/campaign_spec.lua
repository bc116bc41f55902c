-- Campaigns: what a file's grid, zip and variants make, how their runs are named, and what is refused.
-- To add a case: a test over campaign.plan. What trains is in campaign_run_spec.lua.

local agad = require "agad"
local campaign = require "agad.campaign"
local checks = dofile "spec/support/checks.lua"
local scratch = dofile "spec/support/scratch.lua"
local refused, has = checks.refused, checks.has

teardown(scratch.remove)

-- The ids of the runs, by a text of their points.
local function ids(spec, o)
  local runs, keys = campaign.plan(spec, o)
  local list, words = {}, require("agad.campaign.plan").words
  for i, run in ipairs(runs) do list[i] = words(run, keys) end
  return list, runs
end

describe("the plan of a campaign", function()
  it("has a run for every combination, named by its configuration", function()
    local grid = {gamma = {0, .05}, seed = {1, 2, 3}}
    local runs, keys = campaign.plan {data = "weave", options = {epochs = 2}, grid = grid}
    assert.equal(6, #runs)
    assert.same({"gamma", "seed"}, keys)
    local seen = {}
    for _, run in ipairs(runs) do
      assert.matches("^%x+$", run.id)
      assert.is_nil(seen[run.id])
      seen[run.id] = true
      assert.equal(2, run.given.epochs)
      assert.equal("waiting", run.state)
    end
    local again = campaign.plan {data = "weave", options = {epochs = 2.0, gamma = .05}, grid = {seed = {3}}}
    assert.equal(runs[6].id, again[1].id)                       -- the same configuration, however it was written
  end)

  it("names runs as earlier versions did", function()
    local list = {}
    for line in io.lines "spec/figures/measured/epochs_gamma_05.jsonl" do
      list[#list + 1] = agad.core.json_decode(line).id
    end
    local runs = campaign.plan(dofile "spec/figures/campaigns/epochs_gamma_05.lua")
    for i, run in ipairs(runs) do assert.equal(list[i], run.id) end
  end)

  it("takes the lists of a zip together, and crosses them with the grid", function()
    local list = ids {data = "weave", zip = {epochs = {1, 2}, lr = {1e-3, 1e-4}}, grid = {seed = {1, 2}}}
    assert.same({"seed = 1, epochs = 1, lr = 0.001", "seed = 1, epochs = 2, lr = 0.0001",
      "seed = 2, epochs = 1, lr = 0.001", "seed = 2, epochs = 2, lr = 0.0001"}, list)
    list = ids {data = "weave", zip = {{epochs = {1, 2}}, {seed = {1, 2}}}}
    assert.equal(4, #list)
  end)

  it("gives each variant its options, which win, in the order of the list", function()
    local list, runs = ids {data = "weave", options = {epochs = 1, lambda = {con = 10}}, grid = {seed = {1}},
      variants = {{"with", {}}, {"without", {terms = {adcon = false}}}, {"sad", {epochs = 2}}},
      where = function(o) return o.variant ~= "sad" end}
    assert.same({"variant = with, seed = 1", "variant = without, seed = 1"}, list)
    assert.is_true(runs[1].config.terms.adcon)
    assert.is_false(runs[2].config.terms.adcon)
    assert.equal(10.0, runs[2].config.lambda.con)
    list = ids {data = "weave", variants = {b = {epochs = 2}, a = {epochs = 1}}}
    assert.same({"variant = a", "variant = b"}, list)
  end)

  it("lets methods differ in options that only one of them has", function()
    local _, runs = ids {data = "weave", grid = {seed = {1}},
      variants = {agad = {lambda = {con = 20}}, sad = {method = "deep_sad", pretrain_epochs = 2}}}
    assert.equal("agad", runs[1].config.method)
    assert.equal(2, runs[2].config.pretrain_epochs)
  end)

  it("takes several data sets, and named schedules of gamma", function()
    local list, runs = ids {grid = {data = {"weave"}, gamma = {0, "ramp"}}, schedules = {ramp = "linear:0:0.1:5"}}
    assert.same({"data = weave, gamma = 0", "data = weave, gamma = ramp"}, list)
    assert.same({schedule = "linear", from = 0.0, to = 0.1, epochs = 5}, runs[2].config.gamma)
    local _, same = ids {data = "weave", grid = {gamma = {"linear:0:.1:5"}}}
    assert.equal(same[1].id, runs[2].id)
  end)

  it("keeps the runs that where and --only want, whose expressions see every option", function()
    local spec = {data = "weave", options = {epochs = 3}, grid = {gamma = {0, .05, .1}, seed = {1, 2}},
      where = function(o) return o.gamma > 0 or o.seed == 1 end}
    assert.equal(5, #ids(spec))
    assert.same({"gamma = 0.1, seed = 1", "gamma = 0.1, seed = 2"},
      (ids(spec, {only = 'gamma > .06 and epochs == 3 and net == "naive" and data == "weave" and not variant'})))
    assert.equal(5, #ids(spec, {only = "_ENV['lambda.con'] == 50 and math.max(seed, 1) >= 1"}))
    local given = {}
    campaign.plan {data = "weave", grid = {seed = {4}}, where = function(o)
      given = {o.seed, o["lambda.con"], o.threads == nil, o.data}
      return true
    end}
    assert.same({4, 50.0, true, "weave"}, given)
  end)

  it("marks runs whose data set is not there, and leaves out those whose method is not", function()
    local root = scratch.folder
    local runs = campaign.plan {root = root, grid = {data = {"weave", "mnist", "no/such"}}}
    assert.same({"waiting", "absent", "absent"}, {runs[1].state, runs[2].state, runs[3].state})
    assert.equal("the data set mnist is not there (agad fetch mnist)", runs[2].reason)
    has(runs[3].reason, "there is no data set no/such")
    local left, _, skipped = campaign.plan {data = "weave", variants = {a = {}, b = {method = "deep_svdd"}}}
    assert.equal(1, #left)
    has(skipped[1].reason, "there is no method deep_svdd")
    local wrong_method = {data = "weave", options = {method = "deep_svdd"}}
    has(refused(campaign.plan, wrong_method), "no run is left: there is no method")
    has(refused(campaign.run, {data = "mnist", root = root, dir = root .. "/absent"}),
      "no run can be trained: the data set mnist is not there (agad fetch mnist)")
  end)
end)

describe("a campaign refuses", function()
  local function wrong(spec, ...)
    spec.data = spec.data or "weave"
    has(refused(campaign.plan, spec), "campaign: ", ...)
  end

  it("unknown keys, and options that no run can have", function()
    wrong({grids = {}}, "unknown option grids; did you mean grid?")
    has(refused(campaign.plan, {grid = {seed = {1}}}), "data is missing")
    has(refused(campaign.plan, {data = "weave", grid = {sede = {3}}}), "sede", "did you mean seed?")
    has(refused(campaign.plan, {data = "weave", grid = {gamma = {2}}}), "gamma = 2")
    wrong({where = 3}, "where must be a function")
    wrong({variants = 3}, "variants must be a table")
    has(refused(campaign.plan, {data = "weave", keep = "some"}), "keep", "nothing, model, checkpoint, all")
    wrong({options = {schedule = {lr = function() return 1 end}}, grid = {["schedule.lr"] = {function() end}}},
      "schedule.lr is a Lua function; campaigns take named schedules only")
  end)

  it("a grid that is empty", function()
    wrong({grid = {}}, "grid is empty")
    wrong({zip = {}}, "zip is empty")
    wrong({variants = {}}, "variants is empty")
    wrong({grid = {seed = {}}}, "grid.seed must be a list of values; this one is empty")
    wrong({grid = {seed = 3}}, "grid.seed must be a list of values")
    wrong({grid = {seed = {1, 2}}, where = function() return false end}, "no run is left: where refuses all 2")
    has(refused(campaign.plan, {data = "weave", grid = {seed = {1, 2}}}, {only = "seed > 2"}),
      "--only seed > 2: none of the 2 runs is meant")
  end)

  it("a grid that explodes, before any of it is made", function()
    local many = {}
    for i = 1, 1000 do many[i] = i end
    wrong({grid = {seed = many, task_seed = many, epochs = many, batch = many}},
      "the grid has 1000000000000 runs; 20000 are the most")
    wrong({grid = {seed = {1, 2, 3}}, most = 2}, "the grid has 3 runs; 2 are the most")
  end)

  it("two runs that are the same", function()
    wrong({grid = {gamma = {.05, 0.05}}}, "two runs of the grid have the same configuration", "gamma = 0.05")
    wrong({variants = {{"one", {}}, {"other", {epochs = 35}}}}, "the variants one and other are the same run (")
    wrong({variants = {{"one", {}}, {"one", {epochs = 3}}}}, "two variants called one")
  end)

  it("lists that do not fit, and options with two axes", function()
    wrong({zip = {epochs = {1, 2}, lr = {1e-3}}}, "zip.epochs has 2 values and zip.lr has 1")
    wrong({zip = {seed = {1}}, grid = {seed = {1}}}, "seed has two axes")
  end)

  it("expressions that are none, and unknown names in them", function()
    local spec = {data = "weave", grid = {seed = {1, 2}}}
    has(refused(campaign.plan, spec, {only = "seed >"}), "--only seed >: this is not a Lua expression")
    has(refused(campaign.plan, spec, {only = "sede == 1"}), "--only sede == 1: unknown option sede; did you mean seed?")
    wrong({grid = {seed = {1}}, where = function(o) return o.gama > 0 end}, "where (seed = 1): ",
      "unknown option gama; did you mean gamma?")
  end)

  it("files that return no table, or cannot be read", function()
    local path = scratch.write(scratch.path "none.lua", "return 3")
    has(refused(campaign.load, path), "none.lua must return a table, not a number")
    has(refused(campaign.load, scratch.write(scratch.path "broken.lua", "return {")), "broken.lua:1:")
    has(refused(campaign.load, scratch.path "absent.lua"), "absent.lua")
    local spec = campaign.load(scratch.write(scratch.path "digits.lua", 'return {data = "weave"}'))
    assert.same({scratch.path "digits.runs", "digits"}, {spec.dir, spec.name})
  end)
end)
