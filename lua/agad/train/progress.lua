-- Progress: shows the events of a run, on stderr only. On a terminal and in a notebook it redraws one line; elsewhere
-- (a file, a pipe, TERM=dumb) it prints one plain line per epoch, or twenty lines where steps or minutes end the
-- training. The width of the terminal is read again for each drawing, so that a resized window stays tidy.

local sorted_keys = require("agad.base.values").keys
local format = require("agad.base.text").format
local terminal = require "agad.base.terminal"
local wrap = require("agad.base.text").wrap

local progress = {}

local blocks = {"▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"}

--- Seconds as a person reads them: 4.2 s, 1:05, 2:03:10.
function progress.duration(seconds)
  if seconds ~= seconds or seconds == math.huge then return "-:--" end
  if seconds < 9.95 then return format("%.1f s", seconds) end
  local s = math.floor(seconds + 0.5)
  if s < 60 then return ("%d s"):format(s) end
  if s < 3600 then return ("%d:%02d"):format(s // 60, s % 60) end
  return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60)
end

--- A bar of `width` columns filled to `share` (0..1), in eighths of a block or in ASCII.
function progress.bar(share, width, unicode)
  share = math.max(0, math.min(1, share))
  if not unicode then
    local full = math.floor(share * (width - 2) + 0.5)
    return "[" .. ("#"):rep(full) .. ("-"):rep(width - 2 - full) .. "]"
  end
  local eighths = math.floor(share * width * 8 + 0.5)
  local full, part = eighths // 8, eighths % 8
  local text = ("█"):rep(full) .. (part > 0 and blocks[part] or "")
  return text .. ("·"):rep(width - full - (part > 0 and 1 or 0))
end

--- A number in six columns or fewer, if it is below a million: 123456, 12.34, 0.012.
function progress.number(v)
  if v ~= v then return "nan" end
  local a = math.abs(v)
  if a >= 1000 then return format("%.0f", v) end
  if a >= 100 then return format("%.1f", v) end
  if a >= 10 then return format("%.2f", v) end
  if a >= 0.001 or a == 0 then return format("%.3f", v) end
  return format("%.0e", v)
end

local short = {{"generator", "G"}, {"discriminator", "D"}}

