-- The train and test sides of a task: sets without a split are split at random from a seed. The train side keeps all
-- pictures of the set's train split, so that row numbers stay the same.

local core = require "agad.core"
local random = require "agad.base.random"

local split = {}

local NORMAL_SHARE, STREAM = 0.2, 1

local fields = {"images", "labels", "masks"}
local origins = {"height", "width", "file_bytes"}

--- Picks rows of a list, with each the whole group that it belongs to. A group that is too large for what is left is
-- passed over; where nothing can be picked otherwise, the smallest one is, if others remain or `whole` is set.
-- @param list rows, in the order in which they are picked
-- @param n integer how many
-- @param of table row -> list of the rows of its group; a row that it lacks is alone
-- @param picked table row -> true: those picked so far, which count; added to
-- @param whole boolean true: all rows of the list may be picked
function split.pick(list, n, of, picked, whole)
  local own, count, smallest, least = {}, 0, nil, #list + (whole and 1 or 0)
  for _, row in ipairs(list) do
    own[row], count = true, count + (picked[row] and 1 or 0)
  end
  local function take(group, size)
    for _, other in ipairs(group) do picked[other] = true end
    count = count + size
  end
  for _, row in ipairs(list) do
    if count >= n then return end
    if not picked[row] then
      local group, size = of[row] or {row}, 0
      for _, other in ipairs(group) do size = size + (own[other] and not picked[other] and 1 or 0) end
      if count + size <= n then take(group, size)
      elseif size < least then smallest, least = group, size end
    end
  end
  if count == 0 and n > 0 and smallest then take(smallest, least) end
end

--- The rows of an unsplit set that become test pictures: 20 % of each normal class (rounded) and half of each anomalous
-- one (rounded up). A set without anomalies keeps everything for training, as nothing could be measured.
-- @param labels list of the label of every row
-- @param normal table label -> true
-- @param seed integer
-- @param of table as for `split.pick`
-- @return list rows of set.train, from 0, in order
function split.test_rows(labels, normal, seed, of)
  local by_class, classes, anomalies = {}, {}, false
  for row, label in ipairs(labels) do
    if not by_class[label] then
      by_class[label] = {}
      classes[#classes + 1] = label
      anomalies = anomalies or not normal[label]
    end
    table.insert(by_class[label], row - 1)
  end
  if not anomalies then return {} end
  table.sort(classes)
  local draw, rows, picked = random.generator(seed, STREAM), {}, {}
  for _, label in ipairs(classes) do
    local own = random.shuffle(by_class[label], draw)
    local n = normal[label] and math.floor(NORMAL_SHARE * #own + .5) or (#own + 1) // 2
    split.pick(own, n, of, picked, not normal[label])    -- without a defect, nothing could be measured
  end
  for row in pairs(picked) do rows[#rows + 1] = row end
  table.sort(rows)
  return rows
end

local function take_list(list, rows)
  if not list then return nil end
  local taken = {}
  for i, row in ipairs(rows) do taken[i] = list[row + 1] end
  return taken
end

--- A new split with some rows of another.
-- @param from table a split
-- @param rows list from 0
-- @return table a split
function split.take(from, rows)
  local index, taken = core.from_table(rows, "int64"), {paths = take_list(from.paths, rows)}
  for _, name in ipairs(fields) do
    if from[name] then taken[name] = from[name]:index_select(1, index) end
  end
  if from.origin then
    taken.origin = {}
    for _, name in ipairs(origins) do
      if from.origin[name] then taken.origin[name] = from.origin[name]:index_select(1, index) end
    end
  end
  return taken
end

--- Concatenates two splits; fields that only one of them has are left out.
-- @param first table a split
-- @param second table a split
-- @return table a split
function split.join(first, second)
  local cat, joined = core.operator "cat", {}
  for _, name in ipairs(fields) do
    if first[name] and second[name] then joined[name] = cat({first[name], second[name]}, 1) end
  end
  if first.paths and second.paths then
    joined.paths = table.move(first.paths, 1, #first.paths, 1, {})
    table.move(second.paths, 1, #second.paths, #joined.paths + 1, joined.paths)
  end
  if first.origin and second.origin then
    joined.origin = {}
    for _, name in ipairs(origins) do
      local a, b = first.origin[name], second.origin[name]
      if a and b then joined.origin[name] = cat({a, b}, 1) end
    end
  end
  return joined
end

--- The test side: the set's own test split, rows of its train split, or both (in this order), with `anomalous`.
-- @param set set
-- @param rows list of rows of set.train
-- @param normal table label -> true
-- @return table a split; its field `anomalous` is a list with 0 or 1 for each picture
function split.test_side(set, rows, normal)
  local side
  if not set.test then side = split.take(set.train, rows)
  elseif #rows == 0 then side = setmetatable({}, {__index = set.test})
  else side = split.join(set.test, split.take(set.train, rows)) end
  side.anomalous = {}
  for i, label in ipairs(side.labels:totable()) do side.anomalous[i] = normal[label] and 0 or 1 end
  return side
end

--- A test side with at most this many anomalies, distributed as evenly over classes as possible, the same for every
-- seed.
-- @param side table a test side
-- @param most integer
-- @return table a test side; the given one if it has no more anomalies than that
function split.with_fewer_anomalies(side, most)
  local by_class, keep = {}, {}
  for i, label in ipairs(side.labels:totable()) do
    if side.anomalous[i] == 0 then keep[#keep + 1] = i - 1
    else
      by_class[label] = by_class[label] or {}
      table.insert(by_class[label], i - 1)
    end
  end
  if #side.anomalous - #keep <= most then return side end
  table.move(random.interleaved(by_class, random.generator(0)), 1, most, #keep + 1, keep)
  table.sort(keep)
  local fewer = split.take(side, keep)
  fewer.anomalous = take_list(side.anomalous, keep)
  return fewer
end

return split
