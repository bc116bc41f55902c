--- Scoring programs: a method's score, its error map and its reconstruction as one net program.

local core = require "agad.core"
local errors = require "agad.base.errors"
local nn = require "agad.nn"
local nodes = require "agad.evaluate.nodes"
local scores = require "agad.evaluate.scores"
local sort = require("agad.base.text").sort
local tasks = require "agad.task"

local scorer = {}

--- The name that a kept tensor has in a scoring program.
-- @param name string one that the method's `keep` lists
function scorer.kept(name) return "keep." .. name .. ".value" end

-- What a built-in score is made of (agad.evaluate.scores): each node is added when it is first asked for.
local function ingredients(b, method, nets, constants, about)
  local s = {b = b, x = b.x, shape = about.shape, keep = about.keep or {}, kept = constants, low = method.input[1],
    high = method.input[2], names = method.scores or {}}
  local made = {}
  function s.score(name)
    made[name] = made[name] or table.pack(scores[name].build(s))
    return table.unpack(made[name])
  end
  local function judged(x) return nets[method.discriminator](x) end
  local how = {
    x_hat = function() return (nets[method.picture](b.x)) end,
    logit = function() return (judged(b.x)) end,
    z = function() return (select(2, judged(b.x))) end,
    z_hat = function() return (select(2, judged(s.x_hat))) end,
  }
  return setmetatable(s, {__index = function(_, name)
    s[name] = how[name] and how[name]()
    return rawget(s, name)
  end})
end

-- The shape that a node has in a finished program.
local function shape_of(program, node)
  local name = program.nodes[node.place].name
  for _, l in ipairs(nn.net(program):info().layers) do if l.name == name then return l.shape end end
end

local function check_map(method, program, map, shape)
  local found = shape_of(program, map)
  if #found ~= 2 or found[1] ~= shape[2] or found[2] ~= shape[3] then
    error(("method %s: its score's map must have the shape %d x %d (height, width), not %s"):format(method.name,
      shape[2], shape[3], table.concat(found, " x ")), 0)
  end
end

