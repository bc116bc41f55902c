-- What somebody who knows PyTorch or torch7 types without thinking: other names, namespaces, dtypes, lists without
-- braces, printed shapes; and what is said where that goes wrong.
-- To add a case: a line in the test of its kind: what is typed, and what has to come of it.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local t = agad.tensor {{1, 2, 3}, {4, 5, 6}}

describe("a tensor", function()
  it("has PyTorch's and torch7's other names", function()
    assert.same({{1, 4}, {2, 5}, {3, 6}}, t.T:totable())
    assert.equal(2, t.ndim)
    assert.same({2, 2, 2}, {t:dim(), t:ndimension(), t:nDimension()})
    assert.same({6, 2, 21}, {agad.numel(t), agad.dim(t), agad.item(t:sum())})
    assert.same({6, 6, 6}, {t:numel(), t:nelement(), t:nElement()})
    assert.same({4, 8, 2}, {t:element_size(), t:double():element_size(), t:half():element_size()})
    assert.same({3, 1}, t:stride())
    assert.same({1, 3}, t.T:stride())
    assert.equal(3, t:stride(1))
    assert.is_true(t:is_contiguous())
    assert.is_false(t.T:is_contiguous())
    assert.same({{1, 2, 3}, {4, 5, 6}}, t:tolist())
    assert.same({24, 12}, {t:nbytes(), t:half():nbytes()})
    assert.same({"float32", "int64"}, {t:type(), t:type("int64").dtype})
    assert.is_false(t.is_cuda)
    local u = t:clone()
    assert.equal(u, u:apply_(function(v) return v > 4 and v * 10 or nil end))
    assert.same({{1, 2, 3}, {4, 50, 60}}, u:totable())
    assert.same({{1, 4}, {2, 5}, {3, 6}}, t:clone().T:apply(function() end):totable())
    assert.same({true, false, false}, {agad.is_tensor(t), agad.is_tensor {}, agad.is_tensor(io.stdout)})
    assert.same({true, false}, {agad.is_grad_enabled(), agad.no_grad(agad.is_grad_enabled)})
  end)

  it("prints its shape, and lists of it print what they hold", function()
    assert.equal("{2, 3}", tostring(t.shape))
    assert.equal("{2, 3}", tostring(t:size()))
    assert.equal("{}", tostring(agad.tensor(1).shape))
    assert.equal("{3, 1}", tostring(t:stride()))
    assert.equal("{[float32 1x3 cpu], [float32 1x3 cpu]}", tostring(t:chunk(2)))
    assert.equal("2x3", table.concat(t.shape, "x"))
    assert.equal("[]", agad.core.json_encode(agad.tensor(1).shape))
    assert.same({2, 3}, agad.zeros(t.shape).shape)
  end)
end)

describe("a loop over the rows of a tensor", function()
  it("is pairs, rows, or numbers", function()
    for _, loop in ipairs {function() return pairs(t) end, function() return t:rows() end} do
      local seen = {}
      for i, row in loop() do seen[i] = row:totable() end
      assert.same({{1, 2, 3}, {4, 5, 6}}, seen)
    end
    has(refused(function() for _ in ipairs(t) do agad.ones(1) end end),
      "index 3 is out of range: dimension 1", "t:rows()")
    assert.equal(21, t["..."]:sum():item())
  end)
end)

describe("a function", function()
  it("of many tensors takes them without a list", function()
    assert.same({4, 3}, agad.cat(t, t).shape)
    assert.same({2, 6}, agad.cat(t, t, 2).shape)
    assert.same({2, 9}, agad.cat(t, t, t, {dim = -1}).shape)
    assert.same({2, 2, 3}, agad.stack(t, t).shape)
    assert.same({4, 3}, t:cat(t).shape)
    assert.same({{14, 32}, {32, 77}}, agad.einsum("ij,kj->ik", t, t):totable())
    assert.same({1, 5}, agad.einsum("ii->i", t:narrow(2, 1, 2)):totable())
    assert.same({2, 3}, agad.broadcast_tensors(agad.ones(3), t)[1].shape)
    assert.same({4, 6}, agad.block_diag(t, t).shape)
    assert.same({4, 3, 3, 3}, agad.nn.conv(3, 4, 3).weight.shape)
    assert.same({3, 4, 2, 2}, agad.nn.conv_transpose(3, 4, 2).weight.shape)
    has(refused(agad.cat, t), "'tensors' must be a list, not a tensor")
    has(refused(agad.stack, t), "'tensors' must be a list, not a tensor")
    local many = {}
    for i = 1, 600 do many[i] = t end
    has(refused(agad.cat, many), "'tensors' must be a shorter list, not one of over 500 items")
    has(refused(agad.cat, t, "x", t), "cat:")
  end)

  it("of a namespace is there as in PyTorch", function()
    assert.equal(agad.linalg_norm(t):item(), agad.linalg.norm(t):item())
    assert.same({2, 3}, agad.fft.fft(t).shape)
    assert.near(0.5, agad.special.expit(agad.tensor(0)):item(), 1e-7)
    assert.equal(agad.relu, agad.nn.functional.relu)
    has(refused(function() return agad.linalg.nrom end), "familiar_spec", "did you mean linalg_norm?")
    has(refused(function() return agad.nn.Conv2d(3, 4) end), "agad.nn has no 'Conv2d'; did you mean conv?")
    has(refused(function() return agad.nn.BatchNorm2d(3) end), "did you mean batch_norm?")
    has(refused(function() return agad.nn.ReLU() end), "did you mean relu?")
  end)

  it("takes dtypes by their names as fields", function()
    assert.equal("float64", agad.zeros(2, {dtype = agad.float64}).dtype)
    assert.equal("int32", t:to(agad.int32).dtype)
    assert.equal("[float64 2x3 cpu]", agad.ones(2, 3, "float64"):summary())
    assert.equal("[int32 3 cpu]", agad.arange(3, "int32"):summary())
    assert.equal("[float64 2x3 cpu]", agad.zeros_like(t, "float64"):summary())
    has(refused(agad.ones, 2, 3, "flaot"), "ones:")
    for _, name in ipairs {"float16", "float32", "int8", "int16", "int64", "uint8", "complex64", "complex128"} do
      assert.equal(name, agad.zeros(1, {dtype = agad[name]}).dtype)
    end
  end)
end)

