-- Curves of trainings: losses over the steps, figures over the epochs.

local check = require("agad.base.options").check
local core = require "agad.core"
local draw = require "agad.evaluate.plot.draw"
local expect = require "agad.base.expect"
local figure = require "agad.evaluate.plot.figure"
local format = require("agad.base.text").format
local lfs = require "lfs"
local numbers = require "agad.evaluate.plot.numbers"
local option = require("agad.base.options").option
local sort = require("agad.base.text").sort
local takes = require("agad.base.options").takes
local titles = require "agad.evaluate.plot.titles"
local sorted_keys = require("agad.base.values").keys

local function fail(form, ...) error(format(form, ...), 0) end

-- The records of a file of JSON lines.
local function records(path)
  local file, reason = io.open(path)
  if not file then fail("cannot read the log: %s", reason) end
  local list = {}
  for line in file:lines() do
    local ok, record = pcall(core.json_decode, line)
    if not ok then break end                      -- a line cut short by a kill is the last one
    list[#list + 1] = record
  end
  file:close()
  return list
end

local function log_of(path)
  expect.be("plot", path, "string", "a run's folder, its log file, or a list")
  return lfs.attributes(path, "mode") == "directory" and path .. "/log.jsonl" or path
end

-- What a run has logged: with a directory, also what it did before it was resumed.
local function logged(log)
  if type(log) ~= "table" then return records(log_of(log)) end
  return log.dir and log.logged and records(log_of(log.dir)) or log.logged or log
end

local plot = {}

local of_losses = {title = option {default = "Losses"}, losses = option {kind = "list", of = "string"}}

--- Plots the losses over the steps, one curve each, on a logarithmic axis if all are positive.
-- @param log any a run, a run directory, a log.jsonl, or a list of {step = n, losses = {name = value}}
-- @param path string the file to write (.png, .svg, .pdf); "-" or nil: terminal or notebook; an ending alone: bytes
-- @param o table title, losses (a list of names: only these)
-- @return string the bytes of the plot, with an ending alone; else nil
-- @raise there are no losses, gnuplot is missing, or the file cannot be written
-- @example agad.plot.losses("one.run", "losses.png")
-- @example agad.plot.losses(run)
function plot.losses(log, path, o)
  o = check("plot.losses", o, of_losses)
  local curves, names, positive = {}, {}, true
  local wanted
  if o.losses then wanted = {}; for _, name in ipairs(o.losses) do wanted[name] = true end end
  for _, r in ipairs(logged(log)) do
    if type(r.losses) == "table" and r.step then
      for name, v in pairs(r.losses) do
        if numbers.finite(v) and (not wanted or wanted[name]) then
          if not curves[name] then
            curves[name] = {x = {}, y = {}, title = name}
            names[#names + 1] = name
          end
          table.insert(curves[name].x, r.step)
          table.insert(curves[name].y, v)
          positive = positive and v > 0
        end
      end
    end
  end
  if #names == 0 then fail("there are no losses to plot in %s", type(log) == "string" and log or "this log") end
  sort(names)
  local given = {title = o.title, xlabel = "step", log = positive and "y" or "none"}
  for i, name in ipairs(names) do given[i] = curves[name] end
  return draw(given, path)
end

-- What a JSON file holds; an empty table if it cannot be read.
local function json_of(path)
  local file = io.open(path)
  local ok, value = pcall(core.json_decode, file and file:read "a" or "")
  if file then file:close() end
  return ok and type(value) == "table" and value or {}
end

-- The evaluations during a training, by epoch, and its configuration.
local function history_of(run, i)
  local dir = run
  if type(run) == "table" and type(run.history) ~= "table" then dir = run.dir and run.dir .. "/run" end
  local entries, config, by_epoch = nil, nil, {}
  if dir == run and type(run) == "table" then entries, config = run.history, run.config or {}
  elseif type(dir) == "string" then entries, config = records(log_of(dir)), json_of(dir .. "/config.json")
  else fail("plot.epochs: run %d is neither a run nor a run directory", i) end
  for name, v in pairs(type(run) == "table" and run.point or {}) do config[name] = v end     -- of a campaign
  for _, entry in ipairs(entries) do
    if entry.epoch and (entry.kind == nil or entry.kind == "evaluate") then by_epoch[entry.epoch] = entry end
  end
  return {history = by_epoch, config = config}
end

-- The curve of some runs: for each epoch the median, and, of several runs, the least and the largest.
local function curve(runs, value, title)
  local at = {}
  for _, run in ipairs(runs) do
    for epoch, entry in pairs(run.history) do
      if numbers.finite(entry[value]) then
        at[epoch] = at[epoch] or {}
        table.insert(at[epoch], entry[value])
      end
    end
  end
  local s = {title = title, kind = #runs > 1 and "band" or "both", x = {}, y = {}, low = {}, high = {}}
  for i, epoch in ipairs(sorted_keys(at)) do
    s.x[i], s.y[i] = epoch, core.metrics.quantile(at[epoch], .5)
    s.low[i], s.high[i] = numbers.range(at[epoch])
  end
  if #runs == 1 then s.low, s.high = nil, nil end
  return s
end

-- Runs by the values of some options, in the order in which they come: a list of lists, each with its `words`.
local function grouped(runs, by)
  local groups, place = {}, {}
  for _, run in ipairs(runs) do
    local words = titles.words(run.config, by)
    if not place[words] then
      place[words] = {words = words}
      groups[#groups + 1] = place[words]
    end
    table.insert(place[words], run)
  end
  return groups
end

-- A curve for each combination of options and each column.
local function series_of(runs, by, columns)
  local series = {}
  for _, group in ipairs(grouped(runs, by)) do
    for _, column in ipairs(columns) do
      local parts = {group.words}
      if #columns > 1 or group.words == "" then
        parts[group.words == "" and 1 or 2] = column:gsub("^auroc_", ""):gsub("_", "-")
      end
      series[#series + 1] = curve(group, column, table.concat(parts, ", "))
    end
  end
  return series
end

local of_epochs = {values = option {default = {"auroc_steady"}}, by = option {kind = "list", of = "string"},
  panel = option {kind = "list", of = "string"}, titles = option {kind = "list", of = "string"}}
figure.add_options(of_epochs)

--- Plots figures over the epochs (paper, Figure 6): a curve for each combination of options, and, of runs that differ
-- in nothing but the seed, the median with a band from the least to the largest.
-- @param runs list of runs, run directories, or runs of a campaign (`agad.campaign.plan`) that were trained with
--   evaluate_every above 0; or one of them
-- @param path string the file to write (.png, .svg, .pdf); "-" or nil: terminal or notebook; an ending alone: bytes
-- @param o table values (the columns that are plotted: {"auroc_steady"}), by (the options that tell curves apart;
--   default: those in which the runs differ, but for seeds), panel (one or several options: each of their values
--   gets a panel), titles (of the panels), title, xlabel, ylabel, xrange, yrange, log, key, columns (of panels), width,
--   height
-- @return string the bytes of the plot, with an ending alone; else nil
-- @raise no run was evaluated during its training; a log cannot be read; as `agad.plot`
-- @example agad.plot.epochs({run}, "epochs.svg")
function plot.epochs(runs, path, o)
  o = check("plot.epochs", o, of_epochs)
  if type(runs) ~= "table" or #runs == 0 then runs = {runs} end
  local list, any = {}, false
  for i, run in ipairs(runs) do
    list[i] = history_of(run, i)
    any = any or next(list[i].history)
  end
  if not any then fail "plot.epochs: no run was evaluated during its training; set evaluate_every above 0" end
  local but = {seed = true, task_seed = true}
  for _, name in ipairs(o.panel or {}) do but[name] = true end
  local by = o.by or titles.differing(list, but)
  local given = {}
  if o.panel then
    given.panels = {}
    for i, group in ipairs(grouped(list, o.panel)) do
      given.panels[i] = series_of(group, by, o.values)
      given.panels[i].title = o.titles and o.titles[i] or group.words
    end
  else given = series_of(list, by, o.values) end
  local ylabel = o.values[1]:find "^auroc" and "AUROC" or nil
  return draw(figure.with_options(given, o, {xlabel = "epoch", ylabel = ylabel}), path)
end

takes(plot.losses, 3, of_losses)
takes(plot.epochs, 3, of_epochs)

return plot
