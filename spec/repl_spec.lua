-- The REPL's parts (compiling, showing, completing), doc comments, and the whole with its input piped.
-- To add a case: a chunk with what it shows; or a line of input and what comes out.

local doc = require "agad.cli.doc"
local repl = require "agad.cli.repl"
local values = require "agad.base.values"
local support = {launcher = os.getenv "AGAD" or "build/agad"}

-- Runs the program with this input: its output, its stderr, its exit status.
function support.piped(input)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(input):close()
  local pipe = io.popen(("%s < %s 2> %s.err; echo \"status $?\""):format(support.launcher, name, name))
  local text = pipe:read "a"
  pipe:close()
  local err = assert(io.open(name .. ".err"))
  local said = err:read "a"
  err:close()
  os.remove(name)
  os.remove(name .. ".err")
  local out, status = text:match("^(.-)status (%d+)\n$")
  return out, said, tonumber(status)
end

describe("repl.compile", function()
  it("takes expressions, statements and a leading =", function()
    assert.equal(3, repl.compile("1 + 2", {})())
    assert.equal(3, repl.compile("= 1 + 2", {})())
    local env = {}
    repl.compile("x = 5", env)()
    assert.equal(5, env.x)
  end)

  it("tells incomplete input from wrong input", function()
    for _, text in ipairs {"for i = 1, 3 do", "f(", "x = {", "[[abc", "1 +", "function f()\nreturn 1"} do
      assert.same({nil, "incomplete"}, {repl.compile(text, {})}, text)
    end
    local _, reason = repl.compile("x = = 2", {})
    assert.equal("unexpected symbol near '='", reason)
    _, reason = repl.compile("x = 1\ny = = 2", {})
    assert.equal("line 2: unexpected symbol near '='", reason)
  end)
end)

describe("values.show", function()
  it("prints tables shortly, lists before names, names sorted", function()
    assert.equal('{1, 2, a = "x", b = {true}}', values.show {1, 2, b = {true}, a = "x"})
    assert.equal("text", values.show "text")
    assert.equal("nil", values.show(nil))
    assert.equal('{[3] = 0.5, ["a b"] = 1}', values.show {["a b"] = 1, [3] = 0.5})
    assert.equal("{}", values.show {})
  end)

  it("breaks what is too wide and cuts what is too long", function()
    local t = {}
    for i = 1, 100 do t[i] = i end
    local text = values.show(t)
    assert.matches("… 76 more", text)
    assert.equal("{\n  name = 1,\n  other = 2\n}", values.show({name = 1, other = 2}, 12))
  end)

  it("survives loops and uses __tostring", function()
    local t = {}
    t.self = t
    assert.equal("{self = {self = {self = {…}}}}", values.show(t))
    assert.equal("<it>", values.show(setmetatable({}, {__tostring = function() return "<it>" end})))
  end)
end)

describe("repl.candidates", function()
  local object = setmetatable({size = 3}, {__index = {fit = print, save = print, name = "x"}})
  local env = {agad = {data = {load = print, names = {}}, doc = 1}, run = object}

  it("completes names and fields", function()
    assert.same({"agad"}, repl.candidates("ag", env))
    assert.same({"agad.data", "agad.doc"}, repl.candidates("agad.d", env))
    assert.same({"agad.data.load", "agad.data.names"}, repl.candidates("agad.data.", env))
    assert.same({"and"}, repl.candidates("an", env))
  end)

  it("completes inherited fields, after a colon functions only", function()
    assert.same({"run.fit", "run.name", "run.save", "run.size"}, repl.candidates("run.", env))
    assert.same({"run:fit", "run:save"}, repl.candidates("run:", env))
    assert.same({}, repl.candidates("nothing.at.all", env))
  end)

  it("never raises", function()
    local odd = setmetatable({}, {__index = function() error "no" end})
    assert.same({}, repl.candidates("t.x.y", {t = odd}))
  end)
end)

