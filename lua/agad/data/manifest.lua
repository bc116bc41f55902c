-- A list of pictures as a set: a CSV file `path,label[,split][,mask]`, columns in any order.
-- Paths are relative to the file's folder and stay inside it, also through links, unless `outside` is given.

local csv = require "agad.data.csv"
local lfs = require "lfs"
local luv = require "luv"
local options = require "agad.options"
local pictures = require "agad.data.pictures"
local sets = require "agad.data.set"
local fail = sets.fail

local defaults = {outside = false}
for name, value in pairs(pictures.defaults) do defaults[name] = value end

local manifest = {defaults = defaults}

local columns = {"path", "label", "split", "mask"}

local function read_text(path)
  if pictures.mode(path) == "directory" then fail("%s: this is a folder, no CSV file", path) end
  local file, reason = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  if not text then fail("%s: %s", path, reason and reason:gsub("^.*: ", "") or "it cannot be read") end
  return text
end

-- Where each column is: {path = 1, label = 2, …}.
local function read_header(name, fields)
  local place = {}
  for i, field in ipairs(fields or {}) do
    local column = field:lower():match "^%s*(.-)%s*$"
    if place[column] then fail("%s: line 1: two columns are called %s", name, column) end
    local known = false
    for _, c in ipairs(columns) do known = known or c == column end
    if not known then
      local near = options.nearest(column, columns)
      fail("%s: line 1: unknown column %s%s; the header is path,label[,split][,mask]", name,
        column == "" and "without a name" or column, near and "; did you mean " .. near .. "?" or "")
    end
    place[column] = i
  end
  for _, needed in ipairs {"path", "label"} do
    if not place[needed] then
      fail("%s: line 1: there is no column %s; the header is path,label[,split][,mask]", name, needed)
    end
  end
  return place
end

-- Gives the full path of a relative one, once it is known to lie inside the manifest's folder.
local function resolver(name, dir, outside)
  local root = luv.fs_realpath(dir) or dir
  local inside = {}                                        -- folder -> whether it is in the root
  local function within(path) return root == "/" or path == root or path:sub(1, #root + 1) == root .. "/" end
  local function leaves(path)
    local above = path:match "^(.*)/[^/]*$" or ""
    if inside[above] == nil then
      local real = luv.fs_realpath(dir .. "/" .. above)
      inside[above] = not real or within(real)             -- what is not there is said when it is read
    end
    if not inside[above] then return true end
    if lfs.symlinkattributes(dir .. "/" .. path, "mode") ~= "link" then return false end
    local real = luv.fs_realpath(dir .. "/" .. path)
    return real and not within(real)
  end
  return function(path, line)
    if path:find("\0", 1, true) then fail("%s: line %d: a path holds a zero byte", name, line) end
    if outside then return path:sub(1, 1) == "/" and path or dir .. "/" .. path end
    if path:sub(1, 1) == "/" then
      fail("%s: line %d: %s is absolute; give it relative to the manifest, or outside = true", name, line, path)
    end
    if ("/" .. path .. "/"):find("/../", 1, true) or leaves(path) then
      fail("%s: line %d: %s leaves the manifest's folder; move it there, or give outside = true", name, line, path)
    end
    return dir .. "/" .. path
  end
end

-- The rows of the file: {path, label, split, mask, line}, "" where a cell is empty.
local function read_rows(name, text, full)
  local rows, place, seen = {}, nil, {}
  for fields, line in csv.records(name, text) do
    if not place then
      place = read_header(name, fields)
      place.count = #fields
    else
      if #fields ~= place.count then
        fail("%s: line %d: %d fields, but the header has %d", name, line, #fields, place.count)
      end
      local row = {line = line}
      for _, column in ipairs(columns) do row[column] = place[column] and fields[place[column]] or "" end
      if row.path == "" then fail("%s: line %d: the path is empty", name, line) end
      if row.label == "" then fail("%s: line %d: %s has no label", name, line, row.path) end
      if row.split ~= "" and row.split ~= "train" and row.split ~= "test" then
        fail("%s: line %d: split = %s; give train, test or nothing", name, line, row.split)
      end
      if seen[row.path] then
        fail("%s: line %d: %s stands in line %d already", name, line, row.path, seen[row.path])
      end
      seen[row.path] = line
      row.path = full(row.path, line)
      row.mask = row.mask ~= "" and full(row.mask, line) or nil
      rows[#rows + 1] = row
    end
  end
  if #rows == 0 then fail("%s: there is no picture in it; the header is path,label[,split][,mask]", name) end
  return rows, place
end

-- Whether the rows are split; all or none must say where they belong.
local function is_split(name, rows)
  local empty, given
  for _, row in ipairs(rows) do
    if row.split == "" then empty = empty or row else given = given or row end
  end
  if empty and given then
    fail("%s: line %d: the split is empty, in line %d it is %s; give it in all lines or in none", name, empty.line,
      given.line, given.split)
  end
  return given ~= nil
end

--- Reads a manifest.
function manifest.read(path, given)
  if type(path) ~= "string" or path == "" then fail("manifest: give the path of a CSV file") end
  local o, notes = sets.checked("manifest", given, defaults), {}
  local dir = path:match "^(.*)/[^/]*$" or "."
  if dir == "" then dir = "/" end
  local rows, place = read_rows(path, read_text(path), resolver(path, dir, o.outside))
  local split = is_split(path, rows)
  local classes, label = {}, {}
  for _, row in ipairs(rows) do
    if not label[row.label] then label[row.label] = 0; classes[#classes + 1] = row.label end
  end
  table.sort(classes)
  for i, class in ipairs(classes) do label[class] = i - 1 end
  local list = {paths = {}, labels = {}, masks = place.mask and {} or nil}
  local function add(part)
    for _, row in ipairs(rows) do
      if row.split == part then
        local i = #list.paths + 1
        list.paths[i], list.labels[i] = row.path, label[row.label]
        if row.mask then list.masks[i] = row.mask end
      end
    end
  end
  add(split and "train" or "")
  list.train = #list.paths
  if list.train == 0 then fail("%s: every picture is marked test; mark some train", path) end
  if split then
    add "test"
    if #list.paths == list.train then notes[1] = "no picture is marked test: train is split by seed" end
  end
  local name = pictures.base(path):gsub("%.[cC][sS][vV]$", "")
  local train, test = pictures.read(name, {path}, list, o, notes)
  if not test and #list.paths > list.train then fail("%s: none of the test pictures can be read", path) end
  return sets.new {name = name, call = "manifest", place = ("%q"):format(path), options = o, defaults = defaults,
    train = train, test = test, classes = classes, holdout = .1, notes = notes,
    normal = sets.normal_of(classes) or #classes == 1 and classes[1] or nil}
end

return manifest