-- "G 12.3  D 0.69" if there are a generator and a discriminator, else the first two losses by name.
local function losses(values)
  local parts = {}
  for _, pair in ipairs(short) do
    if values[pair[1]] then parts[#parts + 1] = pair[2] .. " " .. progress.number(values[pair[1]]) end
  end
  if #parts < #short then
    parts = {}
    local names = sorted_keys(values)
    for i = 1, math.min(2, #names) do parts[i] = names[i] .. " " .. progress.number(values[names[i]]) end
  end
  return table.concat(parts, "  ")
end

--- The line for a step event in at most `width` columns; parts that do not fit are left out, the bar last of all.
-- @param e table the event: phase (if there are several), epoch, done and total (steps of the phase), share (how much
--   is done; default: done / total), losses, images_per_second, eta
-- @param total table the begin event: epochs, and steps where the option `steps` counts
function progress.line(e, total, width, unicode)
  local word, at, all = "epoch", e.epoch, tostring(total.epochs)
  if total.steps then word, at, all = "step", e.done, tostring(total.steps) end
  local head = ("%s%s %" .. #all .. "d/%s"):format(e.phase and e.phase .. " " or "", word, at, all)
  local done = e.share or e.done / math.max(1, e.total)
  local tail = {
    e.losses and next(e.losses) and losses(e.losses) or nil,
    e.eta and progress.duration(e.eta) .. " left" or "",
    e.images_per_second and format("%.0f images/s", e.images_per_second) or nil,
  }
  local order = {}                                -- on the line: losses, images/s, time left
  for _, i in ipairs {1, 3, 2} do if tail[i] and tail[i] ~= "" then order[#order + 1] = i end end
  local function room(kept)
    local n = width - #head - 2
    for _, i in ipairs(kept) do n = n - #tail[i] - 2 end
    return n
  end
  while #order > 0 and room(order) < 8 do         -- first the speed goes, then the time, then the losses
    local worst = 1
    for k, i in ipairs(order) do if i > order[worst] then worst = k end end
    table.remove(order, worst)
  end
  local parts = {head}
  local columns = math.min(30, room(order))
  if columns >= 4 then parts[2] = progress.bar(done, columns, unicode) end
  for _, i in ipairs(order) do parts[#parts + 1] = tail[i] end
  return table.concat(parts, "  ")
end

local LINES = 20

local consumer = {}
consumer.__index = consumer

function consumer:clear()
  if self.drawn then self.out:write("\r\27[K"); self.drawn = false; self.out:flush() end
end

function consumer:print(text)
  self:clear()
  self.out:write(text, "\n")
  self.out:flush()
end

function consumer:draw(text, always)
  local now = self.clock()
  if not always and now - self.last < 0.1 then return end
  self.last = now
  self.out:write("\r", text, "\27[K")
  self.out:flush()
  self.drawn = true
end

function consumer:width() return math.max(1, self.columns() - 3) end   -- room for the terminal's own ^C

local on = {}

function on.begin(self, e)
  self.total, self.latest, self.shown = e, nil, nil
  self.began = self.clock()
end

function on.step(self, e)
  self.latest = e
  if self.live then
    self:draw(progress.line(e, self.total, self:width(), self.unicode), e.done == e.total)
  elseif self.total.steps then
    local share = LINES * e.done // e.total
    if self.shown and share > self.shown then self:plain(("step %d/%d"):format(e.done, e.total)) end
    self.shown = share
  end
end

function on.epoch(self, e)
  if self.live or not self.latest or self.total.steps then return end
  self:plain(("epoch %d/%d"):format(e.epoch, self.total.epochs))
end

-- One line of the latest step.
function consumer:plain(at)
  local step = self.latest
  local parts = {(step.phase and step.phase .. " " or "") .. at}
  if step.losses and next(step.losses) then parts[#parts + 1] = losses(step.losses) end
  if step.images_per_second then parts[#parts + 1] = format("%.0f images/s", step.images_per_second) end
  if step.eta and step.eta > 0 then parts[#parts + 1] = progress.duration(step.eta) .. " left" end
  self:print(table.concat(parts, "  "))
end

local function draw_share(self, word, e)
  if not self.live then return end
  local share = e.total and e.total > 0 and e.done / e.total or 0
  local columns = math.min(30, self:width() - #word - 2)
  if share >= 1 then self:clear()
  elseif columns >= 4 then self:draw(word .. "  " .. progress.bar(share, columns, self.unicode)) end
end

function on.evaluate(self, e) draw_share(self, "evaluating", e) end

function on.load(self, e) draw_share(self, "reading pictures", e) end

function on.work(self, e)
  if self.live then self:draw(e.text, true) else self:print(e.text) end
end

function on.line(self, e) self:print(wrap(e.text, 79, 10)) end

function on.note(self, e) self:print("note: " .. e.text) end

on["end"] = function(self, e)
  local seconds = e.seconds or self.clock() - (self.began or self.clock())
  self:print(("%s %s"):format(e.interrupted and "interrupted after" or "trained in", progress.duration(seconds)))
end

function consumer:__call(e)
  local handler = on[e.kind]
  if handler then handler(self, e) end
end

--- Shows a run's events: call the result with each event, and its method `clear` before other output.
-- @param o table quiet (true: nothing is shown), out (a file; default: the notebook or stderr), live (true: one line is
--   redrawn), columns (a function that returns the width), unicode, clock; what is not given is detected
-- @return callable
function progress.new(o)
  o = o or {}
  if o.quiet then return setmetatable({clear = function() end}, {__call = function() end}) end
  local core = (o.live == nil or not o.columns or not o.clock) and require "agad.core" or {}
  local notebook = not o.out and terminal.notebook
  local self = setmetatable({out = o.out or notebook and notebook.progress or io.stderr, last = -1, drawn = false},
    consumer)
  self.clock = o.clock or core.clock
  self.columns = o.columns or core.terminal_width
  self.live = o.live
  if self.live == nil then self.live = notebook and true or terminal.is_live(2) end
  self.unicode = o.unicode
  if self.unicode == nil then self.unicode = notebook and true or terminal.is_utf8() end
  return self
end

return progress