--- The scoring program. Its outputs are score; map and reconstruction if the method has a net that reconstructs; and
-- parts (n, k), numbers that the score is made of, if the score says which. A score that is a function may return a
-- table besides the score: map, a node (height, width) that replaces that of the reconstruction, and parts, a list of
-- {name, node}, each one number per picture.
-- @param method table
-- @param score string the name of a built-in score; "own" or nil: the method's function
-- @param programs table name -> program of the method's nets
-- @param shape list {channels, height, width}
-- @param keep table the kept tensors by name, of the method and of the score (`agad.scorer.fit`); the score gets
--   them as nodes
-- @return table program
-- @return list the names of the parts, or nil
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
  local result, more
  if scores[score] then
    result, more = scores[score].build(ingredients(b, method, nets, constants, {shape = shape, keep = keep}))
  else
    local ok, reason, besides = pcall(method.score, b, nets, constants)
    if not ok then error(("method %s: its score raises: %s"):format(method.name, errors.text(reason)), 0) end
    result, more = reason, besides
  end
  more = more or {}
  local outputs, names = {{"score", result}}, nil
  if method.picture then
    local x_hat = nets[method.picture](b.x)
    outputs[2] = {"map", more.map or b:difference_map(x_hat, b.x)}
    outputs[3] = {"reconstruction", x_hat}
  elseif more.map then outputs[2] = {"map", more.map} end
  if more.parts then
    outputs[#outputs + 1] = {"parts", nodes.columns(more.parts)}
    names = {}
    for i, part in ipairs(more.parts) do names[i] = part[1] end
  end
  local program = result:build("score", outputs)
  if more.map then check_map(method, program, more.map, shape) end
  return program, names
end

local MOST_FITTED = 1000                          -- pictures; more hardly change what is kept of them

--- The training normals that scores are fitted to: the first 1,000, which are a random choice.
-- @param task task
-- @return tensor uint8 (n, channels, height, width)
function scorer.normals(task)
  return tasks.pictures(task.train, table.move(task.normals, 1, math.min(MOST_FITTED, #task.normals), 1, {}))
end

--- A net whose parts are the scores that need no other net, for pictures in the range 0 to 1.
-- @param pictures tensor uint8 (n, channels, height, width): training normals
-- @return net
-- @return list the parts' names
function scorer.simple(pictures)
  local names, parts, keep, shape = {}, {}, {}, table.move(pictures.shape, 2, 4, 1, {})
  for name, score in pairs(scores) do if score.simple then names[#names + 1] = name end end
  sort(names)
  local b = nn.builder(shape)
  local constants = setmetatable({}, {__index = function(own, name)
    own[name] = b.x:constant(keep[name].shape, {name = "keep." .. name})
    return own[name]
  end})
  local s, fitted = ingredients(b, {input = {0, 1}, scores = names}, nil, constants, {shape = shape, keep = keep}), {}
  for i, name in ipairs(names) do
    local fit = scores[name].fit
    fitted[fit] = fitted[fit] or fit(pictures, {0, 1}, names)
    for key, t in pairs(fitted[fit]) do keep[key] = t end
    parts[i] = {name, (s.score(name))}
  end
  local net = nn.net(parts[1][2]:build("simple", {{"score", parts[1][2]}, {"parts", nodes.columns(parts)}}))
  for _, p in ipairs(net:buffers()) do net:set(p.name, keep[p.name:match "^keep%.(.+)%.value$"]:flatten()) end
  return net, names
end

--- What a built-in score keeps of training normals.
-- @param method table
-- @param score string as for `agad.scorer.program`
-- @param pictures function which returns training normals, a tensor uint8 (n, channels, height, width)
-- @return table kept tensors (float32) by name; empty where there is nothing to keep
function scorer.fit(method, score, pictures)
  local built_in = scores[score]
  if not (built_in and built_in.fit) then return {} end
  return built_in.fit(pictures(), method.input, method.scores)
end

--- Sets what a built-in score keeps of its own parts, from held-out normals. The net must not share these tensors.
-- @param net net a scoring net
-- @param score string as for `agad.scorer.program`
-- @param pictures function which returns the held-out normals
-- @param o table as for `agad.scorer.score`
function scorer.settle(net, score, pictures, o)
  local built_in = scores[score]
  if not (built_in and built_in.settle) then return end
  for name, t in pairs(built_in.settle(scorer.parts(net, pictures(), o))) do net:set(scorer.kept(name), t) end
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

-- An output of a scoring net for pictures; nil if the net does not give it.
local function output_of(net, output, pictures, o)
  if not scorer.gives(net, output) then return nil end
  local how = options_of(o)
  how.output = output
  return core.score(net, pictures, how)
end

--- Error maps of pictures.
-- @param net net a scoring net
-- @param pictures tensor uint8 (n, channels, height, width)
-- @param o table as for `agad.scorer.score`
-- @return tensor float32 (n, height, width); nil if the method gives no map
function scorer.maps(net, pictures, o) return output_of(net, "map", pictures, o) end

--- Reconstructions of pictures.
-- @param net net a scoring net
-- @param pictures tensor uint8 (n, channels, height, width)
-- @param o table as for `agad.scorer.score`
-- @return tensor float32 (n, channels, height, width), 0 to 255; nil if the method gives none
function scorer.reconstructions(net, pictures, o)
  local x_hat, low = output_of(net, "reconstruction", pictures, o), o.input[1]
  return x_hat and ((x_hat - low) * (255 / (o.input[2] - low))):clamp(0, 255) or nil
end

--- The numbers that scores are made of.
-- @param net net a scoring net
-- @param pictures tensor uint8 (n, channels, height, width)
-- @param o table as for `agad.scorer.score`
-- @return tensor float32 (n, k), a column for each part; nil if the score does not give them
function scorer.parts(net, pictures, o) return output_of(net, "parts", pictures, o) end

return scorer
