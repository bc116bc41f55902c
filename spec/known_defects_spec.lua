-- Known defects among the synthetic ones: what is marked of defective pictures, drawn into others.

local agad = require "agad"
local support = dofile "spec/support/defects.lua"
local KINDS, MEAN, SD = support.KINDS, support.MEAN, support.SD
local KNOWN = #KINDS
local drawer, known, none, only = support.drawer, support.known, support.none, support.only
local pictures, rows = support.pictures, support.rows

describe("known defects", function()
  -- Row 0 is 100, and row 1 is 140, with a defect of 180 on rows 9 to 14 and columns 21 to 24 (from 0).
  local function grey(height, width)
    local images = agad.cat({agad.full({1, 1, height, width}, 100, {dtype = "uint8"}),
      agad.full({1, 1, height, width}, 140, {dtype = "uint8"})}, 1)
    images:narrow(1, 2, 1):narrow(3, 10, 6):narrow(4, 22, 4):fill_(180)
    return images, known(images, {1}, 10, 22, 6, 4)
  end

  -- Where a mask is 1: the first row and column, and how many pixels; nil if nowhere.
  local function place_of(mask)
    local n = mask:sum():item()
    if n == 0 then return nil end
    local function first(dim)
      for i, v in ipairs(mask:amax({dim}):totable()) do if v > 0 then return i - 1 end end
    end
    return first(2), first(1), n
  end

  local function draw(d, steps, how)
    local found, o = {}, {probabilities = only(KNOWN)}
    for key, v in pairs(how or {}) do o[key] = v end
    for step = 1, steps do
      local x, mask, weight, kinds = d:batch({0, 0, 0}, step, o)
      assert.same({{}, {KNOWN}, {KNOWN}}, kinds)
      for i = 2, 3 do
        local row, column, n = place_of(mask[i][1])
        found[#found + 1] = {row = row, column = column, n = n, weight = weight[i][1],
          x = x[i][1] * SD + MEAN[1], level = n and ((x[i][1] * SD + MEAN[1]) * mask[i][1]):max():item()}
      end
    end
    return found
  end

  it("come as they are or with their surroundings levelled, at their own place or elsewhere, turned or not", function()
    local images, list = grey(32, 48)
    local found = draw(drawer(images, {count = 1, known = list}, {0}), 60)
    local levels, own, places, n = {}, 0, {}, 0
    for _, f in ipairs(found) do
      -- 180, or 40 more than what is around
      local level = math.abs(f.level - 180) < 1 and "own" or math.abs(f.level - 140) < 1 and "levelled"
      assert.is_truthy(level, f.level)
      levels[level] = (levels[level] or 0) + 1
      assert.is_true(f.n >= 8 and f.n <= 60, "24 pixels, enlarged or reduced to .74 of the sides at most: " .. f.n)
      assert.is_true(f.x:min():item() > 99 and f.x:max():item() < 181)
      if math.abs(f.row - 9) <= 5 and math.abs(f.column - 21) <= 5 then own = own + 1 end
      places[f.row .. "," .. f.column] = true
    end
    for _ in pairs(places) do n = n + 1 end
    assert.is_true(levels.own > 35 and levels.levelled > 35, ("%d %d"):format(levels.own, levels.levelled))
    assert.is_true(own > 45 and own < 95, own .. " of 120 near their own place")
    assert.is_true(n > 40, n .. " places")
  end)

  it("are seen in reduced pictures, and in crops that hold a part of them", function()
    local images, list = grey(64, 96)
    local d = drawer(images, {count = 1, window = {32, 48}, known = list}, {0})
    for _, f in ipairs(draw(d, 20)) do
      assert.is_true(f.n >= 6 and f.n <= 30, "4 x 3 pixels: " .. f.n)
    end
    local sizes = {}
    for _, f in ipairs(draw(d, 20, {crop = true})) do
      assert.is_true(f.n >= 1 and f.n <= 60, tostring(f.n))
      sizes[f.n] = true
    end
    assert.is_truthy(next(sizes, next(sizes)))
  end)

  it("keep thin lines when pictures are reduced", function()
    local images = agad.full({2, 1, 64, 64}, 100, {dtype = "uint8"})
    local masks = agad.zeros({1, 64, 64}, {dtype = "uint8"})
    images:narrow(1, 2, 1):narrow(3, 20, 1):narrow(4, 10, 40):fill_(250)
    masks:narrow(2, 20, 1):narrow(3, 10, 40):fill_(1)
    local d = drawer(images, {count = 1, window = 16, known = {rows = {1}, masks = masks}}, {0})
    for _, f in ipairs(draw(d, 10)) do assert.is_true(f.n >= 6, f.n .. " of 10 pixels") end
  end)

  it("are no part of pictures that are drawn on as a whole, and change nothing where there are none", function()
    local images = pictures(9, 1, 32, 32)
    local without, with = drawer(images), drawer(images, {known = known(images, {3}, 4, 4, 8, 8)})
    assert.is_true(without:pictures(images, 5):equal((with:pictures(images, 5))))
    local p = {}
    for i = 1, #KINDS do p[i] = i / 10 end
    local some = {without:batch(rows(9), 3, {probabilities = p})}
    p[KNOWN] = 0
    local same = {without:batch(rows(9), 3, {probabilities = p})}
    assert.is_true(some[1]:equal(same[1]) and some[2]:equal(same[2]))
    assert.same(some[4], same[4])
    assert.is_true(some[1]:equal((with:batch(rows(9), 3, {probabilities = p}))))
    local all, n = 0, 0
    for step = 1, 40 do
      for _, kinds in ipairs((select(4, with:batch(rows(9), step)))) do
        for _, kind in ipairs(kinds) do all, n = all + 1, n + (kind == KNOWN and 1 or 0) end
      end
    end
    assert.is_true(n > all / 11 * .6 and n < all / 11 * 1.5, ("%d of %d"):format(n, all))
  end)

  it("leave the picture as it is where a mask marks nothing", function()
    local images = pictures(3, 3, 32, 32)
    local nothing = {rows = {1}, masks = agad.zeros({1, 32, 32}, {dtype = "uint8"})}
    for _, crop in ipairs {false, true} do
      local d = drawer(images, {window = 16, known = nothing})
      local x, mask, weight = d:batch({0, 0, 0}, 2, {probabilities = only(KNOWN), crop = crop})
      assert.is_true(none(mask) and weight:min():item() == 1)
      if not crop then assert.is_true(x[1]:equal(x[2])) end
    end
  end)

  it("keep the masks that they were given", function()
    local images, list = grey(32, 32)
    list.masks = agad.cat({list.masks, list.masks}, 2):narrow(2, 1, 32)          -- not dense
    local d = drawer(images, {known = list}, {0})
    local first = d:batch({0, 0, 0}, 1, {probabilities = only(KNOWN)})
    list.masks = nil
    collectgarbage()
    collectgarbage()
    assert.is_true(first:equal((d:batch({0, 0, 0}, 1, {probabilities = only(KNOWN)}))))
  end)
end)
