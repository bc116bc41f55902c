-- Asks Slurm: its commands, and which runs of a campaign it has. What was submitted from a campaign's folder lies in
-- its folder slurm, one numbered folder each time; job.json there says which job has which runs.

local interrupt = require "agad.base.interrupt"
local lfs = require "lfs"
local shell = require("agad.base.text").shell
local store = require "agad.campaign.store"

local queue = {}

local function fail(form, ...) error("campaign: " .. form:format(...), 0) end

-- What a command of Slurm says is wrong: its last line, without its name.
local function complaint(said)
  local last = "it said nothing"
  for line in said:gmatch "[^\r\n]+" do last = line end
  return (last:gsub("^%w+: ", ""):gsub("^error: ", ""):gsub("^fatal: ", ""):gsub("^Batch job submission failed: ", ""))
end

--- Runs a command of Slurm.
-- @param words list of texts
-- @return string|nil what it printed; nil if it failed
-- @return string why it failed
function queue.ask(words)
  local held <close> = interrupt.hold()            -- luacheck: ignore 211
  local parts = {}
  for i, word in ipairs(words) do parts[i] = shell(word) end
  local errors_at = os.tmpname()
  local pipe = io.popen(table.concat(parts, " ") .. " 2> " .. shell(errors_at))
  local text = pipe:read "a"
  local ok, _, status = pipe:close()
  local file = io.open(errors_at, "rb")
  local said = file and file:read "a" or ""
  if file then file:close() end
  os.remove(errors_at)
  if ok then return text end
  if status == 127 then return nil, ("Slurm is not installed here (there is no %s)"):format(words[1]) end
  return nil, ("Slurm's %s: %s"):format(words[1], complaint(said))
end

--- The name of a campaign's jobs.
function queue.name(spec) return "agad-" .. (spec.name or "campaign"):gsub("[^%w._-]", "_") end

--- What was submitted from a campaign's folder.
-- @param dir string the campaign's folder
-- @return list of {folder, job, collector, elements, ids}, in the order of their numbers
function queue.submissions(dir)
  local list, top = {}, dir .. "/slurm"
  if lfs.attributes(top, "mode") ~= "directory" then return list end
  for name in lfs.dir(top) do
    local its = name:find "^%d+$" and store.json(("%s/%s/job.json"):format(top, name))
    if its and type(its.job) == "string" and type(its.ids) == "table" then
      its.folder, its.number = top .. "/" .. name, tonumber(name)
      list[#list + 1] = its
    end
  end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

--- The runs of a campaign that Slurm has.
-- @param spec table dir, name
-- @return table id -> {state (queued or running), why (what Slurm says it waits for)}; nil if Slurm does not answer
-- @return string why not
function queue.of(spec)
  local by_job, some = {}, false
  for _, its in ipairs(queue.submissions(spec.dir or "campaign")) do by_job[its.job], some = its, true end
  if not some then return {} end
  local text, reason = queue.ask {"squeue", "-h", "-r", "-a", "--name=" .. queue.name(spec), "-o", "%F|%K|%T|%r"}
  if not text then return nil, reason end
  local has = {}
  for job, index, state, why in text:gmatch "(%d+)|(%d+)|([%u_]+)|([^\n]*)\n" do
    local its = by_job[job]
    for at = its and index + 1 or 1, its and #its.ids or 0, its and its.elements or 1 do
      local id, pending = its.ids[at], state ~= "RUNNING" and state ~= "COMPLETING"
      has[id] = {state = pending and "queued" or "running", why = pending and why ~= "None" and why or nil}
    end
  end
  return has
end

--- Gives the unfinished runs that Slurm has the state queued, or running, and `queued`, what Slurm says they wait for.
-- @param spec table dir, name
-- @param runs list
-- @return string|nil why Slurm does not answer
function queue.look(spec, runs)
  local open = false
  for _, run in ipairs(runs) do open = open or run.state ~= "finished" end
  local has, reason
  if open then has, reason = queue.of(spec) end
  for _, run in ipairs(runs) do
    local its = has and has[run.id]
    if its and run.state ~= "finished" and run.state ~= "running" then
      run.state, run.queued, run.reason = its.state, its.why, nil
    end
  end
  return reason
end

--- The longest array that Slurm takes; 1,001 (its default) if it does not say.
-- @raise Slurm does not answer
function queue.longest()
  local text, reason = queue.ask {"scontrol", "show", "config"}
  if not text then fail("%s; nothing was submitted", reason) end
  return math.max(1, (tonumber(text:match "MaxArraySize%s*=%s*(%d+)") or 1001))
end

return queue
