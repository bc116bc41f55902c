-- The same stage from the same state with another option, side by side.

local format = require("agad.base.text").format
local keys = require("agad.base.values").keys
local report = require "agad.evaluate.report"

local comparison = {__name = "agad.comparison"}

local function number(v) return v and format("%.6g", v) or "-" end

-- Adds a line where the two differ.
local function add(lines, what, a, b)
  if a == b or a ~= a and b ~= b then return end
  lines[#lines + 1] = {what, number(a), number(b), a and b and format("%+.3g", b - a) or "-"}
end

local function both(a, b)
  local all = {}
  for name in pairs(a) do all[name] = true end
  for name in pairs(b) do all[name] = true end
  return keys(all)
end

-- The lines of what differs below a header.
local function lines_of(c)
  local mine, other, lines = c.mine, c.other, {{"", "as it is", c.text, "difference"}}
  local none = {}
  for _, name in ipairs(both(mine.values, other.values)) do
    add(lines, "loss " .. name, mine.values[name], other.values[name])
  end
  for _, update in ipairs(both(mine.gradients, other.gradients)) do
    add(lines, "gradient norm of " .. update, (mine.gradients[update] or none).norm,
      (other.gradients[update] or none).norm)
  end
  for _, name in ipairs(both(mine.tensors, other.tensors)) do
    add(lines, "mean of " .. name, (mine.tensors[name] or none).mean, (other.tensors[name] or none).mean)
  end
  for _, what in ipairs(both(mine.moved, other.moved)) do
    add(lines, what .. " moved by", (mine.moved[what] or none)[1], (other.moved[what] or none)[1])
  end
  return lines
end

function comparison.__describe(c, width)
  local lines, out = lines_of(c), {}
  if #lines == 1 then out[1] = "nothing differs at this stage" end
  if #lines > 1 then
    local text = report.align(lines)
    if text:find(("[^\n]"):rep((width or 77) + 1)) then    -- no room for a table
      text = format("as it is -> %s:\n", c.text)
      for i = 2, #lines do text = text .. ("%s: %s -> %s (%s)\n"):format(table.unpack(lines[i])) end
    end
    for line in text:gmatch "[^\n]+" do out[#out + 1] = line end
    out[#out + 1] = "all else is equal: losses, gradient norms, means of tensors, and how far the nets have moved"
  end
  if not c.same_batch then out[#out + 1] = "the option changes the batch: its pictures are others" end
  return out
end

function comparison.__tostring(c)
  return format("step %d, stage %d of %d: %s, what if %s", c.mine.step, c.mine.number, c.mine.of, c.mine.stage, c.text)
end

local compare = {}

--- Compares two views of the same stage.
-- @param mine view
-- @param other view with the option changed
-- @param text string the option
-- @param same_batch boolean whether both have the same pictures
-- @return comparison prints as a table
function compare.new(mine, other, text, same_batch)
  return setmetatable({mine = mine, other = other, text = text, same_batch = same_batch}, comparison)
end

return compare
