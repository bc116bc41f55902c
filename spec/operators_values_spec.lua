-- Operators' values and gradients against PyTorch's, stored in spec/data/operators.json: the cases and how to add one
-- are in spec/bench/operators_reference.py.

local agad = require "agad"
local core = agad.core
core.threads(1)

local file = assert(io.open "spec/data/operators.json")
local stored = core.json_decode(file:read "a")
file:close()

-- What torch.testing.assert_close allows: {relative, absolute}; other dtypes must be equal.
local tolerances = {float64 = {1e-7, 1e-7}, float32 = {1.3e-6, 1e-5}, complex64 = {1.3e-6, 1e-5},
  float16 = {1e-3, 1e-5}, bfloat16 = {1.6e-2, 1e-5}}
local exact = {0, 0}

-- Stored numbers in order; what JSON has no number for is a text.
local texts = {inf = math.huge, ["-inf"] = -math.huge, nan = 0 / 0}
local function numbers(list)
  local out = {}
  for i, v in ipairs(list) do out[i] = texts[v] or v end
  return out
end

-- The numbers of a tensor in order; real and imaginary parts in turn, booleans as 0 and 1.
local function flat(t)
  t = t:detach()
  if t.dtype:find "^complex" then t = t:resolve_conj():view_as_real() end
  local list = t:reshape(-1):totable()
  for i, v in ipairs(list) do if type(v) == "boolean" then list[i] = v and 1 or 0 end end
  return list
end

