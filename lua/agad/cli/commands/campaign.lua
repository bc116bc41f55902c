-- agad campaign: trains the grid that a Lua file returns, says how far it is, and prints its tables and plots.

local bytes = require("agad.base.text").bytes
local common = require "agad.cli.common"
local format = require("agad.base.text").format
local interrupt = require "agad.base.interrupt"

local SLURM = {"partition", "time", "memory", "gres", "cpus", "throttle"}
local SHOWN = 10                                  -- lines of a list that may be long

local function out(text) require("agad.evaluate.report").out(text) end

local function list_of(text)
  local list = {}
  for part in (text or ""):gmatch "[^,%s]+" do list[#list + 1] = part end
  return text and list or nil
end

local function count(n, word) return ("%d %s%s"):format(n, word, n == 1 and "" or "s") end

-- Checks the value of an option.
local function whole(name, most)
  most = most or 1000000
  return function(given)
    local n = math.tointeger(tonumber(given))
    return n and n >= 1 and n <= most and n or nil,
      ("%s %s: it must be a whole number from 1 to %d"):format(name, given, most)
  end
end

-- The campaign of the arguments: options of the command line hold for every run, and may not have an axis.
local function load_campaign(args)
  local campaign = require "agad.campaign"
  local spec = common.usage(campaign.load, args.file)
  spec.dir, spec.root = args.dir or spec.dir, args.root or spec.root
  local given, axes = common.given(args), require "agad.campaign.axes"
  for name in pairs(given) do
    if axes.has(spec, name) then
      common.fail(("%s has an axis in %s; choose runs with --only '%s == …'"):format(name, args.file, name), 2)
    end
  end
  if spec.options == nil or type(spec.options) == "table" then     -- what else it is, is refused by its check
    local options = require "agad.options"
    spec.options = options.merge(options.merge({}, spec.options or {}), given)
  end
  return campaign, spec
end

-- Shows the events of a campaign: a bar over all runs, and a line for each that ends.
local function shower(args, keys, total)
  local progress = require "agad.train.progress"
  local show, plan = progress.new {quiet = args.quiet}, require "agad.campaign.plan"
  local latest
  local function line(e)
    local parts = {("%d/%d"):format(total - e.left, total)}
    if e.busy > 0 then parts[#parts + 1] = e.busy .. " in training" end
    if e.elsewhere > 0 then parts[#parts + 1] = e.elsewhere .. " elsewhere" end
    if e.failed > 0 then parts[#parts + 1] = e.failed .. " failed" end
    if e.seconds_left then parts[#parts + 1] = progress.duration(e.seconds_left) .. " left" end
    local text = table.concat(parts, "  ")
    local room = math.min(30, show:width() - #text - 14)
    local bar = room >= 4 and progress.bar((total - e.left) / math.max(1, total), room, show.unicode) .. "  " or ""
    return "campaign  " .. bar .. text
  end
  local function say(e, what)
    show:print(("%s %s (%s), %d left"):format(e.run.id, what, plan.words(e.run, keys), e.left))
    if not (show.live and latest) then return end
    latest.left, latest.busy = e.left, e.busy
    show:draw(line(latest), true)
  end
  return setmetatable({clear = function() show:clear() end}, {__call = function(_, e)
    if args.quiet then return end
    if e.kind == "note" then show {kind = "note", text = e.text}
    elseif e.kind == "progress" then
      latest = e
      if show.live then show:draw(line(e), true) end
    elseif e.kind == "start" then if not show.live then say(e, "starts") end
    elseif e.kind == "again" then say(e, "was killed, and is trained on")
    elseif e.kind == "failed" then say(e, "failed: " .. tostring(e.run.reason))
    else
      local v = e.run.row and e.run.row.auroc
      say(e, type(v) == "number" and format("done, AUROC %.4f", v) or "done")
    end
  end})
end

local function tables_of(args, campaign, spec, runs, keys)
  return campaign.table(spec, {runs = runs, keys = keys, by = list_of(args.by), over = list_of(args.over),
    values = list_of(args.values), columns = args.columns, compare = args.compare, format = args.format})
end

local function print_tables(args, campaign, spec, runs, keys)
  local text, data = tables_of(args, campaign, spec, runs, keys)
  if not args.json then return out((text:gsub("\n$", ""))) end
  for _, group in ipairs(data.groups) do
    local row = {by = {}, runs = #group.runs, finished = #group.finished, figures = group.figures,
      published = group.published and {mean = group.published.mean, sd = group.published.sd}}
    for i, name in ipairs(data.by) do row.by[name] = group.values[i] end
    common.print_json(row)
  end
end

local actions = {}

function actions.run(args)
  local campaign, spec = load_campaign(args)
  if args.dry_run then return actions.estimate(args, campaign, spec) end
  if args.slurm then return actions.submit(args, campaign, spec) end
  local runs, keys = common.usage(campaign.plan, spec, {only = args.only})
  common.usage(tables_of, args, campaign, spec, runs, keys)      -- what is wrong there is said before the training
  interrupt.arm()
  local show = shower(args, keys, #runs)
  local result = campaign.run(spec, {workers = args.workers, only = args.only, retry_failed = args.retry_failed,
    on_event = show})
  show.clear()
  if result.stopped == "interrupted" then
    common.fail("interrupted; run the same command again to continue", interrupt.status())
  end
  if result.stopped then common.fail(result.stopped) end
  if args.json then
    for _, run in ipairs(result.runs) do if run.row then common.print_json(run.row) end end
  else print_tables(args, campaign, spec, result.runs, keys) end
  if result.failed > 0 then
    common.fail(("%d of %s failed; agad campaign %s status says why, --retry-failed trains them again"):format(
      result.failed, count(#result.runs, "run"), args.file))
  end
end

function actions.submit(args, campaign, spec)
  local settings = {}
  for _, name in ipairs(SLURM) do settings[name] = args[name] end
  local its = campaign.submit(spec, {slurm = settings, file = args.file, options = common.given(args),
    only = args.only, retry_failed = args.retry_failed})
  if not args.quiet then
    for _, note in ipairs(its.notes) do io.stderr:write("note: ", note, "\n") end
  end
  if args.json then return common.print_json(its) end
  local others = require("agad.campaign.store").words(its.counts)
  local rest = others ~= "" and "; the others: " .. others or ""
  if its.runs == 0 then return out("  nothing to submit" .. rest) end
  out(("  %s submitted as job %s (%s), in %s%s"):format(count(its.runs, "run"), its.job, count(its.elements, "element"),
    its.folder, rest))
  if its.collector then out(("  job %s writes %s/table.txt after that"):format(its.collector, its.folder)) end
end

function actions.estimate(args, campaign, spec)
  local plan, duration = require "agad.campaign.plan", require("agad.train.progress").duration
  local runs, keys, skipped = common.usage(campaign.plan, spec, {only = args.only})
  interrupt.arm()
  local its = campaign.estimate(spec, {runs = runs, workers = args.workers, retry_failed = args.retry_failed})
  if not args.quiet then
    for _, one in ipairs(table.move(plan.absent(runs), 1, #runs, #skipped + 1, skipped)) do
      io.stderr:write("note: ", plan.left_out(one.count, one.reason), "\n")
    end
  end
  local null = require("agad.core").null
  if args.json then
    for _, kind in ipairs(its.kinds) do
      common.print_json {run = kind.run.point, runs = kind.runs, left = kind.left, seconds = kind.seconds or null,
        steps = kind.steps or null, from = kind.from or null, error = kind.error}
    end
    return common.print_json {runs = #runs, seconds = its.seconds, workers = its.workers}
  end
  local names = plan.of_kind(keys)
  local lines, left, failed = {{"runs of one kind", "runs", "to train", "steps", "a run", "from"}}, 0, nil
  for _, kind in ipairs(its.kinds) do
    left, failed = left + kind.left, failed or kind.error
    lines[#lines + 1] = {#names > 0 and plan.words(kind.run, names) or "all", tostring(kind.runs), tostring(kind.left),
      kind.steps and tostring(kind.steps) or "-", kind.seconds and duration(kind.seconds) or "-",
      kind.from == "steps" and "a measured step" or kind.from == "results" and "finished runs" or "-"}
  end
  common.print_table(lines)
  out(("  %s, %d to train: about %s with %s (an estimate)"):format(count(#runs, "run"), left, duration(its.seconds),
    count(its.workers, "worker")))
  if failed then common.fail("a run could not be tried: " .. failed) end
end

local function print_some(list, line)
  for i = 1, math.min(SHOWN, #list) do out("    " .. line(list[i])) end
  if #list > SHOWN then out(("    … %d more (--json lists all)"):format(#list - SHOWN)) end
end

function actions.status(args)
  local campaign, spec = load_campaign(args)
  local plan = require "agad.campaign.plan"
  local its = common.usage(campaign.status, spec, {only = args.only})
  if its.slurm and not args.quiet then io.stderr:write("note: ", its.slurm, "; what it has queued is not shown\n") end
  if args.json then
    for _, run in ipairs(its.runs) do
      common.print_json {id = run.id, dir = run.dir, state = run.state, point = run.point, reason = run.reason,
        queued = run.queued, unfit = run.unfit, auroc = run.row and run.row.auroc}
    end
    for _, one in ipairs(its.older) do common.print_json {id = one.id, dir = one.dir, state = "older"} end
    return
  end
  out(("  %s in %s, %s"):format(count(#its.runs, "run"), spec.dir, bytes(its.bytes)))
  out("  " .. require("agad.campaign.store").words(its.counts))
  local function named(state)
    local list = {}
    for _, run in ipairs(its.runs) do if run.state == state then list[#list + 1] = run end end
    return list
  end
  if its.counts.running then
    out "  running:"
    print_some(named "running", function(run) return ("%s  %s"):format(run.id, plan.words(run, its.keys)) end)
  end
  if its.counts.queued then
    local whys, order = {}, {}
    for _, run in ipairs(named "queued") do
      local why = run.queued or "not yet looked at"
      if not whys[why] then order[#order + 1] = why end
      whys[why] = (whys[why] or 0) + 1
    end
    for i, why in ipairs(order) do order[i] = ("%d %s"):format(whys[why], why) end
    out("  queued in Slurm: " .. table.concat(order, ", "))
  end
  if its.counts.failed then
    out "  failed (--retry-failed trains them again):"
    print_some(named "failed", function(run)
      return ("%s  %s: %s"):format(run.id, plan.words(run, its.keys), run.reason)
    end)
  end
  local unfit = {}
  for _, run in ipairs(its.runs) do if run.unfit then unfit[#unfit + 1] = run end end
  if #unfit > 0 then
    out "  results that do not count, and are trained again:"
    print_some(unfit, function(run) return ("%s/run/result.json %s"):format(run.dir, run.unfit) end)
  end
  if #its.older > 0 then
    out(("  %s of the folder %s to no run of this file: of an earlier form of it"):format(count(#its.older, "result"),
      #its.older == 1 and "belongs" or "belong"))
    print_some(its.older, function(one) return one.dir end)
  end
  if its.counts.absent then
    out "  absent:"
    for _, one in ipairs(plan.absent(its.runs)) do out("    " .. plan.left_out(one.count, one.reason)) end
  end
  for _, one in ipairs(its.skipped) do out("  " .. plan.left_out(one.count, one.reason)) end
end

actions["table"] = function(args)
  local campaign, spec = load_campaign(args)
  local runs, keys = common.usage(campaign.plan, spec, {only = args.only})
  if args.sqlite then
    campaign.sqlite(spec, args.sqlite, {runs = runs, keys = keys})
    if not args.quiet then io.stderr:write("note: ", count(#runs, "run"), " in ", args.sqlite, "\n") end
    if not args.format then return end
  end
  print_tables(args, campaign, spec, runs, keys)
end

function actions.plot(args)
  local campaign, spec = load_campaign(args)
  local runs, keys = common.usage(campaign.plan, spec, {only = args.only})
  if args.out then common.check_writable(args.out) end
  campaign.plot(spec, args.out, {runs = runs, keys = keys, kind = args.kind, by = list_of(args.by),
    over = list_of(args.over), value = args.values})
end

local ACTIONS = {"run", "status", "table", "plot"}

return {
  help = "Train every point of a grid, each in its own process, and print tables and plots",
  arguments = function(c, add)
    c:argument "file":description "a Lua file that returns {data, options, grid, …} (? agad.campaign lists the keys)"
    c:argument "action":args "?":choices(ACTIONS):description(
      "run (the default): train what is not finished; status; table; plot")
    c:option "--dir":argname "DIR":description "the folder for the runs (default: FILE with the extension .runs)"
    add.root(c)
    c:option "--workers":argname "N":convert(whole("--workers", 1024)):description(
      "how many runs to train at the same time; they share the cores (default: one for each core or GPU)")
    c:option "--only":argname "EXPR":description "only runs for which this holds: 'gamma > 0 and net == \"unet\"'"
    c:flag "--dry-run":description "train nothing; count the runs, and estimate their time from a measured step"
    c:flag "--retry-failed":description "train runs again that failed before"
    c:flag "--slurm":description "run: submit the runs to Slurm as a job array, and a job that writes the table"
    for _, one in ipairs {{"partition", "NAME", "Slurm's partition"}, {"time", "TIME", "a job's longest time: H:MM:SS"},
      {"memory", "SIZE", "a job's memory: 8G"}, {"gres", "LIST", "a job's devices: gpu:1"}} do
      c:option("--" .. one[1]):argname(one[2]):description("--slurm: " .. one[3])
    end
    c:option "--cpus":argname "N":convert(whole "--cpus"):description "--slurm: a job's cores"
    c:option "--throttle":argname "N":convert(whole "--throttle"):description "--slurm: how many jobs at a time"
    c:action(function(args)
      local runs = (args.action or "run") == "run"
      for _, name in ipairs {"slurm", table.unpack(SLURM)} do
        if args[name] and not runs then c:error(("--%s goes with run, not with %s"):format(name, args.action)) end
        if args[name] and not args.slurm then c:error(("--%s goes with --slurm"):format(name)) end
      end
      if args.slurm and args.workers then c:error "--workers divides this machine; with --slurm give --throttle" end
    end)
    c:option "--by":argname "OPTIONS":description "table, plot: the options that tell groups apart (A,B)"
    c:option "--over":argname "OPTIONS":description "table, plot: the options that name classes (default: normal)"
    c:option "--values":argname "FIGURES":description "table, plot: what of the results (default: the AUROC columns)"
    c:option "--columns":argname "OPTION":description "table: the option along the top"
    c:option "--compare":argname "OPTION":description "table: paired differences between this option's values"
    c:option "--format":argname "FORM":choices {"text", "markdown", "csv", "latex"}:description "table: how to write it"
    c:option "--sqlite":argname "FILE":description "table: write an SQLite database instead"
    c:option "--kind":argname "KIND":choices {"auto", "gamma", "epochs", "box", "bars", "scores",
      "classes", "reconstructions"}:description("plot: AUROC over gamma or the epochs, boxes over the classes, bars of "
      .. "groups, histograms of scores; of kept models: scores by class, reconstructions")
    c:option "--out":argname "FILE":description "plot: the file to write (default: the terminal)"
  end,
  run = function(args) actions[args.action or "run"](args) end,
}
