-- agad fetch: downloads and verifies data sets; without a name, lists them. All names are checked before the first
-- download.

local common = require "agad.cli.common"
local interrupt = require "agad.base.interrupt"
local named = require "agad.data.named"
local progress = require "agad.train.progress"
local sorted_keys = require("agad.base.values").keys
local format = require("agad.base.text").format

local function megabytes(bytes) return format("%.1f MB", bytes / 1e6) end

local function list(fetch, args)
  local rows = fetch.list {root = args.root, sources = args.sources}
  local lines = {{"name", "to download", "there", "what"}}
  for _, row in ipairs(rows) do
    if args.json then common.print_json(row) end
    lines[#lines + 1] = {row.name, megabytes(row.bytes), row.already and "yes" or "no", row.title or ""}
  end
  if not args.json then
    common.print_table(lines)
    io.stdout:write("  agad fetch NAME downloads one to ", rows[1] and rows[1].path:match "^(.*)/" or "?", "\n")
  end
end

-- One line on a terminal: the file, a bar, how much, how fast. Nothing elsewhere.
local function shower(quiet)
  local show, clock = progress.new {quiet = quiet}, require("agad.core").clock
  local file, began, first
  local function on_event(e)
    if not show.live then return end
    if e.kind == "wait" then return show:draw("waiting for another agad fetch in " .. e.root, true) end
    if e.kind == "unpack" then return show:draw("unpacking " .. e.file, true) end
    if e.file ~= file then file, began, first = e.file, clock(), e.bytes end
    local seconds = math.max(clock() - began, 0.1)
    local tail = format("%s%s  %.1f MB/s", megabytes(e.bytes), e.total and " of " .. megabytes(e.total) or "",
      (e.bytes - first) / 1e6 / seconds)
    local room = show:width() - #e.file - #tail - 4
    local bar = ""
    if e.total and room >= 6 then bar = progress.bar(e.bytes / e.total, math.min(30, room), show.unicode) .. "  " end
    show:draw((e.file .. "  " .. bar .. tail):sub(1, show.unicode and -1 or show:width()))
  end
  return show, on_event
end

local function run(args)
  local fetch, names = require "agad.data.fetch", args.name or {}
  if #names == 0 then return list(fetch, args) end
  if args.from and #names > 1 then
    common.fail("--from needs exactly one data set: files of different sets may have the same names", 2)
  end
  for _, name in ipairs(names) do
    common.usage(fetch.source, name, {from = args.from, sources = args.sources})
  end
  interrupt.arm()
  local show, on_event = shower(args.quiet)
  for _, name in ipairs(names) do
    local ok, row = pcall(fetch.get, name, {root = args.root, force = args.force, from = args.from,
      sources = args.sources, on_event = on_event})
    show:clear()
    if not ok then error(row, 0) end
    if args.json then
      common.print_json(row)
    else
      io.stdout:write(("%s: %d files, %s, in %s%s\n"):format(name, #row.files, megabytes(row.bytes), row.path,
        row.already and " (already there)" or ""))
      for _, note in ipairs(row.notes or {}) do io.stdout:write("  note: ", note, "\n") end
    end
  end
end

return {
  help = "Download a data set and verify it",
  arguments = function(c, add)
    local names = table.concat(sorted_keys(named.sources()), ", ")
    c:argument "name":args "*":description(names .. "; without a name: list them")
    add.root(c)
    c:option "--from":argname "URL":description "download from this folder on a server instead"
    c:flag "--force":description "download again even if the files are intact"
  end,
  run = run,
}
