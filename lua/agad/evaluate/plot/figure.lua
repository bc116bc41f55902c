-- What `agad.plot` is given, as a figure: {panels, columns, width, height, title}. A panel has its options and a list
-- of series, in which x, y, low and high are lists of numbers.

local check = require("agad.base.options").check
local check_names = require("agad.base.options").check_names
local core = require "agad.core"
local numbers = require "agad.evaluate.plot.numbers"
local option = require("agad.base.options").option
local shown = require("agad.base.options").show

local figure = {}

local function fail(form, ...) error("plot: " .. form:format(...), 0) end

local function colour(key, _, v)
  if type(v) ~= "string" or not v:find "^#%x%x%x%x%x%x$" then
    error(("%s = %s: it must be written like #0072B2"):format(key, shown(v)), 0)
  end
  return v
end

--- The options of a series, of a panel, and of a figure.
figure.series = {
  y = option {kind = "any"}, x = option {kind = "any"}, title = option {},
  kind = option {choices = {"lines", "points", "both", "steps", "bars", "band", "histogram", "box", "heat"}},
  error = option {kind = "any"}, low = option {kind = "any"}, high = option {kind = "any"},
  bins = option {default = 50, min = 1, max = 10000}, edges = option {kind = "any"}, outliers = option {default = true},
  colour = option {kind = colour},
}
figure.panel = {
  title = option {}, xlabel = option {}, ylabel = option {},
  log = option {choices = {"none", "x", "y", "xy"}},
  xrange = option {kind = "list", of = "number", count = 2}, yrange = option {kind = "list", of = "number", count = 2},
  key = option {choices = {"auto", "outside", "top", "bottom", "below", "none"}},
}
figure.whole = {
  columns = option {kind = "integer", min = 1, max = 20}, panels = option {kind = "any"},
  width = option {kind = "integer", min = 100, max = 10000}, height = option {kind = "integer", min = 100, max = 10000},
}

local nested = {box = true, heat = true}          -- their y has two dimensions

--- All of these, by name.
figure.all = {}

