-- Messages between the kernel (interpreter.py) and its interpreter (worker.lua) over two pipes of their own: each is a
-- line of JSON; after one that has `bytes`, so many bytes follow. Ctrl-C never cuts a message in two.

local core = require "agad.core"
local interrupt = require "agad.base.interrupt"
local uv = require "luv"

local channel = {}
channel.__index = channel

--- Opens a channel.
-- @param from integer the file descriptor that is read
-- @param to integer the one that is written
-- @return channel
function channel.open(from, to) return setmetatable({from = from, to = to, rest = ""}, channel) end

--- Waits for a message.
-- @return table; nil where there will be none: the kernel is gone, or SIGTERM or SIGHUP has come
function channel:receive()
  while true do
    local line, rest = self.rest:match "^(.-)\n(.*)$"
    if line then
      self.rest = rest
      return core.json_decode(line)
    end
    if core.end_requested() then return nil end
    local bytes, _, code = uv.fs_read(self.from, 65536)
    if bytes == "" or not bytes and code ~= "EINTR" then return nil end
    self.rest = self.rest .. (bytes or "")
  end
end

--- Sends a message.
-- @param message table
-- @param bytes string that follows, or nil
function channel:send(message, bytes)
  local held <close> = interrupt.hold()           -- luacheck: ignore 211
  message.bytes = bytes and #bytes
  local text = core.json_encode(message) .. "\n" .. (bytes or "")
  while text ~= "" do
    local n, _, code = uv.fs_write(self.to, text)
    if not n and code ~= "EINTR" then os.exit(1) end                  -- the kernel is gone
    text = text:sub((n or 0) + 1)
  end
end

--- Sends a message, and waits until the kernel has shown it and all that was printed before.
function channel:show(message, bytes)
  local held <close> = interrupt.hold()           -- luacheck: ignore 211
  self:send(message, bytes)
  self:receive()
end

return channel
