--- Downloads named data sets and verifies them.
-- Existing files are checked first: a file with the right SHA-256 is kept (unless `force`); any other is renamed to
-- NAME.old once the right one has arrived. Downloads go to NAME.part beside their target, and archives are unpacked
-- into FOLDER.part; both are renamed after verification. A lock lets one process at a time work in a root folder.

local core = require "agad.core"
local interrupt = require "agad.base.interrupt"
local places = require "agad.base.places"
local lfs = require "lfs"
local named = require "agad.data.named"
local options = require "agad.base.options"
local make_folder = require("agad.base.folder").make
local sorted_keys = require("agad.base.values").keys
local transfer = require "agad.data.transfer"
local uv = require "luv"
local format = require("agad.base.text").format

local fetch, option = {}, options.option

local function fail(...) error(format(...), 0) end

local known = {
  root = option {kind = "string"}, force = option {default = false}, from = option {kind = "string"},
  sources = option {kind = "any"}, on_event = option {kind = "function"},
}

local function checked(o)
  o = options.check("fetch", o, known)
  if o.from and not tostring(o.from):find "^https?://[^/%s]" then
    fail("fetch: from = %s is not a URL; give http://… or https://…", o.from)
  end
  return o
end

local function load_sources(given)
  if given == nil then return named.sources() end
  if type(given) == "table" then return given end
  local chunk, reason = loadfile(given, "t", {})
  if not chunk then fail("fetch: %s", reason) end
  return chunk()
end

--- The source of a data set; raises an error if the name is unknown.
-- @param name string
-- @param o table as for `agad.fetch.get`
-- @return table its entry in the table of sources
function fetch.source(name, o)
  local sources = load_sources(checked(o).sources)
  if sources[name] then return sources[name] end
  local about = named.about(name)
  if about and about.not_fetched then fail("%s %s", name, about.not_fetched) end
  local names = sorted_keys(sources)
  return fail("fetch: there is no data set %s%s", name, options.hint(name, names))
end

local function absolute(path)
  if path:sub(1, 1) ~= "/" then path = lfs.currentdir() .. "/" .. path:gsub("^%./", "") end
  return #path > 1 and path:gsub("/+$", "") or path
end

-- What is there ---------------------------------------------------------------------------------------

local function is_gzip(name) return name:find "%.gz$" ~= nil end

local function right(path, file, gzip)
  if not file.sha256 then return true end
  if not gzip and file.bytes and transfer.size(path) ~= file.bytes then return false end
  return transfer.sum(path, gzip, file.bytes) == file.sha256
end

