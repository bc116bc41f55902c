-- What a method's file may say, how one changes another, and what is refused when it is loaded.
-- To add a case: a test with a method as a table or a file, and the words that refuse it.

local agad = require "agad"
local methods = require "agad.train.method"
local options = require "agad.options"
agad.core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local set = agad.data.weave {train_normals = 64, train_defects = 20, test_normals = 12, test_defects = 12}
local task = agad.task.one_vs_rest(set, {gamma = .1})

local function new(method)
  return agad.trainer(task, {method = method, gamma = .1, threads = 1, precision = "fp32", deterministic = true,
    epochs = 1, batch = 16})
end

describe("a method's file", function()
  local function with(changes)
    local m = {name = "m", options = {warm = 2, least = 1.0}, input = {0, 1}, nets = function() end, score = {"l2"},
      picture = "generator",
      phases = {{name = "a", epochs = "warm", updates = {g = {nets = {"generator"}}}, step = {"g_update"}},
        {name = "b", updates = {g = {nets = {"generator"}}}, step = {"g_update"}}}}
    changes(m)
    package.loaded["agad.methods.made_up"] = m
    local ok, reason = pcall(methods.load, "made_up")
    package.loaded["agad.methods.made_up"] = nil
    return ok, reason
  end

  it("may have several phases; each is checked", function()
    assert.is_true(with(function() end))
    for _, case in ipairs {
      {function(m) m.phases[1].epoch = 3 end, "phase a: unknown key epoch"},
      {function(m) m.phases[2].name = nil end, "phase without a name", "lacks 'name'"},
      {function(m) m.phases[2].updates = {} end, "phase b lacks 'updates'"},
      {function(m) m.phases[2].updates = {g = {}} end, "phase b: update g lacks 'nets'"},
      {function(m) m.phases[2].updates = {g = {nets = {"g"}, when = "hot"}} end,
        "phase b: update g: when = hot does not name an option of the method"},
      {function(m) m.held_out_scores = "unseen" end, "held_out_scores = unseen is not in 'keep'"},
      {function(m) m.phases[1].steps, m.phases[1].epochs = 3, nil end, "'steps' must be a function"},
      {function(m) m.phases[1].steps, m.phases[1].epochs = function() return 3 end, "epochs" end,
        "has both 'steps' and 'epochs'"},
      {function(m) m.phases[1].epochs = "cold" end, "epochs = cold is neither 0 nor the name of an integer option"},
      {function(m) m.phases[1].start = 3 end, "phase a: 'start' must be a function"},
      {function(m) m.phases[1].step = {} end, "phase a lacks 'step'"},
      {function(m) m.phases[1].step = {3} end, "phase a: stage 1 must be a name"},
      {function(m) m.phases[2] = 3 end, "must be a table"},
      {function(m) m.keep = "c" end, "'keep' must be a list"},
      {function(m) m.scores = {"l2"} end, "unknown key scores; did you mean score?; known: about, anomalies, average,"},
      {function(m) m.name = ("m"):rep(64) end, "'name' must be a string of 1 to 63 bytes"},
      {function(m) m.average = "generator" end, "'average' must be a list of names"},
      {function(m) m.picture = true end, "'picture' must be the name of a net"},
      {function(m) m.score = {"l2", "rmsd"} end, 'there is no score "rmsd"; did you mean rmse?; known: combined, '},
      {function(m) m.score = {"l2", "skip"} end, "score skip needs a discriminator; name it: discriminator = NET"},
      {function(m) m.picture = nil end, "score l2 needs a reconstruction", "picture = NET"},
      {function(m) m.guard = {update = "d", below = "warm"} end, "guard: there is no update d", "known: g"},
      {function(m) m.guard = {update = "g", below = "delta"} end, "guard: below = delta does not name an option"},
      {function(m) m.guard = {update = "g"} end,
        "guard: below = nil does not name an option that is a number"},
      {function(m) m.guard = {update = "g", below = "warm"} end,
        "guard: below = warm does not name an option that is a number"},
      {function(m) m.guard = {update = "g", below = "least", moments = 3} end,
        "guard: moments = 3 does not name an option"},
      {function(m) m.guard = {update = "g", under = "warm"} end, "guard: unknown key under", "known: below"},
      {function(m) m.phases[1].step[2] = "guard_collapse" end, "phase a: stage guard_collapse needs", "'guard'"},
      {function(m) m.anomalies = {least = "cold"} end, "anomalies: least = cold does not name an option"},
      {function(m) m.anomalies = {mod = "warm"} end, "anomalies: unknown key mod; did you mean mode?"},
      {function(m) m.anomalies = {masks = true} end, "anomalies: masks must be a function(options)"},
      {function(m) m.anomalies = {apart = true} end, "anomalies: apart must be a function(options)"},
      {function(m) m.about = {rebuild = 3} end, "'about' must be a table of texts by stage"},
      {function(m) m.terms = {} end, "'terms' must be a function(options, losses, normals, anomalies)"},
      {function(m) m.needs_anomalies = 1 end, "'needs_anomalies' must be true or false"},
    } do
      local ok, reason = with(case[1])
      assert.is_false(ok)
      has(reason, "made_up", table.unpack(case, 2))
    end
  end)

  it("whose start raises or keeps what is not listed is named", function()
    local made = require "agad.methods.deep_sad"
    local copy = {}
    for key, v in pairs(made) do copy[key] = v end
    copy.phases = {made.phases[1], {}}
    for key, v in pairs(made.phases[2]) do copy.phases[2][key] = v end
    package.loaded["agad.methods.made_up"] = copy
    local function start(f)
      copy.phases[2].start = f
      local run = new "made_up"
      return refused(run.next_phase, run)
    end
    has(start(function() error("no centre", 0) end), "the start function of phase train", "no centre")
    has(start(function(s) s.keep.d = s:mean "encoder" end), "'keep' does not list d")
    has(start(function(s) s:mean "encode" end), "there is no net encode")
    package.loaded["agad.methods.made_up"] = nil
  end)
end)

