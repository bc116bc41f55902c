-- Which files of a folder are masks, and of which pictures. Names tell; where they do not, the pixels do:
--   ground_truth/KIND/NAME_mask.png    a folder of masks: the rest of the path is the picture's (KIND/NAME), or the
--                                      picture has another folder in its place (test/KIND/NAME)
--   KIND/gt/NAME.png                   beside KIND/NAME or KIND/rgb/NAME
--   ground_truth/KIND/NAME/000.png, …  several masks of one picture, as in MVTec LOCO
--   NAME_mask.png, NAME_mask_1.png     beside NAME
--   NAME.png                           beside NAME.jpg, where it has at most two colours, as in Real-IAD
-- A mask is never a picture. One whose picture is in doubt is not used.

local core = require "agad.core"
local formats = require "agad.data.formats"
local sorted_keys = require("agad.base.values").keys

local names = {}

local SAMPLE = 20          -- how many pictures of a folder are looked at

-- How the names of masks end, and what their folders are called.
local words = {}
for word in ("mask masks gt truth groundtruth label labels seg segmentation segmentations"):gmatch "%S+" do
  words[word] = true
end

-- "017_mask_2" -> "017", "2"; "017_mask" -> "017", ""; nil for a name that does not end as those of masks do.
local function base_of(stem)
  local base, word, number = stem:match "^(.+)[_%-%. ](%a+)[_%-%. ]?(%d*)$"
  if not base or not words[word:lower()] then return nil end
  if word:lower() == "truth" then base = base:match "^(.+)[_%-%. ][gG][rR][oO][uU][nN][dD]$" end
  return base, number
end

local certain = {ground_truth = true, groundtruth = true, ["ground-truth"] = true, ["ground truth"] = true}
local likely = {gt = true, mask = true, masks = true}

--- Whether a folder is called as folders of masks are.
-- @param name string
-- @return string "certain" (it holds nothing but masks), "likely" (it does if pictures of the same names lie beside it),
--   "perhaps" (likewise, if its files have at most two colours), or nil
function names.folder(name)
  local lower = name:lower()
  if certain[lower] then return "certain" end
  return likely[lower] and "likely" or (words[lower] or base_of(lower)) and "perhaps" or nil
end

local function stem_of(path) return path:match "^(.*[^/])%.[^./]*$" or path end