describe("an error", function()
  it("says what numbers inside tensors count from, where that may be the mistake", function()
    local index = agad.tensor({1, 3}, "int64")
    has(refused(t.index_select, t, 1, index), "out of range", "count from 0")
    has(refused(t.gather, t, 2, agad.tensor({{3}}, "int64")), "is out of bounds for dimension 2", "count from 0")
    has(refused(t.take, t, agad.tensor({6}, "int64")), "count from 0")
    has(refused(function() return t[index] end), "index 3 is out of bounds for dimension 1 with size 2", "count from 0")
    has(refused(function() t[index] = 1 end), "index 3 is out of bounds for dimension 1 with size 2", "count from 0")
    has(refused(function() return t .. agad.ones(2) end), "got 2 and 1", "familiar_spec")
  end)

  it("names dtypes as they are named here, and what makes one of another", function()
    has(refused(agad.cross_entropy, t, agad.ones(2)), 'int64 is needed, but this tensor is float32; use t:to("int64")')
    has(refused(agad.one_hot, agad.ones(2)), "int64: t:long()")
    has(refused(agad.embedding, t, agad.ones(2)), "int64: t:long()")
  end)

  it("is one line, whatever was given", function()
    for _, case in ipairs {{agad.nn.dropout, t}, {agad.nn.conv, t, 2}, {agad.unique, t, {[t] = 1}},
      {agad.gaussian_nll_loss, t, t, t, {reduction = t}}, {agad.cross_entropy, t, t, {reduction = t}},
      {agad.loss.latent, t, t, t}, {agad.save, "a.npy", t, {[t] = 1}}, {agad.interpolate, t, {mode = t, size = 2}}} do
      assert.is_nil(refused(table.unpack(case)):find "\n")
    end
  end)

  it("names all kinds that would do", function()
    has(refused(t.add, t, "s"), "'other' must be a number or a tensor, not string")
  end)

  it("names a keyword that was meant", function()
    has(refused(agad.ones, 2, {dtpe = "float64"}), "unknown keyword 'dtpe' (did you mean 'dtype'?)")
    has(refused(t.sum, t, {keepdims = true}), "did you mean 'keepdim'?")
  end)

  it("of a backward pass says what to do in Lua", function()
    local w = agad.ones(3, {requires_grad = true})
    local once = (w * w):sum()
    once:backward()
    has(refused(once.backward, once), "{retain_graph = true}")
    has(refused(function() (w * 2):backward() end), "t:sum():backward()")
    has(refused(agad.grad, w * 2, w), "t:sum():backward()")
    has(refused(t.backward, t), "t:requires_grad_()")
    has(refused(w.add_, w, 1), "agad.no_grad(function) allows it")
    has(refused(function() w[1] = 2 end), "agad.no_grad(function) allows it")
  end)

  it("of an operator names the dtype that it does not take", function()
    has(refused(function() return t & t end), "does not support float32 tensors")
    has(refused(agad.loss.l1, t, agad.ones(3)), "the same shape, not {2, 3} and {3}")
    has(refused(agad.tensor, {1, nil, 3}), "item 2 is nil, not a number")
    has(refused(agad.from_string, "abc"), "3 bytes do not hold a whole number of float32 values (4 bytes each)")
  end)

  it("guesses near names only", function()
    has(refused(function() return agad.sotfmax end), "did you mean softmax?")       -- two letters changed round
    assert.is_nil(agad.foo)
    assert.is_nil(refused(function() return t.foo end):find "did you mean")
  end)
end)
