-- The REPL in a real terminal: prompts, pasting, completion, history, Ctrl-C, colours, narrow windows.
-- To add a case: keys, and what the screen then shows.

local terminal = dofile "spec/support/terminal.lua"
local launcher = os.getenv "AGAD" or "build/agad"

local open                                        -- the terminal of the current test

-- The program in a terminal, at its first prompt.
local function start(o)
  open = terminal.start(o and o.command or launcher, o)
  open:wait "\nagad>"
  return open
end

-- Waits until the screen ends in a prompt after this text.
local function at_prompt(t, text)
  return t:wait(function(screen)
    local _, last = screen:find(text, 1, true)
    return last and screen:find("\nagad>\n$", last) ~= nil
  end)
end

local function without_tmux(name, f)
  it(name, function()
    if terminal.missing then pending(terminal.missing) end
    f()
  end)
end

after_each(function()
  if open then open:close() end
  open = nil
  os.remove(terminal.folder .. "/state/agad/history")
end)

teardown(terminal.remove)

describe("the REPL at a terminal", function()
  without_tmux("prints results, asks for more, takes locals along, and ends at Ctrl-D or exit", function()
    local t = start()
    t:enter("local a = 40", "local a = 40\nagad>")
    t:enter("for i = 1, 2 do", "\n    >")
    t:enter("print(a + i) end", "41\n42\nagad>")
    t:enter("a + 3;", "a + 3;\nagad>")
    t:enter("_", "43\nagad>")
    t:press "C-d"
    t:wait "status 0"
    t:close()
    t = start()
    t:enter("exit", "status 0")
  end)

  without_tmux("leaves unfinished input at Ctrl-C, Ctrl-D and an empty line, which an arrow key brings back", function()
    local t = start()
    for _, key in ipairs {"C-c", "C-d", "Enter"} do
      t:enter("f(", "f(\n    >")
      t:press(key)
      at_prompt(t, "    >")
      t:press "C-l"
    end
    t:press "Up"
    t:wait "\nagad> f("
    t:press("C-u", "Enter")
    t:enter("[[a", "    >")
    t:press "Enter"
    t:enter("b]]", "a\n\nb\nagad>")
  end)

  without_tmux("goes on without empty lines after Ctrl-D in unfinished input", function()
    local t = start()
    t:enter("f(", "f(\n    >")
    t:press "C-d"
    at_prompt(t, "    >")
    t:enter("'one'", "\none\nagad>")
    t:enter("'two'", "agad> 'one'\none\nagad> 'two'\ntwo\nagad>")
  end)

  without_tmux("brings unfinished input back as one, which takes the place of what was typed", function()
    local t = start()
    t:enter("for i = 1, 2 do", "    >")
    t:enter("  print(j)", "print(j)\n    >")
    t:press "Up"
    t:wait "> for i = 1, 2 do\n  print(j)"
    t:press("Left", "BSpace")
    t:type "i * 7"
    t:enter("", "print(i * 7)\n    >")
    t:enter("end", "\n7\n14\nagad>")
    t:press("Up", "Up", "Up", "C-e")                        -- to the first line of the entry
    t:type " print 'go'"
    t:press "Enter"
    t:wait "\ngo\n7\ngo\n14\nagad>"
    t:type "(function()"
    t:press "M-Enter"
    t:enter("return 4 * 2 end)()", "agad> (function()\nreturn 4 * 2 end)()\n8\nagad>")
  end)

  without_tmux("shows an input that is taller than the screen as one line that scrolls", function()
    local t = start {lines = 10}
    local lines = {"function long(x)"}
    for i = 1, 60 do lines[i + 1] = ("  x = x + %d"):format(i) end
    lines[62] = "  return x end"
    t:paste(table.concat(lines, "\n"))
    t:wait "return x end"
    t:press "Enter"
    at_prompt(t, "return x end")
    t:enter("long(0)", "\n1830\nagad>")
    t:press("Up", "Up")
    t:wait(function(screen) return screen:find("long(0)\n1830\n<", 1, true) and screen:find "return x end\n$" end)
    t:press "C-c"
    t:enter("'done'", "agad> 'done'\ndone\nagad>")
    assert.is_nil(t:screen():find("x = x + 1\n", 1, true))
  end)

  without_tmux("leaves a search at Ctrl-C with the line that was found, and goes on below it", function()
    local t = start()
    t:enter("40 + 2", "\n42\nagad>")
    t:press "C-r"
    t:type "40"
    t:wait "(reverse-i-search)`40': 40 + 2"
    t:press "C-c"
    t:wait "\nagad> 40 + 2^C\nagad>"
    t:enter("'on'", "agad> 'on'\non\nagad>")
  end)

  without_tmux("goes on after Ctrl-Z and fg with the line that was begun", function()
    open = terminal.start("bash --norc -i")
    open:wait "bash"
    open:enter(launcher, "\nagad>")
    open:type "20 + 1"
    open:wait "agad> 20 + 1"
    open:press "C-z"
    open:wait "Stopped"
    open:enter("fg", launcher .. "\nagad> 20 + 1")
    open:enter(" + 300", "agad> 20 + 1 + 300\n321\nagad>")
  end)

  without_tmux("breaks long messages between words", function()
    local t = start {columns = 40}
    t:enter("error(('word '):rep(20))", "word")
    local screen = at_prompt(t, "word")
    assert.matches("\nword word word word word word word word\n  word word", screen)
  end)

  without_tmux("takes many lines that are pasted at once as one input", function()
    local t = start()
    t:paste "local n = 0\n\nfunction more(k)\n\n  n = n + k\n  return n\nend\nmore(2)\nmore(3)\n"
    t:wait "more(3)"
    t:press "Enter"
    t:wait "\n5\nagad>"
    t:paste(("x = {%s}"):format(("1, "):rep(3000)))
    t:press "Enter"
    t:enter("#x", "\n3000\nagad>")
  end)

  without_tmux("takes lines that were copied with the prompts before them", function()
    local t = start()
    t:paste "agad> for i = 20, 21 do\n    > n = 2 * i\n    > end\nagad> n"
    t:press "Enter"
    t:wait "\n42\nagad>"
    t:enter("th> 'a' .. 'b'", "\nab\nagad>")
    t:paste "n = 1\n    > 2"                                      -- no prompt: a comparison
    t:press "Enter"
    t:enter("n", "\nfalse\nagad>")
  end)

  without_tmux("keeps lines that were typed ahead of a plot", function()
    if not os.execute "command -v gnuplot > /dev/null" then return end
    local t = start()
    t:paste("a1 = 1\nplot({1, 2})\nb1 = 2\nc1 = 21\nb1 * c1\n", true)
    t:wait "\n42\nagad>"
  end)

  without_tmux("completes names, options and their values, and file names", function()
    local t = start()
    t:type "tra"
    t:press "Tab"
    t:wait "agad> trainer"
    t:type "(t, {ne"
    t:press "Tab"
    t:wait "agad> trainer(t, {net ="
    t:type '"n'
    t:press "Tab"
    t:wait 'agad> trainer(t, {net = "naive"'
    t:press "C-c"
    t:type "data.mnist {fi"
    t:press("Tab", "Tab")
    t:wait "\nfilter =   fit ="
    t:press "C-c"
    terminal.write(terminal.folder .. "/one.csv", "")
    t:type(("x = '%s/on"):format(terminal.folder))
    t:press "Tab"
    t:wait "/one.csv'"
    t:press "C-c"
    terminal.write(terminal.folder .. "/only.png", "")
    os.execute(("cd %s; mkdir -p sub/in; ln -s in sub/link; touch sub/file"):format(terminal.folder))
    t:type(("x = '%s/su"):format(terminal.folder))
    t:press "Tab"
    t:wait "/sub/"
    t:press("Tab", "Tab")
    t:wait "\nfile  in/   link/\n"
    t:type "l"
    t:press "Tab"
    t:wait "/sub/link/"
    t:press "C-c"
    t:type(("x = '%s/on"):format(terminal.folder))
    t:press("Tab", "Tab")
    t:wait "\none.csv   only.png\n"
    t:press "C-c"
    t:type(("! ls %s/on"):format(terminal.folder))
    t:press("Tab", "Tab")
    t:wait(function(screen) return select(2, screen:gsub("\none.csv   only.png\n", "")) == 2 end)
    t:press "C-c"
    t:type "agad.softmaz(x)"
    t:press("Left", "Left", "Left", "BSpace", "Tab")
    t:wait "agad> agad.softmax(x)"
  end)

  without_tmux("shows help and an error in colours, and none without them", function()
    local t = start()
    t:enter("? is_tensor", "Whether a value is a tensor")
    t:enter("error 'wrong'", "wrong\nagad>")
    assert.matches("\27%[31mwrong", t:screen(true))
    assert.matches("\27%[36m[^\n]*agad>", t:screen(true))
    t:close()
    t = start {command = "NO_COLOR=1 " .. launcher}
    t:enter("error 'wrong'", "wrong\nagad>")
    assert.not_matches("\27%[3[0-9]m", t:screen(true))
    t:close()
    t = start {TERM = "dumb"}
    t:enter("error 'wrong'", "wrong\nagad>")
    assert.not_matches("\27%[3[0-9]m", t:screen(true))
  end)

  without_tmux("stops what is running at Ctrl-C, pressed once or many times", function()
    local t = start()
    for i, loop in ipairs {"while true do end", "coroutine.wrap(function() while true do end end)()",
      "for i = 1, 1e9 do local x = ('x'):rep(i % 100) end", "for i = 1, 1e9 do agad.rand(2) end"} do
      t:enter(("print('begun %d') "):format(i) .. loop, ("\nbegun %d\n"):format(i))
      for _ = 1, i == 1 and 5 or 1 do t:press "C-c" end
      at_prompt(t, "interrupted")
      t:enter(("'still ' .. %d"):format(i), ("\nstill %d\nagad>"):format(i))
      t:press "C-l"
    end
    t:enter("1 + 1", "\n2\nagad>")
  end)

  without_tmux("stops at a second Ctrl-C what has caught the first", function()
    local t = start()
    t:enter "n = 0; function turn() n = n + 1; print('turn ' .. n); while true do end end"
    t:enter("while true do pcall(turn) end", "\nturn 1\n")
    t:press "C-c"
    t:wait "turn 2\n"
    t:press "C-c"
    at_prompt(t, "turn 2\n")                       -- the terminal's own ^C may come before or after what is printed
    t:enter("n", "2\nagad>")
    t:enter("coroutine.wrap(function() while true do pcall(turn) end end)()", "\nturn 3\n")
    t:press "C-c"
    t:wait "turn 4\n"
    t:press "C-c"
    at_prompt(t, "turn 4\n")
    t:enter("n + 1", "5\nagad>")
  end)

  without_tmux("stops a training after its step at Ctrl-C, also in a window that is resized", function()
    local t = start()
    t:enter "run = trainer(task.one_vs_rest(data.weave {train_normals = 80}), {net = 'naive', epochs = 999, batch = 8})"
    at_prompt(t, "batch = 8})")
    t:enter("run:fit();", "/999")
    t:resize(40, 20)
    t:press "C-c"
    at_prompt(t, "/999")
    t:enter("run.steps > 0", "true\nagad>")
    t:enter("1, 2", "1       2\nagad>")
  end)

  without_tmux("clears the progress of a training for what its callbacks print, and for their errors", function()
    local t = start()
    t:enter "run = trainer(task.one_vs_rest(data.weave {train_normals = 80}), {net = 'naive', epochs = 2, batch = 8})"
    at_prompt(t, "batch = 8})")
    t:enter("run:fit {on_epoch = function(e) print('epoch ' .. e.epoch); if e.epoch == 2 then error 'wrong' end end}")
    at_prompt(t, "\nepoch 1\nepoch 2\nwrong\n")
  end)

  without_tmux("ends when it is asked to, with the history kept", function()
    local t = start()
    t:enter("print 'before'", "\nbefore\nagad>")
    t:enter("! kill -TERM $PPID", "status 143")
    assert.equal("print 'before'\n! kill -TERM $PPID\n", terminal.read(terminal.folder .. "/state/agad/history"))
  end)

  without_tmux("fits a terminal of 40 columns", function()
    local t = start {columns = 40}
    t:enter("agad.metrics", "? NAME documents each of them")
    t:enter("x = = 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10", "^")
    local screen = t:screen()
    assert.matches("\n  x = = 1 [^\n]+\n      ^\n", screen)
    for line in screen:gmatch "[^\n]+" do assert.is_true(utf8.len(line) <= 40, line) end
    assert.matches("\n  auroc +Area[^\n]*…\n", screen)
  end)

  without_tmux("says how long a slow command took", function()
    local t = start()
    t:enter("os.execute 'sleep 1'; x = agad.zeros(1000, 1000)", "tensors hold 4.0 MB (4.0 MB more)")
    assert.matches("\n1%.%d s, tensors hold", t:screen())
  end)
end)

