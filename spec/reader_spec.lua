-- core.data.reader: picture files decoded ahead, in order, within bounds; what `agad score` and `model:rows` read with.
-- To add a case: write pictures, take them with `all`, compare values and reasons.

local agad = require "agad"
local core, data = agad.core, agad.core.data
local pictures = dofile "spec/support/pictures.lua"
local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local folder
before_each(function() folder = pictures.open() end)
after_each(pictures.close)

local form = {channels = 1, height = 3, width = 2}

-- What is left: first pixels and reasons; no list may be empty or longer than asked for.
local function all(reader, most)
  local list = {}
  for items in function() return reader:next(most) end do
    assert.is_true(#items >= 1 and #items <= (most or 1))
    for _, item in ipairs(items) do
      list[#list + 1] = type(item) == "string" and item or item:select(3, 1):select(2, 1):item(1)
    end
  end
  return list
end

describe("a reader of files", function()
  it("gives what read gives, in the order of the paths, and the reason for each file that it cannot read", function()
    local paths, want = {}, {}
    for i = 1, 200 do
      local name, bad = i .. ".png", i % 7 == 0
      paths[i] = bad and pictures.write(name, "none") or pictures.one(name, i, i % 5 + 1, i % 9 + 1)
      want[i] = bad and select(2, core.try(data.read, paths[i])) or i
    end
    for _, most in ipairs {1, 5, 32, 1000} do assert.same(want, all(data.reader(paths, form), most)) end
    local colour = {channels = 3, height = 5, width = 7, fit = "pad", filter = "area"}
    assert.is_true(data.reader({paths[3]}, colour):next()[1]:equal((data.read(paths[3], colour))))
    assert.has_error(function() data.reader(paths, {height = 3, width = 2}) end)
  end)

  it("ends with nil, again and again, and when it is closed says so", function()
    local reader = data.reader(pictures.many(2), form)
    assert.same({1, 2}, all(reader))
    assert.is_nil(reader:next())
    reader:close()
    reader:close()
    has(refused(reader.next, reader), "is closed")
    assert.is_nil(data.reader({}, form):next(3))
    has(refused(data.reader({"a.png"}, form).next, data.reader({"a.png"}, form), 0), "at least one")
  end)

  it("refuses what it cannot read for, naming the place", function()
    has(refused(data.reader, {"a.png", 7}, form), "reader: item 2 of the paths is a number, not a string")
    has(refused(data.reader, {"a\0.png"}, form), "reader: path 1 holds a zero byte")
    has(refused(data.reader, {"a.png"}, {channels = 1}), "reader: give channels, height and width")
    has(refused(data.reader, {"a.png"}, {size = 3}), "reader: unknown option size")
  end)

  it("runs at most 64 pictures ahead of those that were taken", function()
    local paths = pictures.many(64)
    for i = 65, 200 do paths[i] = ("%s/late%d.png"):format(folder, i) end
    local reader <close> = data.reader(paths, form)
    local taken = reader:next(1)
    pictures.shell("sleep .2")                         -- who runs further ahead finds no file
    paths[65] = nil
    for i = 66, 200 do pictures.one(("late%d.png"):format(i), i) end
    assert.equal(1, #taken)
    local rest = all(reader, 32)
    assert.equal(199, #rest)
    for i = 2, 64 do assert.equal(i, rest[i - 1]) end
    for i = 66, 200 do assert.equal(i, rest[i - 1]) end
  end)

  it("holds one picture where one alone fills the memory set aside", function()
    local large = {channels = 1, height = 6000, width = 6000}
    local paths = {pictures.one("a.png", 1), pictures.one("b.png", 2), folder .. "/c.png"}
    local reader <close> = data.reader(paths, large)
    local first = reader:next(9)
    pictures.one("c.png", 3)
    assert.same({1, 1}, {#first, first[1]:max():item()})
    assert.same({2, 3}, all(reader, 9))
  end)

  it("ends with an error, after the pictures before it, where there is no memory for one", function()
    if (os.getenv "AGAD_BUILD" or ""):find "asan" then          -- it takes terabytes of addresses
      pending "not under AddressSanitizer"
      return
    end
    local paths = {pictures.write("bad.png", "none"), pictures.one("large.png", 1)}
    local text, status = pictures.child(paths, [[
      local reader = data.reader(paths, {channels = 3, height = 60000, width = 60000})
      print(#reader:next(9), core.try(reader.next, reader, 9))]], "ulimit -v 8000000;")
    has(text, "1\tfalse\t", "large.png: cannot be read: no memory for 60000 x 60000 pixels\n")
    assert.equal(0, status)
  end)

  it("is ended by Ctrl-C and by the end of the program, whatever its threads do", function()
    local paths = pictures.endless()
    local before = [[local reader = data.reader(paths, {channels = 1, height = 1200, width = 1200})
      print(#reader:next())
      ]]
    local text, status = pictures.child(paths, before)
    assert.same({"1\n", 0}, {text, status})
    text, status = pictures.child(paths, before .. [[core.arm_interrupt() signal "sigint"
      while true do reader:next(64) end]])
    assert.equal(130, status, text)
    assert.equal("1\nagad: interrupted\n", text)
  end)
end)
