-- Texts of the ways in which convolutions are computed, one line each: "what: way (a 1.2, b 3 ms)".

local ways = {}

local function names_of(times)
  local names = {}
  for name in (times .. ", "):gmatch "(%a[%w ]-) [%d.e+-]+, " do names[#names + 1] = name end
  return names
end

--- All lines with the n-th of their ways (of three ways the fourth is the first), and how many lines that changes.
function ways.with(text, n)
  local lines, different = {}, 0
  for line in text:gmatch "[^\n]+" do
    local what, way, times = line:match "^(.-): (.-) %((.*) ms%)$"
    local all = names_of(times)
    assert(#all >= 2, line)
    local chosen = all[(n - 1) % #all + 1]
    different = different + (chosen ~= way and 1 or 0)
    lines[#lines + 1] = ("%s: %s (%s ms)"):format(what, chosen, times)
  end
  return table.concat(lines, "\n"), different
end

--- How many ways the line with the most has.
function ways.most(text)
  local most = 0
  for times in text:gmatch "%((.-) ms%)" do most = math.max(most, #names_of(times)) end
  return most
end

--- The lines without their times.
function ways.names(text) return (text:gsub(" %(.-%)", ""):gsub("\n$", "")) end

return ways
