-- agad info: what a model file, a run directory or a data set is. One table, as JSON or as text.

local common = require "agad.cli.common"
local lfs = require "lfs"
local options = require "agad.options"

local function contains(list, v)
  for _, x in ipairs(list) do if x == v then return true end end
  return false
end

local function read_json(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read "a"
  file:close()
  local ok, value = pcall(require("agad.core").json_decode, text)
  if not ok then common.fail(("%s: no valid JSON: %s"):format(path, common.message(value))) end
  return value
end

local function run_directory(dir)
  local row = {kind = "run", path = dir, config = read_json(dir .. "/config.json")}
  row.result = read_json(dir .. "/result.json")
  for _, key in ipairs {"params", "epochs", "auroc"} do row[key] = row.result and row.result[key] end
  return row
end

local function model_file(agad, path)
  local model = agad.model.open(path)
  local row = {kind = "model", path = path, config = model.config}
  for key, v in pairs(model.info or {}) do row[key] = row[key] or v end
  return row
end

local function data_set(agad, args)
  local set = agad.data.load(args.thing, {root = args.root})
  local row = {kind = "data"}
  for key, v in pairs(set.info or set) do
    if type(v) == "string" or type(v) == "number" or type(v) == "table" and getmetatable(v) == nil then row[key] = v end
  end
  return row
end

local function print_row(row)
  local show = require("agad.repl").show
  local keys = {}
  for key in pairs(row) do if key ~= "kind" then keys[#keys + 1] = key end end
  table.sort(keys)
  io.stdout:write(row.kind, "\n")
  for _, key in ipairs(keys) do
    io.stdout:write(("  %-14s "):format(key), (show(row[key], 62, 4):gsub("\n", "\n  ")), "\n")
  end
end

return function(args)
  local agad = require "agad"
  local mode, row = lfs.attributes(args.thing, "mode"), nil
  if contains(agad.data.names, args.thing) then row = data_set(agad, args)
  elseif mode == "file" then row = model_file(agad, args.thing)
  elseif mode == "directory" and lfs.attributes(args.thing .. "/config.json") then row = run_directory(args.thing)
  elseif mode == "directory" then row = data_set(agad, args)
  else
    common.fail(("%s: neither a model file, a run directory, nor a data set (known: %s)"):format(args.thing,
      table.concat(agad.data.names, ", ")))
  end
  if args.json then common.print_json(row) return end
  print_row(row)
  if args.method then io.stdout:write("\n", options.describe(common.method(args.method)), "\n") end
end
