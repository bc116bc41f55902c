-- One random call as Lua text, the same for the same seed and number: of an operator of the catalogue, by its schema,
-- or of what the project adds to tensors (own_calls.lua).  Mostly values of the right kinds, so that calls get
-- through.  The text is a chunk whose argument is the module `agad`; it can be run by itself.

local recipes = require "recipes"

local calls = {}

local random = math.random
local function chance(p) return random() < p end
local function pick(list) return list[random(#list)] end

local DTYPES = {"float32", "float32", "float32", "float64", "int64", "int64", "bool", "uint8", "int8", "int16", "int32",
  "float16", "bfloat16", "complex64", "complex128"}
local HUGE = {"1 << 33", "1 << 40", "1 << 62", "math.maxinteger", "math.mininteger", "-(1 << 31)", "-(1 << 62)"}
local STRINGS = {"floor", "trunc", "none", "tanh", "mean", "sum", "prod", "amax", "amin", "fro", "nuc", "ij", "xy", "U",
  "L", "linear", "lower", "higher", "nearest", "midpoint", "constant", "reflect", "replicate", "circular", "same",
  "valid", "reduced", "complete", "r", "ortho", "forward", "backward", "ij,jk->ik", "i,i->", "...i->...", "ii->i",
  "left", "right", "leaky_relu", "gelsd", "gelsy", "gelss", "gels", "N", "C", "", "a", "\\0", "\\255\\xfe"}
local FORMATS = {"contiguous", "preserve", "channels_last", "channels_last_3d"}
local LAYOUTS = {"strided"}

-- What a value is when it is wrong on purpose.
local WRONG = {"nil", "true", "{}", "0/0", "1/0", "-1/0", "1 << 62", "-1", "0", "\"text\"", "function() end", "print",
  "{1, 2, nil, 4}", "{{}}", "{{1, 2}, {3}}", "{1, \"x\"}", "closed", "cycle", "io.stdout", "coroutine.create(print)",
  "{closed}", "{cycle}", "{[3] = 1}", "1.5", "agad.generator(1)", "ended", "{0/0}", "{1 << 62, 1 << 62}",
  "setmetatable({}, {__index = error, __len = error})", "math.maxinteger", "math.mininteger", "(\"x\"):rep(5000)"}
local NEEDS = {closed = "local closed = agad.ones(2) closed:close()\n", cycle = "local cycle = {} cycle[1] = cycle\n",
  ended = "local ended = setmetatable({}, {__gc = function() agad.ones(3):unbind() end}) ended = {}\n"}

-- ---- schemas ----

-- "Tensor(a!)[] self=[]" -> {kind, list, size, optional, name, default}
local function parse_argument(text)
  local kind, name = text:gsub("%b()", ""):match "^(%S+)%s+([%w_]+)"
  if not kind then return nil end
  local optional = kind:sub(-1) == "?"
  if optional then kind = kind:sub(1, -2) end
  local item, size = kind:match "^(.-)%[(%d*)%]$"
  return {kind = item or kind, list = item ~= nil, size = tonumber(size), optional = optional, name = name,
    default = text:find("=", 1, true) ~= nil}
end

local function parse(schema)
  local inner, depth, part, args, keyword = schema:match "%((.*)%) %->", 0, "", {}, false
  local function add()
    part = part:match "^%s*(.-)%s*$"
    if part == "*" then keyword = true
    elseif part ~= "" then
      local a = parse_argument(part) or {kind = "?", name = part}
      a.keyword = keyword
      args[#args + 1] = a
    end
    part = ""
  end
  for c in inner:gmatch "." do
    if c:find "[%(%[]" then depth = depth + 1 elseif c:find "[%)%]]" then depth = depth - 1 end
    if c == "," and depth == 0 then add() else part = part .. c end
  end
  add()
  return args
end

--- The operators that are called: public ones that Lua can call, sorted, without those in `without` (a set of names).
function calls.catalogue(core, without)
  local list = {}
  for _, o in ipairs(core.operators()) do
    local name = o.name:match "^aten::(.+)$"
    if name and not name:find "^_" and not name:find "_backward" and not o.unusable and not without[name] then
      list[#list + 1] = {name = name, key = name .. "." .. o.overload, args = parse(o.schema)}
    end
  end
  table.sort(list, function(a, b) return a.key < b.key end)
  return list
end

-- ---- values ----

local maker = {}
maker.__index = maker

function maker:need(text)
  for name, line in pairs(NEEDS) do
    if text:find(name, 1, true) and not self.needed[name] then
      self.needed[name] = true
      self.lines[#self.lines + 1] = line
    end
  end
  return text
end

function maker:wrong() return self:need(self.tame and "closed" or pick(WRONG)) end

local function numbers(n, low, high)
  local list = {}
  for i = 1, n do list[i] = random(low, high) end
  return list
end

function maker:shape()
  local r = random()
  if r < .6 then return self.base end
  if r < .68 then return {} end
  if r < .73 then return {0} end
  if r < .83 then                                       -- broadcasts against the base
    local s = {}
    for i, size in ipairs(self.base) do s[i] = chance(.5) and 1 or size end
    return s
  end
  if r < .9 then return {self.base[#self.base] or 1} end
  return numbers(random(0, 5), chance(.2) and 0 or 1, 5)
end

local function list_text(items) return "{" .. table.concat(items, ", ") .. "}" end

-- The text of a new tensor; its kinds of memory differ.
function maker:tensor_text()
  local shape, dtype = self:shape(), chance(.7) and self.dtype or pick(DTYPES)
  local sizes, r = list_text(shape), random()
  local text
  if dtype:find "^float" or dtype == "bfloat16" or dtype:find "^complex" then
    if r < .8 or self.tame then text = ("agad.randn(%s, {dtype = %q})"):format(sizes, dtype)
    elseif r < .9 then text = ("agad.rand(%s, {dtype = %q})"):format(sizes, dtype)
    else
      text = ("agad.full(%s, %s, {dtype = %q})"):format(sizes, pick {"0/0", "1/0", "-1/0", "1e30", "0", "-0.0"}, dtype)
    end
  elseif dtype == "bool" then text = ("agad.randint(0, 2, %s):to(\"bool\")"):format(sizes)
  elseif r < .7 then text = ("agad.randint(0, %d, %s):to(%q)"):format(random(1, 5), sizes, dtype)
  elseif r < .92 or self.tame then text = ("agad.randint(-5, 100, %s):to(%q)"):format(sizes, dtype)
  else
    text = ("agad.full(%s, %s, {dtype = \"int64\"}):to(%q)"):format(sizes,
      pick {"math.maxinteger", "math.mininteger", "1 << 31", "-1", "1 << 40"}, dtype)
  end
  r = random()
  if r < .06 and #shape > 1 then text = text .. ":transpose(1, -1)"
  elseif r < .09 and #shape > 0 then text = text .. ":flip(1)"
  elseif r < .12 then text = text .. ":unsqueeze(1):expand({3" .. (", -1"):rep(#shape) .. "})"
  elseif r < .13 then text = text .. ":to_sparse()"
  elseif r < .135 and #shape == 2 then text = text .. ":to_sparse_csr()"
  elseif r < .15 and dtype:find "^complex" then text = text .. ":conj()"
  elseif r < .155 and #shape > 0 then
    text = text .. ":refine_names({" .. ('"a", "b", "c", "d", "e"'):sub(1, 5 * #shape - 2) .. "})"
  elseif r < .16 and #shape == 4 then text = text .. ":contiguous({memory_format = \"channels_last\"})"
  elseif r < .2 and (dtype:find "^float" or dtype:find "^complex") then text = text .. ":requires_grad_()" end
  return text
end

-- The name of a tensor: a new one, or one that is there already.
function maker:tensor()
  if #self.tensors > 0 and chance(.15) then return pick(self.tensors) end
  local name = "t" .. #self.tensors + 1
  self.lines[#self.lines + 1] = ("local %s = %s\n"):format(name, self:tensor_text())
  self.tensors[#self.tensors + 1] = name
  return name
end

function maker.integer()
  local r = random()
  if r < .55 then return tostring(random(1, 3)) end
  if r < .93 then return tostring(random(-3, 5)) end
  if r < .98 then return tostring(random(-40, 40)) end
  return pick(HUGE)
end

function maker.float()
  local r = random()
  if r < .7 then return ("%.3g"):format(random() * 2) end
  if r < .9 then return tostring(random(-2, 3)) end
  return pick {"0/0", "1/0", "-1/0", "1e300", "-1e300", "1e-300", "-0.0", "2^53"}
end

function maker:single(kind)
  if kind == "Tensor" then return self:tensor() end
  if self.tame and (kind:find "[iI]nt$" or kind == "Scalar" or kind == "float") then return tostring(random(-2, 40)) end
  if kind == "int" or kind == "SymInt" then return self.integer() end
  if kind == "float" then return self.float() end
  if kind == "Scalar" then
    return chance(.5) and self.integer() or chance(.9) and self.float() or tostring(chance(.5))
  end
  if kind == "bool" then return tostring(chance(.5)) end
  if kind == "str" then return '"' .. pick(STRINGS) .. '"' end
  if kind == "ScalarType" then return ("%q"):format(pick(DTYPES)) end
  if kind == "Layout" then return ("%q"):format(pick(LAYOUTS)) end
  if kind == "Device" then return '"cpu"' end
  if kind == "MemoryFormat" then return ("%q"):format(pick(FORMATS)) end
  if kind == "Generator" then return ("agad.generator(%d)"):format(random(100)) end
  return "nil"
end

function maker:value(a)
  if chance(.015) then return self:wrong() end
  if a.optional and chance(.3) then return "nil" end
  if not a.list then return self:single(a.kind) end
  if a.size and chance(.3) and a.kind ~= "Tensor" then return self:single(a.kind) end
  local n = a.size and chance(.9) and a.size or a.kind == "Tensor" and random(0, 3) or
    chance(.6) and #self.base or random(0, 5)
  local items = {}
  for i = 1, n do items[i] = a.kind == "Tensor" and chance(.05) and "nil" or self:single(a.kind) end
  return list_text(items)
end

local RESERVED = {["end"] = "stop"}
for word in ("and break do else elseif for function goto if in local nil not or repeat return then true until while")
    :gmatch "%S+" do RESERVED[word] = ("[%q]"):format(word) end

-- Positional arguments, then the rest as keywords.
function maker:call(op)
  local positional, keywords, named = {}, {}, chance(.2)
  local recipe = recipes[op.name] or recipes[op.name:gsub("_$", "")] or {}
  if chance(.35) then recipe = {} end
  for i, a in ipairs(op.args) do
    named = named or a.keyword
    local left_out = a.default and chance(.5) or a.keyword and a.optional and chance(.6)
    if left_out then named = true
    else
      local value = recipe[a.name]
      if value and chance(.92) then
        value = value:gsub("#", function() return tostring(chance(.9) and random(0, 3) or self.integer()) end)
      else value = self:value(a) end
      if named and i > 1 then keywords[#keywords + 1] = (RESERVED[a.name] or a.name) .. " = " .. value
      else positional[#positional + 1] = value end
    end
  end
  if chance(.01) then
    keywords[#keywords + 1] = pick {"nonsense = 1", "dim = cycle", "out = closed", "dtype = 7", "[{}] = 1"}
  end
  if chance(.01) then positional[#positional + 1] = self:wrong() end
  if #keywords > 0 then positional[#positional + 1] = self:need(list_text(keywords)) end
  return ("return agad.core.operator(%q)(%s)\n"):format(op.name, table.concat(positional, ", "))
end

--- Call `number` of `seed`: its text and the operator's name (or that of our own function).
function calls.make(catalogue, seed, number)
  math.randomseed(seed, number)
  local m = setmetatable({lines = {}, tensors = {}, needed = {}}, maker)
  m.base = numbers(pick {1, 2, 2, 2, 3, 3, 4, 4, 5}, 1, 5)
  m.dtype = chance(.5) and "float32" or pick(DTYPES)
  local last, name
  if chance(.12) then
    local own = require "own_calls"
    name, last = own(m, random)
  else
    local op = pick(catalogue)
    m.tame = op.name:find "_polynomial_" or op.name:find "_pad%dd" or op.name:find "split"  -- as many steps as it says
    name, last = op.name, m:call(op)
  end
  return ("local agad = ...\nagad.manual_seed(%d)\n"):format(number) .. table.concat(m.lines) .. last, name
end

return calls
