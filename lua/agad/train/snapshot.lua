--- States of a run between two steps, in memory: what a checkpoint holds, to go back to as often as wanted, also in
-- another run of the same nets, whose options may differ.

local agad = require "agad"
local checkpoint = require "agad.train.checkpoint"
local core = require "agad.core"
local phase = require "agad.train.phase"

local snapshot = {}

local function copied(v)
  if type(v) ~= "table" then return v end
  local new = {}
  for key, inner in pairs(v) do new[key] = copied(inner) end
  return new
end

local function bytes_of(t) return t:numel() * core.element_size(t.dtype) end

--- Copies the state of a run, which is between two steps and has no half accumulated update.
-- @param run run
-- @return table bytes: the memory that its tensors take
function snapshot.take(run)
  local s = {phase = run.phase, tensors = {}, keep = {}, fields = {}, sampler = run.sampler:state(), bytes = 0}
  agad.no_grad(function()
    for name, t in pairs(checkpoint.live(run)) do s.tensors[name] = t:clone() end
    for name, t in pairs(run.keep) do s.keep[name] = t:clone() end
  end)
  for _, list in ipairs {s.tensors, s.keep} do for _, t in pairs(list) do s.bytes = s.bytes + bytes_of(t) end end
  for _, name in ipairs(checkpoint.fields) do s.fields[name] = copied(run[name]) end
  return s
end

-- The first tensor, by name, that a run and a state do not share in the same shape and type; nil if there is none.
local function unlike(mine, stored)
  local names = {}
  for name, t in pairs(mine) do
    local from = stored[name]
    if not from or from.dtype ~= t.dtype or table.concat(from.shape, "x") ~= table.concat(t.shape, "x") then
      names[#names + 1] = name
    end
  end
  for name in pairs(stored) do if not mine[name] then names[#names + 1] = name end end
  require("agad.base.text").sort(names)
  return names[1]
end

--- Puts a run into a state. Its `step` and `state` are new objects then, and its options stay as they are.
-- @param run run
-- @param s table as `take` gave it
-- @raise the run has other tensors (with the name of one)
function snapshot.restore(run, s)
  run.source = nil                                       -- scoring nets of the weights before
  for name in pairs(run.keep) do run.keep[name] = nil end
  for name, t in pairs(s.keep) do run.keep[name] = t:clone() end
  phase.enter(run, s.phase)
  local tensors = checkpoint.live(run)
  local other = unlike(tensors, s.tensors)
  if other then error(("tensor %s differs"):format(other), 0) end
  agad.no_grad(function() for name, t in pairs(tensors) do t:copy_(s.tensors[name]) end end)
  for _, name in ipairs(checkpoint.fields) do run[name] = copied(s.fields[name]) end
  run:restore_pool()
  run.sampler:set_state(s.sampler)
end

return snapshot
