-- gnuplot as a child process: its pictures go to a file, which is replaced only once they are complete, to the terminal
-- or the notebook, or back as bytes. If it fails, its own message is passed on.

local core = require "agad.core"
local errors = require "agad.base.errors"
local format = require("agad.base.text").format
local places = require "agad.base.places"
local quote = require("agad.evaluate.plot.script").quote
local report = require "agad.evaluate.report"
local base_terminal = require "agad.base.terminal"
local terminal = require "agad.evaluate.plot.terminal"
local transfer = require "agad.data.transfer"

local gnuplot = {}

local WIDTH, HEIGHT = 960, 600                    -- pixels
local ROWS, NARROWEST, WIDEST = 24, 20, 120       -- of a plot in characters: its height; columns
local CELL = 8                                    -- pixels across a character, about, for sixel pictures

local function fail(form, ...) error(format(form, ...), 0) end

--- The notebook that shows a plot; nil where there is none, or for another path than "-" and nil.
function gnuplot.notebook(path) return (path == nil or path == "-") and base_terminal.notebook or nil end

--- Where a plot goes.
-- @param path string|nil a file; "-" or nil: the terminal or the notebook; ".png", ".svg" or ".pdf": back as bytes
-- @return string "png", "svg", "pdf", "sixel" or "dumb"
-- @raise the name has another ending, or the file cannot be written
function gnuplot.target(path)
  if gnuplot.notebook(path) then return "png" end
  if path == nil or path == "-" then return terminal.sixel() and "sixel" or "dumb" end
  if type(path) ~= "string" then
    fail("a plot goes to a file whose name is given, not to %s%s", require("agad.base.values").brief(path),
      type(path) == "table" and "; options of agad.plot such as title belong in its first table" or "")
  end
  local ending = path:lower():match "%.(%a+)$"
  if ending ~= "png" and ending ~= "svg" and ending ~= "pdf" then
    fail("cannot plot to %s: the name must end in .png, .svg or .pdf", path)
  end
  local unfit = not gnuplot.is_bytes(path) and core.file_check(path)
  if unfit then fail("cannot plot to %s: %s", path, unfit) end
  return ending
end

--- Whether a path is an ending alone, which stands for the bytes of the picture.
function gnuplot.is_bytes(path) return path ~= nil and path:lower():find "^%.%a+$" ~= nil end

--- The width of a plot: in pixels, or, for "dumb", in characters.
-- @param target string (`gnuplot.target`)
-- @param o table width or nil
function gnuplot.width(target, o)
  local columns = math.max(NARROWEST, math.min(WIDEST, core.terminal_width()))
  if target == "dumb" then return columns end
  return o.width or target == "sixel" and math.min(WIDTH, CELL * columns) or WIDTH
end

local function terminal_of(target, o)
  local width = gnuplot.width(target, o)
  local height = o.height or width * HEIGHT // WIDTH
  if target == "png" then return ("pngcairo size %d,%d font 'sans,11'"):format(width, height) end
  if target == "svg" then return ("svg size %d,%d font 'sans,11' background 'white'"):format(width, height) end
  if target == "pdf" then return format("pdfcairo size %.4gcm,%.4gcm font 'sans,9'", width / 60, height / 60) end
  if target == "sixel" then return ("sixelgd size %d,%d truecolor font 'sans,11'"):format(width, height) end
  return ("dumb size %d,%d nofeed%s"):format(width, ROWS, base_terminal.has_colours(1) and " ansi256" or "")
end

local fonts

-- Whether there is a font for png and pdf, whose text is left out without one; nothing says so.
local function has_font()
  if fonts == nil then
    local pipe = io.popen "command -v fc-match > /dev/null 2>&1 || echo unknown; fc-match sans 2> /dev/null"
    fonts = pipe == nil or pipe:read "a" ~= ""
    if pipe then pipe:close() end
  end
  return fonts
end

-- Runs a script; returns what gnuplot writes, or nil and the reason.
local function output(script, target, o)
  if not os.execute("command -v gnuplot > /dev/null 2>&1") then
    return nil, "plots need gnuplot, which is not installed; on Debian: apt-get install gnuplot-nox"
  end
  local file, held, out, status, said = places.temporary(), o.data and places.temporary(), {}, nil, nil
  local ok, err = pcall(function()
    if held then core.file_replace(held, o.data) end
    core.file_replace(file, ("set terminal %s\n%s%s\n"):format(terminal_of(target, o),
      held and ("data = %s\n"):format(quote(held)) or "", script))
    -- -d: what the user has in ~/.gnuplot is not read
    status, said = transfer.run("gnuplot", {"-d", file}, function(bytes) out[#out + 1] = bytes end)
  end)
  os.remove(file)
  if held then os.remove(held) end
  if not ok then error(err, 0) end
  if status == 0 and #out > 0 then return table.concat(out) end
  local words = table.concat(said, " "):gsub("^%s+", ""):gsub("%s+", " ")
  return nil, "gnuplot " .. (words ~= "" and "reports: " .. words or status ~= 0 and
    ("ends with status %d"):format(status) or "draws nothing")
end

--- @name agad.plot.gnuplot(script, path, o)
-- Runs gnuplot's commands, which draw to `path` (.png, .svg, .pdf), to the terminal or the notebook ("-" or nil), or,
-- with an ending alone (".png"), into bytes that are returned.
-- @param script string gnuplot's commands; the terminal is set before them
-- @param path string|nil
-- @param o table width, height (pixels), data (bytes for a file whose name is the commands' variable `data`)
-- @return string the bytes of the picture, with an ending alone; else nil
-- @raise gnuplot is missing or fails, or the file cannot be written
function gnuplot.run(script, path, o)
  local target = gnuplot.target(path)
  local bytes, reason = output(script, target, o or {})
  if not bytes then
    if reason:find "^plots need" then error(reason, 0) end
    fail("cannot plot to %s: %s", path or "-", reason)
  end
  if (target == "png" or target == "pdf") and not has_font() then
    gnuplot.note(("no font is installed, and %s has no text; on Debian: apt-get install fonts-dejavu-core"):format(
      (gnuplot.is_bytes(path) or gnuplot.notebook(path)) and "the plot" or path))
  end
  if gnuplot.is_bytes(path) then return bytes end
  local notebook = gnuplot.notebook(path)
  if notebook then notebook.picture(bytes)
  elseif target == "dumb" or target == "sixel" then
    report.out((bytes:gsub("\f", ""):gsub("^[ \n]*\n", ""):gsub("%s+$", "")))
  else core.file_replace(path, bytes) end
end

--- Runs f, which draws to `path`; if it fails, save(beside) writes the data to a file beside it, and the error names
-- that file.
-- @param path string|nil
-- @param ending string of the file beside it
-- @param f function
-- @param save function(path)
-- @return what f returns
function gnuplot.or_else(path, ending, f, save)
  gnuplot.target(path)
  local ok, result = errors.try(f)
  if ok and result == nil then return end         -- no result, which the REPL would print
  if ok then return result end
  local reason = errors.text(result)
  if path == nil or path == "-" or gnuplot.is_bytes(path) then error(reason, 0) end
  local beside = path .. ending
  ok = errors.try(save, beside)
  error(ok and ("%s; the data are in %s"):format(reason, beside) or reason, 0)
end

--- Writes a note to standard error.
function gnuplot.note(text) io.stderr:write("note: ", text, "\n") end

return gnuplot
