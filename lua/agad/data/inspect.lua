--- What a data set holds, before anything is trained on it: `agad info DATA`.
-- Counts, sizes, duplicates, how well simple statistics separate each class from the others, and the mean picture of
-- each class. Everything is measured on the decoded pixels of train and test.

local core = require "agad.core"
local drawn = require "agad.data.drawn"
local errors = require "agad.base.errors"
local printable = require("agad.base.text").printable
local format = require("agad.base.text").format

local inspect = {}

local EXAMPLES, SHORTCUT, NAMED = 5, 0.9, 5
local SIDES = {"train", "test"}
local STATISTICS = {"mean", "sd", "grad_x", "grad_y"}
local ORIGINS = {"height", "width", "file_bytes"}

local cat = core.operator "cat"

-- One column of all pictures, train before test; nil where a side lacks it.
local function column(set, get)
  local parts = {}
  for _, side in ipairs(SIDES) do
    if set[side] then
      local part = get(set[side])
      if not part then return nil end
      parts[#parts + 1] = part
    end
  end
  return #parts == 1 and parts[1] or cat(parts, 1)
end

local function origin(set, name)
  return column(set, function(split) return split.origin and split.origin[name] end)
end

-- Sizes of the files before they were resized ---------------------------------------------------------

local function sizes(set)
  local found = {}
  for _, name in ipairs(ORIGINS) do
    local values = origin(set, name)
    if values and values:numel() > 0 then
      local sorted, n = values:sort(), values:numel()
      local function at(i) return sorted:select(1, i):item() end
      found[name] = {min = at(1), median = at((n + 1) // 2), max = at(n)}
    end
  end
  return next(found) and found or core.null
end

-- Duplicates -------------------------------------------------------------------------------------------

local function place(set, side, row, label)
  local paths = set[side].paths
  return {split = side, row = row, path = paths and printable(paths[row + 1]) or nil,
    class = printable(set.classes[label + 1])}
end

local function same(set, a, b)
  local function picture(p) return set[p.split].images:select(1, p.row + 1) end
  return core.operator "equal"(picture(a), picture(b))
end

--- Counts duplicates: pictures whose decoded pixels equal those of an earlier picture (train comes before test).
-- @param set set
-- @return table train, test (duplicates within each split), between (test pictures that are also in train), conflicting
--   (how many of all these duplicates have another class than the first copy), examples (a few pairs, those of between
--   first; each is a list of two {split, row, path, class})
function inspect.duplicates(set)
  local first, counts, examples = {}, {train = 0, test = 0, between = 0, conflicting = 0}, {}
  local kept = {train = {}, test = {}, between = {}}
  for _, side in ipairs(SIDES) do
    if set[side] then
      local labels = set[side].labels:totable()
      for i, hash in ipairs(core.data.hashes(set[side].images):totable()) do
        local before = first[hash]
        if not before then
          first[hash] = {side, i - 1, labels[i]}
        else
          local kind = before[1] == side and side or "between"
          counts[kind] = counts[kind] + 1
          if before[3] ~= labels[i] then counts.conflicting = counts.conflicting + 1 end
          if #kept[kind] < EXAMPLES then
            table.insert(kept[kind], {place(set, table.unpack(before)), place(set, side, i - 1, labels[i])})
          end
        end
      end
    end
  end
  for _, kind in ipairs {"between", "train", "test"} do
    for _, pair in ipairs(kept[kind]) do
      if #examples < EXAMPLES and same(set, pair[1], pair[2]) then examples[#examples + 1] = pair end
    end
  end
  counts.examples = setmetatable(examples, {__jsontype = "array"})
  if not set.test then counts.test, counts.between = core.null, core.null end
  return counts
end

-- Shortcuts --------------------------------------------------------------------------------------------

-- The AUROC of one statistic for each class against all others: ranks, ties averaged, summed by class.
local function by_class(values, labels, n_classes)
  local _, inverse, times = core.operator "_unique2"(values, {sorted = true, return_inverse = true,
    return_counts = true})
  local last = times:cumsum(1):to "float64"
  local rank = (last - (times:to "float64" - 1) / 2):index_select(1, inverse)
  local sums = labels:bincount({weights = rank, minlength = n_classes}):totable()
  local counts, total, found = labels:bincount({minlength = n_classes}):totable(), labels:numel(), {}
  for i, n in ipairs(counts) do
    local others = total - n
    found[i] = n > 0 and others > 0 and (sums[i] - n * (n + 1) / 2) / (n * others) or false
  end
  return found
end

--- How well the best single picture statistic separates each class from all others (`agad.data.shortcut`).
-- @param set set
-- @return list with {name, auroc} for each class, auroc in the better direction; false where there is nothing to
--   compare
function inspect.shortcuts(set)
  local columns = {}
  local pixels = column(set, function(split) return core.data.statistics(split.images) end)
  for i, name in ipairs(STATISTICS) do columns[i] = {name, pixels:select(2, i):contiguous()} end
  for _, name in ipairs(ORIGINS) do
    local values = origin(set, name)
    if values then columns[#columns + 1] = {name, values:to "float64"} end
  end
  local labels, best = column(set, function(split) return split.labels end), {}
  for i = 1, #set.classes do best[i] = false end
  for _, c in ipairs(columns) do
    for i, auroc in ipairs(by_class(c[2], labels, #set.classes)) do
      auroc = auroc and math.max(auroc, 1 - auroc)
      if auroc and (not best[i] or auroc > best[i].auroc) then best[i] = {name = c[1], auroc = auroc} end
    end
  end
  return best
end

-- Mean pictures ----------------------------------------------------------------------------------------

--- A file name for any class name: letters, digits, dots, dashes and UTF-8 are kept, everything else becomes _.
-- @param name string
-- @param taken table names that are in use, as keys; the new one is added
-- @return string
function inspect.file_name(name, taken)
  local plain = name:gsub("[^%w._\128-\255-]", "_")
  if not utf8.len(plain) then plain = plain:gsub("[\128-\255]", "_") end
  while #plain > 100 or not utf8.len(plain) do plain = plain:sub(1, math.min(100, #plain - 1)) end
  local file, n = "mean-" .. plain .. ".png", 1
  while taken[file:lower()] do
    n = n + 1
    file = ("mean-%s-%d.png"):format(plain, n)
  end
  taken[file:lower()] = true
  return file
end

local function mean_of(set, label)
  local sum, n
  for _, side in ipairs(SIDES) do
    if set[side] then
      local rows = set[side].labels:eq(label):nonzero():view(-1)
      if rows:numel() > 0 then
        local own = set[side].images:index_select(1, rows):sum({1}, false, {dtype = "int64"})
        sum, n = sum and sum + own or own, (n or 0) + rows:numel()
      end
    end
  end
  return sum and (sum:to "float64" / n):round():to "uint8"
end

--- Writes the mean picture of each class to DIR/mean-CLASS.png; creates the folder. Of existing files it replaces only
-- earlier mean pictures.
-- @param set set
-- @param dir string
-- @return list of paths, false for a class without pictures or whose mean picture cannot be written
-- @return list of texts: why they cannot be written
-- @raise the folder cannot be created
function inspect.mean_pictures(set, dir)
  require("agad.base.folder").make(dir)
  local paths, taken, failed = {}, {}, {}
  for i, name in ipairs(set.classes) do
    local mean = mean_of(set, i - 1)
    paths[i] = mean and dir:gsub("/+$", "") .. "/" .. inspect.file_name(name, taken) or false
    local ok, reason = true, nil
    if mean then ok, reason = errors.try(drawn.write, paths[i], mean, drawn.MEAN) end
    if not ok then paths[i], failed[#failed + 1] = false, errors.text(reason) end
  end
  return paths, failed
end

-- All of it --------------------------------------------------------------------------------------------

local function warnings(set, row)
  local notes = {}
  for _, note in ipairs(set.notes or {}) do notes[#notes + 1] = printable(note) end
  local d = row.duplicates
  if d.between ~= core.null and d.between > 0 then
    notes[#notes + 1] = ("%d of the test pictures are also in train: their scores mean nothing"):format(d.between)
  end
  if d.conflicting > 0 then
    notes[#notes + 1] = ("duplicates that have a different class than the first copy: %d"):format(d.conflicting)
  end
  local far = {}
  for _, c in ipairs(row.classes) do
    local s = c.shortcut
    if s and s ~= core.null and s.auroc >= SHORTCUT then
      far[#far + 1] = format("%s (%s, AUROC %.2f)", c.name, s.name, s.auroc)
    end
  end
  if #far > 0 then
    local more = #far > NAMED and (" and %d more"):format(#far - NAMED) or ""
    notes[#notes + 1] = ("a simple picture statistic separates from the rest: %s%s; compare detectors with it"):format(
      table.concat(far, ", ", 1, math.min(#far, NAMED)), more)
  end
  for i, c in ipairs(row.classes) do
    if c.train == 0 and (c.test == 0 or c.test == core.null) then
      notes[#notes + 1] = ("class %s has no pictures"):format(printable(set.classes[i]))
    end
  end
  if row.sizes == core.null then notes[#notes + 1] = "sizes: the sizes before resizing are not known" end
  return notes
end

--- Measures a set: the row of `agad info DATA`.
-- @param set set
-- @param o table out: a folder for the mean pictures (nil: none are written)
-- @return table kind, name, call, shape, train, test (counts; null without a split), bytes (of the decoded pixels),
--   file_bytes (of the files), sizes (min, median, max of height, width, file_bytes before resizing), classes
--   ({name, train, test, shortcut {name, auroc}, mean_picture}), duplicates, notes
-- @return integer how many mean pictures could not be written (the notes say why)
-- @example agad.inspect.set(set).classes
function inspect.set(set, o)
  local null, row = core.null, {kind = "data", name = printable(set.name), call = printable(tostring(set)),
    shape = {set.channels, set.height, set.width}, bytes = 0, classes = {}}
  local counts = {}
  for _, side in ipairs(SIDES) do
    local split = set[side]
    row[side] = split and split.labels:numel() or null
    if split then
      row.bytes = row.bytes + split.images:numel()
      counts[side] = split.labels:bincount({minlength = #set.classes}):totable()
    end
  end
  local bytes = origin(set, "file_bytes")
  row.file_bytes, row.sizes = bytes and bytes:sum():item() or null, sizes(set)
  row.duplicates = inspect.duplicates(set)
  local shortcuts = inspect.shortcuts(set)
  local means, failed = {}, {}
  if o and o.out then means, failed = inspect.mean_pictures(set, o.out) end
  for i, name in ipairs(set.classes) do
    row.classes[i] = {name = printable(name), train = counts.train[i], test = counts.test and counts.test[i] or null,
      shortcut = shortcuts[i] or null, mean_picture = means[i] and printable(means[i]) or null}
  end
  row.notes = setmetatable(warnings(set, row), {__jsontype = "array"})
  for _, reason in ipairs(failed) do row.notes[#row.notes + 1] = "no mean picture: " .. printable(reason) end
  return row, #failed
end

return inspect
