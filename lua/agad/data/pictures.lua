-- From files to splits: decoding by the core, skipped files. The options are those of all sets made of files.

local core = require "agad.core"
local decoded = require "agad.data.decoded"
local errors = require "agad.base.errors"
local lfs = require "lfs"
local luv = require "luv"
local masks = require "agad.data.masks"
local sets = require "agad.data.set"
local some = require("agad.data.options").some
local fail = sets.fail

local pictures = {}

--- The options of sets that are read from files of pictures.
pictures.options = some "channels fit filter fast_decode strict cache max_pixels max_bytes on_progress choose"
pictures.options.size = some("sides").sides

-- Refuses a file that a user named as the cache but that is none, as it would be replaced.
local function not_another_file(path)
  local file = lfs.attributes(path, "mode") == "file" and io.open(path, "rb")
  local first = file and file:read(4)
  if file then file:close() end
  if first and first ~= "agad" then
    fail("cache = %s: there is another file of this name; it was left as it is, give another name", path)
  end
  return path
end

-- The cache file for these paths and options; the core checks whether it still matches the pictures. If it has no
-- folder, or that cannot be made, there is no cache.
local function cache_path(places, o)
  if not o.cache then return nil end
  if o.cache ~= true then return not_another_file(o.cache) end
  local dir = decoded.folder()
  if not dir or not pcall(require("agad.base.folder").make, dir) then return nil end
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

-- How many bits the values of a PNG file have; 8 for any other file.
local function bits_of(path)
  local file = io.open(path, "rb")
  local head = file and file:read(25) or ""
  if file then file:close() end
  return head:sub(1, 4) == "\137PNG" and head:byte(25) or 8
end

-- A note if no picture is bright: in 16-bit files, if the values have at most 14 bits; in others, only if all pictures
-- are nearly black.
local function note_dark(images, paths, notes)
  local deep = bits_of(paths[1]) == 16
  local limit, n = deep and 64 or 3, images.shape[1]
  if images:narrow(1, 1, math.min(n, 16)):max():item() > limit then return end
  local most = images:max():item()
  if most > limit then return end
  local text = ("no picture is brighter than %d of 255, so that %d grey levels are left"):format(most, most + 1)
  if most == 0 then
    notes[#notes + 1] = "all pictures are black: every pixel is 0 of 255"
  elseif deep then
    local bits = 8
    while ((1 << bits) + 127) // 257 < most do bits = bits + 1 end
    notes[#notes + 1] = ("%s: these 16-bit files seem to hold %d-bit values; multiply them by %d first " ..
      "(magick IN.png -evaluate multiply %d OUT.png)"):format(text, bits, 1 << 16 - bits, 1 << 16 - bits)
  else
    notes[#notes + 1] = ("%s; stretch the pictures first (magick IN.png -evaluate multiply %d OUT.png)"):format(text,
      255 // most)
  end
end

local function split_of(loaded, rows, marks, first, n)
  if n == 0 then return nil end
  local function part(t) return t:narrow(1, first, n) end
  local marked = marks and part(marks):max():item() > 0
  local function cut(list) return table.move(list, first, first + n - 1, 1, {}) end
  return {
    images = part(loaded.images), labels = core.from_table(cut(rows.labels), "int64"),
    masks = marked and part(marks) or nil, paths = cut(rows.paths),
    origin = {height = part(loaded.height), width = part(loaded.width), file_bytes = part(loaded.file_bytes)},
  }
end

--- Reads pictures into splits.
-- @param name string what the set is called, for messages
-- @param places list the folders or the file that they come from
-- @param rows table paths, labels (from 0): lists, training pictures first; train: how many of these; masks: row ->
--   list of paths, or nil (it has no mask); masks is nil where there are no masks at all; normal: the label that is
--   normal by default, or nil; needs_masks: an anomalous picture without a mask is an error
-- @param o table checked options (`pictures.options`)
-- @param notes list to which notes are added
-- @return table train
-- @return table test, or nil
-- @raise none of them can be read, sizes that differ where no size is given; with strict, a file that cannot be used
function pictures.read(name, places, rows, o, notes)
  local where = places[1]
  local chosen = o.choose and o.choose(table.move(rows.paths, 1, rows.train, 1, {})) or {}
  for key, value in pairs(chosen) do o[key] = value end
  local loaded = core.data.load_files(rows.paths, options_of(o, {cache = cache_path(places, o),
    on_progress = o.on_progress or nil}))
  if loaded.source == "written" and o.cache == true then decoded.trim() end
  if loaded.note then notes[#notes + 1] = loaded.note end
  local kept, first = rows, loaded.kept:totable()
  if #first < #rows.paths then
    notes[#notes + 1] = ("%d of %d pictures cannot be read and were skipped: %s%s"):format(loaded.skipped, #rows.paths,
      table.concat(loaded.examples, "; ", 1, math.min(3, #loaded.examples)), loaded.skipped > 3 and "; …" or "")
    kept = {paths = {}, labels = {}, train = 0, masks = rows.masks and {}, normal = rows.normal,
      needs_masks = rows.needs_masks}
    for i, row in ipairs(first) do
      kept.paths[i], kept.labels[i] = rows.paths[row + 1], rows.labels[row + 1]
      if rows.masks then kept.masks[i] = rows.masks[row + 1] end
      if row < rows.train then kept.train = i end
    end
  end
  if kept.train == 0 then fail("%s: none of the training pictures can be read; %s", where, loaded.examples[1]) end
  note_dark(loaded.images, kept.paths, notes)
  local shape = loaded.images.shape
  local marks = kept.masks and masks.read(name, kept, loaded, options_of(o, {mask = true, channels = 1,
    height = shape[3], width = shape[4]}), notes)
  return split_of(loaded, kept, marks, 1, kept.train),
    split_of(loaded, kept, marks, kept.train + 1, #first - kept.train)
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
