-- The limit of the cache of decoded pictures: what goes first, what never goes; and the command agad cache.
-- To add a case: sets from `set_of`, whose cache files come when they are loaded.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local cli = dofile "spec/support/cli.lua"
local decoded = require "agad.data.decoded"
local lfs = require "lfs"
local luv = require "luv"
local refused, has = checks.refused, checks.has

local before = {}

setup(function()
  for _, name in ipairs {"XDG_CACHE_HOME", "AGAD_CACHE_GB"} do before[name] = os.getenv(name) end
  luv.os_setenv("XDG_CACHE_HOME", cli.dir .. "/cache")
end)

teardown(function()
  for _, name in ipairs {"XDG_CACHE_HOME", "AGAD_CACHE_GB"} do
    if before[name] then luv.os_setenv(name, before[name]) else luv.os_unsetenv(name) end
  end
  collectgarbage()
  cli.remove()
end)

-- A folder of four pictures.
local function set_of(name)
  local dir = cli.dir .. "/" .. name
  require("agad.base.folder").make(dir .. "/good")
  for i = 1, 4 do
    agad.data.write_png(("%s/good/%d.png"):format(dir, i), agad.zeros({1, 64, 64}, {dtype = "uint8"}) + i * 20)
  end
  return dir
end

-- Loads a set and closes it; where it was cached.
local function load(name)
  local known = {}
  for _, file in ipairs(decoded.list()) do known[file.path] = true end
  local set = agad.data.folder(set_of(name))
  local path
  for _, file in ipairs(decoded.list()) do if not known[file.path] then path = file.path end end
  set.train.images:close()
  collectgarbage()
  collectgarbage()
  return path
end

local function names()
  local list = {}
  for i, file in ipairs(decoded.list()) do list[i] = file.path end
  return list
end

-- As if a file had been used at some second.
local function used(path, second) assert(lfs.touch(path, second, second)) end

describe("the cache of decoded pictures", function()
  before_each(function()
    luv.os_unsetenv "AGAD_CACHE_GB"
    collectgarbage()
    decoded.trim(0)
  end)

  it("is limited to 20 GB or a tenth of the disk, or to AGAD_CACHE_GB", function()
    local limit = decoded.limit()
    assert.is_true(limit > 0 and limit <= 20e9)
    luv.os_setenv("AGAD_CACHE_GB", "0.5")
    assert.equal(5e8, decoded.limit())
    luv.os_setenv("AGAD_CACHE_GB", "much")
    has(refused(decoded.limit), "AGAD_CACHE_GB = much: a number of gigabytes is needed")
  end)

  it("loses what was used longest ago when a new file is one too many", function()
    local a, b = load "a", load "b"
    local bytes = lfs.attributes(a, "size")
    assert.equal(2, #names())
    used(a, 2000)
    used(b, 1000)
    luv.os_setenv("AGAD_CACHE_GB", ("%.9f"):format(2.5 * bytes / 1e9))
    local c = load "c"
    assert.is_nil(lfs.attributes(b))
    assert.same({a, c}, names())
  end)

  it("counts a file as used when it is read", function()
    local a, b = load "a", load "b"
    used(a, 1000)
    used(b, 2000)
    load "a"
    assert.same({b, a}, names())
  end)

  it("never loses a file that is in use, here or in another process", function()
    local a = load "a"
    local set = agad.data.folder(cli.dir .. "/a")
    assert.is_true(decoded.list()[1].in_use)
    local removed, kept = decoded.trim(0)
    assert.same({0, 1}, {#removed, #kept})
    local status, out = cli.agad "cache"
    assert.equal(0, status)
    has(out, "in use", a, "1 file of decoded pictures")
    status, out = cli.agad "cache empty"
    assert.same({0, "  0 files removed, 0.0 MB; 1 in use stay\n"}, {status, out})
    assert.equal(4, set.train.images:size(1))
    set.train.images:close()
    collectgarbage()
    assert.is_false(decoded.list()[1].in_use)
    status, out = cli.agad "cache empty"
    assert.equal(0, status)
    has(out, "1 file removed")
    assert.same({}, names())
  end)

  it("is in use while a new file is used by who wrote it", function()
    local set = agad.data.folder(set_of "new")
    assert.is_true(decoded.list()[1].in_use)
    set.train.images:close()
    collectgarbage()
    assert.is_false(decoded.list()[1].in_use)
  end)

  it("is shown as JSON, and a wrong limit is one line", function()
    local path = load "a"
    local _, out = cli.agad "cache --json"
    local file = agad.core.json_decode(out:match "^[^\n]+")
    assert.same({path, lfs.attributes(path, "size"), false}, {file.path, file.bytes, file.in_use})
    assert.equal(1, agad.core.json_decode(out:match "\n([^\n]+)").files)
    luv.os_setenv("AGAD_CACHE_GB", "much")
    cli.refuses(2, "cache --json --quiet", "AGAD_CACHE_GB = much")
  end)
end)
