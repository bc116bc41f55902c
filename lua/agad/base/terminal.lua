-- What a terminal can show.

local terminal = {}

--- Whether a stream (0, 1 or 2) is a terminal that shows colours: not with TERM=dumb, or if NO_COLOR is set.
-- @param stream integer
-- @return boolean
function terminal.has_colours(stream)
  local term, refused = os.getenv "TERM", os.getenv "NO_COLOR"
  return require("agad.core").isatty(stream) and (refused == nil or refused == "") and term ~= nil and term ~= "dumb"
end

return terminal
