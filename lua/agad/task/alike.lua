-- Pictures of files that are nearly the same, as of one part that was photographed twice: a split that separated them
-- would test on what was trained on. Copies have equal pixels; others are compared as 16 x 16 grey thumbnails, each
-- less its mean and in units of its SD. Two are alike if they differ by little, by little beside how the pictures
-- differ from their mean, and by little beside how they differ from their neighbours: aligned objects are all alike
-- otherwise.

local agad = require "agad"
local core = require "agad.core"

local alike = {}

local SIDE, FLAT = 16, 1                          -- of a thumbnail, and the SD (of 255) below which it shows nothing
local DIFFERENCE, SHARE, NEAR = .15, .03, .4      -- RMS; of the squares from the mean; of a neighbour's distance
local NEIGHBOUR, BLOCK = 20, 512
local MOST, PAIRS = 30000, 50                     -- pictures that are compared; pairs of each, above which none count

-- Thumbnails (n, 256) of these pictures in float64, and whether each shows anything.
local function thumbnails(images, rows)
  local parts = {}
  for first = 1, #rows, BLOCK do
    local some = table.move(rows, first, math.min(#rows, first + BLOCK - 1), 1, {})
    local x = images:index_select(1, core.from_table(some, "int64")):to "float32":mean {dim = 2, keepdim = true}
    parts[#parts + 1] = x:adaptive_avg_pool2d {SIDE, SIDE}:flatten(2)
  end
  local x = core.operator "cat"(parts, 1):to "float64"
  x = x - x:mean {dim = 2, keepdim = true}
  local sd = x:square():mean {dim = 2, keepdim = true}:sqrt()
  return x / sd:clamp {min = FLAT}, sd:flatten():ge(FLAT)
end

-- Squared distances of some rows of x from the rows of another; and the largest ones that may be of alike pictures.
local function distances(x, from_mean, rows, others)
  local a, b = x:index_select(1, rows), x:narrow(1, others + 1, x:size(1) - others)
  local d = (a:square():sum {dim = 2, keepdim = true} + b:square():sum {dim = 2} - a:matmul(b:t()) * 2):clamp {min = 0}
  local c = from_mean:index_select(1, rows):unsqueeze(2) + from_mean:narrow(1, others + 1, b:size(1))
  return d, (c * (SHARE / 2)):clamp {max = DIFFERENCE ^ 2 * x:size(2)}
end

-- Pairs {i, j} of rows of x, from 0, that may be alike: i < j. nil if nearly all are. In float32, with some slack.
local function candidates(x, from_mean)
  local n, found = x:size(1), {}
  x, from_mean = x:to "float32", from_mean:to "float32"
  for first = 0, n - 1, BLOCK do
    local rows = agad.arange(first, math.min(n, first + BLOCK), {dtype = "int64"})
    local d, limit = distances(x, from_mean, rows, first)
    local hits = d:le(limit * 1.01 + .01):triu(1):nonzero()
    if #found + hits:size(1) > PAIRS * n then return nil end
    for _, at in ipairs(hits:totable()) do found[#found + 1] = {at[1] + first, at[2] + first} end
  end
  return found
end

-- Pairs {i, j} of rows of x, from 0, that are alike; those of x in float64, so that no rounding decides.
local function pairs_of(x)
  local n, kept, place, list = x:size(1), {}, {}, {}
  local from_mean = (x - x:mean {dim = 1, keepdim = true}):square():sum {dim = 2}
  local found = candidates(x, from_mean) or {}
  for _, p in ipairs(found) do
    for _, row in ipairs(p) do
      if not place[row] then list[#list + 1], place[row] = row, #list end
    end
  end
  local k, near, mine = math.min(NEIGHBOUR, n // 2) + 1, {}, {}              -- the nearest one is the picture itself
  for _, p in ipairs(found) do
    mine[p[1]] = mine[p[1]] or {}
    table.insert(mine[p[1]], p)
  end
  for first = 1, #list, BLOCK do
    local rows = table.move(list, first, math.min(#list, first + BLOCK - 1), 1, {})
    local d, limit = distances(x, from_mean, core.from_table(rows, "int64"), 0)
    for i, v in ipairs(d:kthvalue(k, {dim = 2}):totable()) do near[rows[i]] = v end
    for i, row in ipairs(rows) do
      for _, p in ipairs(mine[row] or {}) do
        p[3] = d:select(1, i):select(1, p[2] + 1):item()
        p[4] = p[3] <= limit:select(1, i):select(1, p[2] + 1):item()
      end
    end
  end
  for _, p in ipairs(found) do
    if p[4] and p[3] <= NEAR ^ 2 * math.min(near[p[1]], near[p[2]]) then kept[#kept + 1] = p end
  end
  return kept
end

local function find(above, i)
  while above[i] ~= i do
    above[i] = above[above[i]]
    i = above[i]
  end
  return i
end

-- Joins copies; the first picture with each content, from 0.
local function join_copies(images, above)
  local first, different = {}, {}
  for i, hash in ipairs(core.data.hashes(images):totable()) do
    if first[hash] then above[find(above, i - 1)] = find(above, first[hash])
    else
      first[hash] = i - 1
      different[#different + 1] = i - 1
    end
  end
  return different
end

local function join_alike(images, rows, above)
  if #rows < 2 or #rows > MOST then return end
  local x, shows = thumbnails(images, rows)
  local seen = shows:nonzero():flatten()
  if seen:numel() < 2 then return end
  local at = seen:totable()
  for _, p in ipairs(pairs_of(x:index_select(1, seen))) do
    above[find(above, rows[at[p[1] + 1] + 1])] = find(above, rows[at[p[2] + 1] + 1])
  end
end

local known = setmetatable({}, {__mode = "k"})    -- set -> groups

--- The groups of pictures of a set that are nearly the same, of train and test together.
-- @param set set
-- @return list of lists of numbers from 0, sorted; those from the number of training pictures on are test pictures.
--   Empty for sets that are not made of files.
function alike.groups(set)
  if not set.train.paths then return {} end
  if known[set] then return known[set] end
  local images, above, lists, groups = set.train.images, {}, {}, {}
  if set.test then images = core.operator "cat"({images, set.test.images}, 1) end
  local n = images:size(1)
  for i = 0, n - 1 do above[i] = i end
  join_alike(images, join_copies(images, above), above)
  for i = 0, n - 1 do
    local top = find(above, i)
    lists[top] = lists[top] or {}
    table.insert(lists[top], i)
  end
  for i = 0, n - 1 do
    local list = lists[find(above, i)]
    if list[1] == i and #list > 1 then groups[#groups + 1] = list end
  end
  known[set] = groups
  return groups
end

--- The groups among the training pictures that a split keeps together. A group of most normals, or of a fifth of the
-- pictures, cannot be.
-- @param set set
-- @param labels list of the label of each training picture
-- @param normal table label -> true
-- @return table row (from 0) -> list of the rows of its group
-- @return table kept (pictures in groups that stay together), groups (how many), example (two rows); split (pictures in
--   groups that do not); all (whether all normals are one group); across (list of {row of train, row of test})
function alike.kept(set, labels, normal)
  local of, about, normals = {}, {kept = 0, groups = 0, split = 0, across = {}}, 0
  for _, label in ipairs(labels) do normals = normals + (normal[label] and 1 or 0) end
  for _, group in ipairs(alike.groups(set)) do
    local rows, own = {}, 0
    for _, i in ipairs(group) do
      if i < #labels then
        rows[#rows + 1] = i
        own = own + (normal[labels[i + 1]] and 1 or 0)
      elseif rows[1] then about.across[#about.across + 1] = {rows[1], i - #labels} end
    end
    about.all = about.all or own == normals and own > 1
    if #rows > math.max(12, #labels // 5) or own > normals / 2 and own > 1 then about.split = about.split + #rows
    elseif #rows > 1 then
      about.kept, about.groups, about.example = about.kept + #rows, about.groups + 1, about.example or rows
      for _, row in ipairs(rows) do of[row] = rows end
    end
  end
  return of, about
end

return alike
