-- The tables, plots and databases of campaigns, over result files that are a real run's with other figures.
-- To add a case: a campaign whose runs get figures from `made`, and what is expected of its groups.

local agad = require "agad"
local campaign = require "agad.campaign"
local campaigns = dofile "spec/support/campaigns.lua"
local checks = dofile "spec/support/checks.lua"
local lfs = require "lfs"
local refused, has = checks.refused, checks.has
local path = campaigns.path

teardown(campaigns.remove)

local row                                         -- of a real run

setup(function()
  local spec = campaigns.tiny("real", {grid = {seed = {1}}, curves = true,
    options = {evaluate_every = 1, epochs = 2}})
  row = campaign.run(spec, {program = campaigns.agad}).runs[1].row
  os.execute(("cp -r %s %s"):format(spec.dir, path "one"))
end)

-- A campaign whose runs all have results.
local function made(name, more, figures)
  local spec = campaigns.tiny(name, more)
  campaigns.results(campaign.plan(spec), row, figures)
  return spec
end

-- The classes of AGAD on MNIST in the paper's Table 9, per cent.
local digits = {100.0, 100.0, 99.0, 98.6, 99.5, 97.2, 99.6, 99.8, 95.8, 99.2}

local function of_digits()
  return made("digits", {grid = {normal = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, seed = {1, 2}}}, function(run)
    local v = digits[run.point.normal + 1] / 100
    local shift = run.point.seed == 1 and .001 or -.001
    return {auroc_steady = v + shift, auroc_plain = v - .1, auroc_paper_like = agad.core.null}
  end)
end

