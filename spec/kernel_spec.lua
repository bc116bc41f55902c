-- The Jupyter kernel, driven by jupyter_client as frontends do: results, pictures, errors, completion, Ctrl-C, and what
-- is left when something dies. To add a case: run(code) gives the outputs of a cell.

local checks = dofile "spec/support/checks.lua"
local kernel = dofile "spec/support/kernel.lua"
local luv = require "luv"

local state                                       -- of the kernel: pid, connection

setup(function()
  if kernel.missing then return end
  kernel.open()
  state = kernel.ask "start"
end)

teardown(kernel.stop)

-- A case that needs Jupyter.
local function with_kernel(title, f)
  it(title, function()
    if kernel.missing then pending(kernel.missing) else f() end
  end)
end

-- Runs a cell. o: wait, the text in the output upon which `then` happens (kernel.py).
local function run(code, o)
  local request = {code = code}
  for key, v in pairs(o or {}) do request[key] = v end
  return kernel.ask("run", request)
end

-- The outputs of a cell, each as one text: "stdout a\n", "result 2", "error message".
local function outputs(code, o)
  local list = {}
  for i, output in ipairs(run(code, o).outputs) do
    if output.kind == "stream" then list[i] = output.name .. " " .. output.text
    elseif output.kind == "error" then list[i] = "error " .. table.concat(output.lines, "\n")
    else
      list[i] = (output.kind == "execute_result" and "result " or "display ") .. (output.data["text/plain"] or "")
    end
  end
  return list
end

