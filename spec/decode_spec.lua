-- Picture files: every kind of PNG, JPEG and BMP against what Pillow reads, sizes, EXIF, limits, bad files.
-- To add a case: a file or an option in spec/bench/decode_reference.py, which stores what Pillow reads; a bad file is a
-- test here that makes it from a good one.

local agad = require "agad"
local lfs = require "lfs"
local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local read, resample = agad.core.data.read, agad.core.data.resample

local STORED = "spec/data/decode/"
local scratch = dofile "spec/support/scratch.lua"
local bytes_of, folder = scratch.read, scratch.folder

local function write(name, bytes) return scratch.write(scratch.path(name), bytes) end

local function stored(name) return bytes_of(STORED .. name) end

teardown(scratch.remove)

-- The largest difference of two strings of bytes.
local function difference(a, b)
  local most = 0
  assert.equal(#b, #a)
  for i = 1, #a do most = math.max(most, math.abs(a:byte(i) - b:byte(i))) end
  return most
end

local function picture(...)
  local shape, list, n = {...}, {}, 1
  for _, size in ipairs(shape) do n = n * size end
  for i = 1, n do list[i] = (i * i * 7 + i // 3) % 256 end
  return agad.core.from_table(list, "uint8"):reshape(shape)
end

-- The rows of a grey picture, as lists.
local function rows(t)
  local out, flat, width = {}, t:flatten():totable(), t.shape[3]
  for y = 1, t.shape[2] do out[y] = table.move(flat, (y - 1) * width + 1, y * width, 1, {}) end
  return out
end

-- PNG chunks --------------------------------------------------------------------------------------

local chunk = dofile "spec/support/pictures.lua".png_chunk

-- The file with another header.
local function with_header(bytes, width, height, depth, colour)
  return bytes:sub(1, 8) .. chunk("IHDR", string.pack(">I4I4BBBBB", width, height, depth, colour, 0, 0, 0))
    .. bytes:sub(34)
end

-- The file without its chunks of a name, or with other bodies for them.
local function change_chunk(bytes, name, change)
  local out, at = {bytes:sub(1, 8)}, 9
  while at < #bytes do
    local length, kind = string.unpack(">I4c4", bytes, at)
    local body = bytes:sub(at + 8, at + 7 + length)
    if kind == name then body = change(body) end
    if body then out[#out + 1] = chunk(kind, body) end
    at = at + 12 + length
  end
  return table.concat(out)
end

-- Against Pillow ----------------------------------------------------------------------------------

describe("a picture file", function()
  local cases = agad.core.json_decode(stored "reference.json")
  local expected = stored "expected.bin"

  for _, case in ipairs(cases) do
    local options = {}
    for name, value in pairs(case.options) do options[#options + 1] = name .. " " .. tostring(value) end
    table.sort(options)
    it(("is read as Pillow reads it: %s %s"):format(case.file, table.concat(options, ", ")), function()
      local got, facts = read(STORED .. case.file, case.options)
      assert.same(case.shape, got.shape)
      assert.equal("uint8", got.dtype)
      local n = case.shape[1] * case.shape[2] * case.shape[3]
      local wanted, most = expected:sub(case.at + 1, case.at + n), 0
      if case.file:match "%.jpg$" then most = case.options.height and 3 or 2 end -- other versions of libjpeg
      assert.is_true(difference(got:tostring_bytes(), wanted) <= most)
      assert.equal(lfs.attributes(STORED .. case.file, "size"), facts.file_bytes)
    end)
  end

  it("is told apart by its bytes, not by its name", function()
    local wanted = read(STORED .. "rgb8.png"):totable()
    assert.same(wanted, read(write("lies.jpg", stored "rgb8.png")):totable())
    assert.same(read(STORED .. "grey.jpg"):totable(), read(write("no_ending", stored "grey.jpg")):totable())
  end)

  it("says what the file had: upright, before resizing", function()
    local got, facts = read(STORED .. "orientation6.jpg", {height = 5, width = 6})
    assert.same({3, 5, 6}, got.shape)
    assert.same({channels = 3, height = 21, width = 13, file_bytes = #stored "orientation6.jpg"}, facts)
  end)

  it("becomes grey thrice with channels = 3", function()
    local grey, three = read(STORED .. "grey8.png"), read(STORED .. "grey8.png", {channels = 3})
    assert.same({3, 9, 13}, three.shape)
    assert.equal(grey:tostring_bytes():rep(3), three:tostring_bytes())
  end)

  it("is decoded at a smaller scale with fast_decode, which changes pixels a little", function()
    for _, fit in ipairs {"resize", "crop", "pad"} do
      local o = {height = 24, width = 32, fit = fit, filter = "area"}
      local slow, facts = read(STORED .. "large.jpg", o)
      o.fast_decode = true
      local fast, same = read(STORED .. "large.jpg", o)
      assert.same(slow.shape, fast.shape)
      assert.same({96, 128}, {facts.height, facts.width})
      assert.same(facts, same)
      local far = difference(slow:tostring_bytes(), fast:tostring_bytes())
      assert.is_true(far > 0 and far < 40, tostring(far))
    end
    local o = {height = 90, width = 120, fast_decode = true}                 -- less than half: nothing to save
    local as_ever = read(STORED .. "large.jpg", {height = 90, width = 120})
    assert.same(as_ever:totable(), read(STORED .. "large.jpg", o):totable())
    assert.same(read(STORED .. "large.png", {height = 9, width = 9}):totable(),
      read(STORED .. "large.png", {height = 9, width = 9, fast_decode = true}):totable())
  end)
end)

-- Tensors -----------------------------------------------------------------------------------------

describe("resample", function()
  it("gives what reading at that size gives, one picture or many", function()
    local whole = read(STORED .. "large.png")
    local two = agad.stack({whole, whole:flip {3}}, 1)
    for _, fit in ipairs {"resize", "crop", "pad"} do
      for _, filter in ipairs {"bilinear", "area", "adaptive"} do
        for _, size in ipairs {{20, 30}, {7, 60}, {47, 20}, {20, 61}, {60, 70}, {47, 61}} do
          local h, w = table.unpack(size)
          local wanted = read(STORED .. "large.png", {height = h, width = w, fit = fit, filter = filter})
          local one = resample(whole, h, w, {fit = fit, filter = filter})
          assert.same({3, h, w}, one.shape)
          assert.equal(wanted:tostring_bytes(), one:tostring_bytes())
          local both = resample(two, h, w, {fit = fit, filter = filter})
          assert.same({2, 3, h, w}, both.shape)
          assert.equal(wanted:tostring_bytes(), both:tostring_bytes():sub(1, 3 * h * w))
          assert.equal(resample(whole:flip {3}, h, w, {fit = fit, filter = filter}):tostring_bytes(),
            both:tostring_bytes():sub(3 * h * w + 1))
        end
      end
    end
  end)

  it("takes the mean of whole blocks with area", function()
    local got = rows(resample(picture(1, 4, 6), 2, 3, {filter = "area"}))
    local p = rows(picture(1, 4, 6))
    for y = 1, 2 do
      for x = 1, 3 do
        local across = {}                                            -- rounded between the two axes
        for i = 0, 1 do across[i] = (p[2 * y - 1 + i][2 * x - 1] + p[2 * y - 1 + i][2 * x] + 1) // 2 end
        assert.equal((across[0] + across[1] + 1) // 2, got[y][x])
      end
    end
  end)

  it("is adaptive: area along a side that shrinks, bilinear along one that grows", function()
    local p = picture(2, 3, 12, 10)
    for _, case in ipairs {{6, 5, "area"}, {12, 5, "area"}, {18, 20, "bilinear"}, {12, 20, "bilinear"}} do
      assert.same(resample(p, case[1], case[2], {filter = case[3]}):totable(),
        resample(p, case[1], case[2], {filter = "adaptive"}):totable())
    end
    local narrow = resample(p, 12, 5, {filter = "area"})
    assert.same(resample(narrow, 18, 5, {filter = "bilinear"}):totable(),
      resample(p, 18, 5, {filter = "adaptive"}):totable())
  end)

  it("keeps a grey wall as it is, whatever the size", function()
    local wall = agad.core.from_table({200}, "uint8"):reshape({1, 1, 1}):expand({1, 37, 53}):contiguous()
    for _, filter in ipairs {"bilinear", "area", "adaptive"} do
      for _, size in ipairs {{1, 1}, {3, 100}, {100, 3}, {36, 54}, {1, 200}} do
        local got = resample(wall, size[1], size[2], {filter = filter})
        assert.same({200, 200}, {got:min():item(), got:max():item()})
      end
    end
  end)

  it("pads a small picture without scaling, and a large one to one side", function()
    local small = rows(resample(picture(1, 2, 3), 4, 6, {fit = "pad"}))
    local p = rows(picture(1, 2, 3))
    assert.same({0, 0, 0, 0, 0, 0}, small[1])
    assert.same({0, p[1][1], p[1][2], p[1][3], 0, 0}, small[2])
    local wide = rows(resample(picture(1, 10, 40), 8, 8, {fit = "pad"}))
    for _, y in ipairs {1, 2, 3, 6, 7, 8} do assert.same({0, 0, 0, 0, 0, 0, 0, 0}, wide[y]) end
  end)

  it("takes pictures in any layout", function()
    local p = picture(2, 3, 9, 8)
    local turned = p:permute({1, 2, 4, 3})
    assert.same(resample(turned:contiguous(), 5, 4):totable(), resample(turned, 5, 4):totable())
  end)

  it("refuses what it cannot take", function()
    has(refused(resample, picture(1, 4, 4), 0, 4), "a side must be 1 to 65536 pixels")
    has(refused(resample, picture(4, 4), 2, 2), "a uint8 tensor (count, channels, height, width)", "2 dimensions")
    has(refused(resample, picture(1, 4, 4):to({dtype = "float32"}), 2, 2), "this is float32")
    has(refused(resample, picture(1, 4, 4), 2, 2, {fit = "fill"}), "fit = fill; give resize, crop or pad")
    has(refused(resample, picture(1, 4, 4), 2, 2, {filtre = "area"}), "unknown option filtre; known: filter, fit")
  end)
end)

-- Bad files and limits ----------------------------------------------------------------------------

describe("a bad picture file", function()
  local function says(bytes, ...)
    local path = write("bad.png", bytes)
    local message = refused(read, path, {channels = 3})
    has(message, path .. ": ", ...)
  end

  it("is refused when it is no picture, with the formats that there are and its first bytes", function()
    local list = {}
    for i, format in ipairs(agad.core.data.formats()) do list[i] = format.name end
    assert.same({"PNG", "JPEG", "BMP"}, list)
    local names = table.concat(list, ", ", 1, #list - 1) .. " or " .. list[#list]
    says("hello, you", 'is not a ' .. names .. ' file (it begins with "hello, y")')
    says("GIF89a\1\0\1\0", 'it begins with "GIF89a\\x01\\x00"')
    says("\255\216", 'it begins with "\\xFF\\xD8"')
    says("\137PNG\r\n", 'is not a PNG')
    says("\"\\\n", 'it begins with ""\\\\x0A"')
    says("", "is empty (0 bytes)")
  end)

  it("is refused when it is absent or no file", function()
    has(refused(read, folder .. "/absent.png"), folder .. "/absent.png: No such file")
    has(refused(read, folder), "is not a regular file")
    os.execute("mkfifo '" .. folder .. "/pipe'")
    has(refused(read, folder .. "/pipe"), "is not a regular file")
  end)

  for _, name in ipairs {"rgb8.png", "palette4_interlaced.png", "grey16.png", "turned.png", "jpeg420.jpg",
    "progressive.jpg", "cmyk.jpg", "orientation6.jpg", "restarts.jpg"} do
    it("is refused at whatever place it is cut: " .. name, function()
      local bytes = stored(name)
      local kind = name:match "png$" and "is a truncated PNG file" or "is a truncated JPEG file"
      local n = 1
      while n < #bytes do                                             -- every place at both ends, some between
        local message = refused(read, write("cut", bytes:sub(1, n)))
        if n >= 8 then has(message, kind) end
        n = n + ((n < 50 or n > #bytes - 30) and 1 or 7)
      end
    end)
  end

  it("is refused when its header promises more than its bytes can hold", function()
    local png, jpeg = stored "rgb8.png", stored "jpeg444.jpg"
    says(with_header(png, 9000, 9000, 8, 2), "is a PNG file that announces more pixels than its bytes can hold")
    local at = jpeg:find("\255\192", 1, true)                         -- SOF0: length, 8, height, width
    says(jpeg:sub(1, at + 4) .. string.pack(">I2I2", 5000, 6000) .. jpeg:sub(at + 9),
      "is a JPEG file that announces more pixels than its bytes can hold")
  end)

  it("is refused over the limits, naming the option that raises them", function()
    local png, jpeg = stored "rgb8.png", stored "jpeg444.jpg"
    local before = checks.resident()
    says(with_header(png, 100000, 100000, 8, 2),
      "has 100000 x 100000 pixels, over the limit of 100000000; raise max_pixels")
    says(with_header(png, 0x7fffffff, 0x7fffffff, 16, 6), "raise max_pixels")
    local at = jpeg:find("\255\192", 1, true)
    says(jpeg:sub(1, at + 4) .. string.pack(">I2I2", 65500, 65500) .. jpeg:sub(at + 9),
      "has 65500 x 65500 pixels, over the limit of 100000000; raise max_pixels")
    assert.is_true(checks.resident() - before < 50)
    has(refused(read, STORED .. "rgb8.png", {max_pixels = 116}),
      "has 9 x 13 pixels, over the limit of 116", "raise max_pixels")
    assert.same({3, 9, 13}, read(STORED .. "rgb8.png", {max_pixels = 117}).shape)
    has(refused(read, STORED .. "rgb8.png", {max_bytes = 100}), "bytes, over the limit of 100; raise max_bytes")
    says(with_header(png, 80000, 10, 8, 2), "a side may have at most 65536")
  end)

  it("is refused when its parts are damaged or missing", function()
    local png, palette = stored "rgb8.png", stored "palette8.png"
    local function without() return nil end
    says(change_chunk(palette, "PLTE", without), "is a damaged PNG file (")
    says(change_chunk(palette, "PLTE", function() return "" end), "is a damaged PNG file (")
    says(change_chunk(palette, "PLTE", function(body) return body:sub(1, -2) end), "is a damaged PNG file (")
    says(change_chunk(png, "IDAT", function(body) return body:sub(1, -30) end), "is a damaged PNG file (")
    says(change_chunk(png, "IDAT", function(body) return "\0" .. body:sub(2) end), "is a damaged PNG file (")
    says(change_chunk(png, "IDAT", without), "is a")
    says(change_chunk(png, "IHDR", without), "is a damaged PNG file (")
    says(with_header(png, 0, 9, 8, 2), "is a damaged PNG file (")
    says(with_header(png, 13, 9, 7, 2), "is a damaged PNG file (")
    says(with_header(png, 13, 9, 8, 5), "is a damaged PNG file (")
    local flipped = png:sub(1, 60) .. string.char(png:byte(61) ~ 1) .. png:sub(62)
    says(flipped, "is a damaged PNG file (")
    local jpeg = stored "jpeg444.jpg"
    local at = jpeg:find("\255\219", 1, true)                         -- a comment for a table
    says(jpeg:sub(1, at - 1) .. "\255\254" .. jpeg:sub(at + 2), "Quantization table 0x00 was not defined")
    says("\255\216\255\217", "is a damaged or unusual JPEG file (")
    local sof = jpeg:find("\255\192", 1, true)
    says(jpeg:sub(1, sof) .. "\195" .. jpeg:sub(sof + 2), "is a damaged or unusual JPEG file (")      -- lossless
    says(jpeg:sub(1, sof + 3) .. "\12" .. jpeg:sub(sof + 5), "is a damaged or unusual JPEG file (")   -- 12 bits
  end)

  it("is read with black for a palette's missing colours", function()
    local short = change_chunk(stored "palette8.png", "PLTE", function(body) return body:sub(1, 300) end)
    local function flat(t) return t:flatten():totable() end
    local whole, got = flat(read(STORED .. "palette8.png")), flat(read(write("short.png", short)))
    local black = 0
    for i = 1, 117 do
      local there = got[i] == whole[i] and got[117 + i] == whole[117 + i] and got[234 + i] == whole[234 + i]
      if not there then
        black = black + 1
        assert.same({0, 0, 0}, {got[i], got[117 + i], got[234 + i]})
      end
    end
    assert.is_true(black > 30 and black < 100, tostring(black))
  end)

  it("is read in spite of EXIF that is broken: as upright", function()
    local jpeg = stored "orientation6.jpg"
    local exif = jpeg:find("Exif\0\0", 1, true) + 6
    assert.equal("MM", jpeg:sub(exif, exif + 1):gsub("II", "MM"))
    local tag = jpeg:find("\1\18\0\3", exif, true)
    for what, broken in pairs {
      ["another byte order"] = {exif, "XX"}, ["no 42"] = {exif + 2, "\9\9"},
      ["an offset beyond the end"] = {exif + 4, "\255\255\255\255"}, ["an offset to the end"] = {exif + 4, "\0\0\0\46"},
      ["no entries"] = {exif + 8, "\0\0"}, ["a value of 9"] = {tag + 8, "\0\9"}, ["a value of 0"] = {tag + 8, "\0\0"},
      ["text for a number"] = {tag + 2, "\0\2"}, ["two numbers"] = {tag + 4, "\0\0\0\2"},
    } do
      local bytes = jpeg:sub(1, broken[1] - 1) .. broken[2] .. jpeg:sub(broken[1] + #broken[2])
      assert.same({3, 13, 21}, read(write("exif.jpg", bytes)).shape, what)
    end
    assert.same({3, 21, 13}, read(STORED .. "orientation6.jpg").shape)
    local many = jpeg:sub(1, exif + 7) .. "\255\255" .. jpeg:sub(exif + 10)       -- 65535 entries announced
    assert.same({3, 21, 13}, read(write("exif.jpg", many)).shape)
  end)

  it("is read when what is damaged is only a warning", function()
    local jpeg = stored "jpeg444.jpg"
    local scan = jpeg:find("\255\218", 1, true)
    local garbled = jpeg:sub(1, scan + 40) .. string.rep("\0", 10) .. jpeg:sub(scan + 51)
    assert.same({3, 13, 21}, read(write("garbled.jpg", garbled)).shape)
    local noisy = stored "rgb8.png":gsub("IDAT", "IDAT", 1)
    noisy = noisy:sub(1, 33) .. chunk("tEXt", string.rep("x", 3000)) .. chunk("iCCP", "nonsense") .. noisy:sub(34)
    assert.same(read(STORED .. "rgb8.png"):totable(), read(write("noisy.png", noisy)):totable())
  end)

  it("is refused with more scans than any camera writes", function()
    local jpeg = stored "grey_progressive.jpg"
    local scan = jpeg:find("\255\218", 1, true)
    local from = jpeg:find("\255\196", scan + 2, true) or jpeg:find("\255\218", scan + 2, true)
    local first = jpeg:sub(scan, from - 1)
    local bomb = jpeg:sub(1, scan - 1) .. string.rep(first, 200) .. jpeg:sub(from)
    has(refused(read, write("bomb.jpg", bomb)), "more than 100 scans")
  end)

  it("does not hide wrong options", function()
    local path = STORED .. "rgb8.png"
    has(refused(read, path, {size = 3}), "unknown option size; known: channels, fast, fast_decode, filter, fit, ")
    has(refused(read, path, {fast_decode = 1}), "fast_decode = 1; give true or false")
    has(refused(read, path, {height = 3}), "give height and width, or neither")
    has(refused(read, path, {height = 3, width = 0}), "width = 0; give a whole number from 1 to 65536")
    has(refused(read, path, {channels = 2}), "channels = 2; give 1 (grey) or 3 (colour)")
    has(refused(read, path, {filter = "cubic"}), "filter = cubic; give bilinear, area or adaptive")
    has(refused(read, path, {max_pixels = -1}), "max_pixels = -1; give a whole number from 1")
    has(refused(read, path, {"x"}), "unknown option")
  end)
end)
