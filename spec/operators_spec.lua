-- The dispatcher's catalogue: how much of it can be called from Lua, and which integers are counted from 1.

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
  ["set.source_Storage"] = "source", ["set_.source_Storage"] = "source", ["set.source_Storage_storage_offset"] = "source",
  ["set_.source_Storage_storage_offset"] = "source", ["record_stream."] = "s",
}

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
end)