local known = {}
for _, list in ipairs {figure.series, figure.panel, figure.whole} do
  for name, d in pairs(list) do
    if not figure.all[name] then known[#known + 1] = name end
    figure.all[name] = d
  end
end

local function with(base, more)
  local all = {}
  for key, v in pairs(base) do all[key] = v end
  for key, v in pairs(more) do all[key] = v end
  return all
end

-- The string keys of a table, divided into those of `definitions` and the others.
local function divided(given, definitions)
  local own, others = {}, {}
  for key, v in pairs(given) do
    if type(key) == "string" then (definitions[key] and own or others)[key] = v end
  end
  return own, others
end

local function is_data(v) return core.is_tensor(v) or numbers.is_list(v) end

-- A list of numbers as {y = list}, with the options beside the numbers; so a tensor. Other tables as they are.
local function with_y(v)
  if core.is_tensor(v) then return {y = v} end
  if not numbers.is_list(v) then return v end
  local _, options = divided(v, {})
  options.y = table.move(v, 1, #v, 1, {})
  return options
end

-- Numbers beside y, of the same length.
local function beside(of, name, n)
  if of[name] == nil then return nil end
  local list = numbers.list(of[name], name)
  if #list ~= n then fail("%s has %d values, and y has %d", name, #list, n) end
  return list
end

-- x: numbers, or texts, which become places in the panel's list of categories.
local function places(s, n, panel)
  local x, list = s.x, {}
  if x == nil then
    for i = 1, n do list[i] = i + 0.0 end
  elseif type(x) == "table" and type(x[1]) == "string" then
    for i, name in ipairs(x) do
      if type(name) ~= "string" then fail("x[%d] is %s; the others are text", i, shown(name)) end
      if not panel.place[name] then
        table.insert(panel.categories, name)
        panel.place[name] = #panel.categories
      end
      list[i] = panel.place[name] + 0.0
    end
  else list = numbers.list(x, "x") end
  if #list ~= n then fail("x has %d values, and y has %d", #list, n) end
  return list
end

-- The middle of a band without y.
local function middle(s)
  local low, high, y = numbers.list(s.low, "low"), numbers.list(s.high, "high"), {}
  for i, v in ipairs(low) do y[i] = (v + (high[i] or v)) / 2 end
  return y
end

-- Adds a series; several if its y has rows and its kind takes a single list.
local function add_series(panel, given)
  local s = check("plot", given, figure.series)
  if s.y == nil and s.kind == "band" and s.low ~= nil and s.high ~= nil then s.y = middle(s) end
  if s.y == nil then fail "a series has no y" end
  if nested[s.kind] then
    s.y = numbers.rows(s.y, "y")
    if s.kind == "box" then s.x = places(s, #s.y, panel) end
    table.insert(panel.series, s)
    return
  end
  if not numbers.is_list(s.y) and not (type(s.y) == "table" and #s.y == 0) then
    for i, row in ipairs(numbers.rows(s.y, "y")) do
      add_series(panel, with(given, {y = row, title = s.title and ("%s %d"):format(s.title, i) or tostring(i)}))
    end
    return
  end
  s.y = numbers.list(s.y, "y")
  local n = #s.y
  if s.kind ~= "histogram" then s.x = places(s, n, panel)
  elseif s.edges ~= nil then
    s.edges = numbers.list(s.edges, "edges")
    if #s.edges ~= n + 1 then fail("edges has %d values; one more than the %d of y are needed", #s.edges, n) end
  end
  local e = beside(s, "error", n)
  s.low, s.high = beside(s, "low", n), beside(s, "high", n)
  if (s.low == nil) ~= (s.high == nil) then fail "low and high must be given together" end
  if e then
    s.low, s.high = {}, {}
    for i, v in ipairs(s.y) do s.low[i], s.high[i] = v - e[i], v + e[i] end
  end
  if s.kind == "band" and not s.low then fail "a band needs low and high, or error" end
  table.insert(panel.series, s)
end

-- The series of the list in what was given for a panel; `shared` holds for all of them.
local function add_list(panel, items, shared)
  if #items == 0 then fail "there is nothing to plot; give y = a list of numbers or a tensor" end
  for i, item in ipairs(items) do
    if type(item) ~= "table" and not core.is_tensor(item) then
      fail("series %d is %s, not a list of numbers, a tensor or a table with y", i, shown(item))
    end
    local one = with_y(item)
    add_series(panel, with(shared, (one.y ~= nil or one.low ~= nil) and one or {y = one}))
  end
end

local function panel_of(given)
  given = with_y(given)
  if type(given) ~= "table" then fail("%s cannot be plotted; give numbers, or a table with y", shown(given)) end
  local own, shared = divided(given, figure.panel)
  check_names("plot", shared, known)
  local panel = check("plot", own, figure.panel)
  panel.series, panel.categories, panel.place = {}, {}, {}
  if shared.y == nil and shared.low == nil then
    if nested[shared.kind] and is_data(given[1]) then shared.y = table.move(given, 1, #given, 1, {}) end
    if shared.y == nil then
      add_list(panel, given, shared)
      return panel
    end
  elseif #given > 0 then fail "series are given both as y and as a list" end
  add_series(panel, shared)
  return panel
end

local passed = {"title", "xlabel", "ylabel", "log", "xrange", "yrange", "key", "columns", "width", "height"}

--- Adds the options of a panel and of a figure to the definitions of a function that draws one.
-- @param definitions table
function figure.add_options(definitions)
  for _, name in ipairs(passed) do definitions[name] = figure.panel[name] or figure.whole[name] end
end

--- Adds those options to what `agad.plot` is given.
-- @param given table
-- @param o table checked options
-- @param defaults table
-- @return table `given`
function figure.with_options(given, o, defaults)
  for _, name in ipairs(passed) do
    given[name] = o[name]
    if given[name] == nil then given[name] = defaults[name] end
  end
  return given
end

--- The figure of what `agad.plot` was given.
-- @param given any
-- @return table panels, and the options of the figure
-- @raise one line
function figure.of(given)
  given = with_y(given)
  if type(given) ~= "table" then return {panels = {panel_of(given)}} end
  local own, others = divided(given, figure.whole)
  local whole = check("plot", own, figure.whole)
  if whole.panels == nil then
    whole.panels = {panel_of(table.move(given, 1, #given, 1, others))}
    return whole
  end
  if type(whole.panels) ~= "table" or #whole.panels == 0 then fail "panels must be a list of what plot takes" end
  local panels, title = {}, others.title
  others.title = nil
  for i, one in ipairs(whole.panels) do
    one = with_y(one)
    if type(one) ~= "table" then fail("panel %d is %s, which plot does not take", i, shown(one)) end
    panels[i] = panel_of(with(others, one))
  end
  whole.panels, whole.title = panels, title
  return whole
end

return figure
