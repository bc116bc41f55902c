-- The command line trains, evaluates, scores and describes: real runs, JSON, pictures on disk.
-- To add a case: refuses_here(status, arguments, words of the message) where nothing may be written; else a test that
-- starts agad(arguments) and reads its row.

local lfs = require "lfs"
local cli = dofile "spec/support/cli.lua"
local dir, read, write, agad, refuses = cli.dir, cli.read, cli.write, cli.agad, cli.refuses

-- A small MNIST: six pictures of each digit to train, four to test.
local function idx(root, per_class, prefix)
  local images, labels = {}, {}
  for i = 0, 10 * per_class - 1 do
    labels[#labels + 1] = string.char(i % 10)
    images[#images + 1] = string.char(20 * (i % 10) + 3 * (i // 10)):rep(392) .. string.char(i):rep(392)
  end
  write(("%s/%s-images-idx3-ubyte"):format(root, prefix),
    (">I4I4I4I4"):pack(0x803, #images, 28, 28) .. table.concat(images))
  write(("%s/%s-labels-idx1-ubyte"):format(root, prefix), (">I4I4"):pack(0x801, #labels) .. table.concat(labels))
end

describe("agad train", function()
  local mnist = "train mnist --root data --normal 1 "
  local short = "--threads 1 --epochs 1 --limit 48 --batch 16 --out m.st "
  local function refuses_here(status, arguments, message)
    refuses(status, arguments, message)
    assert.is_nil(read(dir .. "/m.st"))
    assert.is_nil(lfs.attributes(dir .. "/m.run"))
  end

  before_each(function()
    for _, name in ipairs {"data", "data/mnist"} do lfs.mkdir(dir .. "/" .. name) end
    idx(dir .. "/data/mnist", 6, "train")
    idx(dir .. "/data/mnist", 4, "t10k")
  end)
  after_each(function() os.execute(("rm -rf %s/m.run* %s/m.st %s/data %s/*.lua"):format(dir, dir, dir, dir)) end)

  it("says where it looked for missing files, and which to put there", function()
    os.remove(dir .. "/data/mnist/t10k-labels-idx1-ubyte")
    refuses_here(1, "train mnist --normal 1 --root data " .. short,
      "t10k-labels-idx1-ubyte.gz is missing; looked in data/mnist, data/mnist/raw and data/MNIST/raw; put")
  end)

  it("refuses broken files", function()
    local path = dir .. "/data/mnist/train-images-idx3-ubyte"
    local text = read(path)
    local train = "train mnist --normal 1 --root data " .. short
    write(path, text:sub(1, -100))
    refuses_here(1, train, "train-images-idx3-ubyte: ")
    write(path, "\0\0\8\9" .. text:sub(5))
    refuses_here(1, train, "train-images-idx3-ubyte: ")
    write(path, text)
    path = dir .. "/data/mnist/train-labels-idx1-ubyte"
    write(path, (">I4I4"):pack(0x801, 59) .. read(path):sub(9, -2))
    refuses_here(1, train, "59 labels but 60 images")
  end)

  it("refuses classes, sizes, nets and devices that do not exist", function()
    refuses_here(1, "train mnist --root data --normal 12 " .. short, "mnist has no class 12; its classes: 0, 1")
    refuses_here(1, "train mnist --root data " .. short, "which class is normal?")
    refuses_here(1, "train mnist --root data --protocol leave_one_out --normal 1 " .. short, "give anomaly = CLASS")
    refuses_here(1, "train weave --normal silk " .. short, "no texture silk; known: cloth, metal, grain, dots")
    refuses_here(1, mnist .. "--size 40 " .. short, "must be multiples of 16; resize the pictures (size = ")
    refuses_here(1, mnist .. "--net vnet " .. short, 'unknown net "vnet"')
    refuses_here(1, mnist .. "--net none.lua " .. short, "net none.lua: there is no such file")
    refuses_here(1, mnist .. "--device cuda:63 " .. short, "device = cuda:63: ")
    refuses_here(1, "train data " .. short, "data: there are no pictures (*.png, *.jpg, ")
    refuses_here(1, "train maps " .. short, "there is no data set maps; give a known name (cifar10, ")
  end)

  it("names what is wrong with a method's or a net's file", function()
    write(dir .. "/raises.lua", 'error "it is broken"')
    write(dir .. "/lacks.lua", 'return {name = "lacks", options = {}, input = {-1, 1}}')
    refuses_here(2, mnist .. "--method raises.lua " .. short,
      "method raises.lua: its file raises: raises.lua:1: it is broken")
    refuses_here(2, mnist .. "--method lacks.lua " .. short, "method lacks.lua: it lacks the key 'nets'")
    refuses_here(2, mnist .. "--method none.lua " .. short, "method none.lua: there is no such file")
    refuses_here(1, mnist .. "--net raises.lua " .. short,
      "net raises.lua: its file raises: raises.lua:1: it is broken")
    refuses_here(1, mnist .. "--net lacks.lua " .. short, "net lacks.lua: its file must return a function")
  end)

  it("names the step and the stage that raises, and keeps the run before", function()
    write(dir .. "/m.lua", [[
      local steps = 0
      local wobble = {"wobble", function()
        steps = steps + 1
        if steps == 2 then error "it wobbles" end
      end}
      return {name = "mine", extends = "agad_reference", phases = {train = {before = {generator_loss = wobble}}}}]])
    lfs.mkdir(dir .. "/m.run")
    write(dir .. "/m.run/config.json", "{}")
    write(dir .. "/m.run/state.safetensors", "the run before")
    for _ = 1, 2 do
      refuses(1, mnist .. "--threads 1 --method m.lua --epochs 2 --out m.st --quiet",
        "agad: step 2: stage wobble: m.lua:4: it wobbles")
      assert.is_nil(read(dir .. "/m.st"))
      assert.equal("the run before", read(dir .. "/m.run.previous/state.safetensors"))
    end
  end)

  it("works with fewer normals than a batch, and says so", function()
    local status, out, err = agad(mnist .. "--threads 1 --epochs 1 --out m.st")
    assert.equal(0, status, err)
    assert.matches("note: there are only 6 normals for a batch of 256", err)
    assert.matches("note: there are only 6 normals for a batch of 256", out)
    assert.matches("\nepoch 1/1  G [%d.]+  D [%d.]+  %d+ images/s\n", err)
  end)
end)

describe("a model that agad train wrote", function()
  local core = require "agad.core"
  local function row_of(arguments)
    local status, out, err = agad(arguments)
    assert.equal(0, status, err)
    assert.equal("", err)
    assert.matches("^[^\n]+\n$", out)
    return core.json_decode(out)
  end

  local trained
  setup(function()
    local status, _, err = agad [[-e '
      local set = data.weave {train_normals = 100, train_defects = 12, test_normals = 20, test_defects = 20}
      local function draw(split, part)
        for i, label in ipairs(part.labels:totable()) do
          local class = label == 0 and "good" or "hole"
          local folder = ("cloth/%s/%s"):format(split, class)
          os.execute(("mkdir -p %s cloth/ground_truth/hole"):format(folder))
          data.write_png(("%s/%03d.png"):format(folder, i), part.images:select(1, i))
          if split == "test" and label ~= 0 then
            data.write_png(("cloth/ground_truth/hole/%03d_mask.png"):format(i), part.masks:select(1, i):unsqueeze(1))
          end
        end
      end
      draw("train", set.train)
      draw("test", set.test)
      data.write_png("good.png", set.test.images:select(1, 1))
      data.write_png("bad.png", data.set_channels(data.resize(set.test.images:select(1, 21), 50, 40), 3))']]
    assert.same({0, ""}, {status, err})
    trained = row_of("train cloth --method agad --gamma .05 --epochs 1 --limit 96 --batch 32 --set cache=false "
      .. "--threads 1 --quiet --json --out w.st")
  end)
  teardown(function() os.execute(("rm -rf %s/w* %s/*.png %s/maps %s/cloth"):format(dir, dir, dir, dir)) end)

  it("has a row with every column, and a run directory", function()
    local status, out = agad "score w.st cloth/test/good cloth/test/hole --json --threads 1"
    assert.equal(0, status)
    local scores, labels = {}, {}
    for line in out:gmatch "[^\n]+" do
      scores[#scores + 1] = core.json_decode(line).score
      labels[#labels + 1] = #labels < 20 and 0 or 1
    end
    assert.equal(40, #scores)
    assert.near(core.metrics.auroc(scores, labels), trained.auroc, 1e-6)
    assert.near(core.metrics.average_precision(scores, labels), trained.aupr, 1e-6)
    assert.near(core.metrics.tpr_at_fpr(scores, labels, .01), trained.tpr_at_1fpr, 1e-6)
    assert.equal(trained.auroc_steady, trained.auroc)
    for _, key in ipairs {"images_per_second", "train_seconds", "seconds", "epochs", "params", "threshold"} do
      assert.is_true(trained[key] > 0, key)
    end
    assert.equal(core.null, trained.auroc_best_on_test)
    assert.is_true(trained.leak.order_invariant and trained.shortcut.auroc >= .5 and trained.pixel_auroc > 0)
    assert.equal("agad", trained.config.method)
    assert.equal(trained.auroc, core.json_decode(read(dir .. "/w.run/result.json")).auroc)
  end)

  it("gives the same columns again to agad evaluate", function()
    local own = row_of "evaluate w.st cloth --set cache=false --threads 1 --quiet --json"
    local all = row_of ("evaluate w.st cloth --run w.run --preset plain --set cache=false --threads 1 --quiet "
      .. "--json")
    assert.equal(trained.auroc, own.auroc)
    assert.equal(core.null, own.auroc_plain)
    assert.matches("auroc_plain: .*give %-%-run DIR", table.concat(own.notes, "\n"))
    assert.same({trained.auroc_steady, trained.auroc_plain, trained.auroc_paper_like, trained.auroc_plain},
      {all.auroc_steady, all.auroc_plain, all.auroc_paper_like, all.auroc})
    for key in pairs(trained) do assert.is_not_nil(own[key], key) end
  end)

  it("scores pictures and draws maps with agad score", function()
    local status, out = agad "score w.st bad.png good.png --map maps --json --threads 1"
    assert.equal(0, status)
    local rows = {}
    for line in out:gmatch "[^\n]+" do rows[#rows + 1] = core.json_decode(line) end
    assert.same({"bad.png", "good.png"}, {rows[1].path, rows[2].path})
    assert.same({"maps/bad.png.map.png", "maps/good.png.map.png"}, {rows[1].map, rows[2].map})
    for _, row in ipairs(rows) do
      assert.equal(trained.threshold, row.threshold)
      assert.equal(row.score > row.threshold, row.anomalous)
      assert.equal("\137PNG", read(dir .. "/" .. row.map):sub(1, 4))
    end
  end)

  it("is followed by what it is worth and by three commands that work", function()
    local net = lfs.currentdir() .. "/spec/support/small_net.lua"
    local short = (" --epochs 1 --limit 96 --batch 32 --set cache=false --threads 1 --quiet --net %s --out 'w 2.st'")
      :format(net)
    local status, out = agad("train cloth --gamma .05" .. short)
    assert.equal(0, status)
    for line in out:gmatch "[^\n]+" do assert.is_true(utf8.len(line) < 80 or line:find "build/agad", line) end
    assert.matches("\n  at the threshold %S+: %d+ of 20 anomalies missed", out)
    assert.matches("\n +%S+  cloth/test/%l+/%d+%.png\n", out)
    assert.matches("\n  grid w 2%.run/grid%.png ", out)
    assert.equal("\137PNG", read(dir .. "/w 2.run/grid.png"):sub(1, 4))
    local score, evaluate, train, how = out:match "\n  Next:\n +%S+ (.-)\n +%S+ (.-)\n +%S+ (.-)\n +(%b())\n"
    assert.same({"score 'w 2.st' NEW_PICTURES", "evaluate 'w 2.st' cloth", "train cloth --out 'w 2.st'",
      "(with known defects in a folder of cloth/train)"}, {score, evaluate, train, how})
    assert.equal(0, (agad((score:gsub("NEW_PICTURES", "cloth/test/hole")))))
    assert.equal(0, (agad(evaluate)))
    out = select(2, agad("train cloth/train/good" .. short))
    assert.matches("\n  training normals that look least normal", out)
    local look
    look, train = out:match "NEW_PICTURES\n +%S+ (.-)\n +%S+ (.-)\n"
    assert.same({"score 'w 2.st' NEW_PICTURES --map MAPS",
      "train --normals cloth/train/good --anomalies DEFECTS --gamma .05 --out 'w 2.st'"}, {look, train})
    assert.equal(0, (agad((train:gsub("DEFECTS", "cloth/train/hole")) .. short:gsub("%-%-out.*", ""))))
  end)

  it("is described by agad info, as runs, nets and data sets are", function()
    local row = row_of "info w.st --json"
    assert.same({"model", 2794880, 2133632, {1, 32, 32}}, {row.kind, row.params, row.score_params, row.shape})
    assert.equal(trained.auroc, row_of("info w.run --json").auroc)
    row = row_of "info naive --json"
    assert.same({2137728, 38404096, 20}, {row.params, row.macs, #row.layers})
    assert.same({name = "conv1", layer = "conv", shape = {64, 16, 16}, params = 3072, macs = 786432, bytes = 65536},
      row.layers[1])
    row = row_of "info weave --normal metal --json --out w.means"
    local metal = row.classes[1]
    assert.same({"metal", 2000, 500, "w.means/mean-metal.png"},
      {metal.name, metal.train, metal.test, metal.mean_picture})
    assert.equal("\137PNG", read(dir .. "/w.means/mean-metal.png"):sub(1, 4))
    assert.same({0, 0, 0}, {row.duplicates.train, row.duplicates.test, row.duplicates.between})
    refuses(2, "info naive --out w.means", "--out w.means: for a net, give a file that ends in .svg")
    for _, thing in ipairs {"w.st", "w.run", "naive", "weave"} do
      local status, out, err = agad("info " .. thing)
      assert.same({0, ""}, {status, err})
      assert.matches("^%l+ " .. thing:gsub("%.", "%%.") .. "\n  ", out)
    end
  end)

  it("is refused when it is no model, is damaged, or takes other pictures", function()
    local whole = read(dir .. "/w.st")
    write(dir .. "/w.cut", whole:sub(1, 50000))
    write(dir .. "/w.flip", whole:sub(1, -1000) .. "\1\2\3" .. whole:sub(-996))
    write(dir .. "/w.text", "this is no model")
    refuses(1, "score w.text good.png", "w.text: is not a safetensors file")
    refuses(1, "score w.cut good.png", "the file is truncated or damaged")
    refuses(1, "score w.flip good.png", "w.flip: its checksum is wrong; the file is damaged")
    refuses(1, "score w.run/state.safetensors good.png", "is a safetensors file, but not an agad model")
    refuses(1, "score w.st w.text", "w.text: is not a PNG")
    refuses(1, "evaluate w.st cloth --size 64 --set cache=false --quiet",
      "w.st takes 1 x 32 x 32 pictures (channels, height, width), but cloth has 1 x 64 x 64")
    refuses(1, "evaluate w.st cloth --run . --set cache=false --quiet", "./state.safetensors")
    refuses(1, "score w.st good.png --device cuda", "saved models run on the CPU only; use device = cpu")
    refuses(2, "score w.st good.png --threads none", 'threads = "none"')
  end)
end)

describe("pictures on disk", function()
  local core, tree = require "agad.core", dofile "spec/support/tree.lua"
  local function row_of(arguments)
    local status, out, err = agad(arguments, "XDG_CACHE_HOME=" .. dir .. "/cache")
    assert.equal(0, status, err)
    return core.json_decode(out), err
  end

  -- Pictures with a slope; those of defects have a bright spot.
  local function draw(path, i, bad)
    local list = {}
    for y = 0, 31 do
      for x = 0, 31 do
        local spot = bad and (x - 16) ^ 2 + (y - 5 - i % 20) ^ 2 < 20
        list[#list + 1] = spot and 250 or (40 + 2 * x + 3 * (y * i % 7)) % 200
      end
    end
    require("agad.base.folder").make(path:match "^(.*)/")
    core.data.write_png(path, core.from_table(list, "uint8"):reshape({1, 32, 32}))
  end

  setup(function()
    for i = 1, 40 do draw(("%s/parts/good/%02d.png"):format(dir, i), i) end
    for i = 1, 10 do draw(("%s/parts/spot/%02d.png"):format(dir, i), i, true) end
    for _, name in ipairs {"good/99.png", "good/a.tif", "spot/b.webp"} do
      write(dir .. "/parts/" .. name, "no picture")
    end
    local lines = {"path,label,split"}
    for i = 1, 30 do lines[#lines + 1] = ("parts/good/%02d.png,fine,%s"):format(i, i > 24 and "test" or "train") end
    for i = 1, 10 do lines[#lines + 1] = ("parts/spot/%02d.png,spot,test"):format(i) end
    write(dir .. "/list.csv", table.concat(lines, "\n"))
  end)
  teardown(function()
    tree.remove()
    os.execute(("rm -rf %s/parts %s/list.csv %s/p.* %s/cache"):format(dir, dir, dir, dir))
  end)

  it("are a task in one line, and the model scores them", function()
    local train = "--epochs 1 --batch 16 --threads 1 --json --out p.st"
    local row, err = row_of("train parts --method agad --gamma .1 --set filter=area --set augment.flip=true " .. train)
    assert.matches("note: 1 of 51 pictures cannot be read and were skipped: parts/good/99%.png", err)
    assert.matches("note: 2 pictures of formats other than PNG, JPEG and BMP were left out: 1 %.tif, 1 %.webp; ", err)
    assert.same({"parts", "good", "area", true, 32}, {row.config.data, row.config.normal, row.config.filter,
      row.config.augment.flip, row.config.size})
    local cached = #tree.names(dir .. "/cache/agad/decoded")
    assert.equal(1, cached)
    assert.equal(row.auroc, row_of("evaluate p.st parts --set cache=false --threads 1 --quiet --json").auroc)

    local left_out = "1 picture of formats other than PNG, JPEG and BMP was left out: 1 .%s; convert it to PNG"
    local status, out, said = agad "score p.st parts/spot parts/good --threads 1 --json"
    assert.equal(0, status, said)
    local rows = {}
    for line in out:gmatch "[^\n]+" do rows[#rows + 1] = core.json_decode(line) end
    assert.same({50, "parts/spot/01.png", "parts/good/01.png"}, {#rows, rows[1].path, rows[11].path})
    local notes = {}
    for line in said:gmatch "[^\n]+" do notes[#notes + 1] = line end
    assert.same({"note: parts/spot: " .. left_out:format("webp"), "note: parts/good: " .. left_out:format("tif")},
      {notes[1], notes[2]})
    assert.matches("^note: parts/good/99%.png: [^\n]+$", notes[3])
    assert.same({4, "note: 1 of 51 pictures could not be scored"}, {#notes, notes[4]})
    assert.equal(2, select(2, ({agad "score p.st parts/spot parts/good --threads 1 --json --quiet"})[3]:gsub("\n", "")))
    refuses(1, "score p.st parts/good/99.png", "parts/good/99.png: ")
    refuses(1, "evaluate p.st parts --set strict=true --set cache=false", "parts/good/99.png")

    row = row_of("train --method agad --normals parts/good --anomalies parts/spot --set cache=false " .. train)
    assert.same({"good", "normal"}, {row.config.data, row.config.normal})
    assert.equal(cached, #tree.names(dir .. "/cache/agad/decoded"))
  end)

  it("may be listed in a .csv file, which trains and is described as a folder is", function()
    local row = row_of("train list.csv --method agad --normal fine --epochs 1 --batch 16 --threads 1 --quiet --json "
      .. "--out p.st")
    assert.same({"list", 6, 10}, {row.config.data, row.counts.test_normals, row.counts.test_anomalies})
    row = row_of "info list.csv --json"
    local fine, spot = table.unpack(row.classes)
    assert.same({"fine", 24, 6, "spot", 0, 10}, {fine.name, fine.train, fine.test, spot.name, spot.train, spot.test})
    row = row_of "info parts --size 16 --json"
    assert.same({"parts", {1, 16, 16}, 50}, {row.name, row.shape, row.train})
    assert.matches("1 of 51 pictures cannot be read", row.notes[2])
  end)
end)

describe("a training that is asked to end", function()
  local command = "train weave --epochs 5000 --limit 64 --batch 16 --threads 1 --quiet --out i.st"
  after_each(function() os.execute(("rm -rf %s/i.*"):format(dir)) end)

  for _, case in ipairs {{"INT", 130}, {"TERM", 143}, {"HUP", 129}} do
    local signal, expected = table.unpack(case)
    it(("by SIG%s ends after its step, saves the model, and gives %d"):format(signal, expected), function()
      local status, out, err = cli.interrupted(command, "i.run/log.jsonl", signal)
      assert.equal("agad: interrupted; the model trained so far is in i.st\n", err)
      assert.same({expected, ""}, {status, out})
      local model = require("agad").model.open(dir .. "/i.st")
      assert.is_true(model.info.steps >= 1)
      assert.is_truthy(lfs.attributes(dir .. "/i.run/state.safetensors"))
    end)
  end

  it("twice has saved its checkpoint at least", function()
    local status, out, err = cli.interrupted(command, "i.run/log.jsonl", "TERM", "TERM")
    assert.matches("^agad: interrupted; [^\n]+\n$", err)
    assert.same({143, ""}, {status, out})
    assert.is_truthy(lfs.attributes(dir .. "/i.run/state.safetensors"))
  end)

  it("by a signal that it was started to ignore goes on", function()
    cli.write(dir .. "/ignore.lua", [[
      local agad, luv = require "agad", require "luv"
      luv.kill(luv.os_getpid(), "sighup")
      print(agad.core.interrupted(), agad.core.end_requested())]])
    local _, out = agad("ignore.lua", "trap '' HUP;")
    assert.equal("false\tnil\n", out)
    local status, heard = agad "ignore.lua"
    assert.same({129, ""}, {status, heard})              -- before the next instruction
  end)
end)

describe("agad demo #slow", function()
  it("writes a model, a grid and a plot", function()
    local status, out, err = agad("demo --out demo --threads 1 --set epochs=1 --set limit=200")
    assert.equal(0, status, err)
    assert.matches("steady +0%.%d+", out)
    assert.matches("What to try next", out)
    assert.equal("\137PNG", read(dir .. "/demo/grid.png"):sub(1, 4))
    assert.is_truthy(lfs.attributes(dir .. "/demo/weave.safetensors"))
  end)

  it("has a steady column at most .01 below plain", function()
    local row = require("agad.cli.demo").run {out = dir .. "/whole", given = {epochs = 6, threads = 1}, quiet = true,
      json = true, seconds = 1e6}
    assert.same({"steady", "1/16", "mixture"}, {row.preset, row.config.ema, row.config.bn_eval})
    assert.is_true(row.auroc_steady >= row.auroc_plain - .01, ("%.4f, plain %.4f"):format(row.auroc_steady,
      row.auroc_plain))
    assert.is_true(row.auroc_plain > .9)                   -- it has learned something
  end)
end)

teardown(cli.remove)
