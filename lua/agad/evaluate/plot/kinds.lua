-- Kinds of plots: what is drawn of a series, as pieces. A piece has `columns` (their names), `rows` of numbers, `along`
-- (the axis of each column, "x", "y" or "-": neither), and `clauses`, each what gnuplot's `plot` says after the name of
-- the data, as a function of the colour and the title; `in_characters`, if it is there, stands for them on a terminal.
-- A piece that `is_line` may be drawn with fewer points.

local box_of = require "agad.evaluate.plot.box"
local format = require("agad.base.text").format
local numbers = require "agad.evaluate.plot.numbers"

local kinds = {}

local FAINT = "fs transparent solid .3"           -- what is filled
local FULL = .8                                   -- the share of the room between two x that bars and boxes take

local function piece(columns, along, rows, ...)
  return {columns = columns, along = along, rows = rows, clauses = {...}}
end

local function clause(form)
  return function(hue, title, dashes)
    return (form:gsub("COLOUR", ("lc rgb '%s'"):format(hue)):gsub("DASHES", "dt " .. dashes)
      :gsub("TITLE", function() return title end))
  end
end

local function rows_of(s, ...)
  local rows, lists = {}, {...}
  for i = 1, #s.y do
    local row = {}
    for k, list in ipairs(lists) do row[k] = list[i] end
    rows[i] = row
  end
  return rows
end

local function pairs_of(s, drawn, with_errors, is_line)
  if not s.low then
    local made = piece({"x", "y"}, "xy", rows_of(s, s.x, s.y), clause("using 1:2 " .. drawn))
    made.is_line = is_line
    return {made}
  end
  return {piece({"x", "y", "low", "high"}, "xyyy", rows_of(s, s.x, s.y, s.low, s.high),
    clause("using 1:2:3:4 " .. with_errors))}
end

function kinds.lines(s)
  if #s.y == 1 then return kinds.points(s) end
  return pairs_of(s, "with lines lw 2 DASHES COLOUR TITLE", "with yerrorlines lw 2 COLOUR TITLE", true)
end

function kinds.points(s)
  return pairs_of(s, "with points pt 7 ps .7 COLOUR TITLE", "with yerrorbars pt 7 ps .7 COLOUR TITLE")
end

function kinds.both(s)
  return pairs_of(s, "with linespoints lw 2 pt 7 ps .7 DASHES COLOUR TITLE",
    "with yerrorlines lw 2 pt 7 ps .7 COLOUR TITLE", true)
end

function kinds.steps(s)
  return pairs_of(s, "with steps lw 2 COLOUR TITLE", "with yerrorbars pt 7 ps .7 COLOUR TITLE", true)
end

function kinds.band(s)
  local line = clause "using 1:2 with lines lw 2 COLOUR TITLE"
  local band = piece({"x", "y", "low", "high"}, "xyyy", rows_of(s, s.x, s.y, s.low, s.high),
    clause("using 1:3:4 with filledcurves " .. FAINT .. " noborder COLOUR notitle"), line)
  band.in_characters = {line}                     -- a filled area would hide the others
  return {band}
end

-- The place of the k-th of n things that stand side by side in the room of `width` at x.
local function side_by_side(x, width, k, n) return x + width * ((k - .5) / n - .5) end

