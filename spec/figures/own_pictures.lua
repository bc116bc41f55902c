-- People's own pictures: agad_local on real sets of $AGAD_DATA and on the textures of `weave`, three seeds each, as a
-- table. What is missing in spec/figures/measured/own_pictures.jsonl is trained first, up to an hour each; sets that
-- are not there are said and passed over.
--     build/agad spec/figures/own_pictures.lua [SET [SEED [STEPS]]]

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"
local own_pictures = dofile "spec/figures/support/own_pictures.lua"

local DATA = os.getenv "AGAD_DATA" or ""
local PATH, SEEDS = "spec/figures/measured/own_pictures.jsonl", {1, 2, 3}
-- Names, normal classes and steps.
local sets = {{"magnetic-tile", "MT_Free", 10000}, {"solar-cells", "good", 10000}, {"road-crack", "good", 5000},
  {"malaria", "good", 10000}, {"chest-xray", "NORMAL", 3700}}
local textures = {{"cloth", 1000}, {"metal", 6000}, {"grain", 1000}, {"dots", 1000}}

local records, have = {}, {}
local file = io.open(PATH)
for line in file and file:lines() or function() end do
  local record = core.json_decode(line)
  records[#records + 1] = record
  have[("%s %d %d"):format(record.set, record.seed, record.steps)] = true
end
if file then file:close() end

local function add(record)
  records[#records + 1] = record
  local to = assert(io.open(PATH, "a"))
  to:write(core.json_encode(record), "\n")
  to:close()
end

local function is_needed(name, seed, steps)
  if have[("%s %d %d"):format(name, seed, steps)] then return false end
  local missing = not name:find "^weave " and not lfs.attributes(DATA .. "/" .. name)
  if os.getenv "FIGURES" ~= "now" and not missing then return true end
  io.stderr:write(("own_pictures: %s, seed %d, is not measured%s\n"):format(name, seed,
    missing and "; it is not in $AGAD_DATA" or ""))
  return false
end

local wanted = arg[1]
for _, seed in ipairs(arg[2] and {math.tointeger(arg[2])} or SEEDS) do
  for _, set in ipairs(sets) do
    local name, steps = set[1], math.tointeger(arg[3] or set[3])
    if (not wanted or wanted == name) and is_needed(name, seed, steps) then
      add(own_pictures.folder(DATA .. "/" .. name, name, set[2], {seed = seed, steps = steps}))
    end
  end
  for _, texture in ipairs((not wanted or wanted == "weave") and textures or {}) do
    local name, steps = texture[1], math.tointeger(arg[3] or texture[2])
    if is_needed("weave " .. name, seed, steps) then
      add(own_pictures.texture(name, {seed = seed, steps = steps}))
    end
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
