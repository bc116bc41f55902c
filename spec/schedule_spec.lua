-- Schedules of gamma: every form in every epoch, from Lua and from text, what is refused, and a run that follows one.
-- To add a case: a form of schedule with its value in every epoch, or a row {schedule, words of the message} in
-- `wrong`.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local core = require "agad.core"
local options = require "agad.options"
local schedule = require "agad.task.schedule"

local method = {name = "toy", options = {}}

local function gamma(v) return options.resolve(method, {gamma = v}).gamma end

local function values(spec, epochs)
  local list = {}
  for epoch = 1, epochs do list[epoch] = schedule.value(gamma(spec), epoch, epochs) end
  return list
end

local function near(expected, got)
  assert.equal(#expected, #got)
  for i, v in ipairs(expected) do assert.near(v, got[i], 1e-15, "epoch " .. i) end
end

describe("a schedule", function()
  it("holds a number, and the last of a list", function()
    near({.05, .05, .05}, values(.05, 3))
    near({0, 0, .01, .05, .05, .05}, values({0, 0, .01, .05}, 6))
    near({0, 0}, values({0, 0, .01, .05}, 2))
  end)

  it("goes from one value to another in named ways", function()
    near({0, .025, .05, .075, .1, .1, .1}, values({schedule = "linear", from = 0, to = .1, epochs = 5}, 7))
    near({0, .1 * (1 - math.cos(math.pi / 4)) / 2, .05, .1 * (1 + math.cos(math.pi / 4)) / 2, .1, .1},
      values({schedule = "cosine", from = 0, to = .1, epochs = 5}, 6))
    near({0, 0, .2, .2}, values({schedule = "step", from = 0, to = .2, epochs = 2}, 4))
    near({.1, .1}, values({schedule = "constant", value = .1}, 2))
    near({.2, .1, 0}, values({schedule = "linear", from = .2, to = 0}, 3))       -- spans the run
    near({.1, .1}, values({schedule = "linear", from = .2, to = .1, epochs = 1}, 2))
  end)

  it("asks a function", function()
    near({1 / 8, 2 / 8, 3 / 8, 4 / 8}, values(function(epoch, epochs) return epoch / epochs / 2 end, 4))
    assert.equal("schedule: the function returned nil in epoch 2; a finite number is needed",
      checks.refused(schedule.value, function() end, 2, 4))
  end)

  it("is read from text, and equal ones are one configuration", function()
    local hash = function(v) return options.hash(options.resolve(method, {gamma = v})) end
    assert.same({0.0, 0.01, 0.05}, gamma "0,0.01,0.05")
    assert.same({schedule = "linear", from = 0.0, to = 0.1, epochs = 10}, gamma "linear:0:0.1:10")
    assert.same({schedule = "cosine", from = 0.0, to = 0.1}, gamma "cosine:0:.1")
    for _, v in ipairs {.05, "0.05", "constant:0.05", {.05}, {.05, .05}, "0.05,0.05", "step:.05:.05:3",
                        {schedule = "constant", value = "0.05"}} do
      assert.equal(.05, gamma(v))
      assert.equal("float", math.type(gamma(v)))
    end
    assert.equal(hash "0,.05", hash {0, .05, .05})
    assert.equal(hash "linear:0:.1:10", hash {schedule = "linear", from = 0, to = .1, epochs = 10.0})
    assert.not_equal(hash "linear:0:.1:10", hash "linear:0:.1:9")
    assert.same(gamma "linear:0:.1:10", gamma(core.json_decode(core.json_encode(gamma "linear:0:.1:10"))))
    assert.equal('{schedule = "linear", from = 0, to = 0.1, epochs = 10}', schedule.text(gamma "linear:0:.1:10"))
    assert.equal("{0, 0.05}", schedule.text(gamma "0,.05"))
  end)

  it("knows its largest value, but for a function", function()
    assert.equal(.3, schedule.largest(gamma {0, .3, .1}))
    assert.equal(.2, schedule.largest(gamma "cosine:.2:0:4"))
    assert.is_nil(schedule.largest(function() return 0 end))
  end)

  local wrong = {
    {"linear", '"linear" is not a schedule; give constant:V, linear:FROM:TO:EPOCHS'},
    {"linaer:0:.1:3", '"linaer:0:.1:3" is not a schedule'},
    {{}, "an empty list is not a schedule"}, {{0, 1}, "gamma = 1: it must be at least 0 and below 1"},
    {"0,x", 'gamma = "x": a number is needed'}, {"linear:0:1:5", "gamma = 1: it must be"},
    {"linear:0:.1:0", "schedule linear: epochs = 0; a whole number of at least 1 is needed"},
    {{schedule = "linear", from = 0}, "schedule linear needs from and to"},
    {{schedule = "step", from = 0, to = .1}, "schedule step needs epochs"},
    {{schedule = "zigzag", from = 0, to = .1}, "there is no schedule zigzag"},
    {{schedule = "linear", from = 0, to = .1, warmup = 2}, "unknown key warmup; a schedule has schedule, from, "},
    {{0, .1, last = .2}, "a list with one value per epoch cannot have the key last"},
    {{schedule = "function"}, "this was a Lua function, which a file cannot hold; give the function again"},
  }
  for _, w in ipairs(wrong) do
    it("refuses: " .. w[2], function() checks.has(checks.refused(gamma, w[1]), w[2]) end)
  end
end)

describe("a run under a schedule", function()
  local set = agad.data.weave {train_normals = 40, train_defects = 12, test_normals = 10, test_defects = 10}
  local small = {net = "examples/small_net.lua", batch = 16, min_anom = 2, threads = 1, precision = "fp32"}

  local function followed(gammas, epochs)
    local task, o = agad.task.one_vs_rest(set, {gamma = gammas, holdout = 0}), {epochs = epochs}
    for name, v in pairs(small) do o[name] = v end
    local seen, run = {}, agad.trainer(task, o)
    run:fit(function(e)
      if e.kind == "begin" then seen.begin = e end
      if e.kind == "epoch" then
        seen[#seen + 1] = {gamma = e.gamma, known = e.anomalies, steps = run.steps}
      end
    end)
    return seen, run, task
  end

  it("knows more anomalies from epoch to epoch", function()
    -- 40 normals: gamma .02, .05, .2 are .82, 2.1 and 10 of them; k = 0, 2, 2, 3, 3 of a batch of 16
    local seen, run, task = followed({0, .02, .05, .2}, 5)
    local known, steps = {}, {}
    for i, s in ipairs(seen) do known[i], steps[i] = s.known, s.steps - (i > 1 and seen[i - 1].steps or 0) end
    assert.same({0, 1, 2, 10, 10}, known)
    assert.same({40 // 16, 40 // 14, 40 // 14, 40 // 13, 40 // 13}, steps)
    assert.equal(2 + 2 + 2 + 3 + 3, run.steps)
    assert.equal(10, #task.anomalies)
    assert.equal(3, seen.begin.batches)            -- 12 steps over 5 epochs
    for _, at in ipairs {.02, .05, .2} do
      for i, row in ipairs(task:anomalies_at(at)) do assert.equal(task.anomalies[i], row) end
    end
  end)

  -- Rows of the anomalies that each epoch of a run draws, its batches' sizes, and the normals of each epoch in turn.
  local function drawn(task, o)
    local seen, sizes, orders, run = {}, {}, {}, nil
    local made = core.data.sampler
    core.data.sampler = function(...)              -- luacheck: ignore 122
      local sampler = made(...)
      return setmetatable({next = function()
        local rows, n = sampler:next()
        for i, row in ipairs(rows and rows:totable() or {}) do
          local into = i > n and seen or orders
          into[run.epoch] = into[run.epoch] or {}
          if i > n then into[run.epoch][row] = true else table.insert(into[run.epoch], row) end
        end
        if rows then sizes[#sizes + 1] = {rows:size(1), n} end
        return rows, n
      end}, {__index = function(_, name) return function(_, ...) return sampler[name](sampler, ...) end end})
    end
    for name, v in pairs(small) do if o[name] == nil then o[name] = v end end
    local ok, reason = pcall(function()
      run = agad.trainer(task, o)
      run:fit(function() end)
    end)
    core.data.sampler = made                       -- luacheck: ignore 122
    assert(ok, reason)
    return seen, sizes, orders
  end

  it("trains on the epoch's own pool only", function()
    local task = agad.task.one_vs_rest(set, {gamma = {0, .05, .2}, holdout = 0})
    local seen = drawn(task, {epochs = 3})
    assert.is_nil(seen[1])
    for epoch, known in pairs {[2] = 2, [3] = 10} do
      local allowed, n = {}, 0
      for _, row in ipairs(task:anomalies_at(({0, .05, .2})[epoch])) do allowed[row] = true end
      for row in pairs(seen[epoch]) do
        assert.is_true(allowed[row])
        n = n + 1
      end
      assert.is_true(n > 1 and n <= known, n)
    end
  end)

  it("keeps its batches' normals where anomalies go on top", function()
    local task = agad.task.one_vs_rest(set, {gamma = {0, .2}, holdout = 0})
    local _, sizes = drawn(task, {epochs = 2, batch_mode = "append"})
    assert.same({{16, 16}, {16, 16}, {19, 16}, {19, 16}}, sizes)
  end)

  it("resizes a sampler's batch with its pool", function()
    local s = core.data.sampler({1, 2, 3, 4, 5, 6}, {7}, 2, 1, 1)
    assert.equal(6, s:batches())
    s:set_anomalies({7, 8}, 2, 5)
    local rows, n = s:next()
    assert.same({2, 5, 3}, {s:batches(), rows:numel(), n})
    checks.has(checks.refused(s.set_anomalies, s, {7}, 1, 0), "sampler: batch 0; give 1 to")
    assert.equal(2, s:batches())
  end)

  it("takes the normals in the order that it would have without a schedule", function()
    local _, _, orders = drawn(agad.task.one_vs_rest(set, {gamma = {.05, .2}, holdout = 0}), {epochs = 2, min_anom = 3})
    local _, _, plain = drawn(agad.task.one_vs_rest(set, {gamma = .2, holdout = 0}), {epochs = 2, min_anom = 3})
    assert.equal(3 * 13, #plain[1])
    assert.same(plain, orders)
    assert.not_same(plain[1], plain[2])
  end)

  it("of a function has no hash, and its row says why", function()
    local _, run = followed(function(epoch) return epoch == 1 and 0 or .05 end, 2)
    local row = run:evaluate(function() end)
    assert.equal(core.null, row.hash)
    assert.same({schedule = "function"}, row.config.gamma)
    checks.has(table.concat(row.notes, "\n"), "hash: gamma: a Lua function cannot be hashed; use a named schedule")
    checks.has(core.json_encode(row), '"gamma":{"schedule":"function"}')
    checks.has(options.canonical(run.config), '"gamma":{"schedule":"function"}')
  end)

  it("refuses a function's share before it trains", function()
    local task = agad.task.one_vs_rest(set, {gamma = function(epoch) return epoch / 3 end})
    local run = agad.trainer(task, {net = "examples/small_net.lua", epochs = 3, batch = 16, threads = 1})
    checks.has(checks.refused(run.fit, run, function() end), "gamma = 1: it must be at least 0 and below 1")
    assert.equal(0, run.steps)
  end)
end)
