-- Our own operators: each against its formula in stock operators and float64, on every device that is there.
--
-- They are those that the dispatcher has under agad::.  spec/kernels/NAME.lua says the cases of agad::NAME (and of
-- those that go with it, such as its backward): operators; bars (dtype -> largest difference, relative to the larger of
-- 1 and the expected size; what is computed in the parameters' precision is held to float32's); cases (a list, each
-- with a name); inputs(case, dtype) -> tensors by name; run(tensors, case) and stock(tensors, case) -> results by name,
-- and those in the parameters' precision; refused_inputs() and refused: a list of {call, words of the message …}.

local agad = require "agad"
local core = agad.core

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

-- bn_act_backward and bn_act_again go with bn_act.
local function main(name) return (name:gsub("_backward$", ""):gsub("_again$", "")) end

local kernels, own = {}, {}
for _, op in ipairs(core.operators()) do
  local name = op.name:match "^agad::(.+)$"
  if name then own[#own + 1] = name end
end
for _, name in ipairs(own) do
  local path = ("spec/kernels/%s.lua"):format(main(name))
  local file = io.open(path)
  if file then
    file:close()
    kernels[main(name)] = dofile(path)
  end
end

local devices = {cpu = function() end}
function devices.cuda() if agad.devices == 0 then pending(agad.device_note) end end

local function each(t, f)
  local out = {}
  for name, v in pairs(t) do out[name] = f(v) end
  return out
end

local function moved(t, device) return each(t, function(v) return v:to {device = device} end) end

local function hold(got, expected, bar, what)
  for name, want in pairs(expected) do
    local e = want:detach():to "float64"
    local d = ((got[name]:cpu():to "float64" - e):abs() / (e:abs() + 1)):max():item()
    assert(d <= bar, ("%s: %g apart, %g allowed (%s)"):format(name, d, bar, what))
  end
end

local function equal(a, b, what)
  for name, t in pairs(a) do assert.is_true(t:equal(b[name]), what .. ": " .. name) end
end

it("has cases for every operator of our own", function()
  assert.is_true(#own >= 2)
  for _, name in ipairs(own) do
    local kernel = kernels[main(name)]
    assert(kernel, ("agad::%s has no cases; write spec/kernels/%s.lua"):format(name, main(name)))
    local listed = false
    for _, operator in ipairs(kernel.operators) do listed = listed or operator == name end
    assert(listed, name .. " is not among the operators of its file")
  end
end)

for name, kernel in pairs(kernels) do
  for device, need in pairs(devices) do
    describe(("agad::%s on %s%s"):format(name, device, device == "cuda" and " #gpu" or ""), function()
      for dtype, bar in pairs(kernel.bars) do
        it("computes its formula: " .. dtype, function()
          need()
          for i, case in ipairs(kernel.cases) do
            agad.manual_seed(i)
            local t = kernel.inputs(case, dtype)
            local got, exact = kernel.run(moved(t, device), case)
            local want, statistics = kernel.stock(each(t, function(v) return v:to "float64" end), case)
            hold(got, want, bar, dtype .. ", " .. case.name)
            if exact then hold(exact, statistics, math.min(bar, kernel.bars.float32), dtype .. ", " .. case.name) end
          end
        end)
      end

      it("gives the same bits twice, for any number of threads, and for a view", function()
        need()
        local before = core.threads(1)
        finally(function() core.threads(before) end)
        for i, case in ipairs(kernel.cases) do
          agad.manual_seed(i)
          local t = moved(kernel.inputs(case, "float32"), device)
          core.threads(1)
          local once = kernel.run(t, case)
          equal(once, (kernel.run(t, case)), case.name .. ", again")
          core.threads(3)
          equal(once, (kernel.run(t, case)), case.name .. ", 3 threads")
          local views = each(t, function(v)
            return v:dim() > 1 and v:transpose(1, -1):contiguous():transpose(1, -1) or v
          end)
          hold(kernel.run(views, case), once, kernel.bars.float32, case.name .. ", of views")
        end
      end)

      it("refuses what it cannot take, in one line", function()
        need()
        local t = moved(kernel.refused_inputs(), device)
        for _, case in ipairs(kernel.refused) do has(refused(case[1], t), table.unpack(case, 2)) end
      end)

      it("runs with gradients on, but has none", function()
        need()
        local case = kernel.cases[1]
        local t = each(moved(kernel.inputs(case, "float32"), device), function(v) return v:requires_grad_() end)
        for _, y in pairs((kernel.run(t, case))) do
          has(refused(function() y:sum():backward() end), "not implemented")
        end
      end)
    end)
  end
end
