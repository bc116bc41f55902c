-- A figure as a script for gnuplot, and as CSV.

local format = require("agad.base.text").format
local kinds = require "agad.evaluate.plot.kinds"
local numbers = require "agad.evaluate.plot.numbers"
local printable = require("agad.base.text").printable

local script = {}

-- A palette that colour-blind readers can distinguish (Okabe and Ito).
local colours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"}

-- Black, violet, red, orange, yellow, of evenly rising lightness, for colour-blind readers too (after inferno).
script.heat = {{0, 0, 4}, {66, 10, 104}, {147, 38, 103}, {221, 81, 58}, {252, 165, 10}, {252, 255, 164}}

--- A text as gnuplot's string; what would end it, or the line, cannot.
function script.quote(text) return "'" .. printable(text):gsub("'", "''") .. "'" end
local quote = script.quote

--- Works out what is drawn: every series gets its `pieces`, and those without any value are left out.
-- @param figure table (`agad.evaluate.plot.figure`)
-- @return list of notes
-- @raise nothing is left
function script.prepare(figure)
  local notes, any = {}, false
  for _, panel in ipairs(figure.panels) do
    local kept = {}
    for k, s in ipairs(panel.series) do
      s.title = s.title or #panel.series > 1 and tostring(k) or nil
      s.pieces = kinds[s.kind](s, panel)
    end
    for k, s in ipairs(panel.series) do
      local left_out, of = script.left_out(s.pieces[1], panel)
      local whose = s.title and (" of series %s"):format(printable(s.title)) or ""
      if left_out == of then
        notes[#notes + 1] = ("series %s is left out: %s"):format(s.title and printable(s.title) or k,
          of == 0 and "it is empty" or "it has no value that can be drawn")
      else
        kept[#kept + 1] = s
        if left_out > 0 then
          notes[#notes + 1] = ("%d of %d values%s are left out: they are %s"):format(left_out, of, whose,
            panel.log == "none" and "not finite" or "not finite, or not above 0 on a logarithmic axis")
        end
      end
    end
    panel.drawn, any = kept, any or #kept > 0
  end
  if not any then
    local first = figure.panels[1].series[1]
    error("plot: there is nothing to draw: " .. (first and select(2, script.left_out(first.pieces[1],
      figure.panels[1])) == 0 and "y is empty" or "y has no value that can be drawn"), 0)
  end
  return notes
end

-- For each column of a piece what its values must be above to be drawn; all must be finite.
local function bounds(piece, panel)
  local list = {}
  for k = 1, #piece.columns do
    local axis = piece.along:sub(k, k)
    list[k] = axis ~= "-" and panel.log:find(axis, 1, true) and 0 or -math.huge
  end
  return list
end

-- Whether all values of a row can be drawn.
local function drawable(row, above)
  for k, v in ipairs(row) do
    if v - v ~= 0 or v <= above[k] then return false end
  end
  return true
end

--- How many values of a piece cannot be drawn, and of how many.
function script.left_out(piece, panel)
  if piece.left_out then return piece.left_out, piece.of end
  local n, above = 0, bounds(piece, panel)
  for _, row in ipairs(piece.rows) do
    if not drawable(row, above) then n = n + 1 end
  end
  return n, #piece.rows
end

local MOST, STRETCHES = 4000, 1000

-- Of a long line the lowest and the highest point of each stretch, which look the same; gnuplot would take minutes.
local function thinned(piece, above)
  local rows = piece.rows
  if not piece.is_line or #rows <= MOST then return rows end
  for i = 2, #rows do if rows[i][1] < rows[i - 1][1] then return rows end end
  local kept, size = {}, math.ceil(#rows / STRETCHES)
  for first = 1, #rows, size do
    local low, high
    for i = first, math.min(first + size - 1, #rows) do
      if drawable(rows[i], above) then
        if not low or rows[i][2] < rows[low][2] then low = i end
        if not high or rows[i][2] > rows[high][2] then high = i end
      end
    end
    low, high = low or first, high or first
    kept[#kept + 1] = rows[math.min(low, high)]
    if low ~= high then kept[#kept + 1] = rows[math.max(low, high)] end
  end
  return kept
end

local function data(name, piece, panel)
  local lines, above, cells = {name .. " << EOD"}, bounds(piece, panel), {}
  for i, row in ipairs(thinned(piece, above)) do
    for k, v in ipairs(row) do cells[k] = v - v == 0 and v > above[k] and numbers.text(v) or "NaN" end
    lines[i + 1] = table.concat(cells, " ", 1, #row)
  end
  lines[#lines + 1] = "EOD"
  return table.concat(lines, "\n")
end

local places = {outside = "outside right top", top = "inside right top", bottom = "inside right bottom",
  below = "below center", none = "off"}

-- Where the key stands; there is none for a single series without a title.
local function key_of(panel, figure, narrow)
  local named = 0
  for _, s in ipairs(panel.drawn) do if s.title then named = named + 1 end end
  if named == 0 or panel.key == "none" then return "unset key" end
  local place = panel.key
  if place == "auto" then place = (narrow or #figure.panels > 1) and "below" or "outside" end
  return ("set key %s noenhanced"):format(places[place])
end

local function range_of(axis, given)
  return given and format("set %srange [%.17g:%.17g]", axis, given[1], given[2]) or ("set %srange [*:*]"):format(axis)
end

local function is_kind(panel, kind)
  for _, s in ipairs(panel.drawn) do if s.kind == kind then return true end end
  return false
end

local function palette()
  local stops = {}
  for i, c in ipairs(script.heat) do stops[i] = ("%d '#%02x%02x%02x'"):format(i - 1, table.unpack(c)) end
  return ("set palette defined (%s)"):format(table.concat(stops, ", "))
end

-- The names of categories at their places; `room` is how many letters fit beside each other.
local function categories(names, room, narrow)
  local tics, longest = {}, 0
  local each = math.max(1, room // #names - 1)
  for i, name in ipairs(names) do
    name = printable(name)
    local n = utf8.len(name) or #name
    if narrow and n > each and utf8.len(name) then name = name:sub(1, utf8.offset(name, each + 1) - 1) end
    tics[i], longest = ("%s %d"):format(quote(name), i), math.max(longest, n)
  end
  return ("set xtics (%s) noenhanced %s"):format(table.concat(tics, ", "),
    longest > each and not narrow and "rotate by -35" or "norotate")
end

local MOST_WHOLE = 8                              -- places of an axis that each have a tic
local along = {lines = true, both = true, points = true, steps = true, band = true}

-- Whether the x are a few whole numbers, such as epochs, between which there is nothing.
local function is_counted(panel)
  local low, high = math.huge, -math.huge
  for _, s in ipairs(panel.drawn) do
    if not along[s.kind] then return false end
    for _, piece in ipairs(s.pieces) do
      for _, row in ipairs(piece.rows) do
        if not math.tointeger(row[1]) then return false end
        low, high = math.min(low, row[1]), math.max(high, row[1])
      end
    end
  end
  return high > low and high - low <= MOST_WHOLE and not panel.log:find "x"
end

local function axes(panel, room, narrow)
  local lines = {range_of("x", panel.xrange), range_of("y", panel.yrange), "unset logscale", "set format '%g'"}
  local function add(...) lines[#lines + 1] = format(...) end
  if panel.log ~= "none" then add("set logscale %s", panel.log) end
  if #panel.categories > 0 then
    lines[#lines + 1] = categories(panel.categories, room, narrow)
    if not panel.xrange then add("set xrange [.4:%g]", #panel.categories + .6) end
  else
    add(is_counted(panel) and "set xtics 1 norotate" or "set xtics autofreq norotate")
    if is_kind(panel, "box") and not panel.xrange then         -- gnuplot looks at the middle of boxes only
      local width, low, high = kinds.room(panel, "box")
      add("set xrange [%.9g:%.9g]", low - width * .7, high + width * .7)
    end
  end
  if is_kind(panel, "heat") then
    local rows = panel.drawn[1].y
    add("%s; set colorbox; set yrange [%g:.5]; set xrange [.5:%g]; unset grid", palette(), #rows + .5, #rows[1] + .5)
  elseif (is_kind(panel, "bars") or is_kind(panel, "histogram")) and not panel.yrange and not panel.log:find "y" then
    add "set yrange [*<0:0<*]"
  end
  return table.concat(lines, "; ")
end

local function panel_script(panel, figure, number, room, narrow, out)
  local function add(line) out[#out + 1] = line end
  add(panel.title and ("set title %s noenhanced"):format(quote(panel.title)) or "unset title")
  for _, axis in ipairs {"x", "y"} do
    local label = panel[axis .. "label"]
    add(label and ("set %slabel %s noenhanced"):format(axis, quote(label)) or ("unset %slabel"):format(axis))
  end
  add "set border 3; set tics nomirror; set style fill noborder"
  add(narrow and "unset grid" or "set grid ytics lt 1 lw 1 lc rgb '#dddddd'")
  add(key_of(panel, figure, narrow))
  add(axes(panel, room, narrow))
  local parts = {}
  for i, s in ipairs(panel.drawn) do
    local hue = s.colour or colours[(i - 1) % #colours + 1]
    for j, piece in ipairs(s.pieces) do
      local name = ("$d%d_%d_%d"):format(number, i, j)
      add(data(name, piece, panel))
      for _, clause in ipairs(narrow and piece.in_characters or piece.clauses) do
        parts[#parts + 1] = name .. " " .. clause(hue, s.title and "title " .. quote(s.title) or "notitle",
          (i - 1) // #colours + 1)
      end
    end
  end
  if #parts > 0 then add("plot " .. table.concat(parts, ", ")) end
end

local PIXELS = 8                                  -- across a letter

--- The commands that draw a prepared figure.
-- @param figure table
-- @param width integer pixels, or characters
-- @param narrow boolean true: it is drawn in characters; keys stand below the plots
-- @return string
function script.of(figure, width, narrow)
  local room = narrow and width - 8 or width // PIXELS - 12
  local out, n = {"set encoding utf8; set pointintervalbox 0"}, #figure.panels
  if n > 1 then
    local columns = figure.columns or math.ceil(math.sqrt(n))
    room = room // columns
    out[#out + 1] = ("set multiplot layout %d,%d%s"):format(math.ceil(n / columns), columns,
      figure.title and (" title %s noenhanced"):format(quote(figure.title)) or "")
  end
  for i, panel in ipairs(figure.panels) do panel_script(panel, figure, i, room, narrow, out) end
  if n > 1 then out[#out + 1] = "unset multiplot" end
  return table.concat(out, "\n")
end

-- CSV -----------------------------------------------------------------------------------------

local function cell(v)
  if type(v) == "number" then return numbers.text(v) end
  return v:find '[,"\r\n]' and '"' .. v:gsub('"', '""') .. '"' or v
end

--- The data of a prepared figure: a line a value, with the panel and the series it belongs to.
-- @param figure table
-- @return string
function script.csv(figure)
  local columns, place = {}, {}
  local function each(f)
    for p, panel in ipairs(figure.panels) do
      for k, s in ipairs(panel.series) do
        for _, piece in ipairs(s.pieces) do f(p, panel, k, s, piece) end
      end
    end
  end
  each(function(_, _, _, _, piece)
    for _, name in ipairs(piece.columns) do
      if not place[name] then
        columns[#columns + 1] = name
        place[name] = #columns
      end
    end
  end)
  local lines = {"panel,series,kind," .. table.concat(columns, ",") .. "\n"}
  each(function(p, panel, k, s, piece)
    local head = ("%s,%s,%s"):format(cell(#figure.panels > 1 and panel.title or tostring(p)),
      cell(s.title or tostring(k)), s.kind)
    for _, row in ipairs(piece.rows) do
      local cells = {}
      for i = 1, #columns do cells[i] = "" end
      for i, name in ipairs(piece.columns) do
        local v = row[i]
        cells[place[name]] = cell(name == "x" and panel.categories[math.tointeger(math.floor(v + .5)) or 0] or v)
      end
      lines[#lines + 1] = head .. "," .. table.concat(cells, ",") .. "\n"
    end
  end)
  return table.concat(lines)
end

return script
