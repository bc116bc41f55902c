-- agad score: one row a picture, in the order given.

local common = require "agad.cli.common"
local interrupt = require "agad.cli.interrupt"

-- Pictures are handed over in groups, so that rows appear while the rest is at work.
local GROUP = 256

local function verdict(row)
  if type(row.anomalous) ~= "boolean" then return "-" end
  return row.anomalous and "anomalous" or "normal"
end

return function(args)
  local paths = common.pictures(args.path)
  if args.map then common.make_folder(args.map) end
  local agad = require "agad"
  interrupt.arm()
  local model = agad.model.open(args.model)
  local lines = {{"score", "", "picture"}}
  local function emit(path, row)
    row.path = path
    if args.map then
      local name = path:gsub("^[./]+", ""):gsub("%.%w+$", ""):gsub("/", "_")
      row.map = ("%s/%s.png"):format(args.map, name)
      agad.data.write_png(row.map, model:map(path))
    end
    if args.json then common.print_json(row)
    else lines[#lines + 1] = {("%.5g"):format(row.score), verdict(row), path} end
  end
  for first = 1, #paths, GROUP do
    local group = table.move(paths, first, math.min(first + GROUP - 1, #paths), 1, {})
    for i, row in ipairs(model:score(group)) do
      if type(row) == "number" then row = {score = row} end
      emit(group[i], row)
    end
  end
  if not args.json then common.print_table(lines) end
end
