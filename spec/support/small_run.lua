-- A training of a second: a small generator on built-in textures, with every option that a checkpoint must know of.

local agad = require "agad"
local core = agad.core

local small_run = {}

small_run.set = agad.data.weave {train_normals = 60, train_defects = 20, test_normals = 12, test_defects = 12}
small_run.task = agad.task.one_vs_rest(small_run.set, {gamma = .05})

small_run.options = {
  epochs = 3, net = "spec/support/small_net.lua", min_anom = 2, batch = 16, gamma = .05, threads = 1,
  log_every = 1, evaluate_every = 1, schedule = {lr = "cosine:2e-4:0", lambda = {con = "linear:50:40"}},
  selection = "best_val", checkpoint_steps = 2,
  deterministic = true, grad_clip = 1.0, augment = {flip = true, shift = 1}}

--- The options with some others.
function small_run.with(more)
  local o = {}
  for key, v in pairs(small_run.options) do o[key] = v end
  for key, v in pairs(more or {}) do o[key] = v end
  return o
end

function small_run.quiet() end

--- A row without what differs from run to run: times and the host.
function small_run.comparable(row)
  local timed = {seconds = true, train_seconds = true, images_per_second = true}
  local kept = {}
  for key, v in pairs(row) do if not timed[key] then kept[key] = v end end
  return core.json_encode(kept)
end

--- The largest difference between the weights and statistics of two runs.
function small_run.furthest(a, b)
  local worst = 0
  local ta, tb = a:tensors(false), b:tensors(false)
  for name, t in pairs(ta) do worst = math.max(worst, (t - tb[name]):abs():max():item()) end
  return worst
end

local whole, whole_row

--- The run that never stopped.
function small_run.whole()
  whole = whole or agad.trainer(small_run.task, small_run.with()):fit(small_run.quiet)
  return whole
end

--- Expects that a run ended as one that never stopped, to the bit.
function small_run.ended(run)
  local assert = require "luassert"
  whole = small_run.whole()
  whole_row = whole_row or small_run.comparable(whole:evaluate())
  assert.equal(whole.steps, run.steps)
  assert.equal(0, small_run.furthest(whole, run))
  assert.equal(whole_row, small_run.comparable(run:evaluate()))
end

return small_run
