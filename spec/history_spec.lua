-- The REPL's history: what is written, what others have added, when it is shortened. At the terminal it is tested by
-- terminal_spec.lua.

local history = require "agad.cli.repl.history"
local lfs = require "lfs"
local scratch = dofile "spec/support/scratch.lua"

local path = scratch.path "state/agad/history"

after_each(function() os.remove(path) end)
teardown(scratch.remove)

describe("the history", function()
  it("keeps inputs in order, each once in a row, with their lines together", function()
    local h = history.open(path)
    for _, text in ipairs {"one", "two\n\nlines", "two\n\nlines", "", "one", ("x"):rep(100000)} do h:add(text) end
    assert.equal("one\ntwo\r\rlines\none\n", scratch.read(path))
    assert.same({"one", "two\n\nlines", "one"}, history.open(path):news())
    assert.same({}, h:news())
    assert.equal("rw-------", lfs.attributes(path, "permissions"))
  end)

  it("gives what others have added, but not one's own", function()
    local a, b = history.open(path), history.open(path)
    a:add "of a"
    assert.same({"of a"}, b:news())
    b:add "of b"
    a:add "of a again"
    assert.same({"of b"}, a:news())
    assert.same({"of a again"}, b:news())
    assert.same({}, a:news())
  end)

  it("is shortened to the newest entries at the start, and not under another REPL's hands", function()
    history.open(path):add "first"
    local lines = {}
    for i = 1, 12500 do lines[i] = "x" .. i end
    scratch.write(path, table.concat(lines, "\n") .. "\n")
    local early = history.open(path)
    early:add "early"
    local list = history.open(path):news()
    assert.same({10000, "x2502", "early"}, {#list, list[1], list[#list]})
    list = history.open(path):news()
    assert.same({10000, "early"}, {#list, list[#list]})
    early:add "late"
    list = history.open(path):news()
    assert.equal("late", list[#list])
  end)

  it("passes over a line that another REPL has not finished", function()
    history.open(path):add "whole"
    local file = io.open(path, "a")
    file:write "half"
    file:close()
    local h = history.open(path)
    assert.same({"whole"}, h:news())
    file = io.open(path, "a")
    file:write " and half\n"
    file:close()
    assert.same({"half and half"}, h:news())
  end)

  it("says once why it cannot be written, and goes on", function()
    local h = history.open(scratch.write(scratch.path "file", "") .. "/history")
    local new, reason = h:add "one"
    assert.is_true(new)
    assert.matches("^cannot create the folder [^\n]+: there is a file of this name$", reason)
    assert.same({true}, {h:add "two"})
    assert.same({}, h:news())
    assert.same({true}, {history.open(nil):add "three"})
    lfs.mkdir(scratch.path "a folder")
    reason = select(2, history.open(scratch.path "a folder"):add "four")
    assert.matches("^cannot write [^\n]+: illegal operation on a directory$", reason)
  end)
end)
