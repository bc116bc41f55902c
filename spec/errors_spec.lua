-- Errors as values: Ctrl-C is one, whoever looks at the flag and whatever a text says; positions; locks.
-- To add a case: ends(status, the line on stderr, a script): the script has press(), busy() and run(options).

local agad = require "agad"
local cli = dofile "spec/support/cli.lua"
local checks = dofile "spec/support/checks.lua"
local errors = require "agad.base.errors"
local scorer = require "agad.evaluate.scorer"
local core, has, refused = agad.core, checks.has, checks.refused

-- Runs Lua as a script; in it `press()` is Ctrl-C, `run(options)` makes a small training, `method` writes a method
-- whose step begins with the function `look`. Status, stdout, stderr.
local function script(chunk)
  cli.write(cli.dir .. "/s.lua", [[
    local agad = require "agad"
    local core, luv = agad.core, require "luv"
    local interrupted = require("agad.core").interruption
    local function press() luv.kill(luv.os_getpid(), "sigint") end
    local function busy(n) for i = 1, n or 1e9 do i = i + 1 end end      -- seconds, unless it is ended
    local function quiet() end
    local function method(more)
      local m = {name = "mine", options = {}, input = {-1, 1}, average = {}, picture = "generator", score = {"l2"},
        nets = function(_, shape)
          return {generator = agad.nn.builder(shape):conv(shape[1], {kernel = 3, padding = 1}):tanh():build "g"}
        end,
        phases = {{name = "train", updates = {g = {nets = {"generator"}}}, step = {{"look", function(s)
          more.look(s)
          s.x_hat = s.net.generator(s.x)
          s.loss.l1 = agad.loss.l1(s.x_hat, s.x)
          s:backward("g", s.loss.l1)
        end}, "g_update"}, start = more.start}}}
      for key, v in pairs(more) do if key ~= "look" and key ~= "start" then m[key] = v end end
      MINE = m
      io.open("mine.lua", "w"):write("return MINE"):close()
      return "mine.lua"
    end
    local function run(o, where)
      local set = agad.data.weave {train_normals = 40, train_defects = 8, test_normals = 6, test_defects = 6}
      o.epochs, o.batch, o.threads, o.method = 2, 16, 1, o.method or method {look = quiet}
      return agad.trainer(agad.task.one_vs_rest(set, {gamma = .05}), o, where)
    end
  ]] .. chunk)
  return cli.agad "s.lua"
end

-- Expects a script to end with this status and this line on stderr.
local function ends(status, line, chunk)
  local s, out, err = script(chunk)
  assert.equal(line, err)
  assert.equal(status, s)
  return out
end

local function ends_interrupted(chunk) return ends(130, "agad: interrupted\n", chunk) end

teardown(cli.remove)