describe("doc", function()
  it("finds by full name, by its end, and by value", function()
    local text = doc.lookup "agad.options.resolve"
    assert.matches("^agad%.options%.resolve%(method, given, suggested%)\n  The full configuration of a run", text)
    assert.equal(text, doc.lookup "options.resolve")
    assert.equal(text, doc.lookup(require("agad.options").resolve))
    assert.matches("\n  method +table  a method's table", text)
    assert.matches("\n  returns table a flat configuration", text)
  end)

  it("documents modules by the comment at their top", function()
    assert.matches("^agad%.cli%.doc\n  Doc comments", doc.lookup "agad.cli.doc")
    assert.equal(doc.lookup "agad.cli.doc", doc.lookup(doc))
  end)

  it("knows the layers of the core, from their own table", function()
    local text = doc.lookup "agad.nn.conv"
    assert.matches("^agad%.nn%.conv%(channels, out, o%)\n  Convolution %(PyTorch's Conv2d%)%.\n", text)
    assert.matches("kernel %(3, or {vertical, horizontal}%): height", text)
    assert.equal(text, doc.lookup(require("agad").nn.conv))
    assert.matches("^agad%.nn%.handle:concat%(%.%.%., o%)", doc.lookup "handle:concat")
    assert.matches("Any operator of libtorch as a node", doc.lookup "handle:op")     -- the comment of the builder
    assert.is_nil(doc.lookup "agad.nn.constant")
  end)

  it("keeps lines within the width", function()
    for line in (doc.lookup("agad.options.resolve", 60) .. "\n"):gmatch("(.-)\n") do
      assert.is_true(utf8.len(line) <= 60, line)
    end
  end)

  it("knows nothing of other names", function()
    assert.is_nil(doc.lookup "no.such.name")
    assert.is_nil(doc.lookup(function() end))
  end)
end)

describe("the REPL on piped input", function()
  it("prints results, continues incomplete input, shows no prompt", function()
    local out, err, status = support.piped('1 + 1\nfor i = 1, 2 do\nprint(i)\nend\n"a", nil, 2\nx = {1}\nx\n')
    assert.equal("2\n1\n2\na\tnil\t2\n{1}\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("knows its names and explains them", function()
    local out, _, status = support.piped "type(agad), type(data), trainer ~= nil\n? options.resolve\n?\n? resolv\n"
    assert.equal(0, status)
    assert.matches("^table\ttable\ttrue\nagad%.options%.resolve%(", out)
    assert.matches("\nTab +completes names", out)
    assert.matches("there is no documentation for resolv", out)
  end)

  it("goes on after errors and values that cannot be shown", function()
    local failing = "setmetatable({}, {__tostring = function() %s end})\n"
    local input, said = "", {}
    for i, case in ipairs {{"error 'x'", "input:1: x"}, {"return {}", "'__tostring' must return a string"},
                           {"coroutine.yield()", "attempt to yield from outside a coroutine"}} do
      input = input .. "error(" .. failing:format(case[1]):sub(1, -2) .. ")\n"
      said[i] = ("a table that cannot be shown: its __tostring failed (%s)\n"):format(case[2])
    end
    local out, err, status = support.piped(input .. failing:format "error {}" .. "error(nil)\n"
      .. "setmetatable({}, {__pairs = function() error 'no' end})\nsetmetatable({}, {__metatable = 5})\n'alive'\n")
    assert.equal(table.concat(said) .. "nil\n", err)
    assert.equal("a table that cannot be shown: its __tostring failed\ninput:1: no\n{}\nalive\n", out)
    assert.equal(1, status)
  end)

  it("says what went wrong in one line, goes on, and ends with status 1", function()
    local out, err, status = support.piped("error 'bad'\n1 + nil\nx = = 1\n'on'\n")
    assert.equal("on\n", out)
    assert.equal("bad\nattempt to perform arithmetic on a nil value\nunexpected symbol near '='\n", err)
    assert.equal(1, status)
  end)

  it("refuses input that ends in the middle", function()
    local _, err, status = support.piped("for i = 1, 2 do\n")
    assert.equal("the input ends in the middle of a statement\n", err)
    assert.equal(1, status)
  end)
end)
