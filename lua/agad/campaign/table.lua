-- A campaign's results as tables: one line a group, with the paper's figure beside it; paired differences; and these
-- as text, Markdown, CSV and LaTeX. Figures of AUROC are per cent in all but CSV, which has every digit.

local align = require("agad.evaluate.report").align
local format = require("agad.base.text").format
local groups = require "agad.campaign.groups"
local numbers = require "agad.evaluate.plot.numbers"
local paper = require "agad.campaign.paper"

local tables = {}

--- The ways in which tables are written.
tables.formats = {"text", "markdown", "csv", "latex"}

local function title_of(column) return (column:gsub("^auroc_", ""):gsub("_", "-")) end

-- A cell holds a number with what it is: a share (per cent), a deviation, or a count.
local function share(v) return {v = v, digits = 1} end
local function deviation(v) return {v = v, digits = 2} end

-- The two for a column: figures that are no shares, such as params, are plain numbers.
local shares = {"^auroc", "^leak%.thermometer$", "^aupr$", "^f1$", "^best_f1$", "^tpr_", "^pixel_auroc$", "^pro$"}
local function forms_of(column)
  for _, pattern in ipairs(shares) do if column:find(pattern) then return share, deviation end end
  local function plain(v) return {v = v, digits = "g"} end
  return plain, plain
end

-- The values of an option in some runs, in their order.
local function keys_of(runs, option)
  local order = {}
  for i, one in ipairs(groups.of(runs, {option})) do order[i] = one.key end
  return order
end

local function published_of(published, by, values)
  local named = {}
  for i, name in ipairs(by) do named[name] = values[i] end
  return published and published(named)
end

