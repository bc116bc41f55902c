--- @name agad.data.weave(o)
-- The built-in set: a texture with and without defects, drawn from a seed; nothing is downloaded.
-- Classes: the name of the texture, then scratch, hole, stain, missing_thread and smudge. In each split the normals
-- come first, then defects whose kinds take turns. The same options give the same bytes on every processor.
-- @param o table normal ("cloth", "metal", "grain", "dots"), size (32 to 1024), channels (1, 3), seed (1),
--   train_normals (2000), train_defects (200), test_normals (500), test_defects (500)
-- @return set with masks
-- @example set = agad.data.weave {normal = "metal"}; set

local option = require("agad.base.options").option
-- Which textures can be drawn is checked by the core.
local known = require("agad.data.options").some("size channels", {size = {default = 32, min = 32, max = 1024},
  channels = 1})
known.normal = option {default = "cloth", suggest = function() return require("agad.core").data.textures() end,
  help = "the texture: cloth, metal, grain or dots"}
known.seed = option {default = 1, help = "seed of everything that is drawn"}
for name, count in pairs {train_normals = 2000, train_defects = 200, test_normals = 500, test_defects = 500} do
  known[name] = option {default = count, min = 0, max = 0x7fffffff, help = "number of pictures"}
end

local function read(o)
  local train, test, classes = require("agad.core").data.weave(o.normal, o.size, o.channels, o.seed,
    {o.train_normals, o.train_defects, o.test_normals, o.test_defects})
  -- Defaults for tasks and runs: at a batch of 256, 2,000 pictures would give too few steps.
  return {train = train, test = test, classes = classes, normal = o.normal, holdout = 0.1, batch = 64}
end

return {
  title = "textures with and without defects, drawn from a seed",
  options = known,
  read = read,
  not_fetched = "is drawn from a seed, so that there is nothing to fetch",
}