describe("the history", function()
  without_tmux("is there in the next REPL, is searched by Ctrl-R, and keeps lines of one input together", function()
    local t = start()
    t:enter("for i = 1, 1 do", "    >")
    t:enter("print('first') end", "first\nagad>")
    t:enter("print 'second'", "\nsecond\nagad>")
    t:press "C-d"
    t:wait "status 0"
    t:close()
    t = start()
    t:press("Up", "Up", "Enter")
    t:wait "first\nagad>"
    t:press "C-r"
    t:type "secon"
    t:wait "print 'second'"
    t:press "Enter"
    t:wait "\nsecond\nagad>"
    t:enter("history 'PRINT('", "\nfor i = 1, 1 do\n    > print('first') end\nhistory 'PRINT('\nagad>")
  end)

  without_tmux("is shared by two REPLs, of which each has its own inputs last", function()
    local first = start()
    first:enter("print 'of the first'", "\nof the first\nagad>")
    local second = start()
    second:enter("print 'of the second'", "\nof the second\nagad>")
    second:press("Up", "Up", "Enter")
    second:wait(function(screen) return select(2, screen:gsub("\nof the first\n", "")) == 1 end)
    first:enter("0", "\n0\nagad>")
    first:press "C-r"
    first:type "second"
    first:wait "print 'of the second'"
    first:press "C-c"
    first:press("Up", "Up", "Enter")
    first:wait(function(screen) return select(2, screen:gsub("\nof the first\n", "")) == 2 end)
    first:close()
    second:press "C-d"
    second:wait "status 0"
    local kept = terminal.read(terminal.folder .. "/state/agad/history")
    assert.equal("print 'of the first'\nprint 'of the second'\nprint 'of the first'\n0\nprint 'of the first'\n", kept)
  end)

  without_tmux("that cannot be written costs a note", function()
    terminal.write(terminal.folder .. "/file", "")
    local t = start {command = ("XDG_STATE_HOME=%s/file %s"):format(terminal.folder, launcher)}
    t:enter("1 + 1", "2\nagad>")
    local screen = t:enter("2 + 2", "4\nagad>")
    assert.equal(1, select(2, screen:gsub("note: the history cannot be kept: cannot create the folder", "")))
    t:press("Up", "Up", "Enter")
    t:wait "4\nagad> 1 + 1\n2\nagad>"
    t:enter("history '+'", "agad> history '+'\n1 + 1\n2 + 2\n1 + 1\nhistory '+'\nagad>")
  end)
end)

describe("the start file", function()
  without_tmux("is run before the first prompt, and its names stay", function()
    os.execute(("mkdir -p %s/home/.config/agad"):format(terminal.folder))
    local path = terminal.folder .. "/home/.config/agad/init.lua"
    terminal.write(path, "local mine = 5\nfunction twice(x) return x * mine end\n")
    local t = start()
    t:enter("twice(mine)", "25\nagad>")
    t:close()
    terminal.write(path, "x = = 5\n")
    t = start()
    assert.matches("init%.lua:1:5: unexpected symbol near '='\n", t:screen())
    t:enter("1 + 1", "2\nagad>")
    t:close()
    terminal.write(path, "function f()\n  error 'broken'\nend\nf()\n")
    t = start()
    assert.matches("broken\n", t:screen())
    t:enter("1 + 1", "2\nagad>")
    os.remove(path)
  end)
end)
