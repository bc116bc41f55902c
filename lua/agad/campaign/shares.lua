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

--- The GPUs that runs may use, as CUDA_VISIBLE_DEVICES names them.
-- @param count integer how many this process has
-- @param visible string what CUDA_VISIBLE_DEVICES is; or nil
-- @return list of texts
function shares.gpus(count, visible)
  local list = {}
  for name in (visible or ""):gmatch "[^,%s]+" do list[#list + 1] = name end
  for i = #list + 1, count do list[i] = tostring(i - 1) end
  return table.move(list, 1, count, 1, {})                 -- CUDA takes no notice of what follows a wrong name
end

--- Divides the machine. By default as many runs are trained at the same time as there are GPUs, or else cores (fewer if
-- there is no memory for so many): that many processes of one thread do more than one process of many threads, whose
-- threads wait for each other, and a start costs no time while others train. More than one run a core gains nothing.
-- Runs with device = "cuda:N" share that GPU, by default one at a time.
-- @param workers integer, or nil
-- @param runs integer how many the campaign has
-- @param options table the campaign's
-- @param gpus list what `shares.gpus` gives (default: this process's)
-- @return table at_once; note (or nil); threads(left, deterministic): those of a run that starts while so many are
--   unfinished, itself included (a deterministic one has the same at any time); gpu(slot, device): what
--   CUDA_VISIBLE_DEVICES is to be for the run in a slot (1 to at_once), or nil
function shares.of(workers, runs, options, gpus)
  local cores, its = math.max(1, core.cores()), {}
  local device = options.device or "auto"
  gpus = gpus or shares.gpus(agad.devices, os.getenv "CUDA_VISIBLE_DEVICES")
  local most = device:find "^cuda:" and 1 or device ~= "cpu" and #gpus > 0 and #gpus
  local planned = workers or most or cores
  if most then its.at_once = planned
  else
    local free = not workers and free_memory()
    planned = math.min(planned, cores)
    its.at_once = free and math.max(1, math.min(planned, free // ROOM)) or planned
    if workers and workers > cores then
      its.note = ("%d workers on %d %s: %d at the same time"):format(workers, cores, cores == 1 and "core" or "cores",
        cores)
    end
  end
  its.at_once, planned = math.max(1, math.min(its.at_once, runs)), math.max(1, math.min(planned, runs))
  function its.threads(left, deterministic)
    return math.max(1, cores // (deterministic and planned or math.max(1, math.min(its.at_once, left))))
  end
  function its.gpu(slot, wanted)
    if wanted == "auto" or wanted == "cuda" then return gpus[(slot - 1) % math.max(1, #gpus) + 1] end
  end
  return its
end

return shares