local function png_of(code)
  local list = run(code).outputs
  assert.equal(1, #list)
  assert.equal("iVBORw0KGgo", list[1].data["image/png"]:sub(1, 11))        -- a PNG file's first bytes
  return list[1]
end

-- Interrupts a cell once it has printed "go".
local function interrupted(code, ...)
  return outputs(code, {wait = "go", ["then"] = {"interrupt", ...}})
end

-- The interpreter's process.
local function interpreter()
  local list = outputs "require('luv').os_getpid()"
  return assert(math.tointeger(tonumber(list[#list]:match "^result (%d+)")), list[#list])
end

local function gone(pid)
  checks.await("the end of process " .. pid, function() return not kernel.is_alive(pid) end)
end

describe("a cell", function()
  with_kernel("gives results as the REPL does", function()
    assert.same({"result 2"}, outputs "1 + 1")
    assert.same({}, outputs "1 + 1;")
    assert.same({}, outputs "x = 3")
    assert.same({"result 3\t4"}, outputs "x, x + 1")
    assert.same({"display 3", "result 9"}, outputs "x\ny = x * x\ny")
    assert.same({"result [float32 2x2 cpu]"}, {(outputs "agad.ones(2, 2)"[1]:gsub("result.*%[", "result ["))})
    assert.same({}, outputs "")
    assert.same({}, outputs "io.write ''")
  end)

  with_kernel("leaves its locals, _ and results by the numbers of Jupyter to later ones", function()
    outputs "local a <const>, b = 40, 1"
    outputs "function more() b = b + 1 end"
    local number = run("more() return a + b").count
    assert.same({"result 42"}, outputs "_")
    assert.same({"result 42"}, outputs(("results[%d]"):format(number)))
    assert.same({"result 2"}, outputs "b")
  end)

  with_kernel("shows stdout, stderr and results in the order in which they were written", function()
    local code = [[for i = 1, 3 do
      print(i)
      io.stderr:write("e", i, "\n")
      os.execute("echo c" .. i)
      io.write "no newline"
    end
    x = 1
    x]]
    local expected = {}
    for i = 1, 3 do
      table.insert(expected, i == 1 and "stdout 1\n" or ("stdout c%d\nno newline%d\n"):format(i - 1, i))
      table.insert(expected, ("stderr e%d\n"):format(i))
    end
    table.insert(expected, "stdout c3\nno newline")
    table.insert(expected, "result 1")
    for _ = 1, 3 do assert.same(expected, outputs(code)) end
  end)

  with_kernel("shows errors with the lines that led to them", function()
    assert.same({"error attempt to index a nil value (global 'nothing')"}, outputs "nothing.at + 1")
    local number = run("0").count + 1
    assert.same({("error too small\n  input %d, line 2, in function f: error 'too small'\n  input %d, line 5: f()")
      :format(number, number)}, outputs "local function f()\n  error 'too small'\nend\n\nf()")
    assert.same({"stdout before\n", "error stop"}, outputs "print 'before' error 'stop'")
    local failed = run "error 'x'"
    assert.same({"error", "error", "x"}, {failed.status, failed.name, failed.message})
    assert.same({"error the error is a table: {code = 3}"}, outputs "error {code = 3}")
  end)

  with_kernel("shows where it is not valid Lua", function()
    assert.same({"error line 2: unexpected symbol near '='\n  x = = 1\n      ^"}, outputs "local y = 1\nx = = 1")
    assert.same({"error 'end' expected near <eof>\n  for i = 1, 2 do\n                 ^"}, outputs "for i = 1, 2 do")
    assert.same({"error the cell ends in the middle of an expression"}, outputs "1 +")
    assert.equal("syntax error", run("x = = 1").name)
  end)

  with_kernel("knows ?, ?? and !", function()
    assert.matches("^stdout agad.save", outputs "? agad.save"[1])
    assert.matches("agad%.evaluate%.verdict ", outputs "?? verdict"[1])
    assert.same({"stdout hello\n"}, outputs "! echo hello")
    assert.same({"stderr the command ended with status 3\n"}, outputs "! exit 3")
  end)

  with_kernel("may print what is not UTF-8, or nothing but a part of a character", function()
    assert.same({"stdout a\u{fffd}b\n"}, outputs "print 'a\\xffb'")
    assert.same({"stdout é\n"}, outputs "io.write '\\xc3' io.write '\\xa9\\n'")
    assert.same({"result a\\xFFb"}, outputs "'a\\xffb'")
  end)

  with_kernel("reads nothing", function() assert.same({"result nil"}, outputs "io.read()") end)
end)

describe("pictures in a cell", function()
  with_kernel("are what is plotted, a grid, and show", function()
    assert.equal("display_data", png_of("agad.plot {1, 4, 9}").kind)
    assert.equal("display_data", png_of("agad.plot({{1, 2}, {3, 4}, kind = 'heat'}, '-')").kind)
    local grid = "p = agad.rand(3, 8, 8):mul(255):to 'uint8'; agad.plot.grid({{{p}, {p}}}, nil, %s)"
    png_of(grid:format "{}")
    png_of(grid:format "{titles = {'p'}}")
    png_of "p:show()"
  end)

  with_kernel("are results that hold one", function()
    local output = png_of "agad.plot({1, 4, 9}, '.png')"
    assert.same({"execute_result", "a picture (image/png)"}, {output.kind, output.data["text/plain"]})
    assert.matches("^<%?xml", run("agad.plot({1, 2}, '.svg')").outputs[1].data["image/svg+xml"])
    output = png_of "agad.zeros(1, 8, 8):to 'uint8'"
    assert.matches("%[uint8 1x8x8 cpu%]$", output.data["text/plain"])
    assert.is_nil(run("agad.zeros(1, 8, 8)").outputs[1].data["image/png"])
  end)

  with_kernel("come in order with what is printed", function()
    assert.same({"stdout a\n", "display a picture", "stdout b\n", "display a picture", "stderr c\n"},
      outputs "print 'a' p:show() print 'b' p:show() io.stderr:write 'c\\n'")
  end)

  with_kernel("need gnuplot only where the REPL does", function()
    assert.matches("^error plots need gnuplot", outputs [[
      local execute = os.execute
      os.execute = function(command) return not command:find "gnuplot" and execute(command) end
      local ok, reason = pcall(agad.plot, {1, 2})
      os.execute = execute
      error(reason, 0)]][1])
  end)
end)

local TASK = "task = agad.task.new(agad.data.weave {train_normals = 64, test_normals = 16}, {gamma = .05})"

describe("a training in a cell", function()
  with_kernel("has one line, which changes in place", function()
    outputs(TASK)
    local list = run("run = agad.trainer(task, {epochs = 2, batch = 16, seed = 1}); run:fit() print 'behind'").outputs
    assert.equal(2, #list)
    assert.equal("display_data", list[1].kind)
    assert.is_true(list[1].updates > 2)
    assert.matches("^trained in [%d.:]+ ?s?$", list[1].data["text/plain"])
    assert.equal("behind\n", list[2].text)
  end)

  with_kernel("stops at Ctrl-C after its step, and what it has learned stays", function()
    local list = outputs([[
      print "go"
      run = agad.trainer(task, {epochs = 10000, batch = 16})
      run:fit()
      print "stopped"]], {wait = "epoch", ["then"] = {"interrupt"}})
    assert.equal("stdout go\n", list[1])
    assert.matches("^display interrupted after", list[2])
    assert.matches("^stdout stopped", list[3])
    local after = outputs "run:evaluate().auroc"
    assert.matches("^result [01]%.?%d*$", after[#after])
  end)
end)

describe("what is typed in a cell", function()
  local function completed(code, cursor)
    local found = kernel.ask("complete", {code = code, cursor = cursor or utf8.len(code)})
    return found.matches, found.cursor_start, found.cursor_end
  end

  with_kernel("is completed: names, options of a call and their values", function()
    local matches, from, to = completed "agad.teac"
    assert.same({{"teach"}, 5, 9}, {matches, from, to})
    matches, from, to = completed "run = agad.trainer(task, {ep"
    assert.same({{"epochs = "}, 26, 28}, {matches, from, to})
    matches = completed 'agad.trainer(task, {net = "unet'
    assert.same({"unet", "unet++"}, matches)
    local code = 'é = "日本"; agad.teac + 1'
    matches, from, to = completed(code, 19)
    assert.same({{"teach"}, 15, 19}, {matches, from, to})
    assert.same({}, (completed "nowhere.at_all."))
    assert.same({}, (completed "-- agad."))
  end)

  with_kernel("is completed with what earlier cells have left", function()
    outputs "local my_local_name = {inner = 1}\nmy_global_name = 1"
    assert.same({"my_global_name", "my_local_name"}, (completed "my_"))
    assert.same({"inner"}, (completed "my_local_name.i"))
  end)

  local function inspected(code, cursor)
    local found = kernel.ask("inspect", {code = code, cursor = cursor or utf8.len(code)})
    return found.found and found.data["text/plain"] or nil
  end

  with_kernel("is explained: the name at the cursor, or the function whose call is around it", function()
    assert.matches("^agad%.save", inspected "agad.save")
    assert.matches("^agad%.save", inspected("x = agad.save(y)", 11))
    assert.matches("^agad%.plot%(", inspected 'é = agad.plot({y = {1}, kind = "')
    outputs "local number = 3"
    assert.equal("3", inspected "number")
    assert.is_nil(inspected "no_such_name")
    assert.is_nil(inspected "")
  end)

  with_kernel("is known to be whole or not", function()
    local function status(code) return kernel.ask("is_complete", {code = code}).status end
    assert.same({"complete", "complete", "incomplete", "incomplete", "invalid", "complete"},
      {status "x = 1", status "1 + 1", status "for i = 1, 2 do", status "f(", status "x = = 1", status "? agad"})
  end)
end)

describe("Ctrl-C", function()
  local stopped = {"stdout go\n", "error interrupted"}

  with_kernel("ends an endless loop, a command, and a loop that catches errors if it comes twice", function()
    assert.same(stopped, interrupted "print 'go' while true do end")
    assert.same(stopped, interrupted "os.execute 'echo go; sleep 1000'")
    assert.same(stopped, interrupted "! echo go; sleep 1000")
    assert.same(stopped, interrupted "print 'go' coroutine.wrap(function() while true do end end)()")
    local list = outputs("n = 0 while true do n = n + 1 print('go', n) pcall(function() while true do end end) end",
      {wait = "go", ["then"] = {"interrupt", "interrupt"}})
    assert.same({"stdout go\t1\ngo\t2\n", "error interrupted"}, list)
    assert.equal("interrupted", run("print 'go' while true do end", {wait = "go", ["then"] = {"interrupt"}}).name)
  end)

  with_kernel("ends what has not begun, and harms nothing that is over", function()
    assert.same({"error interrupted"}, outputs("while true do end", {wait = "execute_input", ["then"] = {"interrupt"}}))
    kernel.ask "interrupt"
    assert.same({"result 5"}, outputs "2 + 3")
  end)
end)

describe("a cell that prints without end", function()
  with_kernel("is cut after a megabyte, goes on, and can be interrupted", function()
    local list = outputs("while true do print(('x'):rep(99)) end",
      {wait = "the rest is not shown", ["then"] = {"interrupt"}})
    assert.equal(3, #list)
    assert.is_true(#list[1] <= 1000000 + #"stdout " and #list[1] > 900000)
    assert.equal("stderr \nnote: this cell gives more than 1 MB of text; the rest is not shown\n", list[2])
    assert.equal("error interrupted", list[3])
    assert.same({"stdout next\n"}, outputs "print 'next'")
  end)
end)

describe("an interpreter that dies", function()
  local NOTE = "stderr note: a new interpreter, because the last one %s; the values of earlier cells are gone\n"

  with_kernel("is one error of its cell, and the next cell has a new one", function()
    outputs "value = 1"
    for how, code in pairs {
      ["ended with status 3"] = "os.exit(3)",
      ["was killed by signal 9 (SIGKILL)"] = "print 'x' os.execute 'kill -9 $PPID'",
      ["was killed by signal 6 (SIGABRT)"] = "os.execute 'kill -ABRT $PPID'",
    } do
      local list = outputs(code)
      assert.equal(("error the interpreter %s; the next cell starts a new one"):format(how), list[#list])
      assert.same({NOTE:format(how), "result true"}, outputs "value == nil")
      assert.same({"result true"}, outputs "value == nil")
    end
  end)

  with_kernel("between two cells is said in the second one", function()
    local pid = interpreter()
    luv.kill(pid, "sigkill")
    gone(pid)
    assert.same({"triu", "triu_", "triu_indices"}, kernel.ask("complete", {code = "agad.triu", cursor = 9}).matches)
    assert.same({NOTE:format "was killed by signal 9 (SIGKILL)", "result 1"}, outputs "1")
  end)

  with_kernel("takes what it has started with it, and what has left it cannot hold the kernel up", function()
    local list = run("os.execute 'sleep 1000 & echo $!' os.exit(0)").outputs
    gone(math.tointeger(list[1].text:match "%d+"))
    assert.same({"result 1"}, {outputs "1"[2]})
  end)
end)

describe("restarting and ending a kernel", function()
  with_kernel("ends the interpreter, busy or not, with what it has started", function()
    outputs "value = 1"
    local pid = interpreter()
    kernel.ask "restart"
    gone(pid)
    assert.same({"result true"}, outputs "value == nil")
    pid = interpreter()
    run("print 'go' while true do pcall(function() while true do end end) end", {wait = "go", ["then"] = {"restart"}})
    gone(pid)
    assert.same({"result true"}, outputs "value == nil")
  end)

  with_kernel("leaves no process and no file where the kernel is killed", function()
    for _, code in ipairs {"print 'go'", "print 'go' while true do pcall(function() while true do end end) end"} do
      local pid = interpreter()
      local child = math.tointeger(outputs "os.execute 'sleep 1000 & echo $!'"[1]:match "%d+")
      run(code, {wait = "go", ["then"] = {"stop waiting"}})
      luv.kill(kernel.ask("pid").pid, "sigkill")
      gone(pid)
      gone(child)
      kernel.ask("restart", {now = true})
    end
    local pid = interpreter()
    assert.is_false(kernel.ask("shutdown").files)
    gone(pid)
    gone(state.pid)
  end)
end)

describe("a notebook", function()
  with_kernel("has the same outputs each time", function()
    local cells = {TASK, "agad.manual_seed(1); agad.rand(2, 3)", "print(1); io.stderr:write '2'; agad.plot {1, 2}",
      "x +",
      "run = agad.trainer(task, {epochs = 1, batch = 16, seed = 1, deterministic = true}); run:fit();",
      "run:evaluate().auroc", "error 'x'", "who()"}
    local function executed()
      local answer = kernel.ask("execute", {cells = cells})
      answer.cells[5] = "it has the time"
      return answer
    end
    local first = executed()
    assert.same(first, executed())
    assert.same({"lua", ".lua", "text/x-lua"},
      {first.language.name, first.language.file_extension, first.language.mimetype})
  end)
end)
