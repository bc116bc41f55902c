-- An environment that works against the program: module paths of others, closed streams, no home, no place for
-- temporary files, another Lua, another locale.
-- To add a case: run(shell command) in the folder; AGAD is the program, and the result status, stdout and stderr.

local agad = require "agad"
local lfs = require "lfs"
local cli = dofile "spec/support/cli.lua"
local dir, write, read = cli.dir, cli.write, cli.read
local root, build = lfs.currentdir(), os.getenv "AGAD_BUILD" or "build"

-- Without what make and test.sh set for the specs themselves.
local clean = "env -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u LUA_PATH -u LUA_CPATH -u LUA_INIT "

lfs.mkdir(dir .. "/set")
for i = 1, 4 do
  agad.core.data.write_png(("%s/set/%d.png"):format(dir, i), agad.full({1, 8, 8}, i * 40, {dtype = "uint8"}))
end

local function run(command)
  local _, _, status = os.execute(("cd '%s' && AGAD='%s' && { %s\n} > out 2> err"):format(dir, cli.launcher, command))
  return status, read(dir .. "/out"), read(dir .. "/err")
end

local function gives(out, command)
  local status, stdout, err = run(command)
  assert.same({0, out, ""}, {status, stdout, err}, command)
end

local function fails(message, command)
  local status, out, err = run(command)
  assert.same({1, "", "agad: " .. message .. "\n"}, {status, out, err}, command)
end

local function has(program) return (os.execute(("command -v %s > /dev/null"):format(program))) end

local function module_folder(path, text)
  lfs.mkdir(dir .. "/" .. path)
  for _, name in ipairs {"lfs", "luv", "argparse", "readline", "agad", "mine"} do
    write(("%s/%s/%s.lua"):format(dir, path, name), text)
  end
  lfs.mkdir(("%s/%s/agad"):format(dir, path))
  write(("%s/%s/agad/core.lua"):format(dir, path), text)
end

describe("modules", function()
  setup(function()
    module_folder("shadow", 'print "taken from here"; return {here = true}')
    write(dir .. "/shadow/s.lua",
      'local m, agad = require "mine", require "agad"; print(m.here, agad.ones(2):sum():item())')
  end)

  it("of the program are never taken from the current folder", function()
    for _, arguments in ipairs {"info weave --json", "train --help"} do
      local status, out, err = run(("cd shadow; %s $AGAD %s"):format(clean, arguments))
      assert.same({0, ""}, {status, err}, arguments)
      assert.not_matches("taken from here", out)
    end
    gives("function\n", "cd shadow; " .. clean .. "$AGAD -e 'print(type(require(\"luv\").spawn))'")
  end)

  it("of a user's script are taken from its own folder and from the current one", function()
    gives("taken from here\ntrue\t2.0\n", clean .. "$AGAD shadow/s.lua")
    gives("taken from here\ntrue\t2.0\n", "cd shadow; " .. clean .. "$AGAD s.lua")
    gives("taken from here\n", "cd shadow; " .. clean .. "$AGAD -e 'require \"mine\"'")
    gives("taken from here\n", "cd shadow; echo 'm = require \"mine\"' | " .. clean .. "$AGAD")
  end)

  it("of a user's script prefer what LUA_PATH names", function()
    lfs.mkdir(dir .. "/lib")
    write(dir .. "/lib/mine.lua", "return {here = 'lib'}")
    for _, path in ipairs {"$PWD/lib/?.lua", "$PWD/lib/?.lua;;", ";;$PWD/lib/?.lua", "lib/?.lua"} do
      gives("lib\t2.0\n", clean .. ('LUA_PATH="%s" $AGAD shadow/s.lua'):format(path))
    end
    gives("lib\t2.0\n", clean .. 'LUA_PATH=/nowhere/?.lua LUA_PATH_5_4="$PWD/lib/?.lua" $AGAD shadow/s.lua')
  end)

  it("are found where LUA_PATH and LUA_CPATH name another Lua's, without ;;", function()
    for i, path in ipairs {"/home/me/torch/share/lua/5.1/?.lua;./?.lua", "$PWD/?.lua", "shadow/?.lua", ";"} do
      local set = ('%s LUA_PATH%s="%s" LUA_CPATH=/home/me/torch/lib/lua/5.1/?.so '):format(clean,
        i == 2 and "_5_4" or "", path)
      gives("function\n", "cd shadow; " .. set .. "$AGAD -e 'print(type(require(\"lfs\").dir))'")
    end
    write(dir .. "/lfs.so", "no library")
    gives("1\n", clean .. "LUA_CPATH='./?.so' $AGAD -e 'print(1)'")
  end)

  it("that the program needs are those that the Lua files require", function()
    local needed, found = dofile("lua/agad/cli/modules.lua").needed, {}
    local lines = io.popen "grep -rhoE \"require\\(? ?[\\\"'][^\\\"']+\" lua"
    for line in lines:lines() do
      local name = line:match "[\"'](.*)$"
      if not name:find "^agad" then found[name] = true end
    end
    lines:close()
    assert.same(needed, found)
  end)
end)

