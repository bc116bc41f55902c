-- One element of a job array of Slurm: trains its runs one after the other, each as a campaign of one run in the same
-- folder. So a run's kernel lock, its checkpoint and its result mean what they mean everywhere: what another process
-- has is waited for, what is finished is left alone, what was killed goes on.

local core = require "agad.core"
local engine = require "agad.campaign.engine"
local lfs = require "lfs"
local plan = require "agad.campaign.plan"

local element = {}

--- The exit status after an interruption if something was gained until then, so that it is worth to go on.
element.GAINED = 75

local function lines_of(path)
  local file, reason = io.open(path, "rb")
  if not file then error(("campaign: %s"):format(reason), 0) end
  local list = {}
  for line in file:lines() do list[#list + 1] = core.json_decode(line) end
  file:close()
  return list
end

local function say(form, ...)
  io.stdout:write(form:format(...), "\n")
  io.stdout:flush()
end

local function show(e)
  if e.kind == "note" then say("note: %s", e.text)
  elseif e.kind == "start" then say("%s starts", e.run.id)
  elseif e.kind == "again" then say("%s was killed, and is trained on", e.run.id)
  elseif e.kind == "failed" then say("%s failed: %s", e.run.id, tostring(e.run.reason))
  elseif e.kind == "done" then say("%s done", e.run.id) end
end

-- When a run's checkpoint was written; which one it is.
local function checkpoint(run)
  local its = lfs.attributes(run.dir .. "/run/state.safetensors")
  return its and ("%d %d"):format(its.ino, its.modification)
end

--- Trains the runs of an element.
-- @param folder string where the submission lies
-- @param index integer the element's number in the array, from 0
-- @return integer the exit status: 0; 1 if a run failed, or nothing was gained until it was interrupted; GAINED
-- @raise the files of the submission cannot be read; this agad names the runs otherwise; as `agad.campaign.run`
function element.train(folder, index)
  local about, runs = lines_of(folder .. "/campaign.json")[1], lines_of(folder .. "/runs.jsonl")
  local failed, gained = 0, false
  for at = index + 1, #runs, about.elements do
    local its = runs[at]
    local spec = {name = about.name, dir = about.dir, root = about.root, keep = about.keep, curves = about.curves,
      data = its.data, options = its.options}
    local run = plan.of(spec)[1]
    if run.id ~= its.id then
      error(("campaign: for this agad the run %s is %s: it is of another version; submit the campaign again"):format(
        its.id, run.id), 0)
    end
    local before = checkpoint(run)
    local result = engine.run(spec, {workers = 1, retry_failed = about.retry_failed, on_event = show})
    if result.stopped == "interrupted" then
      gained = gained or checkpoint(run) ~= before
      say("%s is interrupted", its.id)
      return gained and element.GAINED or 1
    end
    if result.stopped then error("campaign: " .. result.stopped, 0) end
    failed, gained = failed + result.failed, true
  end
  return failed > 0 and 1 or 0
end

return element
