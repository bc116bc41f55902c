-- agad train: trains, saves, evaluates. What cannot be written is found before the work starts.

local common = require "agad.cli.common"
local interrupt = require "agad.cli.interrupt"
local progress = require "agad.train.progress"

local function train(args)
  local _, task_options, run_options = common.configure(common.given(args))
  local dir = args.run or args.out:gsub("%.[^./]*$", "") .. ".run"
  if dir == args.out then common.fail("--out and --run are the same: " .. dir, 2) end
  common.check_writable(args.out)
  common.check_writable(dir:gsub("/+$", "") .. ".new")

  local agad = require "agad"
  interrupt.arm()
  local set = common.load(args, task_options)
  local task = agad.task.new(set, task_options)
  local run = agad.trainer(task, run_options, {dir = dir, resume = args.resume})
  local show = progress.new {quiet = args.quiet}

  local interrupted = false
  run:fit(function(e)
    if e.kind == "end" then interrupted = e.interrupted end
    return show(e)
  end)
  show:clear()
  agad.core.interrupt_clear()                    -- saving passes over data too, and is not to be cut short
  local scores, why = pcall(run.scorer, run)
  if interrupted and not scores then
    common.fail(("interrupted; --resume goes on from %s (%s)"):format(run.dir, why), 130)
  end
  local saved, reason = pcall(run.save, run, args.out)
  if not saved then
    common.fail(common.message(reason) .. (run.saved == run.steps and
      ("; what was trained is in %s: with --resume it is saved without training again"):format(dir) or ""))
  end
  if interrupted then common.fail("interrupted; what was trained is in " .. args.out, 130) end

  local row = run:evaluate(show, {curves = args.curves})
  show:clear()
  if args.json then common.print_json(row) return end
  require("agad.evaluate.report").print(row, {classes = args.classes})
  io.stdout:write(("  model %s   run %s\n"):format(args.out, run.dir))
end

return {
  help = "Train on a data set, evaluate, save the model",
  arguments = function(c, add)
    c:argument "data":args "?":description "a known name (agad info --help), a folder or a .csv file"
    c:option "--out":argname "MODEL":count(1):description "the model file to write"
    c:option "--run":argname "DIR":description "the run directory (default: MODEL without its ending, .run)"
    c:flag "--resume":description "go on with the run in the run directory; start afresh where there is none"
    add.options(c, "method net gamma epochs batch")
    add.data(c)
  end,
  run = train,
}
