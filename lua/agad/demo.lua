-- The demonstration: AGAD on the built-in textures within a time limit, a table of what it reached, a grid
-- of pictures and the loss curves. Nothing is downloaded, and the figures are printed as they are.

local common = require "agad.cli.common"
local plot = require "agad.plot"
local progress = require "agad.progress"

local demo = {}

local SECONDS = 70                               -- of training; evaluation and pictures come on top
local EPOCHS = 30

local next_steps = [[
  What to try next:
    agad train weave --normal metal --gamma 0.05 --out metal.safetensors
    agad score %s PICTURE.png
    agad    (the REPL; type ? agad.trainer)
]]

--- Trains on `weave`, evaluates, writes weave.safetensors, grid.png and losses.png into a folder.
-- @param o table out (the folder), given (options), quiet, json (no table on stdout), seconds (of training)
-- @return table the result row, with `files`: what was written
function demo.run(o)
  local agad = require "agad"
  local core = agad.core
  local began, limit = core.clock(), o.seconds or SECONDS
  local given = require("agad.options").merge({epochs = EPOCHS, gamma = 0.05}, o.given or {})
  local _, task_options, run_options = common.configure(given)
  local function say(...) if not o.json then io.stdout:write(...); io.stdout:flush() end end

  local set = agad.data.load("weave", {normal = task_options.normal, size = task_options.size,
    channels = task_options.channels})
  local task = agad.task.one_vs_rest(set, task_options)
  local run = agad.trainer(task, run_options, {dir = o.out .. "/weave.run"})
  say(("AGAD learns the texture %s from normal pictures and a few with known defects.\n")
    :format(task_options.normal or "cloth"))

  local show = progress.new {quiet = o.quiet}
  local stopped, interrupted, started = nil, false, core.clock()
  run:fit(function(e)
    if e.kind == "end" then interrupted = e.interrupted end
    show(e)
    if e.kind == "step" and core.clock() - started > limit then
      stopped = stopped or e.epoch
      return "stop"
    end
  end)
  show:clear()
  core.interrupt_clear()
  local model = o.out .. "/weave.safetensors"
  run:save(model)
  if interrupted then common.fail("interrupted; what was trained is in " .. model, 130) end
  local row = run:evaluate(show)
  show:clear()

  row.files = {model}
  if stopped then say(("  stopped after %d s, in epoch %d of %d\n"):format(limit, stopped, given.epochs)) end
  local function write(path, what, f, ...)
    local ok, reason = pcall(f, ...)
    if not ok then io.stderr:write("agad: ", common.message(reason), "\n") return end
    table.insert(row.files, path)
    say(("  %-28s %s\n"):format(path, what))
  end
  if not o.json then common.print_result(row) end
  say(("  %-28s %s\n"):format(model, "the model"))
  write(o.out .. "/losses.png", "the losses over the steps", plot.losses, run.dir, o.out .. "/losses.png",
    {title = "AGAD on weave: losses"})
  row.seconds = core.clock() - began
  say("\n", next_steps:format(model))
  return row
end

return demo
