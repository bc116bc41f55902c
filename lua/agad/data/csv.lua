-- Comma-separated values by RFC 4180, and as spreadsheets write them: quoted fields, "" for a quote inside one; lines
-- that end in CRLF, LF or CR; UTF-8 with or without a byte-order mark, or UTF-16; commas, semicolons or tabs between
-- the fields, which a first line `sep=;` may name.

local fail = require("agad.data.set").fail

local csv = {}

-- Encoding ----------------------------------------------------------------------------------------

-- Text in UTF-16 as UTF-8; `order` is "<" or ">".
local function from_utf16(name, bytes, order)
  local out, high = {}, nil
  for at = 1, #bytes - 1, 2 do
    local unit = string.unpack(order .. "I2", bytes, at)
    local low = unit >= 0xdc00 and unit < 0xe000
    if (high ~= nil) ~= low then fail("%s: this is not valid UTF-16 text; save it as UTF-8", name) end
    if unit >= 0xd800 and unit < 0xdc00 then high = unit
    else
      out[#out + 1] = utf8.char(low and 0x10000 + ((high - 0xd800) << 10) + unit - 0xdc00 or unit)
      high = nil
    end
  end
  if high or #bytes % 2 == 1 then fail("%s: this UTF-16 text ends in the middle of a character", name) end
  return table.concat(out)
end

--- The text of a file as UTF-8 without a byte-order mark. Bytes of any other encoding than UTF-16 are kept.
-- @param name string for messages
-- @param bytes string
-- @return string
-- @return string "UTF-16" if it was that; nil: it was not
-- @raise the text is UTF-32 or not valid UTF-16
function csv.text(name, bytes)
  if bytes:find "^\255\254\0\0" or bytes:find "^\0\0\254\255" then
    fail("%s: the text is UTF-32; save it as UTF-8", name)
  end
  if bytes:sub(1, 3) == "\239\187\191" then return bytes:sub(4) end
  local mark = bytes:sub(1, 2)
  if mark == "\255\254" or mark == "\254\255" then
    return from_utf16(name, bytes:sub(3), mark == "\255\254" and "<" or ">"), "UTF-16"
  end
  local little = bytes:find "^[\t -~]\0[\t -~]\0"                            -- UTF-16 without a byte-order mark
  if little or bytes:find "^\0[\t -~]\0[\t -~]" then return from_utf16(name, bytes, little and "<" or ">"), "UTF-16" end
  return bytes
end

-- Fields ------------------------------------------------------------------------------------------

local no_break = {"\u{A0}", "\u{202F}", "\u{FEFF}"}

--- A field without the blanks, tabs and no-break spaces at its ends.
-- @param field string
-- @return string
function csv.trim(field)
  if field:find "^[!-~].*[!-~]$" then return field end
  local before
  repeat
    before, field = field, field:match "^[ \t-\r]*(.-)[ \t-\r]*$"
    for _, space in ipairs(no_break) do
      if field:sub(1, #space) == space then field = field:sub(#space + 1) end
      if field:sub(-#space) == space then field = field:sub(1, -#space - 1) end
    end
  until field == before
  return field
end

-- One quoted field that opens at `at`: its text, where it ends, and the lines that it crosses.
local function quoted(name, text, at, line)
  local parts, from = {}, at + 1
  while true do
    local close = text:find('"', from, true)
    if not close then fail("%s: line %d: a quoted field is not closed", name, line) end
    parts[#parts + 1] = text:sub(from, close - 1)
    if text:byte(close + 1) ~= 34 then
      local value = table.concat(parts, '"')
      local _, lines = value:gsub("\n", "")
      return value, close + 1, line + lines
    end
    from = close + 2
  end
end

--- Iterates over the records of a text: `for fields, line in csv.records(name, text) do`.
-- Empty lines are skipped; `line` is the number of the line where the record begins. Blanks around the quotes of a
-- field are dropped; those at the ends of an unquoted field belong to it (`csv.trim`).
-- @param name string for messages
-- @param text string
-- @param separator string one character (",")
-- @return function gives a list of fields, and its line
-- @raise an unclosed quote, or text next to a quoted field
function csv.records(name, text, separator)
  local at, line, mark = 1, 1, (separator or ","):byte()
  local literal = "%" .. string.char(mark)
  local ends, one = "[" .. literal .. "\r\n]", "([^" .. literal .. "]*)" .. literal
  local blanks = mark == 9 and "^ *()" or "^[ \t]*()"
  local function after_blanks(from)
    from = text:match(blanks, from)
    return text:find("^\u{A0}", from) and after_blanks(from + 2) or from
  end
  local function fields_of()                               -- those of a record with quotes
    local fields = {}
    while true do
      local open = after_blanks(at)
      if text:byte(open) == 34 then
        fields[#fields + 1], at, line = quoted(name, text, open, line)
        at = after_blanks(at)
        if at <= #text and not text:find("^" .. ends, at) then
          fail("%s: line %d: text follows a quoted field", name, line)
        end
      else
        local stop = text:find(ends, at) or #text + 1
        fields[#fields + 1] = text:sub(at, stop - 1)
        if fields[#fields]:find('"', 1, true) then
          fail("%s: line %d: a quote inside an unquoted field; quote the whole field, and double the quote", name, line)
        end
        at = stop
      end
      if text:byte(at) ~= mark then return fields end
      at = at + 1
    end
  end
  local function record()
    local began, stop, fields = line, text:find("[\r\n]", at) or #text + 1
    local plain = text:sub(at, stop - 1)
    if plain:find('"', 1, true) then
      fields = fields_of()
    else
      fields, at = {}, stop
      for field in (plain .. string.char(mark)):gmatch(one) do fields[#fields + 1] = field end
    end
    if text:byte(at) == 13 then at = at + 1 end
    if text:byte(at) == 10 then at = at + 1 end
    line = line + 1
    return fields, began
  end
  return function()
    while at <= #text do
      local fields, began = record()
      if #fields > 1 or fields[1] ~= "" then return fields, began end
    end
  end
end

-- Tables ------------------------------------------------------------------------------------------

-- Whether the header, divided at this separator, has a column of this name.
local function has_column(name, text, separator, column)
  local ok, fields = pcall(csv.records(name, text, separator))
  for _, field in ipairs(ok and fields or {}) do if csv.trim(field):lower() == column then return true end end
  return false
end

--- As `csv.records`, for a table with a header: what separates its fields is recognised, and records without any text
-- are skipped.
-- @param name string for messages
-- @param text string
-- @param column string a column that the header has, in lower case: it shows what separates the fields
-- @return function gives a list of fields, and its line
-- @return string the separator
function csv.rows(name, text, column)
  local first, rest = text:match '^"?[sS][eE][pP]=([^%w"\r\n])"?(.*)$'
  local separator = first
  if first and rest:find "^[ \t]*[\r\n]" then
    text = rest:match "^[ \t]*(.*)$"                       -- its first line is empty, so that lines keep their numbers
  else
    separator = ","
    for _, other in ipairs {";", "\t"} do
      local line = text:match "^[\r\n]*([^\r\n]*)" or ""
      if line:find(other, 1, true) and not has_column(name, line, ",", column) and
         has_column(name, line, other, column) then separator = other end
    end
  end
  local next_record = csv.records(name, text, separator)
  return function()
    for fields, line in next_record do
      for _, field in ipairs(fields) do if csv.trim(field) ~= "" then return fields, line end end
    end
  end, separator
end

return csv
