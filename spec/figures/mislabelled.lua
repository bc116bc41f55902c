-- Defects among the normals: agad_local on real sets of $AGAD_DATA with 5 % of the training normals labelled wrong, and
-- without them, as a table. What is missing in spec/figures/measured/mislabelled.jsonl is trained first, up to an
-- hour each; sets that are not there are said and passed over.
--     build/agad spec/figures/mislabelled.lua [SET [SEED [STEPS]]]

local own_pictures = dofile "spec/figures/support/own_pictures.lua"
local records = dofile "spec/figures/support/records.lua"

local SEEDS, SHARE = {1, 2, 3}, .05

local measured = records.read("spec/figures/measured/mislabelled.jsonl", "mislabelled")
for _, seed in ipairs(arg[2] and {math.tointeger(arg[2])} or SEEDS) do
  for _, set in ipairs(own_pictures.SETS) do
    local name, normal, steps = set[1], set[2], math.tointeger(arg[3] or set[3])
    if (not arg[1] or arg[1] == name) and measured:needs(name, seed, steps) then
      measured:add(own_pictures.mislabelled(records.folder(name), name, normal, {seed = seed, steps = steps}, SHARE))
    end
  end
end

print "| set, seed | steps | labelled wrong | listed | AUROC without them | with them |"
print("|" .. ("---|"):rep(6))
for _, r in ipairs(measured.list) do
  print(("| %s, %d | %d | %d of %d | %d of 5 | %.3f | %.3f |"):format(r.set, r.seed, r.steps, r.wrong, r.normals,
    r.listed, r.clean, r.mislabelled))
end
