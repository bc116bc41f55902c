-- Trains the unfinished runs of a campaign on this machine. A run is had by who holds its lock, which its process
-- inherits: several campaigns in one folder share the work, and what a dead one had is free once its processes have
-- ended. The end of a process only notes itself; all that follows happens in the loop.

local child = require "agad.campaign.child"
local core = require "agad.core"
local interrupt = require "agad.base.interrupt"
local left_of = require "agad.campaign.left"
local luv = require "luv"
local note_of_name = require("agad.data.named").note
local options = require "agad.base.options"
local plan = require "agad.campaign.plan"
local shares = require "agad.campaign.shares"
local store = require "agad.campaign.store"

local engine = {}
engine.__index = engine

local TRIES = 3                                   -- of a run that is killed while the campaign goes on
local LOOK, WAIT = 1.0, 100                       -- seconds between two looks at other processes' runs; ms of a turn
local ROOM = 64 << 20                             -- bytes: a disk with less free is full

local option = options.option

local function fail(form, ...) error("campaign: " .. form:format(...), 0) end

engine.options = {
  workers = option {kind = "integer", min = 1, max = 1024}, program = option {}, only = option {},
  retry_failed = option {default = false}, on_event = option {kind = "any"},
}

local function tell(self, kind, run, more)
  local e = more or {}
  e.kind, e.run, e.left, e.busy = kind, run, self.left, self.count
  self.on_event(e)
end

-- Sorts the runs: what is finished is tidied up, what failed stays so unless it is asked for.
local function sort_out(self)
  local absent = 0
  for _, run in ipairs(self.runs) do
    store.look(run)
    if run.unfit then
      tell(self, "note", run, {text = ("%s: its result file %s; the run is trained again"):format(run.id, run.unfit)})
    end
    if run.state == "finished" then store.tidy(run, self.keep)
    elseif run.state == "failed" and not self.retry then self.failed = self.failed + 1
    elseif run.state == "absent" then absent = absent + 1
    else table.insert(self.waiting, run) end
  end
  self.left = #self.waiting
  if absent == #self.runs then fail("no run can be trained: %s", self.runs[1].absent) end
  for _, one in ipairs(plan.absent(self.runs)) do
    tell(self, "note", nil, {text = plan.left_out(one.count, one.reason)})
  end
end

local function release(its)
  if its.lock then its.lock:close() end
  its.lock = nil
end

-- A run that came to its end, here or in another process.
local function settle(self, run)
  self.left = self.left - 1
  if run.state == "failed" then
    self.failed = self.failed + 1
    return tell(self, "failed", run)
  end
  tell(self, "done", run)
end

-- Starts a run; false if another process has it.
local function start(self, run)
  local lock = store.take(run)
  if not lock then return false end
  local again = run.state == "failed" and not (self.retry and not self.retried[run])
  if run.state == "finished" or again then                 -- another campaign trained it meanwhile
    if run.state == "finished" then store.tidy(run, self.keep) end
    lock:close()
    settle(self, run)
    return true
  end
  self.retried[run] = true
  store.prepare(run)
  local slot = table.remove(self.slots, 1)
  local its = {lock = lock, began = core.clock(), slot = slot}
  its.handle = child.start(run, lock, {program = self.program, args = child.arguments(self.spec, run),
    threads = self.shares.threads(self.left, run.config.deterministic), gpu = self.shares.gpu(slot, run.config.device)},
    function(code, signal) table.insert(self.ended, {run, code, signal}) end)
  self.busy[run], self.count = its, self.count + 1
  run.state = "running"
  tell(self, "start", run)
  return true
end

-- Fills the free workers. Runs that other processes have wait aside.
local function fill(self)
  while self.count < self.shares.at_once and not self.stop do
    local run = table.remove(self.waiting, 1)
    if not run then return end
    if not start(self, run) then table.insert(self.elsewhere, run) end
  end
end

