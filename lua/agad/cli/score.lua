-- agad score: one row a picture, in the order given.

local common = require "agad.cli.common"
local interrupt = require "agad.cli.interrupt"

local function verdict(row)
  if type(row.anomalous) ~= "boolean" then return "-" end
  return row.anomalous and "anomalous" or "normal"
end

return function(args)
  local agad = require "agad"
  interrupt.arm()
  common.prepare(common.given(args))
  local paths = common.pictures(args.path)
  local model = agad.model.open(args.model)
  if args.map then require("agad.rundir").make_folder(args.map) end
  local lines = {{"score", "", "picture"}}
  for _, path in ipairs(paths) do
    local row = model:score({path})[1]
    row.path = path
    if args.map then
      row.map = ("%s/%s.png"):format(args.map, (path:gsub("^[./]+", ""):gsub("%.%w+$", ""):gsub("/", "_")))
      agad.data.write_png(row.map, model:map(path))
    end
    if args.json then common.print_json(row)
    else lines[#lines + 1] = {("%.5g"):format(row.score), verdict(row), path} end
  end
  if not args.json then
    common.print_table(lines)
    if not model.threshold then io.stdout:write "  no threshold: the model was trained with holdout = 0\n" end
  end
end
