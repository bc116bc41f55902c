--- The log of a run: entries of log.jsonl, and with the option `tensorboard` the same as events for TensorBoard. What
-- cannot be written is said once, and the training goes on. These are methods of a run.
--
-- Entries have a kind: "begin" (of a phase, or of what a resumed run does of it; the phase is what comes after the step
-- `first` up to the step `last`), "step", "evaluate" (after an epoch), "result" (of the whole training) and "end".

local errors = require "agad.base.errors"
local examples = require "agad.evaluate.examples"
local plot = require "agad.evaluate.plot"
local tensorboard = require "agad.train.tensorboard"

local run = {}

local function finite(v) return type(v) == "number" and v - v == 0 end

local harm = {["log.jsonl"] = "entries are missing from it", ["events for TensorBoard"] = "no more of them are written"}

-- Says once why something is not written.
local function complain(self, what, reason, on_event)
  if not reason or self.complaints[what] then return end
  self.complaints[what] = true
  local after = harm[what] and "; " .. harm[what] or ""
  if on_event then on_event {kind = "note", text = ("%s: %s%s"):format(what, reason, after)} end
end

-- The writer of events, or nil; it is made for the first entry after the run's start.
local function events(self, on_event)
  if not self.config.tensorboard then return nil end
  if not self.events then
    local reason
    self.events, reason = tensorboard.open(self.dir, (self.resumed or 0) + 1)
    complain(self, "events for TensorBoard", reason, on_event)
  end
  return self.events
end

-- An entry's numbers by their names in TensorBoard.
local function tagged(entry)
  local values = {}
  local function add(prefix, numbers)
    for name, v in pairs(numbers) do if finite(v) then values[prefix .. name] = v end end
  end
  add("loss/", entry.losses or {})
  add("rate/", entry.rates or {})
  add("speed/", {images_per_second = entry.images_per_second})
  for name, v in pairs(entry) do
    local column = name:match "^auroc_(.*)$"
    if column then add("auroc/", {[column] = v}) end
  end
  add("", {epoch = entry.kind == "step" and entry.epoch or nil, held_out = entry.val})
  return values
end

local function write(self, entry, on_event) complain(self, "log.jsonl", self.rundir:log(entry), on_event) end

-- Sends an entry's numbers to TensorBoard.
local function send(self, entry, on_event)
  local values = tagged(entry)
  local to = next(values) and events(self, on_event)
  complain(self, "events for TensorBoard", to and to:scalars(entry.step, values), on_event)
end

--- Adds an entry to the log.
-- @param entry table kind, step and more
-- @param on_event function for a note, or nil
function run:log(entry, on_event)
  if entry.kind == "step" then table.insert(self.logged, {step = entry.step, losses = entry.losses}) end
  if not self.rundir then return end
  write(self, entry, on_event)
  send(self, entry, on_event)
end

-- A grid of test pictures as a PNG file; or nil, and the reason.
local function drawn(self, net, how)
  local ok, result = errors.try(function()
    local rows = examples.rows(self.task, net, how)
    return rows and plot.grid(rows, ".png")
  end)
  if not ok then return nil, errors.text(result) end
  return result, not result and ("method %s gives neither reconstructions nor error maps"):format(self.method.name)
end

--- Adds an evaluation to the log; and to TensorBoard's events once for each step, with a grid of test pictures.
-- @param entry table as for `run:log`
-- @param net net the scoring net
-- @param how table as for `agad.scorer.score`
-- @param on_event function for a note, or nil
-- @raise it is interrupted; nothing was added then
function run:log_evaluation(entry, net, how, on_event)
  if not self.rundir then return end
  local to, png, reason = self.evaluated ~= entry.step and events(self, on_event) or nil, nil, nil
  if to then png, reason = drawn(self, net, how) end
  write(self, entry, on_event)
  if to then send(self, entry, on_event) end
  complain(self, "pictures for TensorBoard", reason, on_event)
  if png then complain(self, "events for TensorBoard", to:picture(entry.step, "examples", png), on_event) end
  self.evaluated = entry.step
end

local log = {}

--- Adds the methods of this file to those of a run.
-- @param class table
function log.extend(class) for name, method in pairs(run) do class[name] = method end end

return log
