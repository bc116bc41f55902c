--- Lessons: a training that is walked through stage by stage, back again, and under other options.
-- A lesson has a run, and the states before the current step and before earlier ones (agad.train.snapshot), as many as
-- the option `memory` allows. Within a step it goes back by running the stages before from the state at the step's
-- beginning, which gives the same values to the bit; a method whose Lua stages keep something outside of the state sees
-- such a stage a second time. What would be with another option is computed in a second run, in the same state.

local agad = require "agad"
local compare = require "agad.teach.compare"
local core = require "agad.core"
local errors = require "agad.base.errors"
local evaluation = require "agad.teach.evaluation"
local format = require("agad.base.text").format
local interrupt = require "agad.base.interrupt"
local keys = require("agad.base.values").keys
local look = require "agad.teach.look"
local option = require("agad.base.options").option
local phase = require "agad.train.phase"
local pictures = require "agad.teach.pictures"
local show = require("agad.base.options").show
local snapshot = require "agad.train.snapshot"

local MB = 1e6

local lesson = {}
lesson.__index = lesson
lesson.__name = "agad.lesson"

--- The options of a lesson.
lesson.options = {memory = option {default = 1000, min = 1, max = 1 << 30, unit = "MB",
  help = "memory for the states of earlier steps"}}

local function fail(form, ...) error(format(form, ...), 0) end

-- Options that belong to the whole lesson.
local fixed = {}
for _, name in ipairs {"accumulate", "data", "deterministic", "device", "method", "minutes", "precision", "seed",
  "task_seed", "threads"} do fixed[name] = true end

