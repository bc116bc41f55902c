--- Event files for TensorBoard: records of a length, its checksum, an Event of TensorFlow's event.proto, and its
-- checksum. Each writer has a file of its own, later in the order of names than those that lie there, as TensorBoard
-- reads them in that order. It begins with the mark of a session, from which on TensorBoard drops what earlier files
-- hold of the steps that are trained again. A record is written in one piece; after one that could not be, there are no
-- more, as TensorBoard reads none behind it.

local errors = require "agad.base.errors"
local lfs = require "lfs"
local luv = require "luv"

local tensorboard = {}

local writer = {}
writer.__index = writer

local NAME = "^events%.out%.tfevents%.(%d+)%.agad$"

--- Whether a file of a run directory is one of events.
-- @param name string
-- @return boolean
function tensorboard.is_events(name) return name:find(NAME) ~= nil end

-- CRC-32C (Castagnoli), reflected.
local crc_of_byte = {}
for byte = 0, 255 do
  local c = byte
  for _ = 1, 8 do c = c & 1 == 1 and c >> 1 ~ 0x82f63b78 or c >> 1 end
  crc_of_byte[byte] = c
end

-- The checksum of a record's parts.
local function checksum(bytes)
  local c = 0xffffffff
  for first = 1, #bytes, 4096 do                   -- as many values as the stack surely holds
    for _, byte in ipairs {bytes:byte(first, first + 4095)} do c = c >> 8 ~ crc_of_byte[(c ~ byte) & 255] end
  end
  c = c ~ 0xffffffff
  return ((c >> 15 | c << 17) + 0xa282ead8) & 0xffffffff
end

local function record(data)
  local length = ("<I8"):pack(#data)
  return length .. ("<I4"):pack(checksum(length)) .. data .. ("<I4"):pack(checksum(data))
end

-- Protocol buffers: fields by their numbers.
local function varint(n)
  local bytes = {}
  repeat
    bytes[#bytes + 1] = string.char(n & 127 | (n > 127 and 128 or 0))
    n = n >> 7
  until n == 0
  return table.concat(bytes)
end

local function field(number, kind, payload) return varint(number << 3 | kind) .. payload end
local function integer(number, n) return field(number, 0, varint(n)) end
local function bytes(number, text) return field(number, 2, varint(#text) .. text) end
local function double(number, v) return field(number, 1, ("<d"):pack(v)) end
local function float(number, v) return field(number, 5, ("<f"):pack(v)) end

local function now()
  local seconds, microseconds = luv.gettimeofday()
  return seconds + microseconds / 1e6
end

local function event(time, step, more)
  return record(double(1, time) .. (step > 0 and integer(2, step) or "") .. more)
end

--- The record of numbers.
-- @param time number seconds since 1970
-- @param step integer
-- @param values table tag -> number
-- @return string
function tensorboard.scalars(time, step, values)
  local parts = {}
  for _, tag in ipairs(require("agad.base.values").keys(values)) do
    parts[#parts + 1] = bytes(1, bytes(1, tag) .. float(2, values[tag]))
  end
  return event(time, step, bytes(5, table.concat(parts)))
end

--- The record of a picture.
-- @param time number seconds since 1970
-- @param step integer
-- @param tag string
-- @param png string the bytes of a PNG file in colour
-- @return string
function tensorboard.picture(time, step, tag, png)
  local width, height = (">I4I4"):unpack(png, 17)
  local image = integer(1, height) .. integer(2, width) .. integer(3, 3) .. bytes(4, png)
  return event(time, step, bytes(5, bytes(1, bytes(1, tag) .. bytes(4, image))))
end

--- The first records of a file: the version of the format, and the start of a session.
-- @param time number seconds since 1970
-- @param step integer the first step of this session
-- @return string
function tensorboard.head(time, step)
  return event(time, 0, bytes(3, "brain.Event:2")) .. event(time, step, bytes(7, integer(1, 1)))
end

function writer:write(text)
  if not self.file then return nil end
  local ok, reason = self.file:write(text)
  if ok then ok, reason = self.file:flush() end
  if ok then return nil end
  self:close()
  return reason
end

--- Writes numbers.
-- @param step integer
-- @param values table tag -> number
-- @return string why that failed, once; nil if it did not
function writer:scalars(step, values) return self:write(tensorboard.scalars(now(), step, values)) end

--- Writes a picture.
-- @param step integer
-- @param tag string
-- @param png string the bytes of a PNG file in colour
-- @return string why that failed, once; nil if it did not
function writer:picture(step, tag, png) return self:write(tensorboard.picture(now(), step, tag, png)) end

function writer:close()
  if self.file then self.file:close() end
  self.file = nil
end

--- Starts a file of events in a folder.
-- @param dir string
-- @param step integer the first step that will be written
-- @return writer
-- @return string why nothing can be written, or nil
function tensorboard.open(dir, step)
  local number = math.floor(now())
  for name in lfs.dir(dir) do number = math.max(number, (tonumber(name:match(NAME)) or 0) + 1) end
  local path = ("%s/events.out.tfevents.%010d.agad"):format(dir, number)
  local file, reason = io.open(path, "wb")
  local self = setmetatable({file = file}, writer)
  return self, reason and errors.reason(path, reason) or self:write(tensorboard.head(now(), step))
end

return tensorboard