describe("an interruption", function()
  it("is one value, which prints and joins as text", function()
    assert.is_true(errors.is_interruption(core.interruption))
    assert.equal("interrupted", tostring(core.interruption))
    assert.equal("ended: interrupted!", "ended: " .. core.interruption .. "!")
  end)

  it("is what every loop of the core raises", function()
    local out = ends(0, "", [[
      require("agad.base.interrupt").disarm()
      local t = agad.rand(4, 1, 8, 8):mul(255):to "uint8"
      local labels, net = {0, 1, 0, 1}, nil
      local b = agad.nn.builder {1, 8, 8}
      net = agad.nn.net(b:conv(1, {kernel = 3, padding = 1}):build("n", {{"score", b.current}}))
      local how = {low = -1, high = 1, batch = 2, bn = "running"}
      local localiser = core.metrics.localiser(4, 8, 8)
      agad.data.write_png("interrupted.png", t[1])
      local loops = {
        list = function() return core.data.list "." end,
        load_files = function() return core.data.load_files({"interrupted.png"}, {}) end,
        resample = function() return core.data.resample(t, 4, 4) end,
        hashes = function() return core.data.hashes(t) end,
        statistics = function() return core.data.statistics(t) end,
        shortcut = function() return core.data.shortcut(t, labels) end,
        weave = function() return agad.data.weave {train_normals = 4} end,
        score = function() return core.score(net, t, how) end,
        recalibrate = function() return core.recalibrate(net, t, how) end,
        thermometer = function() return core.metrics.thermometer(t, {1, 2}, t, labels, {batch = 2}) end,
        localise = function() return localiser:add(agad.rand(4, 8, 8), agad.zeros(4, 8, 8):to "uint8") end,
        interval = function() return core.metrics.auroc_interval({1, 2, 3, 4}, labels) end,
      }
      for name, loop in pairs(loops) do
        core.interrupt_clear()
        press()
        local ok, err = pcall(loop)
        print(name, ok, err == interrupted, core.interrupted(), err)
      end
      core.interrupt_clear()
      print(select("#", core.data.list "."), core.score(net, t, how).shape[1])]])
    local n = 0
    for line in out:gmatch "[^\n]+" do
      if line:find "\t.*\t" then
        assert.matches("^[%w_]+\tfalse\ttrue\ttrue\tinterrupted$", line)
        n = n + 1
      end
    end
    assert.equal(12, n)
    has(out, "3\t4\n")
  end)

  it("is never made text of", function()
    local ok, err = pcall(errors.text, core.interruption)
    assert.is_false(ok)
    assert.equal(core.interruption, err)
    assert.equal("my: interrupted", errors.text "my: interrupted")
    assert.equal("nil", errors.text(nil))
  end)

  it("ends Lua code, loading, scoring and a backward of Lua's with status 130", function()
    ends_interrupted "press() busy()"
    ends_interrupted [[
      agad.data.write_png("p.png", agad.rand(1, 900, 900):mul(255):to "uint8")
      local paths = {}
      for i = 1, 400 do paths[i] = "p.png" end
      core.data.load_files(paths, {on_progress = press})]]
    ends_interrupted [[
      local b = agad.nn.builder {1, 8, 8}
      local net = agad.nn.net(b:conv(1, {kernel = 3, padding = 1}):build("n", {{"score", b.current}}))
      local t = agad.zeros(4, 1, 8, 8):to "uint8"
      press()
      core.score(net, t, {low = -1, high = 1, batch = 2, bn = "running"})]]
    ends_interrupted [[
      local t = agad.ones(2, {requires_grad = true})
      local f = agad.differentiable {forward = function(_, x) return x * 2 end, backward = function(_, g)
        press()
        busy()
        return g
      end}
      f(t):sum():backward()]]
  end)

  it("passes through whoever adds to an error", function()
    ends_interrupted [[agad.nn.program("slow.lua", {1, 8, 8}, io.open("slow.lua", "w"):write(
      "return function() PRESS() end"):close() and (function() PRESS = function() press() busy() end end)())]]
    ends_interrupted [[
      for _ in agad.teach(run {method = method {look = function() press() busy() end}}) do end]]
    ends_interrupted [[run {method = method {look = quiet, start = function() press() busy() end}}]]
    ends_interrupted [[run {method = method {look = quiet, score = function() press() busy() end}}]]
  end)

  it("is not what a text says", function()
    ends(1, "agad: my: interrupted\n", 'error("my: interrupted", 0)')
    ends(1, "agad: interrupted\n", 'error("interrupted", 0)')
    ends(1, "agad: x: interrupted: No such file or directory\n", 'agad.model.open "x: interrupted"')
    ends(1, "agad: method mine: the start function of phase train: my: interrupted\n",
      [[run {method = method {look = quiet, start = function() error("my: interrupted", 0) end}}]])
    ends(1, "agad: step 1: stage look: my: interrupted; there is no earlier checkpoint (checkpoint_steps " ..
      "sets how often one is written)\n",
      [[run({method = method {look = function() error("my: interrupted", 0) end}}):fit(quiet)]])
  end)
end)

