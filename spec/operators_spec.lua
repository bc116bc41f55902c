-- The dispatcher's catalogue: how much of it can be called from Lua, and which integers are counted from 1.
-- To add a case: nothing for a new operator that follows the rules; another goes into the list of exceptions, with a
-- reason.

local agad = require "agad"
local core = agad.core

local catalogue = core.operators()

-- Public operators that compute: no private names, no parts of backward passes, not the variants with out = ….
local function is_public(o)
  local name = o.name:match "^aten::(.+)$"
  return name and not name:find "^_" and not name:find "_backward" and not o.out
end

-- What Lua has no value for: memory without a tensor, and streams of a device.
local left_out = {
  ["set.source_Storage"] = "source", ["set_.source_Storage"] = "source",
  ["set.source_Storage_storage_offset"] = "source", ["set_.source_Storage_storage_offset"] = "source",
  ["record_stream."] = "s",
}

local function set(words)
  local out = {}
  for word in words:gmatch "%S+" do out[word] = true end
  return out
end

-- Integers that are counted from 1.
local shifts = {
  dimension = set [[dim dim0 dim1 dim2 dims dims_self dims_other dimension axis axis0 axis1 ch_axis start_dim end_dim
    source destination physical_layout]],
  position = set "index start",
  ["end"] = set "end",
}

-- Integers that stay as they are, by name or OPERATOR.name, by reason.
local stays = {}
for reason, words in pairs {
  size = [[C H HxW K N W batch_sizes bins blocksize hidden_size hop_length input_lengths input_size kernel_size length
    m n n_bins n_fft normalized_shape numel output_size s shape size sizes split_size split_sizes target_lengths
    win_length window_length col row]],
  count = [[bit_width chunks correction count decimals dense_dim edge_order group groups ind k minlength
    num_classes num_groups num_layers num_samples r repeats sections shifts sparse_dim steps tile.dims]],
  step = "dilation downscale_factor step stride upscale_factor",
  memory = "storage_offset weight_stride0",
  diagonal = "diagonal offset",          -- 0 is the main one
  padding = "output_padding pad padding",
  bound = "from to high low max min quant_max quant_min",
  split = "indices",                     -- so many items before each cut
  value = "fill_value zero_point output_zero_point p pow divisor_override",
  data = "blank ignore_index padding_idx path ellipsis_idx", -- numbers of classes and of items, from 0 as in tensors
  code = "compute_mode context_id interpolation_mode mode padding_mode reduction",
} do
  for name in words:gmatch "%S+" do stays[name] = reason end
end

describe("the catalogue of operators", function()
  it("can be called, but for what is listed here with its reason", function()
    local public, usable = 0, 0
    for _, o in ipairs(catalogue) do
      if is_public(o) then
        public = public + 1
        local name = o.name:match "^aten::(.+)$" .. "." .. o.overload
        assert.equal(left_out[name], o.unusable, name)
        usable = usable + (o.unusable and 0 or 1)
      end
    end
    assert.is_true(public > 1300, public)
    assert.is_true(usable / public >= .97, usable / public)
  end)

  it("is a function and a method by every public name", function()
    local seen, missing = {}, {}
    local t = agad.ones(1)
    for _, o in ipairs(catalogue) do
      local name = is_public(o) and not o.unusable and o.name:match "^aten::(.+)$"
      if name and not seen[name] then
        seen[name] = true
        if type(core.operator(name)) ~= "function" then missing[#missing + 1] = name end
      end
    end
    assert.same({}, missing)
    assert.equal("function", type(t.softmax))
  end)

  it("counts every dimension from 1; all other integers stay as they are for a known reason", function()
    local unknown, shifted, met = {}, {}, {}
    for _, o in ipairs(catalogue) do
      local operator = is_public(o) and o.name:match "^aten::(.+)$"
      for name, shift in pairs(operator and o.integers or {}) do
        if shift ~= "as it is" then
          if not shifts[shift][name] then shifted[#shifted + 1] = ("%s(%s): %s"):format(operator, name, shift) end
          met[name] = true
        elseif stays[name] or stays[operator .. "." .. name] then
          met[stays[name] and name or operator .. "." .. name] = true
        else
          unknown[#unknown + 1] = ("%s(%s)"):format(operator, name)
        end
      end
    end
    assert.same({}, unknown)
    assert.same({}, shifted)
    local idle = {}                                     -- nothing is listed in vain
    for _, list in ipairs {stays, shifts.dimension, shifts.position, shifts["end"]} do
      for name in pairs(list) do if not met[name] then idle[#idle + 1] = name end end
    end
    assert.same({}, idle)
  end)
end)
