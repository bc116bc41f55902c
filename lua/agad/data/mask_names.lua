-- Which files of a folder are masks, and of which pictures. Names tell; where they do not, the pixels do:
--   ground_truth/KIND/NAME_mask.png    a folder of masks: the rest of the path is the picture's (KIND/NAME), or the
--                                      picture has another folder in its place (test/KIND/NAME)
--   KIND/gt/NAME.png                   beside KIND/NAME or KIND/rgb/NAME
--   ground_truth/KIND/NAME/000.png, …  several masks of one picture, as in MVTec LOCO
--   NAME_mask.png, NAME_mask_1.png     beside NAME
--   NAME.png                           beside NAME.jpg, where it is black and one other colour, as in Real-IAD
-- A mask is never a picture. One whose picture is in doubt is not used.

local core = require "agad.core"
local formats = require "agad.data.formats"
local sort = require("agad.base.text").sort
local sorted_keys = require("agad.base.values").keys

local names = {}

local SAMPLE = 20          -- how many pictures of a folder are looked at

-- How the names of masks end, and what their folders are called.
local words = {}
for word in ("mask masks gt truth groundtruth label labels seg segmentation segmentations"):gmatch "%S+" do
  words[word] = true
end

-- "017_mask_2" -> "017", "2"; "017_mask" and "mask_017" -> "017", ""; nil for a name that is not like those of masks.
local function base_of(stem)
  local first, behind = stem:match "^(%a+)[_%-%. ](.+)$"
  if first and words[first:lower()] then return behind, "" end
  local word = stem:match "(%a+)[_%-%. ]?%d*$"
  if not word or not words[word:lower()] then return nil end
  local base, number = stem:match("^(.+)[_%-%. ]" .. word .. "[_%-%. ]?(%d*)$")
  if base and word:lower() == "truth" then base = base:match "^(.+)[_%-%. ][gG][rR][oO][uU][nN][dD]$" end
  return base, number
end

local certain = {ground_truth = true, groundtruth = true, ["ground-truth"] = true, ["ground truth"] = true}
local likely = {gt = true, mask = true, masks = true}

--- Whether a folder is called as folders of masks are.
-- @param name string
-- @return string "certain" (it holds nothing but masks), "likely" (it does if pictures of the same names lie beside
--   it), "perhaps" (likewise, if its files look like masks), or nil
function names.folder(name)
  local lower = name:lower()
  if certain[lower] then return "certain" end
  return likely[lower] and "likely" or (words[lower] or base_of(lower)) and "perhaps" or nil
end

--- Whether a file lies in a folder that is called as folders of masks usually are.
-- @param path string
function names.is_in_folder(path)
  for dir in path:gmatch "([^/]+)/" do
    local kind = names.folder(dir)
    if kind == "certain" or kind == "likely" then return true end
  end
  return false
end

local function stem_of(path) return path:match "^(.*[^/])%.[^./]*$" or path end

-- "test/hole/017.png" -> "test/hole/", "017"
local function parts_of(path)
  local above, file = path:match "^(.-)([^/]*)$"
  return above, stem_of(file)
end