describe("a training", function()
  it("ends after its step, whatever runs in it, and Ctrl-C ends what comes after", function()
    local out = ends_interrupted [[
      local n = 0
      local r = run {method = method {look = function() n = n + 1; if n == 2 then press() busy(1e7) end end}}
      r:fit(quiet)
      print(r.interrupted, r.steps)
      io.stdout:flush()
      busy()
      print "never"]]
    assert.equal("true\t2\n", out)
  end)

  it("holds Ctrl-C back no longer once it has failed", function()
    local out = ends_interrupted [[
      print(pcall(run({}).fit, run {}, function() error("no", 0) end))
      io.stdout:flush()
      press()
      busy()]]
    assert.equal("false\tno\n", out)
  end)

  it("holds it back no longer in a coroutine that was given up", function()
    ends_interrupted [[
      do
        local r = run {}
        coroutine.wrap(function() r:fit(coroutine.yield) end)()
      end
      collectgarbage()
      collectgarbage()
      press()
      busy()]]
  end)
end)

describe("the REPL", function()
  it("is stopped in what runs, and goes on", function()
    cli.write(cli.dir .. "/input",
      'io.stdout:write("ready\\n"):flush() while true do end\n"on"\nerror("interrupted", 0)\n')
    local status, out, err = cli.interrupted("-i < input", "out")
    assert.same({1, "ready\non\n", "interrupted\ninterrupted\n"}, {status, out, err})
  end)
end)

describe("a campaign", function()
  it("ends its runs and says how to go on", function()
    cli.write(cli.dir .. "/grid.lua", [[return {data = "weave", grid = {seed = {1, 2}},
      options = {epochs = 5000, limit = 64, batch = 16, net = "naive", threads = 1}}]])
    local status, _, err = cli.interrupted("campaign grid.lua --quiet --workers 1",
      "grid.runs/*/run/log.jsonl")
    assert.same({130, "agad: interrupted; run the same command again to continue\n"}, {status, err})
    local begun = 0
    for name in require("lfs").dir(cli.dir .. "/grid.runs") do begun = begun + (name:find "^%x+$" and 1 or 0) end
    assert.equal(1, begun)
  end)
end)

describe("what is asked for instead of caught", function()
  local function net_of(outputs)
    local b = agad.nn.builder {1, 8, 8}
    local x = b:conv(1, {kernel = 3, padding = 1})
    local list = {}
    for i, name in ipairs(outputs) do list[i] = {name, x} end
    return agad.nn.net(x:build("n", list))
  end

  it("maps are nil where a net gives none, and what goes wrong in making them is raised", function()
    local pictures, how = agad.zeros(2, 1, 8, 8):to "uint8", {input = {-1, 1}}
    assert.is_nil(scorer.maps(net_of {"score"}, pictures, how))
    assert.same({2, 1, 8, 8}, {table.unpack(scorer.maps(net_of {"score", "map"}, pictures, how).shape)})
    has(refused(scorer.maps, net_of {"score", "map"}, agad.zeros(2, 3, 8, 8):to "uint8", how), "net 'n' takes")
  end)

  it("a score that raises 'no such output' is an error of its method", function()
    ends(1, "agad: method mine: its score raises: no such output\n",
      [[run {method = method {look = quiet, score = function() error("no such output", 0) end}}]])
  end)

  it("a net's file or a method's that is not there is told from one that cannot be read", function()
    has(refused(agad.nn.program, "nothing.lua", {1, 8, 8}), "net nothing.lua: there is no such file")
    local path = cli.write(cli.dir .. "/wrong.lua", "return = 1")
    has(refused(agad.nn.program, path, {1, 8, 8}), "net " .. path .. ": ", "wrong.lua:1: unexpected symbol near '='")
    local load = require("agad.train.method").load
    has(refused(load, "nothing.lua"), "method nothing.lua: there is no such file")
    has(refused(load, path), "wrong.lua:1: unexpected symbol near '='")
    local folder = cli.dir .. "/folder.lua"
    require("lfs").mkdir(folder)
    has(refused(agad.nn.program, folder, {1, 8, 8}), "Is a directory")
    has(refused(load, folder), "Is a directory")
  end)
end)

