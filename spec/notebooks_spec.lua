-- The notebooks: each is executed from the top, and must show what is stored in it. Text must be equal, and so must
-- whole numbers; numbers with a fraction may differ by `tolerance`, as rounding differs between processors and a
-- training carries it on; pictures must be of the same size, and may differ by some grey levels on average. Another
-- processor can be tried with ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2.
-- `make notebooks` stores anew what they show.

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"
local kernel = dofile "spec/support/kernel.lua"
local scratch = dofile "spec/support/scratch.lua"
local shell = require("agad.base.text").shell

-- By notebook: what a number may differ by, and as a share of the larger one (the larger of both counts); grey levels.
local tolerance = {["1_tensors"] = {.0001, 0, 2}, ["2_train_and_look"] = {.06, .1, 30},
  ["3_algorithm_1"] = {.0005, .05, 30}, ["4_known_anomalies"] = {.2, 0, 30}, ["5_evaluation"] = {.01, 0, 4}}
local QUICK = {["1_tensors"] = true, ["5_evaluation"] = true}

teardown(scratch.remove)

local names = {}
for file in lfs.dir "notebooks" do names[#names + 1] = file:match "^(.*)%.ipynb$" end
table.sort(names)

local function read(path) return core.json_decode(assert(scratch.read(path), path)) end

local function joined(v) return type(v) == "table" and table.concat(v) or v or "" end

local function code_cells(notebook)
  local list = {}
  for _, cell in ipairs(notebook.cells) do if cell.cell_type == "code" then list[#list + 1] = cell end end
  return list
end

-- A text without blanks that alignment adds, with its numbers apart: a form, and the list of numbers.
local function divided(text)
  local numbers = {}
  local form = text:gsub("%d+%.?%d*[eE]?[-+]?%d*", function(word)
    local n = tonumber(word) or tonumber(word:match "^%d+%.?%d*")
    if math.type(n) == "integer" then return word end
    numbers[#numbers + 1] = n
    return "#" .. word:sub(#(tonumber(word) and word or word:match "^%d+%.?%d*") + 1)
  end)
  return form:gsub("[-+ ]*#", " #"):gsub(" +", " "), numbers
end

local function same_text(where, stored, now)
  local most, share = table.unpack(tolerance[where:match "^%S+"])
  local form, numbers = divided(stored)
  local other, found = divided(now)
  assert.equal(form, other, where)
  for i, a in ipairs(numbers) do
    local b = found[i]
    local allowed = math.max(most, share * math.max(math.abs(a), math.abs(b)))
    assert.is_true(math.abs(a - b) <= allowed, ("%s: %s, and now %s, in: %s"):format(where, a, b, now))
  end
end

local digit = {}
for i = 1, 64 do
  digit[("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):byte(i)] = i - 1
end

local function base64(text)
  local bytes, sum, bits = {}, 0, 0
  for i = 1, #text do
    local d = digit[text:byte(i)]
    if d then
      sum, bits = (sum << 6 | d) & 0xffffff, bits + 6
      if bits >= 8 then
        bits = bits - 8
        bytes[#bytes + 1] = string.char(sum >> bits & 255)
      end
    end
  end
  return table.concat(bytes)
end

local function picture(text)
  return (agad.data.read(scratch.write(scratch.path "picture.png", base64(joined(text)))))
end

local function same_picture(where, stored, now)
  local a, b = picture(stored), picture(now)
  assert.same(a.shape, b.shape, where)
  local difference = (a:to "float32" - b:to "float32"):abs():mean():item()
  local most = tolerance[where:match "^%S+"][3]
  assert.is_true(difference <= most, ("%s: pixels differ by %.1f grey levels"):format(where, difference))
end

local function same_outputs(where, stored, now)
  assert.equal(#stored, #now, where)
  for i, a in ipairs(stored) do
    local b = now[i]
    assert.equal(a.output_type, b.output_type, where)
    same_text(where, joined(a.text), joined(b.text))
    for kind, v in pairs(a.data or {}) do
      if kind == "image/png" then same_picture(where, v, b.data[kind])
      else same_text(where, joined(v), joined(b.data[kind])) end
    end
  end
end

-- Numbers with a fraction in the prose of a cell, without code and formulas.
local function quoted(text)
  local list = {}
  for n in (" " .. text:gsub("```.-```", ""):gsub("`[^`]*`", ""):gsub("%b()", "")):gmatch "[^%w.=<>]([%d]*%.%d+)" do
    list[#list + 1] = n
  end
  return list
end

-- Whether a number stands in a text, possibly with more digits.
local function stands_in(text, number)
  local digits = #number:match "%.(%d+)$"
  for word in text:gmatch "%d*%.%d+" do
    if math.abs(tonumber(word) - tonumber(number)) <= .5 * 10 ^ -digits + 1e-9 then return true end
  end
  return false
end

describe("the notebooks", function()
  it("are five", function()
    assert.same({"1_tensors", "2_train_and_look", "3_algorithm_1", "4_known_anomalies", "5_evaluation"}, names)
  end)

  for _, name in ipairs(names) do
    local path = ("notebooks/%s.ipynb"):format(name)

    it(name .. " is stored without noise, with what it shows", function()
      local notebook, seen = read(path), {}
      assert.same({4, 5}, {notebook.nbformat, notebook.nbformat_minor})
      assert.equal("agad", notebook.metadata.kernelspec.name)
      for i, cell in ipairs(code_cells(notebook)) do assert.equal(i, cell.execution_count) end
      for _, cell in ipairs(notebook.cells) do
        assert.matches("^[%w_-]+$", cell.id)
        assert.is_nil(seen[cell.id], cell.id)
        seen[cell.id] = true
        assert.is_nil(next(cell.metadata), cell.id)
        for line in joined(cell.source):gmatch "[^\n]+" do
          assert.is_true((utf8.len(line) or 0) <= 120, cell.id .. ": " .. line)
        end
        for _, output in ipairs(cell.outputs or {}) do
          assert.are_not.equal("error", output.output_type, cell.id)
          assert.is_nil(joined(output.text or output.data["text/plain"]):find "/tmp/", cell.id)
        end
      end
    end)

    it(name .. " quotes only figures that its cells show", function()
      local cells = read(path).cells
      local function near(i)
        local parts = {}
        for k = math.max(1, i - 2), math.min(#cells, i + 2) do
          local c = cells[k]
          if c.cell_type == "code" then parts[#parts + 1] = joined(c.source) end
          for _, o in ipairs(c.outputs or {}) do parts[#parts + 1] = joined(o.text or o.data["text/plain"]) end
        end
        return table.concat(parts, "\n")
      end
      for i, cell in ipairs(cells) do
        for _, n in ipairs(cell.cell_type == "markdown" and quoted(joined(cell.source)) or {}) do
          assert.is_true(stands_in(near(i), n), ("%s: %s"):format(cell.id, n))
        end
      end
    end)

    it(("%s shows what is stored%s"):format(name, QUICK[name] and "" or " #slow"), function()
      if kernel.missing then pending(kernel.missing) end
      local command = ("AGAD=%s %s .make/notebooks.py %s %s 2>&1"):format(shell(kernel.launcher), shell(kernel.python),
        scratch.folder, path)
      local pipe = io.popen(command)
      local said = pipe:read "a"
      assert.is_true(pipe:close() == true, said)
      local stored, now = code_cells(read(path)), code_cells(read(scratch.path(name .. ".ipynb")))
      assert.equal(#stored, #now)
      for i, cell in ipairs(stored) do
        assert.equal(cell.id, now[i].id)
        same_outputs(name .. " cell " .. cell.id, cell.outputs, now[i].outputs)
      end
    end)
  end
end)
