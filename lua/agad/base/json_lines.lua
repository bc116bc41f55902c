-- Lists of records in files, one JSON object a line, such as the log of a run. A line that a full disk or a kill cut
-- short costs itself only.

local json_lines = {}

--- The records of a text.
-- @param text string
-- @return list of tables; lines that are no JSON object are left out
-- @return list of their lines
function json_lines.decode(text)
  local decode, records, lines = require("agad.core").json_decode, {}, {}
  for line in text:gmatch "[^\n]+" do
    local ok, record = pcall(decode, line)
    if ok and type(record) == "table" then
      records[#records + 1] = record
      lines[#lines + 1] = line
    end
  end
  return records, lines
end

return json_lines
