-- Records of measured trainings on sets of $AGAD_DATA: a file of JSON lines, each known by its set, its seed and its
-- steps.

local core = require "agad.core"
local lfs = require "lfs"

local DATA = os.getenv "AGAD_DATA" or ""

local records = {}
records.__index = records

local function key(set, seed, steps) return ("%s %d %d"):format(set, seed, steps) end

--- Reads a file of records, which may not be there yet.
-- @param path string
-- @param title string what messages begin with
-- @return records with `list`
function records.read(path, title)
  local self = setmetatable({path = path, title = title, list = {}, have = {}}, records)
  local file = io.open(path)
  for line in file and file:lines() or function() end do
    local record = core.json_decode(line)
    self.list[#self.list + 1] = record
    self.have[key(record.set, record.seed, record.steps)] = true
  end
  if file then file:close() end
  return self
end

--- The folder of a set.
function records.folder(set) return DATA .. "/" .. set end

--- Whether a training is to be measured now; says so where it is missing and cannot be, or FIGURES=now forbids it.
function records:needs(set, seed, steps)
  if self.have[key(set, seed, steps)] then return false end
  local missing = not set:find "^weave " and not lfs.attributes(records.folder(set))
  if os.getenv "FIGURES" ~= "now" and not missing then return true end
  io.stderr:write(("%s: %s, seed %d, is not measured%s\n"):format(self.title, set, seed,
    missing and "; it is not in $AGAD_DATA" or ""))
  return false
end

--- Appends a record to the list and to the file.
function records:add(record)
  self.list[#self.list + 1] = record
  local to = assert(io.open(self.path, "a"))
  to:write(core.json_encode(record), "\n")
  to:close()
end

return records