local function parts_of(path)
  local dirs = {}
  for dir in path:gmatch "([^/]+)/" do dirs[#dirs + 1] = dir end
  return dirs, stem_of(path):match "[^/]+$"
end

local function without(dirs, k)
  local rest = table.move(dirs, 1, #dirs, 1, {})
  table.remove(rest, k)
  return rest
end

-- Adds a note: how many these are, and the first of them.
local function note(notes, list, one, many)
  if #list == 0 then return end
  table.sort(list)
  notes[#notes + 1] = ("%d %s (%s%s)"):format(#list, #list == 1 and one or many,
    table.concat(list, ", ", 1, math.min(3, #list)), #list > 3 and ", …" or "")
end

local function two_coloured(dir, list, o)
  local full = {}
  for i, path in ipairs(list) do full[i] = dir .. "/" .. path end
  return core.data.two_coloured(full, {max_pixels = o.max_pixels or nil, max_bytes = o.max_bytes or nil})
end

-- Folders of masks --------------------------------------------------------------------------------

-- What a folder is by its place: "split" (beside train and test), "class" (a class, or beside classes), or "inner".
local function places_of(paths)
  local tops, n = {}, 0
  for _, path in ipairs(paths) do
    local top = (path:match "^([^/]+)/" or ""):lower()
    if top ~= "" and not tops[top] and not names.folder(top) then tops[top], n = true, n + 1 end
  end
  local split = tops.train and (tops.test or n == 1)
  return function(k, dirs)
    if not split then return k == 1 and "class" or "inner" end
    return k == 1 and "split" or k == 2 and tops[dirs[1]:lower()] and "class" or "inner"
  end, tops.test and "test" or "train"
end

-- Splits paths into those in a folder that is called as folders of masks are, and all others.
local function candidates_of(paths, place_of)
  local found, others, known = {}, {}, {}
  for _, path in ipairs(paths) do
    local above = path:match "^.*/" or ""
    local k = known[above]
    if k == nil then
      k = false
      for i, dir in ipairs((parts_of(path))) do k = k or names.folder(dir) and i end
      known[above] = k
    end
    if k then
      local dirs, stem = parts_of(path)
      local kind, place = names.folder(dirs[k]), place_of(k, dirs)
      if place == "split" and kind == "perhaps" then kind = "likely" end         -- no class that would be lost
      if place == "class" and kind == "likely" then kind = "perhaps" end
      found[#found + 1] = {path = path, k = k, dirs = without(dirs, k), stem = stem, kind = kind, place = place,
        folder = table.concat(dirs, "/", 1, k)}
    else
      others[#others + 1] = path
    end
  end
  return found, others
end

local function key_of(k, dirs, stem) return ("%d/%s/%s"):format(k, table.concat(dirs, "/"), stem) end

-- The masks by the names that their pictures may have; those in a folder called like a picture come second.
local function index_of(masks)
  local exact, several = {}, {}
  local function put(into, key, mask, rule, number)
    into[key] = into[key] or {}
    table.insert(into[key], {mask = mask, rule = rule, number = number})
  end
  for _, mask in ipairs(masks) do
    put(exact, key_of(mask.k, mask.dirs, mask.stem), mask, "name", "")
    local base, number = base_of(mask.stem)
    if base then put(exact, key_of(mask.k, mask.dirs, base), mask, "word", number) end
    local last = #mask.dirs
    if last >= mask.k then
      put(several, key_of(mask.k, without(mask.dirs, last), mask.dirs[last]), mask, "several", mask.stem)
    end
  end
  return {exact, several}
end

-- Calls f(entry, instead) for the entries of the index that fit a picture; instead: its folder in the place of the
-- masks' folder, or "" if it has none there.
local function each_fit(index, path, f)
  local dirs, stem = parts_of(path)
  local function look(k, rest, instead)
    for _, entry in ipairs(index[key_of(k, rest, stem)] or {}) do f(entry, instead) end
  end
  for k = 1, #dirs + 1 do
    look(k, dirs, "")
    if k <= #dirs then look(k, without(dirs, k), dirs[k]) end
  end
end

-- Gives each mask that fits pictures the list of them: mask.fits = {{path, where, number, instead}, …}.
local function fit(masks, pictures, tested)
  for _, mask in ipairs(masks) do mask.fits = nil end
  for _, index in ipairs(index_of(masks)) do
    local fits = {}
    local function add(path, entry, instead)
      local mask = entry.mask
      if mask.fits or mask.place == "split" and instead ~= "" and instead:lower() ~= tested then return end
      fits[mask] = fits[mask] or {}
      table.insert(fits[mask], {path = path, where = mask.path:match "^.*/" .. entry.rule, number = entry.number,
        instead = instead})
    end
    for _, path in ipairs(pictures) do
      each_fit(index, path, function(entry, instead) add(path, entry, instead) end)
    end
    for mask, list in pairs(fits) do mask.fits = list end
  end
end

-- Whether most of a folder's files have at most two colours.
local function looks_like_masks(dir, group, o)
  local some, yes, n = {}, 0, math.min(SAMPLE, #group)
  for i = 1, n do some[i] = group[(i - 1) * #group // n + 1].path end
  for _, is in ipairs(two_coloured(dir, some, o)) do yes = yes + (is and 1 or 0) end
  return 2 * yes > n
end

-- Splits the candidates into masks and pictures, a whole folder at a time.
local function decide(dir, candidates, o, notes)
  local folders, masks, pictures, taken, kept = {}, {}, {}, {}, {}
  for _, mask in ipairs(candidates) do
    local group = folders[mask.folder] or {kind = mask.kind, fitting = 0}
    folders[mask.folder], group[#group + 1] = group, mask
    group.fitting = group.fitting + (mask.fits and 1 or 0)
  end
  for _, name in ipairs(sorted_keys(folders)) do
    local group = folders[name]
    local is = group.kind == "certain" or 2 * group.fitting >= #group
    if is and group.kind == "perhaps" and not looks_like_masks(dir, group, o) then
      is, kept[#kept + 1] = false, name
    end
    for _, mask in ipairs(group) do
      if not is then pictures[#pictures + 1] = mask.path
      else
        masks[#masks + 1] = mask
        if group.kind ~= "certain" then taken[#taken + 1] = mask.path end
      end
    end
  end
  note(notes, taken, "file in a folder of masks, beside pictures of the same names, is taken for a mask",
    "files in folders of masks, beside pictures of the same names, are taken for masks")
  note(notes, kept, "folder is called as folders of masks are, but its files have more than two colours and are taken " ..
    "for pictures", "folders are called as folders of masks are, but their files have more than two colours and are " ..
    "taken for pictures")
  return masks, pictures
end

-- Masks beside their pictures ---------------------------------------------------------------------

-- The pictures of each stem: a list.
local function by_stem(paths)
  local groups = {}
  for _, path in ipairs(paths) do
    local stem = stem_of(path)
    local group = groups[stem]
    if group then group[#group + 1] = path else groups[stem] = {path} end
  end
  return groups
end

-- Takes NAME_mask.png beside NAME.png out of the pictures; give(picture, mask, where, number).
local function beside_by_name(pictures, give, notes)
  local groups, rest, taken = by_stem(pictures), {}, {}
  for _, path in ipairs(pictures) do
    local above, file = path:match "^(.-)([^/]*)$"
    local base, number = base_of(stem_of(file))
    local owners = base and groups[above .. base]
    if owners then
      taken[#taken + 1] = path
      for _, owner in ipairs(owners) do give(owner, path, above .. "word", number) end
    else
      rest[#rest + 1] = path
    end
  end
  note(notes, taken, "file named like the picture beside it, and a mask, is taken for its mask",
    "files named like the pictures beside them, and masks, are taken for their masks")
  return rest
end

-- Takes NAME.png of at most two colours beside NAME.jpg out of the pictures.
local function beside_by_pixels(dir, pictures, o, give, notes)
  local groups, unsure, is_mask, taken, kept = {}, {}, {}, {}, {}
  for _, group in pairs(by_stem(pictures)) do
    if #group > 1 then
      groups[#groups + 1] = group
      for _, path in ipairs(group) do if not formats.is_lossy(path) then unsure[#unsure + 1] = path end end
    end
  end
  if #unsure == 0 then return pictures end
  for i, is in ipairs(two_coloured(dir, unsure, o)) do is_mask[unsure[i]] = is or nil end
  for _, group in ipairs(groups) do
    local owners, masks = {}, {}
    for _, path in ipairs(group) do table.insert(is_mask[path] and masks or owners, path) end
    if #masks == 0 then table.move(owners, 1, #owners, #kept + 1, kept) end
    for _, mask in ipairs(masks) do
      if #owners == 0 then is_mask[mask] = nil else taken[#taken + 1] = mask end  -- pictures of two colours
      for _, owner in ipairs(owners) do give(owner, mask, "pixels", "") end
    end
  end
  local rest = {}
  for _, path in ipairs(pictures) do if not is_mask[path] then rest[#rest + 1] = path end end
  note(notes, taken, "file of at most two colours beside a picture of the same name is taken for its mask",
    "files of at most two colours beside pictures of the same names are taken for their masks")
  if #taken > 0 then
    note(notes, kept, "", "files of the same names as others beside them have more than two colours and are taken for " ..
      "pictures")
  end
  return rest
end

-- All of it ---------------------------------------------------------------------------------------

-- The masks of each picture: all that fit, where they are parts of one mask; none where that is in doubt.
local function choose(given, pictures, notes)
  local chosen, doubted, groups = {}, {}, by_stem(pictures)
  for _, picture in ipairs(pictures) do
    local list, sure, numbers, paths = given[picture], #groups[stem_of(picture)] == 1, {}, {}
    for i, m in ipairs(list or {}) do
      sure = sure and not m.shared and m.where == list[1].where and not numbers[m.number]
      numbers[m.number], paths[i] = true, m.path
    end
    if list and sure then chosen[picture] = paths elseif list then doubted[#doubted + 1] = picture end
  end
  note(notes, doubted, "picture's mask is not used, as it is in doubt: several files may be its mask, or its mask that " ..
    "of several pictures", "pictures' masks are not used, as they are in doubt: several files may be the mask of one " ..
    "picture, or one the mask of several")
  return chosen
end

--- Splits the files of a folder into pictures and masks.
-- @param dir string the folder; pixels are looked at only where names do not tell
-- @param paths list relative paths, sorted
-- @param o table max_pixels, max_bytes
-- @param notes list to which notes are added
-- @return list the pictures, sorted
-- @return table picture -> list of its masks; nil if there is no mask
function names.split(dir, paths, o, notes)
  local place_of, tested = places_of(paths)
  local candidates, pictures = candidates_of(paths, place_of)
  local given, masks, alone = {}, {}, {}
  local function give(picture, path, where, number, shared)
    given[picture] = given[picture] or {}
    table.insert(given[picture], {path = path, where = where, number = number, shared = shared})
  end
  if #candidates > 0 then
    local back
    fit(candidates, pictures, tested)
    masks, back = decide(dir, candidates, o, notes)
    if #back > 0 then
      table.move(back, 1, #back, #pictures + 1, pictures)
      table.sort(pictures)
      fit(masks, pictures, tested)
    end
  end
  local n = #pictures
  pictures = beside_by_pixels(dir, beside_by_name(pictures, give, notes), o, give, notes)
  for _, mask in ipairs(masks) do
    local first, shared = nil, false
    for _, f in ipairs(mask.fits or {}) do
      first = first or f.instead
      shared = shared or mask.place ~= "inner" and f.instead ~= first
    end
    for _, f in ipairs(mask.fits or {}) do give(f.path, mask.path, f.where, f.number, shared) end
    if not first then alone[#alone + 1] = mask.path end
  end
  note(notes, alone, "mask belongs to no picture", "masks belong to no picture")
  if #masks == 0 and #pictures == n then return pictures, nil end
  return pictures, choose(given, pictures, notes)
end

return names
