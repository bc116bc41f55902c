-- Our Jupyter kernel as a frontend sees it: kernel.py drives it through jupyter_client. kernel.missing says why it
-- cannot be had here. Call kernel.stop() in teardown.

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

local process, requests, answers, rest, ended

--- Installs the kernel in a folder of its own, and starts what drives it; kernel.ask "start" starts the kernel itself.
function kernel.open()
  luv.os_setenv("HOME", scratch.folder)
  luv.os_setenv("JUPYTER_PATH", scratch.folder .. "/a b/share/jupyter")
  assert(os.execute(("%s notebook install --prefix '%s/a b' > /dev/null"):format(kernel.launcher, scratch.folder)))
  requests, answers, rest = luv.new_pipe(false), luv.new_pipe(false), ""
  process = assert(luv.spawn(python, {args = {"-B", "spec/support/kernel.py"}, stdio = {requests, answers, 2}},
    function() ended = true end))
  answers:read_start(function(_, bytes) rest = rest .. (bytes or "\n") end)
end

--- Asks the driver.
-- @param what string a function of kernel.py
-- @param request table or nil
-- @return table its answer
function kernel.ask(what, request)
  request = request or {}
  request["do"] = what
  requests:write(core.json_encode(request) .. "\n")
  while not rest:find "\n" do luv.run "once" end
  local line
  line, rest = rest:match "^(.-)\n(.*)$"
  local answer = core.json_decode(line)
  if answer.failed then error(answer.failed, 2) end
  return answer
end

--- Whether a process, or one of its threads, is there.
function kernel.is_alive(pid)
  local status = scratch.read(("/proc/%d/status"):format(pid))
  return status ~= nil and not (status:find "\nState:\tZ" and status:find "\nThreads:\t1\n")
end

--- Ends the driver, with its kernel if that is still there.
function kernel.stop()
  if process then
    requests:close()
    while not ended do luv.run "once" end
    answers:close()
    process:close()
    luv.run "nowait"
  end
  scratch.remove()
end

return kernel