local function tensor_of(dtype, shape, list)
  if dtype ~= "complex64" then return core.from_table(numbers(list), dtype):reshape(shape) end
  local parts = {table.unpack(shape)}
  parts[#parts + 1] = 2
  return core.from_table(numbers(list), "float32"):reshape(parts):view_as_complex()
end

-- nil, or what differs first.
local function difference(got, want, tolerance)
  if #got ~= #want then return ("%d numbers instead of %d"):format(#got, #want) end
  for i, w in ipairs(want) do
    local g = got[i]
    local same = g == w or (g ~= g and w ~= w) or
      (w - w == 0 and math.abs(g - w) <= tolerance[2] + tolerance[1] * math.abs(w))
    if not same then return ("number %d is %.9g, PyTorch's %.9g"):format(i, g, w) end
  end
end

-- Results in one list, those in tables too; numbers and booleans as tensors of PyTorch's dtype for them.
local function collect(into, ...)
  for _, v in ipairs {...} do
    if type(v) == "table" then collect(into, table.unpack(v))
    elseif type(v) == "userdata" then into[#into + 1] = v
    else into[#into + 1] = agad.full({}, v) end
  end
  return into
end

-- The scalar that gradients are of: sum over the outputs of sum(output * fixed weights).
local function weighted(outputs)
  local total
  for _, o in ipairs(outputs) do
    if o.requires_grad and not o.dtype:find "^complex" then
      local weights = {}
      for i = 0, o:numel() - 1 do weights[i + 1] = ((7 * i) % 11 - 4) / 8 end
      local part = (o * core.from_table(weights, o.dtype):reshape(o.shape)):sum()
      total = total and total + part or part
    end
  end
  return total
end

-- nil, or what is wrong with a case.
local function wrong(case)
  local names = setmetatable({agad = agad, math = math, select = select}, {__index = function(_, name)
    error(("the case has no input %s"):format(name))
  end})
  for _, name in ipairs(case.inputs) do names[name] = tensor_of(table.unpack(stored.inputs[name])) end
  for _, name in ipairs(case.graded) do names[name]:requires_grad_() end
  local text = case.lua:find "return " and case.lua or "return " .. case.lua
  local results = table.pack(pcall(assert(load(text, case.lua, "t", names))))
  if not results[1] then return results[2] end
  local outputs = collect({}, table.unpack(results, 2, results.n))
  if #outputs ~= #case.outputs then return ("%d results instead of %d"):format(#outputs, #case.outputs) end
  for i, want in ipairs(case.outputs) do
    local o, dtype, shape = outputs[i], want[1], table.concat(want[2], "x")
    if o.dtype ~= dtype then return ("result %d is %s, PyTorch's %s"):format(i, o.dtype, dtype) end
    if table.concat(o.shape, "x") ~= shape then
      return ("result %d has shape %s, PyTorch's %s"):format(i, table.concat(o.shape, "x"), shape)
    end
    local bad = not case.random and difference(flat(o), numbers(want[3]), tolerances[dtype] or exact)
    if bad then return ("result %d: %s"):format(i, bad) end
  end
  local total = weighted(outputs)
  if not total then return case.gradients and "there is no gradient" end
  if not case.gradients then return "PyTorch has no gradient" end
  local inputs = {}
  for i, name in ipairs(case.graded) do inputs[i] = names[name] end
  local gradients = {agad.grad(total, inputs, nil, {allow_unused = true})}
  for i, name in ipairs(case.graded) do
    local want, got = case.gradients[name], gradients[i]
    if (want ~= nil) ~= (got ~= nil) then
      return ("the gradient of %s is %s"):format(name, want and "missing" or "none of PyTorch's")
    end
    local bad = want and difference(flat(got), numbers(want), tolerances[got.dtype])
    if bad then return ("gradient of %s: %s"):format(name, bad) end
  end
end

describe("values and gradients as PyTorch's:", function()
  local families, by_family = {}, {}
  for _, case in ipairs(stored.cases) do
    if not by_family[case.family] then
      families[#families + 1], by_family[case.family] = case.family, {}
    end
    table.insert(by_family[case.family], case)
  end

  for _, family in ipairs(families) do
    it(family, function()
      agad.manual_seed(16)
      local failures = {}
      for _, case in ipairs(by_family[family]) do
        local ok, bad = pcall(wrong, case)
        if not ok or bad then failures[#failures + 1] = ("%s  (%s): %s"):format(case.lua, case.python, bad) end
      end
      assert.equal("", table.concat(failures, "\n"))
    end)
  end

  it("of 500 operators and more", function()
    local seen, operators, gradients = {}, 0, 0
    for _, case in ipairs(stored.cases) do
      if not seen[case.operator] then seen[case.operator], operators = true, operators + 1 end
      if case.gradients then gradients = gradients + 1 end
      assert.truthy(case.lua:find(case.operator, 1, true) or case.lua:find "[-+*/^.]", case.lua)
    end
    assert.is_true(operators >= 500, operators)
    assert.is_true(gradients >= 450, gradients)
  end)
end)

describe("names of PyTorch's Python side", function()
  local checks = dofile "spec/support/checks.lua"
  local t = agad.tensor {3, 1, 3, 2}

  it("are there as functions and methods", function()
    assert.same({1, 2, 3}, t:unique():totable())
    local values, inverse, counts = agad.unique(t, {return_inverse = true, return_counts = true})
    assert.same({{1, 2, 3}, {2, 0, 2, 1}, {1, 1, 2}}, {values:totable(), inverse:totable(), counts:totable()})
    assert.same({{1, 2}, {3, 4}}, agad.tensor({{3, 4}, {1, 2}, {3, 4}}):unique({dim = 1}):totable())
    assert.same({"int64", "float64", "bool", "bfloat16"},
      {t:long().dtype, t:double().dtype, t:bool().dtype, t:bfloat16().dtype})
    assert.near(math.log(4), agad.cross_entropy(agad.zeros(2, 4), agad.tensor({0, 3}, "int64")):item(), 1e-6)
    assert.same({2}, agad.cross_entropy(agad.zeros(2, 4), agad.tensor({0, 3}, "int64"), {reduction = "none"}).shape)
    assert.equal(23, agad.mse_loss(t, t * 2, {reduction = "sum"}):item())
    assert.near(1, t:reshape({2, 2}):normalize():square():sum(2)[1]:item(), 1e-6)
    local x = agad.arange(4):float():reshape {1, 1, 2, 2}
    assert.same({0, 0, 1, 1}, x:interpolate({scale_factor = 2})[{1, 1, 1}]:totable())
    assert.same({0, .25, .75, 1}, x:interpolate({size = 4, mode = "bilinear"})[{1, 1, 1}]:totable())
    assert.same({1.5}, x:interpolate({size = 1, mode = "area"}):flatten():totable())
    local centre = agad.grid_sample(x, agad.zeros(1, 1, 1, 2))
    assert.equal(1.5, centre:item())
  end)

  it("check their options", function()
    local x = agad.rand(1, 1, 2, 2)
    checks.has(checks.refused(agad.interpolate, x, {mode = "x", size = 3}), "mode = x", "bilinear")
    checks.has(checks.refused(agad.interpolate, x), "size or scale_factor")
    checks.has(checks.refused(agad.unique, t, {sortd = true}), "did you mean sorted")
    checks.has(checks.refused(agad.mse_loss, t, t, {reduction = "some"}), "reduction")
    checks.has(checks.refused(agad.normalize, t, 3), "options must be a table")
  end)
end)
