-- Downloads: runs the programs curl, gzip, sha256sum and tar as child processes on libuv's loop.
--
-- curl writes to a pipe, from which this process writes to the file. A full disk is therefore reported with its reason,
-- a partial file holds nothing but what was received, and curl ends if this process is killed. A partial file is
-- NAME.part beside its target, and a later download continues it. If the continued file has a wrong SHA-256, it is
-- downloaded once more from the start, as two servers may hold different gzip files of the same content.

local core = require "agad.core"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"
local lfs = require "lfs"
local uv = require "luv"
local format = require("agad.base.text").format

local transfer = {}

local CUTS = 5                                   -- connections to one place that may end half-way

local packages = {curl = "curl", gzip = "gzip", tar = "tar", sha256sum = "coreutils"}

local function fail(...) error(format(...), 0) end

local function absent(program)
  fail("the program %s is missing; install the package %s (apt-get install %s)", program, packages[program] or program,
    packages[program] or program)
end

--- The size of a file in bytes; nil if there is no such file.
function transfer.size(path)
  local a = lfs.attributes(path)
  return a and a.mode == "file" and a.size or nil
end

--- Runs a program to its end; Ctrl-C ends it too.
-- @param program string found on the PATH
-- @param args list of its arguments, which no shell interprets
-- @param on_bytes function(bytes) receives its output; if it returns a text, the program is ended
-- @return integer its exit status
-- @return list its lines on stderr
-- @return string the text that on_bytes returned, or nil
-- @raise the program is missing (with its package), Ctrl-C
function transfer.run(program, args, on_bytes)
  local out, err, clock = uv.new_pipe(false), uv.new_pipe(false), uv.new_timer()
  local status, signal_number, stopped, interrupted, broken
  local complaints, open = {}, 2
  -- Ctrl-C must not raise an error inside a callback of the loop; the timer polls the flag instead.
  local held <close> = interrupt.hold()          -- luacheck: ignore 211
  local child, reason, code = uv.spawn(program, {args = args, stdio = {nil, out, err}}, function(s, signal)
    status, signal_number = s, signal
  end)
  local function stop() if child and not child:is_closing() and not status then child:kill "sigterm" end end
  if child then
    out:read_start(function(_, bytes)
      if not bytes then open = open - 1
      elseif on_bytes and not stopped then
        local ok, result = pcall(on_bytes, bytes)                  -- an error may not leave a callback of the loop
        if not ok then broken = {result} end
        stopped = not ok or result
        if stopped then stop() end
      end
    end)
    err:read_start(function(_, bytes)
      if bytes then complaints[#complaints + 1] = bytes else open = open - 1 end
    end)
    clock:start(100, 100, function()
      if core.interrupted() and not interrupted then
        interrupted = true
        stop()
      end
    end)
    while not status or open > 0 do uv.run "once" end
    child:close()
  end
  for _, handle in ipairs {out, err, clock} do handle:close() end
  uv.run "nowait"
  if not child then
    if code == "ENOENT" then absent(program) end
    fail("%s cannot be started: %s", program, reason)
  end
  interrupt.check()
  if broken then error(broken[1], 0) end
  if interrupted or signal_number == 2 then error(core.interruption, 0) end   -- 2: SIGINT reached the child alone
  local said = {}
  for line in table.concat(complaints):gmatch "[^\r\n]+" do said[#said + 1] = line end
  return signal_number ~= 0 and 128 + signal_number or status, said, stopped
end

-- Prints gzip's status and the sum as two lines, in any order. At most one byte more than expected is unpacked.
local unpack_and_sum = [[exec 4>&1; { { gzip -dc < "$1"; echo "gzip $?" >&4; } | head -c "$2" | sha256sum >&4; }]]

--- SHA-256 of a file's content in hexadecimal, or nil if it is not an intact gzip file.
-- @param path string
-- @param gzip boolean true: the sum of the unpacked content
-- @param bytes integer the expected size of that content; at most one byte more is unpacked
function transfer.sum(path, gzip, bytes)
  local text = {}
  local function keep(chunk) text[#text + 1] = chunk end
  if gzip then
    local limit = ("%d"):format(bytes and bytes + 1 or 1 << 40)
    transfer.run("sh", {"-c", unpack_and_sum, "sh", path, limit}, keep)
  else
    local status, reason = transfer.run("sh", {"-c", [[exec sha256sum < "$1"]], "sh", path}, keep)
    if status ~= 0 and status ~= 127 then fail("%s cannot be read: %s", path, reason[1] or "sha256sum failed") end
  end
  local lines = "\n" .. table.concat(text)
  local status, hash = lines:match "\ngzip (%d+)", lines:match "\n(%x+)  %-"
  if status == "127" then absent "gzip" end
  if not hash or #hash ~= 64 then absent "sha256sum" end
  if gzip and status ~= "0" then return nil end
  return hash
end

-- Why a write failed, in words; a full disk says what to do.
local function write_reason(path, reason, code)
  if code == 28 or code == 122 then              -- ENOSPC, EDQUOT
    return ("the disk is full: %s holds %d bytes and is kept; make room, then fetch again to continue"):format(path,
      transfer.size(path) or 0)
  end
  return ("cannot write %s: %s"):format(path, errors.reason(path, reason))
end

-- One connection: appends to `part` the rest of what the address serves. Returns true; or nil, reason and kind: "range"
-- (the server cannot continue it), "cut" (the connection ended early), "refused".
local function connect(address, part, on_progress)
  local offset = transfer.size(part) or 0
  local file, denied, code = io.open(part, "ab")
  if not file then fail("%s", write_reason(part, denied, code)) end
  file:setvbuf "no"
  local got = 0
  local status, said, broken = transfer.run("curl", {"--silent", "--show-error", "--fail", "--location", "--no-buffer",
    "--proto", "=https,http", "--proto-redir", "=https,http", "--globoff", "--connect-timeout", "20",
    "--speed-limit", "1", "--speed-time", "60", "--output", "-", "--continue-at", ("%d"):format(offset),
    "--url", address}, function(bytes)
    local ok, why, errno = file:write(bytes)
    if not ok then return write_reason(part, why, errno) end
    got = got + #bytes
    if on_progress then on_progress(offset + got) end
  end)
  file:close()
  if transfer.size(part) == 0 then os.remove(part) end
  if broken then fail("%s", broken) end
  if status == 0 then return true end
  local reason = (said[#said] or ("curl ended with status %d"):format(status)):gsub("^curl: %(%d+%) ", "")
  if offset > 0 and (status == 33 or status == 22 and reason:find "416") then return nil, reason, "range" end
  return nil, reason, got > 0 and "cut" or "refused"
end

-- Downloads the whole file from one address; returns nil, or the reason why it failed.
local function from_place(address, part, right, on_progress)
  local cuts = 0
  while true do
    local continued = transfer.size(part) ~= nil
    local ok, reason, kind = connect(address, part, on_progress and function(n) on_progress(address, n) end)
    if ok then
      if transfer.size(part) and right() then return nil end
      os.remove(part)
      if not continued then return "its SHA-256 is wrong" end
    elseif kind == "range" then
      os.remove(part)
    else
      cuts = cuts + 1
      if kind ~= "cut" or cuts == CUTS then return reason end
    end
  end
end

--- Downloads a file from the first address that serves it intact; an existing partial file is continued.
-- @param addresses list of URLs
-- @param part string the file to write; the caller renames it
-- @param right function() -> boolean: whether `part` is complete and its sum is right
-- @param on_progress function(address, bytes)
-- @return string the address ("" if the file was complete already); nil if all addresses failed
-- @return list of {address, reason} for those that failed
-- @raise the disk is full, `part` cannot be written, curl is missing, Ctrl-C
function transfer.get(addresses, part, right, on_progress)
  local failed = {}
  if transfer.size(part) and right() then return "", failed end
  for _, address in ipairs(addresses) do
    local reason = from_place(address, part, right, on_progress)
    if not reason then return address, failed end
    failed[#failed + 1] = {address = address, reason = reason}
  end
  return nil, failed
end

return transfer
