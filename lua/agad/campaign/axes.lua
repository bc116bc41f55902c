-- The points of a campaign: grid (crossed lists), zip (lists that go together) and variants (named sets of options).
-- They are counted before any is made.

local check_names = require("agad.base.options").check_names
local format = require("agad.base.text").format
local sorted_keys = require("agad.base.values").keys

local axes = {}

local function fail(form, ...) error("campaign: " .. format(form, ...), 0) end

local function list_of(what, key, values)
  if type(key) ~= "string" then fail("%s: give options by name, not %s", what, tostring(key)) end
  local n = type(values) == "table" and #values or 0
  if n == 0 then
    fail("%s.%s must be a list of values%s", what, key, type(values) == "table" and "; this one is empty" or "")
  end
  for k in pairs(values) do
    if math.type(k) ~= "integer" or k < 1 or k > n then fail("%s.%s must be a list of values", what, key) end
  end
  return values
end

-- One axis for each option of the grid, in the order of their names.
local function add_grid(list, grid)
  if next(grid) == nil then fail "grid is empty; give it an option with a list of values, or leave it out" end
  for _, key in ipairs(sorted_keys(grid)) do
    local points = {}
    for i, v in ipairs(list_of("grid", key, grid[key])) do points[i] = {{key, v}} end
    list[#list + 1] = {keys = {key}, points = points}
  end
end

-- One axis for all options of a zip.
local function add_zip(list, zip)
  local keys, points, first = sorted_keys(zip), {}, nil
  if #keys == 0 then fail "zip is empty; give it options with lists of values, or leave it out" end
  for _, key in ipairs(keys) do
    local values = list_of("zip", key, zip[key])
    if first and #values ~= #zip[first] then
      fail("zip.%s has %d values and zip.%s has %d; they go together, and must be as many", first, #zip[first], key,
        #values)
    end
    first = first or key
    for i, v in ipairs(values) do
      points[i] = points[i] or {}
      table.insert(points[i], {key, v})
    end
  end
  list[#list + 1] = {keys = keys, points = points}
end

-- Variants as a list of {name, options}: {{"with", {…}}, …} keeps its order, {with = {…}} is sorted by name.
local function named_sets(variants)
  local list, seen = {}, {}
  for i, one in ipairs(variants) do
    if type(one) ~= "table" or type(one[1]) ~= "string" or type(one[2]) ~= "table" then
      fail("variants[%d] must be {\"NAME\", {option = value}}", i)
    end
    list[i] = {one[1], one[2]}
  end
  for _, name in ipairs(sorted_keys(variants)) do
    if math.type(name) ~= "integer" or name < 1 or name > #list then
      if type(variants[name]) ~= "table" then fail("variants.%s must be a table of options", tostring(name)) end
      list[#list + 1] = {tostring(name), variants[name]}
    end
  end
  if #list == 0 then fail "variants is empty; give it named tables of options, or leave it out" end
  for _, one in ipairs(list) do
    if seen[one[1]] then fail("there are two variants called %s", one[1]) end
    seen[one[1]] = true
  end
  return list
end

local function add_variants(list, variants)
  local points = {}
  for i, one in ipairs(named_sets(variants)) do points[i] = {{"variant", one[1], one[2]}} end
  list[#list + 1] = {keys = {"variant"}, points = points}
end

-- The tables of a zip, which may be one or a list of them.
local function zips_of(spec)
  local zip = spec.zip
  if type(zip) ~= "table" then return {} end
  return type(zip[1]) == "table" and zip or {zip}
end

--- Whether grid or zip has an axis of an option.
function axes.has(spec, name)
  if type(spec.grid) == "table" and spec.grid[name] ~= nil then return true end
  for _, zip in ipairs(zips_of(spec)) do
    if type(zip) == "table" and zip[name] ~= nil then return true end
  end
  return false
end

--- The axes of a campaign, and how many points they have.
-- @param spec table
-- @return list of {keys, points (each a list of {option, value})}; a variant is {"variant", name, options}
-- @return list of all keys
-- @raise a list is empty or no list, lists of a zip differ in length, an option has two axes, or there are more points
--   than `most`
function axes.of(spec)
  local list, keys, seen, count = {}, {}, {}, 1.0
  if spec.variants then add_variants(list, spec.variants) end
  if spec.grid then add_grid(list, spec.grid) end
  for _, zip in ipairs(zips_of(spec)) do add_zip(list, zip) end
  for _, axis in ipairs(list) do
    count = count * #axis.points
    for _, key in ipairs(axis.keys) do
      if seen[key] then fail("%s has two axes; give it once, in grid, zip or variants", key) end
      seen[key] = true
      keys[#keys + 1] = key
    end
  end
  if count > spec.most then
    fail("the grid has %.0f runs; %d are the most (most = N in the file allows more)", count, spec.most)
  end
  return list, keys
end

--- Calls f with every combination of an axis' points, the last axis fastest.
-- @param list list of axes
-- @param f function(list of {option, value})
function axes.each(list, f)
  local picked = {}
  local function at(depth)
    if depth > #list then return f(picked) end
    for _, point in ipairs(list[depth].points) do
      local n = #picked
      for _, pair in ipairs(point) do picked[#picked + 1] = pair end
      at(depth + 1)
      for i = #picked, n + 1, -1 do picked[i] = nil end
    end
  end
  at(1)
end

--- Checks named schedules.
-- @param schedules table name -> schedule, or nil
function axes.schedules(schedules)
  for name, s in pairs(schedules or {}) do
    if type(name) ~= "string" or type(s) == "function" or (type(s) ~= "table" and type(s) ~= "string") then
      fail("schedules.%s must be a schedule such as \"linear:0:0.1:10\"", tostring(name))
    end
    if type(s) == "table" and s.schedule then
      check_names("campaign: schedules." .. name, s, {"schedule", "from", "to", "epochs", "value"})
    end
  end
  return schedules or {}
end

return axes
