-- The demonstration: AGAD on the built-in textures within a time limit, then a table of results, a grid of pictures
-- and the loss curves. Nothing is downloaded, and the results are printed as they are.

local common = require "agad.cli.common"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"
local next_steps = require "agad.cli.next_steps"
local plot = require "agad.evaluate.plot"
local progress = require "agad.train.progress"

local demo = {}

local SECONDS, EPOCHS = 90, 30                    -- limits of the whole demonstration: whichever is reached first

local curves = {"generator", "discriminator", "con", "adcon", "adcon_anom", "lat"}

local commands = [[
  What to try next:
    %s score %s %s/%s.png
    %s train weave --normal metal --gamma 0.05 --out metal.safetensors
    %s    (the REPL: type ? agad.trainer)
]]

-- Seconds that saving, evaluating and drawing will take: per picture, a training step costs about nine passes of G.
local function evaluation_seconds(task, images_per_second)
  local passes = 3 * #task.test.anomalous + 2 * #task.normals + #task.held_out
  return 4 + passes / (7 * images_per_second)
end

-- For each class, the test picture with the median score.
local function typical(set, scores)
  local rows, chosen = {}, {}
  for i in ipairs(set.classes) do rows[i] = {} end
  for row, label in ipairs(set.test.labels:totable()) do table.insert(rows[label + 1], row) end
  for i, list in ipairs(rows) do
    table.sort(list, function(a, b) return scores[a] < scores[b] end)
    chosen[i] = list[(#list + 1) // 2]
  end
  return chosen
end

--- Writes a grid with a column for a normal picture and one for each kind of defect. The rows are the input, its
-- reconstruction, the error map (one scale for all), and the input with the outline of the true defect.
-- @param model model
-- @param set set with masks
-- @param path string a PNG
-- @return list of the pictures shown, one per class: rows of the test split, from 1
function demo.grid(model, set, path)
  local core = require "agad.core"
  local images = set.test.images
  local chosen = typical(set, model.handle:run(images):totable())
  local from_0 = {}
  for i, row in ipairs(chosen) do from_0[i] = row - 1 end
  local shown = images:index_select(1, core.from_table(from_0, "int64"))
  local again, maps = model:reconstruct(shown), model.handle:run(shown, "map")
  local top = core.metrics.quantile(maps:reshape {-1}, 0.998)
  local grid = {{}, {}, {}, {}}
  for i, row in ipairs(chosen) do
    local input = shown:select(1, i)
    grid[1][i], grid[2][i] = {input}, {again:select(1, i)}
    grid[3][i] = {plot.heat(maps:select(1, i), top)}
    grid[4][i] = {input, mask = set.test.masks:select(1, row)}
  end
  plot.grid(grid, path)
  return chosen
end

--- Trains on `weave`, evaluates, and writes weave.safetensors, grid.png and losses.png to a folder.
-- @param o table out (the folder), given (options), quiet, json (no table on stdout), seconds (time limit)
-- @return table the result row, with `files`: the list of files written
function demo.run(o)
  local agad = require "agad"
  local core = agad.core
  local began, limit = core.clock(), o.seconds or SECONDS
  local given = require("agad.options").merge({epochs = EPOCHS, gamma = 0.05, log_every = 1}, o.given or {})
  local _, task_options, run_options = common.configure(given)
  local function say(...) if not o.json then io.stdout:write(...); io.stdout:flush() end end

  local set = agad.data.load("weave", {normal = task_options.normal, size = task_options.size,
    channels = task_options.channels})
  local task = agad.task.new(set, task_options)
  local run = agad.trainer(task, run_options, {dir = o.out .. "/weave.run"})
  say(("  AGAD learns the texture %s from %d normal pictures and %d with labelled defects.\n"):format(set.classes[1],
    #task.normals, #task.anomalies))

  local show = progress.new {quiet = o.quiet}
  run:fit {on_event = show, time_left = function(e)
    return limit - (core.clock() - began) - evaluation_seconds(task, e.images_per_second)
  end}
  core.interrupt_clear()
  local path = o.out .. "/weave.safetensors"
  run:save(path)
  if run.interrupted then common.fail("interrupted; the model trained so far is in " .. path, interrupt.status()) end
  local row = run:evaluate(show)
  show:clear()

  row.files = {}
  local function file(name, what, write)
    local to = ("%s/%s"):format(o.out, name)
    local ok, reason = errors.try(write, to)
    if not ok then io.stderr:write("agad: ", errors.text(reason), "\n") return end
    table.insert(row.files, to)
    say(("  %-29s %s\n"):format(to, what))
  end
  if not o.json then require("agad.evaluate.report").print(row) end
  if run.epoch < run.config.epochs then
    say(("  note: stopped in epoch %d of %d, to finish within %d s\n"):format(run.epoch, run.config.epochs, limit))
  end
  say "\n"
  local model, chosen = agad.model.open(path), nil
  file("weave.safetensors", "the model", function() end)
  file("grid.png", "top to bottom: input, reconstruction, error, defect", function(to)
    chosen = demo.grid(model, set, to)
  end)
  say((" "):rep(32), "left to right: ", set.classes[1], ", then each kind of defect\n")
  file("losses.png", "the losses over the steps", function(to)
    plot.losses(run.dir, to, {title = "AGAD on weave: losses", losses = run.method.name == "agad" and curves or nil})
  end)
  file(set.classes[2] .. ".png", "one picture, for the command below", function(to)
    agad.data.write_png(to, set.test.images:select(1, chosen[2]))
  end)
  row.seconds = core.clock() - began
  local me = next_steps.program()
  say("\n", commands:format(me, path, o.out, set.classes[2], me, me))
  return row
end

return demo
