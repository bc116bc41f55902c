--- What a training picks where its options do not say: the method (`method = auto`), and what a method's keys
-- `pictures` and `task` say of the pictures from files that they find: how they are read, what is held out and known.

local core = require "agad.core"
local errors = require "agad.base.errors"
local methods = require "agad.train.method"
local named = require "agad.data.named"
local options = require "agad.base.configuration"
local sides = require "agad.data.sides"
local tasks = require "agad.task"
local format = require("agad.base.text").format
local words = require("agad.base.options").words

local auto = {}

local FOR_FILES, FOR_NAMED = "agad_local", "agad"
local SAMPLE, SIDE = 40, 64                       -- files that are looked at, and the side at which their colours are
local FEW, GOOD, FEW_HELD = 60, 100, 20           -- normals

--- Whether data are files, and not one of the named sets.
-- @param data string|table as `agad.data.load` takes it
function auto.is_files(data) return type(data) == "table" or named.about(data) == nil end

--- The method of a training: the given one, or else (auto) agad_local for pictures from files and agad for named sets.
-- Options that only agad has choose agad for files too.
-- @param given table options
-- @param files boolean
-- @return string name
-- @return string a note of such options; or nil
function auto.method(given, files)
  if given.method ~= nil and given.method ~= "auto" then return given.method end
  if not files or not methods.is_known(FOR_FILES) then return FOR_NAMED end
  local unknown = options.unknown(methods.load(FOR_FILES), given)
  if #unknown == 0 or #options.unknown(methods.load(FOR_NAMED), given) > 0 then return FOR_FILES end
  return FOR_NAMED, ("method = %s, which has the %s %s; %s, the method for folders and CSV files, has not"):format(
    FOR_NAMED, #unknown == 1 and "option" or "options", words(unknown), FOR_FILES)
end

-- Looks at some files ---------------------------------------------------------------------------------

local function median(t)
  return t:sort():select(1, (t:numel() + 1) // 2):item()
end

-- What a method's `pictures` is told of these files; nil if none of them can be read.
local function look(paths)
  local sample, n = {}, math.min(SAMPLE, #paths)
  for i = 1, n do sample[i] = paths[(i - 1) * #paths // n + 1] end
  local ok, read = errors.try(core.data.load_files, sample, {height = SIDE, width = SIDE, channels = 3,
    filter = "area", fast_decode = true})
  if not ok and errors.is_interruption(read) then error(read, 0) end
  if not ok or read.images:size(1) == 0 then return nil end
  local h, w, x = read.height:to "float64", read.width:to "float64", read.images:to "float32"
  local red = x:narrow(2, 1, 1)
  return {pictures = read.images:size(1), side = median((h * w):sqrt()), height = median(h), width = median(w),
    colour = (x:narrow(2, 2, 2) - red):abs():mean():item() * 2}
end

local picks = {}
picks.__index = picks

--- What a training with these options picks.
-- @param given table options; `method` is set to the chosen one
-- @param data string|table as `agad.data.load` takes it
-- @return picks method, note (nil or a text), choose (for `agad.data.load`), task, lines
function auto.new(given, data)
  local self = setmetatable({files = auto.is_files(data), asked = given.method}, picks)
  given.method, self.note = auto.method(given, self.files)
  self.method, self.given = methods.load(given.method), given
  if self.files and self.method.pictures then self.choose = function(paths) return self:pictures(paths) end end
  return self
end

--- Options for the reading of these files that are not given.
-- @param paths list
-- @return table size, channels, filter
function picks:pictures(paths)
  self.found = look(paths)
  if not self.found then return {} end
  local picked, own = self.method.pictures(self.found), {}
  if picked.height then picked.size = sides.size(picked.height, picked.width) end
  for _, name in ipairs {"size", "channels", "filter"} do
    if self.given[name] == nil then own[name] = picked[name] end
  end
  self.picked = own
  return own
end

--- The options of a task, with those that the method picks.
-- @param set set
-- @param o table options of the task; added to
-- @return table o
function picks:task(set, o)
  if not self.files or not self.method.task then return o end
  local picked = self.method.task(tasks.sides(set, o))
  for name, v in pairs(picked) do if self.given[name] == nil then o[name] = v end end
  return o
end

-- In words -------------------------------------------------------------------------------------------

local function count(n, word) return ("%d %s%s"):format(n, word, n == 1 and "" or "s") end

-- What is trained on and tested.
local function about_data(run)
  local c, masks, known = run.task.counts, (run.method.anomalies or {}).masks, ""
  local marked = masks and masks(run.method_options) and #tasks.marked(run.task) or 0
  if marked > 0 then known = (" (the net learns from the masks of %d)"):format(marked) end
  return ("data      %s, %d more held out, %s%s; test: %s, %s"):format(count(c.normals, "normal"), c.held_out,
    count(c.anomalies, "known defect"), known, count(c.test_normals, "normal"), count(c.test_anomalies, "defect"))
end

-- How the pictures are read.
local function about_pictures(self, set)
  local given, found, picked = self.given, self.found, self.picked or {}
  local size = ("%d x %d"):format(set.width, set.height)
  if picked.size then size = format("%s, as files have about %.0f x %.0f", size, found.width, found.height)
  elseif given.size then size = size .. ", as given" end
  local colour = set.channels == 1 and "grey" or "in colour"
  if picked.channels then colour = colour .. (set.channels == 1 and ", without colours" or ", as they are")
  elseif given.channels then colour = colour .. ", as given" end
  return ("pictures  %s; %s"):format(size, colour)
end

-- The method, and how long it trains.
local function about_training(self, run)
  local c, why = run.config, self.files and "for files" or "for this set"
  if self.note then why = "for its options" elseif self.asked and self.asked ~= "auto" then why = "as given" end
  local limits = {}
  if c.steps > 0 then limits[1] = ("%s of %s"):format(count(c.steps, "step"), count(c.batch, "picture")) end
  if c.minutes > 0 then limits[1] = format("%g minutes: %s", c.minutes, limits[1]) end
  if c.epochs then limits[#limits + 1] = count(c.epochs, "epoch") end
  return ("training  %s, %s; %s"):format(run.method.name, why, table.concat(limits, ", or "))
end

--- Notes of what the figures of a training on files cannot be trusted for.
-- @param run run
-- @return list of texts
function picks:warnings(run)
  local c, notes = run.task.counts, {}
  if not self.files then return notes end
  local normals = c.normals + c.held_out
  if normals < FEW then
    notes[1] = ("%s to learn from: take scores and figures as rough; %d or more are good"):format(
      count(normals, "normal"), GOOD)
  end
  if c.held_out > 0 and c.held_out < FEW_HELD then
    notes[#notes + 1] = format("the threshold is that of %d held-out normals: false alarms may be far from %g %%",
      c.held_out, 100 * run.config.false_alarms)
  end
  return notes
end

--- Three lines: what is trained on and tested; how the pictures are read; the method, and how long it trains.
-- @param run run
-- @return list of texts
function picks:about(run)
  return {about_data(run), about_pictures(self, run.task.set), about_training(self, run)}
end

return auto
