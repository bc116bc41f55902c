-- Manifests of tasks: what they hold, that they make the same task again, and what is refused.
-- To add a case: a test that writes a task, reads it again and compares, or changes its text and is refused.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local core = require "agad.core"
local options = require "agad.options"
local sets = dofile "spec/support/sets.lua"

local function small()
  return agad.data.weave {train_normals = 300, train_defects = 100, test_normals = 20, test_defects = 30}
end

describe("a manifest", function()
  local path = os.tmpname()
  after_each(function() os.remove(path) end)

  local function rewritten(change)
    local file = assert(io.open(path))
    local text = file:read "a"
    file:close()
    file = assert(io.open(path, "w"))
    file:write(change(text))
    file:close()
  end

  local function round_trip(set, o)
    local t = agad.task.new(set, o)
    t:save(path)
    local again = agad.task.load(path, set)
    for _, name in ipairs {"normals", "held_out", "pool", "anomalies", "test_rows", "counts", "options", "call",
                           "notes", "normal_labels", "normal"} do
      assert.same(t[name], again[name], name)
    end
    assert.same(t.test.anomalous, again.test.anomalous)
    assert.same(t.test.images:totable(), again.test.images:totable())
    assert.same(t:anomalies_at(.02), again:anomalies_at(.02))
    assert.equal(options.hash(options.resolve({name = "m", options = {}}, t.options)),
      options.hash(options.resolve({name = "m", options = {}}, again.options)))
    return t, again
  end

  it("makes the same task again", function()
    round_trip(small(), {gamma = .05, holdout = .2, limit = 200, task_seed = 7})
    round_trip(small(), {gamma = "linear:0:.1:9", anom_classes = {"hole", "stain"}})
    round_trip(small(), {protocol = "leave_one_out", anomaly = "hole", gamma = {0, .01}})
    local unsplit = sets.new({"good", "crack"}, {53, 21}, nil, {normal = "good"})
    round_trip(unsplit, {gamma = .1})
    round_trip(unsplit, {test_set = "ganomaly"})
    round_trip(sets.new({"b\xE9", "new\nline"}, {9, 3}, {2, 2}),
      {normal = "b\xE9", anom_classes = {"new\nline"}, gamma = .2})
  end)

  it("holds what it was made of", function()
    local m = agad.task.one_vs_rest(small(), {gamma = .05}):manifest()
    assert.same({"agad.task", 1, 400, 50}, {m.kind, m.version, m.content.train.pictures, m.content.test.pictures})
    assert.same({name = "cloth", normals = 270, held_out = 30, anomalies = 0, test = 20}, m.by_class[1])
    assert.same({270, 30, 100, 0}, {#m.normals, #m.held_out, #m.pool, #m.test_rows})
    assert.equal("agad.task", core.json_decode(core.json_encode(m)).kind)
    assert.matches("^%x+$", m.content.train.hash)
  end)

  it("refuses another set", function()
    local set = small()
    agad.task.one_vs_rest(set, {gamma = .05}):save(path)
    local function of(more)
      local o = {train_normals = 300, train_defects = 100, test_normals = 20, test_defects = 30}
      for name, v in pairs(more) do o[name] = v end
      return checks.refused(agad.task.load, path, agad.data.weave(o))
    end
    checks.has(of {seed = 2}, path .. ": the manifest was made from agad.data.weave{",
      "and this data set differs: its training")
    checks.has(of {test_defects = 31}, "its test pictures differ (51 here, 50 there)")
    checks.has(of {normal = "metal"}, "its classes differ")
    local relabelled = agad.data.weave {train_normals = 300, train_defects = 100, test_normals = 20, test_defects = 30}
    relabelled.train.labels = relabelled.train.labels:clone():fill_(1)
    checks.has(checks.refused(agad.task.load, path, relabelled), "its training pictures differ (400 here, 400 there)")
  end)

  it("refuses what is damaged, edited or none", function()
    local set, damaged = small(), "its checksum is wrong; the manifest is damaged or was edited"
    local function saved() agad.task.one_vs_rest(set, {gamma = .05}):save(path) end
    local function refused() return checks.refused(agad.task.load, path, set) end
    saved()
    rewritten(function(text) return text:sub(1, -100) end)
    checks.has(refused(), path .. ": the manifest is damaged: JSON: ")
    saved()
    rewritten(function(text) return (text:gsub('"gamma":0.05', '"gamma":0.06')) end)
    checks.has(refused(), damaged)
    saved()
    rewritten(function(text) return (text:gsub('"normals":%[(%d+),', '"normals":[%1,%1,', 1)) end)
    checks.has(refused(), damaged)
    rewritten(function() return '{"kind": "agad.task", "version": 9}' end)
    checks.has(refused(), "the manifest has version 9, but this version of agad reads version 1")
    rewritten(function() return "[1, 2]" end)
    checks.has(refused(), "this is not the manifest of a task")
    rewritten(function() return '{"kind": "agad.task", "version": 1}' end)
    checks.has(refused(), damaged)
    os.remove(path)
    checks.has(refused(), "No such file")
    checks.has(checks.refused(agad.task.one_vs_rest(set, {gamma = function() return 0 end}).manifest,
      agad.task.one_vs_rest(set, {gamma = function() return 0 end})), "a manifest cannot hold a Lua function")
  end)

  it("that lies with a right checksum is refused too", function()
    local set = small()
    local function lying(change)
      local m = agad.task.one_vs_rest(set, {gamma = .05}):manifest()
      change(m)
      m.checksum = nil
      m.checksum = core.hash(core.json_encode(core.json_decode(core.json_encode(m))))
      core.file_replace(path, core.json_encode(m))
      return checks.refused(agad.task.load, path, set)
    end
    checks.has(lying(function(m) m.normals[1] = 400 end), "normals has 400, which is not a row of this data set")
    checks.has(lying(function(m) m.pool[2] = m.pool[1] end), "or is listed twice")
    checks.has(lying(function(m) m.held_out[1] = "x" end), "held_out has x")
    checks.has(lying(function(m) m.pool = nil end), "the manifest lacks pool")
    checks.has(lying(function(m) m.normals = {} end), "has no normal picture")
  end)
end)