describe("the table of a campaign", function()
  it("has the mean over classes, both SDs over them, and the SD over seeds", function()
    local text, data = campaign.table(of_digits())
    local f = data.groups[1].figures.auroc_steady
    local function near(expected, v) assert.is_true(math.abs(expected - v) < 1e-12, tostring(v)) end
    local sum, squares = 0, 0
    for _, v in ipairs(digits) do sum = sum + v / 1000 end
    for _, v in ipairs(digits) do squares = squares + (v / 100 - sum) ^ 2 end
    near(.9887, f.mean)
    near(math.sqrt(squares / 10), f.sd_classes)
    near(math.sqrt(squares / 9), f.sd_classes_sample)
    near(.001 * math.sqrt(2), f.sd_seeds)
    assert.same({20, 10, 2}, {f.n, f.classes, f.seeds})
    assert.equal("  runs    steady   SD classes   (sample)   SD seeds   plain   paper-like\n"
      .. "  20/20     98.9         1.29       1.36       0.14    88.9   -\n", text)
  end)

  it("groups runs by other options, and counts those that are not finished", function()
    local spec = made("groups", {grid = {gamma = {0, .05}, seed = {1, 2}}, variants = {{"b", {}}, {"a", {batch = 8}}}},
      function(run, i) return {auroc_steady = run.point.gamma == 0 and .5 or .5 + i / 100} end)
    os.remove(campaign.plan(spec)[1].dir .. "/run/result.json")
    local _, data = campaign.table(spec)
    local seen = {}
    for i, group in ipairs(data.groups) do
      seen[i] = ("%s %d/%d"):format(table.concat(group.values, " "), #group.finished, #group.runs)
    end
    assert.same({"b 0 1/2", "b 0.05 2/2", "a 0 2/2", "a 0.05 2/2"}, seen)
    assert.equal("  gamma   runs   steady   SD seeds\n      0   3/4      50.0       0.00\n   0.05   4/4      55.5"
      .. "       0.71\n", (campaign.table(spec, {by = {"gamma"}, values = {"auroc_steady"}})))
  end)

  it("has paired differences over classes and seeds", function()
    local spec = made("pairs", {grid = {normal = {0, 1}, seed = {1, 2}}, variants = {{"with", {}},
      {"without", {terms = {adcon = false}}}}}, function(run)
      local base = .5 + run.point.normal / 10 + run.point.seed / 100
      return {auroc_steady = run.point.variant == "with" and base or base - .02 * run.point.seed}
    end)
    local text, data = campaign.table(spec, {compare = "variant"})
    local d = data.differences[1]
    assert.same({"without", "with", 4, 0}, {d.of, d.against, d.n, d.above})
    assert.is_true(math.abs(d.mean + .03) < 1e-12 and math.abs(d.sd - .01 * math.sqrt(4 / 3)) < 1e-12)
    has(text, "difference", "-3.00   1.15   0.58")
    has(refused(campaign.table, spec, {compare = "gamma"}), "gamma has one value only")
  end)

  it("has the paper's figures beside its own, and its layout with an option along the top", function()
    campaigns.write(path "paper.csv",
      "dataset,method,c0,c1,avg,sd\nDigits,Other,1,2,3,4\nDigits,AGAD,99.5,80.25,89.9,9.6\n")
    local paper = {file = path "paper.csv", fixed = {method = "AGAD", dataset = "Digits"}, value = "avg", classes = "c",
      from = "Table 9"}
    local spec = made("layout", {grid = {normal = {0, 1}, seed = {1}}, table = {paper = paper}}, function(run)
      return {auroc_steady = run.point.normal == 0 and .99 or .79}
    end)
    has(campaign.table(spec, {values = {"auroc_steady"}}), "Table 9   its SD",
      "89.0        10.00      14.14      89.9     9.60")
    local text = campaign.table(spec, {columns = "normal", values = {"auroc_steady"}, format = "markdown"})
    assert.equal("| figures | 0 | 1 | mean | SD |\n|---|---|---|---|---|\n| steady | 99.0 | 79.0 | 89.0 | 10.00 |\n"
      .. "| Table 9 | 99.5 | 80.2 | 89.9 | 9.60 |\n", text)
    paper.fixed = {methods = "AGAD"}
    has(refused(campaign.table, spec), "has no column methods; did you mean method?")
    paper.file = path "absent.csv"
    has(refused(campaign.table, spec), "campaign: paper: ", "absent.csv")
    campaigns.write(path "torn.csv", "a,avg\n1\n")
    paper.file, paper.fixed = path "torn.csv", nil
    has(refused(campaign.table, spec), "torn.csv: line 2 has 1 cells, and the first has 2")
  end)

  it("is text, Markdown, CSV with every digit, or LaTeX", function()
    local spec = made("forms", {variants = {["a_b|c"] = {}}, grid = {seed = {1}}},
      function() return {auroc_steady = 1 / 3, auroc_plain = .5} end)
    local o = {values = {"auroc_steady", "auroc_plain"}}
    local function as(form)
      o.format = form
      return (campaign.table(spec, o))
    end
    assert.equal("| variant | runs | steady | plain |\n|---|---|---|---|\n| a_b\\|c | 1/1 | 33.3 | 50.0 |\n",
      as "markdown")
    assert.equal("variant,runs,steady,plain\na_b|c,1/1,0.33333333333333331,0.5\n", as "csv")
    has(as "latex", "\\begin{tabular}{llrr}", "variant & runs & steady & plain \\\\ \\hline",
      "a\\_b|c & 1/1 & 33.3 & 50.0 \\\\")
  end)

  it("refuses unknown options", function()
    has(refused(campaign.table, campaigns.tiny "digits", {columms = "normal"}), "columms; did you mean columns?")
    has(refused(campaign.table, campaigns.tiny("digits", {grid = {normal = {1}}}), {by = {"normal"}}),
      "normal is both in by and in over")
  end)

  it("refuses options that no run has, and figures that no finished run has", function()
    local spec = of_digits()
    has(refused(campaign.table, spec, {by = {"gama"}}), "campaign: unknown option gama; did you mean gamma?")
    has(refused(campaign.table, spec, {columns = "nornal"}), "unknown option nornal; did you mean normal?")
    has(refused(campaign.table, spec, {values = {"auroc_stedy"}}),
      "campaign: no finished run has the figure auroc_stedy; did you mean auroc_steady?")
    has(campaign.table(spec, {by = {"threads", "lambda.con", "anomaly"}, values = {"leak.thermometer"}}), "lambda.con")
    local unfinished = campaigns.tiny("unfinished", {grid = {seed = {1}}})
    has(campaign.table(unfinished, {values = {"of_a_later_row"}}), "0/1")
  end)
end)

describe("the database of a campaign", function()
  it("has a row for each run with its options and figures, and one for each evaluation", function()
    local there, luasql = pcall(require, "luasql.sqlite3")
    if not there then pending "luasql.sqlite3 is not installed" return end
    local spec = campaigns.tiny("one", {grid = {seed = {1, 2}}, options = {evaluate_every = 1, epochs = 2}})
    campaign.sqlite(spec, path "all.db")
    campaign.sqlite(spec, path "all.db")                           -- replaces it
    local connection = luasql.sqlite3():connect(path "all.db")
    local function query(sql)
      local cursor = connection:execute(sql)
      local list = {}
      local function add(...)
        if ... == nil then return false end
        list[#list + 1] = table.concat({...}, " ")
        return true
      end
      while add(cursor:fetch()) do end                             -- luacheck: ignore 542
      cursor:close()
      return list
    end
    assert.same({"finished 1 2", "waiting 2 2"}, query 'SELECT state, seed, "config.epochs" FROM runs ORDER BY seed')
    assert.equal(row.auroc, tonumber(query("SELECT auroc FROM runs WHERE state = 'finished'")[1]))
    assert.same({"1", "2"}, query "SELECT epoch FROM epochs ORDER BY epoch")
    connection:close()
    campaigns.write(path "notes.txt", "not a database, but mine")
    has(refused(campaign.sqlite, spec, path "notes.txt"), "is no SQLite database")
    assert.equal("not a database, but mine", campaigns.read(path "notes.txt"))
    has(refused(campaign.sqlite, spec, path "no/such.db"), "cannot write", "no/such.db")
  end)

  it("needs lua-sql-sqlite3, and says so", function()
    local before = package.preload["luasql.sqlite3"]
    local loaded = package.loaded["luasql.sqlite3"]
    package.loaded["luasql.sqlite3"] = nil
    package.preload["luasql.sqlite3"] = function() error("module 'luasql.sqlite3' not found", 0) end
    finally(function() package.preload["luasql.sqlite3"], package.loaded["luasql.sqlite3"] = before, loaded end)
    has(refused(campaign.sqlite, campaigns.tiny "digits", path "never.db"), "apt-get install lua-sql-sqlite3")
    assert.is_nil(lfs.attributes(path "never.db"))
  end)
end)

describe("the plots of a campaign", function()
  local function titles(spec, o)
    local bytes = campaign.plot(spec, ".svg", o)
    local list = {}
    for text in bytes:gmatch "<text>(.-)</text>" do list[#list + 1] = text:gsub("<[^>]*>", "") end
    return table.concat(list, "|")
  end

  it("are curves over gamma with bands, one for each group", function()
    if not os.execute "command -v gnuplot > /dev/null" then pending "gnuplot is not installed" return end
    local spec = made("over", {grid = {gamma = {0, .05, .1}, normal = {0, 1}, seed = {1}}, variants = {{"with", {}},
      {"without", {terms = {adcon = false}}}}}, function(run) return {auroc_steady = .7 + run.point.gamma} end)
    local text = titles(spec)
    has(text, "with", "without", "γ", "AUROC")
    assert.equal("gamma", select(2, campaign.plot(spec, ".svg")))
    assert.equal("box", select(2, campaign.plot(spec, ".svg", {kind = "box"})))
    has(titles(spec, {kind = "bars", by = {"variant"}}), "with", "without")
  end)

  it("are epochs and histograms where the runs have them", function()
    if not os.execute "command -v gnuplot > /dev/null" then pending "gnuplot is not installed" return end
    local spec = campaigns.tiny("one", {grid = {seed = {1}}, options = {evaluate_every = 1, epochs = 2}})
    has(titles(spec), "epoch")
    has(titles(spec, {kind = "scores"}), "seed = 1", "score")
    spec = campaigns.tiny("one", {grid = {seed = {1}}, options = {evaluate_every = 1, epochs = 2},
      variants = {{"with", {}}, {"without", {terms = {adcon = false}}}}})
    campaign.run(spec, {program = campaigns.agad})
    local text = titles(spec, {kind = "epochs"})         -- named as in the table, not by what the variants set
    assert.matches("|with|without$", text)
    assert.is_nil(text:find("adcon", 1, true))
    has(refused(campaign.plot, of_digits(), ".svg", {kind = "epochs"}), "log")
    has(refused(campaign.plot, of_digits(), ".svg", {kind = "classes"}), "normal = 0 and 1; choose one with")
    has(refused(campaign.plot, campaigns.tiny "nothing", ".svg"), "no run is finished yet")
    has(refused(campaign.plot, of_digits(), ".svg", {kind = "pie"}), "kind", "gamma, epochs")
  end)
end)

describe("the estimate of a campaign", function()
  it("takes finished runs of the same kind, or a measured step", function()
    local spec = made("cost", {grid = {seed = {1, 2, 3}}}, function() return {seconds = 100.0} end)
    local runs = campaign.plan(spec)
    os.remove(runs[3].dir .. "/run/result.json")
    local its = campaign.estimate(spec, {workers = 1})
    assert.equal(1, #its.kinds)
    assert.same({3, 1, "results"}, {its.kinds[1].runs, its.kinds[1].left, its.kinds[1].from})
    assert.is_true(its.seconds > 100 and its.seconds < 105)
    require("agad.campaign.store").fail(runs[3], "it broke")       -- which is left alone, unless it is asked for
    assert.equal(0, campaign.estimate(spec, {workers = 1}).kinds[1].left)
    assert.equal(1, campaign.estimate(spec, {workers = 1, retry_failed = true}).kinds[1].left)
    its = campaign.estimate(campaigns.tiny("costs", {grid = {epochs = {1, 50}, seed = {1, 2}}}), {workers = 1})
    assert.equal(2, #its.kinds)
    assert.same({"steps", 1, 50}, {its.kinds[1].from, its.kinds[1].steps, its.kinds[2].steps})
    assert.is_true(its.kinds[2].seconds > its.kinds[1].seconds)
    assert.is_nil(lfs.attributes(path "costs"))                    -- nothing was trained
    its = campaign.estimate(campaigns.tiny("costs", {options = {net = "no.lua"}}), {workers = 1})
    has(its.kinds[1].error, "there is no such file")
  end)
end)