describe("LUA_INIT", function()
  it("is not run", function()
    write(dir .. "/init.lua", "print 'from LUA_INIT' error 'fails'")
    for _, name in ipairs {"LUA_INIT", "LUA_INIT_5_4"} do
      gives("1\n", ("%s='@%s/init.lua' $AGAD -e 'print(1)'"):format(name, dir))
      gives("1\n", ("%s='error(1)' AGAD_LUA=lua5.4 $AGAD -e 'print(1)'"):format(name))
    end
  end)

  it("and LUA_PATH reach the programs that a script starts", function()
    gives("x\ty\n", clean .. "LUA_INIT=x LUA_PATH=y $AGAD -e " ..
      [['os.execute("printf \"%s\\t%s\\n\" \"$LUA_INIT\" \"$LUA_PATH\"")']])
  end)
end)

describe("another Lua", function()
  it("is refused as AGAD_LUA, and so is what is not Lua", function()
    for _, name in ipairs {"/nonexistent", "true"} do
      fails(("agad needs Lua 5.4; AGAD_LUA=%s is not a Lua that can be run"):format(name),
        ("AGAD_LUA=%s $AGAD"):format(name))
    end
    gives("1\n", "AGAD_LUA=lua5.4 $AGAD -e 'print(1)'")
    for program, name in pairs {["lua5.1"] = "Lua 5.1", ["lua5.3"] = "Lua 5.3", luajit = "Lua 5.1"} do
      if has(program) then
        fails(("agad needs Lua 5.4; AGAD_LUA=%s is %s"):format(program, name), ("AGAD_LUA=%s $AGAD"):format(program))
      end
    end
  end)

  it("that requires agad reads which one is needed", function()
    local any = false
    for program, name in pairs {["lua5.1"] = "Lua 5%.1", ["lua5.3"] = "Lua 5%.3", luajit = "LuaJIT 2"} do
      if has(program) then
        any = true
        local status, _, err = run(("export LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' LUA_CPATH='%s/%s/lib/?.so;;'\n"
          .. "%s -e 'require \"agad\"'"):format(root, root, root, build, program))
        assert.equal(1, status)
        assert.matches("^" .. program:gsub("%p", "%%%0") .. ": agad needs Lua 5%.4; this is " .. name, err)
      end
    end
    if not any then pending "no other Lua is installed (lua5.1, lua5.3, luajit)" end
  end)
end)

