-- agad train: trains, saves, evaluates. Before training starts, it checks that all outputs can be written.

local common = require "agad.cli.common"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"
local next_steps = require "agad.cli.next_steps"
local progress = require "agad.train.progress"

local function train(args)
  local given = common.given(args)
  local data = args.data or {normals = args.normals, anomalies = args.anomalies}
  local picks = common.usage(require("agad.train.auto").new, given, data)
  local _, task_options, run_options = common.configure(given)
  local dir = args.run or args.out:gsub("%.[^./]*$", "") .. ".run"
  if dir == args.out then common.fail(("--out and --run are both %s; give two different paths"):format(dir), 2) end
  common.check_outside(args.out, dir)
  common.check_model(args.out)
  common.check_writable((require("luv").fs_realpath(dir) or dir:gsub("/+$", "")) .. ".new")

  local agad = require "agad"
  interrupt.arm()
  local show = progress.new {quiet = args.quiet}
  local set = common.load(args, task_options, picks.choose)
  local task = agad.task.new(set, picks:task(set, task_options))
  local run = agad.trainer(task, run_options, {dir = dir, resume = args.resume, on_event = show})
  show:clear()
  if picks.note then show {kind = "note", text = picks.note} end
  for _, line in ipairs(picks:about(run)) do show {kind = "line", text = line} end
  for _, text in ipairs(picks:warnings(run)) do table.insert(run.notes, text) end

  local interrupted = false
  run:fit(function(e)
    if e.kind == "end" then interrupted = e.interrupted end
    return show(e)
  end)
  show:clear()
  agad.core.interrupt_clear()                    -- saving passes over the data too, and must not be interrupted
  local scores, why = errors.try(run.scorer, run)
  if interrupted and not scores then
    common.fail(("interrupted; run again with --resume to continue %s (%s)"):format(run.dir, why), interrupt.status())
  end
  local saved, reason = errors.try(run.save, run, args.out)
  if not saved then
    common.fail(errors.text(reason) .. (run.saved == run.steps and
      ("; the trained weights are in %s: run again with --resume to save them without training"):format(dir) or ""))
  end
  if interrupted then common.fail("interrupted; the model trained so far is in " .. args.out, interrupt.status()) end

  local row = run:evaluate(show, {curves = args.curves})
  show:clear()
  if args.json then common.print_json(row) return end
  require("agad.evaluate.report").print(row, {classes = args.classes})
  io.stdout:write(next_steps.text(args, run))
  if run.grid then io.stdout:write(("  grid %s (worst misses, then false alarms, with maps)\n"):format(run.grid)) end
  io.stdout:write(("  model %s   run %s\n"):format(args.out, run.dir))
end

return {
  help = "Train on a data set, save the model and evaluate it",
  arguments = function(c, add)
    c:argument "data":args "?":description "a data set's name (agad info --help lists them), a folder, or a .csv file"
    c:option "--out":argname "MODEL":count(1):description "the model file to write"
    c:option "--run":argname "DIR":description "the run directory (default: MODEL with the extension .run)"
    c:flag "--resume":description "continue the run in the run directory, or start one if there is none"
    add.options(c, "method net gamma epochs steps minutes batch false_alarms")
    add.data(c)
  end,
  run = train,
}
