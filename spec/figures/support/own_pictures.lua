-- One training of agad_local on a set of $AGAD_DATA, and its AUROC with no, 10 and 40 known defects. 70 % of the
-- normals of sets without a split train. Known defects change the phase `fit` alone, so that one training serves every
-- draw of them: k defects, drawn by the seed from the test side, which they leave.

local agad = require "agad"
local auto = require "agad.train.auto"
local core = agad.core
local evaluate = require "agad.evaluate"
local lfs = require "lfs"
local random = require "agad.base.random"
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"

local TRAIN, DRAWS, KNOWN = .7, 3, {10, 40}

-- Writes path,label,split,mask for a folder's pictures, and returns the file.
local function manifest(dir, name, normal, seed)
  local paths, lines = core.data.list(dir), {"path,label,split,mask"}
  local unsplit, have_split = {}, false
  for _, path in ipairs(paths) do have_split = have_split or path:find "^train/" ~= nil end
  for _, path in ipairs(paths) do
    local split, class = path:match "^(%a+)/([^/]+)/"
    if have_split and (split == "train" or split == "test") then
      local mask = dir .. "/ground_truth/" .. class .. "/" .. path:match "([^/]+)%.%w+$" .. "_mask.png"
      local file = class ~= normal and io.open(mask)
      if file then file:close() end
      lines[#lines + 1] = ("%s/%s,%s,%s,%s"):format(dir, path, class, split, file and mask or "")
    elseif not have_split and path:find("^" .. normal .. "/") then unsplit[#unsplit + 1] = path
    elseif not have_split then lines[#lines + 1] = ("%s/%s,%s,test,"):format(dir, path, path:match "^[^/]+") end
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
  return to
end

-- A run on the set, trained.
local function trained(dir, name, normal, given)
  local path = manifest(dir, name, normal, given.seed)
  local picks = auto.new(given, path)
  local set = agad.data.load(path, {outside = true, normal = normal, choose = picks.choose})
  os.remove(path)
  os.remove((path:match "^(.*)/"))
  local task = agad.task.new(set, picks:task(set, {normal = normal, task_seed = given.seed}))
  return agad.trainer(task, given):fit()
end

-- The AUROC of the test side without some rows, by what the run keeps now.
local function auroc_without(run, rows)
  local test, left, kept, labels = run.task.test, {}, {}, {}
  for _, row in ipairs(rows) do left[row] = true end
  for row = 0, #test.anomalous - 1 do
    if not left[row] then
      kept[#kept + 1] = row
      labels[#labels + 1] = test.anomalous[row + 1]
    end
  end
  run.scorer_program, run.source = nil, nil
  local net = scorer.net(run:scorer(), run:tensors(false), false, {dtype = run.dtype, device = run.device})
  local how = {input = run.method.input, batch = run.config.eval_batch}
  return core.metrics.auroc(scorer.score(net, tasks.pictures(test, kept), how), labels)
end

-- Fits the run's scores anew, with these test pictures as known defects.
local function fit_with(run, known)
  local pictures, state = tasks.pictures(run.task.test, known), run.state
  local with = setmetatable({}, getmetatable(state))
  for key, value in pairs(state) do rawset(with, key, value) end
  rawset(with, "pictures", function(_, which)
    if which == "anomalies" then return pictures end
    return state:pictures(which)
  end)
  agad.no_grad(function() run.method.phases[#run.method.phases].start(with) end)
end

local function mean_and_deviation(values)
  local mean, squares = 0, 0
  for _, v in ipairs(values) do mean = mean + v / #values end
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 / #values end
  return mean, math.sqrt(squares)
end

--- Trains and measures.
-- @param dir string the set's folder
-- @param name string
-- @param normal string its normal class
-- @param given table seed, steps, and other options
-- @return table a record: set, seed, steps, seconds, none, known_10 and known_40 (mean AUROC over three draws) with
--   known_10_sd and known_40_sd, pixel_auroc, baselines, parts, processor
return function(dir, name, normal, given)
  local run = trained(dir, name, normal, given)
  local result, test = run:evaluate(), run.task.test
  local record = {set = name, seed = given.seed, steps = run.steps, seconds = run.train_seconds, none = result.auroc,
    normals = #run.task.normals, held_out = #run.task.held_out, pixel_auroc = result.pixel_auroc,
    baselines = result.baselines, parts = result.parts, shortcut = result.shortcut, config = result.config,
    versions = result.versions, processor = evaluate.provenance(agad).processor}
  local anomalies = {}
  for i, anomalous in ipairs(test.anomalous) do if anomalous == 1 then anomalies[#anomalies + 1] = i - 1 end end
  for _, k in ipairs(KNOWN) do
    local values = {}
    for draw = 1, k < #anomalies * .6 and DRAWS or 0 do
      local draws = random.generator(given.seed, 100 + draw)
      local drawn = random.shuffle(table.move(anomalies, 1, #anomalies, 1, {}), draws)
      local known = table.move(drawn, 1, k, 1, {})
      fit_with(run, known)
      values[draw] = auroc_without(run, known)
    end
    if #values > 0 then record["known_" .. k], record["known_" .. k .. "_sd"] = mean_and_deviation(values) end
  end
  return record
end
