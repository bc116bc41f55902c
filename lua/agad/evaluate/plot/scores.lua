-- Pictures of results: histograms of scores with the threshold, box plots by class, ROC curves. They take what
-- `model:scores(task)` gives, or result rows.

local check = require("agad.base.options").check
local core = require "agad.core"
local draw = require "agad.evaluate.plot.draw"
local figure = require "agad.evaluate.plot.figure"
local format = require("agad.base.text").format
local option = require("agad.base.options").option
local titles_of = require("agad.evaluate.plot.titles").of

local NORMAL, ANOMALOUS, BLACK, GREY = "#0072B2", "#D55E00", "#000000", "#999999"

local function fail(form, ...) error(format(form, ...), 0) end

local of_figure = {titles = option {kind = "list", of = "string"}, bins = option {default = 50, min = 1, max = 10000},
  outliers = option {default = false}}
figure.add_options(of_figure)

-- Several results, or one, as a list.
local function list_of(who, what, takes)
  if type(what) == "table" and what[1] == nil then what = {what} end
  if type(what) ~= "table" then fail("plot.%s: give %s", who, takes) end
  for i, one in ipairs(what) do
    if type(one) ~= "table" then fail("plot.%s: result %d is a %s; give %s", who, i, type(one), takes) end
  end
  return what
end

local plot = {}

--- Plots the histograms of the scores of normal and of anomalous test pictures, with the threshold.
-- @param what table what `model:scores(task)` gives, or a result row with curves (`run:evaluate(nil, {curves =
--   true})`)
-- @param path string the file to write (.png, .svg, .pdf); "-" or nil: terminal or notebook; an ending alone: bytes
-- @param o table bins (50; those of a row are fixed), title, xlabel, ylabel, xrange, yrange, log, key, width, height
-- @return string the bytes of the plot, with an ending alone; else nil
-- @raise there are no scores; as `agad.plot`
-- @example agad.plot.scores(model:scores(task), "scores.png")
function plot.scores(what, path, o)
  o = check("plot.scores", o, of_figure)
  if type(what) ~= "table" then fail "plot.scores: give what model:scores(task) gives, or a result row" end
  local h = what.scores and core.metrics.histogram(what.scores, what.labels, o.bins) or what.histogram
  if not h or h == core.null then
    fail "plot.scores: the row has no histogram; evaluate with {curves = true} (agad evaluate --curves)"
  end
  local top = 0
  for _, list in ipairs {h.normal, h.anomalous} do top = math.max(top, table.unpack(list)) end
  local series = {
    {y = h.normal, edges = h.edges, kind = "histogram", title = "normal", colour = NORMAL},
    {y = h.anomalous, edges = h.edges, kind = "histogram", title = "anomalous", colour = ANOMALOUS}}
  local t = what.threshold
  if t and t ~= core.null then
    series[3] = {x = {t, t}, y = {o.log:find "y" and .5 or 0, top}, title = "threshold", colour = BLACK}
  end
  return draw(figure.with_options(series, o, {xlabel = "score", ylabel = "pictures"}), path)
end

--- Plots the scores of each class as boxes by Tukey's rule, side by side for several models (paper, Figure 4): models
-- trained at two gamma, for example. The box is from the first to the third quartile; a whisker ends at the last score
-- within 1.5 times its length. As in the paper, scores beyond are not drawn.
-- @param list list of what `model:scores(task)` gives; or one of them
-- @param path string the file to write (.png, .svg, .pdf); "-" or nil: terminal or notebook; an ending alone: bytes
-- @param o table titles (of the models; default: what tells them apart), outliers (false), title, xlabel, ylabel,
--   xrange, yrange, log, key, width, height
-- @return string the bytes of the plot, with an ending alone; else nil
-- @raise as `agad.plot`
-- @example agad.plot.classes({model:scores(task)}, "classes.svg")
function plot.classes(list, path, o)
  o = check("plot.classes", o, of_figure)
  list = list_of("classes", list, "what model:scores(task) gives")
  local titles, series = o.titles or titles_of(list), {}
  for k, one in ipairs(list) do
    if not one.classes then fail "plot.classes: give what model:scores(task) gives" end
    local scores, by_class = one.scores:totable(), {}
    for i, class in ipairs(one.classes) do
      by_class[class] = by_class[class] or {}
      table.insert(by_class[class], scores[i])
    end
    local x, y = {}, {}
    for _, class in ipairs(one.all_classes) do
      if by_class[class] then
        x[#x + 1], y[#y + 1] = one.normal[class] and class .. " (normal)" or class, by_class[class]
      end
    end
    series[k] = {x = x, y = y, kind = "box", outliers = o.outliers, title = #list > 1 and titles[k] or nil}
  end
  return draw(figure.with_options(series, o, {ylabel = "score"}), path)
end

--- Plots ROC curves, with their AUROC in the key.
-- @param list list of what `model:scores(task)` gives, of result rows with curves, or of {scores, labels, title}; or
--   one of them
-- @param path string the file to write (.png, .svg, .pdf); "-" or nil: terminal or notebook; an ending alone: bytes
-- @param o table titles (of the curves; default: what tells them apart), title, xlabel, ylabel, xrange, yrange, log,
--   key, width, height
-- @return string the bytes of the plot, with an ending alone; else nil
-- @raise a row has no curves; the scores of only one kind of picture; as `agad.plot`
-- @example agad.plot.roc({model:scores(task)}, "roc.svg")
function plot.roc(list, path, o)
  o = check("plot.roc", o, of_figure)
  list = list_of("roc", list, "what model:scores(task) gives, or result rows")
  local titles, series = o.titles or titles_of(list), {}
  for k, one in ipairs(list) do
    local curve = one.scores and core.metrics.roc(one.scores, one.labels, 0) or one.roc
    if not curve or curve == core.null then
      fail "plot.roc: a row has no ROC curve; evaluate with {curves = true} (agad evaluate --curves)"
    end
    local auroc = one.scores and core.metrics.auroc(one.scores, one.labels) or one.auroc
    series[k] = {x = curve.fpr, y = curve.tpr, title = format("%s (AUROC %.4f)", titles[k], auroc)}
  end
  series[#series + 1] = {x = {0, 1}, y = {0, 1}, title = "chance", colour = GREY}
  return draw(figure.with_options(series, o, {xlabel = "false-positive rate", ylabel = "true-positive rate"}), path)
end

for _, f in pairs(plot) do require("agad.base.options").takes(f, 3, of_figure) end

return plot
