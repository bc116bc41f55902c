-- agad score: one row per picture, in the order given. An unreadable picture that was found in a folder is skipped and
-- reported. If it was given by its own name, or if `strict` is set, the command ends with an error.

local common = require "agad.cli.common"
local errors = require "agad.base.errors"
local printable = require("agad.base.text").printable
local interrupt = require "agad.base.interrupt"
local format = require("agad.base.text").format

local function verdict(row)
  if type(row.anomalous) ~= "boolean" then return "-" end
  return row.anomalous and "anomalous" or "normal"
end

-- Reports the skipped pictures: how many there are, and why the first ones could not be read.
local function say_skipped(skipped, total)
  if #skipped == 0 then return end
  if #skipped == total then common.fail(skipped[1]) end
  io.stderr:write(("note: %d of %d pictures were skipped: %s%s\n"):format(#skipped, total,
    table.concat(skipped, "; ", 1, math.min(3, #skipped)), #skipped > 3 and "; …" or ""))
end

local function run(args)
  local agad = require "agad"
  interrupt.arm()
  local config = common.prepare(common.given(args))
  local paths, found, problems, notes = common.pictures(args.path)
  local model = agad.model.open(args.model)
  if args.map then require("agad.base.folder").make(args.map) end
  for _, problem in ipairs(problems) do
    if config.strict then common.fail(problem) end
    if not args.quiet then io.stderr:write("note: ", problem, "\n") end
  end
  for _, note in ipairs(args.quiet and {} or notes) do io.stderr:write("note: ", note, "\n") end
  local lines, skipped = {{"score", "", "picture"}}, {}
  local function show(path, row)
    row.path = printable(path)
    if args.map then
      local to = ("%s/%s.png"):format(args.map, (path:gsub("^[./]+", ""):gsub("%.%w+$", ""):gsub("/", "_")))
      agad.data.write_png(to, model:map(path))
      row.map = printable(to)
    end
    if args.json then common.print_json(row)
    else lines[#lines + 1] = {format("%.5g", row.score), verdict(row), path} end
  end
  for _, path in ipairs(paths) do
    local ok, rows = errors.try(model.score, model, {path})
    if ok then show(path, rows[1])
    elseif not found[path] or config.strict then error(rows, 0)
    else skipped[#skipped + 1] = errors.text(rows) end
  end
  say_skipped(skipped, #paths)
  if not args.json then
    common.print_table(lines)
    if not model.threshold then io.stdout:write "  no threshold: the model was trained with holdout = 0\n" end
  end
end

return {
  help = "Score pictures with a saved model",
  arguments = function(c)
    c:argument "model":description "a model file"
    c:argument "path":args "+":description "pictures, or folders of pictures"
    c:option "--map":argname "DIR":description "write the error map of each picture to this folder"
  end,
  run = run,
}
