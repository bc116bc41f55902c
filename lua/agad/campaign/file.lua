-- A campaign's file: a Lua file that returns a table. Its keys, their check, and the folder that its runs get.

local options = require "agad.base.options"

local file = {}

local option = options.option

local function fail(form, ...) error("campaign: " .. form:format(...), 0) end

-- What only has a shape of its own is checked by the module that reads it.
local known = {
  data = option {}, options = option {kind = "any"}, grid = option {kind = "any"}, zip = option {kind = "any"},
  variants = option {kind = "any"}, where = option {kind = "any"}, schedules = option {kind = "any"},
  dir = option {}, root = option {}, name = option {},
  keep = option {choices = {"nothing", "model", "checkpoint", "all"}},
  curves = option {default = false}, most = option {default = 20000, min = 1, max = 10000000},
  workers = option {kind = "integer", min = 1, max = 1024},
  table = option {kind = "any"}, plot = option {kind = "any"}, slurm = option {kind = "any"},
}

local tables = {"options", "grid", "zip", "variants", "schedules", "table", "plot", "slurm"}

--- Checks the table of a campaign.
-- @param spec table
-- @return table with the defaults of what is absent
-- @raise an unknown key, or a value of another type
function file.check(spec)
  if type(spec) ~= "table" then fail("the file must return a table, not a %s", type(spec)) end
  local checked = options.check("campaign", spec, known)
  for _, name in ipairs(tables) do
    local v = checked[name]
    if v ~= nil and type(v) ~= "table" then fail("%s must be a table, not a %s", name, type(v)) end
  end
  if checked.where ~= nil and type(checked.where) ~= "function" then
    fail("where must be a function of a run's options, not a %s", type(checked.where))
  end
  return checked
end

--- Loads a campaign's file. Its folder is FILE with the extension .runs unless it gives `dir`.
-- @param path string
-- @return table what the file returns, with name, dir and file
-- @raise it cannot be read, is not valid Lua, raises an error, or does not return a table
function file.load(path)
  local chunk, reason = loadfile(path)
  if not chunk then error(reason, 0) end
  local spec = chunk(path)
  if type(spec) ~= "table" then fail("%s must return a table, not a %s", path, type(spec)) end
  local paper = type(spec.table) == "table" and spec.table.paper
  if type(paper) == "table" and type(paper.file) == "string" and not paper.file:find "^/" then
    paper.file = (path:match "^.*/" or "") .. paper.file   -- it lies beside the campaign
  end
  spec.name = spec.name or path:match "[^/]*$":gsub("%.lua$", "")
  spec.dir = spec.dir or (path:gsub("%.lua$", "") .. ".runs")
  return spec
end

return file
