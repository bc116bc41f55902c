-- One training of agad_local on a set of $AGAD_DATA, and its AUROC with no, 10 and 40 known defects. 70 % of the
-- normals of sets without a split train. The pictures of known defects change what follows the phase `train` alone, so
-- that one training serves every draw of them: k defects, drawn by the seed from the test side, become known ones of
-- the training side (without their masks); defects that a set has there are left out.

local agad = require "agad"
local auto = require "agad.train.auto"
local core = agad.core
local evaluate = require "agad.evaluate"
local lfs = require "lfs"
local phase = require "agad.train.phase"
local random = require "agad.base.random"

local TRAIN, DRAWS, KNOWN, TEXTURE_HELD_OUT = .7, 3, {10, 40}, 150

-- Writes path,label,split,mask for a folder's pictures. `known`: a set of the paths of those that leave the test side.
-- Returns the file, and the paths of the defects of the test side.
local function manifest(dir, name, normal, seed, known)
  local paths, lines, defects = core.data.list(dir), {"path,label,split,mask"}, {}
  local unsplit, have_split = {}, false
  for _, path in ipairs(paths) do have_split = have_split or path:find "^train/" ~= nil end
  for _, path in ipairs(paths) do
    local split, class = path:match "^(%a+)/([^/]+)/"
    if have_split and (split == "test" or split == "train" and class == normal) then
      if class ~= normal then defects[#defects + 1] = path end
      local mask = dir .. "/ground_truth/" .. class .. "/" .. path:match "([^/]+)%.%w+$" .. "_mask.png"
      local file = class ~= normal and io.open(mask)
      if file then file:close() end
      lines[#lines + 1] = ("%s/%s,%s,%s,%s"):format(dir, path, class, known[path] and "train" or split,
        file and not known[path] and mask or "")
    elseif not have_split and path:find("^" .. normal .. "/") then unsplit[#unsplit + 1] = path
    elseif not have_split then
      defects[#defects + 1] = path
      lines[#lines + 1] = ("%s/%s,%s,%s,"):format(dir, path, path:match "^[^/]+", known[path] and "train" or "test")
    end
  end
  random.shuffle(unsplit, random.generator(seed))
  for i, path in ipairs(unsplit) do
    lines[#lines + 1] = ("%s/%s,%s,%s,"):format(dir, path, normal, i <= TRAIN * #unsplit and "train" or "test")
  end
  local folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
  local to = ("%s/%s-%d.csv"):format(folder, name, seed)
  local file = assert(io.open(to, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
  return to, defects
end

-- A run on the set at its beginning, and the paths of the defects of its test side.
local function begun(dir, name, normal, given, known)
  local path, defects = manifest(dir, name, normal, given.seed, known)
  local picks = auto.new(given, path)
  local set = agad.data.load(path, {outside = true, normal = normal, choose = picks.choose})
  os.remove(path)
  os.remove((path:match "^(.*)/"))
  local task = agad.task.new(set, picks:task(set, {normal = normal, task_seed = given.seed}))
  return agad.trainer(task, given), defects
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
      local with = continued(begun(dir, name, normal, more, known), run):evaluate()
      values[draw], pixels[draw] = with.auroc, tonumber(with.pixel_auroc)
    end
    if #pixels > 0 then record["pixel_" .. k] = mean_and_deviation(pixels) end
    if #values > 0 then record["known_" .. k], record["known_" .. k .. "_sd"] = mean_and_deviation(values) end
  end
  return record
end

return own_pictures