describe("a position", function()
  it("is the user's line in what the core raises, and none in what is caught to say more", function()
    local function user() return core.json_decode "{" end
    local _, with_line = pcall(user)
    assert.matches("^[^\n]*errors_spec%.lua:%d+: JSON: ", with_line)
    local ok, bare = errors.try(core.json_decode, "{")
    assert.is_false(ok)
    assert.matches("^JSON: ", bare)
  end)

  it("is named once where agad.tensor and agad.from_string refuse", function()
    local _, message = pcall(agad.tensor, {{1, 2}, {3}})
    assert.matches("^tensor: ", message)
    _, message = pcall(function() local _ = agad.tensor {{1, 2}, {3}} end)
    assert.matches("errors_spec%.lua:%d+: tensor: ", message)
    _, message = pcall(function() local _ = agad.from_string("abcd", {size = {2}}) end)
    assert.matches("errors_spec%.lua:%d+: from_string: 4 bytes", message)
  end)

  it("stands in no note about a checkpoint or a result", function()
    local out = ends(0, "", [[
      local r = run({}, {dir = "r.run"})
      os.execute "mkdir -p r.run/state.safetensors/in r.run/result.json/in"
      r:fit(quiet)
      print(r.unsaved)
      print(table.concat(r:evaluate().notes, "\n"))]])
    assert.matches("^checkpoint of step %d+: r%.run/state%.safetensors: cannot be written: Is a directory; ", out)
    has(out, "\nr.run/result.json: cannot be written: Is a directory")
    assert.is_nil(out:find "s%.lua")
  end)
end)

describe("errors.try", function()
  it("gives results, also nil, and takes a yield", function()
    assert.same({n = 4, true, 1, nil, 3}, table.pack(errors.try(function(...) return ... end, 1, nil, 3)))
    local co = coroutine.wrap(function()
      return errors.try(function()
        if coroutine.yield "asks" then error("told", 0) end
        return "done"
      end)
    end)
    assert.equal("asks", co())
    assert.same({false, "told"}, {co(true)})
    has(refused(core.try), "bad argument #1 to", "value expected")
  end)
end)

describe("errors.reason", function()
  it("is what comes after the path", function()
    local path = cli.dir .. "/no: such/file"
    assert.equal("No such file or directory", errors.reason(path, select(2, io.open(path))))
    assert.equal("No such file or directory", errors.reason(path, select(2, require("lfs").attributes(path))))
    assert.equal("anything: else", errors.reason(path, "anything: else"))
  end)
end)

describe("core.file_lock", function()
  local path = cli.dir .. "/lock"
  local function of_another()
    local _, out = script(([[print(core.file_lock(%q))]]):format(path))
    return out
  end

  it("keeps others out, in this process and in another, until it is closed", function()
    local lock <close> = assert(core.file_lock(path))
    assert.equal("false\n", of_another())
    assert.is_false(core.file_lock(path))
    assert.equal("false\n", of_another())                -- the attempt did not end the lock
    lock:close()
    lock:close()
    assert.matches("^agad%.lock: ", of_another())
  end)

  it("says why there is none, and refuses what is no lock", function()
    assert.same({nil, "No such file or directory"}, {core.file_lock(cli.dir .. "/nowhere/lock")})
    assert.same({nil, "Is a directory"}, {core.file_lock(cli.dir)})
    has(refused(core.file_lock), "bad argument #1 to", "string expected, got no value")
    local lock <close> = assert(core.file_lock(path))
    has(refused(lock.close, {}), "bad argument #1 to", "agad.lock expected, got table")
  end)

  it("keeps two runs out of one directory", function()
    local dir = cli.dir .. "/locked.run"
    require("lfs").mkdir(dir)
    cli.write(dir .. "/config.json", "{}\n")
    local lock <close> = assert(core.file_lock(dir .. "/lock"))                 -- luacheck: ignore 211
    ends(1, ("agad: run directory %s: another run is using it; wait for it to end, close it, or give another "
      .. "directory\n"):format(dir), ([[
      run({}, {dir = %q})]]):format(dir))
  end)
end)
