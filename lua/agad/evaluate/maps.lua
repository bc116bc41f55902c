-- The files of error maps: DIR/PATH.map.png for the picture PATH, with its folders. Different paths give different
-- files: ".." becomes "%up" and the root folder "%root"; a name that begins with % gets another one, and a folder whose
-- name ends in ".map.png" gets one at its end. What is too long for the file system is cut and made unique by a hash.

local core = require "agad.core"
local drawn = require "agad.data.drawn"
local lfs = require "lfs"
local make_folder = require("agad.base.folder").make

local maps = {}

local ENDING, LONGEST_NAME, LONGEST_PATH = ".map.png", 255, 4000

-- Cuts a name to so many bytes, between characters, and adds the hash of all of it.
local function shortened(name, longest)
  if #name <= longest then return name end
  return (name:sub(1, longest - 18):gsub("[\192-\255][\128-\191]*$", "")) .. "%" .. core.hash(name)
end

local function folder_name(name)
  if name == ".." then return "%up" end
  return shortened(name:gsub("^%%", "%%%%"):gsub("%.map%.png%%*$", "%0%%"), LONGEST_NAME)
end

--- Where the error map of a picture is written.
-- @param dir string the folder for all maps
-- @param path string the picture, as it was named
-- @return string DIR/PATH.map.png
function maps.path(dir, path)
  local parts = {path:sub(1, 1) == "/" and "%root" or nil}
  for name in path:gmatch "[^/]+" do
    if name ~= "." then parts[#parts + 1] = name end
  end
  for i = path:sub(1, 1) == "/" and 2 or 1, #parts - 1 do parts[i] = folder_name(parts[i]) end
  local last = parts[#parts]:gsub("^%%", "%%%%")
  parts[#parts] = shortened(last, LONGEST_NAME - #ENDING)
  local base = dir:gsub("/+$", "") .. "/"
  local whole = base .. table.concat(parts, "/") .. ENDING
  if #whole <= LONGEST_PATH then return whole end
  return base .. "%long/" .. shortened(path:gsub("/", "_"), LONGEST_NAME - #ENDING) .. ENDING
end

--- The pictures that maps must not replace.
-- @param paths list of strings; missing files are passed over
-- @return table for `maps.write`
function maps.spare(paths)
  local spared = {}
  for _, path in ipairs(paths) do
    local there = lfs.attributes(path)
    if there then spared[drawn.identity(there)] = true end
  end
  return spared
end

--- Writes an error map, and creates its folders. Of existing files it replaces only earlier maps.
-- @param dir string the folder for all maps
-- @param path string the picture, as it was named
-- @param map tensor as `model:map` gives it
-- @param spared table from `maps.spare`
-- @return string the file
-- @raise another file has this name; it cannot be written
function maps.write(dir, path, map, spared)
  local to = maps.path(dir, path)
  make_folder(to:match "^(.*)/")
  drawn.write(to, map, drawn.MAP, spared)
  return to
end

return maps
