-- The figures of a campaign in groups: runs with the same values of some options; over their classes and seeds, means
-- and standard deviations; between the values of an option, paired differences.

local configuration = require "agad.base.configuration"
local hint = require("agad.base.options").hint
local methods = require "agad.train.method"
local options = require "agad.base.options"
local plan = require "agad.campaign.plan"
local sorted_keys = require("agad.base.values").keys

local groups = {}

local option = options.option

groups.options = {
  by = option {kind = "list", of = "string"}, over = option {kind = "list", of = "string"},
  values = option {default = {"auroc_steady", "auroc_plain", "auroc_paper_like"}},
  columns = option {}, compare = option {}, paper = option {kind = "any"}, title = option {},
}

local function fail(form, ...) error("campaign: " .. form:format(...), 0) end

--- The value of an option in a run: on its axis, or of its configuration. nil: it has none.
function groups.value(run, name)
  local v = run.point[name]
  if v ~= nil then return v end
  if name == "data" then return run.data end
  v = run.config[name]
  local outer, inner = name:match "^(.-)%.(.+)$"
  if v == nil and outer and type(run.config[outer]) == "table" then v = run.config[outer][inner] end
  return v
end

--- How runs are grouped: by the axes that are neither classes nor seeds, and over the classes.
-- @param keys list the names of the axes
-- @param given table or nil (`groups.options`)
-- @return table with by and over
-- @raise an unknown key; an option both in by and over
function groups.how(keys, given)
  local o = options.check("campaign.table", given, groups.options)
  local taken = {}
  o.given_by = o.by ~= nil
  if not o.over then
    o.over = {}
    for _, key in ipairs(keys) do if plan.classes[key] then table.insert(o.over, key) end end
  end
  for _, name in ipairs(o.over) do taken[name] = true end
  if not o.by then
    o.by = {}
    for _, key in ipairs(keys) do
      if not taken[key] and not plan.seeds[key] then table.insert(o.by, key) end
    end
  end
  for _, name in ipairs(o.by) do
    if taken[name] then fail("table: %s is both in by and in over", name) end
  end
  o.seeds = {}
  for _, key in ipairs(keys) do
    if plan.seeds[key] then table.insert(o.seeds, key) end
  end
  return o
end

local known = {}

-- The options of a run's method, by name.
local function options_of(run)
  local name = run.config.method
  known[name] = known[name] or select(2, configuration.schema(methods.load(name)))
  return known[name]
end

-- Fails if there is a name for which `has` holds for none of a list's entries; `all` gives the names for the message.
local function check_each(what, names, list, has, all)
  for _, name in ipairs(names) do
    local found = #list == 0
    for _, one in ipairs(list) do
      found = found or has(one, name)
      if found then break end
    end
    if not found then fail(what, name, hint(name, sorted_keys(all(list[1])))) end
  end
end