-- The intact copy of a file that readers use, and wrong copies that would hide it. An unpacked copy of NAME.gz comes
-- before NAME.gz, as readers look for it first.
local function inspect(folder, file)
  local wrong, gzip = {}, is_gzip(file.name)
  for _, name in ipairs(gzip and {file.name:gsub("%.gz$", ""), file.name} or {file.name}) do
    local path = folder .. "/" .. name
    if transfer.size(path) then
      if right(path, file, is_gzip(name)) then return path, wrong end
      wrong[#wrong + 1] = path
    end
  end
  return nil, wrong
end

-- Returns a list of {file, path or nil, wrong}, whether all files are present, and whether there are no wrong copies.
local function inspect_all(source, folder)
  local list, complete, clean = {}, true, true
  for i, file in ipairs(source.files) do
    local path, wrong = inspect(folder, file)
    list[i] = {file = file, path = path, wrong = wrong}
    complete, clean = complete and path ~= nil, clean and #wrong == 0
  end
  return list, complete, clean
end

local function rename(from, to)
  local ok, reason = os.rename(from, to)
  if not ok then fail("cannot rename %s to %s: %s", from, to, reason) end
end

local function set_aside(path, notes)
  local old, n = path .. ".old", 1
  while lfs.symlinkattributes(old, "mode") do
    n = n + 1
    old = path .. ".old" .. n
  end
  rename(path, old)
  notes[#notes + 1] = ("%s was not the official file; it was renamed to %s"):format(path, old)
end

local function place(from, entry, to, notes)
  for _, path in ipairs(entry.wrong) do set_aside(path, notes) end
  rename(from, to)
  entry.path, entry.wrong = to, {}
end

local function remove_tree(path)
  local mode = lfs.symlinkattributes(path, "mode")
  if mode == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then remove_tree(path .. "/" .. name) end
    end
    lfs.rmdir(path)
  elseif mode then
    os.remove(path)
  end
end

-- One process at a time: the others wait.
local function lock(root, event)
  local path, waited = root .. "/.fetch.lock", false
  while true do
    local held, reason = core.file_lock(path)
    if held == nil then fail("cannot write in %s: %s", root, reason) end
    if held then
      return function()
        os.remove(path)
        held:close()
      end
    end
    if not waited then event {kind = "wait", root = root} end
    waited = true
    uv.sleep(100)
    interrupt.check()
  end
end

-- Getting -----------------------------------------------------------------------------------------------

local function host(address) return (address:gsub("^%a+://", ""):gsub("/.*", ""):gsub("^.*@", "")) end

-- Raises one line: why each server failed, then how to continue without a network.
local function cannot_get(name, source, file, where, failed, o)
  local reasons, wanted = {}, {}
  for i, f in ipairs(failed) do reasons[i] = ("%s: %s"):format(host(f.address), f.reason) end
  for i, f in ipairs(source.archive and {source.archive} or source.files) do wanted[i] = f.name end
  local kept = transfer.size(where .. "/" .. file.name .. ".part")
  fail("%s: %s could not be downloaded: %s%s; without a network, copy %s (from %s) to %s and run: agad fetch %s%s; "
    .. "or download from a server of your own with --from URL", name, file.name, table.concat(reasons, "; "),
    kept and ("; the %d bytes received so far are kept, and the next fetch continues them"):format(kept) or "",
    table.concat(wanted, ", "),
    source.places[1], where, name, o.root and " --root " .. o.root or "")
end

-- Downloads a file to NAME.part in the folder and verifies it.
local function download(name, source, file, folder, o, event, notes)
  local part, addresses = folder .. "/" .. file.name .. ".part", {}
  for i, base in ipairs(o.from and {o.from} or source.places) do
    addresses[i] = base:gsub("/*$", "/") .. file.name
  end
  local gzip = is_gzip(file.name) and file ~= source.archive
  local address, failed = transfer.get(addresses, part, function() return right(part, file, gzip) end,
    function(from, bytes)
      event {kind = "progress", name = name, file = file.name, host = host(from), bytes = bytes,
        total = file.download}
    end)
  if not address then cannot_get(name, source, file, folder, failed, o) end
  for _, f in ipairs(failed) do notes[#notes + 1] = ("%s: %s: %s"):format(file.name, host(f.address), f.reason) end
  return part
end

local function unpack_archive(name, source, list, archive, folder, notes)
  local temporary, members, bytes = folder .. ".part", {}, 0
  remove_tree(temporary)
  for _, file in ipairs(source.files) do bytes = bytes + (file.bytes or 4096) end
  local disk = uv.fs_statfs(archive)
  if disk and disk.blocks > 0 and disk.bavail * disk.bsize < bytes then   -- no blocks: a file system that does not say
    fail("%s: the disk is full: unpacking %s takes %.1f MB, but %.1f MB are free; make room, then fetch again",
      name, archive, bytes / 1e6, disk.bavail * disk.bsize / 1e6)
  end
  make_folder(temporary)
  local args = {"-xzf", archive, "-C", temporary, "--no-same-owner"}
  for _, file in ipairs(source.files) do members[#members + 1] = source.folder .. "/" .. file.name end
  table.move(members, 1, #members, #args + 1, args)
  local ok, reason = pcall(function()
    local status, said = transfer.run("tar", args)
    if status ~= 0 then fail("%s: %s cannot be unpacked (and was kept): %s", name, archive, said[1] or "tar failed") end
    for i, file in ipairs(source.files) do
      if not right(temporary .. "/" .. members[i], file) then
        fail("%s: %s in %s has the wrong SHA-256; fetch again", name, members[i], archive)
      end
    end
  end)
  if not ok then
    remove_tree(temporary)
    error(reason, 0)
  end
  if not lfs.attributes(folder, "mode") then
    rename(temporary .. "/" .. source.folder, folder)
    for _, entry in ipairs(list) do entry.path = folder .. "/" .. entry.file.name end
  else
    for i, entry in ipairs(list) do
      place(temporary .. "/" .. members[i], entry, folder .. "/" .. entry.file.name, notes)
    end
  end
  remove_tree(temporary)
end

-- An archive that the user copied here is used and kept. A downloaded one keeps the name NAME.part, so that the next
-- attempt can use it if unpacking is interrupted, and is removed at the end.
local function get_archive(name, source, list, root, folder, o, event, notes)
  local path = root .. "/" .. source.archive.name
  local brought = transfer.size(path) and right(path, source.archive)
  if not brought then path = download(name, source, source.archive, root, o, event, notes) end
  event {kind = "unpack", name = name, file = source.archive.name}
  unpack_archive(name, source, list, path, folder, notes)
  if not brought then os.remove(path) end
end

local function get_files(name, source, list, folder, o, event, notes)
  make_folder(folder)
  for _, entry in ipairs(list) do
    if entry.path and not o.force then
      for _, wrong in ipairs(entry.wrong) do set_aside(wrong, notes) end
    else
      local part = download(name, source, entry.file, folder, o, event, notes)
      place(part, entry, folder .. "/" .. entry.file.name, notes)
    end
  end
end

--- Downloads a data set unless it is present; verifies it by SHA-256, and continues an interrupted download.
-- @param name string one of `agad.fetch.list()`
-- @param o table root (the folder of the data sets; default: $AGAD_DATA, or else ~/.cache/agad/data), force (download
--   again even what is intact), from (URL of a folder with the same file names, instead of the known servers), sources
--   (another table of sources, as agad.data.named describes them, or a Lua file that returns one), on_event
--   (function(event); kinds wait, progress, unpack)
-- @return table name, path (the folder), bytes, files (list of names), already (true: nothing had to be downloaded),
--   notes (list of texts, or nil)
-- @raise unknown name; no server gave the file (with what to copy where); the disk is full; a program is missing
function fetch.get(name, o)
  o = checked(o)
  local source = fetch.source(name, o)
  local root = absolute(places.data(o.root))
  local folder, notes, event = root .. "/" .. source.folder, {}, o.on_event or function() end
  local list, complete, clean = inspect_all(source, folder)
  local already = complete and clean and not o.force
  if not already then
    make_folder(root)
    local unlock = lock(root, event)
    local ok, reason = pcall(function()
      list, complete, clean = inspect_all(source, folder)          -- another process may have brought it
      already = complete and clean and not o.force
      if already then return end
      if source.archive then
        get_archive(name, source, list, root, folder, o, event, notes)
      else
        get_files(name, source, list, folder, o, event, notes)
      end
    end)
    unlock()
    if not ok then error(reason, 0) end
  end
  local row = {name = name, path = folder, bytes = 0, files = {}, already = already}
  if #notes > 0 then row.notes = notes end
  for i, entry in ipairs(list) do
    row.files[i] = entry.path:match "[^/]+$"
    row.bytes = row.bytes + transfer.size(entry.path)
  end
  return row
end

--- Lists the data sets that can be downloaded.
-- @param o table root, sources
-- @return list of {name, title, path, bytes (to download), files, already (all files exist; this does not verify them)}
function fetch.list(o)
  local sources, rows = load_sources(checked(o).sources), {}
  local root = absolute(places.data((o or {}).root))
  for i, name in ipairs(sorted_keys(sources)) do
    local source = sources[name]
    local row = {name = name, title = source.title, path = root .. "/" .. source.folder, bytes = 0, files = {},
      already = true}
    for k, file in ipairs(source.files) do
      row.files[k] = file.name
      row.bytes = row.bytes + (file.download or 0)
      row.already = row.already and
        (transfer.size(row.path .. "/" .. file.name) or transfer.size(row.path .. "/" .. file.name:gsub("%.gz$", "")))
          ~= nil
    end
    if source.archive then row.bytes = source.archive.download or source.archive.bytes end
    rows[i] = row
  end
  return rows
end

return fetch
