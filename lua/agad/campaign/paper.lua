-- Published figures beside a campaign's: a CSV file with one figure a line.
--     paper = {file = "paper/table2.csv", match = {gamma = "gamma", data = "dataset"}, fixed = {method = "AGAD"},
--       names = {data = {mnist = "MNIST"}}, value = "auc", sd = "sd", from = "Table 2"}
-- match says which column holds which option; names, how the paper writes its values; fixed, what other columns must
-- hold. Values are per cent. With classes = "c" the columns c0, c1, … hold the figures of the classes, whose numbers
-- `names` may say.

local options = require "agad.base.options"
local numbers = require("agad.base.text").number

local paper = {}

local option = options.option

local known = {file = option {}, match = option {kind = "any"}, fixed = option {kind = "any"},
  names = option {kind = "any"}, value = option {default = "auc"}, sd = option {default = "sd"},
  classes = option {}, from = option {default = "the paper"}}

local function fail(form, ...) error("campaign: paper: " .. form:format(...), 0) end

-- The cells of a line; a cell in quotes may hold commas.
local function cells_of(line)
  local cells, at = {}, 1
  while at <= #line + 1 do
    if line:sub(at, at) == '"' then
      local text, stop = line:match('^"(.-)"()', at)
      if not text then fail("a quote is not closed in: %s", line) end
      cells[#cells + 1], at = text, stop + 1
    else
      local text, stop = line:match("^([^,]*)()", at)
      cells[#cells + 1], at = text, stop + 1
    end
  end
  return cells
end

--- Reads the file.
-- @return list of tables, one a line, by the names of the columns; list of these names
-- @raise it cannot be read, or a line has another number of cells
local function read(path)
  local file, reason = io.open(path)
  if not file then fail("%s", reason) end
  local head, rows, n = nil, {}, 0
  for line in file:lines() do
    n = n + 1
    line = line:gsub("\r$", "")
    if line ~= "" and line:sub(1, 1) ~= "#" then
      local cells = cells_of(line)
      if not head then head = cells
      else
        if #cells ~= #head then fail("%s: line %d has %d cells, and the first has %d", path, n, #cells, #head) end
        local row = {}
        for i, name in ipairs(head) do row[name] = cells[i] end
        rows[#rows + 1] = row
      end
    end
  end
  file:close()
  if not head then fail("%s is empty", path) end
  return rows, head
end

local function equal(a, b)
  local x, y = numbers(a), numbers(b)
  if x and y then return x == y end
  return tostring(a) == tostring(b)
end

--- Opens published figures.
-- @param given table
-- @return function(values) values: option -> text; a table {mean, sd, of(option, class)} in fractions, or nil
-- @return string where they are from
-- @raise an unknown key, or a column that the file does not have
function paper.open(given)
  local o = options.check("campaign: paper", given, known)
  if not o.file then fail "file is missing" end
  local rows, head = read(o.file)
  local columns = {}
  for _, name in ipairs(head) do columns[name] = true end
  local function check(name)
    if name and not columns[name] then fail("%s has no column %s%s", o.file, name, options.hint(name, head)) end
  end
  for _, name in pairs(o.match or {}) do check(name) end
  for name in pairs(o.fixed or {}) do check(name) end
  check(o.value)
  local function percent(text)
    local v = numbers(text)
    return v and v / 100
  end
  local function theirs(name, v)
    local names = o.names and o.names[name] or {}
    return names[v] or names[v and numbers(v)] or v
  end
  return function(values)
    for _, row in ipairs(rows) do
      local fits = true
      for name, v in pairs(o.fixed or {}) do fits = fits and equal(row[name], v) end
      for name, column in pairs(o.match or {}) do
        local v = theirs(name, values[name])
        fits = fits and v ~= nil and equal(row[column], v)
      end
      if fits then
        return {mean = percent(row[o.value]), sd = percent(row[o.sd]),
          of = function(name, class) return o.classes and percent(row[o.classes .. theirs(name, class)]) or nil end}
      end
    end
  end, o.from
end

return paper
