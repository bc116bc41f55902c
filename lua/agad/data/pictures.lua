-- From files to splits: decoding by the core, masks, skipped files. The options are those of all sets made of files.

local agad = require "agad"
local core = require "agad.core"
local errors = require "agad.base.errors"
local lfs = require "lfs"
local luv = require "luv"
local sets = require "agad.data.set"
local some = require("agad.data.options").some
local user_cache = require("agad.base.places").cache
local fail = sets.fail

local pictures = {}

--- The options of sets that are read from files of pictures.
pictures.options = some "size channels fit filter fast_decode strict cache max_pixels max_bytes on_progress"

-- The cache file for these paths and options; the core checks whether it still matches the pictures. If its folder
-- cannot be written, there is no cache.
local function cache_path(places, o)
  if not o.cache then return nil end
  if o.cache ~= true then return o.cache end
  local dir = user_cache() .. "/agad/decoded"
  if not pcall(require("agad.base.folder").make, dir) then return nil end
  local key = {}
  for i, place in ipairs(places) do key[i] = luv.fs_realpath(place) or place end
  for _, name in ipairs {"size", "channels", "fit", "filter", "fast_decode", "max_pixels", "max_bytes"} do
    key[#key + 1] = name .. "=" .. tostring(o[name])
  end
  return dir .. "/" .. core.hash(table.concat(key, "\0"))
end

local function options_of(o, more)
  local given = sets.form(o)
  given.fast_decode, given.strict = o.fast_decode, o.strict
  given.max_pixels, given.max_bytes = o.max_pixels or nil, o.max_bytes or nil
  for key, value in pairs(more or {}) do given[key] = value end
  return given
end

-- Masks, one per row, zero for a row without one. `wanted` holds the rows' paths of masks, {} if none is needed.
local function read_masks(name, rows, wanted, loaded, o)
  local paths, at = {}, {}
  for i, row in ipairs(rows) do
    if wanted[row] then paths[#paths + 1], at[#at + 1] = wanted[row], i - 1 end
  end
  local shape = loaded.images.shape
  local masks = agad.zeros({#rows, shape[3], shape[4]}, {dtype = "uint8"})
  if #paths == 0 then return masks end
  local read = core.data.load_files(paths, options_of(o, {mask = true, strict = true, channels = 1,
    height = shape[3], width = shape[4]}))
  local index = core.from_table(at, "int64")
  for _, side in ipairs {"height", "width"} do
    local differs = read[side]:ne(loaded[side]:index_select(1, index)):totable()
    for i, other in ipairs(differs) do
      if other == true or other == 1 then
        fail("%s: the mask %s has a different %s than its picture %s", name, paths[i], side, rows.paths[at[i] + 1])
      end
    end
  end
  return masks:index_copy(1, index, read.images:squeeze(2))
end

local function split_of(loaded, rows, masks, first, n)
  if n == 0 then return nil end
  local function part(t) return t and t:narrow(1, first, n) end
  local function cut(list) return table.move(list, first, first + n - 1, 1, {}) end
  return {
    images = part(loaded.images), labels = core.from_table(cut(rows.labels), "int64"), masks = part(masks),
    paths = cut(rows.paths),
    origin = {height = part(loaded.height), width = part(loaded.width), file_bytes = part(loaded.file_bytes)},
  }
end

--- Reads pictures into splits.
-- @param name string what the set is called, for messages
-- @param places list the folders or the file that they come from
-- @param rows table paths, labels (from 0): lists, training pictures first; train: how many of these; masks: row ->
--   path (rows without one have no defect), or nil where there are no masks at all
-- @param o table checked options (`pictures.options`)
-- @param notes list to which notes are added
-- @return table train
-- @return table test, or nil
-- @raise none of them can be read, sizes that differ where no size is given, a mask that does not fit
function pictures.read(name, places, rows, o, notes)
  local where = places[1]
  local loaded = core.data.load_files(rows.paths, options_of(o, {cache = cache_path(places, o),
    on_progress = o.on_progress or nil}))
  if loaded.note then notes[#notes + 1] = loaded.note end
  local kept, train = {paths = rows.paths, labels = rows.labels}, rows.train
  local first = loaded.kept:totable()
  if #first < #rows.paths then
    notes[#notes + 1] = ("%d of %d pictures cannot be read and were skipped: %s%s"):format(loaded.skipped, #rows.paths,
      table.concat(loaded.examples, "; ", 1, math.min(3, #loaded.examples)), loaded.skipped > 3 and "; …" or "")
    kept, train = {paths = {}, labels = {}}, 0
    for i, row in ipairs(first) do
      kept.paths[i], kept.labels[i] = rows.paths[row + 1], rows.labels[row + 1]
      if row < rows.train then train = i end
    end
  end
  if train == 0 then fail("%s: none of the training pictures can be read; %s", where, loaded.examples[1]) end
  local masks
  if rows.masks then
    for i, row in ipairs(first) do kept[i] = row + 1 end
    masks = read_masks(name, kept, rows.masks, loaded, o)
  end
  local has_train_masks = false
  for row in pairs(rows.masks or {}) do has_train_masks = has_train_masks or row <= rows.train end
  return split_of(loaded, kept, has_train_masks and masks or nil, 1, train),
    split_of(loaded, kept, masks, train + 1, #first - train)
end

--- The last part of a path, for a set's name.
function pictures.base(path)
  local name = path:gsub("/+$", ""):match "([^/]+)$"
  if name == "." or name == ".." then name = (luv.fs_realpath(path) or path):match "([^/]+)$" end
  return name or "/"
end

--- The type of a path: "directory", "file", …; raises an error if it does not exist or cannot be examined.
function pictures.mode(path)
  local mode, reason = lfs.attributes(path, "mode")
  return mode or fail("%s: %s", path, errors.reason(path, reason))
end

return pictures
