-- Comma-separated values by RFC 4180: quoted fields, "" for a quote inside one, CRLF or LF, a UTF-8 BOM.

local format = require("agad.base.text").format

local csv = {}

local function fail(form, ...) error(format(form, ...), 0) end

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
-- Empty lines are skipped; `line` is the number of the line where the record begins.
-- @param name string for messages
-- @param text string
-- @return function gives a list of fields, and its line
-- @raise an unclosed quote, or text next to a quoted field
function csv.records(name, text)
  local at, line = text:sub(1, 3) == "\239\187\191" and 4 or 1, 1
  local function fields_of()                               -- those of a record with quotes
    local fields = {}
    while true do
      if text:byte(at) == 34 then
        fields[#fields + 1], at, line = quoted(name, text, at, line)
        if at <= #text and not text:find("^[,\r\n]", at) then
          fail("%s: line %d: text follows a quoted field", name, line)
        end
      else
        local stop = text:find("[,\r\n]", at) or #text + 1
        fields[#fields + 1] = text:sub(at, stop - 1)
        if fields[#fields]:find('"', 1, true) then
          fail("%s: line %d: a quote inside an unquoted field; quote the whole field, and double the quote", name, line)
        end
        at = stop
      end
      if text:byte(at) ~= 44 then return fields end
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
      for field in (plain .. ","):gmatch "([^,]*)," do fields[#fields + 1] = field end
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

return csv
