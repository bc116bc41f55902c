-- Our Jupyter kernel as a frontend sees it: kernel.py drives it through jupyter_client. kernel.missing says why it cannot
-- be had here. Call kernel.stop() in teardown.

local core = require "agad.core"
local jupyter = require "agad.cli.notebook.jupyter"
local luv = require "luv"
local scratch = dofile "spec/support/scratch.lua"
local shell = require("agad.base.text").shell

local kernel = {folder = scratch.folder, launcher = os.getenv "AGAD" or "build/agad"}

local found, python = pcall(jupyter.python)
if found and not os.execute(shell(python) .. " -c 'import nbclient, jupyter_client' > /dev/null 2>&1") then
  found, python = false, python .. " has no nbclient"
end

--- Why there are no kernels here, or nil.
kernel.missing = not found and python .. " (make test-deps)" or nil

--- The Python that runs them.
kernel.python = found and python or nil

local process, requests, answers, rest

--- Starts what drives the kernel; the kernel itself is started by kernel.ask "start".
function kernel.open()
  luv.os_setenv("JUPYTER_PATH", scratch.folder .. "/jupyter")
  for _, name in ipairs {"HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"} do
    luv.os_setenv(name, scratch.folder .. "/home")
  end
  requests, answers, rest = luv.new_pipe(false), luv.new_pipe(false), ""
  process = assert(luv.spawn(python, {args = {"-B", "spec/support/kernel.py"}, stdio = {requests, answers, 2}}))
  answers:read_start(function(_, bytes) rest = rest .. (bytes or "\n") end)
end

--- Asks the driver.
-- @param request table; do: a function of kernel.py
-- @return table its answer
function kernel.ask(request)
  requests:write(core.json_encode(request) .. "\n")
  while not rest:find "\n" do luv.run "once" end
  local line
  line, rest = rest:match "^(.-)\n(.*)$"
  local answer = core.json_decode(line)
  if answer.failed then error(answer.failed, 2) end
  return answer
end

--- Waits for an event: until f() is true.
function kernel.await(what, f)
  for _ = 1, 600 do
    local value = f()
    if value then return value end
    luv.sleep(50)
  end
  error(what .. ": waited for in vain", 2)
end

--- Whether a process is there.
function kernel.is_alive(pid)
  local stat = scratch.read(("/proc/%d/stat"):format(pid))
  return stat ~= nil and not stat:find "%) Z"
end

--- Ends the driver, with its kernel if that is still there.
function kernel.stop()
  if process then
    requests:close()
    answers:close()
    process:close()
    luv.run "nowait"
  end
  scratch.remove()
end

return kernel
