-- A tour of tensors: build/agad examples/tensors.lua. Everything here is as in PyTorch, except that dimensions and
-- indices count from 1 and ranges include their last index.

local agad = require "agad"
local nn, loss = require "agad.nn", require "agad.loss"

-- Making: nested tables, or by shape; dtype and device by name.
local t = agad.tensor {{1, 2, 3}, {4, 5, 6}}
local whole = agad.arange(0, 5, {dtype = "int64"})              -- 0 1 2 3 4: values are not shifted
agad.manual_seed(1)
local noise = agad.randn(2, 3)
print(t, whole, t:to("bf16").dtype, #t, table.concat(t.shape, " x "))

-- Calling: any operator of libtorch, as a function or a method; keywords are named as in its schema.
print(t:sum(1), t:sum {dim = {1, 2}, keepdim = true}, agad.softmax(t, -1))
local largest, at = t:max(2)                                    -- two results; `at` holds indices from 0
print(largest, at)
t:add_(1):mul_(2)                                               -- in place: names that end in _
print(t * 2 + noise:sign() .. t, t:gt(4))                       -- .. joins; tensors are compared by gt, le, eq

-- Indexing: views that can be assigned to.
print(t[1], t[-1][2]:item(), t[{{}, 2}], t[{1, {2, 3}}], t[t:gt(8)])
t[{{}, 1}] = 0
for i, row in t:rows() do print(i, row:totable()[3]) end

-- Gradients.
local w = agad.randn(3, 1, {requires_grad = true})
local squared = (t:matmul(w) - 1):pow(2):mean()
squared:backward()
print(squared:item(), w.grad)
agad.no_grad(function() w:sub_(.01 * w.grad) end)

-- Single layers, and the losses of the training step; both run its C code.
local conv = nn.conv(1, 4, {kernel = 4, stride = 2, padding = 1})
local x = agad.rand(2, 1, 8, 8)                                -- pictures, channels, height, width
print(conv(x):size(2), loss.context(x, agad.rand(2, 1, 8, 8)))

-- Files: .safetensors, NumPy's .npy, pictures.
local path = os.tmpname()
agad.save(path .. ".safetensors", {w = w:detach(), t = t})
print(agad.load(path .. ".safetensors").t:equal(t))
agad.save(path .. ".npy", t)
os.remove(path .. ".safetensors") os.remove(path .. ".npy") os.remove(path)

-- The garbage collector frees memory; large tensors can be freed at once.
local mean = agad.scope(function()
  local large = agad.rand(1000, 1000)
  return (large * 2):mean()                                     -- everything made here is freed, except the result
end)
print(mean:item() > .9, agad.memory().tensors < 100)
