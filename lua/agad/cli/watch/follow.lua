-- Follows the log of a run while it grows: what is new is read, and where the log was rewound or replaced, all of it.
-- The last line counts only once it is whole.

local core = require "agad.core"
local json_lines = require "agad.base.json_lines"
local lfs = require "lfs"

local follow = {}
follow.__index = follow

local function finite(v) return type(v) == "number" and v - v == 0 end

local function add(curves, name, step, v)
  if not finite(v) then return end
  local points = curves[name] or {}
  curves[name] = points
  local last = points[#points]
  if last and last[1] == step then last[2] = v else points[#points + 1] = {step, v} end
end

local on = {}

-- `first`: the steps before the phase; a log of an earlier version has no such entries.
function on.begin(self, e) self.phase, self.ended, self.result = e, nil, nil end

function on.step(self, e)
  self.latest, self.ended, self.result = e, nil, nil
  for name, v in pairs(e.losses or {}) do add(self.losses, name, e.step, v) end
end

function on.evaluate(self, e)
  for name, v in pairs(e) do
    local column = name:match "^auroc_(.*)$"
    if column then add(self.aurocs, column, e.step, v) end
  end
end

function on.result(self, e)
  on.evaluate(self, e)
  self.result = e
end

on["end"] = function(self, e) self.ended = e end

local function forget(self)
  self.at, self.identity, self.modified = 0, nil, nil
  self.losses, self.aurocs = {}, {}                -- name -> list of {step, value}
  self.phase, self.latest, self.ended, self.result = nil, nil, nil, nil
end

--- Follows the run in a directory.
-- @param dir string
-- @return table losses, aurocs (name -> list of {step, value}); phase, latest, result, ended (the last entries of their
--   kinds that still hold, or nil); modified (when the log was written last)
function follow.new(dir)
  local self = setmetatable({dir = dir}, follow)
  forget(self)
  self:read()
  return self
end

--- Reads what is new.
-- @return boolean whether anything was
function follow:read()
  local path = self.dir .. "/log.jsonl"
  local there = lfs.attributes(path)
  local identity = there and ("%d:%d"):format(there.dev, there.ino)
  local other = identity ~= self.identity or there and there.size < self.at
  if other then
    forget(self)
    self.identity = identity
  end
  if not there or there.size == self.at then return other end
  local file = io.open(path, "rb")
  if not file then return other end
  file:seek("set", self.at)
  local whole = file:read("a"):match "^(.*\n)"
  file:close()
  self.modified = there.modification
  if not whole then return other end
  self.at = self.at + #whole
  for _, entry in ipairs((json_lines.decode(whole))) do
    local handler = on[entry.kind]
    if handler and math.type(entry.step) == "integer" then handler(self, entry) end
  end
  return true
end

--- Whether a process has the run.
-- @return boolean
function follow:is_held() return core.file_is_locked(self.dir .. "/lock") end

--- Whether nothing more will come: the training has ended with its result, or nobody has the run.
-- @return boolean
function follow:is_over()
  return self.ended ~= nil and (self.ended.interrupted or self.result ~= nil) or not self:is_held()
end

return follow
