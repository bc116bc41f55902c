-- What the REPL prints, and what it does with lines of input: its parts in this process, and the whole (agad -i) with
-- its input piped. Completion is in
-- complete_spec.lua, documentation in doc_spec.lua, the terminal in terminal_spec.lua, scripts in start_spec.lua.
-- To add a case: lines of input, and what comes out.

local cli = dofile "spec/support/cli.lua"
local evaluate = require "agad.cli.repl.evaluate"
local locals = require "agad.cli.repl.locals"
local printing = require "agad.cli.repl.print"
local syntax = require "agad.cli.repl.syntax"
local traceback = require "agad.cli.repl.traceback"
local values = require "agad.base.values"

local before = "env -u XDG_CONFIG_HOME HOME=" .. cli.dir

-- Runs the REPL on lines of input: its output, its stderr, its exit status.
local function piped(...)
  cli.write(cli.dir .. "/input", table.concat({...}, "\n") .. "\n")
  local status, out, err = cli.agad("-i < input", before)
  return out, err, status
end

-- Types lines into a session in this process: what it prints, what it reports, and the session.
local function typed(...)
  local out, err, text = {}, {}, nil
  local env = setmetatable({print = function(...) out[#out + 1] = table.concat({...}, "\t") end}, {__index = _G})
  env._G = env
  local session = evaluate.session(env)
  for _, line in ipairs {...} do
    text = text and text .. "\n" .. line or line
    local list, problem = evaluate.read(text)
    if list then
      local ok, caught = evaluate.run(session, list, text, function(results, piece)
        if results[1] ~= nil then env._ = results[1] end
        local shown = {}
        for i = 1, results.n do shown[i] = printing.text(results[i], {width = 79}) end
        if results.n > 0 and not piece.silent then out[#out + 1] = table.concat(shown, "\t") end
      end)
      if not ok then
        local message, lines = traceback.show(caught, session, env, 79)
        err[#err + 1] = table.concat({message, table.unpack(lines)}, "\n")
      end
    elseif problem ~= "incomplete" then
      err[#err + 1] = syntax.show(problem, text:find "\n" ~= nil, 79)
    end
    if problem ~= "incomplete" then text = nil end
  end
  return out, err, session
end

-- Expects this output, and that nothing is reported.
local function prints(expected, ...)
  local out, err = typed(...)
  assert.same({expected, {}}, {out, err})
end

-- Expects this report, and nothing else.
local function reports(expected, ...)
  local out, err = typed(...)
  assert.same({{}, expected}, {out, err})
end

teardown(cli.remove)

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
    local named = {}
    for i = 1, 101 do named["n" .. i] = i end
    assert.matches("… 1 more", values.show(named))
    assert.matches("… 77 more", values.show {named})
    assert.equal(('{"%s"… 3 more bytes}'):format(("x"):rep(999)), values.show({("x"):rep(999) .. "äy"}, 2000))
    assert.equal([[{"\137a\0\n"}]], values.show {"\137a\0\n"})
  end)

  it("survives loops and uses __tostring", function()
    local t = {}
    t.self = t
    assert.equal("{self = {self = {self = {…}}}}", values.show(t))
    assert.equal("<it>", values.show(setmetatable({}, {__tostring = function() return "<it>" end})))
  end)
end)

describe("the REPL's input", function()
  it("is an expression, whose results are printed, or statements", function()
    prints({"2", "1", "2", "a\tnil\t2", "{1}"}, "1 + 1", "for i = 1, 2 do", "print(i)", "end", '"a", nil, 2', "x = {1}",
      "x")
    prints({"5", "5", "4"}, "= 5", "x = 2; x + 3", "x = 4 return x")
    prints({"5", "3", "4"}, "local a = 1\nlocal function f(x)\n\n  return x + a\nend\nf(4)", "x = a\nx + 2\nx + 3")
  end)

  it("prints nothing where it ends in a semicolon, and keeps the last result as _", function()
    prints({"7", "8", "8"}, "7;", "_", "_ + 1", "x = 1", "_")
  end)

  it("goes on in the next line until it is whole", function()
    prints({"6", "abc\n\nd", "3"}, "(function()", "", "return 6 end)()", "[[abc", "", "d]]", "1 +", "2")
  end)

  it("is shown with its column where it is not Lua", function()
    reports({
      "unexpected symbol near '='\n  x = = 1\n      ^",
      "unexpected symbol near '$'\n  y = 3 $ 4\n        ^",
      "line 2: '}' expected (to close '{' at line 1) near '3'\n    3}\n    ^",
      "unfinished string near <eof>\n  e = \"ä\n      ^",
    }, "x = = 1", "y = 3 $ 4", "local t = {1, 2", "  3}", 'e = "ä')
  end)

  it("is shown around its column where it is longer than the terminal is wide", function()
    local problem = syntax.problem(("x = 1 "):rep(50) .. "= 2" .. (" y = 3"):rep(50))
    assert.equal(301, problem.column)
    local shown = {}
    for line in (syntax.show(problem, false, 40) .. "\n"):gmatch "(.-)\n" do shown[#shown + 1] = line end
    assert.is_true(#shown[2] <= 40)
    assert.equal("=", shown[2]:sub(#shown[3], #shown[3]))
  end)

  it("may be long, deep, or no text at all", function()
    prints({"1000000"}, "#'" .. ("a"):rep(1000000) .. "'")
    reports({"unexpected symbol", "C stack overflow"}, "\0\1\255\27[31m", "x = " .. ("{"):rep(300) .. ("}"):rep(300))
    local _, err = typed("x = \1\27[31m\255 1")
    assert.not_matches("[\0-\9\11-\31\127-\255]", err[1])
  end)
end)

describe("a local of an input", function()
  it("survives to the next ones", function()
    prints({"3", "5", "4"}, "local a, b = 1, 2", "a + b", "a = 3; a + b", "local function f() return a + 1 end", "f()")
  end)

  it("is the variable that functions captured, until a new one shadows it", function()
    prints({"2", "10", "2", "11"}, "local n = 0; function add() n = n + 1; return n end", "add() add()", "n",
      "local n = n + 8", "n", "add() - 1", "n + 1")
  end)

  it("does not outlive a block", function()
    prints({"nil\tnil\tnil", "5"}, "do local x = 1 end", "for y = 1, 2 do local z = y end", "x, y, z",
      "local x = (function() local w = 4; return w + 1 end)()", "x")
    prints({"nil", "nil"}, "repeat local r = 1 until r == 1", "r", "if true then local s = 2 else local t = 1 end", "s")
  end)

  it("ends where its expression does, whatever that is", function()
    prints({"3\t4", "-1\ttrue", "x", "1\t2", "6\t7"},
      "local f = function(a) local b = a return b end local c, d = f(3), f {4}[1]", "c, d",
      "local e = - 1 local g = not f 'x' == nil or c ~= d and true", "e, g",
      "local h = f[[x]] local i", "h",
      "local j, k = 1 --[[ one ]], -- two\n 2", "j, k",
      "local s = {m = function(self, x) return x end} local l, m = s:m(6), ({[1] = 7})[1] print(l .. '\t' .. m)")
  end)

  it("keeps its value when a later part of the input fails", function()
    local out, err = typed("local a = 5; error 'no'", "a")
    assert.same({{"5"}, {"no"}}, {out, err})
  end)

  it("may be constant, and stays so", function()
    local out, err = typed("local c <const>, d <const> = 5, {1}", "c + d[1]", "c = 6", "d = 7", "c")
    assert.same({{"6", "5"}, {"attempt to assign to const variable 'c'", "attempt to assign to const variable 'd'"}},
      {out, err})
  end)

  it("may be one to close, which happens at the end, the last one first", function()
    local out, err, session = typed(
      "function closer(s) return setmetatable({}, {__close = function() print(s) end}) end",
      "local a <close> = closer 'a'", "local b <close> = closer 'b'", "1", "local none <close> = nil")
    assert.same({{"1"}, {}}, {out, err})
    assert.same({}, locals.close(session.locals))
    assert.same({"1", "b", "a"}, out)
    reports({"variable 'x' got a non-closable value"}, "local x <close> = 5")
  end)

  it("is not called _ or _ENV: these stay what they are", function()
    prints({"4", "4", "function"}, "4", "local _, x = 1, 2", "_", "local _ENV = {y = 5}", "type(print)")
  end)

  it("leaves lines where they are", function()
    reports({"attempt to perform arithmetic on a nil value (local 'b')\n"
      .. "  input 1, line 3, in function f: return b + 1\n  input 2, line 1: f()"},
      "local a = 1 function f()", " local b", " return b + 1", "end", "f()")
  end)
end)

describe("an error in the REPL", function()
  it("is one line on stderr, and the REPL goes on, but ends with status 1", function()
    local out, err, status = piped("error 'bad'", "1 + nil", "x = = 1", "'on'", "for i = 1, 2 do")
    assert.same({"on\n", 1}, {out, status})
    assert.equal("bad\nattempt to perform arithmetic on a nil value\nunexpected symbol near '='\n  x = = 1\n      ^\n"
      .. "the input ends in the middle of a statement\n", err)
  end)

  it("is not raised by a name that nobody has defined, but a note says so, with the name that was meant", function()
    local out, err, status = piped("pritn", "local batch, none = 64", "bacth", "none", "nil", "zzzzz;", "{zzzzz}")
    assert.same({"nil\nnil\nnil\nnil\n{}\n", 0}, {out, status})
    assert.equal("note: nothing is named pritn; did you mean print?\n"
      .. "note: nothing is named bacth; did you mean batch?\n", err)
  end)

  it("names the function or field that may be meant where there is none", function()
    local lines = {"net = agad.nn.relu()", "s = {inner = {length = 3}}", "function f() return math.sqr(2) end"}
    for line, hint in pairs {
      ["prin(1)"] = "hint: did you mean print?", ["f()"] = "hint: did you mean sqrt?",
      ["s.iner.length"] = "hint: did you mean inner?",
      ["('x'):rep(2); s.inner.lenght()"] = "hint: did you mean length?",
      ["s.inner.lenght"] = "note: s.inner has no lenght; did you mean length?",
      ["agad.trainr"] = "note: agad has no trainr; did you mean trainer?",
    } do
      local _, err = piped(lines[1], lines[2], lines[3], line)
      assert.is_truthy(("\n" .. err):find("\n" .. hint .. "\n", 1, true), err)
    end
    local out, err = piped("x = agad.zeros(2)", "x.grad", "s = {a = 1}", "s.zzzz", "q", "s.zzzz()")
    assert.equal("nil\nnil\nnil\n", out)
    assert.equal("note: nothing is named q\nattempt to call a nil value (field 'zzzz')\n", err)
  end)

  it("is one line for a module that is not there", function()
    local _, err = piped("require 'nosuch'", "require 'torch'")
    assert.equal("module 'nosuch' not found along package.path and package.cpath\n"
      .. "module 'torch' not found along package.path and package.cpath\n"
      .. "hint: its operators are in agad: agad.zeros(2, 3)\n", err)
  end)

  it("is not met by ? for operators and methods of tensors, and ?? finds operators", function()
    local out = piped("t = agad.ones(2)", "? t:std", "? cat", "? t:rows", "? ipairs", "? nosuch", "?? column_stack",
      "function outer(a) end", "? outer", "? math.max")
    for _, line in ipairs {"agad.std: an operator of libtorch", "cat(Tensor[] tensors, int dim=0) -> Tensor",
      "Dimensions are counted from 1 here", "tensor:rows(dim)", "ipairs: a function of Lua",
      "there is no documentation for nosuch", "agad.column_stack  ", "function(a), input ",
      "math.max: a function of Lua"} do
      assert.is_truthy(out:find(line, 1, true), line)
    end
  end)

  it("hints at how Lua writes what Python writes otherwise", function()
    for line, hint in pairs {
      ["1 != 2"] = "not equal is ~= in Lua", ["t:sum(dim=1)"] = "keyword arguments are a table: f {name = value}",
      ["x += 1"] = "there is no += in Lua: x = x + 1", ["len(t)"] = "#x is the length of x",
      ["t[:, 1]"] = "a range of a tensor is t[{{first, last}}], and {} is all of a dimension",
      ["t[1, 2]"] = "several indices are one table: t[{1, 2}]", ["[1, 2]"] = "a list is {1, 2} in Lua",
      ['{"a": 1}'] = "a table with keys is {a = 1} in Lua", ["x is None"] = "x is None is x == nil in Lua",
      ["for i in range(3): print(i)"] = "a loop is for i = 1, 3 do ... end, or for i, v in ipairs(list) do ... end"
        .. " in Lua",
      ['"a" + "b"'] = "strings are joined by .. in Lua", ["t.sum()"] = "methods are called with a colon: t:sum()",
      ["l.append(4)"] = "table.insert(list, v) appends", ["t:shape"] = "the colon is for calls: t:sum(); "
        .. "a value such as t.shape has a dot",
      ["del t"] = "x = nil lets go of a value, t:close() frees a tensor",
      ["%run a.lua"] = 'dofile "FILE.lua" runs a file',
      ["%timeit t:sum()"] = "time(f) measures a call: time(function() return x:sum() end)",
      ["t.reshape(3, 2)"] = "methods are called with a colon: t:reshape()",
      ["x = 1 if t else 2"] = "a if x else b is x and a or b in Lua",
      ["if 1 && 2 then end"] = "a && b is a and b in Lua",
      ["l = [i for i in t]"] = "a list is filled in a loop: for i, v in ipairs(list) do ... end",
      ["'%d' % 2"] = 'text is put together by ("%d of %d"):format(a, b)',
      ["t.numpy()"] = "t:totable() makes a Lua table",
      ["assert 1 == 1"] = 'assert is a function in Lua: assert(x, "message")',
      ["cd /tmp"] = 'require("lfs").chdir "DIR" changes the folder', ["$ ls"] = "! COMMAND runs a command of the shell",
    } do
      local err = select(2, piped("t, l = agad.ones(2, 3), {}", line))
      assert.is_truthy(("\n" .. err):find("\nhint: " .. hint .. "\n", 1, true), err)
    end
    assert.same({"6 [float32 cpu]\n1 [int64 cpu]\n1 [int64 cpu]\nnil\nnil\n",
      "note: a dot calls it without the tensor; the method is t:sum()\n"
      .. "note: a dot calls it without the tensor; the method is t.T:sum()\n"
      .. "note: there is no item 0: lists count from 1, and list[#list] is the last\n", 0},
      {piped("t = agad.ones(2, 3)", "t.sum(t)", "t.sum(1)", "t.T.sum(1)", "t.shape[0]", "({1})[2]")})
    assert.equal("note: x is as it was; x:fill_() would change it\nnote: x is as it was; x:zero_() would change it\n",
      (select(2, piped("x = agad.ones(2)", "x:fill(0)", "x:zero();", "x:fill_(3)", "x = x:fill(2)"))))
    local out, err = piped("'a != b'", "#'x += 1' -- len(t)", "agad.ones(2):sum {dim = 1, keepdim = true}", "None")
    assert.equal("a != b\n6\n  2\n[float32 1 cpu]\nnil\n", out)
    assert.equal("note: nothing is named None; Lua writes nil\n", err)
    assert.is_nil((select(2, piped("x = = 1", "f2(3)", "error 'no != here'"))):find "hint")
  end)

  it("shows the lines that led to it, those typed and those of files, without the REPL's own", function()
    cli.write(cli.dir .. "/m.lua", "return function(x)\n  local y = x\n  return y.z.w\nend\n")
    local _, err = piped("m = require 'm'", "function g()", "m {}", "end", "for i = 1, 2 do g() end")
    assert.equal("attempt to index a nil value (field 'z')\n  ./m.lua, line 3, in function m: return y.z.w\n"
      .. "  input 2, line 2, in function g: m {}\n  input 3, line 1: for i = 1, 2 do g() end\n", err)
    local _, said = typed("agad = require 'agad'", "function f()", "agad.data.weave {sied = 3}", "end f()")
    assert.matches("^weave: unknown option sied; [^\n]+\n  input 2, line 2, in function f: agad.data.weave {sied = 3}\n"
      .. "  input 2, line 3: end f%(%)$", said[1])
  end)

  it("has its file and line where no line that is shown has them", function()
    cli.write(cli.dir .. "/wrong.lua", "local x = 1\nx = = 2\n")
    cli.write(cli.dir .. "/fails.lua", "\nfunction fails() error 'bad' end\n")
    local _, err = piped("dofile 'wrong.lua'", "dofile 'fails.lua'", "fails()")
    assert.equal("wrong.lua:2: unexpected symbol near '='\nbad\n  fails.lua, line 2, in function fails: "
      .. "function fails() error 'bad' end\n  input 3, line 1: fails()\n", err)
  end)

  it("shows the lines inside a coroutine that failed, and those that ran it", function()
    reports({"deep\n  input 1, line 2, in function inner: error 'deep'\n  input 2, line 1, in a function: "
      .. "coroutine.wrap(function() inner() end)()\n  input 2, line 1: coroutine.wrap(function() inner() end)()"},
      "function inner()", "error 'deep'", "end", "coroutine.wrap(function() inner() end)()")
    reports({"other"}, "pcall(coroutine.wrap(function() error 'caught' end));", "error 'other'")
  end)

  it("leaves the variables of the functions that led to it, which where() shows", function()
    local out, err = piped("where()", "function f(n)", "for i = 1, n do", "local name = 'no ' .. i",
      "if i == 2 then error(name) end", "end", "end", "f(3)", "where()", "where(1).name, where(1).i", "where(9)")
    assert.equal("no error yet\n 1  input 2, line 4, in function f: if i == 2 then error(name) end\n"
      .. "      name       \"no 2\"\n      i          2\n      n          3\n 2  input 3, line 1: f(3)\nno 2\t2\n", out)
    assert.matches("where takes a number from 1 to 2; where%(%) shows them", err)
  end)

  it("of endless recursion is shown briefly", function()
    reports({"stack overflow\n  input 1, line 1, in function f: function f() return f() + 1 end"},
      "function f() return f() + 1 end", "f()")
  end)

  it("may be any value", function()
    reports({"the error is a table: {code = 2}", "the error has no message: error() was called without one"},
      "error {code = 2}", "error(nil)")
  end)

  it("that libtorch only warns of is a note", function()
    local out, err = piped("agad.ones(2).T")
    assert.matches("^  1  1\n", out)
    assert.matches("^note: libtorch: The use of `x%.T` on tensors of dimension other than 2 [^\n]+\n$", err)
  end)

  it("while a value is shown does not end it", function()
    local failing = "setmetatable({}, {%s = function() error 'x' end})"
    prints({"a table that cannot be shown: its __tostring failed (input 1:1: x)", "a table that cannot be shown: x",
      "{}", "{}", "alive"}, failing:format "__tostring", failing:format "__pairs", failing:format "__index",
      "setmetatable({}, {__metatable = 5})", "'alive'")
    reports({"a table that cannot be shown: its __tostring failed (attempt to yield from outside a coroutine)"},
      "error(setmetatable({}, {__tostring = function() coroutine.yield() end}))")
  end)
end)

describe("a result", function()
  it("that is text has no control characters and a readable length", function()
    assert.equal("ä\tb\n\\x1B[31m\\xFF", printing.text("ä\tb\n\27[31m\255", {width = 79}))
    local long = printing.text(("x"):rep(20000), {width = 79})
    assert.equal(("x"):rep(10000) .. "\n… 10000 more bytes", long)
    assert.equal("2001 bytes that are no text: \\x00\\xFF\\x00\\xFF\\x00\\xFF\\x00\\xFF\\x00\\xFF\\x00\\xFF\\x00\\xFF"
      .. "\\x00\\xFF …", printing.text(("\0\255"):rep(1000) .. "\0", {width = 79}))
    assert.matches("^a PNG picture of 2004 bytes; ", printing.text("\137PNG" .. ("\0"):rep(2000), {width = 79}))
  end)

  it("that is a function names its documentation, or where it is defined", function()
    prints({"agad.is_tensor(v)  Whether a value is a tensor (closed or not).", "function(a, ...), input 2:1"},
      "require('agad').is_tensor", "f = function(a, ...) end; f")
  end)

  it("that is an operator shows its schemas, one of the core its methods", function()
    local agad = require "agad"
    local shown = printing.text(agad.softmax, {width = 79})
    assert.matches("^agad%.softmax: an operator of libtorch", shown)
    assert.matches("\n  softmax%.int%(Tensor self, int dim, ScalarType%? dtype=None%) %-> Tensor", shown)
    assert.not_matches("out", shown)
    shown = printing.text(agad.data.sampler({0, 1}, {}, 1, 0, 1), {width = 60})
    assert.matches("^agad%.sampler; methods: batches, next, next_epoch,", shown)
    assert.matches("^agad%.linalg\n  .*norm,", printing.text(agad.linalg, {width = 79}))
  end)

  it("that is a module lists its functions with their first lines, cut to the width", function()
    local shown = printing.text(require("agad").nn, {width = 60})
    assert.matches("^agad%.nn: ", shown)
    assert.matches("\n  conv +Convolution %(PyTorch's Conv2d%)%.\n", shown)
    assert.matches("\n  builder +Starts a program%.\n", shown)
    for line in (shown .. "\n"):gmatch "(.-)\n" do assert.is_true(utf8.len(line) <= 60, line) end
    assert.matches("\n  roc +Points of the ROC curve", printing.text(require("agad").metrics, {width = 79}))
    assert.matches("\n  parts: campaign, core, data,", printing.text(require "agad", {width = 79}))
  end)

  it("that is a set, a task, a run, its state or a model says what it holds", function()
    local out, err = piped("set = data.weave {train_normals = 40, test_normals = 9, test_defects = 9}", "set",
      "t = task.one_vs_rest(set)", "t",
      "run = trainer(t, {net = 'naive', batch = 8, steps = 1, seed = 3, threads = 1, precision = 'fp32'})", "run.state",
      "run:train_step(print)", "run.losses = run.step:losses()", "run", "run.state", "run:save 'm.safetensors';",
      "model.open 'm.safetensors'")
    assert.equal("", err)
    for _, line in ipairs {"  train: %d+ pictures of 1 x 32 x 32, with masks", "  6 classes: cloth %d+, scratch %d+",
      "  train: %d+ normals, 0 known anomalies; held out: %d+ normals", "  no slot is written yet: no stage has run",
      "  discriminator: %[net discriminator: 661248 parameters", "  step 1 of 1, epoch %d+, on cpu in fp32",
      "  losses: adcon %d+%.%d+, adv %d+%.%d+", "  x_hat      %[float32 8x1x32x32 cpu%]",
      "  z          %[float32 8x256x4x4 cpu%]",
      "  method agad, net naive, score l2, with error maps", "  threshold: %d+%.%d+"} do
      assert.matches("\n" .. line, "\n" .. out)
    end
    assert.not_matches("0x%x%x%x%x", out)
  end)

  it("has colours where they are wanted", function()
    assert.equal('{\27[36m1\27[0m, a = \27[32m"x"\27[0m, b = \27[35mtrue\27[0m}',
      printing.text({1, a = "x", b = true}, {width = 79, colours = true}))
  end)
end)

describe("the REPL's own names", function()
  it("keep the results of inputs by their numbers, which history() lists", function()
    local out, err = piped("6 * 7", "x = 1", "'text'", "for i = 1, 20 do", "end", "results",
      "results[1] + results[3]:len()", "history()")
    assert.equal("", err)
    assert.equal('42\ntext\n{42, [3] = "text"}\n46\n  1  6 * 7\n  2  x = 1\n  3  \'text\'\n'
      .. "  4  for i = 1, 20 do\n    > end\n  5  results\n  6  results[1] + results[3]:len()\n  7  history()\n", out)
    local lines = {}
    for i = 1, 25 do lines[i] = tostring(i) end
    lines[26] = "results[5], results[6], results[25]"
    assert.matches("\nnil\t6\t25\n$", (piped(table.unpack(lines))))
  end)

  it("print tables with what is in them, time a call, and may be the user's", function()
    local out, err = piped("print({1, a = {2}}, 'x', nil, setmetatable({}, {__tostring = function() return 'it' end}))",
      "calls = 0; local t = time(function(by) calls = calls + by end, 2);", "calls >= 2 * t.calls, t.seconds > 0",
      "time(math.sin, 1)", "time(5)", "results = 3", "who()")
    assert.matches("^{1, a = {2}}\tx\tnil\tit\ntrue\ttrue\n[%d.]+ [nµm]s a call %(%d+ calls a round%)\n", out)
    assert.matches("\nresults      3\n", out)
    assert.not_matches("\nprint ", out)
    assert.equal("time takes a function and its arguments: time(agad.matmul, x, x)\n", err)
    assert.matches("^a PNG picture of 2004 bytes; [^\n]+\n\195\164\255\n$", (piped(
      [[print("\137PNG" .. ("\0"):rep(2000)); print "\195\164\255"]])))
  end)
end)

describe("the REPL's help", function()
  it("explains names, searches words, lists what the user made", function()
    local out, err, status = piped("? options.resolve", "?", "? resolv", "?? auroc_interval", "?? nosuchword",
      "local mine, t = 5, agad.zeros(2, 3); yours = pairs", "who()")
    assert.same({"", 0}, {err, status})
    assert.matches("^agad%.options%.resolve%(", out)
    assert.matches("\nTab +completes names", out)
    assert.matches("there is no documentation for resolv", out)
    assert.matches("\nagad%.metrics%.auroc_interval +A confidence interval", out)
    assert.matches("nothing in the documentation has nosuchword", out)
    local found = piped "?? threshold"
    assert.is_true(found:find("agad.plot.scores", 1, true) < found:find("agad.evaluate.columns.threshold", 1, true))
    assert.matches("\nmine         5\nt            %[float32 2x3 cpu%]\nyours        function: [^\n]+\n$", out)
  end)

  it("explains a name before ?, and shows the source of a function before ??", function()
    local out, err, status = piped("local function twice(x)\n  if x then\n\treturn 2 * x\n  end\nend", "twice??",
      "agad.options.nearest??", "math.sin??", "agad.softmax??", "agad.options.nearest?", "nosuchname??")
    assert.same({"", 0}, {err, status})
    assert.matches("^input 1:1\nlocal function twice%(x%)\n  if x then\n    return 2 %* x\n  end\nend\n", out)
    assert.matches("\n[^\n]*options%.lua:%d+\nfunction [%w_.]*nearest%(.-\nend\nmath%.sin: a function of Lua", out)
    assert.matches("manual/5%.4%)\n%(written in C%)\nagad%.softmax: .-\n%(written in C%)\n", out)
    assert.matches("\nagad%.base%.options%.nearest%(word, names, many%)\n", out)
    assert.matches("\nthere is no documentation for nosuchname", out)
  end)

  it("runs commands of the shell", function()
    local out, err, status = piped("! echo from here", "!exit 3")
    assert.same({"from here\n", "the command ended with status 3\n", 1}, {out, err, status})
  end)
end)
