-- What a terminal, or the notebook in its place, can show.

local terminal = {}

--- The notebook that shows what this process draws: picture(png), and progress, a file on which one line is redrawn.
-- nil where there is none.
terminal.notebook = nil

--- Whether a stream (0, 1 or 2) is a terminal that shows colours: not with TERM=dumb, or if NO_COLOR is set.
-- @param stream integer
-- @return boolean
function terminal.has_colours(stream)
  local term, refused = os.getenv "TERM", os.getenv "NO_COLOR"
  return require("agad.core").isatty(stream) and (refused == nil or refused == "") and term ~= nil and term ~= "dumb"
end

--- Whether a stream is a terminal on which text can be redrawn: not with TERM=dumb.
-- @param stream integer
-- @return boolean
function terminal.is_live(stream) return require("agad.core").isatty(stream) and os.getenv "TERM" ~= "dumb" end

local MOST_FITTED = 10000                         -- bytes of a text whose lines are broken

--- A message for a stream: on a terminal, lines that are too long are broken between words. Before the core is loaded,
-- nothing is known of the terminal.
-- @param message string
-- @param stream integer
-- @return string
function terminal.fitted(message, stream)
  local core = package.loaded["agad.core"]
  if not core or not core.isatty(stream) or #message > MOST_FITTED then return message end
  local width, wrap, out = core.terminal_size(stream), require("agad.base.text").wrap, {}
  for line in (message .. "\n"):gmatch "(.-)\n" do out[#out + 1] = wrap(line, math.max(20, width - 1), 2) end
  return table.concat(out, "\n")
end

--- Whether the locale's characters are those of Unicode.
-- @return boolean
function terminal.is_utf8()
  for _, name in ipairs {"LC_ALL", "LC_CTYPE", "LANG"} do
    local v = os.getenv(name)
    if v and v ~= "" then return v:lower():find("utf%-?8") ~= nil end
  end
  return false
end

return terminal
