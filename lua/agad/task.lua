--- Tasks: which pictures are normal, which anomalies are known, which normals are held out. Rows only, from 0.

local core = require "agad.core"
local options = require "agad.options"

local task = {}

local task_type = {__name = "agad.task"}
function task_type.__tostring(t) return t.call end

-- A private generator (splitmix64): tasks are the same whatever else draws numbers.
local function generator(seed)
  local state = seed * 2 + 1
  return function(n)                                    -- 1 … n
    state = state + 0x9e3779b97f4a7c15
    local z = state
    z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ~ (z >> 27)) * 0x94d049bb133111eb
    z = z ~ (z >> 31)
    return (z >> 1) % n + 1
  end
end

local function shuffle(list, random)
  for i = #list, 2, -1 do
    local j = random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

-- One permutation of all candidates, as even over classes as possible at every length: pools nest over gamma.
local function interleaved(by_class, random)
  local classes, order = {}, {}
  for class in pairs(by_class) do classes[#classes + 1] = class end
  table.sort(classes)
  for _, class in ipairs(classes) do shuffle(by_class[class], random) end
  local depth, more = 0, true
  while more do
    depth, more = depth + 1, false
    for _, class in ipairs(shuffle({table.unpack(classes)}, random)) do
      local row = by_class[class][depth]
      if row then order[#order + 1], more = row, true end
    end
  end
  return order
end

-- The classes that known anomalies come from: all, the first k of a seeded order, or a list of names.
local function anomaly_labels(set, normal, wanted, random)
  local labels = {}
  if type(wanted) == "table" then
    for _, class in ipairs(wanted) do
      local label = set:label_of(class)
      if label == normal then error(("anom_classes: %s is the normal class"):format(tostring(class)), 0) end
      labels[label] = true
    end
    return labels
  end
  local others = {}
  for label = 0, #set.classes - 1 do if label ~= normal then others[#others + 1] = label end end
  shuffle(others, random)
  if wanted ~= "all" and wanted > #others then
    error(("anom_classes = %d, but %s has only %d classes beside the normal one"):format(wanted, set.name, #others), 0)
  end
  for i = 1, wanted == "all" and #others or wanted do labels[others[i]] = true end
  return labels
end

local function held_out(n, share)
  if share <= 0 then return 0 end
  return math.min(n - 1, math.max(math.min(20, n // 2), math.min(1000, math.floor(share * n + .5))))
end

local defaults = {gamma = 0.0, anom_classes = "all", protocol = "one_vs_rest", test_set = "official", fit = "resize"}

--- One class is normal, all others are anomalous (the paper's Tables 1 to 5).
-- @param set set from agad.data
-- @param o table normal (a class; weave: cloth), gamma (0): share a/(n+a) of known anomalies, anom_classes
--   ("all", how many, or a list), holdout (share of the normals set aside; 0, weave: .1), limit, task_seed (1)
-- @return task train, test (splits as of a set; test.anomalous: 0 or 1 a picture); normals, held_out, anomalies (rows
--   of train, from 0); counts, notes
-- @raise unknown class or option, gamma outside [0, 1), no normals
function task.one_vs_rest(set, o)
  o = options.merge({}, o or {})
  if o.normal == nil then o.normal = set.normal end
  if o.normal == nil then
    error(("%s: which class is normal? give normal = one of %s"):format(set.name, table.concat(set.classes, ", ")), 0)
  end
  if o.holdout == nil then o.holdout = set.holdout or 0.0 end
  local checked = options.select(options.resolve({name = "task", options = {}}, o), "task")
  for name, value in pairs(defaults) do if checked[name] == nil then checked[name] = value end end
  local seed, gamma = checked.task_seed or 1, checked.gamma
  local normal = set:label_of(checked.normal)
  local random = generator(seed)

  local normals, by_class = {}, {}
  local known = anomaly_labels(set, normal, checked.anom_classes, random)
  for row, label in ipairs(set.train.labels:totable()) do
    if label == normal then normals[#normals + 1] = row - 1
    elseif known[label] then
      by_class[label] = by_class[label] or {}
      table.insert(by_class[label], row - 1)
    end
  end
  if #normals == 0 then
    error(("%s: class %s has no training pictures"):format(set.name, set.classes[normal + 1]), 0)
  end
  local order = interleaved(by_class, random)
  shuffle(normals, random)
  if checked.limit then for i = #normals, checked.limit + 1, -1 do normals[i] = nil end end
  local aside = held_out(#normals, checked.holdout)
  local rest = {table.unpack(normals, aside + 1)}
  local a = math.floor(gamma * #rest / (1 - gamma) + .5)
  local notes = {}
  if a > #order then
    notes[1] = ("gamma = %g asks for %d known anomalies, the train split has %d; all of them are used"):format(gamma, a,
      #order)
    a = #order
  end
  local test = setmetatable({anomalous = {}}, {__index = set.test})
  local anomalous = 0
  for i, label in ipairs(set.test.labels:totable()) do
    test.anomalous[i] = label == normal and 0 or 1
    anomalous = anomalous + test.anomalous[i]
  end
  return setmetatable({
    set = set, train = set.train, test = test, options = checked, normal = normal, normals = rest,
    held_out = {table.unpack(normals, 1, aside)},
    anomalies = {table.unpack(order, 1, a)}, notes = notes,
    counts = {normals = #rest, held_out = aside, anomalies = a, test_normals = #test.anomalous - anomalous,
      test_anomalies = anomalous},
    call = ("agad.task.one_vs_rest(%s, {normal = %q, gamma = %g, task_seed = %d})"):format(tostring(set),
      set.classes[normal + 1], gamma, seed),
  }, task_type)
end

--- Pictures of some rows (from 0) of a split.
-- @param split table a split of a set or a task
-- @param rows list
-- @return tensor uint8
function task.pictures(split, rows)
  return split.images:index_select(1, core.from_table(rows, "int64"))
end

return task
