-- Finds the split and the class of each picture in a folder from the names of the subfolders that hold it. These
-- layouts are recognised, in this order:
--   {train,test}/CLASS/*   split
--   CLASS/*                no split
--   *                      no split, one class "normal"
-- Subfolders of a class belong to the class. The names train and test may be in upper or lower case. Masks were taken
-- out before (mask_names.lua).

local sets = require "agad.data.set"
local sorted_keys = require("agad.base.values").keys
local fail = sets.fail

local layout, NO_TEST = {}, "there are no test pictures; train is split at random from the seed"

local function starts(path) return path:match "^([^/]+)/(.+)$" end

-- Adds a note about ignored pictures: their number and the first names.
local function passed_over(notes, list, why)
  if #list == 0 then return end
  local names = table.concat(list, ", ", 1, math.min(3, #list))
  notes[#notes + 1] = ("%d picture%s ignored: %s (%s%s)"):format(#list, #list == 1 and " is" or "s are", why, names,
    #list > 3 and ", …" or "")
end

-- Groups pictures by their first folder; those in no folder are `loose`.
local function by_folder(paths)
  local folders, loose = {}, {}
  for _, path in ipairs(paths) do
    local first, rest = starts(path)
    if first then
      local list = folders[first]
      if not list then list = {}; folders[first] = list end
      list[#list + 1] = rest
    else
      loose[#loose + 1] = path
    end
  end
  return folders, loose
end

-- Takes out the folder of this name, in upper or lower case; an exact match comes first.
local function take(folders, name)
  local found = folders[name] and name
  for _, key in ipairs(sorted_keys(folders)) do found = found or key:lower() == name and key end
  local list = found and folders[found]
  if found then folders[found] = nil end
  return list, found
end

-- Refuses a folder of data sets, whose names would otherwise be taken for classes: a subfolder has train and test.
local function refuse_nested(dir, folders)
  for _, name in ipairs(sorted_keys(folders)) do
    local inner = {}
    for _, rest in ipairs(folders[name]) do inner[(starts(rest) or ""):lower()] = true end
    if inner.train and inner.test then
      fail("%s: its subfolder %s is a data set of its own, with train and test; give that one: %s/%s", dir, name, dir,
        name)
    end
  end
end

-- Adds the pictures of CLASS/* below `prefix` to a list of {path, class}. `only` is the class of loose pictures if
-- there are no class folders; if it is nil, they are ignored, as their class is unknown.
local function add_classes(into, prefix, folders, loose, only, notes)
  local names = sorted_keys(folders)
  for _, class in ipairs(names) do
    for _, rest in ipairs(folders[class]) do into[#into + 1] = {prefix .. class .. "/" .. rest, class} end
  end
  if #names == 0 and only then
    for _, path in ipairs(loose) do into[#into + 1] = {prefix .. path, only} end
  elseif #loose > 0 then
    local list = {}
    for i, path in ipairs(loose) do list[i] = prefix .. path end
    passed_over(notes, list, "outside the class folders")
  end
  return into
end

local function split(found, train, train_name, test, test_name, others)
  local train_folders, train_loose = by_folder(train)
  local test_folders, test_loose = by_folder(test or {})
  local normal = sets.normal_of(sorted_keys(test_folders)) or "normal"
  add_classes(found.train, train_name .. "/", train_folders, train_loose, normal, found.notes)
  if test then add_classes(found.test, test_name .. "/", test_folders, test_loose, nil, found.notes) end
  local list = {}
  for _, name in ipairs(sorted_keys(others)) do
    for _, rest in ipairs(others[name]) do list[#list + 1] = name .. "/" .. rest end
  end
  passed_over(found.notes, list, ("neither in %s nor in test"):format(train_name))
end

--- Sorts the pictures of a folder into splits and classes.
-- @param dir string the folder, for messages
-- @param paths list relative paths of pictures, sorted
-- @return table train, test (lists of {path, class}; test empty: no split), classes (sorted), notes; class_folders: the
--   folders in which to look for empty classes
-- @raise the folder contains data sets
function layout.of(dir, paths)
  local found = {train = {}, test = {}, notes = {}, class_folders = {}}
  local folders, loose = by_folder(paths)
  local train, train_name = take(folders, "train")
  local test, test_name = take(folders, "test")
  if train and (test or not next(folders)) then
    split(found, train, train_name, test, test_name, folders)
    passed_over(found.notes, loose, "outside train and test")
    found.class_folders = {train_name, test_name}
    if #found.test == 0 then found.notes[#found.notes + 1] = NO_TEST end
  else
    if train then folders[train_name] = train end
    if test then folders[test_name] = test end
    if next(folders) then refuse_nested(dir, folders) end
    add_classes(found.train, "", folders, loose, "normal", found.notes)
    found.class_folders = next(folders) and {""} or {}
  end
  local seen = {}
  for _, list in ipairs {found.train, found.test} do for _, row in ipairs(list) do seen[row[2]] = true end end
  found.classes = sorted_keys(seen)
  return found
end

return layout
