-- Data sets with a name. Each is defined by one file in the folder `named`: its documentation, in a block that begins
-- with `--- @name agad.data.NAME(o)`, and a table:
--   title     one line, for lists
--   options   name -> option: those that it takes (`agad.data.options`)
--   read      function(o, root) that returns what `sets.new` takes besides name and options: train, test, classes, …;
--             root is the folder of the data sets, if the set has that option
--   fetch     {folder, places, files, archive}; or instead not_fetched, the reason why there is nothing to fetch
-- `sha256` and `bytes` of a file are those of its content; for a *.gz file, those of the unpacked content, as the gzip
-- files of different servers differ. `sha256` of an archive is that of the archive itself. `download` is the
-- approximate size of the download (for the list and the progress line only). A place is a URL to which the file's name
-- is appended; the first one is the official server if that still answers. A file may lack `sha256` if it comes from a
-- verified archive and is only a list of class names.

local lfs = require "lfs"
local luv = require "luv"
local sort = require("agad.base.text").sort

local named = {names = {}}

local here = package.searchpath("agad.data.named", package.path):gsub("%.lua$", "")
for file in lfs.dir(here) do
  local name = file:match "^([^.].*)%.lua$"
  if name then table.insert(named.names, name) end
end
sort(named.names)

local known = {}
for _, name in ipairs(named.names) do known[name] = true end

--- The table that a set's file returns; nil if there is no such set.
function named.about(name) return known[name] and require("agad.data.named." .. name) or nil end

--- The name of the function that loads a set: agad.data.fashion_mnist.
function named.call(name) return (name:gsub("-", "_")) end

--- The sets that can be fetched: name -> its `fetch`, with the title.
function named.sources()
  local sources = {}
  for _, name in ipairs(named.names) do
    local about = named.about(name)
    if about.fetch then
      about.fetch.title = about.title
      sources[name] = about.fetch
    end
  end
  return sources
end

--- A note if the name of a set is also that of a folder or file in the current directory, which was perhaps meant.
-- The folder that holds the set's own files is not noted.
-- @param name string
-- @param root string the folder of the data sets, as for `agad.base.places`
-- @return string, or nil
function named.note(name, root)
  local mode, places = known[name] and lfs.attributes(name, "mode"), require "agad.base.places"
  if not mode or luv.fs_realpath(places.data(root)) == luv.fs_realpath "." then return nil end
  local kind = mode == "directory" and "folder" or "file"
  return ("%s is taken as the data set of that name; for the %s %s, give ./%s"):format(name, kind, name, name)
end

--- Loads a set.
function named.load(name, given)
  local sets, about = require "agad.data.set", named.about(name)
  local o = require("agad.base.options").check(name, given, about.options)
  local found = about.read(o, about.options.root and require("agad.base.places").data(o.root))
  found.name, found.call, found.options, found.known = name, named.call(name), o, about.options
  return sets.new(found)
end

return named
