-- Tensors and operators from Lua: how they are called, what comes back, what is refused, what memory does.
-- To add a case: a test with the expression and the table that it gives; refused(f, …) where it is an error.

local agad = require "agad"
local core = agad.core
core.threads(1)

-- Calls f, which must raise one line without a trace of C++, and returns it.
local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local function shape(t) return table.concat(t.shape, "x") end
local function values(t) return t:flatten():totable() end
local a = agad.tensor {1, 2, 3, 4, 5, 6}
local t = a:view(2, 3)

describe("the device", function()
  it("can be asked for after seeding", function()
    agad.manual_seed(1)
    local first = agad.rand(2)
    local devices, note = core.probe()
    assert.equal(agad.devices, devices)
    if devices == 0 then
      assert.is_true(#note > 0)
      has(refused(agad.zeros, 2, {device = "cuda"}), "device", "cuda")
      has(refused(t.cuda, t), "no device")
    else
      assert.equal("cuda:0", agad.zeros(2, {device = "cuda"}).device)
    end
    agad.manual_seed(1)
    assert.same(values(first), values(agad.rand(2)))
  end)

  it("is a name that is checked", function()
    for _, name in ipairs {"cudo", "cuda:", "cuda:x", "cuda:-1", "cuda:99999999999", "gpu"} do
      has(refused(agad.zeros, 2, {device = name}), "device", name)
    end
  end)
end)

describe("an operator", function()
  it("is a function and a method, with positional and keyword arguments", function()
    local ways = {agad.softmax(t, 2), t:softmax(2), t:softmax({dim = 2}), agad.softmax(t, {dim = 2}), t:softmax(-1)}
    for _, u in ipairs(ways) do
      assert.near(1, u:sum(2):select(1, 1):item(), 1e-6)
    end
    assert.same({11, 22}, values(agad.tensor({10, 20}):add(agad.tensor({1, 2}))))
    assert.same({12, 24}, values(agad.tensor({10, 20}):add(agad.tensor({1, 2}), {alpha = 2})))
    assert.same({11, 21}, values(agad.add(agad.tensor({10, 20}), 1)))
  end)

  it("takes numbers one by one where its list of integers comes first", function()
    assert.equal("3x4", shape(agad.rand(3, 4)))
    assert.equal("3x4", shape(agad.rand {3, 4}))
    assert.equal("4", shape(agad.zeros(4)))
    assert.equal("3x2", shape(t:view(3, 2)))
    assert.equal("6", shape(t:view(-1)))
    assert.equal("3x2", shape(t:permute(2, 1)))
    assert.equal("float64", agad.zeros(2, 2, {dtype = "float64"}).dtype)
    assert.equal("4x6", shape(t:tile(2, 2)))
  end)

  it("takes one number for an integer before it takes it for a list", function()
    local parts = agad.arange(6):split(2)
    assert.equal(3, #parts)
    assert.same({4, 5}, values(parts[3]))
    assert.same({2, 4}, {#agad.arange(6):split({2, 4}), agad.arange(6):split({2, 4})[2]:numel()})
  end)

  it("is chosen by its arguments", function()
    assert.equal(21, t:sum():item())
    assert.same({6, 15}, values(t:sum(2)))
    assert.same({5, 7, 9}, values(t:sum(1)))
    assert.equal("1x1", shape(t:sum({dim = {1, 2}, keepdim = true})))
    assert.equal("float64", t:sum({dtype = "float64"}).dtype)
    assert.equal(6, t:max():item())
    local most, where = t:max(1)
    assert.same({4, 5, 6}, values(most))
    assert.same({1, 1, 1}, values(where)) -- numbers inside a tensor stay libtorch's, from 0
    assert.same({2, 2, 3, 4, 5, 6}, values(a:max(agad.tensor {2, 2, 2, 2, 2, 2})))
    assert.same({1, 4, 9}, values(agad.tensor({1, 2, 3}):pow(2)))
    assert.same({2, 4, 8}, values(agad.pow(2, agad.tensor {1, 2, 3})))
    assert.equal("int64", t:to("int64").dtype)
    assert.equal("float64", t:to(agad.zeros(1, {dtype = "float64"})).dtype)
    assert.same({0, 1}, values(agad.div(agad.tensor {1, 3}, 2, {rounding_mode = "floor"})))
  end)

  it("takes lists of tensors and gives lists", function()
    assert.equal("2x2x3", shape(agad.stack({t, t}, 1)))
    assert.equal("2x6", shape(agad.cat({t, t}, 2)))
    local rows = t:unbind(1)
    assert.same({2, "3"}, {#rows, shape(rows[2])})
  end)

  it("counts dimensions and positions from 1, and from the end by negative numbers", function()
    assert.same({4, 5, 6}, values(t:select(1, 2)))
    assert.same({4, 5, 6}, values(t:select(1, -1)))
    assert.same({3, 6}, values(t:select(-1, 3)))
    assert.same({2, 3, 5, 6}, values(t:narrow(2, 2, 2)))
    assert.same({1, 2, 4, 5}, values(t:slice(2, 1, 2))) -- ranges are inclusive
    assert.same({1, 2, 4, 5}, values(t:slice(2, {start = 1, stop = 2})))
    assert.same({2, 3, 5, 6}, values(t:slice(2, 2, -1)))
    assert.same({1, 2, 4, 5}, values(t:slice(2, 1, -2)))
    assert.equal("3x2", shape(t:transpose(1, 2)))
    assert.equal("6", shape(t:flatten(1, 2)))
    assert.equal("2x1x3", shape(t:unsqueeze(2)))
    assert.same({3, 2, 1, 6, 5, 4}, values(t:flip({2})))
    assert.same({0, 1, 2}, values(agad.arange(0, 3))) -- bounds are not positions
  end)

  it("refuses 0 as a dimension or position", function()
    for _, f in ipairs {
      function() return t:sum(0) end, function() return t:sum({dim = 0}) end,
      function() return t:sum({1, 0}) end, function() return t:select(1, 0) end,
      function() return t:transpose(0, 1) end,
      function() return t:softmax({dim = 0}) end, function() return t:size(0) end,
      function() return t:permute(1, 0) end} do
      local message = refused(f)
      has(message, "from 1")
    end
  end)

  it("says which argument, what was expected, and how it is called", function()
    has(refused(t.softmax, t, true), "softmax", "'dim'", "integer", "boolean", "aten::softmax.int(")
    has(refused(t.softmax, t, "x"), "softmax", "'x'")           -- a name of a dimension
    has(refused(t.mm, t, "x"), "'mat2'", "a tensor", "string", "aten::mm(")
    has(refused(t.sum, t, {dim = {1}, keepdim = 1}), "'keepdim'", "true or false", "number")
    has(refused(agad.zeros, 2, {dtype = "float23"}), "'dtype'", "float32", "float23")
    has(refused(t.narrow, t, 1, 1), "'length'", "missing")
    has(refused(t.neg, t, 1, 2), "too many arguments")
    has(refused(agad.add, {}, 1), "'self'", "a tensor")
  end)

  it("guesses what a mistyped name meant", function()
    has(refused(function() return t.sofmax end), "no field or operator 'sofmax'", "did you mean softmax?")
    has(refused(function() return t.shap end), "did you mean shape?")
    has(refused(function() return agad.lins_pace end), "did you mean linspace?")
    has(refused(function() return t.quite_another end), "no field or operator 'quite_another'")
    assert.is_nil(agad.quite_another)
  end)

  it("refuses unknown keywords and tables that mix list and keywords", function()
    has(refused(t.sum, t, {dimm = 1}), "unknown keyword 'dimm'", "aten::sum")
    has(refused(t.sum, t, {1, keepdim = true}), "mixes list items and keywords")
    has(refused(function() return t:no_such_operator() end), "no_such_operator")
    has(refused(function() return agad.no_such_operator(t) end), "nil value")
  end)

  it("gives libtorch's errors as one line", function()
    has(refused(t.mm, t, t), "mm:", "2x3")
    has(refused(t.view, t, 4, 4), "view:", "[4, 4]")
    has(refused(t.index_select, t, 1, agad.tensor {1.5}), "index_select:")
    has(refused(t.item, t), "the tensor has 6 numbers")
    has(refused(t.sum, t, 3), "there is no dimension 3; the last is 2")
    assert.equal(21, t:sum():item()) -- and the next call works
  end)

  it("speaks of dimensions and positions as Lua counts them", function()
    has(refused(t.transpose, t, 1, -3), "there is no dimension -3; the last is 2")
    has(refused(t.unsqueeze, t, 4), "no dimension 4; the last is 3")
    has(refused(t.select, t, 1, 4), "index 4 is out of range for a tensor of size [2, 3] at dimension 1")
    has(refused(t.narrow, t, 2, 3, 2), "2 positions from 3 on, but the dimension has 3")
    has(refused(agad.cat, {t, agad.ones(2, 4)}, 1), "except in dimension 1", "size 3 but got size 4", "tensor number 2")
    has(refused(agad.stack, {t, agad.ones(2, 4)}), "[2, 3] at entry 1 and [2, 4] at entry 2")
    has(refused(t.add, t, agad.ones(2, 4)), "(3)", "(4)", "at non-singleton dimension 2")
    has(refused(t.sum, t, {dim = {2, 2}}), "dim 2 appears multiple times")
    has(refused(t.gather, t, 2, agad.tensor({{9}}, "int64")), "index 9 is out of bounds for dimension 2 with size 3")
    has(refused(agad.bmm, t, t), "3D")                       -- counts of dimensions stay
    has(refused(agad.trace, agad.ones(2)), "with dim 1")
  end)

  it("names the way of calling that was meant, and who is at fault", function()
    local message = refused(t.max, t, {keepdim = true})
    has(message, "argument 'dim' is missing", "aten::max.dim(")
    assert.is_nil(message:find("names_dim", 1, true))
    has(refused(agad.cat, t), "'tensors' must be a list, not a tensor")
    local file = debug.getinfo(1, "S").short_src
    local line
    local _, caught = pcall(function()
      line = debug.getinfo(1, "l").currentline + 1
      t[1][1] = agad.cross_entropy(t, agad.tensor({9, 0}, "int64"))
    end)
    has(caught, ("%s:%d: "):format(file, line), "Target 9 is out of bounds")
  end)

  it("to takes a dtype, a device, both, or a tensor", function()
    assert.equal("bfloat16", t:to("bf16").dtype)
    assert.equal("cpu", t:to("cpu").device)
    assert.equal("float64 cpu", t:to("cpu", "float64").dtype .. " " .. t:to("cpu", "float64").device)
    assert.equal("int64", agad.to(t, agad.ones(1, {dtype = "int64"})).dtype)
    assert.equal("int32", t:to({dtype = "int32", device = "cpu"}).dtype)
    has(refused(t.to, t, "gpu"), '"gpu" is neither a dtype', 'nor a device (such as "cpu"')
    has(refused(t.to, t, "cuda:100"), "there is no device 'cuda:100'")
    has(refused(agad.rand, 2, {device = "cuda:100"}), "there is no device 'cuda:100'")
  end)

  it("in place returns the same object, and may be named by its own namespace", function()
    local u = agad.zeros(3)
    assert.equal(u, u:add_(1))
    assert.equal(u, u:mul_(3):sub_(1))
    assert.same({2, 2, 2}, values(u))
    local bn_act = core.operator "agad::bn_act"
    local y = bn_act(agad.rand(2, 3, 4, 4), agad.ones(3), agad.zeros(3), nil, nil, true, 0.1, 1e-5, 0)
    assert.equal("2x3x4x4", shape(y))
    assert.equal(0, y:min():item())
  end)
end)

describe("arithmetic", function()
  it("is + - * / and unary minus, with numbers on either side", function()
    local u = agad.tensor {1, 2, 4}
    assert.same({2, 4, 8}, values(u + u))
    assert.same({2, 3, 5}, values(u + 1))
    assert.same({2, 3, 5}, values(1 + u))
    assert.same({0, 1, 3}, values(u - 1))
    assert.same({9, 8, 6}, values(10 - u))
    assert.same({3, 6, 12}, values(3 * u))
    assert.same({8, 4, 2}, values(8 / u))
    assert.same({.5, 1, 2}, values(u / 2))
    assert.same({-1, -2, -4}, values(-u))
  end)

  it("with a number keeps the tensor's dtype, as in Python", function()
    assert.equal("float32", (2.5 * t:sum()).dtype)
    assert.equal("float32", (t:sum() * 2.5).dtype)
    assert.equal("float32", (1 / t:mean()).dtype)
    local whole = agad.ones(2, {dtype = "int64"})
    assert.equal("int64", (2 * whole).dtype)
    assert.equal("float32", (2.5 * whole).dtype)
    assert.equal("float64", (0.1 + agad.zeros(1, {dtype = "float64"})).dtype)
    assert.equal(0.1, (0.1 + agad.zeros(1, {dtype = "float64"})):item()) -- not by way of float32
  end)

  it("has no order in Lua, and == is identity", function()
    has(refused(function() return t < t end), "t:lt(u)")
    has(refused(function() return t >= 1 end), "t:lt(u)")
    assert.is_false(t == a:view(2, 3))
    assert.same({1, 1, 0, 0, 0, 0}, values(t:lt(3):to("int64")))
  end)

  it("with what is no number is an error", function()
    refused(function() return t + {} end)
    refused(function() return t * "2" end)
    refused(function() return t + nil end)
  end)
end)

describe("a tensor", function()
  it("says in one line what it is", function()
    assert.equal("[float32 2x3 cpu]", t:summary())
    assert.equal("21 [float32 cpu]", tostring(t:sum()))
    assert.equal("[int64 0 cpu]", tostring(agad.zeros(0, {dtype = "int64"})))
    assert.equal("[float32 2 cpu, grad]", agad.zeros(2):requires_grad_():summary())
    local many = {}
    for i = 1, 40 do many[i] = 1 end
    assert.equal("[float32 " .. ("1x"):rep(39) .. "1 cpu]", agad.ones(many):summary())
    assert.equal(40, #agad.ones(many).shape)
  end)

  it("knows its sizes, dtype and device", function()
    assert.same({2, 3}, t:size())
    assert.same({2, 3}, t.shape)
    assert.equal(3, t:size(2))
    assert.equal(3, t:size(-1))
    has(refused(t.size, t, 3), "there is no dimension 3; the last is 2")
    assert.equal(6, t:numel())
    assert.equal(2, t:dim())
    assert.equal("float32", t.dtype)
    assert.equal("cpu", t.device)
    assert.is_false(t.requires_grad)
    assert.is_nil(t.grad)
  end)

  it("gives its one number as Lua's own kind", function()
    assert.equal("integer", math.type(agad.ones(1, {dtype = "int64"}):item()))
    assert.equal("float", math.type(agad.ones(1):item()))
    assert.is_true(agad.ones(1, {dtype = "bool"}):item())
    assert.equal(0.5, agad.full({}, 0.5, {dtype = "bfloat16"}):item())
  end)

  it("is made of a list of numbers", function()
    assert.equal("float32", agad.tensor({1, 2}).dtype)
    assert.same({1 << 53 | 1}, values(agad.tensor({1 << 53 | 1}, {dtype = "int64"})))
    has(refused(agad.tensor, {1, "x"}), "item 2", "not a number")
    has(refused(agad.tensor, {1, "2"}), "item 2", "not a number")
    has(refused(agad.tensor, {1.5}, {dtype = "int64"}), "item 1", "not an integer")
    assert.equal(0, agad.tensor({}):numel())
  end)

  it("may stand twice in one call, and a net may give one node twice", function()
    local b = agad.nn.builder({1, 4, 4})
    local node = b:conv(2, {kernel = 3, padding = 1})
    local one, two = agad.nn.net(node:build("twice", {{"one", node}, {"two", node}}))(agad.rand(1, 1, 4, 4))
    one:close()
    assert.equal(32, (two + two):numel())
  end)

  it("that is closed says so", function()
    local u = agad.rand(2)
    do local v <close> = u; assert.equal(2, v:numel()) end
    assert.equal("[closed tensor]", tostring(u))
    assert.is_true(u:is_closed())
    has(refused(function() return u + 1 end), "closed")
    has(refused(function() return agad.sum(u) end), "closed")
    has(refused(function() return u:sum() end), "closed")
    has(refused(function() return u.shape end), "closed")
    u:close()
  end)
end)

describe("gradients", function()
  it("come by backward and by agad.grad", function()
    local x = agad.tensor({1, 2, 3}):requires_grad_()
    assert.is_true(x.requires_grad)
    local y = (x * x):sum()
    y:backward()
    assert.same({2, 4, 6}, values(x.grad))
    y = x * 2
    y:backward(agad.tensor {1, 1, 0})
    assert.same({4, 6, 6}, values(x.grad))
    local w = agad.tensor({2}):requires_grad_()
    local gx, gw = agad.grad((x * w):sum(), {x, w})
    assert.same({2, 2, 2}, values(gx))
    assert.same({6}, values(gw))
    assert.same({1, 1, 1}, values(agad.grad(x:sum(), x)))
    local g1, none = agad.grad(x:sum(), {x, w}, {allow_unused = true})
    assert.is_not_nil(g1)
    assert.is_nil(none)
    has(refused(agad.grad, x:sum(), {x, w}), "unused")
    local z = (x * x):sum()
    agad.grad(z, x, {retain_graph = true})
    assert.same({2, 4, 6}, values(agad.grad(z, x)))
    has(refused(agad.grad, z, x), "freed this graph")
    has(refused(t.backward, t), "grad")
    has(refused(z.backward, z, {retain = true}), "retain_graph")
    has(refused(z.backward, z, 3), "tensor")
  end)

  it("stop at detach and inside no_grad", function()
    local x = agad.tensor({1, 2}):requires_grad_()
    assert.is_false(x:detach().requires_grad)
    local inside = agad.no_grad(function() return x * 2 end)
    assert.is_false(inside.requires_grad)
    assert.is_true((x * 2).requires_grad)
    has(refused(agad.no_grad, function() error("on purpose", 0) end), "on purpose")
    assert.is_true((x * 2).requires_grad) -- the mode came back
    assert.is_nil((x * 2).grad)
  end)

  it("of the losses equal those of plain operators, and shapes must agree", function()
    local function check(ours, plain)
      local x = agad.rand(3, 4, {dtype = "float64"}):requires_grad_()
      local y = agad.rand(3, 4, {dtype = "float64"}):requires_grad_()
      local one, two = ours(x, y), plain(x, y)
      assert.near(two:item(), one:item(), 1e-14)
      local g1, h1 = agad.grad(one * 3, {x, y}, {allow_unused = true})
      local g2, h2 = agad.grad(two * 3, {x, y}, {allow_unused = true})
      assert.near(0, (g1 - g2):abs():max():item(), 1e-14)
      if h2 then assert.near(0, (h1 - h2):abs():max():item(), 1e-14) end
    end
    check(agad.loss.l1, function(x, y) return (x - y):abs():mean() end)
    check(agad.loss.mse, function(x, y) return ((x - y) * (x - y)):mean() end)
    for target = 0, 1 do
      check(function(x) return agad.loss.bce(x, target) end, function(x)
        return agad.binary_cross_entropy_with_logits(x, agad.full_like(x, target))
      end)
    end
    has(refused(agad.loss.l1, agad.rand(1, 6), agad.rand(6, 1)), "shape")
    has(refused(agad.loss.mse, agad.rand(2), agad.rand(3)), "shape")
    has(refused(agad.loss.bce, agad.rand(2), 0.5), "0 or 1")
    assert.near(1000, agad.loss.bce(agad.full({1}, -1000.0), 1):item(), 1e-3) -- exact where a logit is large
  end)
end)

describe("an operator without gradients", function()
  -- Such calls go to the backend's kernel itself; with gradients, or other tensors, they go the usual way.
  it("gives what it gives with them", function()
    local x = agad.rand(3, 4)
    local y = x:detach():requires_grad_()
    for _, f in ipairs {"neg", "exp", "relu"} do
      local with, without = y[f](y), x[f](x)
      assert.is_true(with.requires_grad)
      assert.is_false(without.requires_grad)
      assert.is_true(with:detach():equal(without))
    end
    assert.is_true((x + y).requires_grad and (y + 1).requires_grad and (x - y).requires_grad)
    assert.is_false((x + x).requires_grad or (x + 1).requires_grad)
    assert.is_true(x:matmul(x:t()):equal(y:matmul(y:t()):detach()))
  end)

  it("promotes dtypes and broadcasts", function()
    local i = agad.tensor({1, 2, 3}, "int64")
    assert.equal("float32", (i + agad.ones(2, 1)).dtype)
    assert.same({2, 3}, (i + agad.ones(2, 1)).shape)
    assert.equal("float32", (i / i).dtype)
    assert.equal("int64", (i * 2).dtype)
    assert.equal("float32", (i * .5).dtype)
    assert.equal("bool", i:lt(2).dtype)
    assert.equal(7, i:add(i, {alpha = 6}):select(1, 1):item())
  end)

  it("reports what the kernel reports", function()
    has(refused(function() return agad.ones(2) + agad.ones(3) end),
      "add: The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 1")
    assert.equal(3, (agad.ones(1) + agad.full({1}, 2)):item())
  end)
end)

describe("memory", function()
  local resident = checks.resident

  it("of 100,000 temporaries of 1 MB stays bounded, though Lua's collector cannot see it", function()
    local before = resident()
    for i = 1, 100000 do
      agad.empty(262144)
      if i % 10000 == 0 then
        assert.is_true(resident() - before < 600, ("%.0f MB after %d"):format(resident() - before, i))
      end
    end
    for _ = 1, 1000 do agad.zeros(262144) end -- written to
    assert.is_true(resident() - before < 600)
  end)

  it("of many small temporaries is given back while they are made", function()
    local most, live = 0, {}
    for i = 1, 200000 do
      local sum = a + a
      if i % 100 == 0 then live[#live + 1] = sum end
      if i % 1000 == 0 then most = math.max(most, core.memory().tensors) end
    end
    assert.equal(2000, #live)
    assert.is_true(most < 60000, ("%d tensors at once"):format(most))
  end)

  it("of large temporaries is used again, in a process that agad starts", function()
    if (os.getenv "AGAD_BUILD" or ""):find "asan" then return end
    local chunk = [[local function resident()
        for line in io.lines "/proc/self/status" do
          local kb = line:match "^RssAnon:%s+(%d+)"
          if kb then return kb // 1024 end
        end
      end
      local x, before = agad.zeros(1600000, {dtype = "uint8"}), nil
      for i = 1, 60 do
        x:to("float64"):mean()
        collectgarbage()
        if i == 10 then before = resident() end
      end
      print(resident() - before)]]
    local pipe = io.popen(("%s -e '%s'"):format(os.getenv "AGAD" or "build/agad", chunk))
    local more = tonumber(pipe:read "a")
    pipe:close()
    assert.is_true(more < 40, ("%s MB more after 50 tensors of 13 MB"):format(more))
  end)

  it("is not collected while the collector is stopped", function()
    collectgarbage "stop"
    local before = core.memory().tensors
    for _ = 1, 20000 do agad.neg(a) end
    local more = core.memory().tensors - before
    collectgarbage "restart"
    assert.equal(20000, more)
  end)

  it("of handles comes back after errors", function()
    collectgarbage()
    collectgarbage()
    local before = core.memory().tensors
    for _ = 1, 50 do
      pcall(t.mm, t, t)
      pcall(t.sum, t, {dim = 0})
      pcall(agad.add, 1, {})
      pcall(agad.pow, 2, "x")
      pcall(agad.grad, t, t)
      pcall(agad.loss.l1, t, a)
      pcall(agad.cat, {t, a}, 1)
      pcall(agad.tensor, {1, 2, "x"})
      pcall(agad.no_grad, function() return t:mm(t) end)
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, core.memory().tensors)
  end)
end)