--- The groups of a campaign with their figures, as data.
-- @param runs list of runs with their rows
-- @param keys list the names of the axes
-- @param given table by, over, values, columns, compare, paper, title
-- @return table groups (list of {values, runs, finished, figures: by column; published: mean, sd; cells: by the value
--   of `columns`}), how, columns, from (where the published figures are from), differences
-- @raise an unknown option or figure; as `paper.open`
function tables.data(runs, keys, given)
  local o = groups.how(keys, given)
  groups.check(runs, {o.by, o.over, {o.columns}, {o.compare}}, o.values)
  local published, from
  if o.paper then published, from = paper.open(o.paper) end
  local by = o.by
  if o.columns then
    by = {}
    for _, name in ipairs(o.by) do if name ~= o.columns then by[#by + 1] = name end end
  end
  local list = groups.of(runs, by)
  local its = {groups = list, how = o, by = by, from = from, columns = o.columns}
  for _, group in ipairs(list) do
    group.figures = {}
    for _, column in ipairs(o.values) do group.figures[column] = groups.figures(group.finished, column, o) end
    group.published = published_of(published, by, group.values)
    if o.columns then
      group.cells, group.columns = {}, keys_of(group.runs, o.columns)
      for _, one in ipairs(groups.of(group.runs, {o.columns})) do
        local cell = groups.figures(one.finished, o.values[1], o)
        local values = table.move(group.values, 1, #group.values, 1, {})
        values[#values + 1] = one.key
        local names = table.move(by, 1, #by, 1, {})
        names[#names + 1] = o.columns
        local beside = group.published and group.published.of(o.columns, one.key)
        local own = not beside and published_of(published, names, values)
        cell.published = beside or own and own.mean
        group.cells[one.key] = cell
      end
    end
  end
  if o.compare then its.differences = groups.pairs(runs, keys, o, o.values[1]) end
  return its
end

-- Lines of cells -----------------------------------------------------------------------------------

local function count_of(group) return {text = ("%d/%d"):format(#group.finished, #group.runs)} end

local function any(list, f)
  for _, one in ipairs(list) do if f(one) then return true end end
  return false
end

-- The main table: the first column with its deviations, the means of the others, the published figure.
local function grouped(its)
  local o, head, lines = its.how, {}, {}
  local first = o.values[1]
  for i, name in ipairs(its.by) do head[i] = name end
  head[#head + 1] = "runs"
  head[#head + 1] = title_of(first)
  local function has(name) return any(its.groups, function(g) return g.figures[first][name] end) end
  local deviations = {}
  for _, d in ipairs {{"sd_classes", "SD classes"}, {"sd_classes_sample", "(sample)"}, {"sd_seeds", "SD seeds"}} do
    if has(d[1]) then
      deviations[#deviations + 1] = d[1]
      head[#head + 1] = d[2]
    end
  end
  for i = 2, #o.values do head[#head + 1] = title_of(o.values[i]) end
  if its.from then table.move({its.from, "its SD"}, 1, 2, #head + 1, head) end
  for i, group in ipairs(its.groups) do
    local line, figures = {}, group.figures[first]
    for k, text in ipairs(group.values) do line[k] = {text = text} end
    line[#line + 1] = count_of(group)
    local mean, sd = forms_of(first)
    line[#line + 1] = mean(figures.mean)
    for _, name in ipairs(deviations) do line[#line + 1] = sd(figures[name]) end
    for k = 2, #o.values do line[#line + 1] = forms_of(o.values[k])(group.figures[o.values[k]].mean) end
    if its.from then
      local p = group.published or {}
      line[#line + 1], line[#line + 2] = share(p.mean), deviation(p.sd)
    end
    lines[i] = line
  end
  return {head = head, lines = lines, title = o.title}
end

-- The paper's layout with an option along the top: a line a group, and the published one below it.
local function spread(its, list)
  local o, columns, head, lines = its.how, list[1].columns, {}, {}
  for i, name in ipairs(its.by) do head[i] = name end
  head[#head + 1] = "figures"
  table.move(columns, 1, #columns, #head + 1, head)
  head[#head + 1], head[#head + 2] = "mean", "SD"
  for _, group in ipairs(list) do
    local own, theirs = {}, {}
    for k, text in ipairs(group.values) do own[k], theirs[k] = {text = text}, {text = text} end
    own[#own + 1], theirs[#theirs + 1] = {text = title_of(o.values[1])}, {text = its.from or ""}
    local means, known = {}, false
    for _, key in ipairs(columns) do
      local cell = group.cells[key]
      own[#own + 1], theirs[#theirs + 1] = share(cell.mean), share(cell.published)
      means[#means + 1] = cell.mean
      known = known or cell.published ~= nil
    end
    local mean, sd = groups.spread(means)
    own[#own + 1], own[#own + 2] = share(mean), deviation(#means > 1 and sd or nil)
    local p = group.published or {}
    theirs[#theirs + 1], theirs[#theirs + 2] = share(p.mean), deviation(p.sd)
    lines[#lines + 1] = own
    if its.from and (known or p.mean) then lines[#lines + 1] = theirs end
  end
  return {head = head, lines = lines}
end

-- One table for all groups that have the same columns: the classes of a data set, for example.
local function spreads(its)
  local list, place = {}, {}
  for _, group in ipairs(its.groups) do
    local key = table.concat(group.columns, "\0")
    if not place[key] then
      place[key] = {}
      list[#list + 1] = place[key]
    end
    table.insert(place[key], group)
  end
  for i, alike in ipairs(list) do list[i] = spread(its, alike) end
  list[1].title = its.how.title
  return list
end

local function compared(its)
  local o = its.how
  local head, lines = {}, {}
  for i, name in ipairs(its.differences[1].by) do head[i] = name end
  for _, name in ipairs {o.compare, "against", "pairs", "difference", "SD", "SE", "above"} do head[#head + 1] = name end
  for i, d in ipairs(its.differences) do
    local line = {}
    for k, text in ipairs(d.values) do line[k] = {text = text} end
    for _, cell in ipairs {{text = d.of}, {text = d.against}, {text = tostring(d.n)}, deviation(d.mean),
      deviation(d.sd), deviation(d.se), {text = ("%d/%d"):format(d.above, d.n)}} do line[#line + 1] = cell end
    lines[i] = line
  end
  return {head = head, lines = lines, title = ("%s, paired differences"):format(title_of(o.values[1]))}
end

-- As text -----------------------------------------------------------------------------------------

local function text_of(cell)
  if cell.text then return cell.text end
  if not cell.v then return "-" end
  return cell.digits == "g" and format("%.6g", cell.v) or format("%." .. cell.digits .. "f", 100 * cell.v)
end

local function plain(t)
  local lines = {t.head}
  for i, line in ipairs(t.lines) do
    lines[i + 1] = {}
    for k, cell in ipairs(line) do lines[i + 1][k] = text_of(cell) end
  end
  return lines
end

local write = {}

function write.text(t) return (t.title and "  " .. t.title .. "\n" or "") .. align(plain(t)) end

function write.markdown(t)
  local out = {}
  if t.title then out[1] = "**" .. t.title .. "**\n" end
  for i, line in ipairs(plain(t)) do
    for k, cell in ipairs(line) do line[k] = cell:gsub("|", "\\|") end
    out[#out + 1] = "| " .. table.concat(line, " | ") .. " |"
    if i == 1 then out[#out + 1] = "|" .. ("---|"):rep(#line) end
  end
  return table.concat(out, "\n") .. "\n"
end

function write.csv(t)
  local out = {}
  local function cell_of(text) return text:find '[",\n]' and '"' .. text:gsub('"', '""') .. '"' or text end
  local head = {}
  for k, text in ipairs(t.head) do head[k] = cell_of(text) end
  out[1] = table.concat(head, ",")
  for i, line in ipairs(t.lines) do
    local cells = {}
    for k, cell in ipairs(line) do
      cells[k] = cell_of(cell.text or cell.v and numbers.text(cell.v) or "")
    end
    out[i + 1] = table.concat(cells, ",")
  end
  return table.concat(out, "\n") .. "\n"
end

local special = {["\\"] = "\\textbackslash{}", ["~"] = "\\textasciitilde{}", ["^"] = "\\textasciicircum{}"}

local function latex_text(text)
  return (text:gsub("[\\~^&%%$#_{}]", function(c) return special[c] or "\\" .. c end):gsub("±", "$\\pm$")
    :gsub("γ", "$\\gamma$"))
end

function write.latex(t)
  local out, lines = {}, plain(t)
  local columns = ("l"):rep(#t.head - #(t.lines[1] or {}))
  for _, cell in ipairs(t.lines[1] or {}) do columns = columns .. (cell.text and "l" or "r") end
  if t.title then out[1] = "% " .. t.title end
  out[#out + 1] = "\\begin{tabular}{" .. columns .. "}\n\\hline"
  for i, line in ipairs(lines) do
    for k, cell in ipairs(line) do line[k] = latex_text(cell) end
    out[#out + 1] = table.concat(line, " & ") .. " \\\\" .. (i == 1 and " \\hline" or "")
  end
  out[#out + 1] = "\\hline\n\\end{tabular}"
  return table.concat(out, "\n") .. "\n"
end

--- A campaign's tables as text.
-- @param its table as `tables.data` gives it
-- @param how string text, markdown, csv, latex
-- @return string
function tables.text(its, how)
  local parts = its.columns and spreads(its) or {grouped(its)}
  if its.differences then parts[#parts + 1] = compared(its) end
  for i, one in ipairs(parts) do parts[i] = write[how](one) end
  return table.concat(parts, "\n")
end

return tables
