-- Sets made of counts, for specs: every picture is its own (its number in the first bytes, then its label).

local core = require "agad.core"

local sets = {}

local SIDE = 8

local function bytes_of(number, label)
  local list = {number % 251, number // 251 % 251, number // 63001 % 251}
  for i = 4, SIDE * SIDE do list[i] = (label * 37 + number * i) % 256 end
  return list
end

--- A split of `counts[i]` pictures of label i - 1, classes in turn as long as they last; numbers start at `first`.
function sets.split(counts, first)
  local labels, pixels, left, any = {}, {}, table.move(counts, 1, #counts, 1, {}), true
  while any do
    any = false
    for i, n in ipairs(left) do
      if n > 0 then
        left[i], any = n - 1, true
        labels[#labels + 1] = i - 1
        for _, b in ipairs(bytes_of(first + #labels, i - 1)) do pixels[#pixels + 1] = b end
      end
    end
  end
  local images = core.from_table(pixels, "uint8"):view({#labels, 1, SIDE, SIDE})
  return {images = images, labels = core.from_table(labels, "int64")}
end

--- A set: classes (names), train and test (counts a class; no test: unsplit), more fields.
function sets.new(classes, train, test, more)
  local set = {name = "made", classes = classes, channels = 1, height = SIDE, width = SIDE, options = {},
    call = "made()", train = sets.split(train, 0), test = test and sets.split(test, 100000) or nil,
    unsplit = not test or nil}
  set.info = {name = set.name, classes = classes}
  for name, value in pairs(more or {}) do set[name] = value end
  return setmetatable(set, {__tostring = function(s) return s.call end})
end

return sets
