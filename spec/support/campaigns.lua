-- Campaigns of tiny runs: a set on disk, a small net, and a program that notes who it is before it trains.

local agad = require "agad"
local lfs = require "lfs"
local scratch = dofile "spec/support/scratch.lua"

local campaigns = {folder = scratch.folder, read = scratch.read, write = scratch.write, path = scratch.path,
  remove = scratch.remove}

--- The program agad itself.
campaigns.agad = os.getenv "AGAD" or lfs.currentdir() .. "/build/agad"

--- A folder of 56 small pictures.
function campaigns.set()
  local dir = scratch.path "set"
  if lfs.attributes(dir) then return dir end
  local set = agad.data.weave {train_normals = 40, train_defects = 0, test_normals = 8, test_defects = 8}
  for split, part in pairs {train = set.train, test = set.test} do
    for i, label in ipairs(part.labels:totable()) do
      local class = ("%s/%s/%s"):format(dir, split, label == 0 and "good" or "bad")
      require("agad.base.folder").make(class)
      agad.data.write_png(("%s/%03d.png"):format(class, i), part.images:select(1, i))
    end
  end
  return dir
end

--- A campaign over it; more: keys that it has instead.
function campaigns.tiny(name, more)
  local spec = {data = campaigns.set(), dir = scratch.path(name), options = {method = "agad", epochs = 1, batch = 16,
    size = 32, channels = 1, threads = 1, cache = false, holdout = .1, deterministic = true,
    net = lfs.currentdir() .. "/spec/support/small_net.lua"}, grid = {seed = {1, 2}}}
  for key, v in pairs(more or {}) do
    if key == "options" then for option, value in pairs(v) do spec.options[option] = value end else spec[key] = v end
  end
  return spec
end

--- A file that returns such a campaign.
function campaigns.file(name, more)
  local spec = campaigns.tiny(name, more)
  local path = scratch.path(name .. ".lua")
  spec.dir = nil
  return scratch.write(path, ("return require('agad').core.json_decode %q\n"):format(agad.core.json_encode(spec)))
end

--- A program that writes its process's id beside the model, and the run's folder to the file `started`, and is agad
-- then. `before`: shell commands that come first.
function campaigns.noting(name, before)
  local path = scratch.path(name)
  scratch.write(path, ([[#!/bin/sh
run=${4%%/*}
echo "$$" > "$run/pid"
echo "$run" >> %s
%s
exec %s "$@"
]]):format(scratch.path "started", before or "", campaigns.agad))
  assert(os.execute("chmod +x " .. path))
  return path
end

--- How often each run was started, by its id.
function campaigns.starts()
  local counts = {}
  for line in (scratch.read(scratch.path "started") or ""):gmatch "[^\n]+" do
    local id = line:match "[^/]*$"
    counts[id] = (counts[id] or 0) + 1
  end
  return counts
end

--- The row of a run without what differs from one time to the next.
function campaigns.comparable(row)
  local kept = {}
  for key, v in pairs(row) do
    if key ~= "seconds" and key ~= "train_seconds" and key ~= "images_per_second" then kept[key] = v end
  end
  return agad.core.json_encode(kept)
end

--- A result file for each run without training: the row of a real one with some figures.
-- @param row table
-- @param figures function(run, i) what the row has instead
function campaigns.results(runs, row, figures)
  for i, run in ipairs(runs) do
    require("agad.base.folder").make(run.dir .. "/run")
    local made = {}
    for key, v in pairs(row) do made[key] = v end
    for key, v in pairs(figures(run, i)) do made[key] = v end
    scratch.write(run.dir .. "/run/result.json", agad.core.json_encode(made) .. "\n")
  end
end

return campaigns
