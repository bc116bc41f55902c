-- Defects among the normals: agad_local on real sets of $AGAD_DATA with 5 % of the training normals labelled wrong, and
-- without them, as a table. What is missing in spec/figures/measured/mislabelled.jsonl is trained first, up to half an
-- hour each; sets that are not there are said and passed over.
--     build/agad spec/figures/mislabelled.lua [SET [SEED [STEPS]]]

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"
local own_pictures = dofile "spec/figures/support/own_pictures.lua"

local DATA = os.getenv "AGAD_DATA" or ""
local PATH, SEEDS, SHARE = "spec/figures/measured/mislabelled.jsonl", {1, 2, 3}, .05
-- Names, normal classes and steps.
local sets = {{"magnetic-tile", "MT_Free", 3000}, {"solar-cells", "good", 3000}, {"road-crack", "good", 3000},
  {"malaria", "good", 3000}}

local records, have = {}, {}
local file = io.open(PATH)
for line in file and file:lines() or function() end do
  local record = core.json_decode(line)
  records[#records + 1] = record
  have[("%s %d %d"):format(record.set, record.seed, record.steps)] = true
end
if file then file:close() end

for _, seed in ipairs(arg[2] and {math.tointeger(arg[2])} or SEEDS) do
  for _, set in ipairs(sets) do
    local name, steps = set[1], math.tointeger(arg[3] or set[3])
    local wanted = not arg[1] or arg[1] == name
    if wanted and not have[("%s %d %d"):format(name, seed, steps)] then
      local missing = not lfs.attributes(DATA .. "/" .. name)
      if missing or os.getenv "FIGURES" == "now" then
        io.stderr:write(("mislabelled: %s, seed %d, is not measured%s\n"):format(name, seed,
          missing and "; it is not in $AGAD_DATA" or ""))
      else
        local record = own_pictures.mislabelled(DATA .. "/" .. name, name, set[2], {seed = seed, steps = steps}, SHARE)
        records[#records + 1] = record
        local to = assert(io.open(PATH, "a"))
        to:write(core.json_encode(record), "\n")
        to:close()
      end
    end
  end
end

print "| set, seed | steps | labelled wrong | listed | AUROC without them | with them |"
print("|" .. ("---|"):rep(6))
for _, r in ipairs(records) do
  print(("| %s, %d | %d | %d of %d | %d of 5 | %.3f | %.3f |"):format(r.set, r.seed, r.steps, r.wrong, r.normals,
    r.listed, r.clean, r.mislabelled))
end
