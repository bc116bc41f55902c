-- Where the program finds modules. Its own and those it needs of the system are never taken from the current folder or
-- from a relative entry of LUA_PATH. Scripts and the REPL find modules as under Lua, and also in the script's own
-- folder; LUA_PATH and LUA_CPATH go before Lua's own places, with or without ";;".

local modules = {}

--- The modules of the system that agad needs.
modules.needed = {argparse = true, lfs = true, luv = true, readline = true}

local here = "./?.lua;./?/init.lua"              -- last of all

local function each(path, keep)
  local list = {}
  for entry in path:gmatch "[^;]+" do if keep(entry) then list[#list + 1] = entry end end
  return table.concat(list, ";")
end

local function is_absolute(entry) return entry:sub(1, 1) == "/" end

-- What the user set, completed by Lua's own places.
local function with_defaults(name, defaults)
  local given = os.getenv(name .. "_5_4") or os.getenv(name)
  if not given or given == "" then return defaults end
  if not given:find ";;" then return given .. ";" .. defaults end
  return (given:gsub(";;", function() return ";" .. defaults .. ";" end, 1):gsub("^;+", ""):gsub(";+$", ""))
end

-- The loader of a module, and its file; nil if it is in none of the places: paths of Lua files and of libraries in
-- turn.
local function found(name, places)
  for i, path in ipairs(places) do
    local file = package.searchpath(name, path)
    if file and i % 2 == 1 then return assert(loadfile(file)), file end
    if file then return assert(package.loadlib(file, "luaopen_" .. name:gsub("%.", "_"))), file end
  end
  return nil
end

--- Sets the searchers and paths of the program.
-- @param lua string the folder that holds agad/
-- @param lib string the folder that holds agad/core.so
function modules.open(lua, lib)
  local own = {("%s/?.lua;%s/?/init.lua"):format(lua, lua), lib .. "/?.so"}
  local system = {each(package.path, is_absolute), each(package.cpath, is_absolute)}
  package.path = ("%s;%s;%s"):format(own[1], with_defaults("LUA_PATH", system[1]), here)
  package.cpath = ("%s;%s;./?.so"):format(own[2], with_defaults("LUA_CPATH", system[2]))
  table.insert(package.searchers, 2, function(name)
    if name == "agad" or name:find "^agad%." then return found(name, own) end
    if not modules.needed[name] then return nil end
    -- Lua's own places come first: those of another Lua (torch7's) may hold modules of the same names.
    local loader, file = found(name, system)
    if not loader then
      loader, file = found(name, {each(package.path, is_absolute), each(package.cpath, is_absolute)})
    end
    if loader then return loader, file end
    error(("the Lua module %s is missing; install it (Debian: apt-get install %s)"):format(name,
      name == "lfs" and "lua-filesystem" or "lua-" .. name), 0)
  end)
end

--- Adds the folder of a script as the last place but the current folder.
-- @param path string the script
function modules.beside(path)
  local folder = path:match "^(.*)/[^/]*$"
  if not folder or folder:find "[;?]" then return end            -- the current folder, or no part of a path of Lua's
  local function add(to, current, new) return to:sub(1, -#current - 1) .. new .. ";" .. current end
  package.path = add(package.path, here, ("%s/?.lua;%s/?/init.lua"):format(folder, folder))
  package.cpath = add(package.cpath, "./?.so", folder .. "/?.so")
end

return modules