-- Runs that other processes had, and have no more, are looked at again.
local function look_elsewhere(self)
  local kept = {}
  for _, run in ipairs(self.elsewhere) do
    if core.file_is_locked(run.dir .. "/lock") then kept[#kept + 1] = run
    else table.insert(self.waiting, run) end
  end
  self.elsewhere = kept
end

local function check_room(self, run)
  local free = store.free(run.dir)
  if free and free < ROOM then
    self.stop = ("the disk of %s is full (%.0f MB left); make room and run the same command again"):format(
      self.spec.dir or "campaign", free / 1e6)
  end
  return self.stop
end

-- What follows from the end of a process. Its result counts, not its status.
local function end_of(self, run, code, signal)
  local its = self.busy[run]
  self.busy[run], self.count = nil, self.count - 1
  table.insert(self.slots, its.slot)
  local seconds = core.clock() - its.began
  store.look(run)
  if run.state == "finished" then
    store.tidy(run, self.keep)
    release(its)
    self.rates:add(run, seconds)
    run.seconds = seconds
    return settle(self, run)
  end
  local reason = child.verdict(run, code, signal)
  run.tries = (run.tries or 0) + 1
  if not reason and not self.stop and run.tries >= TRIES then
    reason = ("killed %d times (signal %d); was there enough memory?"):format(run.tries,
      signal ~= 0 and signal or code - 128)
  end
  if reason and not check_room(self, run) then
    store.fail(run, reason)
    release(its)
    return settle(self, run)
  end
  release(its)
  run.state, run.reason = "interrupted", nil
  if not self.stop then
    table.insert(self.waiting, 1, run)
    tell(self, "again", run)
  end
end

local function show_progress(self, now)
  if self.shown and now - self.shown < LOOK then return end
  self.shown = now
  self.on_event {kind = "progress", left = self.left, total = #self.runs, busy = self.count, failed = self.failed,
    elsewhere = #self.elsewhere, seconds_left = self.rates:seconds(self.busy, self.waiting, self.shares.at_once, now)}
end

local function interrupt_all(self)
  self.stop = self.stop or "interrupted"
  for _, its in pairs(self.busy) do its.handle:kill "sigint" end
end

local function loop(self)
  local wake, told, looked = luv.new_timer(), false, core.clock()
  local closing <close> = setmetatable({}, {__close = function()      -- luacheck: ignore 211
    if next(self.busy) then interrupt_all(self) end        -- an error: what is in training saves itself and ends
    wake:close()
    luv.run "nowait"                                       -- closing takes a turn of the loop
  end})
  wake:start(WAIT, WAIT, function() end)                   -- a signal alone does not end luv.run
  fill(self)
  while self.count > 0 or not self.stop and (#self.waiting > 0 or #self.elsewhere > 0) do
    local now = core.clock()
    if #self.elsewhere > 0 and now - looked >= LOOK and not self.stop then
      look_elsewhere(self)
      looked = now
      fill(self)
    end
    show_progress(self, now)
    if self.count > 0 or #self.elsewhere > 0 then luv.run "once" end
    while #self.ended > 0 do end_of(self, table.unpack(table.remove(self.ended, 1))) end
    if core.interrupted() and not told then
      told = true                                          -- once: a second signal would interrupt the saving
      interrupt_all(self)
    end
    fill(self)
  end
end

--- Trains all unfinished runs.
-- @param spec table the campaign
-- @param o table workers (default: the file's, or one for each core or GPU), program (the agad to start), only (the
--   text of an expression), retry_failed (false), on_event (function(event): kind = start, done, failed, again: run,
--   left, busy; progress: left, total, busy, failed, seconds_left; note: text)
-- @return table runs (each with its state, row or reason), keys, failed (a count), stopped (why it ended before its
--   end, or nil), skipped (list of {reason, count})
-- @raise as `agad.campaign.plan`; the folder belongs to another campaign; the program cannot be started
function engine.run(spec, o)
  o = options.check("campaign.run", o, engine.options)
  local runs, keys, skipped, all = plan.of(spec, o)
  spec = require("agad.campaign.file").check(spec)
  store.own(spec)
  local self = setmetatable({spec = spec, keep = spec.keep, runs = runs, retry = o.retry_failed, retried = {},
    waiting = {}, elsewhere = {}, busy = {}, ended = {}, slots = {}, count = 0, failed = 0, left = 0,
    rates = left_of.new(keys), program = o.program or os.getenv "AGAD_PROGRAM" or "agad",
    on_event = o.on_event or function() end}, engine)
  local count = 0
  for _ in pairs(all) do count = count + 1 end
  self.shares = shares.of(o.workers or spec.workers, count, spec.options or {})
  for i = 1, self.shares.at_once do self.slots[i] = i end
  local note = spec.data and note_of_name(spec.data, spec.root)
  if note then tell(self, "note", nil, {text = note}) end
  if self.shares.note then tell(self, "note", nil, {text = self.shares.note}) end
  for _, one in ipairs(skipped) do
    tell(self, "note", nil, {text = plan.left_out(one.count, one.reason)})
  end
  sort_out(self)
  local held <close> = interrupt.hold()            -- luacheck: ignore 211
  loop(self)
  return {runs = runs, keys = keys, failed = self.failed, stopped = self.stop, skipped = skipped}
end

return engine
