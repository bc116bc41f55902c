-- The time that a campaign has left, from measured rates: how long runs of the same kind took, and what the runs in
-- training say of themselves. Times are those of a clock that never jumps.

local plan = require "agad.campaign.plan"
local store = require "agad.campaign.store"

local left = {}
left.__index = left

--- @param keys list the names of the axes
function left.new(keys)
  return setmetatable({keys = plan.of_kind(keys), kinds = {}, sum = 0, count = 0}, left)
end

local function kind_of(self, run)
  run.kind = run.kind or plan.words(run, self.keys)
  return run.kind
end

--- Notes how long a run took.
function left:add(run, seconds)
  local key = kind_of(self, run)
  local kind = self.kinds[key] or {sum = 0, count = 0}
  self.kinds[key] = kind
  kind.sum, kind.count = kind.sum + seconds, kind.count + 1
  self.sum, self.count = self.sum + seconds, self.count + 1
end

local function mean(self, run)
  local kind = self.kinds[kind_of(self, run)]
  if kind then return kind.sum / kind.count end
  return self.count > 0 and self.sum / self.count or nil
end

--- The seconds left.
-- @param busy table run -> {began}, those in training
-- @param waiting list of runs
-- @param at_once integer
-- @param now number
-- @return number, or nil while nothing is known
function left:seconds(busy, waiting, at_once, now)
  local longest, sum, guess, guesses = 0, 0, 0, 0
  for run, its in pairs(busy) do
    local so_far, whole, own = now - its.began, mean(self, run), store.seconds_left(run)
    local rest = own or whole and math.max(0, whole - so_far)
    if own then guess, guesses = guess + so_far + own, guesses + 1 end
    if not rest then return nil end
    longest, sum = math.max(longest, rest), sum + rest
  end
  for _, run in ipairs(waiting) do
    local one = mean(self, run) or guesses > 0 and guess / guesses
    if not one then return nil end
    sum = sum + one
  end
  return math.max(longest, sum / at_once)
end

return left
