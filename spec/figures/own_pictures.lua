-- People's own pictures: the method agad_local on a set of $AGAD_DATA, with no, 10 and 40 known defects.
--     build/agad spec/figures/own_pictures.lua SET [SEED [STEPS]]
-- SET is magnetic-tile, solar-cells, road-crack or malaria. 70 % of the normals of sets without a split train. Known
-- defects change the phase `fit` alone, so that one training serves every draw of them: k defects, drawn by the seed
-- from the test side, which they leave; three draws each. Prints one row of JSON.

local agad = require "agad"
local auto = require "agad.train.auto"
local core = agad.core
local evaluate = require "agad.evaluate"
local lfs = require "lfs"
local random = require "agad.base.random"
local scorer = require "agad.evaluate.scorer"
local tasks = require "agad.task"

local name, seed, steps = arg[1], tonumber(arg[2] or 1), tonumber(arg[3] or 10000)
local normals = {["magnetic-tile"] = "MT_Free", ["solar-cells"] = "good", ["road-crack"] = "good", malaria = "good"}
local normal = normals[name]
if not normal then error("give a set: magnetic-tile, solar-cells, road-crack or malaria", 0) end
local dir = os.getenv "AGAD_DATA" .. "/" .. name

local TRAIN, DRAWS = .7, 3

-- Writes path,label,split,mask for the folder's pictures, and returns the file.
local function manifest()
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

local path = manifest()
local given = {seed = seed, steps = steps}
local picks = auto.new(given, path)
local set = agad.data.load(path, {outside = true, normal = normal, choose = picks.choose})
os.remove(path)
os.remove((path:match "^(.*)/"))
local task = agad.task.new(set, picks:task(set, {normal = normal, task_seed = seed}))
local run = agad.trainer(task, given)
local began = core.clock()
run:fit()
local seconds = core.clock() - began

-- The test side without some rows, and its scores by the run's current constants.
local function auroc_without(rows)
  local left, kept, labels = {}, {}, {}
  for _, row in ipairs(rows) do left[row] = true end
  for row = 0, #task.test.anomalous - 1 do
    if not left[row] then
      kept[#kept + 1] = row
      labels[#labels + 1] = task.test.anomalous[row + 1]
    end
  end
  run.scorer_program, run.source = nil, nil
  local net = scorer.net(run:scorer(), run:tensors(false), false, {dtype = run.dtype, device = run.device})
  local scores = scorer.score(net, tasks.pictures(task.test, kept), {input = run.method.input, batch = 32})
  return core.metrics.auroc(scores, labels)
end

local function mean_and_deviation(values)
  local mean, squares = 0, 0
  for _, v in ipairs(values) do mean = mean + v / #values end
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 / #values end
  return mean, math.sqrt(squares)
end

local row = {set = name, seed = seed, steps = run.steps, seconds = seconds, none = auroc_without {},
  normals = #task.normals, held_out = #task.held_out, processor = evaluate.provenance(agad).processor}
local result = run:evaluate()
row.pixel_auroc, row.shortcut = result.pixel_auroc, result.shortcut
row.baselines, row.parts = result.baselines, result.parts
local anomalies = {}
for i, anomalous in ipairs(task.test.anomalous) do if anomalous == 1 then anomalies[#anomalies + 1] = i - 1 end end
local state = run.state
for _, k in ipairs {10, 40} do
  local values = {}
  for draw = 1, k < #anomalies * .6 and DRAWS or 0 do
    local drawn = random.shuffle(table.move(anomalies, 1, #anomalies, 1, {}), random.generator(seed, 100 + draw))
    local known = table.move(drawn, 1, k, 1, {})
    local pictures = tasks.pictures(task.test, known)
    local with = setmetatable({}, getmetatable(state))    -- the same state, but with these known defects
    for key, value in pairs(state) do rawset(with, key, value) end
    rawset(with, "pictures", function(_, which)
      if which == "anomalies" then return pictures end
      return state:pictures(which)
    end)
    agad.no_grad(function() run.method.phases[#run.method.phases].start(with) end)
    values[draw] = auroc_without(known)
  end
  if #values > 0 then row["known_" .. k], row["known_" .. k .. "_sd"] = mean_and_deviation(values) end
end
print(core.json_encode(row))
