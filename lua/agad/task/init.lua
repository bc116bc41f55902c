--- Tasks: which pictures are normal, which anomalies are known, which normals are held out, what is tested.
-- A task has `train` and `test` (splits, as a set has; test.anomalous is 0 or 1 for each picture), and lists of rows of
-- train, from 0: `normals`, `held_out`, `anomalies` (those known at the largest gamma) and `pool`. `pool` has all
-- anomalies that may be known, in a seeded order; `anomalies` are the first of these, so that a larger gamma only adds
-- some. Other fields: `counts`, `notes`, `options`, `normal_labels` (from 0), and `call`, the text that it prints as.

local alike = require "agad.task.alike"
local classes = require "agad.task.classes"
local core = require "agad.core"
local expect = require "agad.base.expect"
local printable = require("agad.base.text").printable
local wrap = require("agad.base.text").wrap
local manifest = require "agad.task.manifest"
local options = require "agad.base.configuration"
local random = require "agad.base.random"
local schedule = require "agad.task.schedule"
local split = require "agad.task.split"
local format = require("agad.base.text").format
local takes = require("agad.base.options").takes

local task = {}

local FILES = 20                                  -- that are looked at for colour

local methods = {}
local task_type = {__name = "agad.task", __index = methods}
function task_type.__tostring(t) return t.call end

