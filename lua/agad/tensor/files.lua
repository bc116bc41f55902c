-- agad.save and agad.load: tensors in files; the extension decides the format.

local core = require "agad.core"
local options = require "agad.base.options"
local less = require("agad.base.text").less
local format = require("agad.base.text").format

local option = options.option

local files = {}

local function ending(path) return (path:match "%.(%w+)$" or ""):lower() end

-- A picture of 0 to 255 out of any image-like tensor: (height, width) or (1 or 3, height, width); numbers between low
-- and high.
local function as_picture(t, o)
  local low, high = o.low, o.high
  if #t.shape < 2 or #t.shape > 3 then
    error(("a picture must be (height, width) or (1 or 3, height, width), not %s"):format(t:summary()), 0)
  end
  if t.dtype == "uint8" and not low and not high then return t:cpu():contiguous() end
  low, high = low or 0, high or 1
  if low >= high or low ~= low or high ~= high then error(format("low = %g must be below high = %g", low, high), 0) end
  local scaled = (t:detach():to "float64" - low) * (255 / (high - low))
  return scaled:nan_to_num(0):clamp(0, 255):round():to "uint8":cpu():contiguous()
end

local known = {
  low = option {kind = "number"}, high = option {kind = "number"}, metadata = option {kind = "any", default = {}},
}

--- @name agad.save(path, what, o)
-- Writes tensors to a temporary file beside the target, then renames it. The extension decides the format:
-- .safetensors: a table of tensors by name; .npy: one tensor, for NumPy; .png: one picture.
-- @param path string
-- @param what table|tensor
-- @param o table metadata (a table of strings, for .safetensors); low (0), high (1): the values of black and white in a
--   .png, unless the tensor is uint8
-- @raise the extension is unknown or does not suit the value, or the file cannot be written
-- @example agad.save("weights.safetensors", {w = agad.rand(2, 3)}); agad.save("noise.png", agad.rand(1, 32, 32))
function files.save(path, what, o)
  o = options.check("save", o, known, true)
  local kind = ending(path)
  local is_table = type(what) == "table"
  if kind == "safetensors" and is_table then
    local list = {}
    for name, t in pairs(what) do
      if type(name) ~= "string" then error(("save: %s: every tensor needs a name"):format(path), 2) end
      list[#list + 1] = {name = name, tensor = t}
    end
    table.sort(list, function(a, b) return less(a.name, b.name) end)
    return core.save(path, list, core.json_encode(o.metadata))
  elseif kind == "npy" and not is_table then return require("agad.tensor.npy").write(path, what)
  elseif kind == "png" and not is_table then return core.data.write_png(path, as_picture(what, o)) end
  error(("save: %s: the name must end in .safetensors (a table of tensors), .npy or .png (one tensor)"):format(path), 2)
end

--- @name agad.load(path)
-- Reads a file written by `agad.save` (or Python).
-- @param path string .safetensors or .npy
-- @return table|tensor tensors by name, or the one of a .npy file
-- @return table metadata of a .safetensors file
-- @raise the extension is unknown, or the file is damaged
-- @example w = agad.rand(2, 3); agad.save("w.npy", w); agad.load "w.npy"
function files.load(path)
  local kind = ending(path)
  if kind == "npy" then return require("agad.tensor.npy").read(path) end
  if kind == "safetensors" then return core.load(path) end
  error(("load: %s: the name must end in .safetensors or .npy (agad.data.read reads a picture)"):format(path), 2)
end

return files
