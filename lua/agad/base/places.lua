--- Default folders: the user's cache, and the data sets.

local places = {}

--- The user's cache folder: $XDG_CACHE_HOME, or ~/.cache.
-- @return string the folder, which need not exist
function places.cache()
  local cache = os.getenv "XDG_CACHE_HOME"
  if not cache or cache == "" then cache = (os.getenv "HOME" or "") .. "/.cache" end
  return cache
end

--- The folder of the data sets: the one given, or else $AGAD_DATA, or else one in the user's cache.
-- @param root string or nil
-- @return string the folder, which need not exist
function places.data(root)
  if root then return root end
  local given = os.getenv "AGAD_DATA"
  if given and given ~= "" then return given end
  return places.cache() .. "/agad/data"
end

return places
