--- The state of a step as Lua stages see it: slots as fields, `net`, `loss`, `options`, `n_normal`, `keep`.
-- Reading a slot gives its tensor (nil when no stage has written it); writing replaces what later stages read.

local state = {}

local methods = {}

--- Adds the gradients of a loss to those of an update's nets; the loss becomes `loss.NAME`.
-- @param update string
-- @param loss tensor 0-d
-- @param o table retain_graph (false): a later loss goes back through the same graph
function methods:backward(update, loss, o)
  rawget(self, "step"):backward(update, loss, o and o.retain_graph or false)
end

local loss_slots = {
  __index = function(l, name) return l.step:get("loss." .. name) end,
  __newindex = function(l, name, value) l.step:set("loss." .. name, value) end,
}

local slots = {
  __index = function(s, name)
    if methods[name] then return methods[name] end
    if name == "n_normal" then return rawget(s, "step"):n_normal() end
    if name == "losses" then return rawget(s, "step"):losses() end
    return rawget(s, "step"):get(name)
  end,
  __newindex = function(s, name, value) rawget(s, "step"):set(name, value) end,
}

--- @param step userdata the step table
-- @param nets table name -> net
-- @param options table of the method
function state.new(step, nets, options)
  local loss = setmetatable({step = step}, loss_slots)
  return setmetatable({step = step, net = nets, options = options, loss = loss, keep = {}}, slots)
end

return state
