-- How the program is started: -e, a script, standard input, -i; and that no escape codes are written where there is no
-- terminal. To add a case: the arguments, and what comes out.

local cli = dofile "spec/support/cli.lua"

local home = "env -u XDG_CONFIG_HOME TERM=xterm-256color HOME=" .. cli.dir

-- Runs the program on an input: its status, stdout and stderr.
local function agad(arguments, input)
  cli.write(cli.dir .. "/input", input or "")
  return cli.agad(arguments .. " < input", home)
end

local function gives(expected, arguments, input)
  assert.same({0, expected, ""}, {agad(arguments, input)}, arguments)
end

local function fails(expected, arguments, input)
  assert.same({1, "", "agad: " .. expected .. "\n"}, {agad(arguments, input)}, arguments)
end

teardown(cli.remove)

describe("the program", function()
  it("runs standard input as a script, in which the REPL's names are known", function()
    gives("3\n-\tnil\n", "-", "#!/usr/bin/env agad\nlocal x = 1\nlocal y = x\n  + 2\nprint(y) print(arg[0], arg[1])\n")
    gives("-\ttrue\ta\tb\n", "- a b", "print(arg[0], data ~= nil, ...)")
    gives("", "-", "")
    fails("bad", "-", "print = nil\nerror 'bad'\nprint 'never'")
  end)

  it("reads input that is no terminal as the REPL does, and goes on after an error", function()
    local input = "local a = 1\nerror(setmetatable({}, {__tostring = function() error 'x' end}))\na + 1\n"
    local status, out, err = agad("", input)
    assert.same({1, "2\n"}, {status, out})
    assert.matches("^[^\n]+\n", err)
    gives("", "", "")
  end)

  it("names line and column of a syntax error", function()
    cli.write(cli.dir .. "/wrong.lua", "local x = 1\nlocal y == 2\n")
    fails("wrong.lua:2:9: unexpected symbol near '=='", "wrong.lua")
    fails("stdin:1:5: unexpected symbol near '='", "-", "x = = 1")
    fails("(command line):1:5: unexpected symbol near '='", "-e 'x = = 1'")
    fails("stdin:1:9: 'end' expected (to close 'do' at line 1) near <eof>", "-", "do x = 1\n")
  end)

  it("refuses binary chunks and files that cannot be read", function()
    cli.write(cli.dir .. "/binary.lua", string.dump(function() end))
    local status, _, err = agad "binary.lua"
    assert.equal(1, status)
    assert.matches("^agad: [^\n]*binary%.lua[^\n]*\n$", err)
    fails("cannot read none.lua: No such file or directory", "none.lua")
  end)

  it("goes on with the REPL after a script at -i, with its names and locals", function()
    cli.write(cli.dir .. "/s.lua",
      "#!/usr/bin/env agad\nlocal a = ...\nb = arg[0]\nlocal function f() return a .. b end\n")
    gives("xs.lua\ns.lua\n", "-i s.lua x", "f()\nb\n")
    gives("7\n", "-i -e 'local a = 7'", "a\n")
    gives("2\n", "-i", "1 + 1")
  end)

  it("goes on with the REPL where the script at -i fails, and says where", function()
    cli.write(cli.dir .. "/s.lua", "local a = 1\nlocal function f()\n  error 'bad'\nend\nf()\n")
    local status, out, err = agad("-i s.lua", "a\n")
    assert.same({0, "1\n"}, {status, out})
    assert.equal("bad\n  s.lua, line 3, in function f: error 'bad'\n  s.lua, line 5: f()\n", err)
    status, out, err = agad("-i wrong.lua", "5\n")
    assert.same({0, "5\n"}, {status, out})
    assert.equal("wrong.lua:2:9: unexpected symbol near '=='\n", err)
    fails("cannot read none.lua: No such file or directory", "-i none.lua")
    assert.equal(2, (agad "-i --json"))
  end)

  it("reads the same script again after an edit", function()
    cli.write(cli.dir .. "/edit.lua", "value = 1")
    gives("1\n2\n", "-i", "dofile 'edit.lua'; value\nio.open('edit.lua', 'w'):write 'value = 2':close();\n"
      .. "dofile 'edit.lua'; value\n")
  end)

  it("writes no escape codes where there is no terminal", function()
    local _, out, err = agad("-i", "{1, 'a'}\nerror 'x'\n? trainer\nx = = 1\nagad.rand(2)\nlocal t = 1\nt\n")
    assert.not_matches("\27", out .. err)
    assert.not_matches("agad>", out)
  end)
end)
