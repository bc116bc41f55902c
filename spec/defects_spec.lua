-- Synthetic local defects: where they lie, what marks them, that they repeat to the bit, on any shape of pictures.
-- To add a case: a test over drawer(options), whose pool is `pictures(...)`.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local core = agad.core
local defects = core.data.defects
local refused, has = checks.refused, checks.has
local support = dofile "spec/support/defects.lua"
local KINDS, MEAN, SD = support.KINDS, support.MEAN, support.SD
local KNOWN = #KINDS
local bytes, drawer, finite, known, none = support.bytes, support.drawer, support.finite, support.known, support.none
local only, pictures, plain, rows = support.only, support.pictures, support.plain, support.rows

local threads = core.threads()
after_each(function() core.threads(threads) end)

describe("defects", function()
  it("has eleven kinds, by their names", function() assert.same(KINDS, drawer(pictures(1, 1, 32, 32)).kinds) end)

  it("gives a picture, its mask, its weight and its kinds for each row", function()
    local images = pictures(5, 3, 32, 48)
    local x, mask, weight, kinds = drawer(images):batch({0, 4, 4, 1}, 7)
    assert.same({4, 3, 32, 48}, x.shape)
    assert.same({4, 1, 32, 48}, mask.shape)
    assert.same({4, 1, 32, 48}, weight.shape)
    assert.same({"float32", "float32", "float32"}, {x.dtype, mask.dtype, weight.dtype})
    assert.equal(4, #kinds)
  end)

  it("leaves every third picture as it is, from the first on", function()
    local images = pictures(9, 3, 32, 32)
    local x, mask, weight, kinds = drawer(images):batch(rows(9), 1)
    local before = plain(images)
    for i = 1, 9 do
      local clean = i % 3 == 1
      assert.equal(clean, #kinds[i] == 0)
      assert.equal(clean, (x[i] - before[i]):abs():max():item() < 1e-5, "picture " .. i)
      if clean then assert.is_true(none(mask[i]) and weight[i]:min():item() == 1) end
    end
  end)

  it("draws the same to the bit, whatever the number of threads", function()
    for _, shape in ipairs {{1, 64, 64, 1}, {3, 32, 64, 2}} do
      local images = pictures(12, shape[1], shape[2], shape[3])
      local found = {}
      for i, n in ipairs {1, 2, 7} do
        core.threads(n)
        local d = drawer(images, {jitter = true, window = {shape[2] / shape[4], shape[3] / shape[4]},
          known = known(images, {3, 7}, 5, 9, 6, 8), flips = {horizontal = true, vertical = true}})
        local drawn, masks = d:pictures(images, 3)
        local x, mask, weight, kinds = d:batch(rows(12), 5, {crop = shape[4] == 2})
        found[i] = {bytes(x, mask, weight, drawn, masks), kinds}
      end
      assert.same(found[1], found[2])
      assert.same(found[1], found[3])
    end
  end)

  it("depends on the seed, the step and the place in the batch alone", function()
    local images = pictures(6, 1, 32, 32)
    local d = drawer(images, {jitter = true})
    local first = {d:batch({0, 1, 2, 3, 4}, 3)}
    d:batch({5, 5, 5}, 4)
    local again = {d:batch({0, 1, 2, 3, 4, 5}, 3)}
    assert.is_true(first[1]:equal(again[1]:narrow(1, 1, 5)))
    assert.same(first[4], {table.unpack(again[4], 1, 5)})
    assert.is_false(first[1]:equal((d:batch({0, 1, 2, 3, 4}, 4))))
    assert.is_false(first[1]:equal((drawer(images, {jitter = true, seed = 2}):batch({0, 1, 2, 3, 4}, 3))))
    local same = d:batch({0, 0, 0}, 3)
    assert.is_false(same[2]:equal(same[3]))
  end)

  for kind, name in ipairs(KINDS) do
    it(("marks what a %s changes, and nothing else"):format(name), function()
      for _, shape in ipairs {{1, 64, 64}, {3, 40, 56}} do
        local images = pictures(8, table.unpack(shape))
        local d = drawer(images, {count = 1, known = known(images, {2, 5}, 12, 20, 9, 14)})
        local before, least = plain(images), 0.12 * plain(images):flatten(2):std({2}):median():item()
        local marked, changed = 0, 0
        for step = 1, 12 do
          local x, mask, weight, kinds = d:batch(rows(8), step, {probabilities = only(kind)})
          for i = 1, 8 do assert.same(i % 3 == 1 and {} or {kind}, kinds[i]) end
          assert.is_true(finite(x))
          assert.is_true((mask * (1 - mask)):abs():max():item() == 0, "a mask is 0 or 1")
          assert.is_true((weight * (1 - weight)):abs():max():item() == 0, "a weight is 0 or 1")
          assert.is_true(none(mask:gt(0):logical_and(weight:lt(1))), "where a defect is marked there is no doubt")
          local change = (x - before):abs():mean({2}, true)
          assert.is_true(none(change:gt(least * 1.2):logical_and(mask:lt(1)):logical_and(weight:gt(0))),
            "what changes visibly is marked or in doubt")
          marked, changed = marked + mask:sum():item(), changed + (change * mask):sum():item()
        end
        assert.is_true(marked > 0 and changed / marked > least / 2, ("%g %g %g"):format(marked, changed, least))
      end
    end)
  end

  it("marks a sane share of the pixels, by all kinds alike", function()
    local images = pictures(12, 1, 64, 64)
    local d, share, count, kinds_of, most = drawer(images), 0, {}, 0, 0
    for step = 1, 60 do
      local _, mask, weight, kinds = d:batch(rows(12), step)
      share = share + mask:mean():item() * 12 / 8 / 60
      assert.is_true(weight:mean():item() > .6)
      for i = 1, 12 do
        for _, kind in ipairs(kinds[i]) do count[kind] = (count[kind] or 0) + 1 end
        kinds_of, most = kinds_of + #kinds[i], math.max(most, #kinds[i])
      end
    end
    assert.is_true(share > .02 and share < .2, "share " .. share)
    local each = kinds_of / (60 * 8)
    assert.is_true(each > 1.65 and each < 1.9 and most == 4, "defects on a picture: " .. each)     -- 1.79 expected
    for kind = 1, 10 do assert.is_true(count[kind] > 50 and count[kind] < 130, KINDS[kind] .. count[kind]) end
    assert.is_nil(count[KNOWN])                    -- there are none
  end)

  it("draws stronger defects for a larger amplitude, and one each for a count of 1", function()
    local images = pictures(6, 1, 64, 64)
    local function change(amplitude)
      local d, sum = drawer(images, {amplitude = amplitude, count = 1}), 0
      for step = 1, 20 do
        local x, _, _, kinds = d:batch(rows(6), step, {probabilities = only(4)})
        sum = sum + (x - plain(images)):abs():mean():item()
        for i = 1, 6 do assert.equal(i % 3 == 1 and 0 or 1, #kinds[i]) end
      end
      return sum
    end
    assert.is_true(change {4, 8} > 1.5 * change {.5, 1})
  end)

  it("takes the means of f x f pixels of whole pictures, and crops of the full size", function()
    local images = agad.arange(0, 256):to({dtype = "uint8"}):reshape {1, 1, 16, 16}
    local d = drawer(images, {window = 8})
    local x = d:batch({0}, 1)
    local expected = agad.avg_pool2d(plain(images), {2, 2})
    assert.is_true((x - expected):abs():max():item() < 1e-5)
    local seen = {}
    for step = 1, 200 do
      x = d:batch({0}, step, {crop = true})
      local corner = math.floor(x[1][1][1][1]:item() * SD + MEAN[1] + .5)
      local top, left = corner // 16, corner % 16
      assert.is_true(top <= 8 and left <= 8)
      assert.is_true((x - plain(images):narrow(3, top + 1, 8):narrow(4, left + 1, 8)):abs():max():item() < 1e-5)
      seen[corner] = true
    end
    local n = 0
    for _ in pairs(seen) do n = n + 1 end
    assert.is_true(n > 25, n .. " of 81 places")
    for _, f in ipairs {3, 4} do
      images = agad.randint(0, 256, {2, 3, 8 * f, 12 * f}):to {dtype = "uint8"}
      x = drawer(images, {window = {8, 12}}):batch({1}, 1)
      assert.is_true((x - agad.avg_pool2d(plain(images), {f, f}):narrow(1, 2, 1)):abs():max():item() < 1e-5)
    end
  end)

  it("flips and transposes as allowed", function()
    local image = agad.arange(0, 64):to({dtype = "uint8"}):reshape {1, 1, 8, 8}
    local all = {h = {4}, v = {3}, hv = {3, 4}}
    local function seen(flips)
      local d, found = drawer(image, {flips = flips}), {}
      for step = 1, 60 do
        local x, is = d:batch({0}, step), nil
        for _, name in ipairs {"", "h", "v", "hv", "t", "ht", "vt", "hvt"} do
          local y, axes = plain(image), all[name:gsub("t", "")]
          if axes then y = y:flip(axes) end
          if name:find "t" then y = y:transpose(3, 4) end
          if (x - y):abs():max():item() < 1e-5 then is = name end
        end
        found[assert(is)] = true
      end
      local names = {}
      for name in pairs(found) do names[#names + 1] = name end
      table.sort(names)
      return names
    end
    assert.same({""}, seen {})
    assert.same({"", "h"}, seen {horizontal = true})
    assert.same({"", "v"}, seen {vertical = true})
    assert.same({"", "t"}, seen {transpose = true})
    assert.equal(8, #seen {horizontal = true, vertical = true, transpose = true})
  end)

  it("jitters a little: gain and offset always, a small affine map for a third", function()
    local images = pictures(1, 1, 64, 64)
    local before, moved, gains, offsets = plain(images), 0, {}, {}
    local d = drawer(images, {jitter = true})
    for step = 1, 120 do
      local x = d:batch({0}, step)
      local gain = x:std():item() / before:std():item()
      local rest = (x - x:mean()) / x:std() - (before - before:mean()) / before:std()
      if rest:abs():max():item() > 1e-3 then moved = moved + 1
      else gains[#gains + 1], offsets[#offsets + 1] = math.log(gain), x:mean():item() - before:mean():item() end
      assert.is_true(rest:abs():mean():item() < 1.2)
    end
    assert.is_true(moved > 20 and moved < 55, moved .. " of 120")
    for _, list in ipairs {gains, offsets} do
      local sd = agad.tensor(list):std():item()
      assert.is_true(sd > .045 and sd < .075, "SD " .. sd)
    end
  end)

  it("draws on pools without contrast, of one picture, of the smallest windows", function()
    for _, value in ipairs {0, 7, 255} do
      local images = agad.full({6, 3, 16, 16}, value, {dtype = "uint8"})
      local d = drawer(images, {window = 8, jitter = true, flips = {transpose = true}}, {2})
      local marked = 0
      for step = 1, 30 do
        for _, crop in ipairs {false, true} do
          local x, mask = d:batch({0, 1, 5}, step, {crop = crop})
          assert.is_true(finite(x))
          marked = marked + mask:sum():item()
        end
      end
      local drawn, masks = d:pictures(images, 1)
      assert.is_true(marked > 0 and masks:sum():item() > 0)
      assert.is_false(drawn:equal(images))
    end
  end)

  it("draws on whole pictures as bytes, each with defects, and gives their masks", function()
    local images = pictures(12, 3, 64, 64)
    local d = drawer(images, {window = 32})
    local drawn, masks = d:pictures(images, 5)
    assert.same({"uint8", "uint8"}, {drawn.dtype, masks.dtype})
    assert.same({{12, 3, 64, 64}, {12, 64, 64}}, {drawn.shape, masks.shape})
    assert.equal(1, masks:max():item())
    local least = 0.12 * plain(images):flatten(2):std({2}):median():item() * SD
    local change = (drawn:to {dtype = "float32"} - images:to {dtype = "float32"}):abs():mean {2}
    local inside = (change * masks):sum():item() / masks:sum():item()
    local outside = (change * (1 - masks)):sum():item() / (1 - masks):sum():item()
    assert.is_true(inside > least and outside < least, inside .. " " .. outside)
    for i = 1, 12 do assert.is_false(drawn[i]:equal(images[i])) end
    assert.is_true(drawn:equal((d:pictures(images, 5))))
    assert.is_false(drawn:equal((d:pictures(images, 6))))
    assert.is_true(drawn:narrow(1, 1, 3):equal((d:pictures(images:narrow(1, 1, 3), 5))))
  end)

  it("keeps the pictures that it was given", function()
    local d
    do
      local images = pictures(4, 1, 32, 32)
      d = drawer(images)
    end
    local first = d:batch(rows(4), 1)
    collectgarbage()
    collectgarbage()
    assert.is_true(first:equal((d:batch(rows(4), 1))))
  end)

  it("takes patches from the rows of the pool alone", function()
    local images = agad.cat({agad.full({3, 1, 32, 32}, 100, {dtype = "uint8"}),
      agad.full({3, 1, 32, 32}, 200, {dtype = "uint8"})}, 1)
    local d = drawer(images, {amplitude = {1e-3, 1e-3}, count = 1}, {0, 1, 2})
    for step = 1, 5 do
      local x = d:batch(rows(6), step, {probabilities = only(2)})
      local change = (x - plain(images)):abs():flatten(2):amax {2}
      assert.is_true(change:narrow(1, 1, 3):max():item() < 1e-3)
      assert.is_true(change:narrow(1, 5, 2):max():item() > 50 / SD)
    end
  end)
end)

describe("defects refuses", function()
  local images = agad.zeros({4, 1, 32, 48}, {dtype = "uint8"})

  it("options that it does not know, or cannot use", function()
    local good = {window = {16, 24}, mean = {0}, sd = 1}
    local function message(more)
      local o = {}
      for key, value in pairs(good) do o[key] = value end
      for key, value in pairs(more) do o[key] = value end
      return refused(defects, images, {0, 1}, o)
    end
    has(message {windows = 3}, "defects: unknown option windows; known: amplitude, count, flips, jitter, known, mean, ")
    has(message {flips = {diagonal = true}}, "flips: unknown option diagonal; known: horizontal, transpose, vertical")
    has(message {flips = true}, "flips must be a table")
    has(message {window = 16}, "window = 16 x 16, but the pictures have 32 x 48")
    has(message {window = {32, 24}}, "the same whole number of times")
    has(message {window = {4, 6}}, "window = 4 x 6; give sides of 8 pixels at least")
    for _, bad in ipairs {{8.5}, "8", {8, 8, 8}, -8, {16, "24"}, 0 / 0} do
      has(message {window = bad}, "defects: window must be a")
    end
    has(message {mean = {1, 2, 3}}, "mean must be a list of 1 numbers, one for each channel")
    has(message {mean = {-1}}, "mean must be numbers from 0 to 255")
    has(message {mean = 3}, "mean must be a list of 1 to 3 numbers")
    has(message {sd = 0}, "sd = 0; give a number from")
    has(message {sd = 0 / 0}, "defects: sd = ")
    has(message {count = .5}, "count = 0.5; give a number from 1.0 to")
    has(message {amplitude = {3, 2}}, "amplitude must be two numbers over 0, the smaller one first")
    has(message {amplitude = {0, 2}}, "amplitude must be two numbers over 0")
    has(message {amplitude = {1}}, "amplitude must be a list of 2 numbers")
    has(message {flips = {transpose = true}}, "flips.transpose needs a square window; this one has 16 x 24")
    has(message {jitter = 1}, "jitter = 1; give true or false")
    local masks = agad.zeros({1, 32, 48}, {dtype = "uint8"})
    has(message {known = 1}, "known must be a table of rows, a list, and masks, a tensor")
    has(message {known = {rows = {1}}}, "known must be a table of rows, a list, and masks, a tensor")
    has(message {known = {masks = masks}}, "known must be a table of rows, a list, and masks, a tensor")
    has(message {known = {rows = {1}, mask = masks}}, "defects: known: unknown option mask; known: masks, rows")
    has(message {known = {rows = {4}, masks = masks}}, "row 4 of the known defects, but there are 4 pictures")
    has(message {known = {rows = {1, 2}, masks = masks}}, "masks must be a uint8 tensor (2, 32, 48), a mask for each")
    has(message {known = {rows = {1}, masks = masks:to "float32"}}, "masks must be a uint8 tensor (1, 32, 48)")
    has(message {known = {rows = {"a"}, masks = masks}}, "number")
    has(message {seed = 1.5}, "seed = 1.5; give a whole number")
    has(refused(defects, images, {0}, {window = {16, 24}, mean = {0}}), "sd = nil")
    has(refused(defects, images, {0}, {sd = 1, mean = {0}}), "defects: window must be a")
  end)

  it("pictures and rows that are none", function()
    local o = {window = 8, mean = {0}, sd = 1}
    has(refused(defects, images:to {dtype = "float32"}, {0}, o), "pictures must be a uint8 tensor")
    has(refused(defects, images, {}, {window = {8, 12}, mean = {0}, sd = 1}), "the pool has no rows")
    has(refused(defects, images, {0, 4}, {window = {8, 12}, mean = {0}, sd = 1}), "row 4 of the pool, but there are 4")
    has(refused(defects, images, {-1}, {window = {8, 12}, mean = {0}, sd = 1}), "row -1 of the pool")
  end)

  it("batches that it cannot draw", function()
    local d = drawer(images)
    has(refused(d.batch, d, {0, 4}, 1), "row 4 of the batch, but there are 4 pictures (rows count from 0)")
    has(refused(d.batch, d, {0}, -1), "a step must be a whole number from 0")
    has(refused(d.batch, d, {0}, 1, {crops = true}), "batch: unknown option crops; known: crop, probabilities")
    has(refused(d.batch, d, {0}, 1, {probabilities = {1, 2}}), "probabilities must be a list of 11 numbers")
    local bad = only(1)
    bad[1] = 0
    has(refused(d.batch, d, {0}, 1, {probabilities = bad}), "one of them must be over 0")
    bad[1], bad[2] = 2, -1
    has(refused(d.batch, d, {0}, 1, {probabilities = bad}), "must not be negative")
    has(refused(d.batch, d, {0}, 1, {probabilities = only(KNOWN)}), "only the probability of `known` is over 0")
    has(refused(d.pictures, d, images:narrow(4, 1, 32), 1), "pictures of 1 x 32 x 32, but those of the pool")
    assert.same({0, 1, 32, 48}, (d:batch({}, 1)).shape)
  end)
end)
