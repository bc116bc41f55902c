-- build/agad spec/fuzz/operators.lua [CALLS [SEED [FIRST]]]: random calls of operators and of our tensor functions,
-- run in a child process.  Every failure must be a Lua error of one line without a C++ trace, and no tensor be left.
-- An operator whose call kills (or halts) the child is noted with its reproducer and left out from then on.
--   build/agad spec/fuzz/operators.lua --show SEED NUMBER     the text of one call
--   build/agad spec/fuzz/operators.lua --run SEED NUMBER      runs it in this process
-- Exit status 0: nothing was found.  FUZZ_KEEP=DIR: keeps what is found there.
-- FUZZ_COLLECT=1: collects after each call, so that spoilt memory is noticed at once.

local script = arg[0]
package.path = (script:match "^(.*)/[^/]*$" or ".") .. "/?.lua;" .. package.path
local calls = require "calls"

local HANGS_AFTER = 300                                 -- seconds for one call, however busy the machine is
local EVERY, LEAST = 2000, 200                          -- calls between two looks at memory; tensors that may be left

-- ---- one call ----

-- The first way in which an error is not as promised, or nil.
local function fault_of(message)
  if type(message) ~= "string" then return "an error that is a " .. type(message) end
  if message:find "Exception raised from" or message:find "frame #%d" then return "a C++ trace" end
  if message:find "\n" then return "an error of several lines" end
end

-- Looks at a result as a user would.
local function look(v, depth)
  if type(v) == "table" and depth > 0 then
    for _, item in ipairs(v) do look(item, depth - 1) end
  elseif type(v) == "userdata" then
    local ok, text = pcall(tostring, v)
    if not ok then error(text, 0) end
    if v.is_closed and not v:is_closed() and v:numel() < 5000 then v:totable() end
  end
end

-- Runs the text: whether it got through, its error, and what is wrong with that.  What the call's own functions raise
-- (error {}), in the call or when its result is looked at, may be anything.
local function run(agad, text)
  local chunk = assert(load(text, "=call"))
  local own = text:find("error {}", 1, true) or text:find("__index = error", 1, true)
  local results = table.pack(pcall(chunk, agad))
  local message = results[2]
  local good = results[1]
  if good then
    for i = 2, results.n do
      local seen, reason = pcall(look, results[i], 2)
      if not seen then
        local fault = not own and fault_of(reason)
        if fault then return true, reason, fault end
      end
    end
    return true
  end
  return false, message, not own and fault_of(message) or nil
end

-- ---- the child: calls FIRST to LAST; the call that runs stands in the file `now` ----

local function read_lines(path)
  local set = {}
  for line in io.lines(path) do set[line] = true end
  return set
end

local function child(seed, first, last, dir)
  local agad = require "agad"
  local catalogue, without = calls.catalogue(agad.core, {}), read_lines(dir .. "/without")
  local now, found = assert(io.open(dir .. "/now", "wb")), assert(io.open(dir .. "/found", "ab"))
  now:setvbuf "full"
  local good, bad, start, collects = 0, 0, nil, os.getenv "FUZZ_COLLECT"
  local function memory_at(number)
    collectgarbage() collectgarbage()
    local alive = agad.memory().tensors
    if not start then start = alive
    elseif alive > start + LEAST then
      found:write(("memory: %d tensors are left before call %d of seed %d, %d at the start\n"):format(alive, number,
        seed, start))
      start = alive
    end
  end
  memory_at(first)
  for number = first, last do
    local text, name = calls.make(catalogue, seed, number)
    if not without[name] then
      now:seek "set"
      now:write(number, "\n", name, "\n", text, "\0")
      now:flush()
      local through, message, fault = run(agad, text)
      if collects then collectgarbage() end
      if through then good = good + 1 else bad = bad + 1 end
      if fault then
        local text_of_it = tostring(message):gsub("\n", "\\n")
        found:write(("%s: seed %d call %d, %s: %s\n"):format(fault, seed, number, name, text_of_it))
        found:flush()
      end
    end
    if number % EVERY == 0 then memory_at(number) end
  end
  memory_at(last)
  local counts = assert(io.open(dir .. "/counts", "wb"))
  counts:write(good, " ", bad, "\n")
  counts:close()
end

-- ---- the parent ----

local luv = require "luv"

