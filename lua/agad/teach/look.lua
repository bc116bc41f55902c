-- What there is to see after a stage: the tensors, each loss term with its weight and its share, gradient norms by
-- layer, and what the stage has changed. A view is a table of plain values, which prints as text.

local agad = require "agad"
local format = require("agad.base.text").format
local keys = require("agad.base.values").keys
local phase = require "agad.train.phase"
local report = require "agad.evaluate.report"

local look = {}

local tolerance = 1e-3                            -- of a sum of terms, relative to the largest of them

-- Reading a run ---------------------------------------------------------------------------------

local function norm_of(list)
  local sum = 0
  for _, t in ipairs(list) do sum = sum + t:to("float64"):square():sum():item() end
  return math.sqrt(sum)
end

local function is_plain(t) return t:numel() > 0 and not t.dtype:find "complex" end

-- The tensors of a step by name: shape, type, least, mean and most.
local function tensors_of(run)
  local found = {}
  for _, name in ipairs(run.step:slots()) do
    if not name:find "^loss%." then
      local t = run.step:get(name)
      local its = {name = name, shape = table.move(t.shape, 1, #t.shape, 1, {}), dtype = t.dtype}
      if is_plain(t) then
        local v = t:to "float64"
        its.least, its.mean, its.most = v:min():item(), v:mean():item(), v:max():item()
      end
      found[name] = its
    end
  end
  return found
end

-- How far the weights, and the running statistics, of each net are from those at the step's beginning.
local function moved(run, began)
  local far = {}
  for name, net in pairs(run.nets) do
    for kind, list in pairs {weights = net:params(), ["running statistics"] = net:buffers()} do
      local now, all = {}, {}
      for i, p in ipairs(list) do
        now[i], all[i] = p.tensor - began.tensors[name .. "." .. p.name], p.tensor
      end
      far[name .. ": " .. kind] = {norm_of(now), norm_of(all)}
    end
  end
  return far
end

-- The gradient norm of each update that has gradients: of all, and of each layer in order.
local function gradients_of(run)
  local found = {}
  for _, update in ipairs(run.step:updates()) do
    local list, layers, at, k = run.step:gradients(update), {}, {}, 0
    local any = false
    for _, net in ipairs(phase.current(run).updates[update].nets) do
      for _, p in ipairs(run.nets[net]:params()) do
        k = k + 1
        local name = (#phase.current(run).updates[update].nets > 1 and net .. "." or "")
          .. (p.name:match "^(.*)%.[^.]*$" or p.name)
        if list[k] then
          any = true
          if not at[name] then
            at[name] = #layers + 1
            layers[at[name]] = {name = name, square = 0}
          end
          layers[at[name]].square = layers[at[name]].square + norm_of {list[k]} ^ 2
        end
      end
    end
    local sum = 0
    for _, l in ipairs(layers) do
      sum, l.norm, l.square = sum + l.square, math.sqrt(l.square), nil
    end
    if any then found[update] = {norm = math.sqrt(sum), layers = layers} end
  end
  return found
end

-- Loss terms ------------------------------------------------------------------------------------

-- What each term adds, where the method does not say: lambda.NAME times it where there is such an option, else itself.
local function usual(o, fresh)
  local list = {}
  for _, name in ipairs(keys(fresh)) do
    local weight = type(o.lambda) == "table" and o.lambda[name] or 1
    list[#list + 1] = {name, weight, weight * fresh[name]}
  end
  return list
end

-- The terms of an update's loss with their shares; without shares where they do not make up the loss, or it is not
-- computed yet (nil).
local function shared(total, list)
  local sum, all, largest = 0, 0, 0
  for _, t in ipairs(list) do
    sum, all, largest = sum + t[3], all + math.abs(t[3]), math.max(largest, math.abs(t[3]))
  end
  local known = total ~= nil and math.abs(sum - total) <= tolerance * math.max(largest, math.abs(total))
  local terms = {}
  for i, t in ipairs(list) do
    terms[i] = {name = t[1], value = t.value, weight = known and t[2] or nil, adds = known and t[3] or nil,
      share = known and all > 0 and math.abs(t[3]) / all or nil}
  end
  return {total = total, terms = terms, known = known}
end

-- The losses that a stage has computed: for each update, its loss and the terms of it.
local function losses_of(run, losses, fresh)
  local found, totals, parts = {}, {}, {}
  for _, update in ipairs(run.step:updates()) do totals[update] = fresh[update] end
  for name, v in pairs(fresh) do if not totals[name] then parts[name] = v end end
  local n = run.step:n_normal()
  local own = run.method.terms and next(totals)
    and run.method.terms(run.method_options, losses, n, run.step:get("x"):size(1) - n) or {}
  for update, total in pairs(totals) do
    local list = own[update] or usual(run.method_options, parts)
    for _, t in ipairs(list) do t.value = losses[t[1]] end
    found[update] = shared(total, list)
  end
  if not next(totals) and next(parts) then found[""] = shared(nil, usual(run.method_options, parts)) end
  return found
end

-- Views -----------------------------------------------------------------------------------------

local view = {__name = "agad.view"}

local function number(v) return v and format("%.4g", v) or "-" end

-- Adds a table to lines of text, without the columns with these titles where there is no room for them.
local function table_of(lines, out, width, drop)
  local text = report.align(lines)
  for _, title in ipairs(drop) do
    if (utf8.len(text:match "^[^\n]*") or 0) <= width then break end
    for c = #lines[1], 1, -1 do
      if lines[1][c] == title then for _, line in ipairs(lines) do table.remove(line, c) end end
    end
    text = report.align(lines)
  end
  for line in text:gmatch "[^\n]+" do out[#out + 1] = line end
end

local function describe_tensors(v, out, width)
  local lines, rest = {{"tensor", "shape", "type", "least", "mean", "most"}}, {}
  for _, name in ipairs(keys(v.tensors)) do
    local t = v.tensors[name]
    if v.changed.tensors[name] or name == "x" then
      lines[#lines + 1] = {name, table.concat(t.shape, " x "), t.dtype, number(t.least), number(t.mean), number(t.most)}
    else rest[#rest + 1] = ("%s (%s)"):format(name, table.concat(t.shape, " x ")) end
  end
  table_of(lines, out, width, {"type", "least", "most"})
  if #rest > 0 then out[#out + 1] = "as before: " .. table.concat(rest, ", ") end
end

local function describe_losses(v, out, width)
  for _, update in ipairs(keys(v.losses)) do
    local l = v.losses[update]
    if #l.terms > 0 then
      out[#out + 1] = update == "" and "losses" or format("loss of %s: %.6g", update, l.total)
      local lines = {{"term", "value", "weight", "adds", "share"}}
      for _, t in ipairs(l.terms) do
        lines[#lines + 1] = {t.name, number(t.value), number(t.weight), number(t.adds),
          t.share and format("%.1f %%", 100 * t.share) or "-"}
      end
      table_of(lines, out, width, {"weight", "value"})
      if not l.known and update ~= "" then
        out[#out + 1] = "the method does not say how these terms make up the loss (its key `terms`): no shares"
      end
    elseif update ~= "" then out[#out + 1] = format("loss of %s: %.6g", update, l.total) end
  end
end

local function describe_gradients(v, out)
  for _, update in ipairs(keys(v.changed.gradients)) do
    local g, parts = v.gradients[update], {}
    if g then
      for i, l in ipairs(g.layers) do parts[i] = format("%s %.3g", l.name, l.norm) end
      out[#out + 1] = format("gradient of %s: norm %.4g; by layer: %s", update, g.norm, table.concat(parts, ", "))
    else
      out[#out + 1] = format("gradient of %s: used, and 0 again", update)
    end
  end
end

--- The lines that a view prints as, below its first one.
function view.__describe(v, width)
  local out = {}
  if v.line then out[1] = v.line end
  describe_tensors(v, out, width or 77)
  describe_losses(v, out, width or 77)
  describe_gradients(v, out)
  for _, what in ipairs(keys(v.changed.moved)) do
    local m = v.changed.moved[what]
    out[#out + 1] = format("%s: moved by %.3g, of a norm of %.4g", what, m[1], m[2])
  end
  if v.changed.collapses then out[#out + 1] = "the guard has re-initialised the nets that it watches" end
  return out
end

function view.__tostring(v)
  return format("step %d, stage %d of %d: %s (%sepoch %d; %d normals, %d known anomalies)", v.step, v.number, v.of,
    v.stage, v.phase and v.phase .. ", " or "", v.epoch, v.normals, v.anomalies)
end

local function differs(a, b)
  if not a then return true end
  local function other(x, y) return x ~= y and (x == x or y == y) end
  return table.concat(a.shape, "x") ~= table.concat(b.shape, "x") or other(a.least, b.least)
    or other(a.mean, b.mean) or other(a.most, b.most)
end

local function same_gradient(a, b) return a ~= nil and b ~= nil and a.norm == b.norm or a == b end

-- A look at a run: what was seen after the stage before.
local looking = {}
looking.__index = looking

local function seen(run, began)
  return agad.no_grad(agad.scope, function()
    return {tensors = tensors_of(run), losses = run.step:losses(), gradients = gradients_of(run),
      moved = moved(run, began), collapses = run.step:collapses()}
  end)
end

--- Looks at a run whose step has just begun.
-- @param run run
-- @param began table the state before the step (agad.train.snapshot)
-- @return look
function look.new(run, began)
  return setmetatable({run = run, began = began, before = seen(run, began)}, looking)
end

-- The new or other entries of `now`.
local function others(before, now, other)
  local list = {}
  for name, v in pairs(now) do if other(before[name], v) then list[name] = v end end
  return list
end

--- What there is to see after a stage.
-- @param place integer the stage's number
-- @param name string its name
-- @return view
function looking:stage(place, name)
  local run, before = self.run, self.before
  local now = seen(run, self.began)
  self.before = now
  local fresh = others(before.losses, now.losses, function(a, b) return a ~= b end)
  local gradients = {}
  for _, update in ipairs(run.step:updates()) do
    if not same_gradient(before.gradients[update], now.gradients[update]) then gradients[update] = true end
  end
  local ended = place == run.stages
  local rows = now.tensors.x and now.tensors.x.shape[1] or 0
  local n = run.step:n_normal()
  return setmetatable({step = run.steps + (ended and 0 or 1), epoch = run.epoch, phase = run:phase_name(), stage = name,
    number = place, of = run.stages, line = (run.method.about or {})[name], normals = n, anomalies = rows - n,
    tensors = now.tensors, gradients = now.gradients,
    losses = agad.no_grad(agad.scope, losses_of, run, now.losses, fresh), values = now.losses, moved = now.moved,
    changed = {tensors = others(before.tensors, now.tensors, differs), losses = fresh, gradients = gradients,
      moved = others(before.moved, now.moved, function(a, b) return not a or a[1] ~= b[1] end),
      collapses = now.collapses ~= before.collapses}}, view)
end

return look
