--- Methods: Lua files that return a table.
-- Its keys:
--   name, phases
--   input {low, high}: the range that pixels are scaled to
--   nets: function(options, shape), which returns net programs by name
--   options: its own options, and other defaults for those of the trainer
--   average: names of the nets whose weights are averaged
--   keep: names of the tensors that a phase's `start` computes
--   score: names of built-in scores, the default first, or a
--     function(builder, nets, kept) (agad.evaluate.scorer)
--   picture: the net that reconstructs; its first output, which has the
--     shape of its input, gives error maps and reconstructions
--   discriminator: the net whose outputs are the logit of "real" and the
--     latent
--   guard {update, below, moments}: the update that the stage
--     guard_collapse watches, and the names of two of its options
--   anomalies {least, mode, in_batches, apart, masks}: the names of two
--     options: the minimum number of known anomalies in a batch, and whether
--     they count towards its size; in_batches = false: they belong to the
--     task, but batches have normals only; apart: function(options), whether
--     batch norm leaves them out of a batch's statistics; masks:
--     function(options), whether nets learn from the masks of those that
--     have one
--   needs_anomalies: true if it cannot train without known anomalies
--   held_out_scores: the name of a kept tensor (n), for a score that learns
--     from held-out normals: the scores of the first n of these by what has
--     not learned from them. The threshold is taken from them
--   recalibrate: false if its scoring nets keep the running statistics of
--     training; the column `steady`, the threshold and the model use them
--   pictures: function(found), which returns size (or height and width),
--     channels and filter for pictures from files, where these options are
--     not given. `found` has of some files: side (the median of the root of
--     width x height), height, width (medians), colour (the mean of
--     |R - G| + |R - B|, 0 to 510)
--   task: function(found), which returns options of the task for such
--     pictures, likewise. `found` has normals (of the training side, before
--     any are held out) and known (the defects there that may be known)
--   about: {STAGE = text}: what the stages do, in a line each, for lessons
--     (agad.teach)
--   terms: function(options, losses, normals, anomalies), for lessons: for
--     each update, what the terms of its loss add to it:
--     {UPDATE = {{NAME, weight, addend}, …}}. `losses` has those computed so
--     far. Where the addend is lambda.NAME times the loss, or the loss
--     itself, it is not needed
--   extends: the method that this one builds on (agad.train.extension)
-- The keys of a phase:
--   name
--   epochs: the name of the option with its number of epochs ("epochs"), or
--     0: only `start` runs
--   steps: function(options, known, before), in the place of `epochs`: how many
--     steps it has where `known` anomalies are known, and the phases before it
--     have `before` steps; 0: only `start` runs
--   updates: {NAME = {nets, lr, weight_decay, optimiser, when}}: lr and
--     weight_decay are numbers or names of options (the trainer's); optimiser:
--     "adam", the default; "adamw"; or "muon", which moves weights that are
--     matrices (of convolutions too) by Muon, and the others by AdamW; when:
--     the name of an option of the method: if it is 0 or false, the update and
--     its stage are left out
--   step: a list of stages; it may be empty where there are no epochs
--   start: function(state) that runs once, before the first step
--     (agad.train.state says what it finds there)
--   rate: function(options, epoch, epochs), a factor of lr in this epoch
--   rate_of_step: function(options, done, total), a factor of lr in one step:
--     done and total count the steps of the phase before it and in all
-- A net that a later phase does not train goes on with its averaged weights.

local errors = require "agad.base.errors"
local hint = require("agad.base.options").hint
local extension = require "agad.train.extension"
local options = require "agad.base.configuration"
local lfs = require "lfs"
local scores = require "agad.evaluate.scores"
local format = require("agad.base.text").format
local sort = require("agad.base.text").sort

local method = {}

--- The names of the methods that come with agad.
function method.names()
  local list, here = {}, package.searchpath("agad.methods.agad", package.path):gsub("/[^/]*$", "")
  for file in lfs.dir(here) do list[#list + 1] = file:match("^(.*)%.lua$") end
  sort(list)
  return list
end

local function is_text(v) return type(v) == "string" end
local function is_table(v) return type(v) == "table" end
local function is_function(v) return type(v) == "function" end
local function is_flag(v) return type(v) == "boolean" end
local function is_names(v)
  if not is_table(v) then return false end
  for _, name in ipairs(v) do if not is_text(name) then return false end end
  return true
end
local function is_texts(v)
  if not is_table(v) then return false end
  for stage, line in pairs(v) do if not is_text(stage) or not is_text(line) then return false end end
  return true
end

-- Every key of a method's table: key, check, what is expected; `needed` ones must be there.
local keys = {
  {"name", function(v) return is_text(v) and #v > 0 and #v < 64 end, "a string of 1 to 63 bytes", needed = true},
  {"options", is_table, "a table of options or defaults", needed = true},
  {"input", function(v) return is_table(v) and tonumber(v[1]) and tonumber(v[2]) and v[1] < v[2] end, "{low, high}",
    needed = true},
  {"nets", is_function, "a function(options, shape)", needed = true},
  {"phases", function(v) return is_table(v) and is_table(v[1]) end, "a list of phases", needed = true},
  {"score", function(v) return type(v) == "function" or is_names(v) and #v > 0 end,
    "a list of names or a function(builder, nets)", needed = true},
  {"average", is_names, "a list of names"},
  {"keep", function(v) return is_names(v) and #v > 0 end, "a list of names"},
  {"held_out_scores", is_text, "the name of a kept tensor"},
  {"picture", is_text, "the name of a net"},
  {"discriminator", is_text, "the name of a net"},
  {"guard", is_table, "a table of update, below and moments"},
  {"anomalies", is_table, "a table of least, mode, in_batches, apart and masks"},
  {"needs_anomalies", is_flag, "true or false"},
  {"recalibrate", is_flag, "true or false"},
  {"pictures", is_function, "a function(found)"},
  {"task", is_function, "a function(found)"},
  {"about", is_texts, "a table of texts by stage"},
  {"terms", is_function, "a function(options, losses, normals, anomalies)"},
  {"extends", is_text, "the name of a method, or its file"},
}

local function names_in(t)
  local list = {}
  for name in pairs(t) do list[#list + 1] = tostring(name) end
  sort(list)
  return list
end

local function check_known(t, known, where)
  for key in pairs(t) do
    if not known[key] then
      error(("%s: unknown key %s%s"):format(where, tostring(key), hint(key, names_in(known))), 0)
    end
  end
end

local known_keys = {}
for _, k in ipairs(keys) do known_keys[k[1]] = true end

local function check_keys(m, where)
  for _, k in ipairs(keys) do
    local v = m[k[1]]
    if v == nil and k.needed then error(("method %s: it lacks the key '%s' (%s)"):format(where, k[1], k[3]), 0) end
    if v ~= nil and not k[2](v) then error(("method %s: '%s' must be %s"):format(where, k[1], k[3]), 0) end
  end
end

local phase_keys = {name = true, epochs = true, updates = true, step = true, start = true, rate = true,
  rate_of_step = true, steps = true}
local update_keys = {nets = true, lr = true, weight_decay = true, optimiser = true, when = true}

-- Whether a phase may have no epochs, and so no stages: `epochs` is 0, or an option that can be 0, or it has `steps`.
local function may_be_empty(m, phase)
  if phase.epochs == 0 or phase.steps then return true end
  local _, named = options.schema(m)
  return named[phase.epochs or "epochs"].min == 0
end

local function is_among(list, v)
  for _, x in ipairs(list) do if x == v then return true end end
  return false
end

local function check_phase(m, phase, where)
  where = ("method %s: phase %s"):format(where, is_table(phase) and tostring(phase.name or "without a name"))
  local function fail(form, ...) error(where .. format(form, ...), 0) end
  if not is_table(phase) then fail " must be a table" end
  check_known(phase, phase_keys, where)
  if #m.phases > 1 and not is_text(phase.name) then fail ": it lacks 'name'" end
  local epochs = phase.epochs or "epochs"
  local _, named = options.schema(m)
  if epochs ~= 0 and (not named[epochs] or named[epochs].kind ~= "integer") then
    fail(": epochs = %s is neither 0 nor the name of an integer option", epochs)
  end
  local trains = not may_be_empty(m, phase) or is_table(phase.step) and #phase.step > 0
  if trains and (not is_table(phase.updates) or not next(phase.updates)) then fail " lacks 'updates'" end
  for name, update in pairs(phase.updates or {}) do
    if not is_table(update) or not is_table(update.nets) or #update.nets == 0 then
      fail(": update %s lacks 'nets', a list of names", name)
    end
    check_known(update, update_keys, ("%s: update %s"):format(where, name))
    local optimisers = require("agad.core").optimisers
    if update.optimiser ~= nil and not is_among(optimisers, update.optimiser) then
      fail(": update %s: optimiser = %s is none of %s", name, tostring(update.optimiser),
        table.concat(optimisers, ", "))
    end
    if update.when ~= nil and m.options[update.when] == nil then
      fail(": update %s: when = %s does not name an option of the method", name, tostring(update.when))
    end
  end
  if phase.steps and phase.epochs then fail " has both 'steps' and 'epochs'" end
  for _, key in ipairs {"start", "rate", "rate_of_step", "steps"} do
    if phase[key] ~= nil and type(phase[key]) ~= "function" then fail(": '%s' must be a function", key) end
  end
  if trains and (not is_table(phase.step) or #phase.step == 0) then fail " lacks 'step'" end
  for i, stage in ipairs(phase.step or {}) do
    if not is_text(stage) and not (is_table(stage) and is_text(stage[1]) and type(stage[2]) == "function") then
      fail(": stage %d must be a name or {name, function}", i)
    end
    if stage == "guard_collapse" and not m.guard then
      fail ": stage guard_collapse needs the method's key 'guard', {update = …, below = …}"
    end
  end
end

-- Checks a table {word = name of an option}: each must name an option of the method, of this kind.
local function check_options(m, t, words, where, kind)
  local _, named = options.schema(m)
  for _, word in ipairs(words) do
    local d = named[t[word]]
    if t[word] ~= nil and not (d and d.group == "method") then
      error(("%s: %s = %s does not name an option of the method"):format(where, word, tostring(t[word])), 0)
    elseif kind and not (d and d.kind == kind) then
      error(("%s: %s = %s does not name an option that is a %s"):format(where, word, tostring(t[word]), kind), 0)
    end
  end
end

local function check_guard(m, where)
  local g = m.guard
  where = ("method %s: guard"):format(where)
  check_known(g, {update = true, below = true, moments = true}, where)
  local updates = {}
  for _, phase in ipairs(m.phases) do for name in pairs(phase.updates or {}) do updates[name] = true end end
  if not updates[g.update] then
    error(("%s: there is no update %s%s"):format(where, tostring(g.update), hint(g.update, names_in(updates))), 0)
  end
  check_options(m, g, {"below"}, where, "number")
  check_options(m, g, {"moments"}, where)
end

local function check_anomalies(m, where)
  check_known(m.anomalies, {least = true, mode = true, in_batches = true, apart = true, masks = true}, where)
  check_options(m, m.anomalies, {"least", "mode"}, where)
  local within = m.anomalies.in_batches
  if within ~= nil and not is_flag(within) then error(where .. ": in_batches must be true or false", 0) end
  for _, key in ipairs {"apart", "masks"} do
    local own = m.anomalies[key]
    if own ~= nil and not is_function(own) then error(("%s: %s must be a function(options)"):format(where, key), 0) end
  end
end

local function check_held_out_scores(m, where)
  for _, name in ipairs(m.keep or {}) do if name == m.held_out_scores then return end end
  error(("%s: held_out_scores = %s is not in 'keep'"):format(where, m.held_out_scores), 0)
end

local lacking = {picture = "a reconstruction; name the net that makes it", discriminator = "a discriminator; name it"}

-- The scores that work with a method: "own" (its function) or those that it names, the default first, then all others.
local function scores_of(m, where)
  local list, listed = {}, {}
  local function lacks(name)
    for _, need in ipairs(scores[name].needs or {}) do
      if lacking[need] and not m[need] then return need end
    end
  end
  local named = type(m.score) == "table" and m.score or {}
  if named ~= m.score then list[1] = "own" end
  for _, name in ipairs(named) do
    if not scores[name] then
      error(("method %s: there is no score %q%s"):format(where, name, hint(name, names_in(scores))), 0)
    end
    local need = lacks(name)
    if need then
      error(("method %s: score %s needs %s: %s = NET"):format(where, name, lacking[need], need), 0)
    end
    list[#list + 1], listed[name] = name, true
  end
  for _, name in ipairs(names_in(scores)) do
    if not listed[name] and not lacks(name) then list[#list + 1] = name end
  end
  return list
end

-- The number of the phase that the option `steps` limits.
local function limited_phase(m)
  local limited
  for i, phase in ipairs(m.phases) do
    if phase.step and #phase.step > 0 and phase.epochs ~= 0 and not phase.steps then limited = i end
  end
  for i, phase in ipairs(m.phases) do
    if not phase.steps and (phase.epochs or "epochs") == "epochs" then limited = i end
  end
  return limited
end

-- The checked table of a file, with three derived keys: `scores`; `family`, whose C stages need no prefix; and
-- `limited`, the number of the phase that the option `steps` limits.
local function complete(given, where, extending)
  if not is_table(given) then error(("method %s: its file must return a table"):format(where), 0) end
  check_known(given, known_keys, "method " .. where)
  local m = {}
  for key in pairs(known_keys) do m[key] = given[key] end
  local family
  if m.extends then
    if not is_text(m.name) then error(("method %s: it lacks the key 'name' (a string)"):format(where), 0) end
    if not is_text(m.extends) then error(("method %s: 'extends' must be the name of a method"):format(where), 0) end
    local base = method.load(m.extends, extending)
    m, family = extension.of(base, m, where), base.family
  end
  check_keys(m, where)
  for _, phase in ipairs(m.phases) do check_phase(m, phase, where) end
  if m.guard then check_guard(m, where) end
  if m.anomalies then
    check_anomalies(m, ("method %s: anomalies"):format(where))
  end
  if m.held_out_scores then check_held_out_scores(m, "method " .. where) end
  m.scores, m.family = scores_of(m, where), family or m.name
  m.limited = limited_phase(m)
  return m
end

-- The module of a method that comes with agad or is loaded; nil if there is none of this name.
local function module_of(name)
  local module = "agad.methods." .. name
  local there = name:find("^[%w_]+$") and (package.loaded[module] or package.searchpath(module, package.path))
  return there and module or nil
end

--- Whether there is a method of this name.
function method.is_known(name) return module_of(name) ~= nil end

local function read(name)
  if name:find("%.lua$") then
    local chunk, reason = loadfile(name)
    if not chunk then
      local there = lfs.attributes(name, "mode")
      error(("method %s: %s"):format(name, there and reason or "there is no such file"), 0)
    end
    local ok, result = pcall(chunk)
    if not ok then error(("method %s: its file raises: %s"):format(name, errors.text(result)), 0) end
    return result
  end
  local module = module_of(name)
  if not module then
    local known = method.names()
    error(("unknown method %q%s, or a file such as my_method.lua"):format(name, hint(name, known)), 0)
  end
  return require(module)
end

--- A method's checked table, by name ("agad") or from a file ("my_method.lua"). It has three keys more than the file's:
-- `scores`, the scores that work with it ("own" is its function); `family`, the method whose C stages a step may name
-- without a prefix ("reconstruct" for "agad.reconstruct"); and `limited`, the number of the phase that the option
-- `steps` limits: the last one of those whose epochs are the option `epochs`, or of all.
-- @param name string
-- @param extending table names of the methods that extend this one (nil: none)
-- @raise there is no such method, its file fails, or a key is missing, unknown or wrong
function method.load(name, extending)
  local names = {}
  for _, other in ipairs(extending or {}) do
    names[#names + 1] = other
    if other == name then error(("method %s: it extends itself; name another method"):format(name), 0) end
  end
  names[#names + 1] = name
  return complete(read(name), name, names)
end

--- A method's options for C stages: a choice becomes its index in the list of choices, from 0; other values stay as
-- they are.
-- @param m table of `method.load`
-- @param chosen table its options
-- @return string JSON
function method.encode(m, chosen)
  local _, named = options.schema(m)
  local function encode(t, prefix)
    local new = {}
    for name, v in pairs(t) do
      local d = named[prefix .. name]
      if not d and type(v) == "table" then v = encode(v, prefix .. name .. ".") end
      for i, choice in ipairs(d and d.choices or {}) do if choice == v then new[name] = i - 1 end end
      if new[name] == nil then new[name] = v end
    end
    return new
  end
  return require("agad.core").json_encode(encode(chosen, ""))
end

return method
