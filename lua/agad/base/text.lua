-- Text: numbers and order that do not depend on the locale, line breaks, printable names.
--
-- A host or a script may have called os.setlocale, after which Lua writes 0,5 and orders text by a language's rules.
-- What agad writes, reads and sorts stays the same: numbers have a point, and text is in the order of its bytes.

local text = {}

-- What the locale puts between the whole and the fraction of a number; nil for a point.
local function foreign_point()
  local written = tostring(0.5)
  return written ~= "0.5" and written:match "^0(.+)5$":gsub("%p", "%%%0") or nil
end

--- As tostring, but a number has a point in every locale, and a value whose __tostring fails has a text too.
-- @return string
function text.of(v)
  local point = math.type(v) == "float" and foreign_point()
  if point then return (tostring(v):gsub(point, ".", 1)) end
  local ok, shown = pcall(tostring, v)
  if ok then return shown end
  return ("a %s that cannot be shown: its __tostring failed%s"):format(type(v),
    type(shown) == "string" and " (" .. shown .. ")" or "")
end

--- As string.format, but numbers have a point in every locale.
-- @param form string
-- @return string
function text.format(form, ...)
  local point = foreign_point()
  if not point then return form:format(...) end
  local given, n = table.pack(...), 0
  return (form:gsub("%%([-+ #0]*%d*%.?%d*)(.)", function(how, kind)
    if kind == "%" then return "%" end
    n = n + 1
    local written = ("%" .. how .. kind):format(given[n])
    return math.type(given[n]) and written:gsub(point, ".", 1) or written
  end))
end

--- A number of bytes in words: "3.2 MB".
function text.bytes(n)
  return n < 1e9 and text.format("%.1f MB", n / 1e6) or text.format("%.2f GB", n / 1e9)
end

--- As tonumber, but text with a comma is not a number in any locale.
-- @return number|nil
function text.number(v)
  if type(v) == "string" and v:find "[^%s%w.+-]" then return nil end
  return tonumber(v)
end

--- Whether one text comes before another in the order of their bytes.
-- @param a string
-- @param b string
-- @return boolean
function text.less(a, b)
  local collation = os.setlocale(nil, "collate")
  if collation == "C" or collation == "POSIX" then return a < b end
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

--- Sorts a list of texts by their bytes.
-- @param list table
function text.sort(list) table.sort(list, text.less) end

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

--- A text as one word of a shell's command.
-- @param word string
-- @return string
function text.shell(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

return text
