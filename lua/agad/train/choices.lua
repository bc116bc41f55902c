--- The ways in which a run's convolutions are computed on the CPU. Each is measured when it first comes, and then kept:
-- by the process and in the user's cache, for other runs on this processor, and in checkpoints, so that a resumed run
-- computes as before. A deterministic run measures nothing. The cache may be deleted at any time.

local core = require "agad.core"
local folder = require "agad.base.folder"
local places = require "agad.base.places"

local choices = {}

local WAYS = 2                                    -- to be counted up with each new way, so that it is measured too

local measured = {}                               -- by this process: what -> line

-- Each line "WHAT: WAY (TIMES)" of a text, and its WHAT.
local function each_line(text)
  return text:gmatch "(([^\n]-): [^\n]+%))"
end

-- The file of this processor, libtorch and these ways; nil without a cache.
local function path()
  local cache = places.cache()
  local machine = ("%s %s %s, ways %d"):format(core.processor(), core.capability(), core.libtorch, WAYS)
  return cache and ("%s/agad/convolutions/%s.txt"):format(cache, core.hash(machine):sub(1, 16)), machine
end

local function stored()
  local name = path()
  local file = name and io.open(name)
  if not file then return "" end
  local text = file:read "a" or ""
  file:close()
  return text
end

-- Adds the lines that the file lacks. A cache that cannot be written is no failure: the next run measures again.
local function store(text)
  local name, machine = path()
  if not name or not pcall(folder.make, (name:match "^(.*)/")) then return end
  local lines, known = {}, {}
  local function take(from)
    for line, what in each_line(from) do
      if not known[what] then
        known[what] = true
        lines[#lines + 1] = line .. "\n"
      end
    end
  end
  take(stored())
  local before = #lines
  take(text)
  if #lines == before then return end
  local part = ("%s.%d"):format(name, require("luv").os_getpid())
  local file = io.open(part, "w")
  if not file then return end
  local ok = file:write("# ", machine, "\n", table.concat(lines)) and file:close()
  if not (ok and os.rename(part, name)) then os.remove(part) end
end

--- Gives a run's new step the ways that are known: the run's own before those of the cache.
-- @param run run
function choices.begin(run)
  run.n_choices, run.measured = nil, 0            -- of this step
  if run.config.deterministic or run.device ~= "cpu" then return end
  local text = {stored()}
  for _, line in pairs(measured) do text[#text + 1] = line end
  text[#text + 1] = run.choices
  run.step:choose(table.concat(text, "\n"))
  run.n_choices = run.step:n_choices()
end

--- Remembers what was chosen since the last call, and adds what measuring took to run.measuring (seconds).
-- @param run run
function choices.keep(run)
  local n, seconds = run.step:n_choices()
  if not run.n_choices or n == run.n_choices then return end
  run.measuring, run.measured = run.measuring + seconds - run.measured, seconds
  run.choices, run.n_choices = run.step:choices(), n
  for line, what in each_line(run.choices) do measured[what] = line end
  store(run.choices)
end

return choices
