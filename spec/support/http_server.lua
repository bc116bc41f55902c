-- A small HTTP server for specs: `lua http_server.lua DIR` serves DIR/files and misbehaves as it is asked to.
-- It writes its port to DIR/port, a line for each request to DIR/requests (mode, file, "bytes=N-" or "-", status), and
-- ends when its standard input does. The first part of a path is the mode:
--
--   plain      the file, with ranges
--   hold       half of what is asked for; the rest when DIR/go holds "all", a byte every 10 ms when it holds "drip"
--   noranges   always the whole file               cut        closes half-way through what is asked for, with ranges
--   cutonce    closes half-way without a range     short      closes half-way, without ranges
--   wrong      the file with its first byte changed, no ranges
--   redirect   to plain                            tofile     redirects to file:///etc/hostname
--   missing    404                                 broken     503
--   empty      an empty body                       page       a page in place of the file, as hotels send it

local luv = require "luv"

local dir = arg[1]

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, mode, text)
  local file = assert(io.open(path, mode))
  file:write(text)
  file:close()
end

local statuses = {[200] = "OK", [206] = "Partial Content", [302] = "Found", [404] = "Not Found",
  [416] = "Range Not Satisfiable", [503] = "Service Unavailable"}

local function head(status, length, more)
  return ("HTTP/1.1 %d %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n"):format(status, statuses[status],
    length, more or "")
end

local function close(client) if not client:is_closing() then client:close() end end

local function finish(client, text)
  client:write(text, function() client:shutdown(function() close(client) end) end)
end

local function hold(client, text)
  local timer, half = luv.new_timer(), #text // 2
  client:write(text:sub(1, half))
  timer:start(0, 10, function()
    local go = read(dir .. "/go")
    if client:is_closing() then timer:close()
    elseif go == "drip" and half < #text then
      half = half + 1
      client:write(text:sub(half, half), function(err) if err then close(client) end end)
    elseif go then
      timer:close()
      finish(client, text:sub(half + 1))
    end
  end)
end

local function answer(client, request)
  local mode, name = request:match "^GET /([^/ ]+)/(%S+) HTTP"
  local from = request:match "\r\n[Rr]ange: bytes=(%d+)%-\r\n"
  local body = name and read(dir .. "/files/" .. name)
  local status, more = 200, nil
  if mode == "page" then body, from = "<html>Please log in</html>", nil end
  if mode == "empty" then body, from = "", nil end
  if mode == "wrong" and body then body = string.char(body:byte() ~ 1) .. body:sub(2) end
  local start = not (mode == "noranges" or mode == "short" or mode == "wrong") and tonumber(from) or 0
  if not body or mode == "missing" then status, body = 404, "not here"
  elseif mode == "broken" then status, body = 503, "later"
  elseif mode == "redirect" then status, body, more = 302, "", ("Location: /plain/%s\r\n"):format(name)
  elseif mode == "tofile" then status, body, more = 302, "", "Location: file:///etc/hostname\r\n"
  elseif start > 0 and start >= #body then
    status, body, more = 416, "", ("Content-Range: bytes */%d\r\n"):format(#body)
  elseif start > 0 then
    status, more = 206, ("Content-Range: bytes %d-%d/%d\r\n"):format(start, #body - 1, #body)
    body = body:sub(start + 1)
  end
  write(dir .. "/requests", "a", ("%s %s %s %d\n"):format(mode or "?", name or "?", from and "bytes=" .. from .. "-" or
    "-", status))
  local header = head(status, #body, more)
  if mode == "cut" or mode == "short" or mode == "cutonce" and start == 0 then body = body:sub(1, #body // 2) end
  if mode == "hold" then
    hold(client, header .. body)
  else
    finish(client, header .. body)
  end
end

local server = luv.new_tcp()
assert(server:bind("127.0.0.1", 0))
assert(server:listen(16, function()
  local client, text = luv.new_tcp(), ""
  server:accept(client)
  client:read_start(function(_, bytes)
    if not bytes then return close(client) end
    text = text .. bytes
    if text:find("\r\n\r\n", 1, true) then
      client:read_stop()
      answer(client, text)
    end
  end)
end))

luv.new_signal():start("sigpipe", function() end)  -- a client that is gone is an error of write, not the end
local stdin = luv.new_pipe(false)
stdin:open(0)
stdin:read_start(function(_, bytes) if not bytes then os.exit(0) end end)
write(dir .. "/port.new", "w", tostring(server:getsockname().port))
os.rename(dir .. "/port.new", dir .. "/port")
luv.run()
