-- Augmentation: what each option does to a batch, the same for a seed and a step, and in training.
-- To add a case: a test of what the option does to a batch of known pictures, from a seed.

local agad = require "agad"
local augment = require "agad.train.augment"
local checks = dofile "spec/support/checks.lua"
local range = {-1, 1}

-- n pictures of one channel whose pixels are all different, in the range.
local function batch(n, h, w)
  return agad.arange(n * h * w, {dtype = "float32"}):reshape({n, 1, h, w}) * (2 / (n * h * w)) - 1
end

local function apply(x, o, step, seed) return augment.apply(x, augment.wanted(o), seed or 1, step or 0, range) end

local function equal(a, b) return a:eq(b):all():item() end

-- What was done to picture i, read off the pixel at (2, 2), from 0, and its neighbour: every pixel is a number of its
-- own. All the others must agree.
local function moved(x, y, i)
  local h, w = x:size(3), x:size(4)
  local from, to, place = x:select(1, i):flatten():totable(), y:select(1, i):flatten():totable(), {}
  for p, value in ipairs(from) do place[value] = p - 1 end
  local row, column = place[to[2 * w + 3]] // w, place[to[2 * w + 3]] % w
  local flipped = place[to[2 * w + 4]] % w < column
  local down, right = 2 - row, 2 - (flipped and w - 1 - column or column)
  for r = 0, h - 1 do
    for c = 0, w - 1 do
      local source = math.max(0, math.min(w - 1, c - right))
      if flipped then source = w - 1 - source end
      assert.equal(math.max(0, math.min(h - 1, r - down)) * w + source, place[to[r * w + c + 1]])
    end
  end
  return flipped, down, right
end

describe("augmentation", function()
  it("is off unless something is asked for", function()
    assert.is_nil(augment.wanted(nil))
    assert.is_nil(augment.wanted {})
    assert.is_nil(augment.wanted {flip = false, shift = 0, brightness = 0.0})
    assert.same({flip = true, shift = 0, brightness = 0}, augment.wanted {flip = true})
    checks.has(checks.refused(augment.wanted, {flips = true}),
      "augment: unknown option flips; did you mean flip?; known: brightness, flip, shift")
  end)

  it("flips half of the pictures", function()
    local x, flipped = batch(200, 2, 3), 0
    local y = apply(x, {flip = true})
    for i = 1, 200 do
      local one, other = x:select(1, i), y:select(1, i)
      if not equal(one, other) then
        assert.is_true(equal(one:flip({3}), other))
        flipped = flipped + 1
      end
    end
    assert.is_true(flipped > 70 and flipped < 130, flipped)
  end)

  it("shifts by whole pixels, evenly, and repeats the edges", function()
    local x, seen = batch(200, 8, 9), {}
    local y = apply(x, {flip = true, shift = 2}, 3)
    assert.same(x.shape, y.shape)
    for i = 1, 200 do
      local flipped, down, right = moved(x, y, i)
      for name, value in pairs {flip = flipped and 1 or 0, down = down, right = right} do
        seen[name .. value] = (seen[name .. value] or 0) + 1
      end
    end
    assert.is_true(seen.flip1 > 70 and seen.flip1 < 130)
    for _, name in ipairs {"down", "right"} do
      for d = -2, 2 do assert.is_true(seen[name .. d] > 20 and seen[name .. d] < 65, name .. d) end
    end
  end)

  it("changes the brightness of a picture as a whole, within the range", function()
    local x = batch(100, 4, 4)
    local y = apply(x, {brightness = .1})
    assert.is_true(y:max():item() <= 1 and y:min():item() >= -1)
    local middle = y:narrow(1, 20, 60) - x:narrow(1, 20, 60)
    local spread = middle:amax({2, 3, 4}) - middle:amin({2, 3, 4})
    assert.is_true(spread:max():item() < 1e-6)
    local change = middle:amax({2, 3, 4})
    assert.is_true(change:max():item() > .1 and change:max():item() <= .2)         -- a tenth of 2, the range
    assert.is_true(change:min():item() < -.1 and change:min():item() >= -.2)
  end)

  it("treats the channels of a picture alike, and leaves the batch as it was", function()
    local x = batch(20, 4, 4):expand({20, 3, 4, 4}):contiguous()
    local before = x:clone()
    local y = apply(x, {flip = true, shift = 1, brightness = .2})
    assert.same({20, 3, 4, 4}, y.shape)
    assert.is_true(equal(y:select(2, 1), y:select(2, 3)))
    assert.is_true(equal(before, x))
    assert.equal("float64", apply(x:to("float64"), {shift = 1, brightness = .2}).dtype)
  end)

  it("depends on the seed and the step alone", function()
    local x, o = batch(32, 5, 5), {flip = true, shift = 2, brightness = .1}
    assert.is_true(equal(apply(x, o, 7, 3), apply(x, o, 7, 3)))
    assert.is_false(equal(apply(x, o, 7, 3), apply(x, o, 8, 3)))
    assert.is_false(equal(apply(x, o, 7, 3), apply(x, o, 7, 4)))
  end)

  it("is an option of training, and part of its configuration", function()
    local set = agad.data.weave {train_normals = 16, train_defects = 4, test_normals = 4, test_defects = 4}
    local function losses(given)
      local task = agad.task.one_vs_rest(set, {holdout = 0})
      given.epochs, given.batch, given.precision, given.threads = 1, 8, "fp32", 1
      local run = agad.trainer(task, given)
      run:fit(function() end)
      return run.losses, run.config
    end
    local plain, config = losses {}
    assert.same({flip = false, shift = 0, brightness = 0}, config.augment)
    assert.same(plain, losses {augment = {shift = 0}})
    local moved_losses, with = losses {augment = {flip = true, shift = 2}}
    assert.not_same(plain, moved_losses)
    assert.same(moved_losses, (losses {augment = {flip = true, shift = 2}}))
    assert.same({flip = true, shift = 2, brightness = 0}, with.augment)
    assert.not_equal(agad.options.hash(config), agad.options.hash(with))
    checks.has(checks.refused(losses, {augment = {shift = -1}}), "augment.shift = -1: it must be between 0 and 4096")
    checks.has(checks.refused(losses, {augment = {shfit = 1}}), '"augment.shfit"; did you mean augment.shift')
  end)
end)
