--- Data sets, pictures and samplers.
-- A set has `train` and `test`, each {images = uint8 tensor (count, channels, height, width), labels = int64
-- tensor (count), masks = uint8 tensor (count, height, width) or nil}, and `classes`, the list of their names.
-- Labels count from 0: label i is class classes[i + 1].

local core = require "agad.core"
local options = require "agad.options"

local data = {}

--- The names that `agad.data.load` and the command line know.
data.names = {"mnist", "fashion-mnist", "weave"}

local function fail(...) error(string.format(...), 0) end

-- Options -----------------------------------------------------------------------------------------

local function checked(what, given, defaults)
  local known, result = {}, {}
  for name in pairs(defaults) do known[#known + 1] = name end
  table.sort(known)
  for name in pairs(given or {}) do
    if defaults[name] == nil then
      local near = type(name) == "string" and options.nearest(name, known)
      fail("%s: unknown option %s%s; known: %s", what, tostring(name), near and "; did you mean " .. near .. "?" or "",
        table.concat(known, ", "))
    end
  end
  for name, default in pairs(defaults) do
    local value = (given or {})[name]
    if value == nil then value = default end
    if math.type(default) == "integer" then
      value = math.tointeger(value) or fail("%s: %s = %s is no integer", what, name, tostring(value))
    elseif type(value) ~= "string" and default ~= false then
      fail("%s: %s = %s is no name", what, name, tostring(value))
    end
    result[name] = value
  end
  if result.channels ~= 1 and result.channels ~= 3 then
    fail("%s: channels = %d; give 1 (grey) or 3 (colour)", what, result.channels)
  end
  if result.size < 1 or result.size > 4096 then fail("%s: size = %d; give 1 to 4096", what, result.size) end
  return result
end

-- Where data sets lie: the option, $AGAD_DATA, or the user's cache.
local function find_root(root)
  if root then return root end
  local given = os.getenv "AGAD_DATA"
  if given and given ~= "" then return given end
  local cache = os.getenv "XDG_CACHE_HOME"
  if not cache or cache == "" then cache = (os.getenv "HOME" or "") .. "/.cache" end
  return cache .. "/agad/data"
end

-- Sets --------------------------------------------------------------------------------------------

local set_methods = {}
local set_type = {__index = set_methods, __name = "agad.set"}

function set_type.__tostring(set) return set.call end

--- The label of a class, from 0.
-- @param class string|integer its name, or a whole number that is one (8 is "8")
-- @return integer the label
-- @raise no such class, with the list of classes
function set_methods:label_of(class)
  local name = math.type(class) == "float" and math.tointeger(class) or class
  for i, known in ipairs(self.classes) do if known == tostring(name) then return i - 1 end end
  fail("%s has no class %s; its classes: %s", self.name, tostring(class), table.concat(self.classes, ", "))
end

-- The constructor call: only what differs from the defaults.
local function call_text(name, o, defaults)
  local given = {}
  for key, value in pairs(o) do
    if value ~= defaults[key] then
      given[#given + 1] = ("%s = %s"):format(key, type(value) == "string" and ("%q"):format(value) or value)
    end
  end
  table.sort(given)
  return ("agad.data.%s%s"):format(name, #given > 0 and "{" .. table.concat(given, ", ") .. "}" or "()")
end

local function new_set(name, o, defaults, train, test, classes)
  local shape = train.images.shape
  return setmetatable({
    name = name, train = train, test = test, classes = classes, options = o,
    channels = shape[2], height = shape[3], width = shape[4],
    call = call_text(name:gsub("-", "_"), o, defaults),
    info = {name = name, classes = classes, channels = shape[2], height = shape[3], width = shape[4],
      train = shape[1], test = test.images.shape[1]},
  }, set_type)
end

local MNIST = {size = 32, channels = 1, fit = "resize", root = false}

local function idx_set(name, given)
  local o = checked(name, given, MNIST)
  if o.fit ~= "resize" and o.fit ~= "pad" then fail("%s: fit = %s; give resize or pad", name, o.fit) end
  return new_set(name, o, MNIST, core.data.mnist(name, find_root(o.root), o.size, o.fit, o.channels))
end

--- MNIST from its four IDX files, gzip or not: 60,000 and 10,000 digits of 28 x 28, resized.
-- @param o table root ($AGAD_DATA, or ~/.cache/agad/data), size (32), channels (1), fit ("resize", "pad")
-- @return set classes "0" to "9"
-- @raise a file is missing (with where it was looked for), broken, or disagrees with another
function data.mnist(o) return idx_set("mnist", o) end

--- Fashion-MNIST, as `agad.data.mnist`; classes t-shirt, trouser, … ankle-boot.
-- @param o table as for `agad.data.mnist`
-- @return set
function data.fashion_mnist(o) return idx_set("fashion-mnist", o) end

local WEAVE = {normal = "cloth", size = 32, channels = 1, seed = 1, train_normals = 2000, train_defects = 200,
  test_normals = 500, test_defects = 500}

--- The built-in set: a texture with and without defects, drawn from a seed; nothing is downloaded.
-- Classes: the texture's name, then scratch, hole, stain, missing_thread, smudge. Normals come first, then the
-- kinds of defect in turn. The same options give the same bytes on every processor.
-- @param o table normal ("cloth", "metal", "grain", "dots"), size (32 to 1024), channels (1, 3), seed (1),
--   train_normals (2000), train_defects (200), test_normals (500), test_defects (500)
-- @return set with masks
function data.weave(o)
  o = checked("weave", o, WEAVE)
  local set = new_set("weave", o, WEAVE, core.data.weave(o.normal, o.size, o.channels, o.seed,
    {o.train_normals, o.train_defects, o.test_normals, o.test_defects}))
  -- what a task and a run take unless they say otherwise: 2,000 pictures are too few steps at a batch of 256
  set.normal, set.holdout, set.batch = o.normal, 0.1, 64
  return set
end

--- A set by its name; options of no meaning for it are passed over, so a caller may give those of a task.
-- @param name string one of `agad.data.names`
-- @param o table root, size, channels, fit, normal, seed
-- @return set
function data.load(name, o)
  local accepted = ({mnist = MNIST, ["fashion-mnist"] = MNIST, weave = WEAVE})[name]
  if not accepted then
    local near = options.nearest(name, data.names)
    fail("no data set %s%s; known: %s", name, near and "; did you mean " .. near .. "?" or "",
      table.concat(data.names, ", "))
  end
  local kept = {}
  for key, value in pairs(o or {}) do if accepted[key] ~= nil then kept[key] = value end end
  return data[name:gsub("-", "_")](kept)
end

-- Pictures ----------------------------------------------------------------------------------------

--- Reads a picture file, PNG or JPEG: uint8 tensor (channels, height, width), 1 channel (grey) or 3 (RGB).
-- @param path string
-- @return tensor
data.read_png = core.data.read_png

--- Writes an 8-bit PNG beside the target, then renames it.
-- @param path string
-- @param picture tensor uint8 (channels, height, width) or (height, width), channels 1 or 3
data.write_png = core.data.write_png

--- Resizes pictures, bilinear with half-pixel centres, rounded to the nearest integer.
-- @param pictures tensor uint8 (count, channels, height, width) or (channels, height, width)
-- @param height integer
-- @param width integer
-- @param fit string "resize" (default) or "pad": sides keep their ratio, centred on black
-- @return tensor a new one
data.resize = core.data.resize

--- Grey (1) or RGB (3) pictures.
-- @param pictures tensor as for `agad.data.resize`
-- @param channels integer 1 or 3
-- @return tensor a new one
data.set_channels = core.data.set_channels

--- How well plain statistics of a picture separate the classes, each alone: mean, sd, grad_x, grad_y, and height,
-- width, file_bytes where given. At .90 or more the classes may differ by camera, light or file, not by defect.
-- @param pictures tensor uint8 (count, channels, height, width)
-- @param anomalous list|tensor 0 or 1 for each
-- @param origin table height, width, file_bytes before resizing (optional lists)
-- @return list of {name, auroc}, auroc in the better direction (.5 to 1)
data.shortcut = core.data.shortcut

-- Batches -----------------------------------------------------------------------------------------

--- A seeded sampler over rows: `for rows, n_normal in s.next, s do … end`, then `s:next_epoch()`.
-- An epoch is one pass over the normals, shuffled; the last short batch is dropped, unless it is the only one.
-- Methods: next, next_epoch, batches, set_anomalies(rows, k), state, set_state.
-- @param normals list|tensor rows, from 0
-- @param anomalies list|tensor rows, from 0; may be empty
-- @param batch integer its size
-- @param k integer anomalies in a batch (agad.data.anomalies_per_batch)
-- @param seed integer
-- @return sampler `next` gives an int64 tensor of rows, normals first, and the number of normals
data.sampler = core.data.sampler

--- min(max(min_anom, round(gamma * batch)), batch // 2); 0 when gamma is 0.
-- @param batch integer
-- @param min_anom integer
-- @param gamma number
-- @return integer
data.anomalies_per_batch = core.data.anomalies_per_batch

return data
