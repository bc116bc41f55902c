-- What a campaign of spec/figures/campaigns has measured: spec/figures/measured/NAME.jsonl, one run a line. What is
-- missing there is trained first (build/figures/NAME; MNIST is needed: AGAD_DATA), as long as that takes.

local core = require "agad.core"
local campaign = require "agad.campaign"

local kept = {"auroc", "auroc_steady", "auroc_plain", "auroc_paper_like", "aupr", "epochs", "method", "precision",
  "processor", "seed", "train_seconds", "images_per_second", "counts", "config", "hash", "versions"}

local function read_lines(path, each)
  local file = io.open(path)
  if not file then return end
  for line in file:lines() do each(core.json_decode(line)) end
  file:close()
end

-- What stays of a finished run: its row without what no table needs, and its columns after each epoch.
local function record_of(run)
  local record = {id = run.id, point = run.point, history = {}}
  for _, name in ipairs(kept) do record[name] = run.row[name] end
  read_lines(run.dir .. "/run/log.jsonl", function(entry)
    if entry.kind ~= "evaluate" then return end
    table.insert(record.history, {epoch = entry.epoch, auroc_steady = entry.auroc_steady,
      auroc_plain = entry.auroc_plain, auroc_paper_like = entry.auroc_paper_like})
  end)
  return record
end

--- The records of a campaign in its order.
-- @param name string
-- @return list of {id, point, auroc…, history}
return function(name)
  local file, path = ("spec/figures/campaigns/%s.lua"):format(name), ("spec/figures/measured/%s.jsonl"):format(name)
  local spec, have, missing, list = dofile(file), {}, false, {}
  spec.dir = "build/figures/" .. name
  read_lines(path, function(record) have[record.id] = record end)
  local plan = campaign.plan(spec)
  for _, run in ipairs(plan) do missing = missing or not have[run.id] and not run.row end
  if missing and os.getenv "FIGURES" ~= "now" then
    plan = campaign.run(spec, {program = "build/agad", workers = 2, on_event = function(e)
      if e.run then io.stderr:write(("%s: %s %s, %d left\n"):format(name, e.run.id, e.kind, e.left)) end
    end}).runs
  end
  for _, run in ipairs(plan) do
    local record = have[run.id] or run.row and record_of(run)
    if record then list[#list + 1] = record
    else io.stderr:write(("%s: %s is not measured\n"):format(name, run.id)) end
  end
  local lines = {}
  for i, record in ipairs(list) do lines[i] = core.json_encode(record) .. "\n" end
  if #lines > 0 then
    require("agad.base.folder").make "spec/figures/measured"
    core.file_replace(path, table.concat(lines))
  end
  return list
end
