-- CSV files as spreadsheets and people write them: what is certain is read, and a note says how.
-- To add a case: a record in those of the reader; or a test over set(text), the set of a CSV file with this text.

local checks = dofile "spec/support/checks.lua"
local csv = require "agad.data.csv"
local manifest = require "agad.data.manifest"
local tree = dofile "spec/support/tree.lua"
local refused, has = checks.refused, checks.has

after_each(tree.remove)

describe("comma-separated values", function()
  local function records(text)
    local list = {}
    for fields, line in csv.records("x.csv", text) do list[#list + 1] = {line, table.unpack(fields)} end
    return list
  end

  it("follow RFC 4180", function()
    assert.same({{1, "a", "b"}, {2, "1", "2"}}, records "a,b\n1,2\n")
    assert.same({{1, "a", "b"}, {2, "1", "2"}}, records "a,b\r\n1,2")
    assert.same({{1, "a", "b"}, {2, "1", "2"}}, records "a,b\r1,2\r")
    assert.same({{1, 'say "hi", you', ""}}, records '"say ""hi"", you",""')
    assert.same({{1, "two\r\nlines", "x"}, {3, "y"}}, records '"two\r\nlines",x\r\ny\r\n')
    assert.same({{1, "", ""}, {4, "a"}}, records ",\n\n\na")
    assert.same({{1, "a", ""}}, records "a,")
    assert.same({{1, '"'}}, records '""""')
    assert.same({}, records "")
    assert.same({{1, "a", " b "}, {2, "c", "d"}}, records '"a" , b \n "c",\t"d"\t\n')
  end)

  it("are refused with their line", function()
    has(refused(records, 'a\n"b'), "x.csv: line 2: a quoted field is not closed")
    has(refused(records, 'a\n"b"c'), "x.csv: line 2: text follows a quoted field")
    has(refused(records, '"a\nb",c\nd"e,f'), "x.csv: line 3: a quote inside an unquoted field")
  end)

  it("are read in time that grows as their lines do", function()
    local function read(n)
      local text, records_read = ("some/folder/of/pictures/0123.png,good,train\n"):rep(n), 0
      for _ in csv.records("x", text) do records_read = records_read + 1 end
      assert.equal(n, records_read)
    end
    local factor = checks.growth(5000, 100000, read)
    assert.is_true(factor < 100, ("twenty times the lines take %.0f times as long"):format(factor))
  end)
end)

describe("the text of a file", function()
  -- In UTF-16, with characters beyond U+FFFF as surrogates.
  local function utf16(text, order)
    local units = {}
    for _, code in utf8.codes(text) do
      if code > 0xffff then
        units[#units + 1] = 0xd800 + (code - 0x10000 >> 10)
        code = 0xdc00 + (code - 0x10000 & 0x3ff)
      end
      units[#units + 1] = code
    end
    for i, unit in ipairs(units) do units[i] = string.pack(order .. "I2", unit) end
    return table.concat(units)
  end

  it("is UTF-8 without its byte-order mark", function()
    assert.same({"a,b"}, {csv.text("x", "\239\187\191a,b")})
    assert.same({""}, {csv.text("x", "\239\187\191")})
    assert.same({"st\xF6rung"}, {csv.text("x", "st\xF6rung")})
  end)

  it("is converted from UTF-16, with or without a byte-order mark", function()
    local text = "path,label\nä/\u{1F600}.png,größer\n"
    for _, order in ipairs {"<", ">"} do
      local bytes = utf16(text, order)
      assert.same({text, "UTF-16"}, {csv.text("x", bytes)})
      assert.same({text, "UTF-16"}, {csv.text("x", string.pack(order .. "I2", 0xfeff) .. bytes)})
    end
    assert.same({"", "UTF-16"}, {csv.text("x", "\255\254")})
  end)

  it("is refused if it is damaged UTF-16, or UTF-32", function()
    has(refused(csv.text, "x.csv", "\255\254a\0b"), "x.csv: this UTF-16 text ends in the middle of a character")
    has(refused(csv.text, "x.csv", "\255\254\0\xd8"), "x.csv: this UTF-16 text ends in the middle of a character")
    for _, units in ipairs {"\0\xdca\0", "\0\xd8a\0", "\0\xd8\0\xd8"} do
      has(refused(csv.text, "x.csv", "\255\254" .. units), "x.csv: this is not valid UTF-16 text; save it as UTF-8")
    end
    has(refused(csv.text, "x.csv", "\255\254\0\0a\0\0\0"), "x.csv: the text is UTF-32; save it as UTF-8")
  end)
end)

describe("a CSV file of pictures", function()
  local dir

  local function set(text, o)
    tree.write(dir .. "/list.csv", text)
    local given = {cache = false, on_progress = false}
    for key, value in pairs(o or {}) do given[key] = value end
    return manifest.read(dir .. "/list.csv", given)
  end

  -- "class:value of the first pixel" for each picture
  local function rows(s, split)
    local list = {}
    for i, label in ipairs(split.labels:totable()) do
      list[i] = ("%s:%d"):format(s.classes[label + 1], split.images:select(1, i):reshape({-1}):select(1, 1):item())
    end
    return list
  end

  before_each(function() dir = tree.of {["a/1.png"] = 201, ["a/2.png"] = 202, ["3.png"] = 203, ["4.png"] = 204} end)

  it("has labels and splits without the blanks at their ends, quoted or not", function()
    local s = set('path , label,split\na/1.png,good , train\na/2.png, good\t,TRAIN\n3.png,"good ", Test \n'
      .. '4.png , "bad"\u{A0} ,"test "\n')
    assert.same({"bad", "good"}, s.classes)
    assert.same({"good:201", "good:202"}, rows(s, s.train))
    assert.same({"good:203", "bad:204"}, rows(s, s.test))
    assert.is_nil(s.notes)
    assert.same({"à", "\xA0x"}, {csv.trim "\u{A0} à\u{202F}\r", csv.trim "\xA0x"})
    has(refused(set, "path,label\na/1.png, \n"), "line 2: a/1.png has no label")
  end)

  it("has paths without the blanks at their ends, unless there is a file of that name", function()
    tree.picture(dir .. "/ 5.png ", 205)
    tree.picture(dir .. "/4.png ", 206)
    local s = set('path,label\n 3.png ,x\n 5.png ,x\n"4.png ",x\n4.png,x\n')
    assert.same({"x:203", "x:205", "x:206", "x:204"}, rows(s, s.train))
    assert.same({dir .. "/3.png", dir .. "/ 5.png ", dir .. "/4.png ", dir .. "/4.png"}, s.train.paths)
  end)

  for separator, word in pairs {[";"] = "semicolons", ["\t"] = "tabs"} do
    it("may have " .. word .. " between its fields", function()
      local text = "Label;PATH\nx;a/1.png\n\"y;\t,\"; \"3.png\"\n"
      local s = set((text:gsub(";", separator)))
      assert.same({word .. " separate the fields of list.csv"}, s.notes)
      assert.same({"x:201"}, {rows(s, s.train)[1]})
      assert.same({dir .. "/a/1.png", dir .. "/3.png"}, s.train.paths)
    end)
  end

  it("may say in its first line what is between its fields", function()
    local s = set "sep=;\r\npath;label\r\na/1.png;x\r\n"
    assert.same({"semicolons separate the fields of list.csv"}, s.notes)
    assert.same({"x:201"}, rows(s, s.train))
    s = set "sep=,\npath,label\na/1.png,x;y\n"
    assert.same({"x;y"}, s.classes)
    assert.is_nil(s.notes)
    has(refused(set, "SEP=;\npath;label\na/1.png\n"), "line 3: 1 fields, but the header has 2")
    has(refused(set, "sep=;\npath,label\n"), "line 2: there is no column path")
  end)

  it("keeps commas and semicolons that do not separate fields", function()
    tree.picture(dir .. "/a;b.png", 207)
    local s = set "path,label\na;b.png,x;y\n"
    assert.same({"x;y:207"}, rows(s, s.train))
    assert.is_nil(s.notes)
  end)

  it("may be UTF-16, as spreadsheets write Unicode text", function()
    local text = {}
    for _, code in utf8.codes "path\tlabel\r\na/1.png\tgröße\r\n" do text[#text + 1] = string.pack("<I2", code) end
    local s = set("\255\254" .. table.concat(text))
    assert.same({"größe:201"}, rows(s, s.train))
    assert.same({"the text of list.csv is UTF-16, and was read as such", "tabs separate the fields of list.csv"},
      s.notes)
  end)

  it("may be in another encoding, whose bytes are kept and shown escaped", function()
    tree.picture(dir .. "/\xFC.png", 209)
    local s = set "path,label\na/1.png,ok\n\xFC.png,st\xF6rung\n"
    assert.same({"ok", "st\\xF6rung"}, s.classes)
    assert.same({"ok:201", "st\\xF6rung:209"}, rows(s, s.train))
    assert.same({"line 3: the text is not UTF-8, so that letters appear as \\xNN; save the file as UTF-8"}, s.notes)
    assert.matches("^line 2:", set("path,label\r\xFC.png,st\xF6rung\r").notes[1])
  end)

  it("may have lines and fields without text at the end, and lines that end in CR", function()
    local s = set "path,label,,\r\na/1.png,x,,\r\n3.png,y, ,\r\n,,,\r\n  ,\t,,\r\n"
    assert.same({"x:201", "y:203"}, rows(s, s.train))
    assert.is_nil(s.notes)
    s = set "path,label\na/1.png,x,,\n,\n"
    assert.same({"x:201"}, rows(s, s.train))
    s = set "path,label\ra/1.png,x\r3.png,y\r"
    assert.same({"x:201", "y:203"}, rows(s, s.train))
  end)

  it("may have other columns, which are named", function()
    local s = set "id,path,Camera,label\n1,a/1.png,c,x\n2,3.png,c,y\n"
    assert.same({"x:201", "y:203"}, rows(s, s.train))
    assert.same({"2 columns are not used: id, Camera"}, s.notes)
    has(refused(set, "path,label,masks\na/1.png,x,\n"), "line 1: unknown column masks; did you mean mask?")
    assert.equal("one column is not used: masks", set("path,label,mask,masks\na/1.png,x,,m\n").notes[1])
  end)

  it("may have the backslashes of Windows in its paths, but not its absolute paths", function()
    tree.picture(dir .. "/a\\2.png", 208)
    local s = set "path,label,mask\na\\1.png,x,\n.\\3.png,y,a\\1.png\na\\2.png,z,\n"
    assert.same({"x:201", "y:203", "z:208"}, rows(s, s.train))
    assert.equal("the backslashes in 3 paths are read as slashes, for example a\\1.png", s.notes[1])
    has(refused(set, "path,label\na/1.png,x\n..\\..\\etc\\passwd,y\n"), "etc")
  end)

  it("notes classes that differ only in upper and lower case", function()
    local s = set "path,label\na/1.png,Good\na/2.png,good\n3.png,bad\n"
    assert.same({"Good", "bad", "good"}, s.classes)
    assert.same({"the names of these classes differ only in case: Good and good; if they are one class, give it one "
      .. "name"}, s.notes)
  end)
end)