local function dirs_of(above)
  local dirs = {}
  for dir in above:gmatch "([^/]+)/" do dirs[#dirs + 1] = dir end
  return dirs
end

-- The folders but for the one in place k: "hole/".
local function without(dirs, k)
  local rest = {}
  for i, dir in ipairs(dirs) do if i ~= k then rest[#rest + 1] = dir .. "/" end end
  return table.concat(rest)
end

-- Adds a note: how many these are, and the first of them.
local function note(notes, list, one, many)
  if #list == 0 then return end
  sort(list)
  notes[#notes + 1] = ("%d %s (%s%s)"):format(#list, #list == 1 and one or many,
    table.concat(list, ", ", 1, math.min(3, #list)), #list > 3 and ", …" or "")
end

-- Whether files look like masks: black and at most one other colour, or white throughout.
local function mask_like(dir, list, o)
  local full = {}
  for i, path in ipairs(list) do full[i] = dir .. "/" .. path end
  return core.data.mask_like(full, {max_pixels = o.max_pixels or nil, max_bytes = o.max_bytes or nil})
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

-- The folder of masks among these folders: k, its place among them; path; kind; place; rest: the others, "hole/"; or
-- false.
local function folder_of_masks(above, place_of)
  local dirs = dirs_of(above)
  for k, dir in ipairs(dirs) do
    local kind, place = names.folder(dir), place_of(k, dirs)
    if kind then
      if place == "split" and kind == "perhaps" then kind = "likely" end         -- no class that would be lost
      if place == "class" and kind == "likely" then kind = "perhaps" end
      return {k = k, path = table.concat(dirs, "/", 1, k), kind = kind, place = place, rest = without(dirs, k),
        deeper = #dirs > k}
    end
  end
  return false
end

-- Splits paths into those in a folder that is called as folders of masks are, {path, stem, folder}, and all others.
local function candidates_of(paths, place_of)
  local found, others, known = {}, {}, {}
  for _, path in ipairs(paths) do
    local above = path:match "^.*/" or ""
    if known[above] == nil then known[above] = folder_of_masks(above, place_of) end
    if known[above] then
      found[#found + 1] = {path = path, stem = select(2, parts_of(path)), folder = known[above]}
    else
      others[#others + 1] = path
    end
  end
  return found, others
end

-- The masks by k and the paths that their pictures may have but for their folder in place k: "1:hole/017"; those in a
-- folder called like a picture come second.
local function index_of(masks)
  local exact, several = {}, {}
  local function put(into, key, mask, rule, number)
    into[key] = into[key] or {}
    table.insert(into[key], {mask = mask, rule = rule, number = number})
  end
  for _, mask in ipairs(masks) do
    local rest = mask.folder.k .. ":" .. mask.folder.rest
    put(exact, rest .. mask.stem, mask, "name", "")
    local base, number = base_of(mask.stem)
    if base then put(exact, rest .. base, mask, "word", number) end
    if mask.folder.deeper then put(several, rest:sub(1, -2), mask, "several", mask.stem) end
  end
  return {exact, several}
end

-- What stands before a picture's name in such an index, for each place k in which masks have their folder: a list of
-- {prefix, instead}; instead: its folder in that place, or "" if it has none there.
local function prefixes_of(above, ks)
  local dirs, list = dirs_of(above), {}
  for _, k in ipairs(ks) do
    if k <= #dirs + 1 then list[#list + 1] = {k .. ":" .. above, ""} end
    if k <= #dirs then list[#list + 1] = {k .. ":" .. without(dirs, k), dirs[k]} end
  end
  return list
end

-- Gives each mask that fits pictures the list of them: mask.fits = {{path, where, number, instead}, …}.
local function fit(masks, pictures, tested)
  local ks = {}
  for _, mask in ipairs(masks) do mask.fits, ks[mask.folder.k] = nil, true end
  ks = sorted_keys(ks)
  for _, index in ipairs(index_of(masks)) do
    local fits, prefixes = {}, {}
    local function add(path, entry, instead)
      local mask = entry.mask
      if mask.fits or mask.folder.place == "split" and instead ~= "" and instead:lower() ~= tested then return end
      fits[mask] = fits[mask] or {}
      table.insert(fits[mask], {path = path, where = mask.path:match "^.*/" .. entry.rule, number = entry.number,
        instead = instead})
    end
    for _, path in ipairs(pictures) do
      local above, stem = parts_of(path)
      if not prefixes[above] then prefixes[above] = prefixes_of(above, ks) end
      for _, prefix in ipairs(prefixes[above]) do
        for _, entry in ipairs(index[prefix[1] .. stem] or {}) do add(path, entry, prefix[2]) end
      end
    end
    for mask, list in pairs(fits) do mask.fits = list end
  end
end

-- Whether most of a folder's files look like masks.
local function looks_like_masks(dir, group, o)
  local some, yes, n = {}, 0, math.min(SAMPLE, #group)
  for i = 1, n do some[i] = group[(i - 1) * #group // n + 1].path end
  for _, is in ipairs(mask_like(dir, some, o)) do yes = yes + (is and 1 or 0) end
  return 2 * yes > n
end

-- Splits the candidates into masks and pictures, a whole folder at a time.
local function decide(dir, candidates, o, notes)
  local folders, masks, pictures, taken, kept = {}, {}, {}, {}, {}
  for _, mask in ipairs(candidates) do
    local folder = mask.folder
    local group = folders[folder.path] or {kind = folder.kind, fitting = 0}
    folders[folder.path], group[#group + 1] = group, mask
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
  note(notes, kept,
    "folder is called as folders of masks are, but its files do not look like masks and are taken for pictures",
    "folders are called as folders of masks are, but their files do not look like masks and are taken for pictures")
  return masks, pictures
end

-- Masks beside their pictures ---------------------------------------------------------------------

-- The pictures by their stems: the first of each, and all of those that several have: a list.
local function by_stem(pictures)
  local first, twins = {}, {}
  for _, path in ipairs(pictures) do
    local stem = stem_of(path)
    if first[stem] then
      twins[stem] = twins[stem] or {first[stem]}
      table.insert(twins[stem], path)
    else
      first[stem] = path
    end
  end
  return first, twins
end

-- Takes NAME_mask.png beside NAME.png out of the pictures; give(picture, mask, where, number).
local function beside_by_name(pictures, give, notes)
  local first, twins, rest, taken = nil, nil, {}, {}
  for _, path in ipairs(pictures) do
    local above, stem = parts_of(path)
    local base, number = base_of(stem)
    if base and not first then first, twins = by_stem(pictures) end
    if base and first[above .. base] then
      taken[#taken + 1] = path
      for _, owner in ipairs(twins[above .. base] or {first[above .. base]}) do
        give(owner, path, above .. "word", number)
      end
    else
      rest[#rest + 1] = path
    end
  end
  note(notes, taken, "file named like the picture beside it, and a mask, is taken for its mask",
    "files named like the pictures beside them, and masks, are taken for their masks")
  return rest
end

-- Takes NAME.png that looks like a mask, beside NAME.jpg, out of the pictures.
local function beside_by_pixels(dir, pictures, o, give, notes)
  local _, twins = by_stem(pictures)
  local unsure, is_mask, taken, kept = {}, {}, {}, {}
  for _, group in pairs(twins) do
    for _, path in ipairs(group) do if not formats.is_lossy(path) then unsure[#unsure + 1] = path end end
  end
  if #unsure == 0 then return pictures end
  for i, is in ipairs(mask_like(dir, unsure, o)) do is_mask[unsure[i]] = is or nil end
  for _, group in pairs(twins) do
    local owners, masks = {}, {}
    for _, path in ipairs(group) do table.insert(is_mask[path] and masks or owners, path) end
    if #masks == 0 then table.move(owners, 1, #owners, #kept + 1, kept) end
    for _, mask in ipairs(masks) do
      if #owners == 0 then is_mask[mask] = nil else taken[#taken + 1] = mask end  -- pictures of few colours
      for _, owner in ipairs(owners) do give(owner, mask, "pixels", "") end
    end
  end
  if #taken == 0 then return pictures end
  local rest = {}
  for _, path in ipairs(pictures) do if not is_mask[path] then rest[#rest + 1] = path end end
  note(notes, taken, "file of black and one other colour, beside a picture of the same name, is taken for its mask",
    "files of black and one other colour, beside pictures of the same names, are taken for their masks")
  note(notes, kept, nil,
    "files of the same names as others beside them do not look like masks and are taken for pictures")
  return rest
end

-- All of it ---------------------------------------------------------------------------------------

-- The masks of each picture: all that fit, where they are parts of one mask; none where that is in doubt.
local function choose(given, pictures, notes)
  local chosen, doubted, _, twins = {}, {}, by_stem(pictures)
  for _, picture in ipairs(pictures) do
    local list, sure, numbers, paths = given[picture], not twins[stem_of(picture)], {}, {}
    for i, m in ipairs(list or {}) do
      sure = sure and not m.shared and m.where == list[1].where and not numbers[m.number]
      numbers[m.number], paths[i] = true, m.path
    end
    if list and sure then chosen[picture] = paths elseif list then doubted[#doubted + 1] = picture end
  end
  note(notes, doubted,
    "picture's mask is not used, as it is in doubt: several files fit the picture, or its mask fits several pictures",
    "pictures' masks are not used, as they are in doubt: several files fit one picture, or one fits several pictures")
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
      sort(pictures)
      fit(masks, pictures, tested)
    end
  end
  local n = #pictures
  pictures = beside_by_pixels(dir, beside_by_name(pictures, give, notes), o, give, notes)
  for _, mask in ipairs(masks) do
    local first, shared = nil, false
    for _, f in ipairs(mask.fits or {}) do
      first = first or f.instead
      shared = shared or mask.folder.place ~= "inner" and f.instead ~= first
    end
    for _, f in ipairs(mask.fits or {}) do give(f.path, mask.path, f.where, f.number, shared) end
    if not first then alone[#alone + 1] = mask.path end
  end
  note(notes, alone, "mask belongs to no picture", "masks belong to no picture")
  if #masks == 0 and #pictures == n then return pictures, nil end
  return pictures, choose(given, pictures, notes)
end

return names