describe("a method that extends another", function()
  local function load(own)
    package.loaded["agad.methods.made_up"] = own
    local ok, result = pcall(methods.load, "made_up")
    package.loaded["agad.methods.made_up"] = nil
    return ok, result
  end
  local function with(change) return {name = "m", extends = "ganomaly", phases = {train = change}} end
  local function stage() end
  local function names(m)
    local list = {}
    for i, s in ipairs(m.phases[1].step) do list[i] = type(s) == "table" and s[1] or s end
    return table.concat(list, " ")
  end

  it("has the base's keys, its own over them, and leaves the base as it is", function()
    local ok, m = load {name = "m", extends = "agad", options = {lambda = {con = 40.0}, mine = 1.5}, score = {"l1"},
      guard = false, phases = {train = {without = {"guard_collapse"}, epochs = "epochs"}}}
    assert.is_true(ok, m)
    local base = methods.load "agad"
    local c, of_base = options.resolve(m, {}), options.resolve(base, {})
    assert.same({adv = 1.0, con = 40.0, adcon = 15.0, lat = 5.0}, c.lambda)
    assert.same({1.5, 1e-5, 50.0}, {c.mine, c.delta, of_base.lambda.con})
    assert.is_nil(of_base.mine)
    has(refused(options.resolve, m, {lambda = {con = -1}}), "lambda.con = -1: it must be at least 0")
    assert.is_nil(m.guard)
    assert.same({"l1", "combined"}, {m.scores[1], m.scores[2]})
    assert.same({"l2", "combined"}, {base.scores[1], base.scores[2]})
    assert.equal(#base.scores, #m.scores)
    assert.equal("agad", m.family)
    assert.equal(base.phases[1].updates, m.phases[1].updates)
    assert.equal(8, #base.phases[1].step)
    assert.equal("reconstruct discriminate pseudo_anomaly generator_loss generator_update discriminator_loss " ..
      "discriminator_update", names(m))
  end)

  it("puts stages before and after others, in their place, and leaves some out", function()
    local ok, m = load(with {before = {reconstruct = {"first", stage}}, after = {guard_collapse = {"last", stage}},
      replace = {generator_loss = {"loss", stage}}, without = {"discriminator_loss", "discriminator_update"}})
    assert.is_true(ok, m)
    assert.equal("first reconstruct loss generator_update guard_collapse last", names(m))
    ok, m = load(with {step = {{"only", stage}, "generator_update"}, after = {only = "guard_collapse"}})
    assert.is_true(ok, m)
    assert.equal("only guard_collapse generator_update", names(m))
    ok, m = load {name = "m", extends = "ganomaly", phases = {{updates = {generator = {nets = {"generator"}}},
      step = {"generator_update"}}}, guard = false}
    assert.is_true(ok, m)
    assert.equal("generator_update", names(m))
  end)

  it("is refused where it names what is not there", function()
    for _, case in ipairs {
      {with {before = {reconstuct = {"first", stage}}}, "phase train: before: there is no stage reconstuct",
        "did you mean reconstruct?; known: discriminator_loss, "},
      {with {without = {"dream"}}, "phase train: without: there is no stage dream; known: "},
      {with {without = {"reconstruct"}, replace = {reconstruct = {"r", stage}}}, "both replaced and left out"},
      {with {after = "reconstruct"}, "phase train: 'after' must be a table"},
      {with {insert = {}}, "phase train: unknown key insert"},
      {with {before = {reconstruct = 3}}, "phase train: stage 1 must be a name"},
      {with(3), "phase train must be a table"},
      {{name = "m", extends = "ganomaly", phases = {tain = {}}}, "there is no phase tain to change", "train"},
      {{extends = "ganomaly"}, "it lacks the key 'name'"},
      {{name = "m", extends = 3}, "'extends' must be the name of a method"},
      {{name = "m", extends = "ganomly"}, 'unknown method "ganomly"; did you mean ganomaly?'},
      {{name = "m", extends = "made_up"}, "method made_up: it extends itself"},
      {{name = "m", extends = "ganomaly", nets = false}, "it lacks the key 'nets'"},
      {{name = "m", extends = "deep_sad", score = {"l2"}}, "score l2 needs a reconstruction"},
    } do
      local ok, reason = load(case[1])
      assert.is_false(ok)
      has(reason, table.unpack(case, 2))
    end
  end)

  it("gives its picture from a net that it has", function()
    package.loaded["agad.methods.made_up"] = {name = "m", extends = "ganomaly", picture = "painter"}
    has(refused(new, "made_up"), "method m: 'picture' names the net painter, which the method does not have")
    package.loaded["agad.methods.made_up"] = nil
  end)

  it("is named in configuration, row and hash, and without changes trains as its base does", function()
    local small = dofile "spec/support/small_run.lua"
    local whole = small.whole()
    package.loaded["agad.methods.made_up"] = {name = "made_up", extends = "agad"}
    local run = agad.trainer(small.task, small.with {method = "made_up"}):fit(small.quiet)
    package.loaded["agad.methods.made_up"] = nil
    local row = run:evaluate(small.quiet)
    assert.same({"made_up", "made_up"}, {row.method, row.config.method})
    assert.not_equal(whole:evaluate(small.quiet).hash, row.hash)
    assert.equal(0, small.furthest(whole, run))
  end)
end)
