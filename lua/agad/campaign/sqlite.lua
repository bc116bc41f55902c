-- A campaign's results as an SQLite database, through lua-sql-sqlite3: the table `runs`, with a column for each axis,
-- each option of the configuration ("config.epochs") and each figure of the rows; and `epochs`, the evaluations during
-- the trainings. It is made beside its target and renamed.

local core = require "agad.core"
local json_lines = require "agad.base.json_lines"
local lfs = require "lfs"

local sqlite = {}

local function fail(form, ...) error("campaign: " .. form:format(...), 0) end

local function connect(path)
  local ok, luasql = pcall(require, "luasql.sqlite3")
  if not ok then
    fail "--sqlite needs the Lua module luasql.sqlite3; install it (Debian: apt-get install lua-sql-sqlite3)"
  end
  local environment = luasql.sqlite3()
  local connection, reason = environment:connect(path)
  if not connection then fail("%s: %s", path, tostring(reason)) end
  return connection, environment
end

local function name_of(text) return '"' .. text:gsub('"', '""') .. '"' end

-- A value as SQL writes it.
local function literal(v)
  if v == nil or v == core.null then return "NULL" end
  if type(v) == "boolean" then return v and "1" or "0" end
  if math.type(v) == "integer" then return tostring(v) end
  if type(v) == "number" then return v - v == 0 and core.json_encode(v) or "NULL" end
  if type(v) == "table" then v = core.json_encode(v) end
  return "'" .. tostring(v):gsub("'", "''"):gsub("%z", "") .. "'"
end

-- The single values of a table, nested ones under "outer.inner"; lists as JSON.
local function flat(t, prefix, into)
  for key, v in pairs(t) do
    local name = prefix .. tostring(key)
    if type(v) == "table" and #v == 0 and next(v) ~= nil then flat(v, name .. ".", into) else into[name] = v end
  end
  return into
end

local left_out = {per_class = true, roc = true, histogram = true, misses = true, false_alarms = true, suspects = true}

local function columns_of(run)
  local row = {}
  for name, v in pairs(run.row or {}) do if not left_out[name] then row[name] = v end end
  local columns = flat(row, "", {})
  for name, v in pairs(flat(run.config or {}, "config.", {})) do
    if columns[name] == nil then columns[name] = v end
  end
  for name, v in pairs(run.point) do columns[name] = v end
  columns.id, columns.state, columns.reason, columns.dir = run.id, run.state, run.reason, run.dir
  return columns
end

local function insert(connection, name, list, first)
  local seen, names = {}, {}
  for _, one in ipairs(first) do seen[one] = true end
  for _, columns in ipairs(list) do
    for column in pairs(columns) do
      if not seen[column] then
        seen[column] = true
        names[#names + 1] = column
      end
    end
  end
  table.sort(names)
  table.move(names, 1, #names, #first + 1, first)
  local quoted, lower = {}, {}
  for _, column in ipairs(first) do                        -- SQLite takes a and A for one name
    local key = column:lower()
    lower[key] = (lower[key] or 0) + 1
    quoted[#quoted + 1] = name_of(lower[key] > 1 and column .. "_" .. lower[key] or column)
  end
  assert(connection:execute(("CREATE TABLE %s (%s)"):format(name, table.concat(quoted, ", "))))
  for _, columns in ipairs(list) do
    local values = {}
    for i, column in ipairs(first) do values[i] = literal(columns[column]) end
    assert(connection:execute(("INSERT INTO %s VALUES (%s)"):format(name, table.concat(values, ", "))))
  end
end

local function evaluations(runs)
  local list = {}
  for _, run in ipairs(runs) do
    local file = run.row and io.open(run.dir .. "/run/log.jsonl")
    for _, entry in ipairs(file and json_lines.decode(file:read "a") or {}) do
      if entry.kind == "evaluate" then
        list[#list + 1] = {id = run.id, epoch = entry.epoch, step = entry.step, auroc_steady = entry.auroc_steady,
          auroc_plain = entry.auroc_plain, auroc_paper_like = entry.auroc_paper_like}
      end
    end
    if file then file:close() end
  end
  return list
end

--- Writes the database; an earlier one of this name is replaced.
-- @param runs list of runs with their rows
-- @param keys list the names of the axes
-- @param path string
-- @raise lua-sql-sqlite3 is missing, or the file cannot be written
function sqlite.write(runs, keys, path)
  local there = lfs.attributes(path, "mode") and io.open(path, "rb")
  local head = there and there:read(15)
  if there then there:close() end
  if head and head ~= "SQLite format 3" then
    fail("%s is there and is no SQLite database; give another name, or remove it", path)
  end
  local reason = core.file_check(path)
  if reason then fail("cannot write %s: %s", path, reason) end
  local part = path .. ".agad-part"
  os.remove(part)
  local connection, environment = connect(part)
  local ok, why = pcall(function()
    local list, first = {}, {"id", "state"}
    for i, run in ipairs(runs) do list[i] = columns_of(run) end
    for _, key in ipairs(keys) do first[#first + 1] = key end
    assert(connection:execute "BEGIN")
    insert(connection, "runs", list, first)
    insert(connection, "epochs", evaluations(runs),
      {"id", "epoch", "step", "auroc_steady", "auroc_plain", "auroc_paper_like"})
    assert(connection:execute "COMMIT")
  end)
  connection:close()
  environment:close()
  if not ok then
    os.remove(part)
    fail("%s: %s", path, (tostring(why):gsub("^LuaSQL: ", "")))
  end
  local renamed, problem = os.rename(part, path)
  if not renamed then fail("%s", problem) end
end

return sqlite
