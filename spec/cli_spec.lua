-- The command line as processes: statuses, messages of one line, JSON, scripts; then a real training.

local lfs = require "lfs"

local launcher = os.getenv "AGAD" or lfs.currentdir() .. "/build/agad"
local dir = os.tmpname()
os.remove(dir)
lfs.mkdir(dir)

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text):close()
end

-- Runs `agad ARGUMENTS` in the spec's folder: its status, stdout and stderr.
local function agad(arguments, before)
  local command = ("cd %s && %s %s %s > out 2> err"):format(dir, before or "", launcher, arguments)
  local _, _, status = os.execute(command)
  return status, read(dir .. "/out"), read(dir .. "/err")
end

-- Expects this status and one line on stderr, and nothing on stdout.
local function refuses(status, arguments, message)
  local s, out, err = agad(arguments)
  assert.equal(status, s, arguments .. ": " .. err)
  assert.equal("", out)
  assert.matches("^agad: [^\n]+\n$", err)
  assert.is_truthy(err:find(message, 1, true), ("%s: %q"):format(arguments, err))
end

local function leftovers()
  local names = {}
  for name in lfs.dir(dir) do
    if not name:find "^%.%.?$" and name ~= "out" and name ~= "err" then names[#names + 1] = name end
  end
  return names
end

describe("agad, wrong usage", function()
  it("ends with status 2 and one line", function()
    refuses(2, "foo", "unknown command 'foo' (see agad --help)")
    refuses(2, "trian weave", "unknown command 'trian'; did you mean 'train'?")
    refuses(2, "train", "missing argument 'data' (see agad train --help)")
    refuses(2, "train weave", "missing option '--out'")
    refuses(2, "train weave --out m.st --nonsense", "unknown option '--nonsense'")
    refuses(2, "score m.st", "missing argument 'path'")
    refuses(2, "-e", "-e needs a chunk")
  end)

  it("checks options before it starts", function()
    refuses(2, "train weave --out m.st --gamma 1", "gamma = 1: it must be at least 0 and below 1")
    refuses(2, "train weave --out m.st --epochs none", 'epochs = "none": a whole number is needed')
    refuses(2, "train weave --out m.st --set lambda.cn=40", "did you mean lambda.con?")
    refuses(2, "train weave --out m.st --set lambda", "key=value is needed")
    refuses(2, "train weave --out m.st --method agda", "unknown method")
    refuses(2, "train weave --out m.st --protocol leave_one_out", "not available yet; available: one_vs_rest")
    refuses(2, "train weave --out m.run", "--out and --run are the same")
    assert.same({}, leftovers())
  end)
end)

describe("agad, what cannot be done", function()
  it("finds an unwritable output before it trains", function()
    refuses(1, "train weave --out nowhere/m.st", "cannot write nowhere/m.st: there is no folder nowhere")
    refuses(1, "train weave --out /proc/m.st", "cannot write /proc/m.st: ")
    refuses(1, "train weave --out .", "it is a folder")
    refuses(1, "train weave --out out/m.st", "out is no folder")
    refuses(1, "train weave --out m.st --run nowhere/r", "there is no folder nowhere")
    assert.same({}, leftovers())
  end)

  it("names missing data, models and pictures", function()
    refuses(1, "train no-such-set --out m.st", "no-such-set")
    refuses(1, "evaluate nothing.st weave", "nothing.st")
    refuses(1, "score nothing.st nothing.png", "nothing.png: no such file or folder")
    refuses(1, "info nothing", "nothing: neither a model file, a run directory, nor a data set")
    refuses(1, "nothing.lua", "nothing.lua: No such file or directory")
    assert.same({}, leftovers())
  end)
end)

describe("agad, help, scripts and chunks", function()
  it("helps within 80 columns, status 0", function()
    for _, command in ipairs {"", "demo", "train", "evaluate", "score", "info"} do
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
    local status, _, err = agad("-e 'io.stdout:write(\"ready\"):flush() while true do end'", "timeout -s INT 2")
    assert.is_true(status == 130 or status == 124)
    assert.equal("agad: interrupted\n", err)
  end)
end)
