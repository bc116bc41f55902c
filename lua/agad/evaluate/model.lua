--- Saved models: they give scores, error maps and reconstructions of pictures, and can be evaluated on a task.

local agad = require "agad"
local check = require("agad.base.options").check
local columns = require "agad.evaluate.columns"
local core = require "agad.core"
local expect = require "agad.base.expect"
local evaluate = require "agad.evaluate"
local option = require("agad.base.options").option
local options = require "agad.base.configuration"
local report = require "agad.evaluate.report"
local scorer = require "agad.evaluate.scorer"

local model = {}
model.__index = model
model.__name = "agad.model"

local models = {}

local MOST, NUMBERS = 32, 1 << 17                 -- in a batch of files: pictures, and numbers in them
local EACH = 4                                    -- pictures for each thread, where it scores them one by one

local of_open = {false_alarms = options.shared "false_alarms"}

-- The threshold that this share of the held-out normals is above.
local function threshold_at(path, info, rate)
  if rate == nil then return info.threshold end
  rate = check("model.open", {false_alarms = rate}, of_open).false_alarms
  if not info.held_out_scores then
    error(("false_alarms: %s stores no scores of held-out normals; train it with holdout above 0"):format(path), 0)
  end
  return core.metrics.quantile(info.held_out_scores, 1 - rate)
end

--- @name agad.model.open(path, o)
-- Opens a model file.
-- @param path string
-- @param o table false_alarms: the threshold is the score that this share of the held-out normals is above (default: as
--   it was trained)
-- @return model config, info (shape, threshold, method, set …), threshold, has_map (whether it gives error maps)
-- @raise there is no such file, or it is not a safetensors file, not a model, damaged, or of another format;
--   false_alarms is given, but no normals were held out
-- @example model = agad.model.open "digit8.safetensors"; print(model:score {"new.png"}[1].score)
function models.open(path, o)
  expect.be("model.open", path, "string", "the path of a model's file")
  local handle = core.model_open(path)
  local info = core.json_decode(handle:about())
  for key, value in pairs(info) do if value == core.null then info[key] = nil end end
  local net = agad.nn.net(info.program):info()
  info.score_params, info.macs, info.layers, info.program = net.params, net.macs, net.layers, nil
  local has_map = false
  for _, output in ipairs(net.outputs) do has_map = has_map or output == "map" end
  return setmetatable({handle = handle, path = path, info = info, config = info.config, shape = info.shape,
    threshold = threshold_at(path, info, o and o.false_alarms), has_map = has_map}, model)
end

function model:__tostring() return ("agad.model.open(%q)"):format(self.path) end

