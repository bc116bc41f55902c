-- agad watch: the curves of a run in the terminal, redrawn as its log grows, until it ends or Ctrl-C. Where standard
-- output is no terminal, it prints one picture.

local common = require "agad.cli.common"
local interrupt = require "agad.base.interrupt"
local lfs = require "lfs"
local terminal = require "agad.base.terminal"

local WAIT = 100                                  -- milliseconds between two looks at the log

local PLAIN = {columns = 79, lines = 24}          -- of a picture that is not for a terminal

local OPEN, CLOSE = "\27[?1049h\27[?25l", "\27[?25h\27[?1049l"      -- a screen of its own, without a cursor

local function check(dir)
  local mode = lfs.attributes(dir, "mode")
  if not mode then common.fail(dir .. ": there is no such run directory") end
  if mode ~= "directory" then
    local beside = dir:gsub("%.[^./]*$", "") .. ".run"
    local hint = lfs.attributes(beside, "mode") == "directory" and ("; give %s"):format(beside) or ""
    common.fail(("%s: this is a file, not a run directory%s"):format(dir, hint))
  end
  if not require("agad.train.rundir").is(dir) then
    common.fail(("%s: there is no run in this folder (agad train writes one: MODEL.run)"):format(dir))
  end
end

local function draw(run, o)
  return require("agad.cli.watch.picture").draw(run, {columns = o.columns, lines = o.lines, held = run:is_held(),
    unicode = terminal.is_utf8(), colours = terminal.has_colours(1)})
end

local function terminal_size()
  local columns, lines = require("agad.core").terminal_size(1)
  return {columns = math.max(1, columns - 1), lines = lines}
end

local function print_picture(run, o) io.stdout:write(table.concat(draw(run, o), "\n"), "\n") end

-- Redraws until the run is over, or Ctrl-C; returns which.
local function follow(run)
  local core, luv = require "agad.core", require "luv"
  local held <close> = interrupt.hold()           -- luacheck: ignore 211
  local closing <close> = setmetatable({}, {__close = function()      -- luacheck: ignore 211
    io.stdout:write(CLOSE)
    io.stdout:flush()
  end})
  io.stdout:write(OPEN)
  local before, size, second
  repeat
    local changed, now = run:read(), os.time()
    local here = terminal_size()
    local other = not size or here.columns ~= size.columns or here.lines ~= size.lines
    size = here
    if changed or other or now ~= second then
      local lines = draw(run, size)
      local text = "\27[H" .. table.concat(lines, "\27[K\r\n") .. "\27[K\27[J"
      if other or text ~= before then
        io.stdout:write(text)
        if not io.stdout:flush() then break end   -- the terminal is gone
      end
      before, second = text, now
    end
    if core.interrupted() then return true end
    if run:is_over() and not run:read() then return false end
    luv.sleep(WAIT)
  until false
end

local function row_of(run)
  local null = require("agad.core").null
  local latest, losses, aurocs = run.latest or {}, {}, {}
  for name, points in pairs(run.losses) do losses[name] = points[#points][2] end
  for name, points in pairs(run.aurocs) do aurocs[name] = points[#points][2] end
  return {run = run.dir, running = run:is_held() and run.ended == nil, step = latest.step or null,
    epoch = latest.epoch or null, seconds = latest.seconds or null, seconds_left = latest.eta or null,
    losses = losses, auroc = aurocs}
end

local function watch(args)
  require "agad"
  local dir = #args.run > 1 and args.run:gsub("/+$", "") or args.run
  check(dir)
  local run = require("agad.cli.watch.follow").new(dir)
  if args.json then return common.print_json(row_of(run)) end
  if not terminal.is_live(1) then return print_picture(run, PLAIN) end
  interrupt.arm()
  local interrupted = follow(run)
  require("agad.core").interrupt_clear()
  local size = terminal_size()
  print_picture(run, {columns = size.columns, lines = size.lines - 1})
  if interrupted then common.fail("", interrupt.status()) end
end

return {
  help = "Draw the curves of a training in the terminal while it runs",
  arguments = function(c) c:argument "run":description "a run directory (agad train writes MODEL.run)" end,
  run = watch,
}
