-- Plots of a campaign, through agad.plot: AUROC over gamma, over the epochs, by group as bars or as boxes over the
-- classes, and histograms of scores.

local draw = require "agad.evaluate.plot"
local groups = require "agad.campaign.groups"
local lfs = require "lfs"
local model = require "agad.evaluate.model"
local options = require "agad.base.options"
local task_of = require "agad.campaign.task"

local plots = {}

local option = options.option

plots.options = {
  kind = option {choices = {"auto", "gamma", "epochs", "box", "bars", "scores", "classes", "reconstructions"}},
  by = option {kind = "list", of = "string"}, over = option {kind = "list", of = "string"},
  value = option {default = "auroc_steady"}, x = option {default = "gamma"}, title = option {},
  panel = option {kind = "list", of = "string"}, yrange = option {kind = "list", of = "number", count = 2},
  most = option {default = 12, min = 1, max = 100},
}

local function fail(form, ...) error("campaign: plot: " .. form:format(...), 0) end

local function ylabel(value) return value:find "^auroc" and "AUROC" or value end

-- The names of a list without some.
local function without(names, but)
  local list, left_out = {}, {}
  for _, name in ipairs(but) do left_out[name] = true end
  for _, name in ipairs(names) do if not left_out[name] then list[#list + 1] = name end end
  return list
end

local function finished(runs)
  local list = {}
  for _, run in ipairs(runs) do if run.row then list[#list + 1] = run end end
  if #list == 0 then fail "no run is finished yet" end
  return list
end

-- The name of a group: its values; numbers, true and false with the option's name.
local function words(values, by)
  local parts = {}
  for i, text in ipairs(values) do
    local bare = not tonumber(text) and text ~= "true" and text ~= "false"
    parts[i] = bare and text or (by[i] == "gamma" and "γ" or by[i]) .. " = " .. text
  end
  return #parts > 0 and table.concat(parts, ", ") or "all runs"
end

-- The names of runs: their values on the axes along which they differ; of an only run, on all.
local function names_of(runs, keys)
  local differing, names = {}, {}
  for _, key in ipairs(keys) do
    if #runs == 1 or #groups.of(runs, {key}) > 1 then differing[#differing + 1] = key end
  end
  for i, run in ipairs(runs) do names[i] = words(select(2, groups.key(run, differing)), differing) end
  return names
end

local draws = {}

-- A curve for each group over a numeric option: the mean, with a band of an SD over the classes, or else the seeds.
function draws.gamma(runs, _, o, how)
  local by, series = without(how.by, {o.x}), {}
  local low, high = -math.huge, math.huge
  if o.value:find "^auroc" then low, high = 0, 1 end
  for _, group in ipairs(groups.of(runs, by)) do
    local s = {kind = "band", title = words(group.values, by), x = {}, y = {}, low = {}, high = {}}
    local at = {}
    for _, one in ipairs(groups.of(group.runs, {o.x})) do
      local figures, x = groups.figures(one.runs, o.value, how), tonumber(one.key)
      if figures.mean and x then at[#at + 1] = {x, figures.mean, figures.sd_classes or figures.sd_seeds or 0} end
    end
    table.sort(at, function(a, b) return a[1] < b[1] end)
    for i, p in ipairs(at) do
      s.x[i], s.y[i], s.low[i], s.high[i] = p[1], p[2], math.max(low, p[2] - p[3]), math.min(high, p[2] + p[3])
    end
    if #at > 0 then series[#series + 1] = s end
  end
  if #series == 0 then fail("no finished run has a number as %s", o.x) end
  series.xlabel, series.ylabel = o.x == "gamma" and "γ" or o.x, ylabel(o.value)
  return series
end

-- A curve for each group over the epochs: the median over classes and seeds, with a band from the least to the largest.
function draws.epochs(runs, _, o, how, path)
  return draw.epochs(runs, path, {values = {o.value}, by = without(how.by, o.panel or {}), panel = o.panel,
    title = o.title, yrange = o.yrange}), true
end

-- A bar for each group, with the SD over the classes, or else the seeds.
function draws.bars(runs, _, o, how)
  local x, y, e = {}, {}, {}
  for _, group in ipairs(groups.of(runs, how.by)) do
    local figures = groups.figures(group.runs, o.value, how)
    if figures.mean then
      x[#x + 1], y[#y + 1] = words(group.values, how.by), figures.mean
      e[#e + 1] = figures.sd_classes or figures.sd_seeds or 0
    end
  end
  if #y == 0 then fail("no finished run has the figure %s", o.value) end
  return {{x = x, y = y, error = e, kind = "bars"}, ylabel = ylabel(o.value), key = "none"}
end

-- A box for each group: the means of its classes over the seeds, or of a group without classes its runs.
function draws.box(runs, _, o, how)
  local x, y = {}, {}
  for _, group in ipairs(groups.of(runs, how.by)) do
    local figures, values = groups.figures(group.runs, o.value, how), {}
    if figures.classes > 1 then
      for i, one in ipairs(figures.by_class) do values[i] = one.mean end
    else
      for _, run in ipairs(group.runs) do values[#values + 1] = run.row[o.value] end
    end
    x[#x + 1], y[#y + 1] = words(group.values, how.by), values
  end
  return {{x = x, y = y, kind = "box"}, ylabel = ylabel(o.value), key = "none"}
end

-- A panel of the histograms of scores for each run.
function draws.scores(runs, keys, o)
  local panels, names = {}, names_of(runs, keys)
  for i, run in ipairs(runs) do
    local h = run.row.histogram
    if type(h) == "table" and #panels < o.most then
      panels[#panels + 1] = {title = names[i], xlabel = "score",
        {y = h.normal, edges = h.edges, kind = "histogram", title = "normal"},
        {y = h.anomalous, edges = h.edges, kind = "histogram", title = "anomalous"}}
    end
  end
  if #panels == 0 then fail "no finished run has a histogram of its scores; set curves = true in the file" end
  local columns = math.ceil(math.sqrt(#panels))
  return {panels = panels, columns = columns, width = 480 * columns,
    height = math.ceil(360 * math.ceil(#panels / columns))}
end

-- The models of runs on one task, their titles and the task.
local function models_of(runs, keys, spec)
  local models = {}
  for _, name in ipairs {"data", "normal", "anomaly"} do
    local first, second = table.unpack(groups.of(runs, {name}))
    if second then fail("the runs have %s = %s and %s; choose one with --only", name, first.key, second.key) end
  end
  for i, run in ipairs(runs) do
    local file = run.dir .. "/model.safetensors"
    if not lfs.attributes(file, "mode") then fail("%s is not there; set keep = \"model\" in the file", file) end
    models[i] = model.open(file)
  end
  return models, names_of(runs, keys), task_of(spec, runs[1])
end

-- What the models of runs make of test pictures.
function draws.reconstructions(runs, keys, o, _, path, spec)
  local models, names, task = models_of(runs, keys, spec)
  return draw.reconstructions(models, task, path, {titles = names, title = o.title}), true
end

-- The scores of each class by the models of runs.
function draws.classes(runs, keys, o, _, path, spec)
  local models, names, task = models_of(runs, keys, spec)
  for i, one in ipairs(models) do models[i] = one:scores(task) end
  return draw.classes(models, path, {titles = names, title = o.title}), true
end

-- What suits a campaign: its epochs where it has them, its γ, or else its classes, or bars.
local function suited(runs, how, x)
  local distinct, count = {}, 0
  for _, run in ipairs(runs) do
    local v = groups.value(run, x)
    if type(v) == "number" and not distinct[v] then
      distinct[v] = true
      count = count + 1
    end
  end
  if count > 1 then return "gamma" end
  if runs[1].config.evaluate_every > 0 then return "epochs" end
  return #how.over > 0 and "box" or "bars"
end

--- Plots finished runs.
-- @param spec table the campaign
-- @param runs list of runs with their rows
-- @param keys list the names of the axes
-- @param path string the file to write, "-" or nil, or an ending alone
-- @param given table kind, by, over, value, x, panel, title, yrange, most (`plots.options`)
-- @return string the bytes, with an ending alone; else nil
-- @return string the kind that was drawn
-- @raise no run is finished; an unknown option or figure; there is nothing of this kind to draw; as `agad.plot`
function plots.draw(spec, runs, keys, path, given)
  local o = options.check("campaign.plot", given, plots.options)
  local how = groups.how(keys, {by = o.by, over = o.over})
  groups.check(runs, {how.by, how.over, {o.x}, o.panel or {}}, {o.value})
  runs = finished(runs)
  local kind = o.kind == "auto" and suited(runs, how, o.x) or o.kind
  local what, drawn = draws[kind](runs, keys, o, how, path, spec)
  if drawn then return what, kind end
  what.title = o.title or what.title
  if o.yrange then what.yrange = o.yrange end
  return draw(what, path), kind
end

return plots
