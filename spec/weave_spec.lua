-- The built-in set: the same bytes everywhere (frozen by hashes), hard for plain statistics, well formed.
-- To add a case: a test over a small set of the texture; its bytes are frozen by hashes, which change with a reason
-- only.

local agad = require "agad"
local data, core = agad.data, agad.core

local TEXTURES = {"cloth", "metal", "grain", "dots"}
local KINDS = {"scratch", "hole", "stain", "missing_thread", "smudge"}

local function small(o)
  local all = {train_normals = 8, train_defects = 0, test_normals = 4, test_defects = 10}
  for key, value in pairs(o) do all[key] = value end
  return data.weave(all)
end

local function hash(tensor) return core.hash(tensor:tostring_bytes()) end

-- XXH64 of test pictures and masks: 4 sound ones and two of each defect. These bytes must not change.
local FROZEN = {
  cloth32 = {"32caee40b0f7a79e", "6bc6d310767b8c07"},
  cloth64 = {"049df64feae53089", "38b9d26849167e0b"},
  metal32 = {"ab7397eb47ccf32a", "209994579d8b468d"},
  metal64 = {"32564d3873040740", "25dd2529b8f1102c"},
  grain32 = {"609b5115912eba84", "47d8ae523f78f503"},
  grain64 = {"af3c3b7f545c9d1e", "6274f86a2903cd9c"},
  dots32 = {"06c81bf3be13f53d", "8f654bd41fce724f"},
  dots64 = {"ef9964e0e0e3e212", "d10d729efdb2b96c"},
}

describe("weave", function()
  for _, texture in ipairs(TEXTURES) do
    for _, shape in ipairs {{32, 1}, {64, 3}} do
      it(("draws the same bytes everywhere: %s, %d pixels, %d channels"):format(texture, shape[1], shape[2]), function()
        local set = small {normal = texture, size = shape[1], channels = shape[2]}
        assert.same(FROZEN[texture .. shape[1]], {hash(set.test.images), hash(set.test.masks)})
      end)
    end

    it("gives plain statistics less than .75 AUROC: " .. texture, function()
      local set = data.weave {normal = texture}
      local anomalous = set.test.labels:gt(0)
      for _, found in ipairs(data.shortcut(set.test.images, anomalous)) do
        assert.is_true(found.auroc < 0.75, found.name .. " " .. found.auroc)
      end
      local scale = set.train.images:narrow(1, 1, 2000):to {dtype = "float32"}
      local middle = scale:mean({1})
      local distance = (set.test.images:to {dtype = "float32"} - middle):square():sum {dim = {2, 3, 4}}:sqrt()
      local auroc = agad.metrics.auroc(distance, anomalous)
      assert.is_true(math.max(auroc, 1 - auroc) < 0.75, "distance to the mean picture " .. auroc)
    end)
  end

  it("holds 2,000 sound and 200 defective pictures to train, 500 and 500 to test", function()
    local set = data.weave()
    assert.same({2200, 1, 32, 32}, set.train.images.shape)
    assert.same({1000, 1, 32, 32}, set.test.images.shape)
    assert.same({"cloth", table.unpack(KINDS)}, set.classes)
    local count = {}
    for i, label in ipairs(set.train.labels:totable()) do
      count[label] = (count[label] or 0) + 1
      assert.equal(i <= 2000, label == 0)
    end
    assert.same({[0] = 2000, 40, 40, 40, 40, 40}, count)
    assert.equal("agad.data.weave()", tostring(set))
    assert.equal('agad.data.weave{normal = "dots", size = 64}',
      tostring(small {normal = "dots", size = 64}):gsub(", t%w+_%w+ = %d+", ""):gsub("{.-normal", "{normal"))
  end)

  it("marks a defect of 2 to 25 per cent in every defective picture, and none in the others", function()
    for _, texture in ipairs(TEXTURES) do
      local set = data.weave {normal = texture, train_normals = 1, train_defects = 0}
      local share = set.test.masks:to({dtype = "float32"}):mean({2, 3}):totable()
      for i, label in ipairs(set.test.labels:totable()) do
        if label == 0 then assert.equal(0, share[i])
        else assert.is_true(share[i] > 0.015 and share[i] < 0.25, ("%s %d: %g"):format(texture, i, share[i])) end
      end
    end
  end)

  it("changes pixels only where and near where the mask says", function()
    local bright = {}
    local set = data.weave {test_defects = 100, train_normals = 1, train_defects = 0, test_normals = 1}
    local images, masks = set.test.images:flatten():totable(), set.test.masks:flatten():totable()
    for i = 1, #masks do                         -- inside and outside differ in brightness, either way
      local picture, inside = (i - 1) // 1024, masks[i]
      bright[picture] = bright[picture] or {[0] = 0, 0, n = {[0] = 0, 0}}
      bright[picture][inside] = bright[picture][inside] + images[i]
      bright[picture].n[inside] = bright[picture].n[inside] + 1
    end
    local lighter, darker = 0, 0
    for picture = 1, 100 do
      local b = bright[picture]
      local difference = b[1] / b.n[1] - b[0] / b.n[0]
      if difference > 10 then lighter = lighter + 1 elseif difference < -10 then darker = darker + 1 end
    end
    assert.is_true(lighter >= 30 and darker >= 30 and lighter + darker >= 90, lighter .. " " .. darker)
  end)

  it("draws a shorter set as the beginning of a longer one, and another from another seed", function()
    local long, short = small {test_normals = 6}, small {test_normals = 3}
    assert.equal(hash(long.test.images:narrow(1, 1, 3)), hash(short.test.images:narrow(1, 1, 3)))
    assert.not_equal(hash(short.test.images), hash(small({test_normals = 3, seed = 2}).test.images))
    local set = small {train_normals = 4}
    assert.not_equal(hash(set.train.images:narrow(1, 1, 4)), hash(set.test.images:narrow(1, 1, 4)))
  end)

  it("draws larger pictures and colour", function()
    local set = small {size = 96, channels = 3, test_normals = 1, test_defects = 5}
    assert.same({6, 3, 96, 96}, set.test.images.shape)
    assert.same({6, 96, 96}, set.test.masks.shape)
  end)

  it("refuses what it cannot draw", function()
    local function refused(pattern, o)
      local ok, err = pcall(data.weave, o)
      assert.is_false(ok)
      assert.match(pattern, err)
    end
    refused("weave: no texture wool; known: cloth, metal, grain, dots", {normal = "wool"})
    refused("weave: size = 31: it must be between 32 and 1024", {size = 31})
    refused("weave: channels = 2: it must be one of 1, 3", {channels = 2})
    refused("weave: unknown option sise; did you mean size%?", {sise = 32})
    refused("weave: train_normals = %-1: it must be at least 0", {train_normals = -1})
    refused("weave: test_defects = 9223372036854775807: it must be between 0 and", {test_defects = math.maxinteger})
    refused("weave: size = 32.5: a whole number is needed", {size = 32.5})
  end)
end)
