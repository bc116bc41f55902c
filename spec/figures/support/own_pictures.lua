-- One training of agad_local on a set of $AGAD_DATA, and its AUROC with no, 10 and 40 known defects. 70 % of the
-- normals of sets without a split train. The pictures of known defects change what follows the phase `train` alone, so
-- that one training serves every draw of them: k defects, drawn by the seed from the test side, become known ones of
-- the training side (without their masks); defects that a set has there are left out.

local agad = require "agad"
local alike = require "agad.task.alike"
local auto = require "agad.train.auto"
local core = agad.core
local evaluate = require "agad.evaluate"
local lfs = require "lfs"
local phase = require "agad.train.phase"
local random = require "agad.base.random"

local TRAIN, DRAWS, KNOWN, TEXTURE_HELD_OUT = .7, 3, {10, 40}, 150
local THUMBNAIL, WRONG_STREAM = 64, 55

-- Writes path,label,split,mask for a folder's pictures. Returns the file, the paths of the defects of the test side and
-- the number of normals of the training side. o: known (the paths, as keys, of defects that become known ones of
-- the training side); wrong (of defects that leave the test side, and become normals of the training side if
-- o.mislabelled is true).
local function manifest(dir, name, normal, seed, o)
  local paths, lines, defects, normals = core.data.list(dir), {"path,label,split,mask"}, {}, 0
  local known, wrong = o.known or {}, o.wrong or {}
  local function add(path, class, split, mask)
    if wrong[path] and not o.mislabelled then return end
    if wrong[path] then class, split, mask = normal, "train", nil end
    if class == normal and split == "train" then normals = normals + 1 end
    lines[#lines + 1] = ("%s/%s,%s,%s,%s"):format(dir, path, class, known[path] and "train" or split, mask or "")
  end
  local unsplit, have_split = {}, false
  for _, path in ipairs(paths) do have_split = have_split or path:find "^train/" ~= nil end
  for _, path in ipairs(paths) do
    local split, class = path:match "^(%a+)/([^/]+)/"
    if have_split and (split == "test" or split == "train" and class == normal) then
      if class ~= normal then defects[#defects + 1] = path end
      local mask = dir .. "/ground_truth/" .. class .. "/" .. path:match "([^/]+)%.%w+$" .. "_mask.png"
      local file = class ~= normal and io.open(mask)
      if file then file:close() end
      add(path, class, split, file and not known[path] and mask or nil)
    elseif not have_split and path:find("^" .. normal .. "/") then unsplit[#unsplit + 1] = path
    elseif not have_split then
      defects[#defects + 1] = path
      add(path, path:match "^[^/]+", "test")
    end
  end
  random.shuffle(unsplit, random.generator(seed))
  for i, path in ipairs(unsplit) do add(path, normal, i <= TRAIN * #unsplit and "train" or "test") end
  local folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
  local to = ("%s/%s-%d.csv"):format(folder, name, seed)
  local file = assert(io.open(to, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
  return to, defects, normals
end

-- A run on the set at its beginning, the paths of the defects of its test side, and the number of normals of
-- its training side. o: as for `manifest`.
local function begun(dir, name, normal, given, o)
  local path, defects, normals = manifest(dir, name, normal, given.seed, o)
  local picks = auto.new(given, path)
  local set = agad.data.load(path, {outside = true, normal = normal, choose = picks.choose})
  os.remove(path)
  os.remove((path:match "^(.*)/"))
  local task = agad.task.new(set, picks:task(set, {normal = normal, task_seed = given.seed}))
  return agad.trainer(task, given), defects, normals
end

-- Goes on after the phase `train` of another run, which has seen the same normals.
local function continued(run, trained)
  phase.start(run)
  agad.no_grad(function()
    for name, net in pairs(trained.nets) do
      for _, list in ipairs {"params", "buffers"} do
        local to = run.nets[name][list](run.nets[name])
        for i, p in ipairs(net[list](net)) do to[i].tensor:copy_(p.tensor) end
      end
    end
    run.keep.kinds = trained.keep.kinds
  end)
  phase.next(run)
  return run:fit()
end

local function mean_and_deviation(values)
  local mean, squares = 0, 0
  for _, v in ipairs(values) do mean = mean + v / #values end
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 / #values end
  return mean, math.sqrt(squares)
end

-- What is written down of a run that has been trained.
local function record_of(run, name, given)
  local result = run:evaluate()
  return {set = name, seed = given.seed, steps = run.steps, seconds = run.train_seconds, none = result.auroc,
    normals = #run.task.normals, held_out = #run.task.held_out, pixel_auroc = result.pixel_auroc,
    baselines = result.baselines, parts = result.parts, shortcut = result.shortcut, config = result.config,
    versions = result.versions, processor = evaluate.provenance(agad).processor}
end

local own_pictures = {}

-- Names, normal classes and steps.
own_pictures.SETS = {{"magnetic-tile", "MT_Free", 10000}, {"solar-cells", "good", 10000}, {"road-crack", "good", 5000},
  {"malaria", "good", 10000}, {"chest-xray", "NORMAL", 3700}}

--- Trains on a texture of `weave`, without known defects, and measures.
-- @param texture string
-- @param given table seed, steps, and other options
-- @return table a record as below, without known defects
function own_pictures.texture(texture, given)
  local set, options = agad.data.weave {normal = texture}, {method = "agad_local"}
  for option, v in pairs(given) do options[option] = v end
  local task = agad.task.new(set, {normal = texture, holdout = TEXTURE_HELD_OUT, task_seed = given.seed})
  return record_of(agad.trainer(task, options):fit(), "weave " .. texture, given)
end

--- Trains on a set's folder and measures.
-- @param dir string the set's folder
-- @param name string
-- @param normal string its normal class
-- @param given table seed, steps, and other options
-- @return table a record: set, seed, steps, seconds, none, known_10 and known_40 (mean AUROC over three draws) with
--   known_10_sd and known_40_sd, pixel_auroc (none known), pixel_10 and pixel_40, baselines, parts, processor
function own_pictures.folder(dir, name, normal, given)
  local run, defects = begun(dir, name, normal, given, {})
  run:fit()
  local record = record_of(run, name, given)
  local more = {}
  for option, v in pairs(given) do more[option] = v end
  more.minutes, more.steps = nil, run.steps
  for _, k in ipairs(KNOWN) do
    local values, pixels = {}, {}
    for draw = 1, k < #defects * .6 and DRAWS or 0 do
      local drawn = random.shuffle(table.move(defects, 1, #defects, 1, {}), random.generator(given.seed, 100 + draw))
      local known = {}
      for i = 1, k do known[drawn[i]] = true end
      local with = continued(begun(dir, name, normal, more, {known = known}), run):evaluate()
      values[draw], pixels[draw] = with.auroc, tonumber(with.pixel_auroc)
    end
    if #pixels > 0 then record["pixel_" .. k] = mean_and_deviation(pixels) end
    if #values > 0 then record["known_" .. k], record["known_" .. k .. "_sd"] = mean_and_deviation(values) end
  end
  return record
end

-- At most so many defects, drawn by the seed in whole groups of pictures that are nearly the same (one part from which
-- several were taken): paths as keys; and their number.
local function drawn(dir, normal, defects, seed, wanted)
  local set = agad.data.load(dir, {normal = normal, size = THUMBNAIL})
  local paths, groups, grouped = table.move(set.train.paths, 1, #set.train.paths, 1, {}), {}, {}
  if set.test then table.move(set.test.paths, 1, #set.test.paths, #paths + 1, paths) end
  for i, path in ipairs(paths) do paths[i] = path:sub(#dir + 2) end
  local is_defect = {}
  for _, path in ipairs(defects) do is_defect[path] = true end
  for _, rows in ipairs(alike.groups(set)) do
    local group = {}
    for _, row in ipairs(rows) do
      local path = paths[row + 1]
      grouped[path] = true
      if is_defect[path] then group[#group + 1] = path end
    end
    if #group > 0 then groups[#groups + 1] = group end
  end
  for _, path in ipairs(defects) do
    if not grouped[path] then groups[#groups + 1] = {path} end
  end
  local taken, n = {}, 0
  for _, group in ipairs(random.shuffle(groups, random.generator(seed, WRONG_STREAM))) do
    if n + #group <= wanted then
      for _, path in ipairs(group) do taken[path] = true end
      n = n + #group
    end
  end
  return taken, n
end

--- Trains without known defects on normals of which some are defects that were labelled wrong, and on the others alone;
-- both are tested on what then remains.
-- @param dir string the set's folder
-- @param name string
-- @param normal string its normal class
-- @param given table seed, steps, and other options
-- @param share number of all normals of the training side that are defects
-- @return table a record: set, seed, steps, normals, wrong (how many are defects), listed (how many of these are among
--   the most suspicious normals), clean and mislabelled (AUROC), parts (name, clean, mislabelled), config, processor
function own_pictures.mislabelled(dir, name, normal, given, share)
  local _, defects, normals = begun(dir, name, normal, given, {})
  local wrong, n = drawn(dir, normal, defects, given.seed, math.floor(normals * share / (1 - share) + .5))
  local results, run = {}, nil
  for i, mislabelled in ipairs {false, true} do
    run = begun(dir, name, normal, given, {wrong = wrong, mislabelled = mislabelled}):fit()
    results[i] = run:evaluate()
  end
  local clean, with, listed, parts = results[1], results[2], 0, {}
  for _, picture in ipairs(with.suspects) do
    if wrong[picture.path:sub(#dir + 2)] then listed = listed + 1 end
  end
  for i, part in ipairs(clean.parts) do
    parts[i] = {name = part.name, clean = part.auroc, mislabelled = with.parts[i].auroc}
  end
  return {set = name, seed = given.seed, steps = run.steps, normals = normals + n, wrong = n, listed = listed,
    clean = clean.auroc, mislabelled = with.auroc, parts = parts, config = with.config, versions = with.versions,
    processor = evaluate.provenance(agad).processor}
end

return own_pictures
