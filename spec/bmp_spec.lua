-- BMP files: headers, palettes, run-length encoding, colour masks, and files that are refused. More kinds are in
-- spec/data/decode; decode_spec.lua compares their pixels with Pillow's.
-- To add a case: a file by bmp{…} and its right pixels, or the words that refuse it.

local agad = require "agad"
local lfs = require "lfs"
local checks = dofile "spec/support/checks.lua"
local pictures = dofile "spec/support/pictures.lua"
local data, read = agad.core.data, agad.core.data.read
local refused, has = checks.refused, checks.has
local folder

before_each(function() folder = pictures.open() end)
after_each(pictures.close)

-- A file. o: width, height, bits, rows (as they stand in it, padded here) or body; palette (list of {red, green,
-- blue}), compression, masks (text behind the header), at (where the pixels are), colours (how many the header says),
-- header (its size: 12 is OS/2's, others are filled up with zeros), gap (bytes before the pixels).
local function bmp(o)
  local size, palette, body = o.header or 40, {}, o.body
  for i, c in ipairs(o.palette or {}) do palette[i] = string.char(c[3], c[2], c[1]) .. (size == 12 and "" or "\0") end
  if not body then
    local rows = {}
    for i, row in ipairs(o.rows) do rows[i] = row .. ("\0"):rep(-#row % 4) end
    body = table.concat(rows)
  end
  local head
  if size == 12 then head = string.pack("<I4I2I2I2I2", 12, o.width, o.height, 1, o.bits)
  else
    head = string.pack("<I4i4i4I2I2I4I4i4i4I4I4", size, o.width, o.height, 1, o.bits, o.compression or 0, #body, 0, 0,
      o.colours or #palette, 0) .. (o.masks or "")
    head = size < 40 and head:sub(1, size) or head .. ("\0"):rep(size - #head)
  end
  local before = head .. table.concat(palette) .. ("\xee"):rep(o.gap or 0)
  return "BM" .. string.pack("<I4I2I2I4", 14 + #before + #body, 0, 0, o.at or 14 + #before) .. before .. body
end

local function pixels(o) return read(pictures.write("x.bmp", type(o) == "string" and o or bmp(o))):totable() end

local function says(o, ...)
  local path = pictures.write("x.bmp", type(o) == "string" and o or bmp(o))
  has(refused(read, path), path .. ": ", ...)
end

local GREYS = {{10, 10, 10}, {20, 20, 20}, {30, 30, 30}, {40, 40, 40}}
local COLOURS = {{1, 2, 3}, {4, 5, 6}}

describe("BMP", function()
  local top_down = {{{3, 6, 9}, {13, 16, 19}}, {{2, 5, 8}, {12, 15, 18}}, {{1, 4, 7}, {11, 14, 17}}}
  local rows = {"\1\2\3\4\5\6\7\8\9", "\11\12\13\14\15\16\17\18\19"}         -- 3 x 2, blue first

  it("is read bottom-up and top-down, with padded rows; the padding of the last row may be missing", function()
    assert.same(top_down, pixels {width = 3, height = -2, bits = 24, rows = rows})
    local bottom_up = bmp {width = 3, height = 2, bits = 24, rows = {rows[2], rows[1]}}
    assert.same(top_down, pixels(bottom_up))
    assert.same(top_down, pixels(bottom_up:sub(1, -4)))
    says(bottom_up:sub(1, -5), "is a truncated BMP file; copy it again")
  end)

  it("has one channel if the palette has only shades of grey, in any order, else three", function()
    local o = {width = 4, height = 1, bits = 8, rows = {"\0\3\1\2"}, palette = GREYS}
    assert.same({{{10, 40, 20, 30}}}, pixels(o))
    o.palette = {GREYS[1], GREYS[2], GREYS[3], {40, 40, 41}}
    assert.same({{{10, 40, 20, 30}}, {{10, 40, 20, 30}}, {{10, 41, 20, 30}}}, pixels(o))
    assert.same({{{255, 0, 0, 255, 255}}}, pixels {width = 5, height = 1, bits = 1, rows = {"\x60"},
      palette = {{255, 255, 255}, {0, 0, 0}}})
  end)

  it("is black where the palette lacks a colour", function()
    local o = {width = 3, height = 1, bits = 8, rows = {"\0\1\2"}, palette = COLOURS}
    local wanted = {{{1, 4, 0}}, {{2, 5, 0}}, {{3, 6, 0}}}
    assert.same(wanted, pixels(o))
    o.colours = 0                                                    -- all 256, but the pixels follow the second
    assert.same(wanted, pixels(o))
    o.header = 12
    assert.same(wanted, pixels(o))
    o.header, o.colours = 40, 0x7fffffff
    assert.same(wanted, pixels(o))
  end)

  it("is read with 2 bits a pixel, a short header of OS/2, and bytes between the palette and the pixels", function()
    assert.same({{{10, 20, 30, 40, 10}}}, pixels {width = 5, height = 1, bits = 2, rows = {"\x1b\0"}, palette = GREYS})
    local all = table.move(GREYS, 1, 4, 13, {})
    for i = 1, 12 do all[i] = {i, i, i} end
    assert.same({{{30, 1, 40}}},
      pixels {header = 16, width = 3, height = 1, bits = 4, rows = {"\xe0\xf0"}, palette = all})
    assert.same({{{20, 40}}}, pixels {width = 2, height = 1, bits = 4, rows = {"\x13"}, palette = GREYS, gap = 7})
  end)

  it("is read where the header does not say where the pixels are, or forgets the palette", function()
    local o = {width = 2, height = 1, bits = 8, rows = {"\1\0"}, palette = COLOURS}
    for _, at in ipairs {0, 54} do
      o.at = at
      assert.same({{{4, 1}}, {{5, 2}}, {{6, 3}}}, pixels(o))
    end
    assert.same({{{3}}, {{2}}, {{1}}}, pixels {width = 1, height = 1, bits = 24, rows = {"\1\2\3"}, at = 0})
  end)

  it("is read with fields of any masks, which become 8 bits", function()
    local function masks(r, g, b, a) return string.pack("<I4I4I4I4", r, g, b, a or 0) end
    local function one(bits, value, o)
      o.width, o.height, o.bits, o.rows = 1, 1, bits, {string.pack(bits == 16 and "<I2" or "<I4", value)}
      local found = pixels(o)
      return {found[1][1][1], found[2][1][1], found[3][1][1]}
    end
    local three = {header = 40, compression = 3}
    assert.same({255, 8, 148}, one(16, 0x7c00 | 1 << 5 | 18, {}))          -- 5 bits each, v * 255 / 31
    three.masks = masks(0xf800, 0x7e0, 0x1f):sub(1, 12)
    assert.same({131, 4, 255}, one(16, 16 << 11 | 1 << 5 | 31, three))
    three.masks = masks(0xf, 0x70, 0x80):sub(1, 12)
    assert.same({85, 109, 255}, one(16, 5 | 3 << 4 | 1 << 7, three))
    three.masks = masks(0x3ff00000, 0xffc00, 0x3ff):sub(1, 12)             -- 10 bits: the upper 8
    assert.same({255, 1, 128}, one(32, 0x3ff << 20 | 7 << 10 | 0x203, three))
    three.masks = masks(0xff000000, 0, 0xff00):sub(1, 12)
    assert.same({9, 0, 7}, one(32, 0x09080706, three))
    three.masks = masks(0, 0, 0):sub(1, 12)                                -- the usual ones
    assert.same({8, 7, 6}, one(32, 0x09080706, three))
    assert.same({8, 7, 6}, one(32, 0x09080706, {}))                        -- the fourth byte is dropped
    assert.same({6, 7, 8}, one(32, 0x09080706, {header = 124, compression = 3, masks = masks(0xff, 0xff00, 0xff0000,
      0xff000000)}))
    assert.same({6, 7, 8}, one(32, 0x09080706, {compression = 6, masks = masks(0xff, 0xff00, 0xff0000, 0xff000000)}))
    assert.same({8, 7, 6}, one(32, 0x09080706, {header = 108, masks = masks(0xff, 0xff00, 0xff0000)})) -- not in use
  end)
end)

describe("a run-length encoded BMP file", function()
  local function rle8(body, o)
    local given = {width = 4, height = 2, bits = 8, compression = 1, palette = GREYS, body = body}
    for key, value in pairs(o or {}) do given[key] = value end
    return given
  end
  local function rle4(body) return rle8(body, {bits = 4, compression = 2}) end

  it("has runs and literals, the latter padded to two bytes", function()
    assert.same({{{30, 40, 20, 20}, {20, 20, 20, 10}}},
      pixels(rle8 "\3\1\1\0\0\0\0\3\2\3\1\0\1\1\0\0\0\1"))
    assert.same({{{20, 30, 40, 10}, {30, 40, 30, 40}}}, pixels(rle4 "\4\x23\0\0\0\4\x12\x30\0\1"))
    assert.same({{{20, 30, 40, 40}, {30, 40, 30, 10}}}, pixels(rle4 "\3\x23\1\0\0\0\0\3\x12\x30\1\x33\0\1"))
  end)

  it("has the first colour where pixels are skipped, a row ends early, or the picture does", function()
    assert.same({{{10, 10, 40, 10}, {20, 10, 10, 10}}}, pixels(rle8 "\1\1\0\2\1\1\1\3\0\0"))
    assert.same({{{10, 10, 10, 10}, {20, 10, 10, 10}}}, pixels(rle8 "\1\1\0\1"))
    assert.same({{{10, 10, 10, 10}, {10, 10, 10, 10}}}, pixels(rle8 "\0\2\9\9"))
    assert.same({{{40, 10, 10, 10}, {10, 10, 10, 10}}}, pixels(rle4 "\0\0\1\x33\0\1"))
    assert.same({{{20, 10, 10, 10}, {10, 10, 40, 10}}}, pixels(rle8("\1\1\0\2\1\1\1\3\0\0", {height = -2})))
  end)

  it("ends a row at its width, and needs no end mark once all pixels are there", function()
    assert.same({{{30, 30, 30, 30}, {20, 20, 20, 20}}}, pixels(rle8 "\9\1\4\3\0\0\xff\2"))
    assert.same({{{20, 30, 40, 10}, {20, 20, 20, 20}}}, pixels(rle8 "\4\1\0\0\0\6\1\2\3\0\1\1"))
  end)

  it("is refused when it is truncated", function()
    local whole = bmp(rle8 "\4\1\0\0\0\4\1\2\3\0")
    assert.same({{{20, 30, 40, 10}, {20, 20, 20, 20}}}, pixels(whole))
    for n = 2, #whole - 1 do says(whole:sub(1, n), "is a truncated BMP file; copy it again") end
    says(rle4 "\4\x11\0\0\0\4\x11", "is a truncated BMP file")
    says(rle8 "\4\1\0\2\0", "is a truncated BMP file")
  end)

  it("is refused when it announces more pixels than its bytes can hold, before memory is allocated", function()
    local before = checks.resident()
    says(rle8("\0\1", {width = 9000, height = 9000}),
      "is a BMP file that announces more pixels than its bytes can hold; copy it again")
    assert.is_true(checks.resident() - before < 50)
    local blank = pixels(rle8("\0\1", {width = 700, height = 700}))
    assert.same({700, 700, 10}, {#blank[1], #blank[1][1], blank[1][700][700]})
  end)
end)

describe("a BMP mask", function()
  local function marks(o)
    local path = pictures.write("mask.bmp", bmp(o))
    return data.load_files({path}, {mask = true, strict = true, channels = 1}).images:flatten():totable()
  end

  it("marks what is above 0: values of a grey palette, indices of another one, fields of any width", function()
    local o = {width = 4, height = 1, bits = 8, rows = {"\0\1\2\3"}, palette = {{255, 255, 255}, {0, 0, 0}, {1, 1, 1}}}
    assert.same({1, 0, 1, 0}, marks(o))
    o.palette = {{0, 0, 0}, {128, 0, 0}, {0, 128, 0}, {0, 0, 0}}
    assert.same({0, 1, 1, 1}, marks(o))
    o.palette[1] = {9, 9, 0}
    local path = pictures.write("mask.bmp", bmp(o))
    has(refused(data.load_files, {path}, {mask = true, strict = true, channels = 1}),
      "is a mask in doubt: colour 0 of its palette is not black, but another one is; save it in grey")
    o.palette[4] = {1, 0, 0}
    assert.same({0, 1, 1, 1}, marks(o))
    assert.same({0, 1, 1}, marks {width = 3, height = 1, bits = 24, rows = {"\0\0\0\1\0\0\0\0\1"}})
    assert.same({0, 1}, marks {width = 2, height = 1, bits = 16, rows = {string.pack("<I2I2", 0x8000, 1)}})
    assert.same({0, 1}, marks {width = 2, height = 1, bits = 32, compression = 3,
      masks = string.pack("<I4I4I4", 0x3ff00000, 0xffc00, 0x3ff), rows = {string.pack("<I4I4", 1 << 30, 1)}})
    assert.same({0, 0, 1, 0}, marks {width = 4, height = 1, bits = 8, compression = 1, palette = COLOURS,
      body = "\2\0\1\1\0\1"})
  end)
end)

describe("a BMP file", function()
  it("is a picture in folders, with its channels, by .bmp and .dib", function()
    pictures.write("a.BMP", bmp {width = 4, height = 4, bits = 8, rows = {"1234", "1234", "1234", "1234"},
      palette = GREYS})
    pictures.one("b.png", 3)
    assert.same({1, 2}, {agad.data.folder(folder, {cache = false}).channels, #data.list(folder)})
    pictures.write("c.dib", bmp {width = 4, height = 4, bits = 24, rows = {("a"):rep(12), ("b"):rep(12), ("c"):rep(12),
      ("d"):rep(12)}})
    local set = agad.data.folder(folder, {cache = false})
    assert.same({3, 3}, {set.channels, set.info.train})
    assert.same({("a"):byte()}, set.train.images[{3, 1, 4}]:unique():totable())
  end)

  it("is refused when it is truncated at any place", function()
    for _, o in ipairs {{width = 3, height = 2, bits = 8, rows = {"\0\1\2", "\0\0\0"}, palette = COLOURS},
      {width = 2, height = 2, bits = 16, compression = 3, rows = {"abcd", "efgh"},
        masks = string.pack("<I4I4I4", 0xf800, 0x7e0, 0x1f)},
      {header = 12, width = 4, height = 1, bits = 24, rows = {"abcdefghijkl"}}} do
      local whole = bmp(o)
      if o.bits == 8 then whole = whole:sub(1, -2) end                     -- the padding of the last row
      assert.is_true(#pixels(whole) == 3)
      for n = 2, #whole - 1 do says(whole:sub(1, n), "is a truncated BMP file; copy it again") end
    end
  end)

  it("is refused over the limits, before memory is allocated", function()
    local function of(width, height) return {width = width, height = height, bits = 24, rows = {"abc"}} end
    local before = checks.resident()
    says(of(70000, 70000), "has 70000 x 70000 pixels", "raise max_pixels")
    says(of(0x7fffffff, -0x80000000), "has 2147483648 x 2147483647 pixels", "raise max_pixels")
    says(of(70000, 3), "a side ", " at most 65536")
    says(of(9000, 9000), "is a truncated BMP file")
    assert.is_true(checks.resident() - before < 50)
    says(of(0, 2), "has no pixels (2 x 0)")
    says(of(2, 0), "has no pixels (0 x 2)")
    says(of(-2, 2), "has no pixels (2 x -2)")
    local path = pictures.write("y.bmp", bmp {width = 3, height = 1, bits = 24, rows = {"abcdefghi"}})
    has(refused(read, path, {max_pixels = 2}), "has 1 x 3 pixels", "raise max_pixels")
    assert.equal(3, read(path, {max_pixels = 3}).shape[3])
  end)

  it("is refused when its header is damaged or its kind is not supported", function()
    local function of(o)
      local given = {width = 2, height = 1, bits = 8, rows = {"\0\1"}, palette = GREYS}
      for key, value in pairs(o) do given[key] = value end
      return given
    end
    says(of {header = 12, bits = 8, at = 20}, "is a damaged BMP file (pixel offset 20); save it again")
    says(of {at = 0xfffffff0}, "is a truncated BMP file")
    local function header_of(size)
      local whole = bmp(of {})
      return whole:sub(1, 14) .. string.pack("<I4", size) .. whole:sub(19)
    end
    says(header_of(13), "is a damaged BMP file (header size 13)")
    says(header_of(0xffff), "is a truncated BMP file")
    says(header_of(0x10000), "PNG, JPEG or BMP file (it begins with ")
    for _, kind in ipairs {{8, 4}, {8, 5}, {8, 2}, {4, 1}, {24, 1}, {24, 3}, {1, 3}, {3, 0}, {0, 0}, {64, 0},
      {16, 9}} do
      says(of {bits = kind[1], compression = kind[2]},
        ("is a BMP file with %d bits per pixel and compression %d, which is not supported; convert it to PNG"):format(
          kind[1], kind[2]))
    end
    local function mask(bits, value)
      return of {bits = bits, compression = 3, masks = string.pack("<I4I4I4", value, 0x7e0, 0x1f)}
    end
    says(mask(16, 0x5), "is a damaged BMP file (colour mask 5); save it again")
    says(mask(16, 0x10000), "is a damaged BMP file (colour mask 65536)")
    says(mask(32, 0x80000001), "is a damaged BMP file (colour mask 2147483649)")
  end)

  it("is not a text that begins with BM", function()
    says("BMW has its seat in Munich.", 'PNG, JPEG or BMP file (it begins with "BMW has ")')
    assert.equal(lfs.attributes(folder .. "/x.bmp", "size"), 27)
  end)
end)
