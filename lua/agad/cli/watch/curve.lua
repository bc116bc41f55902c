--- Curves as characters: eight dots to a character (braille), or with ASCII three heights.

local curve = {}

-- The dots of a braille character, by column and row from its upper left corner.
local braille = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}

-- ASCII by which of the three heights are set: 1 the upper one, 2 the middle, 4 the lower.
local ascii = {[0] = " ", "'", "-", "'", ".", ":", ".", "|"}

local function lines_between(x1, y1, x2, y2, dot)  -- dots from one point to another, Bresenham's way
  local dx, dy = math.abs(x2 - x1), -math.abs(y2 - y1)
  local sx, sy, err = x1 < x2 and 1 or -1, y1 < y2 and 1 or -1, dx + dy
  while true do
    dot(x1, y1)
    if x1 == x2 and y1 == y2 then return end
    local twice = 2 * err
    if twice >= dy then err, x1 = err + dy, x1 + sx end
    if twice <= dx then err, y1 = err + dx, y1 + sy end
  end
end

--- The range of a curve's values, and whether they are better shown by their logarithms.
-- @param points list of {x, y}, not empty
-- @return number lowest
-- @return number highest
-- @return boolean true: all are positive, and they differ by a factor of 20 or more
function curve.range(points)
  local low, high = math.huge, -math.huge
  for _, p in ipairs(points) do low, high = math.min(low, p[2]), math.max(high, p[2]) end
  return low, high, low > 0 and high >= 20 * low
end

--- Draws a curve.
-- @param points list of {x, y}, in the order of x
-- @param o table width, height (characters), left, right (the range of x), unicode
-- @return list of lines, each `width` characters
function curve.draw(points, o)
  local columns, rows = o.unicode and 2 or 1, o.unicode and 4 or 3          -- dots of a character
  local wide, high, cells = o.width * columns, o.height * rows, {}
  local low, top, is_log = curve.range(points)
  local scale = is_log and math.log or function(v) return v end
  local bottom, span = scale(low), scale(top) - scale(low)
  local function dot(x, y)
    local cell = y // rows * o.width + x // columns
    local bit = o.unicode and braille[x % columns + 1][y % rows + 1] or 1 << y % rows
    cells[cell] = (cells[cell] or 0) | bit
  end
  local before_x, before_y
  for _, p in ipairs(points) do
    local x = o.right > o.left and (p[1] - o.left) / (o.right - o.left) or 0
    local y = span > 0 and (scale(p[2]) - bottom) / span or .5
    x = math.floor(math.max(0, math.min(1, x)) * (wide - 1) + .5)
    y = high - 1 - math.floor(y * (high - 1) + .5)
    lines_between(before_x or x, before_y or y, x, y, dot)
    before_x, before_y = x, y
  end
  local lines = {}
  for row = 0, o.height - 1 do
    local line = {}
    for k = 0, o.width - 1 do
      local set = cells[row * o.width + k] or 0
      line[k + 1] = not o.unicode and ascii[set] or set == 0 and " " or utf8.char(0x2800 + set)
    end
    lines[row + 1] = table.concat(line)
  end
  return lines
end

return curve
