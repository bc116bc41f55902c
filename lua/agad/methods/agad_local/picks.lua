-- What agad_local picks by itself for pictures from files: their size and channels, what is held out, and which
-- defects are known.

local picks = {}

local LARGE, SMALL, STEP = 256, 128, 16           -- sides; a window's are multiples of STEP
local ASPECT, GREY = 1.5, 4                       -- square up to this ratio; colours that differ by less are grey
local SHARE, LEAST, MOST = .15, 30, 150           -- of the normals: held out

-- The sides of large pictures are two windows.
local function multiple(x, side)
  local step = side == LARGE and 2 * STEP or STEP
  return math.max(step, math.floor(x / step + .5) * step)
end

-- The side of a square: large pictures keep details, small ones are enlarged to at most twice their size, and tiny ones
-- only as far as a net needs.
local function side_of(side)
  if side >= 200 then return LARGE end
  return side >= SMALL / 2 and SMALL or math.max(STEP, math.ceil(side / STEP) * STEP)
end

--- How pictures are read.
-- @param found table as of a method's key `pictures`
-- @return table size, channels, filter
function picks.pictures(found)
  local side, ratio = side_of(found.side), found.height / found.width
  local height, width = side, side
  if math.max(ratio, 1 / ratio) > ASPECT then
    height, width = multiple(side * ratio ^ .5, side), multiple(side / ratio ^ .5, side)
  end
  return {height = height, width = width, channels = found.colour <= GREY and 1 or 3, filter = "adaptive"}
end

--- What is held out and known.
-- @param found table as of a method's key `task`
-- @return table gamma, holdout
function picks.task(found)
  local n = found.normals
  local held = n < 2 * LEAST and n // 3 or math.max(LEAST, math.min(MOST, math.floor(SHARE * n + .5)))
  return {gamma = "all", holdout = held}
end

return picks
