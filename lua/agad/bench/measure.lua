-- One row of `agad bench`: a net's training step and scoring in rounds, in which this project, each form of the PyTorch
-- peer and the machine's own product of matrices take turns. A figure is the median of its rounds, a ratio the median
-- of the rounds' ratios.

local core = require "agad.core"
local errors = require "agad.base.errors"
local evaluate = require "agad.evaluate"
local machine = require "agad.bench.machine"
local ours = require "agad.bench.ours"
local peer = require "agad.bench.peer"
local statistics = require "agad.bench.statistics"

local median = statistics.median

local measure = {}

local WARM, MOST_STEPS, MOST_PICTURES = 2, 20, 100
local SECONDS = {steps = .5, latency = .25, score = .25}   -- of one round, of each that takes turns

-- This project, as one of those that take turns.
local function own(our)
  return {name = "agad", scores = true, ask = function(what, n) return our[what](our, n) end}
end

-- Starts the forms of the peer, which all load PyTorch at the same time, and adds them to the list.
local function start_peers(list, o, our, python, forms)
  for _, form in ipairs(forms) do
    local args = {peer.script(), "--net", o.net, "--batch", tostring(o.batch), "--channels", tostring(o.channels),
      "--precision", our.precision, "--layout", "channels_last", "--threads", tostring(core.threads()), "--device",
      our.device, "--serve"}
    table.move(form.args, 1, #form.args, #args + 1, args)
    local process = peer.start(python, args)
    list[#list + 1] = {name = form.name, scores = form.scores, process = process,
      ask = function(what, n) return process:json(("%s %d"):format(what, n)).ms end}
  end
end

-- Runs the first steps and passes, which compile; a form that cannot is left out, with a note.
local function warm_up(entrants, show)
  local left = {}
  for _, e in ipairs(entrants) do
    local ok, reason = errors.try(function()
      e.warm = {steps = e.ask("steps", WARM)}
      if e.scores then e.warm.latency, e.warm.score = e.ask("latency", WARM), e.ask("score", 1) end
    end)
    if ok then left[#left + 1] = e
    elseif errors.is_interruption(reason) or e.name == "agad" then error(reason, 0)
    else show {kind = "note", text = ("the peer's form %s is left out: %s"):format(e.name, errors.text(reason))} end
  end
  return left
end

-- How many times one turn repeats a measurement.
local function count(e, what, most)
  local ms = e.warm[what][#e.warm[what]]
  return math.max(1, math.min(most, math.ceil(SECONDS[what] * 1e3 / ms)))
end

-- One kind of measurement in one round: everybody once, beginning with another one each time.
local function turn(entrants, what, n, round)
  for i = 1, #entrants do
    local e = entrants[(round + i - 2) % #entrants + 1]
    if what == "steps" or e.scores then
      local ms = e.ask(what, n)
      e[what] = e[what] or {rounds = {}, all = {}}
      table.insert(e[what].rounds, median(ms))
      table.move(ms, 1, #ms, #e[what].all + 1, e[what].all)
    end
  end
end

local function rate(of, pictures) return of and pictures / median(of.rounds) * 1e3 end

-- How many times as fast the first is as the second, round by round.
local function ratio(first, second)
  local list = {}
  for i, ms in ipairs(first.rounds) do list[i] = second.rounds[i] / ms end
  return median(list)
end

local function fastest(forms, what)
  local best
  for _, e in ipairs(forms) do
    if e[what] and (not best or median(e[what].rounds) < median(best[what].rounds)) then best = e end
  end
  return best
end

-- The peer's part of a row.
local function of_peer(our, forms, o)
  local part = {torch = forms[1].process:json("about").torch, forms = {}, ratio = {}, fastest = {}}
  for _, e in ipairs(forms) do
    part.forms[e.name] = {images_per_second = rate(e.steps, o.batch), step_ms = median(e.steps.rounds),
      latency_ms = e.latency and median(e.latency.all), latency_p99_ms = e.latency
        and statistics.percentile(e.latency.all, 99), scoring_images_per_second = rate(e.score, ours.SCORED),
      peak_bytes = e.peak}
  end
  for key, what in pairs {images_per_second = "steps", latency_ms = "latency", scoring_images_per_second = "score"} do
    local best = fastest(forms, what)
    if best then part.ratio[key], part.fastest[key] = ratio(our[what], best[what]), best.name end
  end
  return part
end

--- Measures one row.
-- @param o table net, batch, precision, device, channels, size, options, rounds, call_ns (`machine.call_cost`), explain
--   (true: the row's field convolutions lists how each is computed), profile (true: the row's field profile says where
--   a step's time goes, as `agad.bench.profile` sums it up; it is measured in further steps, after the rounds)
-- @param with table python and forms of the peer (nil: no peer)
-- @param show function(event) takes events of kind work (what is being measured) and note
-- @return table the row
-- @raise as agad.trainer; a form of the peer ends while it is measured
function measure.row(o, with, show)
  local our = ours.new(o)
  show {kind = "work", text = ("measuring %s, batch %d, %s"):format(o.net, o.batch, our.precision)}
  local entrants, closing = {own(our)}, {}
  local guard <close> = setmetatable({}, {__close = function()   -- luacheck: ignore 211
    for _, e in ipairs(closing) do e.process:close() end
  end})
  if with then
    start_peers(closing, o, our, with.python, with.forms)
    table.move(closing, 1, #closing, 2, entrants)
  end
  entrants = warm_up(entrants, show)
  local me, forms = entrants[1], table.move(entrants, 2, #entrants, 1, {})
  local peak = our:peak_bytes()
  for _, e in ipairs(forms) do
    if e.name == "eager" then e.peak = e.process:json("peak").bytes end
  end
  local floor = machine.new(our.precision, our.device)
  local n = {steps = count(me, "steps", MOST_STEPS), score = count(me, "score", MOST_STEPS),
    latency = count(me, "latency", MOST_PICTURES)}
  for round = 1, o.rounds do
    floor:sample()
    for _, what in ipairs {"steps", "score", "latency"} do turn(entrants, what, n[what], round) end
  end
  local step_ms = median(me.steps.rounds)
  local speed, by = floor:product()
  local row = evaluate.provenance(require "agad")
  row.net, row.batch, row.precision, row.channels, row.size = o.net, o.batch, our.precision, o.channels, o.size
  row.device_name = machine.device_name(our.device)
  row.device, row.threads, row.rounds = our.device, core.threads(), o.rounds
  row.date, row.load = os.date "!%Y-%m-%d", statistics.load()
  row.params, row.macs = our.run.info.params, our.macs
  row.step_ms, row.images_per_second = step_ms, o.batch / step_ms * 1e3
  row.latency_ms, row.latency_p99_ms = median(me.latency.all), statistics.percentile(me.latency.all, 99)
  row.scoring_images_per_second = rate(me.score, ours.SCORED)
  row.convolutions = o.explain and our:convolutions() or nil
  row.profile = o.profile and our:profile(o.rounds * n.steps, speed) or nil
  row.peak_bytes, row.call_ns = peak, o.call_ns
  row.product_gflops, row.product_by, row.copy_gb_per_second = speed, by, floor:copy()
  row.floor_ratio = 2 * our.macs * row.images_per_second / (speed * 1e9)
  if #forms > 0 then
    row.peer = of_peer(me, forms, o)
    local eager = row.peer.forms.eager
    row.peer.ratio.peak_bytes = eager and peak / eager.peak_bytes
  end
  return row
end

return measure
