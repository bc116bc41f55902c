-- Jupyter on this machine: a Python that has ipykernel, the programs that open notebooks, and what tells them of our
-- kernel.

local core = require "agad.core"
local errors = require "agad.base.errors"
local luv = require "luv"
local make_folder = require("agad.base.folder").make
local places = require "agad.base.places"
local transfer = require "agad.data.transfer"

local jupyter = {}

--- The kernel's name in notebooks, and its folder's.
jupyter.name = "agad"

local OLDEST = 6                                  -- major version of ipykernel
local PROGRAMS = {"jupyter-lab", "jupyter-notebook"}
local FACTS = "import sys, ipykernel; sys.stdout.write(ipykernel.__version__ + ' ' + sys.prefix)"

--- The first program that opens notebooks.
-- @return string|nil its path
function jupyter.program()
  for _, name in ipairs(PROGRAMS) do
    local path = places.program(name)
    if path then return path end
  end
end

-- The Pythons that may have ipykernel: the one that is named, or else that of Jupyter, the first on the PATH, Debian's.
local function pythons()
  local named = os.getenv "AGAD_PYTHON"
  if named and named ~= "" then return {named} end
  local program, list, seen = jupyter.program(), {}, {}
  local beside = program and luv.fs_realpath(program):gsub("[^/]*$", "python3")
  for _, path in ipairs {beside or false, places.program "python3" or false, "/usr/bin/python3"} do
    if path and not seen[path] and luv.fs_access(path, "X") then
      list[#list + 1], seen[path] = path, true
    end
  end
  return list
end

-- What a Python says of its ipykernel: the version and the folder that it is installed in; nil if it has none.
local function facts(python)
  local text = {}
  local ok, status = errors.try(transfer.run, python, {"-c", FACTS}, function(bytes) text[#text + 1] = bytes end)
  if not ok then errors.text(status) end                               -- Ctrl-C goes on
  if not ok or status ~= 0 then return nil end
  return table.concat(text):match "^(%S+) (.*)$"
end

--- A Python with ipykernel.
-- @return string its path
-- @return string the folder that it is installed in
-- @raise there is none, or its ipykernel is too old
function jupyter.python()
  local tried = {}
  for _, python in ipairs(pythons()) do
    local version, prefix = facts(python)
    if version and tonumber(version:match "^%d+") >= OLDEST then return python, prefix end
    tried[#tried + 1] = ("%s (%s)"):format(python, version and "ipykernel " .. version or "no ipykernel")
  end
  error(("no Python with ipykernel %d or later%s; install it: pip install ipykernel, or on Debian apt-get install "
    .. "python3-ipykernel (AGAD_PYTHON names another Python)"):format(OLDEST,
    tried[1] and ": " .. table.concat(tried, ", ") or " was found"), 0)
end

--- Where Jupyter looks for what a user has installed.
-- @return string
-- @raise there is no home folder
function jupyter.user_folder()
  local own, data, home = os.getenv "JUPYTER_DATA_DIR", os.getenv "XDG_DATA_HOME", os.getenv "HOME"
  if own and own ~= "" then return own end
  if data and data:sub(1, 1) == "/" then return data .. "/jupyter" end
  if home and home:sub(1, 1) == "/" then return home .. "/.local/share/jupyter" end
  error("there is no folder for Jupyter's files, because HOME does not name a folder; set JUPYTER_DATA_DIR", 0)
end

--- Tells Jupyter of the kernel.
-- @param folder string one in which Jupyter looks for data: kernels/agad/kernel.json is written in it
-- @param python string the Python that runs the kernel
-- @return string the file
-- @raise it cannot be written
function jupyter.register(folder, python)
  local here = package.searchpath("agad.cli.notebook.jupyter", package.path):match "^.*/"
  local program = os.getenv "AGAD_PROGRAM"
  if not program then error("the kernel is installed by the program agad: agad notebook install", 0) end
  local kernel = luv.fs_realpath(here .. "kernel.py")
  local path = ("%s/kernels/%s"):format(folder, jupyter.name)
  make_folder(path)
  path = path .. "/kernel.json"
  core.file_replace(path, core.json_encode({
    argv = {python, "-B", "-Xfrozen_modules=off", kernel, program, "-f", "{connection_file}"},
    display_name = "Lua (agad)", language = "lua", interrupt_mode = "signal", metadata = {debugger = false},
  }, 1) .. "\n")
  return path
end

return jupyter