describe("a standard stream that is closed", function()
  it("does not hinder a command that does without it", function()
    local _, whole = run "$AGAD info set --json"
    gives(whole, "$AGAD info set --json <&- 2>&-")
    gives("", "$AGAD <&-")
    gives("1\n", "$AGAD -e 'print(1)' <&- 2>&-")
  end)

  it("makes output that cannot be written an error", function()
    for _, arguments in ipairs {"info set --json", "info set", "-e 'print(1)'", "train --help", "--version"} do
      fails("standard output cannot be written: Bad file descriptor", "$AGAD " .. arguments .. " >&-")
    end
    assert.equal(1, (run "$AGAD info set --json <&- >&- 2>&-"))
    gives("", "$AGAD -e 'x = 1' <&- >&- 2>&-")
  end)

  it("is not taken by a file that the program opens", function()
    run "$AGAD -e 'f = io.open(\"f\", \"w\") print \"lost\" io.stderr:write \"lost\" f:close()' >&- 2>&-"
    assert.equal("", read(dir .. "/f"))
  end)

  it("is reported like a full device, also where single lines are lost", function()
    if not lfs.attributes "/dev/full" then return pending "there is no /dev/full" end
    fails("standard output cannot be written: No space left on device", "$AGAD -e 'print(1)' > /dev/full")
    fails("standard output cannot be written: No space left on device", "$AGAD info set --json > /dev/full")
  end)
end)

describe("a pipe whose reader has left", function()
  it("ends the program quietly", function()
    local lines = "'for i = 1, 1e5 do print(i) end'"
    gives("1\n", ("$AGAD -e %s | head -n 1"):format(lines))
    gives("agad 0.1.0", "$AGAD --version | head -c 10")
    -- where the signal is ignored, as in services, the write fails instead
    gives("1\n1\n", ("trap '' PIPE; { $AGAD -e %s; echo $? > status; } | head -n 1; cat status"):format(lines))
  end)
end)

