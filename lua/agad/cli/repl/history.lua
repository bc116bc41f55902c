-- The history: a file with one input a line, the line breaks of an input written as carriage returns. An input is
-- appended as soon as it is typed, so that REPLs that run at the same time share it and none overwrites another's.

local errors = require "agad.base.errors"
local lfs = require "lfs"
local luv = require "luv"

local history = {}
history.__index = history

local KEEP, SPARE = 10000, 2000                    -- entries; the file is cut when it has more than both
local LONGEST = 1 << 16                            -- bytes of an entry

local function decode(line) return (line:gsub("\r", "\n")) end
local function encode(text) return (text:gsub("\n", "\r")) end

--- Where the history lies: in $XDG_STATE_HOME or ~/.local/state; nil without a home.
function history.default_path()
  local state = require("agad.base.places").state()
  return state and state .. "/agad/history" or nil
end

-- Leaves the newest entries only, unless another REPL has just written one: then it is done at another start.
local function shorten(path, lines, size)
  if lfs.attributes(path, "size") ~= size then return end
  table.move(lines, #lines - KEEP + 1, #lines, 1)
  for i = #lines, KEEP + 1, -1 do lines[i] = nil end
  pcall(require("agad.core").file_replace, path, table.concat(lines, "\n") .. "\n")
end

-- In one write, so that no line is torn; the file is for the user alone.
local function append(path, line)
  local file, why = luv.fs_open(path, "a", 384)                    -- 0600
  local written
  if file then
    written, why = luv.fs_write(file, line, -1)
    luv.fs_close(file)
  end
  if not written then error(("cannot write %s: %s"):format(path, (why:gsub("^%w+: ", ""):gsub(": .*$", ""))), 0) end
end

--- Opens the history.
-- @param path string or nil: nothing is kept
-- @return history
function history.open(path) return setmetatable({path = path, at = 0, own = {}}, history) end

--- What others have added to the file since the last call; the first call returns all of it.
-- @return list of entries, the oldest first
function history:news()
  local size = self.path and lfs.attributes(self.path, "size")
  if not size or size == self.at then return {} end
  local file = io.open(self.path, "rb")
  if not file then return {} end
  if size < self.at then                                           -- it was shortened by another REPL
    self.at = size
    return {}
  end
  file:seek("set", self.at)
  local text = file:read "a"
  file:close()
  if not text then return {} end                                   -- it is a folder
  local whole = text:match "^.*\n" or ""                           -- another REPL may be writing a line
  local lines, entries = {}, {}
  for line in whole:gmatch "([^\n]*)\n" do
    if self.own[line] then self.own[line] = nil
    elseif line ~= "" and #line <= LONGEST then lines[#lines + 1] = line end
  end
  if self.at == 0 and #lines > KEEP + SPARE then
    shorten(self.path, lines, size)
    self.at = lfs.attributes(self.path, "size") or 0
  else
    self.at = self.at + #whole
  end
  for i = math.max(1, #lines - KEEP + 1), #lines do entries[#entries + 1] = decode(lines[i]) end
  return entries
end

--- Appends an input, unless it is empty, too long, or the same as the last one.
-- @return boolean whether it is a new entry
-- @return string nil, or why it could not be written; it is said once
function history:add(text)
  if text == "" or text == self.newest or #text > LONGEST then return false end
  self.newest = text
  if not self.path or self.failed then return true end
  local ok, reason = pcall(function()
    require("agad.base.folder").make(self.path:match "^(.*)/")
    local before = lfs.attributes(self.path, "size") or 0
    append(self.path, encode(text) .. "\n")
    if before == self.at then self.at = before + #text + 1         -- nobody else has written meanwhile
    else self.own[encode(text)] = true end
  end)
  if ok then return true end
  self.failed = true
  return true, errors.text(reason)
end

return history
