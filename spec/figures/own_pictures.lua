-- People's own pictures: agad_local on real sets of $AGAD_DATA and on the textures of `weave`, three seeds each, as a
-- table. What is missing in spec/figures/measured/own_pictures.jsonl is trained first, up to an hour each; sets that
-- are not there are said and passed over.
--     build/agad spec/figures/own_pictures.lua [SET [SEED [STEPS]]]

local own_pictures = dofile "spec/figures/support/own_pictures.lua"
local records = dofile "spec/figures/support/records.lua"

local SEEDS = {1, 2, 3}
local textures = {{"cloth", 1000}, {"metal", 6000}, {"grain", 1000}, {"dots", 1000}}

local measured = records.read("spec/figures/measured/own_pictures.jsonl", "own_pictures")
local wanted = arg[1]
for _, seed in ipairs(arg[2] and {math.tointeger(arg[2])} or SEEDS) do
  for _, set in ipairs(own_pictures.SETS) do
    local name, steps = set[1], math.tointeger(arg[3] or set[3])
    if (not wanted or wanted == name) and measured:needs(name, seed, steps) then
      measured:add(own_pictures.folder(records.folder(name), name, set[2], {seed = seed, steps = steps}))
    end
  end
  for _, texture in ipairs((not wanted or wanted == "weave") and textures or {}) do
    local name, steps = texture[1], math.tointeger(arg[3] or texture[2])
    if measured:needs("weave " .. name, seed, steps) then
      measured:add(own_pictures.texture(name, {seed = seed, steps = steps}))
    end
  end
end

local function number(v) return type(v) == "number" and ("%.3f"):format(v) or "-" end

print "| set, seed | steps | none known | pixel | 10 known | 40 known | best without a net |"
print("|" .. ("---|"):rep(7))
for _, r in ipairs(measured.list) do
  local best
  for _, v in pairs(r.baselines) do if type(v) == "number" and (not best or v > best) then best = v end end
  print(("| %s, %d | %d | %s | %s | %s | %s | %s |"):format(r.set, r.seed, r.steps, number(r.none),
    number(r.pixel_auroc), number(r.known_10), number(r.known_40), number(best)))
end
