--- Scoring programs: a method's score, its error map and its reconstruction as one net program.

local core = require "agad.core"
local errors = require "agad.base.errors"
local nn = require "agad.nn"
local scores = require "agad.evaluate.scores"

local scorer = {}

--- The name that a kept tensor has in a scoring program.
-- @param name string one that the method's `keep` lists
function scorer.kept(name) return "keep." .. name .. ".value" end

--- The scoring program, with the output score and, if the method has a net that reconstructs, map and reconstruction.
-- @param method table
-- @param score string the name of a built-in score (ignored where the method has a function of its own)
-- @param programs table name -> program of the method's nets
-- @param shape list {channels, height, width}
-- @param keep table the method's kept tensors by name; the score function gets them as nodes in its third argument
-- @return table program
function scorer.program(method, score, programs, shape, keep)
  local b = nn.builder(shape)
  local done, first = {}, {}
  local nets = setmetatable({}, {__index = function(_, name)
    local program = programs[name] or
      error(("method %s: its score uses net %s, which it does not have"):format(method.name, name), 0)
    return function(input)
      local key = name .. input.place
      if not done[key] then
        done[key] = table.pack(nn.inline(b, program, first[name] and name .. "@" .. input.place or name, input,
          first[name] and name))
        first[name] = true
      end
      return table.unpack(done[key], 1, done[key].n)
    end
  end})
  local constants = setmetatable({}, {__index = function(own, name)
    local t = keep and keep[name] or
      error(("method %s: its score uses %s, which no phase's start function keeps"):format(method.name, name), 0)
    own[name] = b.x:constant(t.shape, {name = "keep." .. name})
    return own[name]
  end})
  local result
  if type(method.score) == "function" then
    local ok, reason = pcall(method.score, b, nets, constants)
    if not ok then error(("method %s: its score raises: %s"):format(method.name, errors.text(reason)), 0) end
    result = reason
  else
    result = scores[score].build(b, b.x, method.picture and (nets[method.picture](b.x)))
  end
  local outputs = {{"score", result}}
  if method.picture then
    local x_hat = nets[method.picture](b.x)
    outputs[2] = {"map", b:difference_map(x_hat, b.x)}
    outputs[3] = {"reconstruction", x_hat}
  end
  return result:build("score", outputs)
end

--- A net for a scoring program that uses the given tensors, by name ("generator.conv1.weight").
-- @param program table
-- @param tensors table name -> tensor; shared, not copied
-- @param own_buffers boolean true: it gets batch-norm statistics of its own, for recalibration
-- @param o table dtype, device
function scorer.net(program, tensors, own_buffers, o)
  local net = nn.net(program, o)
  local function share(list)
    for _, p in ipairs(list) do
      net:share(p.name, tensors[p.name] or error("score: no weights for " .. p.name, 0))
    end
  end
  share(net:params())
  local shared = {}
  for _, p in ipairs(net:buffers()) do
    if not own_buffers or p.name:find "^keep%." then shared[#shared + 1] = p end
  end
  share(shared)
  return net
end

local function options_of(o)
  return {low = o.input[1], high = o.input[2], batch = o.batch or 256, bn = o.bn or "running", padded = o.padded}
end

--- Scores of pictures, one number each.
-- @param net net a scoring net
-- @param pictures tensor uint8 (n, channels, height, width)
-- @param o table input {low, high}, batch (256), bn ("running", "batch"), padded (false; true: scores are
--   the same to the bit in any order; where only full batches give that, the last one is padded)
-- @return tensor float64 (n)
function scorer.score(net, pictures, o) return core.score(net, pictures, options_of(o)) end

--- Whether a scoring net has an output; not every method gives "map" and "reconstruction".
-- @param net net a scoring net
-- @param name string
-- @return boolean
function scorer.gives(net, name)
  for _, output in ipairs(net:info().outputs) do if output == name then return true end end
  return false
end

--- Error maps of pictures.
-- @param net net a scoring net
-- @param pictures tensor uint8 (n, channels, height, width)
-- @param o table as for `agad.scorer.score`
-- @return tensor float32 (n, height, width); nil if the method gives no map
function scorer.maps(net, pictures, o)
  if not scorer.gives(net, "map") then return nil end
  local how = options_of(o)
  how.output = "map"
  return core.score(net, pictures, how)
end

return scorer
