-- Manifests of tasks: JSON files from which the same task is restored, row by row, on the same pictures.
-- The set is recognised by a hash of each split: XXH64 of the shape, of the XXH64 of every picture, and of the labels.
-- The manifest's checksum covers all of it, so that a damaged or edited file is refused.

local core = require "agad.core"
local errors = require "agad.base.errors"
local printable = require("agad.base.text").printable
local options = require "agad.base.configuration"
local format = require("agad.base.text").format

local manifest = {}

local KIND, VERSION = "agad.task", 1

local function fail(form, ...) error(format(form, ...), 0) end

local lists = {"normal_labels", "normals", "held_out", "pool", "test_rows"}

--- The number of a split's pictures and the hash of its content, by which sets are compared.
-- @param split table of a set, or nil
-- @return table pictures, hash; nil without a split
function manifest.content(split)
  if not split then return nil end
  local text = table.concat(split.images.shape, " ") .. "\n" .. core.data.hashes(split.images):tostring_bytes()
    .. split.labels:tostring_bytes()
  return {pictures = split.images.shape[1], hash = core.hash(text)}
end

local function printable_names(names)
  local out = {}
  for i, name in ipairs(names) do out[i] = printable(name) end
  return out
end

local function checksum(m)
  local kept = m.checksum
  m.checksum = nil
  -- Encoded as it will be read back: Lua does not distinguish an empty list from an empty object.
  local hash = core.hash(core.json_encode(core.json_decode(core.json_encode(m))))
  m.checksum = kept
  return hash
end

--- The manifest of a task.
function manifest.of(task)
  local set = task.set
  if type(task.options.gamma) == "function" then
    fail "gamma: a manifest cannot hold a Lua function; give a list or a named schedule"
  end
  local m = {kind = KIND, version = VERSION,
    set = {name = printable(set.name), call = printable(set.call)},
    options = task.options, classes = printable_names(set.classes), counts = task.counts,
    content = {train = manifest.content(set.train), test = manifest.content(set.test)}, by_class = task:classes()}
  for _, row in ipairs(m.by_class) do row.name = printable(row.name) end
  for _, name in ipairs(lists) do
    m[name] = setmetatable(table.move(task[name], 1, #task[name], 1, {}), {__jsontype = "array"})
  end
  m.checksum = checksum(m)
  return m
end

--- Writes the manifest of a task beside its target, then renames it.
function manifest.write(task, path) core.file_replace(path, core.json_encode(manifest.of(task)) .. "\n") end

local function parse(path)
  local file, reason = io.open(path, "rb")
  if not file then fail("%s", reason) end
  local text = file:read "a"
  file:close()
  local ok, m = errors.try(core.json_decode, text or "")
  if not ok then fail("%s: the manifest is damaged: %s", path, m) end
  if type(m) ~= "table" or m.kind ~= KIND then fail("%s: this is not the manifest of a task", path) end
  if m.version ~= VERSION then
    fail("%s: the manifest has version %s, but this version of agad reads version %d", path, m.version,
      VERSION)
  end
  if m.checksum ~= checksum(m) then fail("%s: its checksum is wrong; the manifest is damaged or was edited", path) end
  return m
end

local function check_set(path, m, set)
  local other
  if table.concat(m.classes, "\0") ~= table.concat(printable_names(set.classes), "\0") then
    other = "its classes differ"
  end
  for _, side in ipairs {"train", "test"} do
    local here, there = manifest.content(set[side]), m.content[side]
    if (here and here.hash) ~= (there and there.hash) then
      other = other or ("its %s pictures differ (%d here, %d there)"):format(side == "train" and "training" or "test",
        here and here.pictures or 0, there and there.pictures or 0)
    end
  end
  if other then fail("%s: the manifest was made from %s, and this data set differs: %s", path, m.set.call, other) end
end

-- Even with a right checksum, all rows used as indices are checked.
local function check_rows(path, m, n_train, n_classes)
  for _, name in ipairs(lists) do
    if type(m[name]) ~= "table" then fail("%s: the manifest lacks %s", path, name) end
    local below, seen = name == "normal_labels" and n_classes or n_train, {}
    for _, row in ipairs(m[name]) do
      if math.type(row) ~= "integer" or row < 0 or row >= below or seen[row] then
        fail("%s: %s has %s, which is not a row of this data set or is listed twice", path, name, row)
      end
      seen[row] = true
    end
  end
  if #m.normals == 0 or #m.normal_labels == 0 then fail("%s: the manifest has no normal pictures", path) end
end

--- Reads a manifest for a set.
-- @return table the task's options
-- @return table its rows
-- @raise it is damaged, or belongs to another set
function manifest.read(path, set)
  local m = parse(path)
  check_set(path, m, set)
  check_rows(path, m, set.train.images.shape[1], #set.classes)
  local chosen = {}
  for _, name in ipairs(lists) do chosen[name] = m[name] end
  return options.select(options.resolve({name = "task", options = {}}, m.options), "task"), chosen
end

return manifest