-- Adds options to a table of nested ones, which has no part of theirs afterwards.
local function add(into, given)
  for name, v in pairs(given) do
    local outer, inner = tostring(name):match "^(.-)%.(.+)$"
    if outer then name, v = outer, {[inner] = v} end
    if type(v) == "table" and (#v == 0 or type(into[name]) == "table" and #into[name] == 0) then
      into[name] = add(type(into[name]) == "table" and into[name] or {}, v)
    else into[name] = type(v) == "table" and table.move(v, 1, #v, 1, {}) or v end
  end
  return into
end

local function add_to(given, changes) return add(add({}, given), changes) end

-- Options in words: "adv_anom = opposite".
local function words(changes)
  local parts = {}
  local function walk(t, prefix)
    for _, name in ipairs(keys(t)) do
      local v = t[name]
      if type(v) == "table" and #v == 0 then walk(v, prefix .. name .. ".")
      else parts[#parts + 1] = ("%s%s = %s"):format(prefix, name, type(v) == "string" and v or show(v)) end
    end
  end
  walk(changes, "")
  return table.concat(parts, ", ")
end

-- A name and a value, or a table of several, as a table.
local function changes_of(what, name, value)
  local changes = type(name) == "table" and name or {[name or ""] = value}
  if not next(changes) or changes[""] ~= nil or type(name) ~= "table" and (name == nil or value == nil) then
    fail("%s: give an option and a value, for example %s adv_anom=opposite", what, what)
  end
  for key in pairs(changes) do
    if fixed[key] then fail("%s: %s belongs to the whole lesson; start another one with it", what, key) end
  end
  return changes
end

--- Starts a lesson.
-- @param task task
-- @param given table options of the trainer
-- @param o table memory (1000): how many MB the states of earlier steps may take
-- @return lesson
-- @raise as agad.trainer; `accumulate` is not 1
function lesson.new(task, given, o)
  given = add_to({}, given or {})
  if given.minutes == nil then given.minutes = 0.0 end     -- steps are not timed to fill the minutes of a method
  local run = agad.trainer(task, given)
  if run.config.accumulate ~= 1 then
    fail("accumulate = %d: a lesson goes from update to update, and takes accumulate = 1", run.config.accumulate)
  end
  return setmetatable({task = task, given = given, run = run, memory = o.memory * MB, points = {}, at = 0}, lesson)
end

-- Going on --------------------------------------------------------------------------------------

-- Keeps the state before a step, and drops the earliest ones that there is no room for.
local function keep(self, state)
  table.insert(self.points, state)
  local bytes = 0
  for _, s in ipairs(self.points) do bytes = bytes + s.bytes end
  while bytes > self.memory and #self.points > 1 do
    bytes = bytes - table.remove(self.points, 1).bytes
    self.dropped = true
  end
end

local function last_point(self) return self.points[#self.points] end

-- Begins a step and runs its first stages; returns the look at it, and the view of the last one.
local function walk(run, began, count)
  if not run:begin_step() then fail "the method's last phase has no steps" end
  local seen, view = look.new(run, began), nil
  if count > run.stages then fail("the step has %d stages then", run.stages) end
  for i = 1, count do view = seen:stage(i, run:run_stage(i)) end
  return seen, view
end

-- Puts the run between two steps.
local function between(self, state)
  snapshot.restore(self.run, state)
  self.at, self.look, self.view, self.other = 0, nil, nil, nil
end

-- After a stage that failed or was interrupted: where the lesson was before it.
local function recover(self)
  core.interrupt_clear()
  local held <close> = interrupt.hold()                  -- luacheck: ignore 211
  local at = self.at
  local ok = false
  between(self, last_point(self))
  if at > 0 then
    ok = pcall(function() self.look, self.view = walk(self.run, last_point(self), at) end)
    if ok then self.at = at else between(self, last_point(self)) end
  end
  if not ok then table.remove(self.points) end
  self.busy = false
  return ok or at == 0
end

-- Each method that moves the run begins with this: Ctrl-C may have ended the one before at any place.
local function ready(self)
  if self.busy then recover(self) end
end

local function begin(self)
  local run = self.run
  local state = snapshot.take(run)
  do
    local held <close> = interrupt.hold()                -- luacheck: ignore 211
    keep(self, state)
    self.at, self.view, self.busy = 0, nil, true
  end
  local ok, more = errors.try(run.begin_step, run)
  if ok and more then
    self.look = look.new(run, state)
    return
  end
  recover(self)
  if ok then fail "this is the end of the lesson: the method's last phase has no steps" end
  fail("%s; the lesson is where it was", errors.text(more))
end

--- Whether no stage of a step is still to be run.
local function is_between(self) return self.at == 0 or self.at == self.run.stages end

--- Runs the next stage; after the last one of a step, the first one of the next step.
-- @return view the tensors, losses and gradients, and what has changed; prints as text
-- @raise the stage fails: the lesson is then where it was before
-- @example lesson = agad.teach("weave", {gamma = .05}); lesson:next()
function lesson:next()
  ready(self)
  if is_between(self) then begin(self) end
  self.busy = true
  local ok, result = errors.try(self.run.run_stage, self.run, self.at + 1)
  if not ok then
    local whole = recover(self)
    fail("%s; the lesson is %s", errors.text(result),
      whole and "where it was before this stage" or "at the beginning of the step")
  end
  local view = self.look:stage(self.at + 1, result)
  local held <close> = interrupt.hold()                  -- luacheck: ignore 211
  self.at, self.view, self.other, self.busy = self.at + 1, view, nil, false
  return view
end

--- Runs to the end of the step, or to that of the n-th one from here.
-- @param n integer (1)
-- @return view of the last stage
-- @raise as `next`
function lesson:step(n)
  n = n or 1
  if math.type(n) ~= "integer" or n < 1 then fail("step %s: give a number of steps from 1", show(n)) end
  for _ = 1, n do
    repeat self:next() until self.at == self.run.stages
  end
  return self.view
end

-- Whether the current epoch has no more batches.
local function is_over(run)
  return run.epoch == run.done or phase.is_cut(run) or run.sampler:state().batch >= run.sampler:batches()
end

--- Trains to the end of an epoch of this phase, or of the phase, or until Ctrl-C; `back` then leads to where it began.
-- @param epoch integer
-- @return position stopped: true after Ctrl-C
-- @raise the epoch is over; a stage fails: the lesson is then where it was
function lesson:run_to(epoch)
  if math.type(epoch) ~= "integer" or epoch < 1 then fail("run to %s: give the number of an epoch", show(epoch)) end
  local held <close> = interrupt.hold()                  -- luacheck: ignore 211
  ready(self)
  if not is_between(self) then self:step() end
  local run = self.run
  if run.epoch > epoch or run.epoch == epoch and is_over(run) then
    fail("run to %d: this is the end of epoch %d; give a later one, or go back", epoch, run.epoch)
  end
  local state, number = snapshot.take(run), run.phase
  local ok, reason = errors.try(function()
    repeat
      if not run:begin_step() then break end
      for i = 1, run.stages do run:run_stage(i) end
      local ended = is_over(run) and (run.epoch >= epoch or not phase.is_last(run) and run.epoch >= phase.epochs(run))
    until ended or run.phase ~= number or core.interrupted()
  end)
  local stopped = core.interrupted() and true or nil
  core.interrupt_clear()
  if not ok then
    between(self, state)
    fail("%s; the lesson is where it was", errors.text(reason))
  end
  keep(self, state)
  self.at, self.look, self.view, self.other = 0, nil, nil, nil
  local position = self:where()
  position.stopped = stopped
  return position
end

--- Goes back to the beginning of the step, or from there to that of the step before; n times.
-- @param n integer (1)
-- @return position
-- @raise there is no earlier step, or it is not kept; the lesson is then at the earliest one
function lesson:back(n)
  n = n or 1
  if math.type(n) ~= "integer" or n < 1 then fail("back %s: give a number from 1", show(n)) end
  local held <close> = interrupt.hold()                  -- luacheck: ignore 211
  ready(self)
  for _ = 1, n do
    local state = last_point(self)
    if not state then
      if not self.dropped then fail "back: this is the beginning of the lesson" end
      fail("back: what was before step %d is no longer kept (memory = %d, in MB)", self.run.steps + 1,
        self.memory // MB)
    end
    between(self, state)
    table.remove(self.points)
  end
  return self:where()
end

--- Remembers where the lesson is, with its options and the steps that `back` leads to.
-- @return mark for `lesson:return_to`
function lesson:mark()
  ready(self)
  return {given = self.given, at = self.at, state = self.at > 0 and last_point(self) or snapshot.take(self.run),
    points = table.move(self.points, 1, #self.points, 1, {}), dropped = self.dropped}
end

-- Other options ---------------------------------------------------------------------------------

-- Another run with these options, in a given state.
local function fork(self, what, given, state, text)
  local run = agad.trainer(self.task, given)
  run.choices = self.run.choices
  local ok, reason = errors.try(snapshot.restore, run, state)
  if not ok then
    fail("%s: with %s the run has other tensors (%s); start another lesson with it", what, text, errors.text(reason))
  end
  return run
end

--- Goes to where the lesson was when a mark was made; it can be gone to any number of times.
-- @param mark mark of this lesson
-- @return position
function lesson:return_to(mark)
  ready(self)
  local run = self.run
  if mark.given ~= self.given then run = fork(self, "return_to", mark.given, mark.state, "its options") end
  local held <close> = interrupt.hold()                  -- luacheck: ignore 211
  self.run, self.given, self.dropped = run, mark.given, mark.dropped
  self.points = table.move(mark.points, 1, #mark.points, 1, {})
  between(self, mark.state)
  if mark.at > 0 then self.look, self.view = walk(run, mark.state, mark.at) end
  self.at = mark.at
  return self:where()
end

--- Changes options from here on. The stages of this step that have run are run again with them.
-- @param name string|table an option ("lambda.con"), or several with their values
-- @param value any
-- @return view of the stage that the lesson is at; between steps a position
-- @raise there is no such option, it has no such value, or it belongs to the whole lesson; the lesson stays as it is
-- @example lesson = agad.teach("weave", {gamma = .05}); lesson:set("lambda.con", 10)
function lesson:set(name, value)
  ready(self)
  local changes = changes_of("set", name, value)
  local given = add_to(self.given, changes)
  local inside = not is_between(self)
  local state = inside and last_point(self) or snapshot.take(self.run)
  local run = fork(self, "set", given, state, words(changes))
  local seen, view
  if inside then seen, view = walk(run, state, self.at) end
  local held <close> = interrupt.hold()                  -- luacheck: ignore 211
  self.run, self.given, self.look, self.view, self.other = run, given, seen, view, nil
  if not inside then self.at = 0 end
  return view or self:where()
end

--- The stage that the lesson is at, from the same state, with other options: side by side. The lesson stays as it is.
-- @param name string|table an option, or several with their values
-- @param value any
-- @return comparison prints as a table; mine and other are views
-- @raise no stage of a step has run; as `set`
-- @example lesson = agad.teach("weave", {gamma = .05}); lesson:step(); lesson:what_if("adv_anom", "opposite")
function lesson:what_if(name, value)
  ready(self)
  local changes = changes_of("what if", name, value)
  if not self.view then fail "what if: no stage of this step has run; run one with next" end
  local state, text = last_point(self), words(changes)
  local run = fork(self, "what if", add_to(self.given, changes), state, text)
  local ok, _, view = errors.try(walk, run, state, self.at)
  if not ok then fail("what if %s: %s", text, errors.text(_)) end
  if view.stage ~= self.view.stage then fail("what if %s: the step has other stages then", text) end
  self.other = {run, text .. ": "}
  local mine, other = self.run.state.batch, run.state.batch
  return compare.new(self.view, view, text, table.concat(mine, ",") == table.concat(other, ","))
end

-- Pictures and files ----------------------------------------------------------------------------

--- Draws x, what the nets make of it, and the error; after `what_if` also what they make of it under that option.
-- @param path string .png, .svg or .pdf; "-" or nil: the terminal; an ending alone: bytes
-- @return string the bytes of the picture, with an ending alone; else nil
-- @raise no stage has run; as `agad.plot.grid`
function lesson:plot(path)
  ready(self)
  local runs = {{self.run, ""}}
  runs[2] = self.other
  return pictures.draw(runs, path)
end

--- Scores the test pictures with the model as it is now.
-- @return evaluation AUROC in three columns, and of batch statistics without a net; prints as text
-- @raise there are no test pictures; the method is not in its last phase; the scores are all equal or not finite
-- @example lesson = agad.teach("weave", {gamma = .05}); lesson:run_to(1); lesson:evaluate()
function lesson:evaluate()
  ready(self)
  return evaluation.of(self.run)
end

--- Saves the model as it is now.
-- @param path string
-- @raise the method is not in its last phase; it cannot be written
function lesson:save(path)
  ready(self)
  self.run:save(path)
end

-- In words --------------------------------------------------------------------------------------

local position = {__name = "agad.position"}

function position.__tostring(p)
  local phase_name = p.phase and p.phase .. ", " or ""
  local stopped = p.stopped and ", stopped by Ctrl-C" or ""
  if p.stage then
    return format("in step %d, after stage %d of %d: %s (%sepoch %d)", p.step, p.number, p.of, p.stage, phase_name,
      p.epoch)
  end
  return format("before step %d (%sepoch %d)%s", p.step, phase_name, p.epoch, stopped)
end

--- Where the lesson is.
-- @return position step, epoch, and stage, number and of within a step
function lesson:where()
  ready(self)
  local run, v = self.run, self.view
  if v then
    return setmetatable({step = v.step, epoch = v.epoch, phase = v.phase, stage = v.stage, number = v.number,
      of = v.of}, position)
  end
  return setmetatable({step = run.steps + 1, phase = run:phase_name(),
    epoch = is_over(run) and run.epoch + 1 or run.epoch}, position)
end

function lesson:__tostring() return ("a lesson: %s"):format(tostring(self.run)) end

function lesson:__describe()
  return {tostring(self:where()), "lesson:next(), step(n), run_to(epoch), back(n), set(option, value), "
    .. "what_if(option, value), evaluate(), plot(path), save(path), mark(), return_to(mark)"}
end

function lesson.__fields()
  return {"next", "step", "run_to", "back", "set", "what_if", "evaluate", "plot", "save", "where", "mark",
    "return_to", "run", "view"}
end

return lesson
