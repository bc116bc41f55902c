-- A terminal's screen as an SVG: text in its colours on a dark ground.

local screenshot = {}

local WIDE, HIGH, SIZE, EDGE = 8.43, 18, 14, 14    -- pixels of a character, of the font, around the text
local GROUND, TEXT, FAINT = "#1e1e2e", "#d8dee9", "#8a92a6"
-- The sixteen colours of a terminal.
local colours = {[0] = "#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d8dee9",
  "#6b7386", "#ff8f98", "#b5e090", "#ffd68a", "#8cc8ff", "#e0a0f0", "#7fdbe6", "#ffffff"}

local function escaped(text) return (text:gsub("&", "&amp;"):gsub("<", "&lt;"):gsub(">", "&gt;")) end

-- Changes a style by the numbers of an escape sequence that sets colours.
local function apply(style, numbers)
  local list = {}
  for n in numbers:gmatch "%d+" do list[#list + 1] = tonumber(n) end
  if #list == 0 then list[1] = 0 end
  local i = 1
  while list[i] do
    local n = list[i]
    if n == 0 then style.fill, style.bold, style.faint = nil, nil, nil
    elseif n == 1 then style.bold = true
    elseif n == 2 then style.faint = true
    elseif n == 22 then style.bold, style.faint = nil, nil
    elseif n == 39 then style.fill = nil
    elseif n >= 30 and n <= 37 then style.fill = colours[n - 30]
    elseif n >= 90 and n <= 97 then style.fill = colours[n - 82]
    elseif n == 38 and list[i + 1] == 5 then
      style.fill = colours[list[i + 2]] or TEXT
      i = i + 2
    end
    i = i + 1
  end
end

local function span(text, style, column)
  if text == "" then return "" end
  local fill = style.fill or style.faint and FAINT
  return ('<tspan x="%.2f"%s%s>%s</tspan>'):format(EDGE + column * WIDE, fill and (' fill="%s"'):format(fill) or "",
    style.bold and ' font-weight="bold"' or "", escaped(text))
end

--- Draws a screen.
-- @param screen string lines with escape codes for colours, as terminal:screen(true) gives them
-- @param o table columns; title
-- @return string SVG
function screenshot.svg(screen, o)
  local lines, style = {}, {}
  for line in (screen:gsub("\n+$", "") .. "\n"):gmatch "(.-)\n" do
    local parts, column = {}, 0
    for codes, text in ("\27[m" .. line):gsub("^\27%[m", "\27[;m"):gmatch "\27%[([%d;]*)m([^\27]*)" do
      if codes ~= ";" then apply(style, codes) end
      parts[#parts + 1] = span(text, style, column)
      column = column + utf8.len(text)
    end
    lines[#lines + 1] = ('<text y="%d" xml:space="preserve">%s</text>'):format(EDGE + HIGH * (#lines + 1) - 5,
      table.concat(parts))
  end
  local width, height = math.ceil(o.columns * WIDE + 2 * EDGE), #lines * HIGH + 2 * EDGE
  return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">\n'
    .. '<title>%s</title>\n<rect width="100%%" height="100%%" rx="8" fill="%s"/>\n'
    .. '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="%d" fill="%s">\n%s\n</g>\n</svg>\n')
    :format(width, height, width, height, escaped(o.title), GROUND, SIZE, TEXT, table.concat(lines, "\n"))
end

return screenshot
