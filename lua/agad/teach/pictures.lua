-- The pictures of a step: x, what the nets make of it, and where they differ.

local core = require "agad.core"
local format = require("agad.base.text").format
local plot = require "agad.evaluate.plot"

local pictures = {}

local COUNT = 4                                   -- of normals, and of known anomalies
local QUANTILE = .998                             -- of the error: the brightest colour

-- Rows of x to show, from 1: some normals, some known anomalies.
local function rows_of(n, all)
  local rows = {}
  for i = 1, math.min(COUNT, n) do rows[#rows + 1] = i end
  for i = n + 1, math.min(n + COUNT, all) do rows[#rows + 1] = i end
  return rows
end

local function is_like(t, x)
  return #t.shape == 4 and t:size(1) == x:size(1) and (t:size(2) == 1 or t:size(2) == 3) and t:size(3) == x:size(3)
    and t:size(4) == x:size(4)
end

-- The names of the slots that are pictures like x, x first, then in the order of their names.
local function names_of(run, x)
  local list = {}
  for _, name in ipairs(run.step:slots()) do
    local t = name ~= "x" and not name:find "^loss%." and run.step:get(name)
    if t and is_like(t, x) then list[#list + 1] = name end
  end
  require("agad.base.text").sort(list)
  table.insert(list, 1, "x")
  return list
end

--- The rows of a grid (`agad.plot.grid`): x, every tensor that is pictures like it, and the error |x - x_hat|.
-- @param run run in the middle of a step, or after one
-- @return list of rows
-- @return list of their titles
-- @raise no stage has run
function pictures.rows(run)
  local x = run.step:get "x"
  if not x or #x.shape ~= 4 then error("there are no pictures yet: no stage has run", 0) end
  local low, high = run.method.input[1], run.method.input[2]
  local wanted, rows, titles = rows_of(run.step:n_normal(), x:size(1)), {}, {}
  local function add(title, cell)
    local row = {}
    for i, at in ipairs(wanted) do row[i] = {cell(at)} end
    rows[#rows + 1], titles[#titles + 1] = row, title
  end
  for _, name in ipairs(names_of(run, x)) do
    local t = run.step:get(name):detach():to "float32"
    t = ((t - low) * (255 / (high - low))):clamp(0, 255)
    add(name, function(at) return t:select(1, at) end)
  end
  local x_hat = run.step:get "x_hat"
  if x_hat and is_like(x_hat, x) then
    local error_map = (x:to "float32" - x_hat:detach():to "float32"):abs():mean {dim = 2}
    local top = math.max(1e-12, core.metrics.quantile(error_map:flatten(), QUANTILE))
    local title = format(top < .01 and "|x - x_hat|, to %.1e" or "|x - x_hat|, to %.2f", top)
    add(title, function(at) return plot.heat(error_map:select(1, at), top) end)
  end
  return rows, titles
end

--- Draws the pictures of one or more runs at the same stage, each below the one before.
-- @param runs list of {run, text}: text is put before the titles ("")
-- @param path string as for `agad.plot.grid`
-- @return as `agad.plot.grid`
function pictures.draw(runs, path)
  local agad, all, names = require "agad", {}, {}
  return agad.no_grad(function()
    for _, each in ipairs(runs) do
      local rows, titles = pictures.rows(each[1])
      for i, row in ipairs(rows) do
        if i > 1 or #all == 0 then all[#all + 1], names[#names + 1] = row, each[2] .. titles[i] end
      end
    end
    return plot.grid(all, path, {titles = names, side = 64})
  end)
end

return pictures
