-- What models make of pictures: grids of reconstructions.

local check = require("agad.base.options").check
local option = require("agad.base.options").option
local pictures = require "agad.evaluate.plot.pictures"
local random = require "agad.base.random"
local tasks = require "agad.task"
local titles_of = require("agad.evaluate.plot.titles").of

local plot = {}

local kinds = {{1, "anomalies"}, {0, "normals"}}

local function fail(form, ...) error("plot.reconstructions: " .. form:format(...), 0) end

-- Some rows of the test split, from 0, of anomalous or of normal pictures, by seed.
local function chosen(test, anomalous, count, seed)
  local rows = {}
  for i, label in ipairs(test.anomalous) do if label == anomalous then rows[#rows + 1] = i - 1 end end
  random.shuffle(rows, random.generator(seed, anomalous))
  return table.move(rows, 1, math.min(count, #rows), 1, {})
end

local function line_of(images)
  local line = {}
  for i = 1, images:size(1) do line[i] = {images:select(1, i)} end
  return line
end

local of_options = {count = option {default = 8, min = 1, max = 100}, seed = option {default = 1, min = 0},
  titles = option {kind = "list", of = "string"}, title = option {}, side = option {default = 64, min = 8, max = 1024}}

--- Draws test pictures and what models make of them (paper, Figures 2 and 3): a row of anomalies and a row of normals,
-- then the same two rows for every model.
-- @param models list of models (`agad.model.open`) that reconstruct pictures; or one of them
-- @param task task whose test pictures are shown
-- @param path string the file to write (.png, .svg, .pdf); "-" or nil: terminal or notebook; an ending alone: bytes
-- @param o table count (8: pictures of each kind), seed (1: of their choice), titles (of the models; default: what
--   tells them apart), title, side (64: the approximate side of each picture)
-- @return string the bytes of the picture, with an ending alone; else nil
-- @raise there are no test pictures; a model takes pictures of another size, or does not reconstruct them; as
--   `agad.plot.grid`
-- @example agad.plot.reconstructions({model}, task, "grid.png", {count = 4})
function plot.reconstructions(models, task, path, o)
  o = check("plot.reconstructions", o, of_options)
  if type(models) == "table" and models.reconstruct then models = {models} end
  if type(models) ~= "table" or #models == 0 then fail "give a model, or a list of models" end
  if not task.test or #task.test.anomalous == 0 then fail "the task has no test pictures" end
  local about = {}
  for i, model in ipairs(models) do
    if type(model) ~= "table" or not model.reconstruct then fail("model %d is not a model (agad.model.open)", i) end
    model:check_set(task.set)
    about[i] = {config = model.config}
  end
  local titles, inputs, rows, names = o.titles or titles_of(about), {}, {}, {}
  local function add(images, title, kind)
    rows[#rows + 1], names[#names + 1] = line_of(images), ("%s: %s"):format(title, kind)
  end
  for _, kind in ipairs(kinds) do
    local list = chosen(task.test, kind[1], o.count, o.seed)
    if #list > 0 then
      inputs[#inputs + 1] = {tasks.pictures(task.test, list), kind[2]}
      add(inputs[#inputs][1], "input", kind[2])
    end
  end
  for i, model in ipairs(models) do
    for _, input in ipairs(inputs) do
      add(model:reconstruct(input[1]), titles[i] or tostring(i), input[2])
    end
  end
  return pictures.grid(rows, path, {titles = names, title = o.title, side = o.side})
end

require("agad.base.options").takes(plot.reconstructions, 4, of_options)

return plot
