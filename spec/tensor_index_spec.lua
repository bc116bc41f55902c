-- Parts of tensors: reading, writing, lengths, rows, joining; nested tables; text; autograd from Lua; scopes.
-- To add a case: a test with the expression and the table that it gives.

local agad = require "agad"
local core = agad.core

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local t = agad.arange(24):reshape {2, 3, 4}                    -- 0 … 23

local function values(x) return x:flatten():totable() end
local function int(list) return agad.tensor(list, "int64") end
local function bool(list) return agad.tensor(list, "bool") end

describe("a part of a tensor", function()
  it("is an entry of the first dimension, from 1 or from the end", function()
    assert.same({3, 4}, t[1].shape)
    assert.equal(12, t[-1][1][1]:item())
    assert.equal(23, t[2][3][4]:item())
    assert.equal(0, t[-2][-3][-4]:item())
  end)

  it("is named by one item a dimension", function()
    for _, case in ipairs {
      {{1, 2}, {4, 5, 6, 7}}, {{1, 2, 3}, {6}}, {{{}, {2, 3}, 1}, {4, 8, 16, 20}},
      {{"...", -1}, {3, 7, 11, 15, 19, 23}},
      {{1, "...", {1, 4, 2}}, {0, 2, 4, 6, 8, 10}}, {{{2}, 1, 1}, {12}}, {{2, {-2, -1}, 4}, {19, 23}},
      {{{}, {}, {4}}, {3, 7, 11, 15, 19, 23}}, {{}, values(t)}, {{"..."}, values(t)}, {{{2, 1}}, {}},
      {{"...", 1, 1}, {0, 12}}, {{1, "...", 1, 1}, {0}},
    } do assert.same(case[2], values(t[case[1]]), core.json_encode(case[1])) end
    assert.same({1, 3, 4}, t[{{2}}].shape)
    assert.same({2, 2}, t[{{}, {2, 3}, 1}].shape)
    assert.same({0, 3, 4}, t[{{2, 1}}].shape)
  end)

  it("is chosen by tensors: positions from 0, or truth values", function()
    assert.same({2, 3, 4}, t[int {1, 0}].shape)
    assert.same({12, 0}, values(t[int {1, 0}][{{}, 1, 1}]))
    assert.same({8, 9, 10, 11, 0, 1, 2, 3}, values(t[{1, int {2, 0}}]))
    assert.same({21, 22, 23}, values(t[t:gt(20)]))
    assert.same({2, 3, 2}, t[{{}, {}, bool {true, false, false, true}}].shape)
    assert.same({0, 12}, values(t[{{}, bool {true, false, false}, 1}]))
    local mask = bool {{true, false, false}, {false, false, true}}
    assert.same({0, 1, 2, 3, 20, 21, 22, 23}, values(t[mask]))
    assert.same({1, 21}, values(t[{mask, 2}]))
    assert.same({2, 22}, values(t[{mask, int {2}}]))
    local best = agad.tensor {3, 9, 4}
    assert.equal(9, best[best:argmax()]:item())                 -- what argmax gives fits
    assert.same({0, 0, 12}, values(t[int({0, 0, 1}):to "int32"][{{}, 1, 1}]))
  end)

  it("is a view where no tensor chooses, and gradients go through it", function()
    local u = t:clone()
    u[1]:fill_(7)
    assert.same({7, 7}, values(u[{1, {1, 2}, 1}]))
    local x = agad.ones(2, 3, {requires_grad = true});
    (x[1] * x[{{}, 2}][1] + x[x:gt(0)]:sum()):sum():backward()
    assert.same({4, 7, 4, 3, 3, 3}, values(x.grad))
  end)

  it("is set to a number, or to a tensor that broadcasts", function()
    local u = t:to "float32"
    u[1] = 0
    u[{2, {1, 2}}] = 7
    u[u:gt(22)] = -1
    u[{{}, 1, 1}] = agad.tensor {50, 60}
    u[{"...", 2}] = int {1}
    assert.same({50, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 60, 1, 7, 7, 7, 1, 7, 7, 20, 1, 22, -1}, values(u))
    u[{1, int {0, 2}}] = agad.tensor {1, 2, 3, 4}
    assert.same({1, 2, 3, 4, 0, 1, 0, 0, 1, 2, 3, 4}, values(u[1]))
    local b = bool {false, false}
    b[2] = true
    assert.same({false, true}, b:totable())
    local k = int {1, 2}
    k[1] = 1 << 53 | 1
    assert.equal(1 << 53 | 1, k[1]:item())
  end)

  it("that cannot be is refused in one line", function()
    local closed = agad.ones(2)
    closed:close()
    for _, case in ipairs {
      {3, "index 3 is out of range: dimension 1 has 2"}, {-3, "index -3"}, {0, "index 0", "counted from 1"},
      {{1, 1, 1, 1}, "4 indices for a tensor of 3 dimensions"},
      {{1, {1, 9}}, "index 9 is out of range: dimension 2 has 3"}, {{{}, 1, 9}, "range: dimension 3"},
      {{{0}}, "index 0"}, {1.5, "whole number"}, {{{1, 2, 0}}, "step must be at least 1"},
      {{{1, 2, 3, 4}}, "a range must be"},
      {{{"a"}}, "a range must be"}, {true, "not boolean"}, {agad.rand(2), "float32"},
      {agad.ones(2, {dtype = "uint8"}), "uint8"},
      {bool {true}, ""}, {agad.ones(2, 3, 4, 5):gt(0), "mask of 4 dimensions where 3"}, {closed, "closed tensor"},
      {print, "not function"}, {int {2}, "out of"},
    } do has(refused(function() return t[case[1]] end), table.unpack(case, 2)) end
    local u = t:clone()
    for _, case in ipairs {
      {{1, 2}, agad.ones(7), "must match"}, {1, "x", "not to string"}, {1, closed, "closed tensor"},
      {"shape", 3, "shape"},
      {t:gt(3), agad.ones(3), "shape"}, {5, 1, "index 5 is out of range"}, {"grad", 3, "grad"},
      {"requires_grad", 1, "requires_grad"},
    } do has(refused(function() u[case[1]] = case[2] end), table.unpack(case, 3)) end
    assert.same(values(t), values(u))
    has(refused(function() return closed[1] end), "closed")
    has(refused(function() closed[1] = 1 end), "closed")
    has(refused(function() agad.ones(2, {requires_grad = true})[1] = 3 end), "in-place")
  end)

  it("has a length, rows and joins", function()
    assert.equal(2, #t)
    has(refused(function() return #agad.tensor(3) end), "a 0-d tensor has no length")
    local seen = {}
    for i, row in t[1]:rows() do seen[i] = values(row) end
    assert.same({{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}}, seen)
    seen = {}
    for i, column in t[1]:rows(-1) do seen[i] = values(column)[1] end
    assert.same({0, 1, 2, 3}, seen)
    has(refused(t.rows, t, 4), "there is no dimension 4")
    has(refused(t.rows, t, 0), "dimension 0")
    assert.same({4, 3, 4}, (t .. t).shape)
    has(refused(function() return t .. "x" end), "tostring")
  end)

  it("has the arithmetic of Lua's operators", function()
    local a, b = int {7, -7, 6}, int {2, 2, 3}
    assert.same({1, 1, 0}, values(a % b))
    assert.same({3, -4, 2}, values(a // b))
    assert.same({49, 49, 36}, values(a ^ 2))
    assert.same({2, 0, 2}, values(a & b))
    assert.same({7, -5, 7}, values(a | b))
    assert.same({5, -5, 5}, values(a ~ b))
    assert.same({-8, 6, -7}, values(~a))
    assert.same({28, -28, 24}, values(a << 2))
    assert.same({3, -4, 3}, values(a >> 1))
    assert.same({8, 4, 8}, values(2 ^ int {3, 2, 3}))
  end)
end)

describe("tables and strings", function()
  it("become tensors, nested as deep as there are dimensions", function()
    for _, case in ipairs {
      {{{1, 2}, {3, 4}}, "float32", {2, 2}}, {{{true, false}}, "bool", {1, 2}}, {{}, "float32", {0}},
      {{{}, {}}, "float32", {2, 0}}, {{{{1, 2.5}}, {{3, 4}}}, "float32", {2, 1, 2}}, {3, "float32", {}},
      {true, "bool", {}},
    } do
      local x = agad.tensor(case[1])
      assert.equal(case[2], x.dtype)
      assert.same(case[3], x.shape)
      assert.same(case[1], x:totable())
    end
    local x = agad.tensor({1, 2}, {dtype = "float64", requires_grad = true, device = "cpu"})
    assert.equal("float64", x.dtype)
    assert.is_true(x.requires_grad)
    assert.same({1, 0}, agad.tensor({true, false}, "int64"):totable())
    assert.equal("integer", math.type(t:totable()[1][1][1]))
  end)

  it("that are no tensor are refused, with the place", function()
    local cycle = {}
    cycle[1] = cycle
    for _, case in ipairs {
      {{{1, 2}, {3}}, "a table of length 1 where the others of dimension 2 have 2"}, {{1, {2}}, "item 2 is a table"},
      {{{1}, 2}, "item 2 is a number"}, {{{1}, {{2}}}, "item 2 is a table"}, {{true, 1}, "mixes"}, {{"x"}, "item 1"},
      {{{1, 2}, {3, print}}, "item 4 is a function"}, {cycle, "16 deep"},
    } do has(refused(agad.tensor, case[1]), "tensor: ", case[2]) end
    has(refused(agad.tensor, {1}, {type = "int64"}), "unknown option type", "dtype")
    has(refused(agad.tensor, {1}, "int65"), "unknown dtype")
  end)

  it("of bytes are a tensor's memory", function()
    local x = agad.randn(3, 4)
    assert.is_true(agad.from_string(x:tostring_bytes(), {size = {3, 4}}):equal(x))
    assert.same({12}, agad.from_string(x:tostring_bytes()).shape)
    assert.same({258}, agad.from_string("\2\1", {dtype = "int16"}):totable())
    has(refused(agad.from_string, "abc"), "3 bytes")
    has(refused(agad.from_string, "abcd", {size = {2}}), "4 bytes", "take 8")
    has(refused(agad.from_string, "abcd", {size = {-1}}), "out of range")
    has(refused(agad.from_string, "abcd", {shape = {1}}), "unknown option shape")
  end)
end)

describe("a printed tensor", function()
  local text = require "agad.tensor.text"
  local function lines(x, columns)
    local list = {}
    for line in text.of(x, "[footer]", columns or 80):gmatch "[^\n]+" do list[#list + 1] = line end
    return list
  end

  it("has aligned columns of four significant digits, and says what it is", function()
    assert.equal("  1  2\n  3  4\n[float32 2x2 cpu]", tostring(agad.tensor {{1, 2}, {3, 4}}))
    assert.same({"    0.1230  -45.6000", "   78.9000    1.0000", "[footer]"},
      lines(agad.tensor {{0.123, -45.6}, {78.9, 1}}))
    assert.same({"1e-07 *", "  1.234  5.600", "[footer]"}, lines(agad.tensor {1.234e-7, 5.6e-7}))
    assert.same({"  1.000e-09  1.000e+09", "[footer]"}, lines(agad.tensor {1e-9, 1e9}))
    assert.same({"    nan    inf   -inf  1.500", "[footer]"}, lines(agad.tensor {0 / 0, 1 / 0, -1 / 0, 1.5}))
    assert.same({"   true  false", "[footer]"}, lines(agad.tensor {true, false}))
    assert.same({"   -1  300", "[footer]"}, lines(int {-1, 300}))
    assert.same({"  1+2i", "[footer]"}, lines(agad.complex(agad.tensor {1}, agad.tensor {2})))
    assert.same({"{1, {}, {}}", "  0  1", "{2, {}, {}}", "  2  3", "[footer]"}, lines(agad.arange(4):reshape {2, 1, 2}))
    assert.equal("3.5 [float32 cpu]", tostring(agad.tensor(3.5)))
    assert.equal("1.5+2i [complex64 cpu]", tostring(agad.complex(agad.tensor(1.5), agad.tensor(2))))
    assert.equal("true [bool cpu]", tostring(agad.tensor(true)))
    assert.equal("-2 [int64 cpu]", tostring(agad.tensor(-2, "int64")))
    assert.equal("[float32 0x3 cpu]", tostring(agad.zeros(0, 3)))
    assert.equal("[closed tensor]", tostring((function() local x = agad.ones(1) x:close() return x end)()))
  end)

  it("fits the terminal, and leaves out the middle of what is long", function()
    local wide = lines(agad.complex(agad.full({50, 50}, 1.234), agad.full({50, 50}, 2.345)), 60)
    assert.same({"columns 1 to 3", "columns 48 to 50"}, {wide[1], wide[9]})
    assert.same({"columns 1 to 6", "  10  11  12  13  14  15", "  30  31  32  33  34  35", "columns 7 to 12",
      "  16  17  18  19  20  21", "  36  37  38  39  40  41", "columns 13 to 18", "  22  23  24  25  26  27",
      "  42  43  44  45  46  47", "columns 19 to 20", "  28  29", "  48  49", "[footer]"},
      lines(agad.arange(10, 50):reshape {2, 20}, 25))
    local got = lines(agad.arange(1001))
    assert.same({"     0     1     2     …   998   999  1000", "[footer]"}, got)
    got = lines(agad.arange(10000):reshape {100, 100})
    assert.equal(8, #got)
    assert.matches("^ +0 +1 +2 +… +97 +98 +99$", got[1])
    assert.matches("^[ …]+$", got[4])
    assert.matches("^ +9900 .* 9999$", got[7])
    local function show(n) return tostring(agad.zeros(1, 1, 1):expand {n, n, n}) end
    local factor = checks.growth(10, 100, show)
    assert.is_true(factor < 50, ("a thousand times the numbers take %.0f times as long"):format(factor))
    assert.is_true(#show(300) < 4000)
  end)

  it("stands in tables by what it is", function()
    assert.equal("{a = [float32 2 cpu]}", require("agad.base.values").show {a = agad.ones(2)})
  end)
end)

describe("autograd from Lua", function()
  local x
  before_each(function() x = agad.tensor({1, 2, 3}, {requires_grad = true}) end)

  it("calls hooks, which may change the gradient and be removed", function()
    local seen = {}
    local remove = x:register_hook(function(g)
      seen[#seen + 1] = values(g)
      return g * 10
    end);
    (x * x):sum():backward()
    assert.same({{2, 4, 6}}, seen)
    assert.same({20, 40, 60}, values(x.grad))
    remove()
    remove()
    x.grad = nil;
    (x * x):sum():backward()
    assert.same({2, 4, 6}, values(x.grad))
    assert.equal(1, #seen)
  end)

  it("brings a hook's error to the caller, and goes on after it", function()
    local y = x * 2
    y:register_hook(function() error("on purpose", 0) end)
    has(refused(y.backward, y:sum()), "on purpose")
    y = x * 2
    y:register_hook(function() return 3 end)
    has(refused(y.backward, y:sum()), "a hook must return a tensor", "number")
    assert.is_nil(x.grad)
    x:sum():backward()
    assert.same({1, 1, 1}, values(x.grad))
    has(refused(x.register_hook, x, 3), "function")
    has(refused(agad.ones(1).register_hook, agad.ones(1), print), "gradient")
  end)

  it("runs hooks in the coroutine that asked", function()
    local asked
    local grad = coroutine.wrap(function()
      local w = agad.ones(2, {requires_grad = true})
      w:register_hook(function(g)
        asked = coroutine.running()
        return g + 1
      end);
      (w * 1):sum():backward()
      return w.grad, coroutine.running()
    end)
    local g, own = grad()
    assert.same({2, 2}, values(g))
    assert.equal(own, asked)
  end)

  it("takes a derivative written in Lua", function()
    local calls = 0
    local scaled_square = agad.differentiable {name = "scaled_square",
      forward = function(c, a, k)
        assert.is_false(core.grad_mode())
        c.a, c.k = a, k
        return a * a * k, a:sum()
      end,
      backward = function(c, g, g_sum)
        calls = calls + 1
        assert.is_nil(g_sum)
        return g * c.a * (2 * c.k)
      end}
    local y, sum = scaled_square(x, 3)
    assert.same({3, 12, 27}, values(y))
    assert.equal(6, sum:item())
    y:sum():backward()
    assert.same({6, 12, 18}, values(x.grad))
    assert.equal(1, calls)
    assert.is_false((scaled_square(agad.ones(2), 1)).requires_grad)
    local wrong = agad.differentiable {forward = function(_, a) return a * 1 end, backward = function() return "g" end}
    has(refused(x.backward, wrong(x):sum()), "input 1", "string")
    wrong = agad.differentiable {forward = function(_, a) return a * 1 end,
      backward = function() error("no way", 0) end}
    has(refused(x.backward, wrong(x):sum()), "no way")
    has(refused(agad.differentiable, {forward = print}), "backward")
  end)

  it("gives gradients of gradients", function()
    local z = agad.tensor({2}, {requires_grad = true})
    local g = agad.grad((z ^ 3):sum(), z, {create_graph = true})
    assert.equal(12, g:item())
    assert.equal(12, agad.grad(g:sum(), z):item())
  end)

  it("is checked by differences", function()
    local d = {dtype = "float64"}
    agad.manual_seed(3)
    assert.is_true(agad.gradcheck(function(a, b) return a:matmul(b):tanh(), a:sin() end, {agad.rand(3, 4, d),
      agad.rand(4, 2, d)}))
    local wrong = agad.differentiable {forward = function(c, a) c.a = a return a:sin() end,
      backward = function(c, g) return g * c.a:sin() end}
    has(refused(agad.gradcheck, wrong, {agad.rand(3, d)}), "input 1, element 1", "finite differences give")
    has(refused(agad.gradcheck, wrong, {agad.rand(3)}), "input 1 is float32")
    has(refused(agad.gradcheck, wrong, {}, {tol = 1}), "unknown option tol")
  end)

  it("has fields that can be set", function()
    x.grad = agad.tensor {1, 1, 1}
    x:sum():backward()
    assert.same({2, 2, 2}, values(x.grad))
    x.grad = nil
    assert.is_nil(x.grad)
    has(refused(function() x.grad = agad.ones(1) end), "shape")
    x.requires_grad = false
    assert.is_false(x.requires_grad)
  end)
end)

describe("memory", function()
  it("of a scope is freed at its end, but for what it returns", function()
    local lost
    local kept, inside = agad.scope(function()
      lost = agad.ones(3)
      local y = lost * 2
      return y, {z = lost + 1}
    end)
    assert.same({2, 2, 2}, values(kept))
    assert.same({2, 2, 2}, values(inside.z))
    assert.is_true(lost:is_closed())
    local outer
    local result = agad.scope(function()
      outer = agad.scope(function() return agad.ones(1) end)
      return agad.scope(function() return agad.ones(1) end)
    end)
    assert.is_true(outer:is_closed())
    assert.is_false(result:is_closed())
    has(refused(agad.scope, function() lost = agad.ones(1) error("on purpose", 0) end), "on purpose")
    assert.is_true(lost:is_closed())
    assert.is_false(agad.ones(1):is_closed())
  end)

  it("of what nobody holds is given back within a scope too", function()
    local most = agad.scope(function()
      local largest = 0
      for _ = 1, 200 do
        local _ = agad.ones(1 << 18)                            -- 1 MB
        largest = math.max(largest, agad.memory().bytes)
      end
      return largest
    end)
    assert.is_true(most < 120 << 20, most)
  end)

  local function child(before, chunk)
    local program = os.getenv "AGAD" or "build/agad"
    local pipe = assert(io.popen(("%s '%s' -e '%s' 2>&1"):format(before, program, chunk)))
    local said = pipe:read "a"
    pipe:close()
    return (said:gsub("%s+$", ""))
  end

  it("that cannot be had is asked for again after a full collection", function()
    if (os.getenv "AGAD_BUILD" or ""):find "asan" then          -- it takes terabytes of addresses
      pending "not under AddressSanitizer"
      return
    end
    assert.equal("20 true", child("ulimit -v 4000000;", [[
      collectgarbage "stop"
      local n = 0
      for _ = 1, 20 do agad.empty(1 << 27) n = n + 1 end
      print(n .. " " .. tostring(agad.memory().collections > 0))]]))
    assert.matches("out of memory", child("ulimit -v 4000000;", "agad.empty(1 << 31)"))
  end)

  it("is collected before every operator where AGAD_GC_STRESS says so", function()
    assert.equal("5 5.0", child("AGAD_GC_STRESS=1", [[
      local x = agad.ones(2)
      for _ = 1, 4 do x = x + 1 end
      print(agad.memory().collections .. " " .. x[1]:item())]]))
  end)

  it("is told", function()
    local before = agad.memory()
    local held = agad.ones(1 << 20)
    local after = agad.memory()
    assert.equal(1 << 22, after.bytes - before.bytes)
    assert.equal(1, after.tensors - before.tensors)
    assert.equal(after.bytes, after.device.cpu.bytes)
    assert.is_true(after.peak >= after.bytes and after.collections >= before.collections)
    held:close()
    assert.equal(before.bytes, agad.memory().bytes)
  end)
end)