describe("without a home", function()
  local homes = {"env -u HOME -u XDG_CACHE_HOME -u AGAD_DATA", "env -u XDG_CACHE_HOME -u AGAD_DATA HOME=/nonexistent",
    "env -u XDG_CACHE_HOME -u AGAD_DATA HOME=/etc/passwd", "env -u AGAD_DATA HOME= XDG_CACHE_HOME=",
    "env -u HOME -u AGAD_DATA XDG_CACHE_HOME=relative XDG_STATE_HOME=relative"}

  it("pictures are read, scripts run, and nothing is written anywhere", function()
    for _, home in ipairs(homes) do
      gives("nil\tnil\n4\n2000\n", home .. [[ $AGAD -e 'p = require "agad.base.places" print(p.cache(), p.state())
        print(data.folder("set").train.images:size(1)) print(data.weave({train_defects = 0}).train.images:size(1))']])
    end
    for _, path in ipairs {dir .. "/relative", dir .. "/.cache", "/.cache/agad", "/nonexistent"} do
      assert.is_nil(lfs.attributes(path), path)
    end
  end)

  it("a data set has no folder, and one line says so", function()
    for i, arguments in ipairs {"fetch mnist", "fetch", "info mnist"} do
      fails("there is no folder for data sets, because HOME does not name a folder; set AGAD_DATA, or give root",
        ("%s $AGAD %s"):format(homes[i], arguments))
    end
  end)

  it("the variables that name folders still count", function()
    local where = "'p = require \"agad.base.places\" print(p.cache(), p.state(), p.data())'"
    gives("/c\t/s\t/c/agad/data\n", "env -u AGAD_DATA -u HOME XDG_CACHE_HOME=/c XDG_STATE_HOME=/s $AGAD -e " .. where)
    gives(("%s/.cache\t%s/.local/state\t/d\n"):format(dir, dir),
      "env -u XDG_STATE_HOME XDG_CACHE_HOME=relative HOME=$PWD AGAD_DATA=/d $AGAD -e " .. where)
  end)

  it("temporary files lie in TMPDIR if that is an absolute path", function()
    local make = "$AGAD -e 'print((require(\"agad.base.places\").temporary():gsub(\"%w+$\", \"\")))'"
    gives(dir .. "/agad-\n", "TMPDIR=$PWD " .. make)
    gives("/tmp/agad-\n", "TMPDIR=relative " .. make .. "; rm -f /tmp/agad-??????")
    fails("cannot create a temporary file in /nonexistent: no such file or directory; set TMPDIR to a folder that can "
      .. "be written", "TMPDIR=/nonexistent " .. make)
  end)
end)

describe("a folder", function()
  it("that was deleted is refused as the current one", function()
    local status, out, err = run "mkdir gone && cd gone && rmdir ../gone && $AGAD -e 'print(1)'"
    assert.same({1, ""}, {status, out})
    assert.matches("agad: the current folder was deleted; change to another one, and start again\n$", err)
    status, out = run(([[mkdir gone && cd gone && rmdir ../gone && LUA_PATH_5_4='%s/lua/?.lua;%s/lua/?/init.lua;;' \
      LUA_CPATH_5_4='%s/%s/lib/?.so;;' lua5.4 -e 'print(pcall(require, "agad"))']]):format(root, root, root, build))
    assert.same({0, "false\tthe current folder was deleted; change to another one, and start again\n"}, {status, out})
  end)

  it("that holds the program may have any letters in its name", function()
    local odd = [["$PWD/a b'c"'"d
é']]
    local bin = odd .. "/" .. build
    gives("2.0\n", ("mkdir -p %s && cp $AGAD %s/ && ln -sfn %s/lua %s/lua && ln -sfn %s/%s/lib %s/lib && "
      .. "%s/agad -e 'print(agad.ones(2):sum():item())'"):format(bin, bin, root, odd, root, build, bin, bin))
    gives("1\n", ("ln -sf %s/agad linked && ./linked -e 'print(1)'"):format(bin))
    gives("1\n", ("PATH=%s:$PATH && agad -e 'print(1)'"):format(bin))
  end)
end)

describe("variables that say nothing sensible", function()
  it("change nothing", function()
    local _, whole = run "$AGAD info set"
    for _, set in ipairs {"COLUMNS=0 TERM= NO_COLOR=1 TZ=nowhere LC_ALL=xx_XX MALLOC_ARENA_MAX=1 GLIBC_TUNABLES=x",
      'AGAD_DATA= AGAD_LUA= LUA_PATH= LUA_CPATH= TMPDIR= LONG="$(head -c 100000 /dev/zero | tr "\\0" x)"'} do
      gives(whole, set .. " $AGAD info set")
    end
  end)
end)

describe("a locale with decimal commas and an order of its own", function()
  -- de_DE is made in the folder, so that nothing has to be installed for all users
  local made = os.execute(("mkdir -p '%s/locales' && localedef -i de_DE -f UTF-8 '%s/locales/de_DE.UTF-8' 2> /dev/null")
    :format(dir, dir))
  local german = ("LOCPATH='%s/locales' "):format(dir)
  local function both(chunk)
    if not made then return pending "there is no localedef with the locale de_DE (Debian: apt-get install locales)" end
    write(dir .. "/l.lua", "assert(os.setlocale(arg[1])) local agad = require 'agad'\n" .. chunk)
    local plain = {run(german .. "$AGAD l.lua C")}
    local foreign = {run(german .. "LC_ALL=de_DE.UTF-8 $AGAD l.lua de_DE.UTF-8")}
    assert.same(plain, foreign)
    assert.equal(0, plain[1], plain[3])
    return plain[2]
  end

  it("is the one that scripts get", function()
    if not made then return pending "there is no localedef" end
    gives("0,5\ttrue\n", german .. "$AGAD -e 'assert(os.setlocale \"de_DE.UTF-8\") print(0.5, \"B\" > \"a\")'")
  end)

  it("changes no number that is shown", function()
    local out = both [[
      local say = function(...) io.write(table.concat({...}, "\n"), "\n") end
      say(tostring(agad.tensor {0.5, 1.25, -3}), tostring(agad.tensor(0.1)), agad.tensor(2.5):summary())
      say(tostring(agad.tensor({1e9, 0.5})), tostring(agad.complex(agad.tensor {.5}, agad.tensor {-1.5})))
      say(tostring(agad.nn.leaky_relu(0.2)), tostring(agad.task.one_vs_rest(agad.data.weave(), {gamma = 0.05})))
      local values, report, text = require "agad.base.values", require "agad.evaluate.report", require "agad.base.text"
      say(values.show {0.5, b = 1.5, B = 2.0}, report.text {auroc_plain = 0.75, aupr = 0.5, preset = "plain"})
      say(text.format("%5.2f %d%% %s %q %g|%-8.3f|", 0.5, 3, 1.5, "0,5", 2.5, 1 / 3), text.of(2.0), text.of "0,5")
      for _, wrong in ipairs {{gamma = 1.5}, {gamma = "0,5;1"}, {holdout = "0,5"}, {holdout = -0.5}} do
        say(select(2, pcall(agad.task.one_vs_rest, agad.data.weave(), wrong)))
      end
      say(select(2, pcall(agad.nn.batch_norm, 3, {eps = -0.5})), select(2, pcall(agad.metrics.quantile, {1}, 1.5)))
      say(select(2, pcall(agad.nn.builder({1, 4, 4}).leaky_relu, agad.nn.builder({1, 4, 4}), "x")))
    ]]
    if made then
      assert.matches("0.5000   1.2500  -3.0000", out, 1, true)
      assert.matches("{0.5, B = 2.0, b = 1.5}", out, 1, true)
      assert.matches(' 0.50 3% 1.5 "0,5" 2.5|0.333   |', out, 1, true)
      assert.matches("holdout = \"0,5\": a number is needed", out, 1, true)
    end
  end)

  it("changes no file, no hash, no order", function()
    local out = both [[
      local core, options = agad.core, require "agad.base.configuration"
      print(core.json_encode {a = 0.1, B = 1e300, list = {0.25, 3}}, core.json_decode "[0.5, 2.5e-3]"[2] * 1e3 == 2.5)
      local config = options.resolve(require("agad.train.method").load "agad", {gamma = "linear:0:.5:3", lr = "0.003"})
      print(options.hash(config), options.canonical(config))
      agad.save("t.safetensors", {a = agad.tensor {0.5}, B = agad.tensor {1.5}})
      agad.save("t.npy", agad.tensor {0.5, 0.25})
      print((io.open("t.safetensors", "rb"):read "a"):gsub("[^%g ]", "."), agad.load("t.npy"):sum():item() == 0.75)
      local b = agad.nn.builder {1, 8, 8}
      print(core.json_encode(b:conv(2, {kernel = 3}):batch_norm({eps = 0.25}):leaky_relu(0.3):build "n"))
      for _, name in ipairs {"a", "B", "c", "Ä"} do
        os.execute(("mkdir -p 'classes/%s' && cp set/1.png 'classes/%s/'"):format(name, name))
      end
      print(table.concat(agad.data.folder("classes", {cache = false}).classes, " "))
      print(table.concat(require("agad.base.values").keys {a = 1, B = 1, c = 1, ["Ä"] = 1, [1.5] = 1}, " ", 2))
    ]]
    if made then
      assert.matches('{"B":1.0000000000000001e300,"a":0.10000000000000001,"list":[0.25,3]}', out, 1, true)
      assert.matches("\nB a c Ä\nB a c Ä\n", out, 1, true)
    end
  end)

  it("reaches neither gnuplot nor the runs of a campaign", function()
    local out = both [[
      local log = {}
      for i = 1, 3 do log[i] = {step = i, losses = {a = 0.25 * i}} end
      if os.execute "command -v gnuplot > /dev/null" then
        agad.plot.losses(log, "l.svg")
        print(io.open("l.svg"):read "a")
      end
      io.open("program", "w"):write("#!/bin/sh\nshift; printf '%s ' \"$@\" >> arguments; exit 1\n"):close()
      os.execute "chmod +x program; rm -f arguments; rm -rf runs"
      local spec = {data = "weave", dir = "runs", options = {lr = 0.1 + 0.2, gamma = {schedule = "linear", from = 0.0,
        to = 0.5}, lambda = {adv = 1.5}}, grid = {holdout = {0.25}}}
      require("agad.campaign").run(spec, {program = "./program"})
      print(io.open("arguments"):read "a")
    ]]
    if made then
      assert.matches("--set gamma=linear:0.0:0.5 --set holdout=0.25 --set lambda.adv=1.5 --set lr=0.30000000000000004",
        out, 1, true)
    end
  end)
end)

teardown(cli.remove)
