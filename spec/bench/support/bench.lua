-- What the benchmarks share: medians, the machine's load, a peer as a child process.

local luv = require "luv"

local bench = {python = os.getenv "AGAD_PEER_PYTHON" or "python3"}

function bench.median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  return sorted[(#sorted + 1) // 2]
end

--- The load of the last minute, as text.
function bench.load()
  local file = assert(io.open "/proc/loadavg")
  local load = file:read "l":match "^(%S+)"
  file:close()
  return load
end

--- Starts a peer that answers each line with one.
-- @param imports string what its Python must have: "torch, PIL"
-- @param args list its script and arguments
-- @return function(line) gives the answer; or nil and why there is none
-- @return function() ends it
function bench.peer(imports, args)
  if not os.execute(("%s -c 'import %s' > /dev/null 2>&1"):format(bench.python, imports)) then
    return nil, ("%s cannot import %s (set AGAD_PEER_PYTHON, or source what its libraries need)"):format(bench.python,
      imports)
  end
  local stdin, stdout = luv.new_pipe(false), luv.new_pipe(false)
  local text, ended = "", false
  local child = luv.spawn(bench.python, {args = args, stdio = {stdin, stdout, 2}}, function() ended = true end)
  if not child then return nil, bench.python .. " could not be started" end
  stdout:read_start(function(_, chunk) if chunk then text = text .. chunk else ended = true end end)
  local function ask(line)
    stdin:write(line .. "\n")
    while not text:find "\n" do
      if ended then error("the peer ended", 0) end
      luv.run "once"
    end
    local answer
    answer, text = text:match "^(.-)\n(.*)$"
    return answer
  end
  return ask, function()
    stdin:close()
    luv.run "nowait"
  end
end

return bench