--- The room at each x for what a panel's series of a kind have there: a share of the smallest distance of two x.
-- @param panel table
-- @param kind string
-- @return number the room
-- @return number the least x
-- @return number the largest x
function kinds.room(panel, kind)
  local all = {}
  for _, s in ipairs(panel.series) do if s.kind == kind then table.move(s.x, 1, #s.x, #all + 1, all) end end
  local sorted, least = numbers.sorted(all), nil
  for i = 2, #sorted do
    local gap = sorted[i] - sorted[i - 1]
    if gap > 0 then least = math.min(least or gap, gap) end
  end
  return FULL * (least or 1), sorted[1], sorted[#sorted]
end

local function rank(panel, s)
  local k, n = 0, 0
  for _, other in ipairs(panel.series) do
    if other.kind == s.kind then n = n + 1 end
    if other == s then k = n end
  end
  return k, n
end

function kinds.bars(s, panel)
  local k, n = rank(panel, s)
  local width, at = kinds.room(panel, "bars"), {}
  for i, x in ipairs(s.x) do at[i] = side_by_side(x, width, k, n) end
  local bar = clause(format("using 1:2:(%.9g) with boxes fs transparent solid .6 COLOUR TITLE", width / n))
  if not s.low then return {piece({"x", "y"}, "xy", rows_of(s, at, s.y), bar)} end
  return {piece({"x", "y", "low", "high"}, "xyyy", rows_of(s, at, s.y, s.low, s.high), bar,
    clause "using 1:2:3:4 with yerrorbars ps 0 lw 1.5 lc rgb 'black' notitle")}
end

-- The pieces of a histogram whose counts are known.
local function counted(edges, counts)
  local rows = {}
  for i = 1, #edges - 1 do rows[i] = {edges[i], edges[i + 1], counts[i]} end
  return {piece({"low", "high", "count"}, "xx-", rows,
    clause("using (($1+$2)/2):3:($2-$1) with boxes " .. FAINT .. " COLOUR TITLE"))}
end

-- Bins are shared by the histograms of a panel, so that their counts can be compared.
local function edges_of(panel, bins)
  local all = {}
  for _, s in ipairs(panel.series) do
    if s.kind == "histogram" and not s.edges then table.move(s.y, 1, #s.y, #all + 1, all) end
  end
  local logarithmic = panel.log:find "x" ~= nil
  if logarithmic then
    for i, v in ipairs(all) do all[i] = v > 0 and math.log(v) or 0 / 0 end
  end
  local low, high = numbers.range(all)
  if not low then return nil end
  if low == high then low, high = low - .5, high + .5 end
  local edges = {}
  for i = 0, bins do
    edges[i + 1] = low * (1 - i / bins) + high * (i / bins)
    if logarithmic then edges[i + 1] = math.exp(edges[i + 1]) end
  end
  return edges
end

-- The bin of a number: the last edge that is not above it, by bisection; the last bin holds its upper edge too.
local function bin_of(edges, v)
  local first, last = 1, #edges - 1
  while first < last do
    local middle = (first + last + 1) // 2
    if edges[middle] <= v then first = middle else last = middle - 1 end
  end
  return first
end

function kinds.histogram(s, panel)
  if s.edges then return counted(s.edges, s.y) end
  local edges, counts, left_out = edges_of(panel, s.bins), {}, 0
  for i = 1, s.bins do counts[i] = 0 end
  for _, v in ipairs(s.y) do
    if numbers.finite(v) and (v > 0 or not panel.log:find "x") then
      local i = bin_of(edges, v)
      counts[i] = counts[i] + 1
    else left_out = left_out + 1 end
  end
  local pieces = counted(edges or {}, counts)
  pieces[1].left_out, pieces[1].of = left_out, #s.y
  return pieces
end

function kinds.box(s, panel)
  local k, n = rank(panel, s)
  local width, rows, points, left_out, of = kinds.room(panel, "box"), {}, {}, 0, 0
  for i, values in ipairs(s.y) do
    local x, b = side_by_side(s.x[i], width, k, n), box_of(values)
    of, left_out = of + #values, left_out + #values - (b and b.n or 0)
    if b then
      rows[#rows + 1] = {x, b.low, b.q1, b.median, b.q3, b.high, b.n}
      for _, v in ipairs(b.outliers) do points[#points + 1] = {x, v} end
    end
  end
  local wide = format("(%.9g)", width / n * .9)
  local boxes = piece({"x", "low", "q1", "median", "q3", "high", "n"}, "xyyyyy-", rows,
    clause("using 1:3:2:6:5:" .. wide .. " with candlesticks whiskerbars .5 fs transparent solid .5 COLOUR TITLE"),
    clause("using 1:4:4:4:4:" .. wide .. " with candlesticks lw 2 lc rgb 'black' notitle"))
  boxes.left_out, boxes.of = left_out, of
  local dots = piece({"x", "outlier"}, "xy", points, clause "using 1:2 with points pt 6 ps .4 COLOUR notitle")
  return {boxes, s.outliers and #points > 0 and dots or nil}
end

function kinds.heat(s)
  local rows = {}
  for i, line in ipairs(s.y) do
    if #line ~= #s.y[1] then
      error(("plot: row %d of y has %d values, and row 1 has %d"):format(i, #line, #s.y[1]), 0)
    end
    for k, v in ipairs(line) do rows[#rows + 1] = {k, i, v} end
  end
  return {piece({"column", "row", "value"}, "xy-", rows, clause "using 1:2:3 with image notitle")}
end

return kinds
