-- A folder of pictures to grey tensors, against PyTorch's DataLoader with Pillow (loading_peer.py), alternating:
-- one pass of each a round. "cold": no decoded rows yet; the files themselves are in the page cache for both.
-- The peer's workers are running before its first pass is timed; ours start in every pass.
-- Usage: loading.lua [folder=$AGAD_DATA/chest-xray/train] [size=128] [rounds=5] [workers=2]
-- $AGAD_PEER_PYTHON: a Python with torch and Pillow (python3).  Without one the comparison is skipped, and said.

local agad = require "agad"
local peers = require "agad.bench.peer"
local statistics = require "agad.bench.statistics"
local median = statistics.median
local core = agad.core
local data = core.data

local folder = arg[1] or (os.getenv "AGAD_DATA" or "") .. "/chest-xray/train"
local size, rounds, workers = tonumber(arg[2] or 128), tonumber(arg[3] or 5), tonumber(arg[4] or 2)
if not (size and rounds and workers) then
  io.stderr:write("usage: loading.lua [folder] [size] [rounds] [workers]\n")
  os.exit(2)
end
local listed, names = pcall(data.list, folder)
if not listed or #names == 0 then
  print(("loading: no pictures in %s; name a folder, or set AGAD_DATA"):format(folder))
  return
end

-- The peer: ask() -> seconds of one pass, and the sum of all its pixels.
local function start_peer()
  local python = os.getenv "AGAD_PEER_PYTHON" or "python3"
  local ok, reason = peers.can_import(python, "torch, PIL")
  if not ok then return nil, reason end
  local process = peers.start(python, {"spec/bench/loading_peer.py", folder, tostring(size), tostring(workers)})
  return function()
    local line = process:ask "pass"
    return tonumber((line:match "%S+")), math.tointeger(tonumber((line:match "%S+$")))
  end, nil, process
end

local cache = os.tmpname()

-- One pass of ours: listing and loading; seconds, and the result.
local function pass(use_cache)
  local began = core.clock()
  local paths = data.list(folder)
  for i, name in ipairs(paths) do paths[i] = folder .. "/" .. name end
  local r = data.load_files(paths, {height = size, width = size, channels = 1, threads = workers,
    cache = use_cache and cache or nil})
  return core.clock() - began, r
end

local ask, reason, process = start_peer()
if not ask then print("the peer is left out: " .. reason) end
local n = #names
local cold, kept, warm, peer, ratio, agree = {}, {}, {}, {}, {}, true
for round = 0, rounds do                         -- round 0 warms up
  local s = {}
  os.remove(cache)
  s[2] = pass(true)
  s[3] = pass(true)
  local r
  s[1], r = pass(false)
  local seconds, sum
  if ask then seconds, sum = ask() end
  agree = agree and (not ask or sum == r.images:sum():item())
  if round > 0 then
    cold[round], kept[round], warm[round], peer[round] = s[1], s[2], s[3], seconds
    ratio[round] = ask and seconds / s[1]
  end
end
os.remove(cache)

local function row(what, seconds, more)
  print(("%-44s %7.3f s %9.0f images/s%s"):format(what, median(seconds), n / median(seconds), more or ""))
end
print(("%d pictures to %d x %d grey, %d threads or workers, medians of %d alternating rounds"):format(n, size, size,
  workers, rounds))
row("cold", cold, ask and ("  %.2f x the peer (target 1.5)"):format(median(ratio)) or "")
row("cold, and the decoded rows kept on disk", kept)
row("warm: from the decoded rows", warm, "  (target .5 s)")
if ask then
  row("PyTorch's DataLoader with Pillow", peer)
  print(agree and "the sums of all pixels are equal" or "the sums of all pixels differ")
end
print(("%s; load %s"):format(core.processor(), statistics.load()))
if process then process:close() end
