-- Text for people: line breaks and printable names.

local text = {}

--- Breaks a line at spaces into lines of at most `width` columns, all but the first indented by `hang`.
function text.wrap(line, width, hang)
  local out = {}
  while (utf8.len(line) or 0) > width do
    local cut
    for at in line:gmatch("()%s+%S") do
      if at > hang + 1 and utf8.len(line:sub(1, at - 1)) <= width then cut = at end
    end
    if not cut then break end
    out[#out + 1] = line:sub(1, cut - 1)
    line = (" "):rep(hang) .. line:sub(cut):gsub("^%s+", "")
  end
  out[#out + 1] = line
  return table.concat(out, "\n")
end

--- A name that is safe in JSON and on a terminal: control characters and bytes that are not UTF-8 become \xNN.
-- @param name string
-- @return string
function text.printable(name) return require("agad.core").printable(name) end

return text
