-- How many runs are trained at the same time, and what each gets of the machine.

local agad = require "agad"
local core = require "agad.core"
local luv = require "luv"

local shares = {}

local ROOM = 1 << 30                              -- bytes of memory that a run on the CPU may need

-- Memory that processes can have, in bytes; nil where the system does not say.
local function free_memory()
  local file, free = io.open "/proc/meminfo", nil
  if file then
    free = tonumber(file:read "a":match "MemAvailable:%s*(%d+) kB")
    file:close()
  end
  local limit = luv.get_constrained_memory()
  free = free and free * 1024
  if limit and limit > 0 and free then free = math.min(free, limit) end
  return free
end

-- The GPUs that runs may use, as CUDA_VISIBLE_DEVICES names them.
local function gpus(options)
  if agad.devices == 0 or options.device == "cpu" then return {} end
  local given, list = os.getenv "CUDA_VISIBLE_DEVICES", {}
  for name in (given or ""):gmatch "[^,]+" do list[#list + 1] = name end
  if #list == 0 then for i = 1, agad.devices do list[i] = tostring(i - 1) end end
  return list
end

--- Divides the machine. By default as many runs are trained at the same time as there are GPUs, or else cores (fewer if
-- there is no memory for so many): that many processes of one thread do more than one process of many threads, whose
-- threads wait for each other, and a start costs no time while others train. More than one run a core gains nothing.
-- @param workers integer, or nil
-- @param runs integer how many the campaign has
-- @param options table the campaign's
-- @return table at_once; gpus (list of texts); note (or nil); threads(left): those of a run that starts while so many
--   are unfinished, itself included
function shares.of(workers, runs, options)
  local cores, its = math.max(1, core.cores()), {gpus = gpus(options)}
  local most = cores
  if #its.gpus > 0 then its.at_once = workers or #its.gpus
  else
    local free = free_memory()
    if not workers and free then most = math.max(1, math.min(cores, free // ROOM)) end
    its.at_once = math.min(workers or most, most)
    if workers and workers > most then
      its.note = ("%d workers on %d %s: %d at the same time"):format(workers, cores, cores == 1 and "core" or "cores",
        most)
    end
  end
  its.at_once = math.max(1, math.min(its.at_once, runs))
  function its.threads(left) return math.max(1, cores // math.max(1, math.min(its.at_once, left))) end
  return its
end

return shares
