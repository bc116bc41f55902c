--- Where things lie that are not given: the user's cache, and the data sets.

local places = {}

--- The user's cache folder: $XDG_CACHE_HOME, or ~/.cache.
-- @return string the folder, which need not exist
function places.cache()
  local cache = os.getenv "XDG_CACHE_HOME"
  if not cache or cache == "" then cache = (os.getenv "HOME" or "") .. "/.cache" end
  return cache
end

--- Where data sets lie: the folder that is given, $AGAD_DATA, or below the user's cache.
-- @param root string or nil
-- @return string the folder, which need not exist
function places.data(root)
  if root then return root end
  local given = os.getenv "AGAD_DATA"
  if given and given ~= "" then return given end
  return places.cache() .. "/agad/data"
end

return places