local function slurp(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read "a"
  file:close()
  return text
end

-- Runs a child to its end: its exit status, signal, and whether it was killed because a call did not end.
local function run_child(seed, first, last, dir)
  local status, signal, hung, handle = nil, nil, false, nil
  local err = assert(luv.fs_open(dir .. "/stderr", "w", 420))
  -- A child may not take all memory: what asks for too much gets none.  (AddressSanitizer itself maps terabytes.)
  local limit = (os.getenv "ASAN_OPTIONS" and
    "export ASAN_OPTIONS=$ASAN_OPTIONS:allocator_may_return_null=1:max_allocation_size_mb=4000; " or
    "ulimit -v 8000000; ") .. "ulimit -c 0; exec \"$@\""
  handle = assert(luv.spawn("sh", {cwd = dir, stdio = {nil, err, err}, args = {"-c", limit, "sh",
    os.getenv "AGAD_PROGRAM", luv.fs_realpath(script), "--child", seed, first, last, dir}}, function(code, by)
    status, signal = code, by
    handle:close()
  end))
  luv.fs_close(err)
  local timer, seen, since = luv.new_timer(), nil, luv.now()
  timer:start(1000, 1000, function()
    local number = slurp(dir .. "/now"):match "^%d+"
    if number ~= seen then seen, since = number, luv.now()
    elseif luv.now() - since > HANGS_AFTER * 1000 then
      hung = true
      handle:kill "sigkill"
    end
  end)
  while not status do luv.run "once" end
  timer:close()
  luv.run "nowait"
  return status, signal, hung
end

local function parent(count, seed, first)
  local dir = assert(luv.fs_mkdtemp("/tmp/agad_fuzz_XXXXXX"))
  local function put(name, text)
    local file = assert(io.open(dir .. "/" .. name, "ab"))
    file:write(text)
    file:close()
  end
  put("without", "") put("found", "")
  for name in (os.getenv "FUZZ_WITHOUT" or ""):gmatch "%S+" do put("without", name .. "\n") end
  local deaths, good, bad, last = {}, 0, 0, first + count - 1
  local from = first
  while from <= last do
    os.remove(dir .. "/counts")
    os.remove(dir .. "/now")
    local to = math.min(last, from + 49999)
    local status, signal, hung = run_child(seed, from, to, dir)
    local g, b = slurp(dir .. "/counts"):match "(%d+) (%d+)"
    if g then
      good, bad, from = good + g, bad + b, to + 1
      if status ~= 0 or signal ~= 0 then
        deaths[#deaths + 1] = {name = "at the end", text = slurp(dir .. "/stderr"):sub(-3000)}
      end
    else
      local number, name, text = slurp(dir .. "/now"):match "^(%d+)\n([^\n]*)\n([^%z]*)"
      if not number then error("the child did not start: " .. slurp(dir .. "/stderr")) end
      local why = hung and "no end" or signal ~= 0 and "signal " .. signal or "exit " .. status
      local notes = slurp(dir .. "/stderr"):gsub("%[W[^\n]*\n", ""):gsub("==%d+==WARNING[^\n]*\n", "")
      deaths[#deaths + 1] = {name = name, text = text}
      local line = ("== %s: %s (seed %d, call %s)\n%s%s\n"):format(name, why, seed, number, text,
        #notes > 6000 and notes:sub(1, 3500) .. "\n...\n" .. notes:sub(-2500) or notes)
      io.stdout:write(line) io.stdout:flush()
      if os.getenv "FUZZ_KEEP" then
        local kept = assert(io.open(os.getenv "FUZZ_KEEP" .. "/deaths", "ab"))
        kept:write(line) kept:close()
      end
      put("without", name .. "\n")
      from = math.tointeger(number) + 1
    end
  end
  local found = slurp(dir .. "/found")
  io.stdout:write(found)
  local names = {}
  for i, death in ipairs(deaths) do names[i] = death.name end
  print(("%d calls of seed %d (in children that ended well: %d got through, %d errors), %d deaths%s%s"):format(count,
    seed, good, bad, #deaths, #deaths > 0 and ": " or "", table.concat(names, ", ")))
  os.execute(("rm -rf %s"):format(dir))
  os.exit(#deaths == 0 and found == "" and 0 or 1, true)
end

local first = arg[1]
if first == "--child" then
  child(math.tointeger(arg[2]), math.tointeger(arg[3]), math.tointeger(arg[4]), arg[5])
elseif first == "--show" or first == "--run" then
  local agad = require "agad"
  local text = calls.make(calls.catalogue(agad.core, {}), math.tointeger(arg[2]), math.tointeger(arg[3]))
  io.stdout:write(text)
  if first == "--run" then print(run(agad, text)) end
else
  parent(math.tointeger(arg[1] or 100000), math.tointeger(arg[2] or 1), math.tointeger(arg[3] or 1))
end
