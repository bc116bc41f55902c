-- Folders with pictures for specs: a fresh one for each test, files in it, processes that work on them.

local agad = require "agad"
local lfs = require "lfs"
local core, data = agad.core, agad.core.data

local pictures = {}
local folder

function pictures.shell(...) return assert(os.execute((...):format(select(2, ...)))) end

--- An empty folder, for before_each; its path.
function pictures.open()
  folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
  return folder
end

--- Removes it with all that lies in it, for after_each.
function pictures.close() pictures.shell("chmod -R u+rwx '%s'; rm -rf '%s'", folder, folder) end

--- Writes a file; its path.
function pictures.write(name, bytes)
  local path = folder .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

function pictures.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

local function crc(text)
  local c = 0xffffffff
  for i = 1, #text do
    c = c ~ text:byte(i)
    for _ = 1, 8 do c = c & 1 == 1 and (c >> 1) ~ 0xedb88320 or c >> 1 end
  end
  return c ~ 0xffffffff
end

--- The bytes of a chunk of a PNG file.
function pictures.png_chunk(name, body)
  return string.pack(">I4", #body) .. name .. body .. string.pack(">I4", crc(name .. body))
end

--- A PNG whose every pixel is `value`, grey and 4 x 4 unless said otherwise; its path.
function pictures.one(name, value, height, width, channels)
  local path = folder .. "/" .. name
  data.write_png(path, core.from_table({value}, "uint8"):expand({channels or 1, height or 4, width or 4}))
  return path
end

--- n pictures with the values 1 to n; their paths.
function pictures.many(n)
  local paths = {}
  for i = 1, n do paths[i] = pictures.one(("p%03d.png"):format(i), i) end
  return paths
end

--- The first pixel of every row.
function pictures.values(images) return images:select(4, 1):select(3, 1):select(2, 1):totable() end

--- So many paths, one large picture again and again, that whoever loads them is stopped long before the end.
function pictures.endless()
  local path, paths = folder .. "/large.png", {}
  data.write_png(path, agad.rand(1, 1200, 1200):mul(255):to "uint8")
  for i = 1, 20000 do paths[i] = path end
  return paths
end

--- Runs Lua in a process of its own, with `paths`, `data`, `core` and `signal(name)` to itself, between shell text; its
-- output and exit status.
function pictures.child(paths, chunk, before, behind)
  local script = pictures.write("child.lua", [[
    local agad, luv = require "agad", require "luv"
    local core, data = agad.core, agad.core.data
    local function signal(name) luv.kill(luv.os_getpid(), name) end
    local paths = {}
    for line in io.lines(arg[1]) do paths[#paths + 1] = line end
  ]] .. chunk)
  local list = pictures.write("paths", table.concat(paths, "\n") .. "\n")
  local command = ("'%s' '%s' '%s' 2>&1"):format(os.getenv "AGAD", script, list)
  local pipe = io.popen(("%s %s %s"):format(before or "", command, behind or ""))
  local text = pipe:read "a"
  local _, how, code = pipe:close()
  return text, how == "signal" and 128 + code or code
end

return pictures
