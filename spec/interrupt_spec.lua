-- Ctrl-C in Lua code: nothing is slower until it comes, and coroutine.resume and wrap, which the program replaces, are
-- Lua's. What a terminal shows of it is in terminal_spec.lua.

local cli = dofile "spec/support/cli.lua"

teardown(cli.remove)

-- Runs a script: what it prints.
local function prints(expected, code)
  cli.write(cli.dir .. "/s.lua", code)
  assert.same({0, expected, ""}, {cli.agad "s.lua"})
end

describe("Ctrl-C", function()
  local before = [[
    local interrupt, core = require "agad.base.interrupt", require "agad.core"
    local me = require("luv").os_getpid()
    local function press() require("luv").kill(me, "sigint") end
    local function caught(f) return select(2, pcall(f)) == core.interruption end
  ]]

  it("costs Lua code nothing until it comes: no hook is set", function()
    prints("nil\tnil\n", "print(debug.gethook(), coroutine.wrap(debug.gethook)())")
  end)

  it("ends Lua code at once: also between calls of C, in coroutines, and in those that were made before", function()
    prints("true\ttrue\ttrue\ttrue\n2\tfalse\n", before .. [[
      local calls = 0
      local early = coroutine.create(function() coroutine.yield() while true do end end)
      coroutine.resume(early)
      print(caught(function() press() while true do calls = calls + 1 os.execute "sleep 0" end end),
        caught(function() coroutine.wrap(function() press() while true do end end)() end),
        caught(function()
          press()
          local ok, err = coroutine.resume(early)
          error(err, 0)
        end),
        caught(function()
          local co = coroutine.wrap(function() while true do coroutine.yield() end end)
          press()
          while true do co() end
        end))
      print(calls + 2, core.interrupted())]])
  end)

  it("waits where code holds it, which may then look at the flag and clear it", function()
    prints("true\tgoes on\ntrue\n", before .. [[
      do
        local held <close> = interrupt.hold()
        press()
        for i = 1, 1e6 do end
        print(core.interrupted(), "goes on")
      end
      core.interrupt_clear()
      for i = 1, 1e6 do end
      print(caught(function()
        do
          local held <close> = interrupt.hold()
          press()
        end
        while true do end
      end))]])
  end)

  it("that insists ends what catches it, in every coroutine on the way, until it is disarmed", function()
    prints("2\tfalse\ttrue\tdone\n", before .. [[
      local turns = 0
      local function turn()
        turns = turns + 1
        press()
        while true do end
      end
      local ok, err = interrupt.protected(function()
        while true do
          coroutine.wrap(function()
            while true do pcall(coroutine.wrap(function() while true do pcall(turn) end end)) end
          end)()
        end
      end, function(err) return err == core.interruption end)
      for i = 1, 1e6 do end
      print(turns, ok, err, "done")]])
  end)

  it("on another thread reaches Lua code too", function()
    prints("true\n", before .. [[
      local uv = require "luv"
      print(caught(function()
        uv.new_thread(function(pid) require("luv").kill(pid, "sigint") end, me):join()
        while true do end
      end))]])
  end)
end)

describe("coroutine.resume and coroutine.wrap", function()
  -- The same in the program and in plain Lua, which has no agad.
  local code = [[
    local create, resume, wrap = coroutine.create, coroutine.resume, coroutine.wrap
    local function show(...)
      local list = table.pack(...)
      for i = 1, list.n do          -- Lua 5.4 says "thread expected" or "coroutine expected"
        list[i] = tostring(list[i]):gsub("0x%x+", "ADDRESS"):gsub("coroutine exp", "thread exp")
      end
      print(table.concat(list, " "))
    end
    local co = create(function(...)
      show("in", ...)
      show("again", coroutine.yield(1, nil, 3))
      return "end"
    end)
    show(resume(co, 1, nil, 2)) show(resume(co)) show(resume(co)) show(coroutine.status(co))
    show(resume(coroutine.running()))
    show(pcall(resume, 5)) show(pcall(resume)) show(pcall(wrap, 5)) show(pcall(wrap))
    local f = wrap(function(...) for i = 1, 3 do coroutine.yield(i, ...) end end)
    show(f "a") show(f()) show(f()) show(f()) show(pcall(f))
    for _, what in ipairs {"text", {1}, 5, false} do
      show(pcall(wrap(function() error(what) end)))
      show(resume(create(function() error(what) end)))
    end
    show(pcall(wrap(function()
      local x <close> = setmetatable({}, {__close = function(_, err) show("closed with", err) end})
      error "failed"
    end)))
    show(pcall(wrap(function()
      local x <close> = setmetatable({}, {__close = function() error "other" end})
      error "failed"
    end)))
    show(select("#", resume(create(function(...) return ... end), table.unpack({}, 1, 5000))))
    local function deep(n) return n == 0 and "bottom" or wrap(deep)(n - 1) end
    show(pcall(deep, 150)) show((pcall(deep, 250)))
    show(wrap(function() return coroutine.isyieldable(), coroutine.running() end)())
  ]]

  it("do what Lua's own do, also with errors", function()
    cli.write(cli.dir .. "/s.lua", code)
    local lua = io.popen(("cd %s && %s s.lua 2>&1"):format(cli.dir, os.getenv "LUA" or "lua5.4"))
    local expected = lua:read "a"
    lua:close()
    assert.matches("bottom", expected)
    prints(expected, code)
  end)
end)
