-- From files of masks to the tensors of splits. A picture without a usable mask gets one that marks nothing; if it is
-- anomalous, it is left out of pixel AUROC and PRO.

local agad = require "agad"
local core = require "agad.core"
local fail = require("agad.data.set").fail

local masks = {}

local function note(notes, list, one, many)
  if #list == 0 then return end
  notes[#notes + 1] = #list == 1 and one .. ": " .. list[1] or many:format(#list) .. ", for example " .. list[1]
end

-- The files of masks, and the row of each.
local function files_of(rows)
  local files, owners = {}, {}
  for i = 1, #rows.paths do
    for _, path in ipairs(rows.masks[i] or {}) do files[#files + 1], owners[#owners + 1] = path, i end
  end
  return files, owners
end

-- The rows whose masks cannot be read, or have another size than the picture.
local function unusable(name, rows, loaded, read, files, owners, o, notes)
  local bad, readable, uneven = {}, {}, {}
  local height, width = loaded.height:totable(), loaded.width:totable()
  local heights, widths = read.height:totable(), read.width:totable()
  for i, file in ipairs(read.kept:totable()) do
    local row = owners[file + 1]
    readable[file + 1] = true
    if heights[i] ~= height[row] or widths[i] ~= width[row] then
      local text = ("%s has %d x %d pixels, its picture %s has %d x %d"):format(files[file + 1], heights[i], widths[i],
        rows.paths[row], height[row], width[row])
      if o.strict then fail("%s: the mask %s", name, text) end
      bad[row], uneven[#uneven + 1] = true, text
    end
  end
  for i in ipairs(files) do bad[owners[i]] = bad[owners[i]] or not readable[i] or nil end
  if read.skipped > 0 then
    notes[#notes + 1] = ("%d mask%s cannot be read: %s%s"):format(read.skipped, read.skipped == 1 and "" or "s",
      table.concat(read.examples, "; ", 1, math.min(3, #read.examples)), read.skipped > 3 and "; …" or "")
  end
  note(notes, uneven, "1 mask has another size than its picture", "%d masks have other sizes than their pictures")
  return bad
end

-- Puts the union of each row's masks in its place, but nothing in that of bad rows.
local function unite(all, read, owners, bad)
  local layers, nth = {}, {}
  for i, file in ipairs(read.kept:totable()) do
    local row = owners[file + 1]
    if not bad[row] then
      nth[row] = (nth[row] or 0) + 1
      local layer = layers[nth[row]] or {from = {}, to = {}}
      layers[nth[row]] = layer
      table.insert(layer.from, i - 1)
      table.insert(layer.to, row - 1)
    end
  end
  for _, layer in ipairs(layers) do
    local from, to = core.from_table(layer.from, "int64"), core.from_table(layer.to, "int64")
    all:index_copy_(1, to, read.images:squeeze(2):index_select(1, from):maximum(all:index_select(1, to)))
  end
end

-- Notes what was found: for the test pictures, or for all where there is no test split.
local function report(name, rows, marks, bad, shape, notes)
  local first = #rows.paths > rows.train and rows.train + 1 or 1
  local what = (rows.normal and "anomalous " or "") .. (first > 1 and "test pictures" or "pictures")
  local n, used, missing, empty, marked = 0, 0, {}, {}, {}
  for i = first, #rows.paths do
    if rows.labels[i] ~= rows.normal then
      n, used = n + 1, used + marks[i]
      if not rows.masks[i] then missing[#missing + 1] = rows.paths[i]
      elseif marks[i] == 0 and not bad[i] then empty[#empty + 1] = rows.masks[i][1] end
    elseif marks[i] == 1 then marked[#marked + 1] = rows.masks[i][1] end
  end
  if rows.normal and #missing > 0 then
    local text = ("%s that have no mask: %d of %d, for example %s"):format(what, #missing, n, missing[1])
    if rows.needs_masks then fail("%s: %s", name, text) end
    notes[#notes + 1] = text
  end
  if rows.normal then
    local size = (" at %d x %d pixels"):format(shape[3], shape[4])
    note(notes, empty, "1 mask of an anomalous picture marks nothing" .. size,
      "%d masks of anomalous pictures mark nothing" .. size)
  end
  note(notes, marked, "1 mask of a normal picture marks something", "%d masks of normal pictures mark something")
  if n == 0 then return end
  notes[#notes + 1] = ("masks: %d of the %d %s have one%s"):format(used, n, what, used == n and "" or
    " that is used; anomalous ones without are left out of pixel AUROC and PRO")
end

--- Reads the masks of pictures.
-- @param name string what the set is called, for messages
-- @param rows table as of `pictures.read`, without pictures that were skipped
-- @param loaded table what `agad.core.data.load_files` made of the pictures
-- @param o table as of `agad.core.data.load_files`; strict: a mask that cannot be used is an error
-- @param notes list to which notes are added
-- @return tensor uint8 (count, height, width), 1 where a mask marks a pixel
-- @raise with strict or rows.needs_masks: the first mask that cannot be used, or an anomalous picture without one
function masks.read(name, rows, loaded, o, notes)
  local shape, files, owners = loaded.images.shape, files_of(rows)
  local all, bad = agad.zeros({#rows.paths, shape[3], shape[4]}, {dtype = "uint8"}), {}
  if #files > 0 then
    local read = core.data.load_files(files, o)
    bad = unusable(name, rows, loaded, read, files, owners, o, notes)
    unite(all, read, owners, bad)
  end
  report(name, rows, all:flatten(2):amax({2}):totable(), bad, shape, notes)
  return all
end

return masks
