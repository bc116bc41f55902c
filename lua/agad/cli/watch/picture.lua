-- The picture of a run: where it is, and a panel for each curve, as many as there is room for.

local curve = require "agad.cli.watch.curve"
local format = require("agad.base.text").format
local keys = require("agad.base.values").keys
local printable = require("agad.base.text").printable
local progress = require "agad.train.progress"

local picture = {}

local GUTTER, LEAST, MOST = 7, 2, 8               -- width of the axis; lines of a curve, besides its title
local PANEL = 36                                  -- columns that a panel needs beside another one

local colour = {axis = "\27[2m", auroc = "\27[32m", loss = "\27[36m", off = "\27[0m"}

-- A text in exactly so many columns.
local function fit(text, width)
  local n = utf8.len(text) or #text
  if n <= width then return text .. (" "):rep(width - n) end
  return text:sub(1, (utf8.offset(text, width + 1) or width + 1) - 1)
end

-- The curves in the order in which room is given to them: {title, points, kind}.
local function panels_of(run)
  local list, listed = {}, {}
  for _, name in ipairs {"steady", "plain"} do
    if run.aurocs[name] then list[#list + 1] = {"AUROC " .. name, run.aurocs[name], "auroc"} end
  end
  local function add(name)
    if listed[name] or not run.losses[name] then return end
    listed[name] = true
    list[#list + 1] = {printable(name), run.losses[name], "loss"}
  end
  for _, name in ipairs {"generator", "discriminator"} do add(name) end
  for _, name in ipairs(keys(run.losses)) do add(name) end
  return list
end

-- A number on the axis, in six columns at most.
local function label_of(v)
  return math.abs(v) >= 99999.5 and format("%.0e", v) or progress.number(v)
end

-- A panel in `height` lines.
local function panel(p, o, width, height)
  local title, points, kind = table.unpack(p)
  local low, high, is_log = curve.range(points)
  local last = progress.number(points[#points][2])
  local lines = {fit(("%s %s%s"):format(title, last, is_log and " (log)" or ""), width)}
  local drawn = curve.draw(points, {width = width - GUTTER, height = height - 1, left = o.left, right = o.right,
    unicode = o.unicode})
  for i, line in ipairs(drawn) do
    local label = i == 1 and label_of(high) or i == #drawn and label_of(low) or ""
    if high == low then label = i == #drawn // 2 + 1 and label_of(low) or "" end
    label = ("%6s "):format(label)
    lines[i + 1] = o.colours and colour.axis .. label .. colour[kind] .. line .. colour.off or label .. line
  end
  return lines
end

-- Where the run is, in words; where it goes on, a line as the training shows it.
local function status(run, o)
  local e, ended = run.latest, run.ended
  if ended then
    local words = ("%s %s"):format(ended.interrupted and "interrupted after" or "trained in",
      progress.duration(ended.seconds or 0))
    local evaluating = o.held and not ended.interrupted and not run.result
    return words .. (evaluating and "; its evaluation is still to come" or "")
  end
  if not o.held then
    return (e and "stopped at step " .. e.step or "no steps") .. ": no process has this run now"
  end
  if not e then return "no steps yet" end
  local phase, now = run.phase or {}, os.time()
  local first = phase.first or 0
  local total = (phase.last or e.step) - first
  local left = e.eta and math.max(0, e.eta - (now - (run.modified or now)))
  return progress.line({phase = phase.phase, epoch = e.epoch or 0, done = e.step - first, total = total,
    share = e.share, images_per_second = e.images_per_second, eta = left},
    {epochs = phase.epochs or e.epoch or 0, steps = phase.steps}, o.columns, o.unicode)
end

-- The steps that the curves span.
local function span(panels)
  local left, right = math.huge, 0
  for _, p in ipairs(panels) do left, right = math.min(left, p[2][1][1]), math.max(right, p[2][#p[2]][1]) end
  return left, right
end

-- Puts panels beside each other, `across` in a line, and below each other.
local function place(panels, o, across, height, lines)
  local width = (o.columns - 2 * (across - 1)) // across
  for first = 1, #panels, across do
    local row = {}
    for i = first, math.min(#panels, first + across - 1) do row[#row + 1] = panel(panels[i], o, width, height) end
    for k = 1, height do
      local parts = {}
      for i, one in ipairs(row) do parts[i] = one[k] end
      lines[#lines + 1] = table.concat(parts, "  ")
    end
  end
end

--- Draws a run.
-- @param run table as `follow.new` gives it
-- @param o table columns, lines, unicode, colours, held (whether a process has the run)
-- @return list of lines, at most as many, none wider
function picture.draw(run, o)
  local lines = {fit(printable(run.dir), o.columns), fit(status(run, o), o.columns)}
  local panels = panels_of(run)
  local room, across = o.lines - #lines - 1, math.max(1, (o.columns + 2) // (PANEL + 2))
  local most = math.max(0, room // (LEAST + 1)) * across
  if #panels > 0 and most > 0 and o.columns >= 2 * GUTTER then
    local hidden = math.max(0, #panels - most)
    o.left, o.right = span(panels)
    for i = #panels, most + 1, -1 do panels[i] = nil end
    across = math.min(across, #panels)
    place(panels, o, across, math.min(MOST + 1, room // ((#panels + across - 1) // across)), lines)
    lines[#lines + 1] = fit(("steps %d to %d%s"):format(o.left, o.right,
      hidden > 0 and (" (%d more: no room)"):format(hidden) or ""), o.columns)
  end
  for i = #lines, o.lines + 1, -1 do lines[i] = nil end
  for i, line in ipairs(lines) do lines[i] = line:gsub(" +$", "") end
  return lines
end

return picture
