-- The operators of libtorch, and our own, as Lua sees them: their names and keywords, read once from the dispatcher's
-- catalogue.

local core = require "agad.core"
local sort = require("agad.base.text").sort

local operators = {}

--- The names of dtypes.
operators.dtypes = {"bfloat16", "bool", "complex64", "complex128", "float16", "float32", "float64", "int8", "int16",
  "int32", "int64", "uint8"}

--- The names of devices; one of several GPUs is "cuda:1".
operators.devices = {"cpu", "cuda"}

--- The values of keywords that have names: keyword -> list.
operators.suggested = {dtype = operators.dtypes, device = operators.devices}

local own = {}                                    -- names of operators of our own
local schemas, names                              -- name -> list of schemas; the names that a tensor or agad has

local function read()
  schemas = {}
  for _, o in ipairs(core.operators()) do
    local space, name = o.name:match "^(%a+)::(%a[%w_]*)$"
    if (space == "aten" or space == "agad") and not name:find "_backward" and not o.unusable then
      own[name] = space == "agad" or nil
      schemas[name] = schemas[name] or {}
      table.insert(schemas[name], o.schema)
    end
  end
end

--- The names of operators and of a tensor's own fields and methods, sorted.
-- @return list
function operators.names()
  if names then return names end
  if not schemas then read() end
  local seen = {}
  for name in pairs(schemas) do seen[name] = true end
  for _, field in ipairs {"shape", "ndim", "dtype", "device", "grad", "requires_grad"} do seen[field] = true end
  for method in pairs(core.tensor_methods) do if not method:find "^_" then seen[method] = true end end
  local list = {}
  for name in pairs(seen) do list[#list + 1] = name end
  sort(list)
  names = list
  return names
end

--- The schemas of an operator, those with `out` aside.
-- @param name string
-- @return list, or nil if there is no such operator
function operators.schemas(name)
  if not schemas then read() end
  local list = {}
  for _, schema in ipairs(schemas[name] or {}) do
    if not schema:find("(a!) out", 1, true) then list[#list + 1] = schema end
  end
  sort(list)
  return list[1] and list or nil
end

--- Whether an operator is one of our own.
function operators.is_own(name)
  if not schemas then read() end
  return own[name] == true
end

--- The keywords that an operator takes in a table, sorted; with no `out`, which needs no table.
-- @param name string
-- @return list, empty if there is no such operator
function operators.keywords(name)
  if not schemas then read() end
  local seen, list = {}, {}
  for _, schema in ipairs(schemas[name] or {}) do
    for argument in (schema:match "^[^(]*%((.*)%) %->" or ""):gsub("%b[]", ""):gmatch "[^,]+" do
      local word = argument:match "([%a_][%w_]*)=?[^ ]*$"
      word = word == "end" and "stop" or word
      if word and word ~= "self" and word ~= "out" and not argument:find "%(a!" and not seen[word] then
        seen[word] = true
        list[#list + 1] = word
      end
    end
  end
  sort(list)
  return list
end

return operators