--- Checks the names of options and of figures.
-- @param runs list
-- @param lists list of lists of options
-- @param figures list of columns of the rows
-- @raise an option that no run has, or a figure that no finished run has
function groups.check(runs, lists, figures)
  local finished = {}
  for _, run in ipairs(runs) do if run.row then finished[#finished + 1] = run end end
  for _, names in ipairs(lists) do
    check_each("unknown option %s%s", names, runs, function(run, name)
      return name == "variant" or groups.value(run, name) ~= nil or options_of(run)[name] ~= nil
    end, options_of)
  end
  check_each("no finished run has the figure %s%s", figures, finished, function(run, name)
    return groups.figure(run.row, name) ~= nil
  end, function(run) return run.row end)
end

--- A key of some options' values, equal for runs in which they are.
local function key_of(run, names)
  local parts = {}
  for i, name in ipairs(names) do
    local v = groups.value(run, name)
    parts[i] = v == nil and "-" or plan.text(v)
  end
  return table.concat(parts, "\0"), parts
end
groups.key = key_of

--- The mean of a list, and its standard deviations: of a population, and of a sample (nil of fewer than two).
-- @return number|nil mean, number|nil population, number|nil sample
function groups.spread(list)
  local n = #list
  if n == 0 then return nil end
  local sum, squares = 0, 0
  for _, v in ipairs(list) do sum = sum + v end
  local mean = sum / n
  for _, v in ipairs(list) do squares = squares + (v - mean) ^ 2 end
  return mean, math.sqrt(squares / n), n > 1 and math.sqrt(squares / (n - 1)) or nil
end

--- A figure of a row; "leak.thermometer" is that of a nested one.
function groups.figure(row, column)
  local v = row[column]
  local outer, inner = column:match "^(.-)%.(.+)$"
  if v == nil and outer and type(row[outer]) == "table" then v = row[outer][inner] end
  return v
end

local function finite(v) return type(v) == "number" and v - v == 0 end

-- The means over one of two keys: values by (outer, inner) -> a list of means over inner, in the order of outer.
local function means(cells)
  local list = {}
  for _, cell in ipairs(cells) do list[#list + 1] = (groups.spread(cell)) end
  return list
end

-- Adds a value to a list of lists by key.
local function add(cells, place, key, v)
  if not place[key] then
    place[key] = {}
    cells[#cells + 1] = place[key]
  end
  table.insert(place[key], v)
end

--- The figures of one column over the classes and the seeds of some runs. The mean is that of the classes' means over
-- seeds; SDs over classes are those of these means; the SD over seeds is that of each seed's mean over classes.
-- @param runs list of finished runs
-- @param column string a key of their rows
-- @param o table over, seeds
-- @return table n, mean, sd_classes (population), sd_classes_sample, sd_seeds (sample), by_class (list of {key, mean});
--   mean is nil where no run has the column
function groups.figures(runs, column, o)
  local by_class, by_seed, place_class, place_seed, n, names = {}, {}, {}, {}, 0, {}
  for _, run in ipairs(runs) do
    local v = groups.figure(run.row, column)
    if finite(v) then
      n = n + 1
      local class = key_of(run, o.over)
      if not place_class[class] then names[#names + 1] = class end
      add(by_class, place_class, class, v)
      add(by_seed, place_seed, (key_of(run, o.seeds)), v)
    end
  end
  local of_classes, of_seeds = means(by_class), means(by_seed)
  local mean, population, sample = groups.spread(of_classes)
  local its = {n = n, mean = mean, classes = #of_classes, seeds = #of_seeds, by_class = {}}
  if #of_classes > 1 then its.sd_classes, its.sd_classes_sample = population, sample end
  its.sd_seeds = select(3, groups.spread(of_seeds))
  for i, name in ipairs(names) do its.by_class[i] = {key = name, mean = of_classes[i]} end
  return its
end

--- Runs in groups, in the order in which they come.
-- @param runs list
-- @param names list of options
-- @return list of {key, values (texts), runs, finished (runs with a row)}
function groups.of(runs, names)
  local list, place = {}, {}
  for _, run in ipairs(runs) do
    local key, values = key_of(run, names)
    local one = place[key]
    if not one then
      one = {key = key, values = values, runs = {}, finished = {}}
      place[key], list[#list + 1] = one, one
    end
    table.insert(one.runs, run)
    if run.row then table.insert(one.finished, run) end
  end
  return list
end

--- Paired differences: of each value of an option to its first one, over runs that are alike in all else on the axes.
-- @param runs list
-- @param keys list the names of the axes
-- @param o table by, compare
-- @param column string
-- @return list of {values (those of the group), of, against, n, mean, sd (sample), se, above (how often it is larger)}
-- @raise the option has fewer than two values
function groups.pairs(runs, keys, o, column)
  local by, rest = {}, {}
  for _, name in ipairs(o.by) do if name ~= o.compare then by[#by + 1] = name end end
  for _, name in ipairs(keys) do if name ~= o.compare then rest[#rest + 1] = name end end
  local list, any = {}, false
  for _, group in ipairs(groups.of(runs, by)) do
    local sides = groups.of(group.runs, {o.compare})
    for k = 2, #sides do
      any = true
      local first, differences, above = {}, {}, 0
      for _, run in ipairs(sides[1].finished) do first[key_of(run, rest)] = groups.figure(run.row, column) end
      for _, run in ipairs(sides[k].finished) do
        local a, b = groups.figure(run.row, column), first[key_of(run, rest)]
        if finite(a) and finite(b) then
          differences[#differences + 1] = a - b
          above = above + (a > b and 1 or 0)
        end
      end
      local mean, _, sd = groups.spread(differences)
      list[#list + 1] = {by = by, values = group.values, of = sides[k].values[1], against = sides[1].values[1],
        n = #differences, mean = mean, sd = sd, se = sd and sd / math.sqrt(#differences), above = above}
    end
  end
  if not any then fail("table: %s has one value only; there is nothing to compare", o.compare) end
  return list
end

return groups
