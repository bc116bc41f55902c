--- The state of a training step, as stages in Lua see it. Its fields are the slots (tensors such as x and x_hat) and
-- `net`, `loss`, `options`, `n_normal`, `keep`. Reading a slot gives its tensor (nil if no stage has written it yet);
-- writing one replaces what later stages read. The first `n_normal` rows of x are normal; `n_normal` may be written
-- too. `losses` has all loss terms as numbers, `gradient_norms` the gradient norm of each update, `statistics` the
-- running means and variances of each net. `keep` holds what a phase's `start` computed, for all later phases and the
-- score. `images` is the whole uint8 tensor of the train split, `seed` the run's; `done` and `total` count the steps of
-- the phase so far and in all, and `batch` lists the rows (from 0) of the train split that x was made of.

local core = require "agad.core"
local sort = require("agad.base.text").sort
local tasks = require "agad.task"

local state = {}

local methods = {}

--- Adds the gradients of a loss to those of an update's nets; `loss.NAME` then holds the loss.
-- @param update string
-- @param loss tensor 0-d
-- @param o table retain_graph (false; true: a later loss uses the same graph)
function methods:backward(update, loss, o)
  rawget(self, "step"):backward(update, loss, o and o.retain_graph or false)
end

--- The mean of a net's first output over the training pictures, known anomalies included, with running statistics.
-- @param net string
-- @return tensor of the output's shape without the batch
function methods:mean(net) return rawget(self, "source").mean(net) end

local kinds = {
  marked = function(task) return tasks.marked(task) end,
}
for _, which in ipairs {"normals", "held_out", "anomalies"} do kinds[which] = function(task) return task[which] end end

--- Rows of the train split, from 0.
-- @param which string "normals" (that are trained on), "held_out", "anomalies" (all that are known) or "marked" (those
--   of them whose masks mark something)
-- @return list
function methods:rows(which)
  if not kinds[which] then
    error(("rows: %s is not normals, held_out, anomalies or marked"):format(tostring(which)), 0)
  end
  local rows = kinds[which](rawget(self, "source").task)
  return table.move(rows, 1, #rows, 1, {})
end

--- The pictures of these rows.
-- @param which string as for `rows`
-- @return tensor uint8 (n, channels, height, width); nil if there are none
function methods:pictures(which)
  local rows = self:rows(which)
  return #rows > 0 and tasks.pictures(rawget(self, "source").task.train, rows) or nil
end

--- The masks of some rows of the train split.
-- @param rows list from 0
-- @return tensor (n, height, width), not 0 where a defect is; nil if the split has none
function methods:masks(rows)
  local masks = rawget(self, "source").task.train.masks
  return masks and masks:index_select(1, core.from_table(rows, "int64")) or nil
end

--- What a net program computes of pictures, with the current weights, running statistics and what is kept so far.
-- @param build function(builder, nets, kept) as a method's `score`; returns a node with a row for each picture
-- @param pictures tensor uint8 (n, channels, height, width)
-- @return tensor float64 (n, …)
function methods:outputs(build, pictures) return rawget(self, "source").outputs(build, pictures) end

-- Fields of the run that are no slots.
local fields = {
  images = function(source) return source.task.train.images end,
  seed = function(source) return source.seed end,
  done = function(source) return source.done() end,
  total = function(source) return source.total() end,
  batch = function(source) return source.batch end,
}

local loss_slots = {
  __index = function(l, name) return l.step:get("loss." .. name) end,
  __newindex = function(l, name, value) l.step:set("loss." .. name, value) end,
}

-- The gradient norm of each update, over all its nets; nil before the gradients are computed and after they are used.
local function gradient_norms(step)
  local norms = {}
  for _, update in ipairs(step:updates()) do
    local sum, any = 0, false
    for _, g in ipairs(step:gradients(update)) do
      if g then sum, any = sum + g:to("float64"):square():sum():item(), true end
    end
    norms[update] = any and math.sqrt(sum) or nil
  end
  return norms
end

-- Copies of the running statistics of each net: {generator = {["batch_norm1.running_mean"] = tensor, …}, …}
local function statistics(nets)
  local all = {}
  for name, net in pairs(nets) do
    all[name] = {}
    for _, b in ipairs(net:buffers()) do all[name][b.name] = b.tensor:clone() end
  end
  return all
end

-- The tensors of the step that are written now, by name, losses aside.
local function tensors(s)
  local found = {}
  for _, name in ipairs(rawget(s, "step"):slots()) do
    if not name:find "^loss%." then found[name] = rawget(s, "step"):get(name) end
  end
  return found
end

-- What the REPL prints: the shapes of the slots, and the losses.
local function describe(s)
  local lines, losses = {}, {}
  for name, t in pairs(tensors(s)) do lines[#lines + 1] = ("%-10s %s"):format(name, t:summary()) end
  sort(lines)
  if #lines == 0 then lines[1] = "no slot is written yet: no stage has run" end
  for name, v in pairs(s.losses) do losses[#losses + 1] = ("%s %.4g"):format(name, v) end
  sort(losses)
  if losses[1] then lines[#lines + 1] = "losses: " .. table.concat(losses, ", ") end
  for name, net in pairs(rawget(s, "net")) do lines[#lines + 1] = ("net.%s: %s"):format(name, tostring(net)) end
  lines[#lines + 1] = ("n_normal %d; step %d of %d in this phase"):format(s.n_normal, s.done, s.total)
  return lines
end

local function field_names(s)
  local list = {"n_normal", "losses", "gradient_norms", "statistics"}
  for _, all in ipairs {methods, fields, tensors(s)} do for name in pairs(all) do list[#list + 1] = name end end
  return list
end

local slots = {
  __name = "agad.state", __fields = field_names, __describe = describe,
  __tostring = function() return "the state of a training step" end,
  __index = function(s, name)
    if methods[name] then return methods[name] end
    if name == "n_normal" then return rawget(s, "step"):n_normal() end
    if name == "losses" then return rawget(s, "step"):losses() end
    if name == "gradient_norms" then return gradient_norms(rawget(s, "step")) end
    if name == "statistics" then return statistics(rawget(s, "net")) end
    if fields[name] then return fields[name](rawget(s, "source")) end
    return rawget(s, "step"):get(name)
  end,
  __newindex = function(s, name, value)
    if fields[name] then error(("%s is no slot, and cannot be replaced"):format(name), 0) end
    if name == "n_normal" then rawget(s, "step"):n_normal(value) else rawget(s, "step"):set(name, value) end
  end,
}

--- The state of a step, for stages in Lua.
-- @param step userdata the step table
-- @param nets table name -> net
-- @param options table of the method
-- @param keep table of tensors by name ({})
-- @param source table what a run gives besides: task, seed, mean (function(net): the mean of its output over the
--   training set), done and total (functions: steps)
function state.new(step, nets, options, keep, source)
  local loss = setmetatable({step = step}, loss_slots)
  return setmetatable({step = step, net = nets, options = options, loss = loss, keep = keep or {},
    source = source}, slots)
end

return state
