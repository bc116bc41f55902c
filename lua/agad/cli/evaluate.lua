-- agad evaluate: the columns that a model file (or its run directory) can give on a data set. The normal
-- class, size and channels are the model's unless given.

local common = require "agad.cli.common"
local interrupt = require "agad.cli.interrupt"
local options = require "agad.options"
local progress = require "agad.progress"

local from_model = {"normal", "size", "channels", "fit", "gamma", "anom_classes", "protocol", "test_set",
  "holdout", "limit", "task_seed"}

return function(args)
  local agad = require "agad"
  interrupt.arm()
  local model = agad.model.open(args.model)
  local given = common.given(args)
  for _, name in ipairs(from_model) do
    local v = model.config[name]
    if given[name] == nil and type(v) ~= "userdata" then given[name] = v end
  end
  local method = common.method(model.config.method)
  local config = common.usage(options.resolve, method, given)
  local task_options = options.select(config, "task")
  task_options.data = nil
  local task = agad.task.one_vs_rest(common.load(args, task_options), task_options)
  local show = progress.new {quiet = args.quiet}
  local row = model:evaluate(task, {run = args.run, preset = args.preset and config.preset, on_event = show})
  show:clear()
  if args.json then common.print_json(row) else common.print_result(row) end
end
