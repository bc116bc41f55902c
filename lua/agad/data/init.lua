--- Data sets, pictures and samplers.
-- A set has `train` and `test`, each {images = uint8 tensor (count, channels, height, width), labels = int64
-- tensor (count), masks = uint8 tensor (count, height, width) or nil}, and `classes`, the list of their names. An
-- anomalous picture whose mask marks nothing is one whose defective pixels are not known.
-- Labels count from 0: label i is class classes[i + 1]. A set of files also has `paths`, and `origin` {height, width,
-- file_bytes} of the files before resizing. If there is no test split, `unsplit` is true, all pictures are in `train`,
-- and a task splits them at random from its seed. `normal`, if present, names the class that is normal by default.

local core = require "agad.core"
local errors = require "agad.base.errors"
local expect = require "agad.base.expect"
local folder = require "agad.data.folder"
local lfs = require "lfs"
local manifest = require "agad.data.manifest"
local named = require "agad.data.named"
local options = require "agad.base.options"
local pictures = require "agad.data.pictures"
local sets = require "agad.data.set"
local tensors = require "agad.data.tensors"

local data = {}

--- The names that `agad.data.load` and the command line know.
data.names = named.names

-- Sets --------------------------------------------------------------------------------------------

-- agad.data.mnist(o), …: each is documented in its file.
for _, name in ipairs(named.names) do
  data[named.call(name)] = options.takes(function(o) return named.load(name, o) end, 1, named.about(name).options)
end

