-- Localisation: pixel AUROC and PRO by hand, and against their definition over every threshold and region.
-- To add a case: a test with a mask and a map whose figures are known by hand.

local agad = require "agad"
local metrics = agad.metrics
local refused = dofile("spec/support/checks.lua").refused

-- The definition: every threshold, every region.
local function slow_localisation(maps, masks, h, w, limit)
  local regions, normals, seen = {}, {}, {}
  for k, mask in ipairs(masks) do
    for i = 1, h * w do
      if mask[i] == 0 then normals[#normals + 1] = maps[k][i]
      elseif not seen[k .. " " .. i] then
        local region, stack = {}, {i}
        seen[k .. " " .. i] = true
        while #stack > 0 do
          local at = table.remove(stack)
          region[#region + 1] = maps[k][at]
          local y, x = (at - 1) // w, (at - 1) % w
          for v = math.max(0, y - 1), math.min(h - 1, y + 1) do
            for u = math.max(0, x - 1), math.min(w - 1, x + 1) do
              local next_one = v * w + u + 1
              if mask[next_one] ~= 0 and not seen[k .. " " .. next_one] then
                seen[k .. " " .. next_one] = true
                stack[#stack + 1] = next_one
              end
            end
          end
        end
        regions[#regions + 1] = region
      end
    end
  end
  local cuts, known = {}, {}
  for _, map in ipairs(maps) do
    for _, s in ipairs(map) do if not known[s] then known[s] = true; cuts[#cuts + 1] = s end end
  end
  table.sort(cuts, function(a, b) return a > b end)
  local function share(list, cut)
    local n = 0
    for _, s in ipairs(list) do if s >= cut then n = n + 1 end end
    return n / #list
  end
  local before, area = {0, 0}, 0
  for _, cut in ipairs(cuts) do
    local fpr, overlap = share(normals, cut), 0
    for _, region in ipairs(regions) do overlap = overlap + share(region, cut) / #regions end
    if before[1] < limit and fpr > before[1] then
      local stop = math.min(fpr, limit)
      local there = before[2] + (overlap - before[2]) * (stop - before[1]) / (fpr - before[1])
      area = area + (stop - before[1]) * (before[2] + there) / 2
    end
    before = {fpr, overlap}
  end
  return area / limit, #regions
end

describe("localisation", function()
  local function measure(maps, masks, h, w, limit)
    local l = metrics.localiser(#maps, h, w)
    local flat_maps, flat_masks = {}, {}
    for k = 1, #maps do
      table.move(maps[k], 1, h * w, #flat_maps + 1, flat_maps)
      table.move(masks[k], 1, h * w, #flat_masks + 1, flat_masks)
    end
    l:add(agad.tensor(flat_maps):reshape {#maps, h, w}, agad.core.from_table(flat_masks, "uint8"):reshape {#maps, h, w})
    return l:result(limit)
  end

  it("of a map that is the mask is 1, of its reverse 0, of an even one half", function()
    local mask = {0, 0, 1, 1, 0, 0, 0, 0, 1}
    local reverse, even = {}, {}
    for i, v in ipairs(mask) do reverse[i], even[i] = 1 - v, 3 end
    local r = measure({mask}, {mask}, 3, 3)
    assert.same({1, 1, 3, 3, 6}, {r.pixel_auroc, r.pro, r.regions, r.defect_pixels, r.normal_pixels})
    r = measure({reverse}, {mask}, 3, 3)
    assert.same({0, 0}, {r.pixel_auroc, r.pro})
    r = measure({even}, {mask}, 3, 3)
    assert.equal(.5, r.pixel_auroc)
    assert.near(.15, r.pro, 1e-12)                            -- the diagonal's area up to .3, over .3
  end)

  it("joins diagonal neighbours, and weighs a small region as a large one", function()
    local mask = {1, 0, 0, 0,
                  0, 1, 0, 0,
                  0, 0, 0, 1,
                  1, 0, 0, 1}
    local map = {9, 0, 0, 0,
                 0, 9, 0, 0,
                 0, 0, 0, 0,
                 0, 0, 0, 9}
    local r = measure({map}, {mask}, 4, 4)
    assert.equal(3, r.regions)
    -- covered at no false alarm: 1, 1/2 and 0 of the regions; the rest rises evenly to a rate of 1
    assert.near(.5 + .5 * .15, r.pro, 1e-12)
    assert.near(3 / 5 + 2 / 5 * .5, r.pixel_auroc, 1e-12)
  end)

  it("equals the definition on random cases with ties, added in parts or at once", function()
    local state = 99
    local function draw(n)
      state = (state * 1103515245 + 12345) % 2147483648
      return state // 65536 % n
    end
    for round = 1, 15 do
      local h, w, n = 3 + draw(5), 3 + draw(5), 1 + draw(4)
      local maps, masks, scores, labels = {}, {}, {}, {}
      for k = 1, n do
        maps[k], masks[k] = {}, {}
        for i = 1, h * w do
          masks[k][i] = draw(4) == 0 and 1 or 0
          maps[k][i] = draw(9) + 3 * masks[k][i]
        end
      end
      masks[1][1], masks[1][2] = 1, 0
      for k = 1, n do
        table.move(maps[k], 1, h * w, #scores + 1, scores)
        table.move(masks[k], 1, h * w, #labels + 1, labels)
      end
      for _, limit in ipairs {.3, .05, 1} do
        local r = measure(maps, masks, h, w, limit)
        local pro, regions = slow_localisation(maps, masks, h, w, limit)
        assert.near(pro, r.pro, 1e-12, ("round %d, limit %g"):format(round, limit))
        assert.equal(regions, r.regions)
        assert.near(metrics.auroc(scores, labels), r.pixel_auroc, 1e-12)
      end
    end
  end)

  it("of noise is half", function()
    local l = metrics.localiser(40, 64, 64)
    agad.manual_seed(5)
    local masks = agad.zeros(20, 64, 64, {dtype = "uint8"})
    masks:narrow(2, 10, 12):narrow(3, 20, 9):fill_(1)
    for _ = 1, 2 do l:add(agad.rand(20, 64, 64), masks) end
    local r = l:result()
    assert.same({40, 40 * 12 * 9}, {r.regions, r.defect_pixels})
    assert.near(.5, r.pixel_auroc, .02)
    assert.near(.15, r.pro, .02)
  end)

  it("refuses other shapes, too many maps, numbers that are none, and masks without a defect", function()
    local l = metrics.localiser(1, 2, 3)
    local map, mask = agad.zeros(1, 2, 3), agad.zeros(1, 2, 3, {dtype = "uint8"})
    assert.match("maps must be %(count, 2, 3%)", refused(l.add, l, agad.zeros(1, 3, 2), mask))
    assert.match("masks must be %(count, 2, 3%)", refused(l.add, l, map, agad.zeros(2, 2, 3)))
    assert.match("pixel 1 of map 1 is not finite", refused(l.add, l, map / 0, mask))
    l:add(map, mask)
    assert.match("more maps than the 1", refused(l.add, l, map, mask))
    assert.match("0 defective and 6 normal pixels", refused(l.result, l))
    assert.match("is closed", refused(l.result, l))
  end)
end)
