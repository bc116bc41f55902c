-- agad watch: curves as characters, the picture of a run at any size, a log that grows or is replaced, and the command
-- in a terminal.
-- To add a case: entries of a log, and what the picture of them shows.

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"

local checks = dofile "spec/support/checks.lua"
local cli = dofile "spec/support/cli.lua"
local curve = require "agad.cli.watch.curve"
local follow = require "agad.cli.watch.follow"
local picture = require "agad.cli.watch.picture"
local rundir = require "agad.train.rundir"
local terminal = dofile "spec/support/terminal.lua"

local path = function(name) return cli.dir .. "/" .. name end
local launcher = os.getenv "AGAD" or "build/agad"

teardown(function()
  cli.remove()
  terminal.remove()
end)

local function step(n, more)
  local e = {kind = "step", step = n, epoch = 1 + (n - 1) // 10, losses = {generator = 100 / n, con = 1}, seconds = n,
    eta = 100 - n, share = n / 100, images_per_second = 50}
  for key, v in pairs(more or {}) do e[key] = v end
  return e
end

local begin = {kind = "begin", step = 0, first = 0, last = 100, epochs = 10}

-- A run directory with these entries, held by this process.
local function run_of(name, entries)
  local run = rundir.create(path(name), '{"method": "agad"}')
  for _, e in ipairs(entries) do assert.is_nil(run:log(e)) end
  return run
end

