-- The files of decoded pictures in the user's cache. They have a limit: 20 GB or a tenth of the disk, whichever is
-- less, or AGAD_CACHE_GB. What was used longest ago goes first, and never what a process has in use
-- (csrc/data/cache.h).

local core = require "agad.core"
local lfs = require "lfs"
local luv = require "luv"
local number = require("agad.base.text").number
local places = require "agad.base.places"

local decoded = {}

local MOST, SHARE = 20e9, .1

--- The folder of these files, which need not exist; nil without a home.
function decoded.folder()
  local dir = places.cache()
  return dir and dir .. "/agad/decoded"
end

--- The bytes that the files may have.
-- @return number
-- @raise AGAD_CACHE_GB is no number
function decoded.limit()
  local given = os.getenv "AGAD_CACHE_GB"
  if given and given ~= "" then
    local n = number(given)
    if not n or n < 0 or n ~= n then error(("AGAD_CACHE_GB = %s: a number of gigabytes is needed"):format(given), 0) end
    return n * 1e9
  end
  local dir = decoded.folder()
  while dir and dir ~= "" and not lfs.attributes(dir, "mode") do dir = dir:match "^(.*)/[^/]*$" end
  local disk = dir and luv.fs_statfs(dir ~= "" and dir or "/")
  return math.min(MOST, disk and disk.blocks * disk.bsize * SHARE or MOST)
end

--- The files, the one that was used longest ago first.
-- @return list of {path, bytes, used (seconds since 1970), in_use}
function decoded.list()
  local dir, list = decoded.folder(), {}
  if not dir or lfs.attributes(dir, "mode") ~= "directory" then return list end
  for name in lfs.dir(dir) do
    local path = dir .. "/" .. name
    local about = name:find "^%x+$" and lfs.attributes(path)
    if about and about.mode == "file" then
      list[#list + 1] = {path = path, bytes = about.size, used = about.modification,
        in_use = core.file_is_locked(path)}
    end
  end
  table.sort(list, function(a, b)
    if a.used ~= b.used then return a.used < b.used end
    return a.path < b.path
  end)
  return list
end

--- Removes files that are not in use until the others fit into the limit.
-- @param limit number bytes (default: `decoded.limit`)
-- @return list of the removed files
-- @return list of the others
function decoded.trim(limit)
  limit = limit or decoded.limit()
  local sum, removed, kept = 0, {}, {}
  local list = decoded.list()
  for _, file in ipairs(list) do sum = sum + file.bytes end
  for _, file in ipairs(list) do
    if sum > limit and not file.in_use and os.remove(file.path) then
      sum = sum - file.bytes
      removed[#removed + 1] = file
    else kept[#kept + 1] = file end
  end
  return removed, kept
end

return decoded
