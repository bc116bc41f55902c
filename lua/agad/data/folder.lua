-- Folders of pictures as sets: agad.data.folder and agad.data.folders.

local check = require("agad.base.options").check
local core = require "agad.core"
local formats = require "agad.data.formats"
local layout = require "agad.data.layout"
local lfs = require "lfs"
local luv = require "luv"
local mask_names = require "agad.data.mask_names"
local pictures = require "agad.data.pictures"
local sets = require "agad.data.set"
local sort = require("agad.base.text").sort
local fail = sets.fail

local folder = {}

local function without_slash(dir) return #dir > 1 and dir:gsub("/+$", "") or dir end

-- The pictures below a folder, sorted by name; unreadable names and pictures of other formats are added to the notes.
local function list(dir, o, notes)
  if pictures.mode(dir) ~= "directory" then fail("%s: this is not a folder", dir) end
  local paths, unreadable, others = core.data.list(dir)
  if #unreadable > 0 then
    if o.strict or #paths == 0 then fail("%s/%s", without_slash(dir), unreadable[1]) end
    notes[#notes + 1] = ("%d %s cannot be read: %s%s"):format(#unreadable, #unreadable == 1 and "entry" or "entries",
      table.concat(unreadable, "; ", 1, math.min(3, #unreadable)), #unreadable > 3 and "; …" or "")
  end
  if #paths == 0 then fail("%s", formats.none(dir, others)) end
  local left_out = {picture = {}, mask = {}}
  for _, path in ipairs(others) do
    table.insert(left_out[mask_names.is_in_folder(path) and "mask" or "picture"], path)
  end
  for _, what in ipairs {"picture", "mask"} do
    if #left_out[what] > 0 then notes[#notes + 1] = formats.left_out(what, left_out[what]) end
  end
  return paths
end

-- Notes class folders that hold no pictures.
local function note_empty(dir, found, notes)
  local empty, filled = {}, {}
  for _, class in ipairs(found.classes) do filled[class] = true end
  for _, place in ipairs(found.class_folders) do
    local parent = place == "" and dir or dir .. "/" .. place
    for name in lfs.dir(parent) do
      local path = parent .. "/" .. name
      if not core.data.list_skips(name) and not filled[name] and not formats.is_picture(name) and
         not mask_names.folder(name) and lfs.attributes(path, "mode") == "directory" then
        empty[#empty + 1], filled[name] = name, true
      end
    end
  end
  sort(empty)
  if #empty > 0 then
    notes[#notes + 1] = ("%s without pictures: %s"):format(#empty == 1 and "a class" or "classes",
      table.concat(empty, ", "))
  end
end

local function labels_of(classes)
  local label = {}
  for i, class in ipairs(classes) do label[class] = i - 1 end
  return label
end

-- The pictures below a folder, and their masks: picture -> list of paths, or nil if there are none.
local function pictures_of(dir, o, notes)
  local base, masks = without_slash(dir), nil
  local found, of = mask_names.split(base, list(dir, o, notes), o, notes)
  if #found == 0 then fail("%s: there are only masks in this folder, no pictures", dir) end
  if of then masks = {} end
  for picture, paths in pairs(of or {}) do
    for i, path in ipairs(paths) do paths[i] = base .. "/" .. path end
    masks[picture] = paths
  end
  return found, masks
end

-- One folder, by its layout.
function folder.one(dir, given)
  if type(dir) ~= "string" or dir == "" then fail("folder: give the path of a folder") end
  local o, notes = check("folder", given, pictures.options), {}
  local base = without_slash(dir)
  local paths, masks = pictures_of(dir, o, notes)
  local found = layout.of(base, paths)
  table.move(found.notes, 1, #found.notes, #notes + 1, notes)
  note_empty(base, found, notes)
  if #found.train == 0 then fail("%s: there are no training pictures in %s", dir, base .. "/train") end
  local label, normal = labels_of(found.classes), sets.normal_of(found.classes)
  local rows = {paths = {}, labels = {}, train = #found.train, masks = masks and {}, normal = label[normal],
    needs_masks = o.strict}
  for _, part in ipairs {found.train, found.test} do
    for _, picture in ipairs(part) do
      local i = #rows.paths + 1
      rows.paths[i], rows.labels[i] = base .. "/" .. picture[1], label[picture[2]]
      if masks then rows.masks[i] = masks[picture[1]] end
    end
  end
  local name = pictures.base(dir)
  local train, test = pictures.read(name, {dir}, rows, o, notes)
  if not test and #found.test > 0 then fail("%s: none of the test pictures can be read; %s", dir, notes[#notes]) end
  return sets.new {name = name, call = "folder", place = ("%q"):format(dir), options = o, known = pictures.options,
    train = train, test = test, classes = found.classes, holdout = .1, notes = notes,
    normal = normal or #found.classes == 1 and found.classes[1] or nil}
end

-- Refuses a folder inside the other, whose pictures would be both normal and anomalous.
local function refuse_overlap(normals, anomalies)
  local a, b = luv.fs_realpath(normals), luv.fs_realpath(anomalies)
  if a and b and ((a .. "/"):sub(1, #b + 1) == b .. "/" or (b .. "/"):sub(1, #a + 1) == a .. "/") then
    fail("normals %s and anomalies %s: one folder is inside the other; give two separate folders", normals, anomalies)
  end
end

-- Two folders: one of normals, one of anomalies whose subfolders are kinds of defect.
function folder.two(normals, anomalies, given)
  for _, dir in ipairs {normals, anomalies} do
    if type(dir) ~= "string" or dir == "" then fail("folders: give the paths of two folders") end
  end
  local o, notes = check("folders", given, pictures.options), {}
  refuse_overlap(normals, anomalies)
  local rows, class_of, seen = {paths = {}, labels = {}, normal = 0, needs_masks = o.strict}, {}, {}
  for _, path in ipairs((pictures_of(normals, o, notes))) do
    table.insert(rows.paths, without_slash(normals) .. "/" .. path)
    table.insert(class_of, "normal")
  end
  local kinds, found, masks = {}, pictures_of(anomalies, o, notes)
  rows.masks = masks and {}
  for _, path in ipairs(found) do
    local kind = path:match "^([^/]+)/" or "anomaly"
    if kind == "normal" then fail("%s: a kind of defect cannot be called normal; rename that subfolder", anomalies) end
    if not seen[kind] then seen[kind] = true; kinds[#kinds + 1] = kind end
    table.insert(rows.paths, without_slash(anomalies) .. "/" .. path)
    table.insert(class_of, kind)
    if masks then rows.masks[#rows.paths] = masks[path] end
  end
  sort(kinds)
  local classes = {"normal", table.unpack(kinds)}
  local label = labels_of(classes)
  for i, class in ipairs(class_of) do rows.labels[i] = label[class] end
  rows.train = #rows.paths
  local name = pictures.base(normals)
  local train = pictures.read(name, {normals, anomalies}, rows, o, notes)
  return sets.new {name = name, call = "folders", place = ("%q, %q"):format(normals, anomalies), options = o,
    known = pictures.options, train = train, classes = classes, normal = "normal", holdout = .1, notes = notes}
end

return folder