-- What the REPL prints under the call.
function model:__describe()
  local info, c = self.info, self.config
  local lines = {
    ("method %s, net %s, score %s%s"):format(info.method, c.net or "-", info.score or "-",
      self.has_map and ", with error maps" or ""),
    ("pictures: %s (channels x height x width)"):format(table.concat(self.shape, " x ")),
    ("%d parameters for the score, %d MACs"):format(info.score_params, info.macs),
  }
  if type(c.data) == "string" then
    lines[#lines + 1] = ("trained on %s, %d steps"):format(c.data, math.tointeger(info.steps) or 0)
  end
  if self.threshold then lines[#lines + 1] = ("threshold: %.6g"):format(self.threshold) end
  return lines
end

-- How pictures are read for the model.
local function form(self)
  local c, h, w = table.unpack(self.shape)
  return {height = h, width = w, channels = c, fit = self.config.fit, filter = self.config.filter,
    fast_decode = self.config.fast_decode}
end

--- Reads a picture like those that the model was trained on.
-- @param path string a PNG or JPEG file
-- @return tensor uint8 (1, channels, height, width), which `score`, `map` and `reconstruct` take
-- @raise it cannot be read, with its name and the reason
function model:picture(path)
  return (core.data.read(path, form(self)):unsqueeze(1))
end

-- Refuses a set of pictures of another size.
function model:check_set(set)
  if set.channels ~= self.shape[1] or set.height ~= self.shape[2] or set.width ~= self.shape[3] then
    error(("%s takes %d x %d x %d pictures (channels, height, width), but %s has %d x %d x %d"):format(self.path,
      self.shape[1], self.shape[2], self.shape[3], set.name, set.channels, set.height, set.width), 0)
  end
end

local function verdict(self, score)
  return {score = score, threshold = self.threshold or core.null,
    anomalous = self.threshold and score > self.threshold or not self.threshold and core.null}
end

local function form_text(height, width, channels)
  return ("%s x %s%s"):format(width, height, channels == 1 and ", grey" or channels == 3 and ", in colour" or "")
end

--- How a picture file differs from those that the model was trained on, in words; nil if it does not.
-- @param file table height, width, channels, as `model:rows` gives it
-- @return string
function model:foreign(file)
  local c, h, w = table.unpack(self.shape)
  local own = self.info.set and self.info.set.files or {height = {h, h}, width = {w, w}, channels = c}
  local function outside(range, v) return v < range[1] or v > range[2] end
  if not outside(own.height, file.height) and not outside(own.width, file.width) and
     (not own.channels or own.channels == core.null or own.channels == file.channels) then return nil end
  local function span(range) return range[1] == range[2] and range[1] or ("%d-%d"):format(range[1], range[2]) end
  local channels = own.channels ~= core.null and own.channels or nil
  return ("it is %s, and the training pictures were %s"):format(form_text(file.height, file.width, file.channels),
    form_text(span(own.height), span(own.width), channels))
end

-- Rows of what a reader gives, the pictures among it scored as one batch: a list of {row, picture, file}.
local function scored(self, items, files, paths, refuse)
  local rows, pictures = {}, {}
  for i, item in ipairs(items) do
    local foreign = refuse and files[i] and self:foreign(files[i])
    if type(item) == "string" then rows[i] = {{error = item}}
    elseif foreign then rows[i] = {{error = ("%s: %s (foreign = refuse)"):format(paths[i], foreign)}}
    else
      rows[i] = {false, item:unsqueeze(1), files[i]}
      pictures[#pictures + 1] = rows[i][2]
    end
  end
  local scores, used = #pictures > 0 and self.handle:run(agad.cat(pictures, 1)):totable(), 0
  for _, row in ipairs(rows) do
    if row[2] then
      used = used + 1
      row[1] = verdict(self, scores[used])
    end
  end
  return rows
end

-- How many pictures are scored together.
local function at_once(self)
  local c, h, w = table.unpack(self.shape)
  local alike, threads = self.handle:alike()
  if not alike then return 1 end
  return math.max(1, math.min(MOST, threads and EACH * threads or NUMBERS // (c * h * w)))
end

local of_rows = {foreign = options.shared "foreign"}

--- Scores picture files in order, as in `for row, picture in model:rows(paths) do`. Files are decoded ahead on other
-- threads, and those that lie ready are scored together, so that no row waits for a file after its own. Where the score
-- of a picture could differ by what is scored with it, even by rounding, each is scored for itself, several at a time.
-- @param paths list of paths of PNG, JPEG and BMP files
-- @param o table foreign ("convert"; "refuse": a picture unlike those of the training is an error)
-- @return iterator: a row as `model:score` gives, the picture as `model:picture` gives it, and the height, width and
--   channels of the file; {error = reason} and nil for a file that cannot be read or is refused
-- @raise there is no memory to decode a file
-- @example for row in model:rows {"new.png"} do print(row.score) end
function model:rows(paths, o)
  local refuse, most = check("model:rows", o, of_rows).foreign == "refuse", at_once(self)
  local reader, waiting, at, done = core.data.reader(paths, form(self)), {}, 0, 0
  return function()
    if at == #waiting then
      local items, files = reader:next(most)
      if not items then return nil end
      waiting, at = scored(self, items, files, table.move(paths, done + 1, done + #items, 1, {}), refuse), 0
      done = done + #items
    end
    at = at + 1
    return table.unpack(waiting[at], 1, 3)
  end, nil, nil, reader
end

local of_scores = {strict = option {default = true}}

--- Scores pictures: larger is more anomalous.
-- @param what table|tensor a list of paths of PNG, JPEG and BMP files, or a uint8 tensor (n, channels, height, width)
-- @param o table strict (true): false gives {error = reason} in place of the row of a file that cannot be read
-- @return list of {score, threshold, anomalous (the score is above the threshold)}; the last two are null if the model
--   has no threshold
-- @raise a file cannot be read, with its name and the reason; there is no memory to decode it
-- @example model:score({"new.png"})[1].anomalous
function model:score(what, o)
  local strict, rows = check("model:score", o, of_scores).strict, {}
  if type(what) ~= "table" then
    for i, score in ipairs(self.handle:run(what):totable()) do rows[i] = verdict(self, score) end
    return rows
  end
  for row in self:rows(what) do
    if strict and row.error then error(row.error, 0) end
    rows[#rows + 1] = row
  end
  return rows
end

--- The error map of a picture as a grey picture: brighter is worse, and 255 is the largest possible error.
-- @param what string|tensor a path, or what `model:picture` gives
-- @return tensor uint8 (height, width)
-- @raise the file cannot be read; the model has no error maps
-- @example agad.plot {y = model:map "new.png", kind = "heat"}
function model:map(what)
  local map = self.handle:run(type(what) == "string" and self:picture(what) or what, "map")
  local range = self.info.input[2] - self.info.input[1]
  return (map:squeeze(1) * (255 / range)):clamp(0, 255):round():to("uint8")
end

--- The model's reconstructions of pictures.
-- @param pictures tensor uint8 (n, channels, height, width)
-- @return tensor uint8 of the same shape
-- @example made = model:reconstruct(set.test.images[{{1, 8}}])
function model:reconstruct(pictures)
  local low, high = table.unpack(self.info.input)
  local x = self.handle:run(pictures, "reconstruction")
  return ((x - low) * (255 / (high - low))):clamp(0, 255):round():to("uint8")
end

local test_scores = {__name = "agad.scores"}

function test_scores.__tostring(s) return ("scores of %d pictures"):format(#s.labels) end

function test_scores.__describe(s)
  local counts = {[0] = 0, 0}
  for _, label in ipairs(s.labels) do counts[label] = counts[label] + 1 end
  local lines = {("%d normals, %d anomalies, AUROC %.4f"):format(counts[0], counts[1],
    core.metrics.auroc(s.scores, s.labels))}
  if s.threshold then lines[2] = ("threshold: %.6g"):format(s.threshold) end
  lines[#lines + 1] = "scores, labels, classes, all_classes, normal, config"
  return lines
end

--- Scores the test pictures of a task, for `agad.plot.scores`, `agad.plot.classes` and `agad.plot.roc`.
-- @param task task
-- @return table scores (tensor), labels (list of 0 and 1), classes (the class of each picture), threshold (nil: none),
--   all_classes (of the set), normal (the normal classes, as keys), config
-- @raise there are no test pictures; they are not of the model's size
-- @example scores = model:scores(task); agad.metrics.auroc(scores.scores, scores.labels)
function model:scores(task)
  self:check_set(task.set)
  if not task.test or #task.test.anomalous == 0 then
    error(("%s: there are no test pictures"):format(task.set.name), 0)
  end
  local test, names, classes, normal = task.test, task.set.classes, {}, {}
  for i, label in ipairs(test.labels:totable()) do classes[i] = names[label + 1] end
  for _, label in ipairs(task.normal_labels) do normal[names[label + 1]] = true end
  local labels = table.move(test.anomalous, 1, #test.anomalous, 1, {})
  return setmetatable({scores = self.handle:run(test.images), labels = labels, classes = classes,
    threshold = self.threshold, all_classes = names, normal = normal, config = self.config}, test_scores)
end

-- Scoring nets: that of the file (averaged weights with its statistics; or raw weights if nothing was averaged), and
-- that of a run directory (raw weights, running statistics). If best_val chose an epoch, only `own` uses the file's.
local function sources(self, dir)
  local program = core.json_decode(self.handle:about()).program
  local stored = core.load(self.path)
  local file, raw = scorer.net(program, stored, false), nil
  if dir then
    local weights = core.load(dir .. "/state.safetensors")
    for name, t in pairs(stored) do if name:find "^keep%." then weights[name] = t end end
    raw = scorer.net(program, weights, false)
  end
  local selected, ema, statistics = self.info.selected, self.config.ema, self.info.statistics or "recalibrated"
  local counts, computed = self.info.counts or {}, columns.computed
  local function own(weights, bn)
    if statistics == "running" and ema == 0 then return file end
    if computed[bn] and computed[statistics] and bn ~= statistics and counts.anomalies ~= 0 then
      return nil, ("the model file holds the statistics of bn_eval = %s, not those of %s"):format(statistics, bn)
    end
    if bn ~= "running" and (weights == "average" or ema == 0 and bn == "batch") then return file end
    return nil, "raw weights and running statistics are in the run directory, not in the model file; give --run DIR"
  end
  local function net(weights, bn)
    if statistics == "running" and bn == "batch" then return nil, columns.RUNNING_ONLY end
    if weights == "raw" and not computed[bn] and raw then return raw end
    if selected and weights == "average" then
      return nil, ("the model file holds the weights of epoch %d (selection = best_val), not the last ones"):format(
        selected.epoch)
    end
    return own(weights, bn)
  end
  local source = {net = net, input = self.info.input, threshold = self.threshold, padded = self.config.deterministic,
    parts = self.info.parts, stored = computed[statistics] and statistics or columns.statistics(self.config)}
  if selected then source.own = setmetatable({net = own}, {__index = source}) end
  return source
end

--- Evaluates on a task: the columns that can be computed from the model file and, if given, the run directory.
-- @param task task
-- @param o table run (a run directory), config (options of evaluation other than the model's), on_event, curves
-- @return table a result row; printing it shows its columns
-- @example model:evaluate(task).auroc
function model:evaluate(task, o)
  o = o or {}
  local began = core.clock()
  self:check_set(task.set)
  local config = options.merge(options.merge({}, self.config), o.config or {})
  local source = sources(self, o.run)
  if config.bn_eval == "auto" then config.bn_eval = source.stored end
  if config.selection ~= "best_val" then source.own = nil end
  local row = evaluate.row(source, task, config, {on_event = o.on_event, curves = o.curves})
  options.merge(row, evaluate.provenance(agad))
  row.method, row.config, row.hash = self.info.method, config, options.hash(config)
  row.params, row.epochs, row.seed, row.preset = self.info.params, self.info.epochs, config.seed, config.preset
  row.steps, row.minutes, row.collapses = self.info.steps, core.null, core.null
  row.selected = source.own and self.info.selected or core.null
  row.device, row.precision = "cpu", "fp32"
  row.images_per_second, row.train_seconds = core.null, core.null
  table.insert(row.notes, "images_per_second, train_seconds: not known for a saved model")
  row.seconds = core.clock() - began
  return setmetatable(row, {__tostring = report.text})
end

return models