-- What the REPL prints under the call.
function task_type.__describe(t)
  local c = t.counts
  local lines = {
    ("train: %d normals, %d known anomalies; held out: %d normals"):format(c.normals, c.anomalies, c.held_out),
    ("test: %d normals, %d anomalies"):format(c.test_normals, c.test_anomalies),
  }
  for _, note in ipairs(t.notes or {}) do lines[#lines + 1] = "note: " .. note end
  return lines
end

local function fail(form, ...) error(format(form, ...), 0) end

-- Options -----------------------------------------------------------------------------------------

-- How the pictures of a set were resized, so that a model trained on them reads others in the same way.
local function take_form(o, set)
  for _, name in ipairs {"fit", "filter", "fast_decode"} do
    local own = set.options and set.options[name]
    if own ~= nil and o[name] ~= nil and tostring(o[name]) ~= tostring(own) then
      fail("%s = %s: the pictures of %s were read with %s; give this option to the data set instead", name,
        o[name], set.name, own)
    end
    if own ~= nil then o[name] = own end
  end
end

-- A set is a table with a part to train on, wherever it comes from.
local function expect_set(where, set)
  if type(set) ~= "table" or not set.train then
    expect.be(where, set, "agad.set", "a set of pictures (agad.data.load)")
  end
end

-- The typed options of the task's group; options of the trainer are refused, except for its seed.
local function checked(set, given, protocol)
  local where = "task." .. (protocol or "new")
  expect_set(where, set)
  if given ~= nil then expect.be(where, given, "table", "options as a table") end
  local o = options.merge({}, given or {})
  o.protocol = o.protocol or protocol
  if protocol and o.protocol ~= protocol then
    fail("agad.task.%s: protocol = %s; use agad.task.new for other protocols", protocol, o.protocol)
  end
  if o.normal == nil and o.protocol ~= "leave_one_out" and o.anomaly == nil then o.normal = set.normal end
  if o.holdout == nil then o.holdout = set.holdout or 0.0 end
  take_form(o, set)
  local config = options.resolve({name = "task", options = {}}, o)
  local typed = options.select(config, "task")
  for name in pairs(o) do
    if typed[name] == nil and config[name] ~= nil and name ~= "seed" then
      fail("%s is not an option of a task; give it to the trainer", name)
    end
  end
  return typed
end

-- a = round(gamma * n / (1 - gamma)), limited to the anomalies available; and the number before that limit.
local function known_anomalies(gamma, n, pool)
  if gamma == "all" then return pool, pool end
  if not (gamma >= 0 and gamma < 1) then fail("gamma = %g: it must be at least 0 and below 1", gamma) end
  local wanted = math.floor(gamma * n / (1 - gamma) + .5)
  return math.min(wanted, pool), wanted
end

-- The constructor call as text: normal or anomaly, gamma and seed, and other options that differ from their defaults.
local function call_text(set, o)
  local function show(v)
    if type(v) ~= "table" then return math.type(v) and format("%.14g", v) or ("%q"):format(v) end
    local parts = {}
    for i, x in ipairs(v) do parts[i] = ("%q"):format(x) end
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  local function class(v) return type(v) == "number" and ("%q"):format(tostring(v)) or show(v) end
  local parts = {}
  local function add(name, text) parts[#parts + 1] = name .. " = " .. text end
  if o.protocol == "leave_one_out" then add("anomaly", class(o.anomaly)) else add("normal", class(o.normal)) end
  add("gamma", schedule.text(o.gamma))
  if o.anom_classes ~= "all" then add("anom_classes", show(o.anom_classes)) end
  if o.holdout ~= (set.holdout or 0.0) then add("holdout", show(o.holdout)) end
  if o.limit then add("limit", show(o.limit)) end
  if o.test_limit then add("test_limit", show(o.test_limit)) end
  if o.test_set ~= "official" then add("test_set", show(o.test_set)) end
  if o.force then add("force", "true") end
  add("task_seed", show(o.task_seed))
  return ("agad.task.%s(%s, {%s})"):format(o.protocol, tostring(set), table.concat(parts, ", "))
end

-- Choosing rows -----------------------------------------------------------------------------------

local function held_out(n, share)
  if share <= 0 then return 0 end
  if share >= 1 then return math.min(n - 1, share) end
  return math.min(n - 1, math.max(math.min(20, n // 2), math.min(1000, math.floor(share * n + .5))))
end

-- The rows of train of each kind; `taken` are those that an unsplit set has given to the test side.
local function rows_by_kind(labels, normal, known, taken)
  local normals, anomalous, by_class = {}, {}, {}
  for i, label in ipairs(labels) do
    local row = i - 1
    if not taken[row] then
      if normal[label] then normals[#normals + 1] = row
      else
        anomalous[#anomalous + 1] = row
        if known[label] then
          by_class[label] = by_class[label] or {}
          table.insert(by_class[label], row)
        end
      end
    end
  end
  return normals, anomalous, by_class
end

local function check_chosen(set, o, normal_labels, normals, by_class)
  if #normals == 0 then
    local first = set.classes[normal_labels[1] + 1]
    fail("%s: class %s has no training pictures", set.name,
      #normal_labels == 1 and first or first .. " (and each other normal one)")
  end
  local largest = o.gamma == "all" and 1 or schedule.largest(o.gamma)
  if type(o.anom_classes) == "table" and largest ~= 0 then
    for _, label in ipairs((classes.labels(set, "anom_classes", o.anom_classes))) do
      if not by_class[label] then
        fail("anom_classes: class %s has no training pictures", set.classes[label + 1])
      end
    end
  end
  if o.test_set == "ganomaly" and largest ~= 0 and not o.force then
    fail("test_set = ganomaly tests on the anomalies of the train split, and gamma > 0 trains on some of them, so "
      .. "that their scores would mean nothing; give gamma = 0, or force = true")
  end
end

-- The labels and rows that define a task, which a manifest also holds.
local function choose(set, o)
  local normal_labels, names = classes.normal(set, o)
  names = classes.as_list(names)
  o[o.protocol == "leave_one_out" and "anomaly" or "normal"] = #names == 1 and names[1] or names
  local normal, draw = classes.keys(normal_labels), random.generator(o.task_seed)
  local known = classes.known(set, normal, o.anom_classes, draw)
  if type(o.anom_classes) == "table" then
    o.anom_classes = classes.as_list(select(2, classes.labels(set, "anom_classes", o.anom_classes)))
  end
  local labels = set.train.labels:totable()
  local of, same = alike.kept(set, labels, normal)
  local test_rows = set.test and {} or split.test_rows(labels, normal, o.task_seed, of)
  local normals, anomalous, by_class = rows_by_kind(labels, normal, known, classes.keys(test_rows))
  check_chosen(set, o, normal_labels, normals, by_class)
  local pool = random.interleaved(by_class, draw)
  random.shuffle(normals, draw)
  while o.limit and #normals > o.limit do normals[#normals] = nil end
  if o.test_set == "ganomaly" then
    table.move(anomalous, 1, #anomalous, #test_rows + 1, test_rows)
    table.sort(test_rows)
  end
  local aside, picked, kept = {}, {}, {}
  split.pick(normals, held_out(#normals, o.holdout), of, picked)
  for _, row in ipairs(normals) do table.insert(picked[row] and aside or kept, row) end
  return {normal_labels = normal_labels, normals = kept, held_out = aside, pool = pool, test_rows = test_rows}, same
end

-- Notes pictures that are nearly the same.
local function note_alike(set, same, notes)
  local train, test = set.train.paths, set.test and set.test.paths
  local function pair(a, b) return ("for example %s and %s"):format(printable(a), printable(b)) end
  if same.kept > 0 then
    notes[#notes + 1] = ("%d training pictures are nearly the same as others (%d groups, %s); each group stays on one "
      .. "side of the split"):format(same.kept, same.groups, pair(train[same.example[1] + 1],
      train[same.example[2] + 1]))
  end
  if same.all then
    notes[#notes + 1] = "all normals are nearly the same picture: a detector that learns it knows no other normal one, "
      .. "and figures mean little"
  elseif same.split > 0 then
    notes[#notes + 1] = ("%d training pictures are nearly the same as many others, and cannot stay on one side of "
      .. "the split"):format(same.split)
  end
  local first = same.across[1]
  if first and test then
    notes[#notes + 1] = ("%d test pictures are nearly the same as training ones, %s; figures for them mean little")
      :format(#same.across, pair(train[first[1] + 1], test[first[2] + 1]))
  end
end

-- A task out of its rows.
local function assemble(set, o, chosen)
  local notes = {table.unpack(set.notes or {})}
  local t = {set = set, train = set.train, options = o, notes = notes, call = call_text(set, o)}
  setmetatable(t, task_type)
  for name, value in pairs(chosen) do t[name] = value end
  t.normal = t.normal_labels[1]
  t.test = split.test_side(set, t.test_rows, classes.keys(t.normal_labels))
  if o.test_limit then t.test = split.with_fewer_anomalies(t.test, o.test_limit) end
  local largest = o.gamma ~= "all" and schedule.largest(o.gamma)
  local a, wanted = #t.pool, #t.pool
  if largest then a, wanted = known_anomalies(largest, #t.normals, #t.pool) end
  t.anomalies = table.move(t.pool, 1, a, 1, {})
  if wanted > a then
    local text = "gamma = %g asks for %d known anomalies, but the train split has %d; all of them are used"
    notes[#notes + 1] = format(text, largest, wanted, a)
  end
  if o.test_set == "ganomaly" and a > 0 then
    t.notes[#t.notes + 1] = ("%d of the test pictures were also trained on as known anomalies (force = true)"):format(a)
  end
  local anomalous = 0
  for _, value in ipairs(t.test.anomalous) do anomalous = anomalous + value end
  t.counts = {normals = #t.normals, held_out = #t.held_out, anomalies = a,
    test_normals = #t.test.anomalous - anomalous, test_anomalies = anomalous}
  return t
end

-- Making tasks ------------------------------------------------------------------------------------

local function make(set, given, protocol)
  local o = checked(set, given, protocol)
  local chosen, same = choose(set, o)
  local t = assemble(set, o, chosen)
  note_alike(set, same, t.notes)
  return t
end

--- A task with the protocol given in its options (default: one_vs_rest).
-- A set without a split is split at random from task_seed: 20 % of the normals and half of the anomalies of each class
-- become test pictures. A set without any anomaly is used for training only, and has no test pictures. Pictures of
-- files that are nearly the same stay on one side, also of what is held out; notes say how many they are, and how many
-- test pictures of a given split are nearly training pictures.
-- @param set set from agad.data
-- @param o table normal (a class, a superclass, or a list; default: the set's own), or anomaly with protocol =
--   "leave_one_out"; gamma (0): the share of known anomalies, a/(n+a), "all", or a schedule (`agad.schedule`);
--   anom_classes ("all", how many, or a list); holdout: the share of the normals that is held out (default: the set's,
--   or 0), but at least 20 of them (or half, if there are fewer than 40) and at most 1,000; or a whole number of them;
--   limit: train on at most this many normals; test_limit: test at most this many anomalies, the same ones for every
--   seed; test_set ("official"; "ganomaly": also tests the anomalies of the train split); force (allows "ganomaly" with
--   gamma > 0); task_seed (default: seed, or 1)
-- @return task
-- @raise unknown class or option, gamma outside [0, 1), no normals
-- @example task = agad.task.new(set, {gamma = .05}); task
function task.new(set, o) return make(set, o) end

--- One class (or several) is normal, and all others are anomalous (the paper's Tables 1 to 5).
-- @param set set from agad.data
-- @param o table as of `agad.task.new`
-- @return task
-- @example task = agad.task.one_vs_rest(set, {normal = "cloth", gamma = .05, seed = 1}); task
function task.one_vs_rest(set, o) return make(set, o, "one_vs_rest") end

--- One class is anomalous, all others are normal: anomaly = CLASS (normal is refused).
-- @param set set from agad.data
-- @param o table anomaly, and the rest as of `agad.task.new`
-- @return task
-- @example task = agad.task.leave_one_out(agad.data.weave(), {anomaly = "scratch"})
function task.leave_one_out(set, o) return make(set, o, "leave_one_out") end

local of_task = {}
for _, name in ipairs(options.names "task") do of_task[name] = options.shared(name) end
for _, f in ipairs {task.new, task.one_vs_rest, task.leave_one_out} do takes(f, 2, of_task) end

--- A task from a manifest that `task:save` wrote: the same rows in the same order.
-- @param path string
-- @param set set the one that the task was made from
-- @return task
-- @raise the manifest is damaged, or belongs to another set
-- @example task:save "task.json"; again = agad.task.load("task.json", set)
function task.load(path, set)
  expect.be("task.load", path, "string", "the path of a task's file")
  expect_set("task.load", set)
  local o, chosen = manifest.read(path, set)
  return assemble(set, o, chosen)
end

--- How many normals a task with these options holds out, in words. It is not made: no picture is copied.
-- @param set set from agad.data
-- @param o table as of `agad.task.new`
-- @return string one line; nil if none are held out
-- @raise as `agad.task.new`
function task.about_holdout(set, o)
  local chosen = choose(set, checked(set, o))
  local held = #chosen.held_out
  return held > 0 and ("training holds out %d of %d normals for the threshold"):format(held, held + #chosen.normals)
    or nil
end

--- What the training side of such a task has, before any normals are held out. The task is not made.
-- @param set set from agad.data
-- @param o table as of `agad.task.new`
-- @return table normals, known (anomalies that may be known): how many
function task.sides(set, o)
  local chosen = choose(set, checked(set, o))
  return {normals = #chosen.normals + #chosen.held_out, known = #chosen.pool}
end

--- What the files of the training pictures have: ranges of their sides, and 3 channels if one of some has colour.
-- @param t task
-- @return table height, width (each {least, most}), channels (nil if no file tells); nil if they are not files
function task.files(t)
  local origin, paths, channels = t.train.origin, t.train.paths, nil
  if not origin or not paths then return nil end
  for i = 1, math.min(#paths, FILES) do
    local path = paths[(i - 1) * #paths // math.min(#paths, FILES) + 1]
    channels = math.max(channels or 0, core.data.channels(path))
  end
  local function range(values) return {values:min():item(), values:max():item()} end
  return {height = range(origin.height), width = range(origin.width), channels = channels ~= 0 and channels or nil}
end

--- Pictures of some rows (from 0) of a split.
-- @param from table a split of a set or a task
-- @param rows list
-- @return tensor uint8
function task.pictures(from, rows)
  return from.images:index_select(1, core.from_table(rows, "int64"))
end

--- The known anomalies of a task whose masks mark something.
-- @param t task
-- @return list rows of train
function task.marked(t)
  local rows = {}
  if not t.train.masks or #t.anomalies == 0 then return rows end
  local masks = t.train.masks:index_select(1, core.from_table(t.anomalies, "int64"))
  for i, most in ipairs(masks:flatten(2):amax({2}):totable()) do
    if most > 0 then rows[#rows + 1] = t.anomalies[i] end
  end
  return rows
end

-- Methods -----------------------------------------------------------------------------------------

--- @name task:anomalies_at(gamma)
-- The known anomalies at a gamma: the first ones of the pool, spread as evenly over the classes as possible.
-- @param gamma number at least 0 and below 1, or "all"
-- @return list rows of train
function methods:anomalies_at(gamma) return table.move(self.pool, 1, self:count_at(gamma), 1, {}) end

--- @name task:count_at(gamma)
-- How many anomalies are known at a gamma: round(gamma * n / (1 - gamma)), or all if there are fewer.
-- @param gamma number at least 0 and below 1, or "all"
-- @return integer
function methods:count_at(gamma) return (known_anomalies(gamma, #self.normals, #self.pool)) end

--- @name task:gamma_at(gamma, epoch, epochs)
-- The share of known anomalies in an epoch.
-- @param gamma number|list|table|function|string a schedule, or "all"
-- @param epoch integer from 1
-- @param epochs integer of the run
-- @return number
function methods:gamma_at(gamma, epoch, epochs)
  if gamma == "all" then return #self.pool / (#self.normals + #self.pool) end
  return schedule.value(gamma, epoch, epochs)
end

--- @name task:check(config)
-- Refuses a configuration whose task options differ from this task's, as the result row would name the wrong ones.
-- @param config table options
-- @raise an option differs from the task's
function methods:check(config)
  local function text(v)
    if type(v) == "number" then return format("%.14g", v) end
    return type(v) == "function" and tostring(v) or core.json_encode(v)
  end
  for name, own in pairs(self.options) do
    local v = config[name]
    if v == nil or text(v) ~= text(own) then
      fail("%s = %s: the task was made with %s; give this option to the task instead", name,
        v == nil and "none" or text(v), text(own))
    end
  end
end

--- @name task:normal_names()
-- The normal class, or the list of them where there are several.
-- @return string|list
function methods:normal_names()
  local names = {}
  for i, label in ipairs(self.normal_labels) do names[i] = printable(self.set.classes[label + 1]) end
  return #names == 1 and names[1] or names
end

--- @name task:classes()
-- Counts by class: what is trained on, held out, known (at the largest gamma) and tested.
-- @return list of {name, normals, held_out, anomalies, test}
-- @example task:classes()
function methods:classes()
  local rows, train = {}, self.train.labels:totable()
  for i, name in ipairs(self.set.classes) do
    rows[i] = {name = name, normals = 0, held_out = 0, anomalies = 0, test = 0}
  end
  for _, kind in ipairs {"normals", "held_out", "anomalies"} do
    for _, row in ipairs(self[kind]) do
      local of = rows[train[row + 1] + 1]
      of[kind] = of[kind] + 1
    end
  end
  for _, label in ipairs(self.test.labels:totable()) do rows[label + 1].test = rows[label + 1].test + 1 end
  return rows
end

--- @name task:describe()
-- The task in words: its call, its counts, and the classes that are known and tested.
-- @return string several lines
function methods:describe()
  local c, known, tested = self.counts, {}, {}
  for _, of in ipairs(self:classes()) do
    if of.anomalies > 0 then known[#known + 1] = ("%s %d"):format(of.name, of.anomalies) end
    if of.test > 0 then tested[#tested + 1] = ("%s %d"):format(of.name, of.test) end
  end
  local gamma = self.options.gamma
  local varies = type(gamma) ~= "number" and gamma ~= "all" and "up to " or ""
  local lines = {self.call,
    ("  train: %d normals, %d held out, %s%d known anomalies of %d"):format(c.normals, c.held_out, varies, c.anomalies,
      #self.pool)}
  if #known > 0 then lines[#lines + 1] = wrap("  known: " .. table.concat(known, ", "), 79, 9) end
  lines[#lines + 1] = ("  test:  %d normals, %d anomalies"):format(c.test_normals, c.test_anomalies)
  if #tested > 0 then lines[#lines + 1] = wrap("         " .. table.concat(tested, ", "), 79, 9) end
  for _, note in ipairs(self.notes) do lines[#lines + 1] = wrap("  note: " .. note, 79, 8) end
  return table.concat(lines, "\n")
end

--- @name task:manifest()
-- All that is needed to restore this task, as a table for JSON: name, call and hash of the set, options, rows, counts.
-- @return table
-- @raise gamma is a Lua function, which JSON cannot hold
function methods:manifest() return manifest.of(self) end

--- @name task:save(path)
-- Writes the manifest as JSON to a temporary file beside the target, then renames it.
-- @param path string
-- @raise it cannot be written
-- @example task:save "task.json"
function methods:save(path) manifest.write(self, path) end

return task
