-- Random calls of what the project adds to tensors: parts and their assignment, tables and bytes, scopes, hooks,
-- gradients, files, layers, losses.  own_calls(maker, random) -> name, last lines; the maker is that of calls.lua.

local function pick(list) return list[math.random(#list)] end

-- What stands in t[…].
local function position(m)
  local r = math.random()
  if r < .35 then return m.integer() end
  if r < .55 then return ("{%s, %s}"):format(m.integer(), m.integer()) end
  if r < .6 then return ("{%s, %s, %s}"):format(m.integer(), m.integer(), m.integer()) end
  if r < .7 then return "{}" end
  if r < .8 then return m:tensor() end
  if r < .85 then return m:tensor() .. ":gt(0)" end
  if r < .9 then return '"..."' end
  if r < .93 then return "{" .. m.integer() .. "}" end
  return m:wrong()
end

local function index(m)
  local r = math.random()
  if r < .25 then return position(m) end
  if r > .98 then return m:wrong() end
  local items = {}
  for i = 1, math.random(0, 5) do items[i] = position(m) end
  return "{" .. table.concat(items, ", ") .. "}"
end

local function nested(depth, leaf)
  if depth == 0 then return leaf() end
  local items = {}
  for i = 1, math.random() < .9 and 2 or math.random(0, 3) do items[i] = nested(depth - 1, leaf) end
  return "{" .. table.concat(items, ", ") .. "}"
end

local function leaf_of(m)
  local kind = math.random(4)
  return function()
    if math.random() < .01 then return m:wrong() end
    return kind == 1 and m.integer() or kind == 2 and m.float() or kind == 3 and tostring(math.random() < .5) or
      tostring(math.random(9))
  end
end

local DTYPES = {"float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool", "float16", "bfloat16",
  "complex64", "complex128", "float31", ""}
local function dtype() return ("%q"):format(pick(DTYPES)) end

local function bytes(n)
  local list = {}
  for i = 1, n do list[i] = ("\\%d"):format(math.random(0, 255)) end
  return '"' .. table.concat(list):gsub("\\(%d+)", function(d) return ("\\%03d"):format(tonumber(d)) end) .. '"'
end

-- A file of bytes at the path `name`, which is then loaded.
local function file(name, content)
  return ([[
local file = io.open(%q, "wb") file:write(%s) file:close()
return agad.load(%q)
]]):format(name, content, name)
end

local function layer(m)
  local n = function() return math.random() < .9 and tostring(math.random(4)) or m:wrong() end
  local o = function()
    local list = {}
    for _, key in ipairs {"kernel", "stride", "padding", "bias", "affine", "output_padding", "momentum", "init",
      "seed"} do
      if math.random() < .3 then
        list[#list + 1] = key .. " = " .. pick {n(), n(), "{" .. n() .. ", " .. n() .. "}", "true", "false"}
      end
    end
    return "{" .. table.concat(list, ", ") .. "}"
  end
  local kinds = {
    function() return ("conv(%s, %s, %s)"):format(n(), n(), o()) end,
    function() return ("conv_transpose(%s, %s, %s)"):format(n(), n(), o()) end,
    function() return ("batch_norm(%s, %s)"):format(n(), o()) end,
    function() return ("linear(%s, %s, %s)"):format(n(), n(), o()) end,
    function() return ("leaky_relu(%s)"):format(m.float()) end,
    function() return pick {"relu()", "tanh()", "sigmoid()", "identity()", "flatten()"} end,
    function() return ("max_pool({kernel = %s})"):format(n()) end,
    function() return ("avg_pool({kernel = %s, stride = %s})"):format(n(), n()) end,
    function() return ("upsample(%s)"):format(n()) end,
    function() return ("concat(%s)"):format(n()) end,
    function() return ("dropout(%s)"):format(m.float()) end,
  }
  return "agad.nn." .. pick(kinds)()
end

local own = {
  {"index", function(m) return ("return %s[%s]\n"):format(m:tensor(), index(m)) end},
  {"assign", function(m)
    local value = pick {m:tensor(), m.float(), m.integer(), "true", m:wrong()}
    return ("local t = %s t[%s] = %s return t\n"):format(m:tensor(), index(m), value)
  end},
  {"tensor", function(m)
    local o = pick {"nil", dtype(), "{dtype = " .. dtype() .. "}", "{requires_grad = true}", m:wrong()}
    return ("return agad.tensor(%s, %s)\n"):format(nested(math.random(0, 4), leaf_of(m)), o)
  end},
  {"from_string", function(m)
    local o = pick {"nil", "{dtype = " .. dtype() .. "}", ("{size = {%s, %s}}"):format(m.integer(), m.integer()),
      ("{dtype = %s, size = {%s}}"):format(dtype(), m.integer()), "{size = " .. m:wrong() .. "}", m:wrong()}
    return ("return agad.from_string(%s, %s)\n"):format(bytes(math.random(0, 24)), o)
  end},
  {"read_out", function(m)
    local t = m:tensor()
    return "return " .. t .. pick {":totable()", ":tostring_bytes()", ":item()", ":summary()",
      ":size(" .. m.integer() .. ")",
      ".shape", ".grad", ".dtype", ".device", ":numel()", ":dim()", ":cpu()", ":cuda()", ".nonsense", ":is_closed()",
      ":rows(" .. m.integer() .. ")", ":tostring_bytes():len()"} .. "\n"
  end},
  {"rows", function(m)
    return ("local n = 0 for i, row in %s:rows(%s) do n = n + row:numel() end return n\n"):format(m:tensor(),
      pick {"", m.integer(), m:wrong()})
  end},
  {"rows_changed", function(m)
    local t = m:tensor()
    return ("for i, row in %s:rows() do %s end\n"):format(t, pick {t .. ":resize_({})", t .. ":close()",
      t .. ":squeeze_()",
      "agad.unbind(row)"})
  end},
  {"concat", function(m) return ("return %s .. %s\n"):format(m:tensor(), pick {m:tensor(), m:wrong()}) end},
  {"arithmetic", function(m)
    local a, b = m:tensor(), pick {m:tensor(), m.float(), m.integer(), m:wrong()}
    return ("return %s %s (%s)\n"):format(a, pick {"+",
       "-", "*", "/", "//", "%", "^", "&", "|", "~", "<<", ">>", "<", "=="}, b)
  end},
  {"scope", function(m)
    local t = m:tensor()
    return ([[
local kept
local a, b = agad.scope(function()
  kept = %s + 1
  local c = agad.scope(function() return %s:abs(), {%s * 2} end)
  %s
  return c, {c}
end)
%s
return a, b, kept
]]):format(t, t, t, pick {"", "error 'x'", "c:close()", "error {}"}, pick {"", "kept:sum()", "kept:close()"})
  end},
  {"hook", function(m)
    local t = m:tensor()
    return ([[
local y = %s:to("float32"):detach():requires_grad_()
local z = %s
local remove = z:register_hook(function(g) %s end)
%s
local loss = z:sum()
loss:backward(%s)
return y.grad
]]):format(t, pick {"y * 2", "y", "y:exp()", "y[1]"}, pick {"error 'x'", "error {}", "return g * 2", "return 1",
      "return g[1]",
      "collectgarbage() return agad.unbind(g:unsqueeze(1))", "g:close()", "y:close()", "return g:sum():backward()",
      "z:close()", "coroutine.yield()", "return coroutine.wrap(function() return g + 1 end)()", "remove()", ""},
      pick {"", "remove()", "remove() remove()", "z:close()"},
      pick {"", m:wrong(), "agad.ones({})", "{retain_graph = true}"})
  end},
  {"backward_closing", function(m)
    local t = m:tensor()
    return ([[
local y = %s:to("float32"):detach():requires_grad_()
local z, loss = y * 2
z:register_hook(function() %s end)
loss = z:sum()
do %s end
return y
]]):format(t, pick {"loss:close()", "y:close()", "z:close() collectgarbage()", "loss:close() y:close() z:close()"},
      pick {"loss:backward()", "return agad.grad(loss, y)", "return agad.grad(loss, {y, z}, {create_graph = true})"})
  end},
  {"grad", function(m)
    return ("return agad.grad(%s, %s, %s)\n"):format(m:tensor(), pick {m:tensor(), "{" .. m:tensor() .. "}", m:wrong()},
      pick {"nil", m:tensor(), "{create_graph = true}", "{allow_unused = true}", m:wrong()})
  end},
  {"set_grad", function(m)
    return ("local t = %s t.%s = %s return t\n"):format(m:tensor(), pick {"grad", "requires_grad", "shape", "x"},
      pick {m:tensor(), "nil", "true", m:wrong()})
  end},
  {"differentiable", function(m)
    local t, u = m:tensor(), m:tensor()
    return ([[
local f = agad.differentiable {
  forward = function(c, a, b) c.a = a %s end,
  backward = function(c, g, h) %s end}
local a = %s:to("float32"):detach():requires_grad_()
local y = f(a, %s)
y:sum():backward()
return a.grad
]]):format(pick {"return a * 2", "return a, b", "return", "return 1", "error 'x'", "return a:sum(), a",
      "a:close() return b"},
      pick {"return g * 2", "return nil", "return 1", "error {}", "return g:sum(), g", "c.a:close() return g",
        "return h",
        "collectgarbage() return g"}, t, pick {u, "3", "nil"})
  end},
  {"load_npy", function()
    local header = ("{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }"):format(
      pick {"<f4", "<f8", ">i2", "|b1", "<u4", "<c8", "|O", "<f3", "<M8[ns]"}, pick {"True", "False", "1"},
      pick {"2, 2", "4,", "", "-1,", "0, 3", "9223372036854775807, 2", "1e3,", "nan,", "4294967296, 4294967296"})
    local length = math.random() < .9 and #header or math.random(0, 70000)
    return file("fuzz.npy", ('"\\147NUMPY%s" .. string.pack("<I2", %d) .. %q .. %s'):format(
      pick {"\\1\\0", "\\2\\0", "\\9\\0"}, length, header, bytes(pick {0, 4, 8, 16, 32, 7})))
  end},
  {"load_bytes", function(m)
    return file(pick {"fuzz.npy", "fuzz.safetensors"}, pick {bytes(math.random(0, 60)),
      ('string.pack("<I8", %s) .. %q .. %s'):format(pick {"60", "2", "1 << 62", "-1"},
        pick {'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}     ', "{}", '{"a":[]}', '{"a":{"dtype":"F32",' ..
          '"shape":[4611686018427387904,4],"data_offsets":[0,0]}}'}, bytes(8)), m:wrong()})
  end},
  {"save_load", function(m)
    local path = pick {"out.npy", "out.png", "out.safetensors", "out.txt", "no/such/dir/out.npy"}
    local what = path:find "safetensors" and
      ("{a = %s, b = %s}"):format(m:tensor(), pick {m:tensor(), m:wrong()}) or m:tensor()
    return ("agad.save(%q, %s, %s)\nreturn agad.load(%q)\n"):format(path, what, pick {"nil", "{low = -1, high = 1}",
      "{low = 0/0}", m:wrong()}, path)
  end},
  {"layer", function(m)
    local t = m:tensor()
    return ("local l = %s\nlocal y = l(%s)\n%sreturn y, tostring(l), l:parameters()\n"):format(layer(m), pick {t, t,
      t .. ", " .. m:tensor(), m:wrong()}, pick {"",
      "y:sum():backward()\n", "l:eval()\n", "l:to {dtype = \"float64\"}\n"})
  end},
  {"loss", function(m)
    return ("return agad.loss.%s(%s, %s, %s)\n"):format(pick {"l1", "mse", "bce", "l2_rows", "adversarial", "context",
      "latent", "reciprocal", "discriminator"}, m:tensor(),
      pick {m:tensor(), "0", "1", m:wrong()}, pick {"nil", '"l2"', m:wrong()})
  end},
  {"python", function(m)
    local function small() return math.random() < .8 and tostring(math.random(0, 3)) or m.integer() end
    local function any()
      return pick {m:tensor(), small(), small(), "{" .. small() .. ", " .. small() .. "}", m:wrong()}
    end
    local keys = pick {"stride", "padding", "dilation", "output_size", "reduction", "hard", "tau", "alpha", "weight",
      "swap", "margin", "ceil_mode", "scale_factor", "size", "mode", "dim", "eps"}
    return ([=[
local list = {}
for _, part in ipairs {"functional", "names"} do
  for name in pairs(require("agad.tensor." .. part)) do list[#list + 1] = name end
end
table.sort(list)
return agad[list[%d %% #list + 1]](%s, %s, %s, %s)
]=]):format(math.random(1000), m:tensor(), any(), any(), pick {"nil", ("{%s = %s}"):format(keys, any()), any()})
  end},
  {"familiar", function(m)
    local t = m:tensor()
    return ("local t = %s\n%s\n"):format(t, pick {"return t.T, t.ndim, t:stride(), t:nbytes(), t:type()",
      "local n = 0 for i, row in pairs(t) do n = n + i end return n", "return t:apply_(function(v) return v end)",
      "t:apply_(function() t:close() end)", "t:apply_(function() return " .. m:wrong() .. " end)",
      ("return agad.cat(t, %s, %s)"):format(m:tensor(), m.integer()),
      ("return agad.stack(t, %s, t)"):format(m:tensor()), ("return agad.einsum('ij,jk', t, %s)"):format(m:tensor()),
      ("return agad.linalg.norm(t, %s), agad.fft.fft(t)"):format(m.integer()),
      ("return tostring(t.shape), tostring(t:chunk(%s))"):format(m.integer()),
      ("return agad.ones(2, %s)"):format(dtype()),
      'return t["..."], t[#t + 1]'})
  end},
  {"generator", function(m)
    return ("local g = agad.generator(%s)\n%s\nreturn agad.rand({2}, {generator = g}), g:state()\n"):format(m.integer(),
      pick {"", "g:set_state(" .. m:tensor() .. ")", "g:set_state(g:state())", "getmetatable(g).__gc(g)"})
  end},
  {"many_dimensions", function()
    return ("local t = %s:reshape({%s})\nreturn t, t[{%s}], t:totable(), t:summary()\n"):format("agad.ones(1)",
      ("1, "):rep(math.random(60, 80)), ("1, "):rep(math.random(1, 80)))
  end},
  {"finaliser", function(m)                             -- operators run by the collector, in the middle of others
    local t = m:tensor()
    return ([[
for i = 1, 50 do setmetatable({}, {__gc = function() agad.split(agad.ones(6), 1) agad.cat {%s, 1} end}) end
local parts = {}
for i = 1, 40 do parts[i] = agad.tensor_split(agad.ones(60), 60) end
collectgarbage()
return parts[1]
]]):format(t)
  end},
  {"core", function(m)
    local f = pick {"from_table", "from_string", "element_size", "grad_mode", "node", "close_scope",
      "note_in_scope", "generator", "loss_l1", "loss_bce", "json_encode", "json_decode", "operator"}
    return ([[
local r = table.pack(pcall(agad.core.%s, %s, %s, %s))
agad.core.grad_mode(true)
if not r[1] then error(r[2], 0) end
]]):format(f, pick {m:tensor(), m:wrong(), m:wrong()}, pick {m:tensor(), m:wrong(), "{" .. m:tensor() .. "}"},
        pick {m:wrong(), "{" .. m:tensor() .. "}", "print"})
  end},
  {"coroutine", function(m)
    local t = m:tensor()
    return ([[
local co = coroutine.wrap(function()
  local y = %s:to("float32"):detach():requires_grad_()
  y:register_hook(function(g) coroutine.yield(g) return g end)
  coroutine.yield(y)
  y:sum():backward()
  return y.grad
end)
local y = co()
return co()
]]):format(t)
  end},
}

return function(m)
  local one = pick(own)
  return "own." .. one[1], one[2](m)
end
