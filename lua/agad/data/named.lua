-- The sets with a name. Each is a file of the folder `named`, which says all of it: its documentation, in a block that
-- begins with `--- @name agad.data.NAME(o)`, and a table:
--   title     one line, for lists
--   options   name -> option: which it takes (`agad.data.options`)
--   read      function(o, root) -> what `sets.new` takes beside name and options: train, test, classes, …
--   fetch     {folder, places, files, archive}, or not_fetched, the reason why there is nothing to fetch
-- `sha256` of a file is of its content: what a *.gz holds when it is unpacked, as gzip copies differ. `bytes` is the
-- length of that content, `download` about what the copy takes on the way (for the list and the progress line only).
-- An archive's sum is of the archive as it is. A place is an address that the file's name is put behind; the first is
-- the official one where that still answers. A file without a sum is a list of class names, never read as data; it
-- comes out of an archive whose sum was right.

local lfs = require "lfs"

local named = {names = {}}

local here = package.searchpath("agad.data.named", package.path):gsub("%.lua$", "")
for file in lfs.dir(here) do
  local name = file:match "^([^.].*)%.lua$"
  if name then table.insert(named.names, name) end
end
table.sort(named.names)

local known = {}
for _, name in ipairs(named.names) do known[name] = true end

--- What the file of a set says; nil where there is no such set.
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

--- Loads a set.
function named.load(name, given)
  local sets, about = require "agad.data.set", named.about(name)
  local o = require("agad.base.options").check(name, given, about.options)
  local found = about.read(o, require("agad.base.places").data(o.root))
  found.name, found.call, found.options, found.known = name, named.call(name), o, about.options
  return sets.new(found)
end

return named
