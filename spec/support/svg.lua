-- Reads plots of one panel that gnuplot wrote as SVG: what was drawn, in the coordinates of the axes.

local svg = {}

local PAIR = "(-?[%d.]+),(-?[%d.]+)"

-- Where two labelled tics of an axis lie: function(pixel) -> value.
local function scale(tics, logarithmic)
  local function value(v) return logarithmic and math.log(v) or v end
  local first, last = tics[1], tics[#tics]
  local slope = (value(last[2]) - value(first[2])) / (last[1] - first[1])
  return function(pixel)
    local v = value(first[2]) + slope * (pixel - first[1])
    return logarithmic and math.exp(v) or v
  end
end

local function tics_of(bytes)
  local x, y = {}, {}
  for path, label in bytes:gmatch "<path stroke='black'  d='([^']*)'/>%s*<g transform=[^>]*>%s*<text>(.-)</text>" do
    local x1, y1, x2 = path:match(".*M" .. PAIR .. " L" .. PAIR)      -- the last: minor tics come before it
    local v = tonumber((label:gsub("<[^>]*>", "")))
    if v then
      local axis, pixel = y, y1
      if x1 == x2 then axis, pixel = x, x1 end
      axis[#axis + 1] = {tonumber(pixel), v}
    end
  end
  return x, y
end

--- What was drawn, one entry a series in gnuplot's order: title, colour, points (of lines and of marks), polygons (each
-- a list of points), breaks (the number of connected lines); x of categories is counted from 1.
-- @param bytes string
-- @param o table logx, logy (true), categories (the number of them, if x has no numbers)
function svg.read(bytes, o)
  o = o or {}
  local left, top, bottom, right = bytes:match "M([%d.]+),([%d.]+) L[%d.]+,([%d.]+) L([%d.]+),[%d.]+ M"
  left, top, bottom, right = tonumber(left), tonumber(top), tonumber(bottom), tonumber(right)
  local x_tics, y_tics = tics_of(bytes)
  if o.categories then x_tics = {{left, .4}, {right, o.categories + .6}} end
  local x, y = scale(x_tics, o.logx), scale(y_tics, o.logy)
  local function inside(px, py)
    return px >= left - .1 and px <= right + .1 and py >= top - .1 and py <= bottom + .1
  end
  local plots, at = {}, 1
  while true do
    local first, start = bytes:find('<g id="gnuplot_plot_%d+" >', at)
    if not first then break end
    local stop = math.min(bytes:find("\n\t</g>\n<g fill", start, true) or #bytes,
      bytes:find('<g id="gnuplot_plot_', start, true) or #bytes)
    local body = bytes:sub(start, stop)
    local p = {title = body:match "<title>(.-)</title>", points = {}, polygons = {}, breaks = 0}
    p.colour = body:match "stroke='(rgb[^']*)'  d" or body:match "color='(rgb[^']*)'" or
      body:match "fill = '(rgb[^']*)'"
    for d in body:gmatch " d='([^']*)'" do
      for move, px, py in d:gmatch("([ML]?) ?" .. PAIR) do
        px, py = tonumber(px), tonumber(py)
        if inside(px, py) then
          p.points[#p.points + 1] = {x(px), y(py)}
          if move == "M" then p.breaks = p.breaks + 1 end
        end
      end
    end
    for px, py, size in body:gmatch("translate%(" .. PAIR .. "%) scale%(([%d.]+)%)") do
      px, py = tonumber(px), tonumber(py)
      if inside(px, py) and tonumber(size) > 0 then p.points[#p.points + 1] = {x(px), y(py)} end
    end
    for points in body:gmatch "points = '([^']*)'" do
      local polygon, all = {}, true
      for px, py in points:gmatch(PAIR) do
        all = all and inside(tonumber(px), tonumber(py))
        polygon[#polygon + 1] = {x(tonumber(px)), y(tonumber(py))}
      end
      if all then table.insert(p.polygons, polygon) end
    end
    plots[#plots + 1] = p
    at = start
  end
  return plots
end

--- The texts of a plot.
function svg.texts(bytes)
  local list = {}
  for text in bytes:gmatch "<text[^>]*>(.-)</text>" do list[#list + 1] = (text:gsub("<[^>]*>", "")) end
  return list
end

--- Expects points, each {x, y}, to within a thousandth of the span.
function svg.same(expected, points)
  local assert = require "luassert"
  local span = 0
  for _, p in ipairs(expected) do span = math.max(span, math.abs(p[1]), math.abs(p[2])) end
  assert.equal(#expected, #points)
  for i, p in ipairs(expected) do
    for k = 1, 2 do
      assert.is_true(math.abs(p[k] - points[i][k]) <= span / 500,
        ("point %d: %g, %g instead of %g, %g"):format(i, points[i][1], points[i][2], p[1], p[2]))
    end
  end
end

return svg
