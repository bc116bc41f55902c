-- A list of pictures as a set: a CSV file `path,label[,split][,mask]`, columns in any order, other columns ignored.
-- Paths are relative to the file's folder and must not lead outside it, not even through links, unless `outside` is
-- set. Blanks at the ends of labels and splits do not count, even in quotes; those of a path count only if there is a
-- file of that name.

local csv = require "agad.data.csv"
local errors = require "agad.base.errors"
local lfs = require "lfs"
local luv = require "luv"
local options = require "agad.base.options"
local pictures = require "agad.data.pictures"
local sets = require "agad.data.set"
local some = require("agad.data.options").some
local sort = require("agad.base.text").sort
local check, fail = options.check, sets.fail

local manifest = {options = some "outside"}
for name, d in pairs(pictures.options) do manifest.options[name] = d end

local columns = {"path", "label", "split", "mask"}

local function read_text(path)
  if pictures.mode(path) == "directory" then fail("%s: this is a folder, not a CSV file", path) end
  local file, reason = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  if not text then fail("%s: %s", path, reason and errors.reason(path, reason) or "it cannot be read") end
  return text
end

local HEADER = "path,label[,split][,mask]"

-- Where each column is: {path = 1, label = 2, …}. Columns with other names are ignored and noted.
local function read_header(name, fields, line, notes)
  local place, other, known = {}, {}, {}
  for _, c in ipairs(columns) do known[c] = true end
  for i, field in ipairs(fields) do
    local column = csv.trim(field)
    if known[column:lower()] then
      column = column:lower()
      if place[column] then fail("%s: line %d: two columns are called %s", name, line, column) end
      place[column] = i
    elseif column ~= "" then other[#other + 1] = column end
  end
  local missing = {}
  for _, column in ipairs(columns) do if not place[column] then missing[#missing + 1] = column end end
  for _, column in ipairs(other) do
    local near = options.nearest(column, missing)
    if near then fail("%s: line %d: unknown column %s; did you mean %s?", name, line, column, near) end
  end
  for _, needed in ipairs {"path", "label"} do
    if not place[needed] then
      fail("%s: line %d: there is no column %s; the first line must be the header %s", name, line, needed, HEADER)
    end
  end
  if #other > 0 then
    notes[#notes + 1] = ("%s not used: %s"):format(#other == 1 and "one column is" or #other .. " columns are",
      table.concat(other, ", ", 1, math.min(5, #other)) .. (#other > 5 and ", …" or ""))
  end
  return place
end

-- Returns a function that finds the path that a field means, as seen from the CSV file's folder: with the blanks at its
-- ends or with backslashes only if there is a file of that name.
local function finder(name, dir, notes)
  local changed = {}
  local function exists(path)
    return lfs.attributes(path:find "^/" and path or dir .. "/" .. path, "mode") ~= nil
  end
  local function find(field, line)
    if field:find("\0", 1, true) then fail("%s: line %d: the path contains a zero byte", name, line) end
    local path = csv.trim(field)
    if path ~= field and path ~= "" and exists(field) then return field end
    if not path:find("\\", 1, true) or exists(path) then return path end
    if path:find "^%a:\\" or path:find "^\\\\" then
      fail("%s: line %d: %s is an absolute path of Windows; make it relative to the CSV file", name, line, path)
    end
    local slashed = path:gsub("\\", "/")
    if not exists(slashed) then return path end
    changed[#changed + 1] = path
    return slashed
  end
  local function note()
    if #changed > 0 then
      notes[#notes + 1] = ("the backslashes in %d path%s are read as slashes, for example %s"):format(#changed,
        #changed == 1 and "" or "s", changed[1])
    end
  end
  return find, note
end

-- Returns a function that checks that a relative path is inside the CSV file's folder and gives the full path.
local function resolver(name, dir, outside)
  local root = luv.fs_realpath(dir) or dir
  local folders = {}                                       -- folder -> false: it is outside; or the links in it
  local function within(path)
    local real = luv.fs_realpath(path)                     -- what is not there is said when it is read
    return not real or root == "/" or real == root or real:sub(1, #root + 1) == root .. "/"
  end
  local function links_of(folder)
    if not within(folder) then return false end
    local links, entries = {}, luv.fs_scandir(folder)
    while entries do
      local entry, kind = luv.fs_scandir_next(entries)
      if not entry then break end
      if kind ~= "file" and kind ~= "directory" then links[entry] = true end
    end
    return links
  end
  local function leaves(path)
    local above, last = path:match "^(.*/)([^/]*)$"
    above, last = above or "", last or path
    local links = folders[above]
    if links == nil then
      links = links_of(dir .. "/" .. above)
      folders[above] = links
    end
    return not links or links[last] and not within(dir .. "/" .. path)
  end
  return function(path, line)
    if outside then return path:sub(1, 1) == "/" and path or dir .. "/" .. path end
    if path:sub(1, 1) == "/" then
      fail("%s: line %d: %s is an absolute path; make it relative to the CSV file, or give outside = true", name, line,
        path)
    end
    local up = path:find("..", 1, true) and ("/" .. path .. "/"):find("/../", 1, true)
    if up or leaves(path) then
      fail("%s: line %d: %s is outside the folder of the CSV file; move it inside, or give outside = true", name, line,
        path)
    end
    return dir .. "/" .. path
  end
end

-- How many fields of a record count: empty ones beyond the header do not.
local function length(fields, count)
  local n = #fields
  while n > count and csv.trim(fields[n]) == "" do n = n - 1 end
  return n
end

-- The rows of the file, a list for each column ("" where a cell is empty) and their lines.
local function read_rows(name, text, dir, outside, notes)
  local rows, place, seen = {path = {}, label = {}, split = {}, mask = {}, line = {}}, nil, {}
  local paths, labels, splits, masks, lines = rows.path, rows.label, rows.split, rows.mask, rows.line
  local n, count = 0, 0
  local records, separator = csv.rows(name, text, "path")
  if separator ~= "," then
    notes[#notes + 1] = ("%s separate the fields of %s"):format(separator == ";" and "semicolons" or
      separator == "\t" and "tabs" or ("the characters %q"):format(separator), pictures.base(name))
  end
  local find, note_found = finder(name, dir, notes)
  local full = resolver(name, dir, outside)
  for fields, line in records do
    if not place then
      place, count = read_header(name, fields, line, notes), #fields
    else
      if length(fields, count) ~= count then
        fail("%s: line %d: %d fields, but the header has %d", name, line, #fields, count)
      end
      local path, label = find(fields[place.path], line), csv.trim(fields[place.label])
      local split, mask = csv.trim(fields[place.split] or ""):lower(), find(fields[place.mask] or "", line)
      if path == "" then fail("%s: line %d: the path is empty", name, line) end
      if label == "" then fail("%s: line %d: %s has no label", name, line, path) end
      if split ~= "" and split ~= "train" and split ~= "test" then
        fail("%s: line %d: split = %s; give train, test or nothing", name, line, csv.trim(fields[place.split]))
      end
      if seen[path] then fail("%s: line %d: %s is already listed in line %d", name, line, path, seen[path]) end
      seen[path], n = line, n + 1
      paths[n], labels[n], splits[n], lines[n] = full(path, line), label, split, line
      if mask ~= "" then masks[n] = full(mask, line) end
    end
  end
  if n == 0 then fail("%s: no pictures are listed; give one per line, below the header %s", name, HEADER) end
  note_found()
  if not place.mask then rows.mask = nil end
  return rows
end

-- Whether the rows give a split; either all of them must, or none.
local function is_split(name, rows)
  local empty, given
  for i, split in ipairs(rows.split) do
    if split == "" then empty = empty or i else given = given or i end
  end
  if empty and given then
    fail("%s: line %d: the split is empty, but in line %d it is %s; give it in all lines or in none", name,
      rows.line[empty], rows.line[given], rows.split[given])
  end
  return given ~= nil
end

-- Notes the first line whose text is not UTF-8: its bytes are kept, as names of files may consist of any.
local function note_encoding(text, notes)
  local ok, at = utf8.len(text)
  if ok then return end
  local _, line = text:sub(1, at):gsub("\r\n", "\n"):gsub("[\r\n]", "")
  notes[#notes + 1] = ("line %d: the text is not UTF-8, so that letters appear as \\xNN; save the file as UTF-8")
    :format(line + 1)
end

-- What `pictures.read` takes, and the classes: all labels, sorted.
local function plan(name, rows, split)
  local classes, label = {}, {}
  for _, class in ipairs(rows.label) do
    if not label[class] then label[class] = 0; classes[#classes + 1] = class end
  end
  sort(classes)
  for i, class in ipairs(classes) do label[class] = i - 1 end
  local normal = sets.normal_of(classes)
  local list = {paths = {}, labels = {}, masks = rows.mask and {}, normal = label[normal]}
  local function add(part)
    for i, of in ipairs(rows.split) do
      if of == part then
        local at = #list.paths + 1
        list.paths[at], list.labels[at] = rows.path[i], label[rows.label[i]]
        if rows.mask and rows.mask[i] then list.masks[at] = {rows.mask[i]} end
      end
    end
  end
  add(split and "train" or "")
  list.train = #list.paths
  if list.train == 0 then fail("%s: every picture is marked test; mark some as train", name) end
  if split then add "test" end
  return list, classes
end

-- Reads a manifest.
function manifest.read(path, given)
  if type(path) ~= "string" or path == "" then fail("manifest: give the path of a CSV file") end
  local o, notes = check("manifest", given, manifest.options), {}
  local dir = path:match "^(.*)/[^/]*$" or "."
  if dir == "" then dir = "/" end
  local text, encoding = csv.text(path, read_text(path))
  if encoding then
    notes[1] = ("the text of %s is %s, and was read as such"):format(pictures.base(path), encoding)
  else note_encoding(text, notes) end
  local rows = read_rows(path, text, dir, o.outside, notes)
  local split = is_split(path, rows)
  local list, classes = plan(path, rows, split)
  if split and #list.paths == list.train then
    notes[#notes + 1] = "no pictures are marked test; train is split at random from the seed"
  end
  local name = pictures.base(path):gsub("%.[cC][sS][vV]$", "")
  local train, test = pictures.read(name, {path}, list, o, notes)
  if not test and #list.paths > list.train then fail("%s: none of the test pictures can be read", path) end
  return sets.new {name = name, call = "manifest", place = ("%q"):format(path), options = o, known = manifest.options,
    train = train, test = test, classes = classes, holdout = .1, notes = notes,
    normal = sets.normal_of(classes) or #classes == 1 and classes[1] or nil}
end

return manifest
