-- agad campaign: trains the grid that a Lua file returns, and prints one table.

local common = require "agad.cli.common"
local interrupt = require "agad.base.interrupt"
local format = require("agad.base.text").format

local function text(v) return type(v) == "number" and format("%.6g", v) or tostring(v) end

local function figure(row, name) return type(row[name]) == "number" and format("%.4f", row[name]) or "-" end

local function print_table(runs, keys)
  local head = {"run", table.unpack(keys)}
  for _, name in ipairs {"auroc", "steady", "plain"} do head[#head + 1] = name end
  local lines = {head}
  for _, run in ipairs(runs) do
    local line, row = {run.id}, run.row or {}
    for _, key in ipairs(keys) do line[#line + 1] = text(run.point[key]) end
    line[#line + 1], line[#line + 2] = figure(row, "auroc"), figure(row, "auroc_steady")
    line[#line + 1] = figure(row, "auroc_plain")
    lines[#lines + 1] = line
  end
  common.print_table(lines)
end

local function run(args)
  local chunk, reason = loadfile(args.file)
  if not chunk then common.fail(common.one_line(reason)) end
  local spec = common.usage(chunk)
  local campaign = require "agad.train.campaign"
  if type(spec) == "table" then
    spec.dir = args.dir or spec.dir or (args.file:gsub("%.lua$", "") .. ".runs")
    spec.root = args.root or spec.root
  end
  common.usage(campaign.plan, spec)
  interrupt.arm()
  local runs, keys = campaign.run(spec, {workers = tonumber(args.workers), on_event = function(e)
    if args.quiet then return end
    if e.kind == "note" then io.stderr:write("note: ", e.text, "\n") return end
    local words = {start = "starts", done = "done", failed = "failed: " .. tostring(e.run.reason)}
    io.stderr:write(("%s %s, %d left\n"):format(e.run.id, words[e.kind], e.left))
  end})
  if require("agad.core").interrupted() then
    common.fail("interrupted; run the same command again to continue", interrupt.status())
  end
  if args.json then
    for _, one in ipairs(runs) do if one.row then common.print_json(one.row) end end
  else print_table(runs, keys) end
  local failed = 0
  for _, one in ipairs(runs) do if one.reason then failed = failed + 1 end end
  if failed > 0 then common.fail(("%d of %d runs failed"):format(failed, #runs)) end
end

return {
  help = "Train every point of a grid, each in its own process, and print a table",
  arguments = function(c, add)
    c:argument "file":description "a Lua file that returns {data, options, grid}"
    c:option "--dir":argname "DIR":description "the folder for the runs (default: FILE with the extension .runs)"
    add.root(c)
    c:option "--workers":argname "N":default "1":convert(function(given)
      local n = math.tointeger(tonumber(given))
      return n and n >= 1 and n <= 1024 and n or nil,
        "--workers " .. given .. ": it must be a whole number from 1 to 1024"
    end):description "how many runs to train at the same time; they share the cores"
  end,
  run = run,
}
