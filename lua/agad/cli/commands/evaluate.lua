-- agad evaluate: evaluates a model file on a data set; the model's run directory gives the columns that need more than
-- the model file. Options of task and scoring that are not given are those of the model.

local common = require "agad.cli.common"
local interrupt = require "agad.base.interrupt"
local options = require "agad.options"
local progress = require "agad.train.progress"

-- How files are read is not part of a task, and `score` and `false_alarms` were fixed when the model was saved.
local apart = {data = true, strict = true, outside = true, cache = true, score = true, false_alarms = true,
  foreign = true}

local function names(group, but)
  local list = {}
  for _, name in ipairs(options.names(group)) do
    if not apart[name] and name ~= but then list[#list + 1] = name end
  end
  return list
end

local function take(given, config, list)
  for _, name in ipairs(list) do
    if given[name] == nil and type(config[name]) ~= "userdata" then given[name] = config[name] end
  end
end

local function run(args)
  local agad = require "agad"
  interrupt.arm()
  local given = common.given(args)
  common.prepare(given)
  local model, normal = agad.model.open(args.model), given.normal
  local column_names = names("evaluation", "eval_batch")
  take(given, model.config, names "task")
  take(given, model.config, {"eval_batch"})
  local own = true
  for _, name in ipairs(column_names) do own = own and given[name] == nil end
  if own then take(given, model.config, column_names) end
  local config = common.prepare(given)
  local of_task = options.select(config, "task")
  of_task.data = nil
  local set = common.load(args, of_task)
  -- In other pictures the normal class may be called something else: "normal" in a flat folder, "good" elsewhere.
  local known = type(of_task.normal) == "table" or pcall(set.label_of, set, of_task.normal)
  if normal == nil and set.normal and not known then of_task.normal = set.normal end
  local task = agad.task.new(set, of_task)
  local show = progress.new {quiet = args.quiet}
  local evaluation = options.select(config, "evaluation")
  evaluation.score, evaluation.false_alarms = nil, nil           -- both were fixed when the model was saved
  if evaluation.preset == "steady" and (given.bn_eval or "auto") == "auto" then evaluation.bn_eval = "auto" end
  local row = model:evaluate(task, {run = args.run, config = evaluation, on_event = show,
    curves = args.curves})
  show:clear()
  if args.json then common.print_json(row)
  else require("agad.evaluate.report").print(row, {classes = args.classes}) end
end

return {
  help = "Evaluate a saved model on a data set",
  arguments = function(c, add)
    c:argument "model":description "a model file"
    c:argument "data":args "?":description "a data set's name (agad info --help lists them), a folder, or a .csv file"
    c:option "--run":argname "DIR":description "the model's run directory, needed for the plain and paper-like columns"
    add.data(c)
  end,
  run = run,
}
