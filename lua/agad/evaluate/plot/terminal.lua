-- Whether the terminal can draw pictures: sixels, if it says so when asked for its attributes (DA1, "ESC [ c").

local core = require "agad.core"
local uv = require "luv"

local terminal = {}

local PATIENCE = 500                              -- ms for an answer; terminals answer within some
local ASK, ANSWER = "\27[c", "\27%[%?([%d;]*)c"

-- Whether the terminal is this process's to use: one in the background would be stopped.
local function in_foreground()
  local file = io.open "/proc/self/stat"
  local group, of_terminal = (file and file:read "a" or ""):match "^.*%) %S+ %S+ (%S+) %S+ %S+ (%S+)"
  if file then file:close() end
  return group ~= nil and group == of_terminal
end

-- The terminal's answer, or nil. Keys that are typed before it comes are lost.
local function attributes()
  local fd = uv.fs_open("/dev/tty", "r+", 0)
  local tty = fd and uv.new_tty(fd, true)
  if not tty then return nil end
  local text, answer, clock, late = "", nil, uv.new_timer(), false
  tty:set_mode(1)                                 -- raw: the answer ends without a newline, and is not shown
  tty:read_start(function(err, bytes)
    text = text .. (bytes or "")
    answer = text:match(ANSWER)
    late = late or err ~= nil or bytes == nil
  end)
  uv.update_time()                                -- the clock would count from when the loop ran last
  clock:start(PATIENCE, 0, function() late = true end)
  tty:write(ASK)
  while not answer and not late do uv.run "once" end
  tty:set_mode(0)
  uv.tty_reset_mode()
  tty:close()
  clock:close()
  uv.run "nowait"                                 -- closing takes a turn of the loop
  return answer
end

local known

--- Whether standard output is a terminal that draws sixel pictures. It is asked once, and not while lines wait that
-- were typed or pasted ahead.
-- @return boolean
function terminal.sixel()
  if known == nil and core.isatty(0) and core.wait_input(0, 0) then return false end
  if known == nil then
    local term = os.getenv "TERM"
    known = false
    if core.isatty(1) and term and term ~= "dumb" and term ~= "linux" and in_foreground() then
      known = (";" .. (attributes() or "") .. ";"):find(";4;", 1, true) ~= nil
    end
  end
  return known
end

return terminal
