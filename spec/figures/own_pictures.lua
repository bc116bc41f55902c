-- People's own pictures: agad_local on real sets of $AGAD_DATA, three seeds each, as a table. What is missing in
-- spec/figures/measured/own_pictures.jsonl is trained first, up to an hour each; sets that are not there are said and
-- passed over.
--     build/agad spec/figures/own_pictures.lua [SET [SEED [STEPS]]]

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"
local measure = dofile "spec/figures/support/own_pictures.lua"

local PATH, STEPS, SEEDS = "spec/figures/measured/own_pictures.jsonl", 10000, {1, 2, 3}
-- Names and normal classes.
local sets = {{"magnetic-tile", "MT_Free"}, {"solar-cells", "good"}, {"road-crack", "good"}, {"malaria", "good"}}

local records, have = {}, {}
local file = io.open(PATH)
for line in file and file:lines() or function() end do
  local record = core.json_decode(line)
  records[#records + 1] = record
  have[("%s %d %d"):format(record.set, record.seed, record.steps)] = true
end
if file then file:close() end

local function add(name, normal, seed, steps)
  local dir = (os.getenv "AGAD_DATA" or "") .. "/" .. name
  if have[("%s %d %d"):format(name, seed, steps)] then return end
  if os.getenv "FIGURES" == "now" or not lfs.attributes(dir) then
    io.stderr:write(("own_pictures: %s, seed %d, is not measured%s\n"):format(name, seed,
      lfs.attributes(dir) and "" or "; it is not in $AGAD_DATA"))
    return
  end
  local record = measure(dir, name, normal, {seed = seed, steps = steps})
  records[#records + 1] = record
  local to = assert(io.open(PATH, "a"))
  to:write(core.json_encode(record), "\n")
  to:close()
end

local wanted = arg[1]
for _, set in ipairs(sets) do
  for _, seed in ipairs(arg[2] and {math.tointeger(arg[2])} or SEEDS) do
    if not wanted or wanted == set[1] then add(set[1], set[2], seed, math.tointeger(arg[3] or STEPS)) end
  end
end

local function number(v) return type(v) == "number" and ("%.3f"):format(v) or "-" end

print "| set, seed | steps | none known | pixel | 10 known | 40 known | best without a net |"
print("|" .. ("---|"):rep(7))
for _, r in ipairs(records) do
  local best
  for _, v in pairs(r.baselines) do if type(v) == "number" and (not best or v > best) then best = v end end
  print(("| %s, %d | %d | %s | %s | %s | %s | %s |"):format(r.set, r.seed, r.steps, number(r.none),
    number(r.pixel_auroc), number(r.known_10), number(r.known_40), number(best)))
end
