--- Where data sets lie: the folder that is given, $AGAD_DATA, or the user's cache.
-- @param root string or nil
-- @return string the folder, which need not exist
return function(root)
  if root then return root end
  local given = os.getenv "AGAD_DATA"
  if given and given ~= "" then return given end
  local cache = os.getenv "XDG_CACHE_HOME"
  if not cache or cache == "" then cache = (os.getenv "HOME" or "") .. "/.cache" end
  return cache .. "/agad/data"
end
