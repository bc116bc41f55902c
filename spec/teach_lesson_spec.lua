-- agad teach --lesson: the parts of the text, their commands, and whether what the text says is true of what they show.
-- To add a case: lines of input; for a new claim in guide.md, its numbers in `claims`.

local agad = require "agad"
local cli = dofile "spec/support/cli.lua"
local checks = dofile "spec/support/checks.lua"
local has, refused = checks.has, checks.refused
local guides = require "agad.teach.guide"
local terminal = dofile "spec/support/terminal.lua"

local open                                        -- the terminal of the current test

after_each(function()
  if open then open:close() end
  open = nil
end)

teardown(function()
  cli.remove()
  terminal.remove()
end)

local function lesson(lines, arguments)
  cli.write(cli.dir .. "/lines", lines)
  return cli.agad(("teach --threads 1 --lesson %s < lines"):format(arguments or ""))
end

local function parts() return guides.read(cli.read "lua/agad/teach/guide.md") end

describe("the text of the lesson", function()
  it("has eight parts of two to six sentences, with commands and what to look for", function()
    local list = parts()
    assert.equal(8, #list)
    assert.equal("What does G see?", list[1].title)
    assert.equal("Why does paper-like leak?", list[8].title)
    for _, part in ipairs(list) do
      local sentences = select(2, (table.concat(part.before, " ") .. " "):gsub("[.?] ", ""))
      assert.is_true(sentences >= 2 and sentences <= 6, part.title)
      assert.is_true(#part.commands > 0, part.title)
      assert.matches("^Look for: ", part.after[1])
    end
  end)

  it("is read as it is written", function()
    assert.same({{title = "One", before = {"a b", "c"}, commands = {"next", "plot"}, after = {"Look for: d"}},
      {title = "Two", before = {}, commands = {"## 3. no heading"}, after = {}}},
      guides.read("# Title\n\nabout\n\n## 1. One\n\na\nb\n\nc\n\n```\nnext\nplot\n```\n\nLook for: d\n## 2. Two\n```\n"
        .. "## 3. no heading\n```\n"))
  end)

  it("is true of what its commands show #slow", function()
    local guide, seen = guides.open {threads = 1}, {}
    for n, part in ipairs(guide.parts) do
      guide:go(n)
      seen[n] = {}
      for i, line in ipairs(part.commands) do seen[n][i] = line ~= "plot" and guide:run(line) or false end
      guide:reached(n + 1)
    end
    local v = seen[1][1]                          -- 1. What does G see?
    assert.same({64, 1, 32, 32}, v.tensors.x.shape)
    assert.same(v.tensors.x.shape, v.tensors.x_hat.shape)
    assert.same({32, 32}, {v.normals, v.anomalies})
    v = seen[2][1]                                -- 2. What does D see?
    assert.same({"y", "y_hat", "z", "z_hat"}, require("agad.base.values").keys(v.changed.tensors))
    assert.same({64, 256, 4, 4}, v.tensors.z_hat.shape)
    local y, y_hat = v.tensors.y, v.tensors.y_hat
    local both = math.min(y.most, y_hat.most) - math.max(y.least, y_hat.least)
    assert.is_true(both > .7 * (math.max(y.most, y_hat.most) - math.min(y.least, y_hat.least)))
    v = seen[3][1]                                -- 3. The pseudo-anomaly
    assert.same({"x_hat2"}, require("agad.base.values").keys(v.changed.tensors))
    assert.is_nil(next(v.losses))
    v = seen[4][1]                                -- 4. What is G asked for?
    local of, sum = {}, 0
    for _, t in ipairs(v.losses.generator.terms) do of[t.name], sum = t, sum + t.adds end
    assert.near(v.losses.generator.total, sum, 1e-3 * sum)
    for name, t in pairs(of) do
      assert.equal(name == "adcon", t.adds < 0)
      assert.is_true(name == "adcon_anom" or t.share < of.adcon_anom.share)
      assert.is_true(name == "con" or name:find "_anom$" ~= nil or t.share < of.con.share)
    end
    for _, layer in ipairs(v.gradients.generator.layers) do assert.is_true(layer.norm > 0) end
    assert.equal(0, v.moved["generator: weights"][1])
    local c = seen[5][1]                          -- 5. What if?
    assert.equal(c.mine.values.con, c.other.values.con)
    assert.are_not.equal(c.mine.values.adv_anom, c.other.values.adv_anom)
    c = seen[5][2]
    assert.near(of.adcon.adds + of.adcon_anom.adds,
      c.mine.losses.generator.total - c.other.losses.generator.total, 1e-3 * sum)
    v = seen[6]                                   -- 6. Who moves when?
    assert.same({"generator: weights"}, require("agad.base.values").keys(v[1].changed.moved))
    assert.same({"discriminator: weights"}, require("agad.base.values").keys(v[3].changed.moved))
    assert.is_nil(v[4].changed.collapses or nil)
    local state = guide.lesson.run.state          -- 7. What has G learned?
    local n = state.n_normal
    local errors = (state.x - state.x_hat):abs():mean {dim = {2, 3, 4}}
    assert.is_true(errors:narrow(1, n + 1, errors:size(1) - n):mean():item() > 2 * errors:narrow(1, 1, n):mean():item())
    local e = seen[8][1]                          -- 8. Why does paper-like leak?
    assert.near(.5, e.thermometer_shuffled, .05)
    assert.is_true(e.thermometer_sorted > .9)
    assert.is_true(e.auroc_steady > .85 and e.auroc_paper_like < e.auroc_steady and e.auroc_plain < e.auroc_steady)
  end)
end)

describe("agad teach --lesson", function()
  it("refuses parts that do not exist, and data and options of other lessons", function()
    cli.refuses(2, "teach --lesson 9", "lesson 9: give the number of a part, 1 to 8")
    cli.refuses(2, "teach --lesson weave", "lesson weave: give the number of a part, 1 to 8")
    cli.refuses(2, "teach weave --lesson", "--lesson has a set and options of its own")
    cli.refuses(2, "teach --lesson --gamma 0", "it goes with --threads and --device, not with gamma")
    cli.refuses(2, "teach --lesson --memory 10", "not with --memory")
    cli.refuses(2, "teach --lesson --set lambda.con=1", "not with lambda")
  end)

  it("shows a part, runs its commands, turns pages, and takes all commands of teach in between #slow", function()
    local status, out, err = lesson("\nset lambda.cn 3\nset lambda.con 1\nnext stage\nback step\nwhere\nnext\nhelp\n"
      .. "quit\n")
    assert.equal(1, status)
    assert.equal(1, select(2, err:gsub("agad: [^\n]*\n", "")))
    has(err, "did you mean lambda.con?")
    has(out, "Part 1 of 8: What does G see?\n\nG, the generator,", "\nteach> next\nstep 1, stage 1 of 8: reconstruct",
      "\nteach> plot\nrows: x; x_hat;", "\nLook for: x and x_hat have the same shape", "Part 2 of 8: What does D see?",
      "step 1, stage 3 of 8: pseudo_anomaly", "before step 1 (epoch 1)\n", "Part 3 of 8: The pseudo-anomaly",
      "goes to the next part", "set KEY VALUE")
    -- The commands of part 3 start where those of part 2 have ended, whatever was tried in between.
    local third = out:match "Part 3 of 8.*"
    has(third, "step 1, stage 3 of 8: pseudo_anomaly")
  end)

  it("goes back, but not past the first part, and shows the same again #slow", function()
    local status, out, err = lesson("back\nback\nnext\nquit\n", "2")
    assert.equal(1, status)
    assert.equal("agad: back: this is the first part\n", err)
    has(out, "(the commands of part 1 run first)")
    local _, first, again = out:match "^(.-)(Part 2 of 8.-)Part 1 of 8.-(Part 2 of 8.*)$"
    assert.equal(first, again)
  end)

  it("says where it ends #slow", function()
    local status, out, err = lesson("\nback\nnext\nnext\n", "8")
    assert.same({0, ""}, {status, err})
    has(out, "(the commands of parts 1 to 7 run first)", "this was the last part; quit ends the lesson",
      "Part 7 of 8: What has G learned?", "AUROC after 48 steps", "mean and spread of a batch, sorted by label")
    assert.equal(2, select(2, out:gsub("Part 8 of 8", "")))
  end)

  it("prints JSON: a part, and then an object a command #slow", function()
    local status, out = lesson("quit\n", "2 --json")
    assert.equal(0, status)
    local rows = {}
    for line in out:gmatch "[^\n]+" do rows[#rows + 1] = agad.core.json_decode(line) end
    assert.equal(2, #rows)
    assert.same({2, 8, "What does D see?"}, {rows[1].part, rows[1].of, rows[1].title})
    assert.equal("discriminate", rows[2].stage)
  end)

  it("fits into 40 columns, and goes on after Ctrl-C in the middle of a part #slow", function()
    if terminal.missing then pending(terminal.missing) end
    open = terminal.start(("sh -c 'exec %s teach --lesson --threads 1'"):format(cli.launcher),
      {columns = 40, lines = 200})
    local screen = open:wait "part 1 of 8>"
    for line in screen:gmatch "[^\n]+" do assert.is_true((utf8.len(line) or 0) <= 40, line) end
    has(screen, "Part 1 of 8: What does G see?", "Look for: x and x_hat")
    open:enter("back", "this is the first part")
    open:press "Enter"
    open:wait "part 2 of 8>"
    open:enter("set frob 1", "unknown option")
    open:enter("run to 100000", "run to 100000")
    open:press "C-c"
    open:wait "stopped by"
    open:enter("back", "part 1 of 8>")
    open:enter("help", "set KEY VALUE")
    screen = open:screen()
    for line in screen:gmatch "[^\n]+" do assert.is_true((utf8.len(line) or 0) <= 40, line) end
    open:enter("quit", "status 0")
  end)
end)

describe("a lesson", function()
  local small = dofile "spec/support/small_run.lua"
  local options = {net = "spec/support/small_net.lua", min_anom = 2, batch = 16, gamma = .05, threads = 1,
    deterministic = true}

  it("returns to a mark, also from other options and after steps, to the bit", function()
    local one, other = agad.teach(small.task, options), agad.teach(small.task, options)
    for _, l in ipairs {one, other} do
      l:step()
      l:next()
      l:next()
    end
    local mark = one:mark()
    one:set("lambda.con", 1)
    one:step(2)
    assert.equal("in step 2, after stage 2 of 8: discriminate (epoch 1)", tostring(one:return_to(mark)))
    assert.equal("before step 2 (epoch 1)", tostring(one:back()))
    one:return_to(mark)
    one:step(2)
    other:step(2)
    assert.equal(0, small.furthest(one.run, other.run))
  end)

  it("evaluates the weights as they are now, and goes on as if it had not", function()
    local one, other = agad.teach(small.task, options), agad.teach(small.task, options)
    one:step(2)
    other:step(2)
    local first = one:evaluate()
    assert.same({2, 12, 12}, {first.steps, first.normals, first.anomalies})
    local row = other.run:evaluate()
    assert.same({row.auroc_steady, row.auroc_plain, row.auroc_paper_like},
      {first.auroc_steady, first.auroc_plain, first.auroc_paper_like})
    local shown = require("agad.cli.repl.print").text(first, {width = 39})
    for line in shown:gmatch "[^\n]+" do assert.is_true(utf8.len(line) <= 39, line) end
    has(shown, "AUROC after 2 steps (epoch 1), 12", "steady ", "paper-like ")
    one:step(2)
    other:step(2)
    assert.equal(0, small.furthest(one.run, other.run))
    one:back(4)
    one:step(2)
    assert.same(first, one:evaluate())
    local none = agad.task.one_vs_rest(agad.data.weave {train_normals = 40, train_defects = 0, test_normals = 0,
      test_defects = 0})
    has(refused(agad.teach(none, {net = options.net, batch = 8, threads = 1}).evaluate, agad.teach(none, {
      net = options.net, batch = 8, threads = 1})), "evaluate: there are no test pictures")
  end)
end)
