-- Seeded choices of a task. They have a random generator of their own (splitmix64), so that no other use of random
-- numbers changes them.

local random = {}

--- A generator: function(n) gives 1 … n. Streams of one seed are independent.
-- @param seed integer
-- @param stream integer 0
function random.generator(seed, stream)
  local state = seed * 2 + 1 + (stream or 0) * 0x632be59bd9b4e019
  return function(n)
    state = state + 0x9e3779b97f4a7c15
    local z = state
    z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ~ (z >> 27)) * 0x94d049bb133111eb
    z = z ~ (z >> 31)
    return (z >> 1) % n + 1
  end
end

--- Shuffles a list in place and returns it.
function random.shuffle(list, draw)
  for i = #list, 2, -1 do
    local j = draw(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

--- The rows of all classes in a random order, whose first k rows are spread as evenly over the classes as possible, for
-- every k: in each turn, every class with rows left gives one.
-- @param by_class table label -> list of rows; the lists are shuffled
-- @return list rows
function random.interleaved(by_class, draw)
  local classes, order = {}, {}
  for class in pairs(by_class) do classes[#classes + 1] = class end
  table.sort(classes)
  for _, class in ipairs(classes) do random.shuffle(by_class[class], draw) end
  local depth, more = 0, true
  while more do
    depth, more = depth + 1, false
    for _, class in ipairs(random.shuffle(table.move(classes, 1, #classes, 1, {}), draw)) do
      local row = by_class[class][depth]
      if row then order[#order + 1], more = row, true end
    end
  end
  return order
end

return random
