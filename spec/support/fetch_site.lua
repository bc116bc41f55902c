-- What the specs of `agad fetch` share: a folder, small files in it, and a server that gives them in many ways
-- (http_server.lua). Call site.start() in setup, site.stop() in teardown, site.fresh() before each test.

local assert = require "luassert"       -- a spec has it as its global, a file that it loads has not
local fetch = require "agad.data.fetch"
local lfs = require "lfs"
local luv = require "luv"

local site = {nowhere = "http://127.0.0.1:1/"}   -- nothing listens on port 1

site.dir = os.tmpname()
os.remove(site.dir)
site.root, site.files = site.dir .. "/root", site.dir .. "/files"

--- Runs a shell command; its status.
function site.shell(...)
  local _, _, status = os.execute(string.format(...))
  return status
end

function site.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

function site.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local shell, read, write, files = site.shell, site.read, site.write, site.files

-- Lines that a shell command prints.
local function lines_of(...)
  local pipe, lines = io.popen(string.format(...)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local function sha256(path) return lines_of("sha256sum < '%s'", path)[1]:sub(1, 64) end

site.can_fetch = shell "command -v curl > /dev/null" == 0

--- All names below a folder, sorted; folders themselves are left out.
function site.tree(path) return lines_of("cd '%s' && find . ! -type d | sed 's/^..//' | LC_ALL=C sort", path) end

-- Bytes that gzip cannot shrink, so that "half-way" means something.
local function noise(n, seed)
  local words, x = {}, seed
  for i = 1, n // 8 do
    x = x * 6364136223846793005 + 1442695040888963407
    words[i] = ("<i8"):pack(x ~ x >> 29)
  end
  return table.concat(words)
end

--- What the served files hold: a.gz and b.bin; packed.tar.gz with one.bin and names.txt.
site.content = {a = noise(60000, 1), b = noise(8000, 2), one = noise(90000, 3), names = "cat\ndog\n"}
site.sums = {}

local content, sums = site.content, site.sums
local server

function site.start()
  shell("mkdir -p '%s/packed'", files)
  write(files .. "/a", content.a)
  write(files .. "/b.bin", content.b)
  write(files .. "/packed/one.bin", content.one)
  write(files .. "/packed/names.txt", content.names)
  sums.a, sums.b, sums.one = sha256(files .. "/a"), sha256(files .. "/b.bin"), sha256(files .. "/packed/one.bin")
  shell("cd '%s' && gzip -n a && tar -czf packed.tar.gz packed && rm -r packed", files)
  local archive = files .. "/packed.tar.gz"
  sums.packed, site.archive_bytes = sha256(archive), lfs.attributes(archive, "size")
  server = io.popen(("exec '%s' spec/support/http_server.lua '%s'"):format(luv.exepath(), site.dir), "w")
  for _ = 1, 4000 do
    site.port = read(site.dir .. "/port")
    if site.port then return end
    luv.sleep(25)
  end
  error "the server did not start"
end

function site.stop()
  if server then server:close() end              -- its standard input ends, and so does it
  shell("rm -rf '%s'", site.dir)
end

--- An empty root and no requests yet; mode "hold" holds.
function site.fresh()
  os.remove(site.dir .. "/go")
  shell("rm -rf '%s'", site.root)
  site.requests()
end

--- Lets mode "hold" give the rest ("all"), or a little of it at a time ("drip").
function site.go(how)
  write(site.dir .. "/go.new", how)
  os.rename(site.dir .. "/go.new", site.dir .. "/go")
end

--- The address of a mode of the server (an address stays as it is).
function site.base(mode) return mode:find "^http" and mode or ("http://127.0.0.1:%s/%s/"):format(site.port, mode) end

--- The table of sources with these modes as places.
function site.sources(...)
  local places = {}
  for i, mode in ipairs {...} do places[i] = site.base(mode) end
  return {
    tiny = {folder = "tiny", places = places, title = "two files", files = {
      {name = "a.gz", bytes = #content.a, download = 60000, sha256 = sums.a},
      {name = "b.bin", bytes = #content.b, download = 8000, sha256 = sums.b},
    }},
    packed = {folder = "packed", places = places, title = "an archive",
      archive = {name = "packed.tar.gz", bytes = site.archive_bytes, download = 90000, sha256 = sums.packed},
      files = {{name = "one.bin", bytes = #content.one, sha256 = sums.one}, {name = "names.txt"}}},
  }
end

--- fetch.get into the root with these modes as places.
function site.get(name, modes, o)
  o = o or {}
  o.root, o.sources = o.root or site.root, site.sources(table.unpack(modes))
  return fetch.get(name, o)
end

--- The requests since the last call, as {"plain a.gz - 200", …}.
function site.requests()
  local lines = {}
  for line in (read(site.dir .. "/requests") or ""):gmatch "[^\n]+" do lines[#lines + 1] = line end
  os.remove(site.dir .. "/requests")
  return lines
end

--- The root holds the set of two files, whole, and nothing else.
function site.assert_tiny()
  assert.same({"tiny/a.gz", "tiny/b.bin"}, site.tree(site.root))
  assert.equal(read(files .. "/a.gz"), read(site.root .. "/tiny/a.gz"))
  assert.equal(content.b, read(site.root .. "/tiny/b.bin"))
end

return site
