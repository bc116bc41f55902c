--- Tensors as text. Columns are aligned; numbers have four significant digits, and a common factor before them if it
-- helps; `…` stands for the middle of a tensor with over a thousand elements; lines are at most as wide as the
-- terminal. Dtype, shape and device follow at the end.

local format = require("agad.base.text").format

local text = {}

local MOST, EDGE, DIGITS = 1000, 3, 4
local WIDEST = 400                      -- columns, where the terminal says more

local function finite(v) return v == v and v - v == 0 end

-- The smallest and largest absolute value other than 0, and whether all are whole.
local function range(values)
  local least, largest, whole = math.huge, 0, true
  for _, v in ipairs(values) do
    if finite(v) then
      local a = math.abs(v)
      if a > 0 then least, largest = math.min(least, a), math.max(largest, a) end
      whole = whole and v == math.floor(v)
    end
  end
  return least, largest, whole
end

local function exponent_of(v) return math.floor(math.log(v, 10) + 1e-12) end

-- A function that writes one number, and the factor that all are divided by (nil: none).
local function number_format(values)
  local least, largest, whole = range(values)
  local function plain(form, scale)
    return function(v)
      if v ~= v then return "nan" end
      if not finite(v) then return v > 0 and "inf" or "-inf" end
      return format(form, v / (scale or 1))
    end, scale
  end
  if largest == 0 or whole and largest < 1e6 then return plain "%.0f" end
  local top, low = exponent_of(largest), exponent_of(least)
  if top - low > 7 then return plain(("%%.%de"):format(DIGITS - 1)) end
  if top >= 5 or top < -3 then
    local scale = 10.0 ^ top
    return plain(("%%.%df"):format(math.min(DIGITS + 2, DIGITS - 1 + math.min(3, top - low))), scale)
  end
  return plain(("%%.%df"):format(math.max(0, math.min(DIGITS, DIGITS - 1 - math.min(low, top)))))
end

local function complex_format(v) return format("%.4g%+.4gi", v[1], v[2]) end

-- The first and the last few along every dimension, where there are too many elements: positions, 0 for what is left
-- out.
local function shown_positions(t)
  local positions, all = {}, t:numel() <= MOST
  for d, size in ipairs(t.shape) do
    local list = {}
    if all or size <= 2 * EDGE then for i = 1, size do list[i] = i end
    else
      for i = 1, EDGE do list[i] = i end
      list[EDGE + 1] = 0
      for i = 1, EDGE do list[EDGE + 1 + i] = size - EDGE + i end
    end
    positions[d] = list
  end
  return positions
end

-- Only the elements that are shown, as a small tensor in main memory.
local function gathered(t, positions)
  local core = require "agad.core"
  for d, list in ipairs(positions) do
    local index = {}
    for _, i in ipairs(list) do if i > 0 then index[#index + 1] = i - 1 end end
    if #index < t:size(d) then t = t:index_select(d, core.from_table(index, "int64"):to {device = t.device}) end
  end
  return t:cpu()
end

local function flat(nested, into)
  for _, v in ipairs(nested) do
    if type(v) == "table" then flat(v, into) else into[#into + 1] = v end
  end
  return into
end

-- One line for each row of a matrix of cells, in blocks of columns that fit; `places` are those of its columns in the
-- tensor, 0 for what is left out.
local function matrix(rows, places, width, columns, lines)
  local per = math.max(1, columns // (width + 2))
  local count = rows[1] and #rows[1] or 0
  for first = 1, math.max(1, count), per do
    local last = math.min(count, first + per - 1)
    if count > per then
      local from = places[first] > 0 and places[first] or places[first + 1]
      local to = places[last] > 0 and places[last] or places[last - 1]
      lines[#lines + 1] = ("columns %d to %d"):format(math.min(from, to), math.max(from, to))
    end
    for _, row in ipairs(rows) do
      local parts = {}
      for i = first, last do
        local cell = row[i]
        parts[#parts + 1] = (" "):rep(width + 2 - utf8.len(cell)) .. cell
      end
      lines[#lines + 1] = table.concat(parts)
    end
  end
end

local function wrapped(cells, width, columns, lines)
  local per = math.max(1, columns // (width + 2))
  for first = 1, #cells, per do
    local parts = {}
    for i = first, math.min(#cells, first + per - 1) do
      parts[#parts + 1] = (" "):rep(width + 2 - utf8.len(cells[i])) .. cells[i]
    end
    lines[#lines + 1] = table.concat(parts)
  end
end

--- The whole text of a tensor.
-- @param t tensor
-- @param footer string its dtype, shape and device
-- @param columns integer how wide a line may be (the terminal's width)
-- @return string
function text.of(t, footer, columns)
  if #t.shape == 0 and t.dtype:find "complex" then
    return complex_format(t:detach():view_as_real():totable()) .. " " .. footer
  end
  if #t.shape == 0 or t:numel() == 0 then return footer end
  columns = math.max(20, math.min(WIDEST, columns or require("agad.core").terminal_width()))
  local positions, complex = shown_positions(t), t.dtype:find "complex" ~= nil
  local shown = gathered(t:detach(), positions)
  local nested = (complex and shown:view_as_real() or shown):totable()
  local show, scale = tostring, nil
  if complex then show = complex_format
  elseif t.dtype:find "int" then show = function(v) return ("%d"):format(v) end
  elseif t.dtype ~= "bool" then show, scale = number_format(flat(nested, {})) end
  local width = 0
  local function cells_of(values, d)                     -- strings, with … between the first and the last ones
    local cells, next_value = {}, 1
    for k, i in ipairs(positions[d]) do
      if i == 0 then cells[k] = "…"
      else
        cells[k] = show(values[next_value])
        next_value = next_value + 1
      end
      width = math.max(width, utf8.len(cells[k]))
    end
    return cells
  end
  local lines, blocks, dims = {}, {}, #t.shape
  if scale then lines[1] = format("%g *", scale) end
  local function walk(values, d, path)
    if d == dims then blocks[#blocks + 1] = {rows = {cells_of(values, d)}, path = path} return end
    if d == dims - 1 then
      local rows, next_value = {}, 1
      for k, i in ipairs(positions[d]) do
        if i == 0 then rows[k] = false
        else
          rows[k] = cells_of(values[next_value], dims)
          next_value = next_value + 1
        end
      end
      blocks[#blocks + 1] = {rows = rows, path = path}
      return
    end
    local next_value = 1
    for _, i in ipairs(positions[d]) do
      if i == 0 then blocks[#blocks + 1] = {gap = true}
      else
        walk(values[next_value], d + 1, path .. i .. ", ")
        next_value = next_value + 1
      end
    end
  end
  walk(nested, 1, "")
  for _, block in ipairs(blocks) do
    if block.gap then lines[#lines + 1] = "…"
    elseif dims == 1 then wrapped(block.rows[1], width, columns, lines)
    else
      if dims > 2 then lines[#lines + 1] = ("{%s{}, {}}"):format(block.path) end
      for k, row in ipairs(block.rows) do
        if not row then
          block.rows[k] = {}
          for i in ipairs(positions[dims]) do block.rows[k][i] = "…" end
        end
      end
      matrix(block.rows, positions[dims], width, columns, lines)
    end
  end
  lines[#lines + 1] = footer
  return table.concat(lines, "\n")
end

return text