--- A folder of PNG, JPEG and BMP pictures. Its layout is detected:
--   DIR/{train,test}/CLASS/*   split into train and test
--   DIR/CLASS/*                no split: a task splits it at random from its seed
--   DIR/*                      one class, normal; no anomalies
-- A class named good, normal or ok, in upper or lower case, is the normal class by default. Files that cannot be read
-- are skipped and listed in the set's notes, which also count pictures of other formats, such as .tif. Folders that
-- operating systems create, such as __MACOSX, are skipped. Decoded pictures are kept in a cache file, so that loading
-- them again is fast.
-- Files that are masks are never pictures. They are, with NAME for the picture's name without its extension:
--   DIR/ground_truth/CLASS/NAME_mask.png   or NAME.png (MVTec AD); also DIR/ground_truth/test/CLASS/…
--   DIR/ground_truth/CLASS/NAME/*.png      several masks of one picture, which are united (MVTec LOCO)
--   CLASS/gt/NAME.png                      beside CLASS/NAME or CLASS/rgb/NAME (MVTec 3D-AD); also mask or masks
--   NAME_mask.png                          beside the picture; also _gt, _label, _seg, with - . or a space for _
--   NAME.png                               beside NAME.jpg, if it is black and one other colour (Real-IAD)
-- Subfolders of a class count: the mask of test/hole/a/0.png is ground_truth/hole/a/0_mask.png. A pixel is marked where
-- its value is above 0, whatever the number of bits (in a palette: its index; in JPEG: from 128 on); alpha marks
-- nothing. A mask that is missing, cannot be read, has another size than its picture, or may belong to several pictures
-- is not used: its picture gets a mask that marks nothing and, if it is anomalous, is left out of pixel AUROC and PRO.
-- All that is decided in this way is told in the set's notes.
-- @param dir string
-- @param o table size (side length, or "HEIGHTxWIDTH"; nil: as in the files, which must then be of one size), channels
--   (1, 3; nil: as in the files), fit ("resize", "crop", "pad"), filter ("bilinear", "area", "adaptive": area along
--   sides that shrink, bilinear along those that grow), fast_decode (false; true: decode large JPEGs at reduced size,
--   which changes pixels slightly), strict (false; true: stop at a file that cannot be read), cache
--   (true: ~/.cache/agad/decoded; false; or a path), max_pixels, max_bytes (limits for one file), on_progress
--   (function(done, total); false: nothing is shown), choose (function(paths) of the training pictures, which returns
--   size, channels and filter to use)
-- @return set
-- @raise there is no such folder, it has no pictures, or none of them can be read; with strict also: a mask that cannot
--   be read or has another size, an anomalous picture without a mask
-- @example set = agad.data.folder("parts", {size = 64, channels = 1})
function data.folder(dir, o) return folder.one(dir, o) end

--- Two folders: one of normal pictures, and one of anomalies with a subfolder for each kind of defect. No split.
-- @param normals string
-- @param anomalies string
-- @param o table as for `agad.data.folder`
-- @return set classes "normal", and "anomaly" or the names of the subfolders
-- @example set = agad.data.folders("normal", "defect", {size = 32})
function data.folders(normals, anomalies, o) return folder.two(normals, anomalies, o) end

--- A list of pictures: a CSV file with the header `path,label[,split][,mask]` (RFC 4180).
-- Paths are relative to the file's folder and may not lead outside it. split is train or test, in all lines or in none;
-- an empty mask means that there is none. Masks are read as those of `agad.data.folder` are. What spreadsheets write is
-- read too: semicolons or tabs between the fields, UTF-16, blanks at the ends of fields, backslashes in paths. Other
-- columns are ignored, and noted.
-- @param path string
-- @param o table as for `agad.data.folder`, and outside (false; true: paths may lead outside the folder)
-- @return set classes: the labels, sorted
-- @raise a line of the file is wrong (with its number and the reason)
-- @example set = agad.data.manifest("parts.csv", {size = 32})
function data.manifest(path, o) return manifest.read(path, o) end

--- Tensors of pictures.
-- @param o table images (uint8, (n, channels, height, width) or (n, height, width)), labels (list or tensor of whole
--   numbers from 0; nil: all normal), masks (n, height, width), test_images, test_labels, test_masks (nil: no split),
--   classes (list of names; nil: "0", "1", …), normal, name
-- @return set
-- @raise a tensor or a list is wrong (with what it should be)
-- @example set = agad.data.tensors {images = agad.zeros(20, 1, 32, 32):to "uint8"}
function data.tensors(o) return tensors.set(o) end

options.takes(data.folder, 2, pictures.options)
options.takes(data.folders, 3, pictures.options)
options.takes(data.manifest, 2, manifest.options)

-- Those of a task's options that a set takes.
local function kept_options(o, known)
  local kept = {}
  for key, value in pairs(o or {}) do if known[key] then kept[key] = value end end
  return kept
end

--- Loads a set by its name, its folder or its CSV file. Options that the set does not take are ignored, so that a
-- caller may pass all options of a task. A name comes before a folder that is called the same, which a note names.
-- @param name string one of `agad.data.names`, or a path; table {normals = DIR, anomalies = DIR}
-- @param o table root, size, channels, fit, normal, seed, … (`agad.data.folder`)
-- @return set
-- @raise there is no such name or path (with the nearest name)
-- @example set = agad.data.load "weave"; print(set.train.images.shape)
function data.load(name, o)
  if type(name) == "table" then
    return folder.two(name.normals, name.anomalies, kept_options(o, pictures.options))
  end
  expect.be("data.load", name, "string", "a name, a folder or a .csv file, or a table of normals and anomalies")
  local about = named.about(name)
  if about then
    local note = named.note(name, o and o.root)
    if not note then return named.load(name, kept_options(o, about.options)) end
    local ok, set = errors.try(named.load, name, kept_options(o, about.options))
    if not ok then sets.fail("%s; %s", errors.text(set), note) end
    set.notes = table.move(set.notes or {}, 1, #(set.notes or {}), 2, {note})
    return set
  end
  local mode = data.is_path(name)
  if mode == "directory" then return folder.one(name, kept_options(o, pictures.options)) end
  if mode then return manifest.read(name, kept_options(o, manifest.options)) end
  local near = options.nearest(name, data.names)
  sets.fail("there is no data set %s%s; give a known name (%s), or an existing folder or .csv file", name,
    near and "; did you mean " .. near .. "?" or "", table.concat(data.names, ", "))
end

options.takes(data.load, 1, options.option {kind = "string", suggest = named.names})
options.takes(data.load, 2, function(_, arguments)
  local about = type(arguments[1]) == "string" and named.about(arguments[1])
  return about and about.options or manifest.options
end)

--- Whether a path is one that `agad.data.load` reads.
-- @param path string
-- @return string "directory", "file" (a .csv file), or nil
function data.is_path(path)
  local mode = lfs.attributes(path, "mode")
  if mode == "directory" then return mode end
  return mode and path:lower():find "%.csv$" and "file" or nil
end

-- Pictures ----------------------------------------------------------------------------------------

--- Reads a PNG, JPEG or BMP file, whatever its name. Grey pictures have one channel, all others RGB; alpha is dropped,
-- and a photograph is rotated as its EXIF orientation says.
-- @param path string
-- @param o table height, width (nil: as in the file), channels (1, 3), fit ("resize", "crop", "pad"), filter
--   ("bilinear", "area", "adaptive"), fast_decode (false), max_pixels, max_bytes
-- @return tensor uint8 (channels, height, width)
-- @return table channels (1, 3), height, width, file_bytes of the file
-- @raise it cannot be read, with its name and the reason
data.read = core.data.read

--- Writes an 8-bit PNG beside the target, then renames it.
-- @param path string
-- @param picture tensor uint8 (channels, height, width) or (height, width), channels 1 or 3
-- @param what string nil, or what it shows, if agad drew it for people: a mark in the file ("Software", "agad: WHAT")
data.write_png = core.data.write_png

--- Resizes pictures, with antialiasing, as `agad.data.read` and all sets do.
-- @param pictures tensor uint8 (count, channels, height, width) or (channels, height, width)
-- @param height integer
-- @param width integer
-- @param o string|table the fit: "resize" (default), "crop" or "pad"; or {fit, filter ("bilinear", "area", "adaptive")}
-- @return tensor a new one
data.resize = core.data.resize

--- The same as `agad.data.resize`.
data.resample = core.data.resize

--- Converts pictures to grey (1 channel) or RGB (3 channels).
-- @param pictures tensor as for `agad.data.resize`
-- @param channels integer 1 or 3
-- @return tensor a new one
data.set_channels = core.data.set_channels

--- How well single picture statistics separate normal from anomalous pictures, as AUROCs.
-- The statistics are mean, sd, grad_x and grad_y (mean absolute differences of neighbours), and height, width and
-- file_bytes if given. At an AUROC of .90 or more the pictures may differ by camera, light or file format rather than
-- by defects.
-- @param pictures tensor uint8 (count, channels, height, width)
-- @param anomalous list|tensor 0 or 1 for each
-- @param origin table height, width, file_bytes before resizing (optional lists)
-- @return list of {name, auroc}; auroc is .5 to 1, as the better direction of each statistic is taken
data.shortcut = core.data.shortcut

-- Batches -----------------------------------------------------------------------------------------

--- A seeded sampler over rows: `for rows, n_normal in s.next, s do … end`, then `s:next_epoch()`.
-- An epoch is one pass over the normals, shuffled; the last short batch is dropped, unless it is the only one.
-- Methods: next, next_epoch, batches, set_anomalies(rows, k, batch), state, set_state.
-- @param normals list|tensor rows, from 0
-- @param anomalies list|tensor rows, from 0; may be empty
-- @param batch integer its size
-- @param k integer anomalies in a batch (agad.data.anomalies_per_batch)
-- @param seed integer
-- @return sampler `next` gives an int64 tensor of rows, normals first, and the number of normals
data.sampler = core.data.sampler

--- min(max(min_anom, round(gamma * batch)), batch // 2); 0 when gamma is 0.
-- @param batch integer
-- @param min_anom integer
-- @param gamma number
-- @return integer
data.anomalies_per_batch = core.data.anomalies_per_batch

return data
