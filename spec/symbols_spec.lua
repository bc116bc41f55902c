-- What the shared libraries export: nothing but the functions of agad.h and what Lua's `require` looks for, so that no
-- name of ours meets one of a host's.  A new function of agad.h also goes into csrc/score/agad.map.

local scratch = dofile "spec/support/scratch.lua"
local path, read, write = scratch.path, scratch.read, scratch.write
teardown(scratch.remove)

local root = io.popen("pwd -P"):read "l"
local build = os.getenv "AGAD_BUILD" or "build"
if build:sub(1, 1) ~= "/" then build = root .. "/" .. build end
local launcher = os.getenv "AGAD" or build .. "/agad"
local sanitized = build:find("asan", 1, true)

local function found(name) return os.execute("command -v " .. name .. " > /dev/null 2>&1") end

-- Status and output (both streams) of a shell command.
local function sh(command, ...)
  local pipe = io.popen(("exec 2>&1\n" .. command):format(...))
  local text = pipe:read "a"
  local _, _, status = pipe:close()
  return status, text
end

-- The names that a library defines for others, in their order.
local function exports(library)
  local status, text = sh("nm -D --defined-only '%s/lib/%s'", build, library)
  assert.equal(0, status, text)
  local names = {}
  for name in text:gmatch "(%S+)\n" do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- The functions and variables that a header declares.
local function declared(header, names)
  local text = read(header):gsub("/%*.-%*/", ""):gsub("#[^\n]*", ""):gsub("__attribute__%b()", "")
  for name in text:gmatch "([%w_]+)%s*%b()%s*;" do names[#names + 1] = name end
  for name in text:gmatch "extern [%w_ ]- ([%w_]+);" do names[#names + 1] = name end
  table.sort(names)
  return names
end

describe("the exports", function()
  it("of libagad.so are what its header declares", function()
    if not found "nm" then pending("no nm") return end
    local names = declared("csrc/base/error.h", declared("csrc/score/agad.h", {}))
    assert.matches("agad_interrupt .* agad_model_open ", table.concat(names, " "))
    assert.same(names, exports "libagad.so")
  end)

  it("of core.so are its one function for Lua", function()
    if not found "nm" then pending("no nm") return end
    assert.same({"luaopen_agad_core"}, exports "agad/core.so")
  end)

  it("of agad_cuda.so are none", function()
    if not found "nm" then pending("no nm") return end
    if not io.open(build .. "/lib/agad_cuda.so") then pending("agad_cuda.so is not built") return end
    assert.same({}, exports "agad_cuda.so")
  end)
end)

-- y = 2 * (x - 0) + 1 over three channels, by an operator of our own.
local operator = [[
  local agad = require "agad"
  local x, one = agad.ones({2, 3, 2, 2}, {dtype = "float64"}), agad.ones(3, {dtype = "float64"})
  local y = agad.bn_act(x, one * 2, one, one * 0, one, false, .1, 0, 0)
  print(y:sum():item())
]]

describe("a host", function()
  local cc = found "cc" and "cc" or found "gcc" and "gcc"

  it("may have functions of the same names as ours", function()
    if not cc then pending("no C compiler") return end
    if sanitized then pending("not under AddressSanitizer") return end
    write(path "names.c", [[
#include <stdlib.h>
void at_open(void) { abort(); }
void at_call(void) { abort(); }
void decode_file(void) { abort(); }
void lua_agad_push_tensor(void) { abort(); }
void net_free(void) { abort(); }
void refuse(void) { abort(); }
void safetensors_open(void) { abort(); }
]])
    write(path "host.c", [[
#include "score/agad.h"
#include <stdio.h>
int main(void) {
  agad_error error;
  agad_interrupt = 0;
  if (!agad_model_open("/nonexistent/model", &error)) puts(error.message);
  return 0;
}
]])
    write(path "operator.lua", operator)
    local status, text = sh("cd '%s' && %s -shared -fPIC -o names.so names.c && %s -Wall -rdynamic -I'%s/csrc' -o host "
      .. "host.c names.c -L'%s/lib' -lagad -Wl,-rpath,'%s/lib' -Wl,--allow-shlib-undefined", scratch.folder, cc, cc,
      root, build, build)
    assert.same({0, ""}, {status, text})
    status, text = sh("'%s'", path "host")
    assert.same({0, "/nonexistent/model: No such file or directory\n"}, {status, text})
    status, text = sh("LD_PRELOAD='%s' '%s' '%s'", path "names.so", launcher, path "operator.lua")
    assert.same({0, "72.0\n"}, {status, text})
  end)

  it("may load libagad.so beside the module", function()
    if sanitized then pending("not under AddressSanitizer") return end
    write(path "operator.lua", operator)
    local status, text = sh("LD_PRELOAD='%s/lib/libagad.so' '%s' '%s'", build, launcher, path "operator.lua")
    assert.same({0, "72.0\n"}, {status, text})
  end)
end)
