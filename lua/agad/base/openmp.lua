--- How long the threads of OpenMP wait for work before they sleep.
--
-- libgomp, which libtorch brings, spins for some milliseconds by default. Processes that share the cores then wait for
-- each other's spinning threads, and are several times slower. Hence a short spin: of two trainings on two cores each
-- then has half the speed of one alone or more; with 10000 spins less. With 300, one alone is about 7 % slower.
--
-- libgomp reads its variables once, when it is loaded with agad.core. Afterwards the environment is what it was, so
-- that programs that are started get what the user set. GOMP_SPINCOUNT and OMP_WAIT_POLICY of the user win.

local luv = require "luv"

local SPINS = "3000"

local function is_set(name) return (os.getenv(name) or "") ~= "" end

-- A host that brings agad.core itself has loaded libgomp already.
local is_there = package.loaded["agad.core"] or package.preload["agad.core"]

if not is_there and not is_set "GOMP_SPINCOUNT" and not is_set "OMP_WAIT_POLICY" then
  package.preload["agad.core"] = function(name)
    package.preload[name] = nil
    luv.os_setenv("GOMP_SPINCOUNT", SPINS)
    local loaded, core = pcall(require, name)
    luv.os_unsetenv "GOMP_SPINCOUNT"
    if not loaded then error(core, 0) end
    return core
  end
end
