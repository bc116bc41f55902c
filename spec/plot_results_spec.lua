-- The pictures of results and models: scores, classes, ROC curves, epochs, reconstructions, grids with titles.
-- To add a case: a result or a model of this training of seconds, and what must be found in its picture.

local agad = require "agad"
local cli = dofile "spec/support/cli.lua"
local small = dofile "spec/support/small_run.lua"
local svg = dofile "spec/support/svg.lua"

local core, plot, dir = agad.core, agad.plot, cli.dir
local present = os.execute "command -v gnuplot > /dev/null 2>&1"
local function with_gnuplot() if not present then pending "no gnuplot" end end

local function file(name) return dir .. "/" .. name end

local function has(list, text)
  for _, one in ipairs(list) do if one == text then return end end
  error(("%q is not among: %s"):format(text, table.concat(list, " | ")), 2)
end

local function refused(message, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(err:find(message, 1, true), err)
  assert.is_nil(err:find "\n")
end

local run, row, model, scores

setup(function()
  run = agad.trainer(small.task, small.with {epochs = 2}, {dir = file "one.run"}):fit(small.quiet)
  row = run:evaluate(nil, {curves = true})
  run:save(file "one.safetensors")
  model = agad.model.open(file "one.safetensors")
  scores = model:scores(small.task)
end)

describe("model:scores", function()
  it("gives score, label and class of every test picture, and the figures of the evaluation", function()
    local test = small.task.test
    assert.same({test.labels:numel(), test.labels:numel()}, {scores.scores:numel(), #scores.classes})
    assert.same(test.anomalous, scores.labels)
    assert.equal(small.set.classes[test.labels[1]:item() + 1], scores.classes[1])
    assert.equal(model.threshold, scores.threshold)
    assert.is_true(scores.normal.cloth)
    local shown = require("agad.cli.repl.print").text(scores, {width = 79})
    assert.matches("^scores of %d+ pictures\n  %d+ normals, %d+ anomalies, AUROC [01]%.%d%d%d%d\n  threshold: ", shown)
    local alone = model:score(test.images:narrow(1, 3, 1))[1].score
    assert.is_true(math.abs(alone - scores.scores[3]:item()) < 1e-4)
    assert.is_true(math.abs(core.metrics.auroc(scores.scores, scores.labels) - row.auroc) < .02)
  end)

  it("refuses a set of another size", function()
    local set = agad.data.weave {train_normals = 4, train_defects = 5, test_normals = 4, test_defects = 5, size = 48}
    refused("takes 1 x 32 x 32 pictures", model.scores, model, agad.task.one_vs_rest(set, {gamma = 0}))
  end)
end)

describe("plot.scores", function()
  -- The counts of a drawn histogram, added up.
  local function total(p)
    local n = 0
    for _, polygon in ipairs(p.polygons) do n = n + polygon[3][2] end
    return math.floor(n + .5)
  end

  it("draws the scores of normals and anomalies, and the threshold", function()
    with_gnuplot()
    plot.scores(scores, file "s.svg", {bins = 10})
    local plots = svg.read(cli.read(file "s.svg"))
    assert.same({"normal", "anomalous", "threshold"}, {plots[1].title, plots[2].title, plots[3].title})
    local anomalous = 0
    for _, label in ipairs(scores.labels) do anomalous = anomalous + label end
    assert.same({#scores.labels - anomalous, anomalous}, {total(plots[1]), total(plots[2])})
    assert.is_true(math.abs(plots[3].points[1][1] - model.threshold) < .01 * model.threshold)
    assert.equal(plots[3].points[1][1], plots[3].points[2][1])
  end)

  it("takes a result row with curves", function()
    with_gnuplot()
    plot.scores(row, file "r.svg")
    local plots = svg.read(cli.read(file "r.svg"))
    assert.same({row.counts.test_normals, row.counts.test_anomalies}, {total(plots[1]), total(plots[2])})
    refused("the row has no histogram; evaluate with {curves = true}", plot.scores, run:evaluate(), file "x.svg")
    refused("give what model:scores(task) gives", plot.scores, 5, file "x.svg")
  end)
end)

describe("plot.classes", function()
  it("draws a box for each class and model, without outliers", function()
    with_gnuplot()
    local other = {}
    for key, v in pairs(scores) do other[key] = v end
    other.scores, other.config = scores.scores * 2, agad.options.merge({}, scores.config)
    other.config.gamma = .2
    plot.classes({scores, other}, file "c.svg")
    local bytes = cli.read(file "c.svg")
    local texts = svg.texts(bytes)
    for _, text in ipairs {"cloth (normal)", "scratch", "smudge", "γ = 0.05", "γ = 0.2"} do has(texts, text) end
    local plots = svg.read(bytes, {categories = #small.set.classes})
    assert.equal(4, #plots)                              -- boxes and medians of two
    local of = {}
    for i, class in ipairs(scores.classes) do
      of[class] = of[class] or {}
      table.insert(of[class], scores.scores[i]:item())
    end
    for k, factor in ipairs {1, 2} do
      local boxes = plots[2 * k - 1].polygons
      assert.equal(#small.set.classes, #boxes)
      for i, class in ipairs(small.set.classes) do
        for corner, q in pairs {[1] = .25, [3] = .75} do
          local expected = factor * core.metrics.quantile(of[class], q)
          assert.is_true(math.abs(boxes[i][corner][2] - expected) < .01 * expected, class)
        end
      end
    end
  end)

  it("refuses what is no result", function()
    refused("result 1 is a number", plot.classes, {1})
    refused("give what model:scores(task) gives", plot.classes, {row})
  end)
end)

describe("plot.roc", function()
  it("draws curves with their AUROC", function()
    with_gnuplot()
    local made = {scores = {1, 2, 3, 4}, labels = {0, 1, 0, 1}, title = "made"}
    plot.roc({made, row}, file "roc.svg")
    local bytes = cli.read(file "roc.svg")
    has(svg.texts(bytes), "made (AUROC 0.7500)")
    local plots = svg.read(bytes)
    svg.same({{0, 0}, {0, .5}, {.5, .5}, {.5, 1}, {1, 1}}, plots[1].points)
    assert.equal(("agad (AUROC %.4f)"):format(row.auroc), plots[2].title)
    assert.equal("chance", plots[3].title)
    refused("a row has no ROC curve", plot.roc, {{auroc = .5}}, file "x.svg")
  end)
end)

describe("titles", function()
  local titles = require "agad.evaluate.plot.titles"
  local function of(...)
    local list = {}
    for i, config in ipairs {...} do list[i] = {config = config} end
    return titles.of(list)
  end

  it("are the options that differ", function()
    assert.same({"unet, γ = 0.05", "unet++, γ = 0.2"}, of({net = "unet", gamma = .05, lr = .1, threads = 1},
      {net = "unet++", gamma = .2, lr = .1, threads = 2}))
    assert.same({"lr = 0.1", "lr = 0.2"}, of({method = "agad", lr = .1}, {method = "agad", lr = .2}))
  end)

  it("are the main ones of several methods, and numbers where none differs", function()
    assert.same({"agad, naive", "deep_sad, lenet"}, of({method = "agad", net = "naive", lr = .1},
      {method = "deep_sad", net = "lenet", decay = .2}))
    assert.same({"1", "2"}, of({method = "agad"}, {method = "agad"}))
    assert.same({"agad"}, of {method = "agad"})
  end)
end)

describe("plot.epochs", function()
  local function made(net, seed, normal, values)
    local history = {}
    for epoch, v in ipairs(values) do history[epoch] = {epoch = epoch, auroc_steady = v, auroc_plain = v / 2} end
    return {history = history, config = {net = net, seed = seed, normal = normal, gamma = 0.0}}
  end
  local runs = {made("unet", 1, 0, {.5, .6}), made("unet", 2, 0, {.7, .9}), made("unet", 3, 0, {.6, .7}),
    made("unet++", 1, 0, {.8, .9})}

  it("draws the median over the seeds with a band, a curve for each net", function()
    with_gnuplot()
    plot.epochs(runs, file "e.svg", {yrange = {0, 1}})
    local bytes = cli.read(file "e.svg")
    local plots = svg.read(bytes)
    svg.same({{1, .5}, {2, .6}, {2, .9}, {1, .7}}, plots[1].polygons[1])
    svg.same({{1, .6}, {2, .7}}, plots[2].points)
    assert.same({"unet", "unet++"}, {plots[2].title, plots[3].title})
    for _, text in ipairs {"epoch", "AUROC"} do has(svg.texts(bytes), text) end
  end)

  it("draws several columns, and a panel for each value of an option", function()
    with_gnuplot()
    plot.epochs({runs[1], made("unet", 1, 8, {.5, .6})}, file "p.svg", {values = {"auroc_steady", "auroc_plain"},
      panel = "normal"})
    local texts = svg.texts(cli.read(file "p.svg"))
    for _, text in ipairs {"normal = 0", "normal = 8", "steady", "plain"} do has(texts, text) end
  end)

  it("takes runs and run directories", function()
    with_gnuplot()
    local function points(what)
      plot.epochs(what, file "d.svg")
      return svg.read(cli.read(file "d.svg"))[1].points
    end
    local own, read = points(run), points {file "one.run"}
    assert.equal(2 * run.config.epochs, #own)            -- of the line and of its marks
    assert.same(own, read)
    for i, entry in ipairs(run.history) do
      assert.is_true(math.abs(own[i][2] - entry.auroc_steady) < 1e-3)
    end
  end)

  it("refuses what has no evaluations", function()
    refused("no run was evaluated during its training; set evaluate_every above 0", plot.epochs, {{history = {}}})
    refused("cannot read the log: /nowhere", plot.epochs, {"/nowhere"})
    refused("run 2 is neither a run nor a run directory", plot.epochs, {runs[1], 5})
  end)
end)

describe("plot.reconstructions", function()
  it("draws anomalies and normals, then what each model makes of them", function()
    with_gnuplot()
    local o = {count = 2, titles = {"first", "second"}, title = "weave", side = 32}
    plot.reconstructions({model, model}, small.task, file "rec.svg", o)
    local texts = svg.texts(cli.read(file "rec.svg"))
    for _, text in ipairs {"weave", "input: anomalies", "input: normals", "first: anomalies", "second: normals"} do
      has(texts, text)
    end
    plot.reconstructions({model, model}, small.task, file "rec.png", o)
    local t = agad.data.read(file "rec.png"):to "float32"
    assert.equal(3, t:size(1))
    local height, width = t:size(2), t:size(3)
    local left, above = width - (2 * 38 + 2 * 5), height - (6 * 38 + 2 * 5)
    assert.is_true(left > 100 and above == 30, ("%d, %d"):format(left, above))
    -- the picture in the r-th row and k-th column: the mean of its pixels
    local function mean(r, k)
      return t:narrow(2, above + 5 + (r - 1) * 38 + 4, 32):narrow(3, left + 5 + (k - 1) * 38 + 4, 32):mean():item()
    end
    for k = 1, 2 do
      for pair = 0, 1 do assert.is_true(math.abs(mean(3 + pair, k) - mean(5 + pair, k)) < 1) end      -- one model
    end
    local means = small.task.test.images:to("float32"):mean {dim = {2, 3, 4}}:totable()
    for r, anomalous in pairs {[1] = 1, [2] = 0} do
      for k = 1, 2 do
        local nearest = math.huge
        for i, m in ipairs(means) do
          if small.task.test.anomalous[i] == anomalous then nearest = math.min(nearest, math.abs(m - mean(r, k))) end
        end
        assert.is_true(nearest < 1, ("row %d, column %d: %g"):format(r, k, nearest))
      end
    end
  end)

  it("refuses what is no model", function()
    refused("give a model, or a list of models", plot.reconstructions, {}, small.task)
    refused("model 1 is not a model", plot.reconstructions, {5}, small.task)
  end)
end)

describe("plot.grid", function()
  local grey = agad.tensor({0, 80, 160, 240}):reshape {1, 2, 2}
  local rows = {{{grey}, {grey}}, {{grey}, {grey}}}

  it("stands beside and below its titles", function()
    with_gnuplot()
    plot.grid(rows, file "t.png", {side = 20, titles = {"above", "below"}, columns = {"a", "b"}, title = "all"})
    local t = agad.data.read(file "t.png")
    local height, width = 2 * 26 + 10 + 30 + 22, 2 * 26 + 10 + 5 * 8 + 12
    assert.same({3, height, width}, t.shape)
    local function pixel(x, y) return t:select(3, x):select(2, y):totable() end
    assert.same({255, 255, 255}, pixel(2, height - 2))
    assert.same({32, 32, 32}, pixel(width - 2, height - 2))
    assert.same({240, 240, 240}, pixel(width - 5 - 3 - 4, height - 5 - 3 - 4))
    assert.same({0, 0, 0}, pixel(width - 5 - 3 - 16, height - 5 - 3 - 16))
    local dark = t:narrow(3, 1, 5 * 8):lt(100):any():item()
    assert.is_true(dark)                                 -- letters
  end)

  it("is left without titles where gnuplot is missing", function()
    cli.write(file "b.sh", [[mkdir -p bin; for p in sh lua5.4 readlink; do ln -sf $(command -v $p) bin/$p; done]])
    os.execute(("cd %s && sh b.sh"):format(dir))
    local status, _, err = cli.agad([[-e 'local agad = require "agad"; local p = agad.rand(1, 4, 4) * 255
      agad.plot.grid({{{p}, {p}}}, "g.svg", {title = "x", side = 8})']], "PATH=$PWD/bin")
    assert.equal(1, status)
    assert.equal("agad: plots need gnuplot, which is not installed; on Debian: apt-get install gnuplot-nox; the " ..
      "data are in g.svg.png\n", err)
    assert.same({3, 24, 38}, agad.data.read(file "g.svg.png").shape)
    status, _, err = cli.agad([[-e 'local agad = require "agad"; local p = agad.rand(1, 4, 4) * 255
      agad.plot.grid({{{p}, {p}}}, "g.png")']], "PATH=$PWD/bin")
    assert.same({0, ""}, {status, err})
  end)

  it("shows itself in characters, under its titles", function()
    local status, out = cli.agad [[-e 'local agad = require "agad"; local p = agad.ones(1, 4, 4) * 255
      agad.plot.grid({{{p}}}, "-", {titles = {"one"}, columns = {"two"}, side = 8})']]
    assert.equal(0, status)
    assert.matches("^rows: one\ncolumns: two\n", out)
    assert.matches("@@@@", out)
  end)

  it("refuses an empty one", function() refused("there are no pictures", plot.grid, {}, file "x.png") end)
end)

teardown(cli.remove)
