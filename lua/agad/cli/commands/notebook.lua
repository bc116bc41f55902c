-- agad notebook: opens notebooks in Jupyter with our kernel, or installs the kernel for a Jupyter that is started
-- otherwise.

local common = require "agad.cli.common"

local NONE = "neither jupyter-lab nor jupyter-notebook is on the PATH; install one of them: pip install jupyterlab, or "
  .. "on Debian apt-get install jupyter-notebook python3-ipykernel"

local places = {"user", "prefix", "sys_prefix"}

local function install(args)
  local jupyter = require "agad.cli.notebook.jupyter"
  local python, own_prefix = jupyter.python()
  local prefix = args.sys_prefix and own_prefix or args.prefix
  local path = jupyter.register(prefix and prefix .. "/share/jupyter" or jupyter.user_folder(), python)
  if args.json then return common.print_json {path = path, python = python, name = jupyter.name} end
  require("agad.evaluate.report").out(("  installed the kernel Lua (agad): %s"):format(path))
end

-- Runs Jupyter to its end: its exit status. Ctrl-C at the terminal reaches it as well, so that it is not sent on;
-- requests to end are.
local function run(program, arguments)
  local luv, status = require "luv", nil
  local child, reason = luv.spawn(program, {args = arguments, stdio = {0, 1, 2}}, function(code, signal)
    status = signal ~= 0 and 128 + signal or code
  end)
  if not child then common.fail(("%s cannot be started: %s"):format(program, reason)) end
  local handlers = {}
  for _, name in ipairs {"sigint", "sigterm", "sighup"} do
    local handler = luv.new_signal()
    handler:start(name, function()
      if name ~= "sigint" or not require("agad.core").isatty(0) then child:kill(name) end
    end)
    handlers[#handlers + 1] = handler
  end
  while not status do luv.run "once" end
  for _, handler in ipairs(handlers) do handler:close() end
  child:close()
  luv.run "nowait"
  return status
end

local function open(args)
  local jupyter, luv, lfs = require "agad.cli.notebook.jupyter", require "luv", require "lfs"
  local what = args.what or "."
  if not lfs.attributes(what, "mode") then common.fail(("%s: no such file or folder"):format(what)) end
  local program = jupyter.program()
  if not program then common.fail(NONE) end
  local python = jupyter.python()
  local folder = require("agad.base.places").temporary()
  os.remove(folder)                               -- a name that is free
  local ok, status = pcall(function()
    jupyter.register(folder, python)
    local path = os.getenv "JUPYTER_PATH"
    luv.os_setenv("JUPYTER_PATH", folder .. (path and path ~= "" and ":" .. path or ""))
    local arguments = {what:find "^%-" and "./" .. what or what}
    table.move(args.rest, 1, #args.rest, 2, arguments)
    return run(program, arguments)
  end)
  os.execute("rm -rf " .. require("agad.base.text").shell(folder))
  if not ok then error(status, 0) end
  return status
end

return {
  help = "Open notebooks in Jupyter, or install the Jupyter kernel",
  arguments = function(c)
    c:argument "what":args "?":argname "<what>"
      :description "a notebook or a folder to open (default: this folder); or install, which installs the kernel"
    c:argument "rest":args "*":argname "<argument>":description "after --: arguments for Jupyter"
    c:flag "--user":description "install it for this user (the default)"
    c:option "--prefix":argname "DIR":description "install it in DIR/share/jupyter"
    c:flag "--sys-prefix":description "install it where the Python with ipykernel is, such as a virtual environment"
    c:action(function(args)
      local given = 0
      for _, name in ipairs(places) do if args[name] then given = given + 1 end end
      if given > 1 then c:error "give one of --user, --prefix and --sys-prefix" end
      if given > 0 and args.what ~= "install" then c:error "--user, --prefix and --sys-prefix belong to install" end
      if args.what == "install" and args.rest[1] then c:error "install takes no further arguments" end
    end)
  end,
  run = function(args)
    require "agad"
    if args.what == "install" then return install(args) end
    local status = open(args)
    if status ~= 0 then common.fail(("Jupyter ended with status %d"):format(status)) end
  end,
}
