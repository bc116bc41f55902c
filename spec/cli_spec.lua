-- The command line as processes: statuses, messages of one line, scripts.
-- To add a case: refuses(status, arguments, words of the message), or agad(arguments) with what it gives.

local lfs = require "lfs"
local cli = dofile "spec/support/cli.lua"
local dir, write, agad, refuses = cli.dir, cli.write, cli.agad, cli.refuses

local function leftovers()
  local names = {}
  for name in lfs.dir(dir) do
    if not name:find "^%.%.?$" and name ~= "out" and name ~= "err" then names[#names + 1] = name end
  end
  return names
end

describe("wrong usage of agad", function()
  it("ends with status 2 and one line", function()
    refuses(2, "foo", "unknown command 'foo' (see agad --help)")
    refuses(2, "trian weave", "unknown command 'trian'; did you mean 'train'?")
    refuses(2, "train --out m.st", "missing argument 'data' (see agad train --help)")
    refuses(2, "train --out m.st --normals a",
      "--normals and --anomalies must be given together (see agad train --help)")
    refuses(2, "train a --out m.st --normals a --anomalies b",
      "give either a data set, or --normals and --anomalies, not both")
    refuses(2, "evaluate m.st", "missing argument 'data' (see agad evaluate --help)")
    refuses(2, "train weave", "missing option '--out'")
    refuses(2, "train weave --out m.st --nonsense", "unknown option '--nonsense'")
    refuses(2, "score m.st", "missing argument 'path'")
    refuses(2, "-e", "-e needs Lua code")
  end)

  it("checks options before it starts", function()
    refuses(2, "train weave --out m.st --gamma 1", "gamma = 1: it must be at least 0 and below 1")
    refuses(2, "train weave --out m.st --epochs none", 'epochs = "none": a whole number is needed')
    refuses(2, "train weave --out m.st --set lambda.cn=40", "did you mean lambda.con?")
    refuses(2, "train weave --out m.st --set lambda", "give key=value, for example")
    refuses(2, "train weave --out m.st --method agda", "unknown method")
    refuses(2, "train weave --out m.st --set adcon_anom=never",
      'adcon_anom = "never": it must be one of x_xhat, xhat_xhat2, both')
    refuses(2, "train weave --out m.st --protocol leave_two_out", "it must be one of one_vs_rest, leave_one_out")
    refuses(2, "train weave --out m.st --gamma linear:0:1:5", "gamma = 1: it must be at least 0 and below 1")
    refuses(2, "train weave --out m.st --gamma lineal:0:.1:5", '"lineal:0:.1:5" is not a schedule')
    refuses(2, "train weave --out m.run", "--out and --run are both m.run")
    assert.same({}, leftovers())
  end)
end)

describe("agad train", function()
  it("finds an unwritable output before it trains", function()
    refuses(1, "train weave --out nowhere/m.st",
      "cannot write nowhere/m.st: the folder nowhere does not exist; create it first")
    refuses(1, "train weave --out /proc/m.st", "cannot write /proc/m.st: ")
    refuses(1, "train weave --out .", "it is a folder")
    refuses(1, "train weave --out out/m.st", "out is not a folder")
    refuses(1, "train weave --out m.st --run nowhere/r", "the folder nowhere does not exist; create it first")
    assert.same({}, leftovers())
  end)

  it("names missing data, models and pictures", function()
    refuses(1, "train no-such-set --out m.st", "no-such-set")
    refuses(1, "evaluate nothing.st weave", "nothing.st")
    refuses(1, "score nothing.st nothing.png", "nothing.png: no such file or folder")
    refuses(1, "info nothing", "nothing: there is no such model file, run directory, net or data set")
    refuses(1, "nothing.lua", "nothing.lua: No such file or directory")
    assert.same({}, leftovers())
  end)
end)

describe("agad", function()
  it("helps within 80 columns, status 0", function()
    for _, command in ipairs {"", "demo", "train", "evaluate", "fetch", "score", "info", "bench", "watch",
                              "notebook"} do
      local arguments = command .. " --help"
      local status, out, err = agad(arguments)
      assert.equal(0, status)
      assert.equal("", err)
      assert.matches("^Usage: agad", out)
      for line in out:gmatch "[^\n]+" do assert.is_true(#line < 80, line) end
    end
  end)

  it("says its version", function()
    local status, out = agad "--version"
    assert.equal(0, status)
    assert.matches("^agad %d+%.%d+%.%d+, libtorch 2%.%d+%.%d+, Lua 5%.4\n$", out)
  end)

  it("runs a script with its arguments and without extra globals", function()
    write(dir .. "/s.lua", 'print(arg[0], arg[1], arg[2], #arg, select("#", ...), agad)')
    local status, out = agad "s.lua one 'two words'"
    os.remove(dir .. "/s.lua")
    assert.equal(0, status)
    assert.equal("s.lua\tone\ttwo words\t2\t2\tnil\n", out)
  end)

  it("runs a chunk with the REPL's names", function()
    local status, out = agad "-e 'print(type(agad), type(data.load), arg[1], ...)' x"
    assert.equal(0, status)
    assert.equal("table\tfunction\tx\tx\n", out)
  end)

  it("shows errors of scripts without position, faults with it, and never a traceback", function()
    write(dir .. "/s.lua", 'error("it is cut short")')
    refuses(1, "s.lua", "agad: it is cut short")
    write(dir .. "/s.lua", "local x\nx()")
    refuses(1, "s.lua", "s.lua:2: attempt to call a nil value")
    write(dir .. "/s.lua", "x = = 1")
    refuses(1, "s.lua", "unexpected symbol near '='")
    os.remove(dir .. "/s.lua")
    refuses(1, "-e 'error {}'", "table")
    refuses(1, "-e 'error(\"two\\nlines\")'", "two lines")
  end)

  it("hands on a script's os.exit", function()
    assert.equal(7, (agad "-e 'os.exit(7)'"))
  end)

  it("ends with 130 when a chunk is interrupted", function()
    local status, out, err = cli.interrupted("-e 'io.stdout:write(\"ready\"):flush() while true do end'", "out")
    assert.same({130, "ready", "agad: interrupted\n"}, {status, out, err})
  end)
end)

teardown(cli.remove)