describe("a curve", function()
  local function draw(values, unicode, width, height)
    local points = {}
    for i, v in ipairs(values) do points[i] = {i, v} end
    return curve.draw(points, {width = width, height = height, left = 1, right = #values, unicode = unicode})
  end

  it("is drawn in dots from its lowest to its highest value", function()
    assert.same({" ⢀⠎", "⡰⠁ "}, draw({1, 2}, true, 3, 2))
    assert.same({"  |", " | ", ".' "}, draw({1, 2}, false, 3, 3))
    assert.same({"⠉⠑⢄ ", "   ⢣"}, draw({3, 3, 2, 1}, true, 4, 2))
  end)

  it("that is level lies in the middle; one point is a dot", function()
    assert.same({"---"}, draw({5, 5, 5}, false, 3, 1))
    assert.same({"-  "}, draw({5}, false, 3, 1))
  end)

  it("that spans more than a factor of 20 is shown by its logarithms", function()
    assert.same({1, 100, true}, {curve.range {{1, 100}, {2, 10}, {3, 1}}})
    assert.same({0, 100, false}, {curve.range {{1, 100}, {2, 0}}})
    assert.equal(table.concat(draw({3, 2, 1}, true, 6, 3), "\n"), table.concat(draw({100, 10, 1}, true, 6, 3), "\n"))
  end)
end)

describe("the picture of a run", function()
  local all = {"AUROC steady 0.900", "AUROC plain 0.800", "generator", "con 1.000"}
  local entries = {begin}
  for i = 1, 60 do entries[#entries + 1] = step(i) end
  entries[#entries + 1] = {kind = "evaluate", step = 60, epoch = 6, auroc_steady = .9, auroc_plain = .8}

  local function drawn(run, columns, lines, o)
    o = o or {}
    o.columns, o.lines, o.held, o.unicode = columns, lines, o.held ~= false, o.unicode ~= false
    return picture.draw(run, o)
  end

  it("has a title, how far it is with the time left, and a panel for each curve", function()
    local dir = run_of("whole.run", entries)
    local run = follow.new(path "whole.run")
    local lines = drawn(run, 79, 24)
    assert.equal(path "whole.run", lines[1])
    assert.matches("^epoch  6/10  .*50 images/s  %d+ s left$", lines[2])
    checks.has(table.concat(lines, "\n"), table.unpack(all))
    assert.equal("steps 1 to 60", lines[#lines])
    checks.has(table.concat(drawn(run, 79, 24, {held = false}), "\n"),
      "stopped at step 60: no process has this run now")
    dir:close()
  end)

  it("fits into every window, in both sets of characters", function()
    local run = follow.new(path "whole.run")
    for i = 1, 40 do run.losses["loss" .. i] = {{1, i}, {60, -i}} end
    for columns = 1, 130, 3 do
      for lines = 1, 50, 7 do
        for _, unicode in ipairs {true, false} do
          local list = drawn(run, columns, lines, {unicode = unicode})
          assert.is_true(#list <= lines, #list .. " lines in " .. lines)
          for _, line in ipairs(list) do
            assert.is_true(utf8.len(line) <= columns, ("%d columns: %q"):format(columns, line))
            assert.is_true(unicode or not line:find "[\128-\255]")
          end
        end
      end
    end
    assert.matches("%(%d+ more: no room%)$", table.concat(drawn(run, 40, 24), "\n"))
  end)

  it("has no escape codes without colours", function()
    local run = follow.new(path "whole.run")
    assert.is_nil(table.concat(drawn(run, 79, 24)):find "\27")
    assert.is_truthy(table.concat(drawn(run, 79, 24, {colours = true})):find("\27[36m", 1, true))
  end)

  it("leaves out values that are not finite, and takes an empty log and one of an earlier version", function()
    run_of("odd.run", {}):close()
    assert.same({path "odd.run", "no steps yet"}, drawn(follow.new(path "odd.run"), 79, 24))
    cli.write(path "odd.run/log.jsonl", [[
{"kind": "step", "step": 1, "epoch": 1, "losses": {"a": 1.0, "b": null}}
{"kind": "step", "step": "two", "losses": {"a": 7}}
{"kind": "step", "step": 2, "epoch": 1, "losses": {"a": 2.0, "b": "x"}}
{"kind": "ste
[1, 2]

{"kind": "step", "step": 3, "epoch": 1, "losses": {"a": 3.0}}
{"kind": "step", "step": 4, "epoch": 1, "losses": {"a": 9]])
    local run = follow.new(path "odd.run")
    assert.same({{1, 1.0}, {2, 2.0}, {3, 3.0}}, run.losses.a)
    assert.is_nil(run.losses.b)
    checks.has(table.concat(drawn(run, 79, 24), "\n"), "a 3.000", "steps 1 to 3", "epoch 1/1")
  end)
end)

describe("a log that is followed", function()
  it("is read on where it ended, once its lines are whole", function()
    local run = run_of("grows.run", {begin, step(1)})
    local seen = follow.new(path "grows.run")
    assert.is_false(seen:read())
    run:log(step(2))
    assert.is_true(seen:read())
    assert.same({{1, 100}, {2, 50}}, seen.losses.generator)
    local file = io.open(path "grows.run/log.jsonl", "a")
    file:write('{"kind": "step", "step": 3, ')
    file:flush()
    assert.is_false(seen:read())
    file:write('"losses": {"generator": 7.0}}\n')
    file:close()
    assert.is_true(seen:read())
    assert.same({3, 7}, seen.losses.generator[3])
    assert.is_false(seen:is_over())
    run:log {kind = "end", step = 3, interrupted = false, seconds = 5}
    seen:read()
    assert.is_false(seen:is_over())                       -- its evaluation is still to come
    run:log {kind = "result", step = 3, auroc_steady = .75}
    seen:read()
    assert.is_true(seen:is_over())
    assert.same({{3, .75}}, seen.aurocs.steady)
    run:close()
  end)

  it("is read anew where it was rewound, and a run that goes on is not over", function()
    local run = run_of("rewound.run", {begin, step(1), step(2), step(3),
      {kind = "end", step = 3, interrupted = true, seconds = 3}})
    local seen = follow.new(path "rewound.run")
    assert.is_true(seen:is_over())
    run:close()
    run = run_of("rewound.run", {begin, step(1), step(2), step(3)})
    run:rewind_log(2, 0)
    run:log {kind = "begin", step = 2, first = 0, last = 100, epochs = 10}
    run:log(step(3, {losses = {generator = 8}}))
    assert.is_true(seen:read())
    assert.same({{1, 100}, {2, 50}, {3, 8}}, seen.losses.generator)
    assert.is_false(seen:is_over())
    run:close()
    assert.is_true(seen:is_over())                        -- nobody has it
    os.remove(path "rewound.run/log.jsonl")
    assert.is_true(seen:read())
    assert.same({}, seen.losses)
  end)
end)

describe("agad watch", function()
  it("prints one picture where there is no terminal", function()
    local entries = {begin}
    for i = 1, 30 do entries[#entries + 1] = step(i) end
    run_of("plain.run", entries):close()
    local status, out, err = cli.agad("watch plain.run", "LC_ALL=C")
    assert.same({0, ""}, {status, err})
    checks.has(out, "plain.run\nstopped at step 30: no process has this run now\n", "generator 3.333 (log)",
      "con 1.000", "\nsteps 1 to 30\n")
    assert.is_nil(out:find "[\27\128-\255]")
    status, out = cli.agad "watch plain.run/ --json"
    assert.equal(0, status)
    local row = core.json_decode(out)
    assert.same({"plain.run", false, 30, 3, 70, 1, {}}, {row.run, row.running, row.step, row.epoch, row.seconds_left,
      row.losses.con, row.auroc})
  end)

  it("refuses what is no run directory", function()
    lfs.mkdir(path "folder")
    cli.write(path "plain.st", "x")
    cli.refuses(1, "watch nowhere", "nowhere: there is no such run directory")
    cli.refuses(1, "watch folder", "folder: there is no run in this folder (agad train writes one: MODEL.run)")
    cli.refuses(1, "watch plain.st", "plain.st: this is a file, not a run directory; give plain.run")
    cli.refuses(2, "watch", "missing argument 'run'")
  end)

  describe("in a terminal", function()
    local open

    after_each(function()
      if open then open:close() end
      open = nil
    end)

    local function watch(name, o)
      if terminal.missing then pending(terminal.missing) end
      open = terminal.start(("LC_ALL=C.UTF-8 %s watch %s"):format(launcher, path(name)), o)
      return open
    end

    it("redraws as the log grows and the window changes, and leaves the last picture when the run ends", function()
      local run = run_of("live.run", {begin, step(1), step(2)})
      local t = watch("live.run", {columns = 80, lines = 24})
      t:wait "steps 1 to 2"
      for i = 3, 40 do run:log(step(i)) end
      t:wait "steps 1 to 40"
      t:resize(40, 12)
      t:wait(function(screen)
        local wide = 0
        for line in screen:gmatch "[^\n]+" do wide = math.max(wide, utf8.len(line)) end
        return wide <= 40 and screen:find("\ncon 1.000\n", 1, true) and screen:find "steps 1 to 40"
      end)
      run:log {kind = "end", step = 40, interrupted = false, seconds = 65}
      t:wait "trained in 1:05; its evaluation"
      run:log {kind = "result", step = 40, auroc_steady = .75, auroc_plain = .5}
      local screen = t:wait "status 0"
      checks.has(screen, "trained in 1:05\n", "AUROC steady 0.750", "steps 1 to 40")
      assert.is_nil(screen:find "evaluation")
      run:close()
    end)

    it("ends at Ctrl-C with the last picture, and the run goes on", function()
      local run = run_of("left.run", {begin, step(1), step(2)})
      local t = watch "left.run"
      t:wait "steps 1 to 2"
      t:press "C-c"
      local screen = t:wait "status 130"
      checks.has(screen, "left.run", "generator 50.00", "steps 1 to 2")
      assert.is_nil(screen:find "agad: ")
      assert.is_nil(run:log(step(3)))
      run:close()
    end)
  end)
end)
