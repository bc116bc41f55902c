--- Default folders: the user's cache, settings and state, the data sets, temporary files. A relative path in a variable
-- that must hold an absolute one (HOME, XDG_CACHE_HOME, XDG_CONFIG_HOME, XDG_STATE_HOME, TMPDIR) is ignored, as the XDG
-- specification demands, and so is a HOME that is not a folder.

local lfs = require "lfs"

local places = {}

local function absolute(variable)
  local path = os.getenv(variable)
  return path and path:sub(1, 1) == "/" and path or nil
end

local function at_home(variable, otherwise)
  local home = absolute "HOME"
  if home and lfs.attributes(home, "mode") ~= "directory" then home = nil end
  return absolute(variable) or home and home .. otherwise
end

--- The user's cache folder: $XDG_CACHE_HOME, or ~/.cache.
-- @return string|nil the folder, which need not exist; nil without a home
function places.cache() return at_home("XDG_CACHE_HOME", "/.cache") end

--- The folder for what a program remembers, as the history of the REPL: $XDG_STATE_HOME, or ~/.local/state.
-- @return string|nil the folder, which need not exist; nil without a home
function places.state() return at_home("XDG_STATE_HOME", "/.local/state") end

--- The folder of a user's settings, as the REPL's init.lua: $XDG_CONFIG_HOME, or ~/.config.
-- @return string|nil the folder, which need not exist; nil without a home
function places.configuration() return at_home("XDG_CONFIG_HOME", "/.config") end

--- A program on the PATH.
-- @param name string
-- @return string|nil its path
function places.program(name)
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local path = folder .. "/" .. name
    if require("luv").fs_access(path, "X") then return path end
  end
end

--- The folder of the data sets: the one given, or else $AGAD_DATA, or else one in the user's cache.
-- @param root string or nil
-- @return string the folder, which need not exist
-- @raise no folder is given, and there is no cache
function places.data(root)
  if root then return root end
  local given = os.getenv "AGAD_DATA"
  if given and given ~= "" then return given end
  local cache = places.cache()
  if not cache then
    error("there is no folder for data sets, because HOME does not name a folder; set AGAD_DATA, or give root", 0)
  end
  return cache .. "/agad/data"
end

--- Refuses a current folder that was deleted: if libtorch is loaded there, one of its libraries ends the process.
-- @raise the current folder was deleted
function places.check_current()
  if not lfs.currentdir() then
    error("the current folder was deleted; change to another one, and start again", 0)
  end
end

--- Creates an empty file in $TMPDIR, or /tmp.
-- @return string its path; the caller removes it
-- @raise it cannot be created
function places.temporary()
  local luv, folder = require "luv", absolute "TMPDIR" or "/tmp"
  local file, path = luv.fs_mkstemp(folder .. "/agad-XXXXXX")
  if not file then
    local reason = path:gsub("^%w+: ", ""):gsub(": .*$", "")
    error(("cannot create a temporary file in %s: %s; set TMPDIR to a folder that can be written"):format(folder,
      reason), 0)
  end
  luv.fs_close(file)
  return path
end

return places
