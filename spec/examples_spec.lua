-- Every example runs, as its first lines say.

local program = os.getenv "AGAD" or "build/agad"

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "a"
  local ok, _, status = pipe:close()
  return ok and 0 or status, text
end

local function train(options)
  local out = os.tmpname()
  os.remove(out)
  local command = "%s train weave --epochs 1 --set limit=120 --quiet --threads 1 --json --out %s.safetensors %s"
  local status, text = run(command:format(program, out, options))
  local written = os.remove(out .. ".safetensors")
  os.execute(("rm -rf %s.run"):format(out))
  return status, text, written
end

describe("examples", function()
  it("weave.lua refuses what is no number of epochs", function()
    local status, text = run(program .. " examples/weave.lua many")
    assert.equal(1, status)
    assert.matches("whole number", text)
  end)

  it("weave.lua trains twice and prints two AUROCs #slow", function()
    local status, text = run(program .. " examples/weave.lua 1")
    assert.equal(0, status, text)
    assert.matches("gamma 0.00: 0 known anomalies, AUROC 0%.%d+", text)
    assert.matches("gamma 0.05: 95 known anomalies, AUROC 0%.%d+", text)
  end)

  it("tensors.lua shows parts, gradients, layers, files", function()
    local status, text = run(program .. " examples/tensors.lua")
    assert.equal(0, status, text)
    assert.truthy(text:find("  10  12  14\n[float32 3 cpu]\n1\t8.0\n2\t14.0\n", 1, true), text)
    assert.truthy(text:find("\n4\t[float32 0.3", 1, true), text)
    assert.truthy(text:find("\ntrue\ntrue\ttrue\n$"), text)
  end)

  it("small_net.lua is a generator", function()
    local status, text, written = train "--net examples/small_net.lua"
    assert.equal(0, status, text)
    assert.matches('"auroc":0%.%d+', text)
    assert.is_true(written)
  end)

  it("mean_square.lua is a method", function()
    local status, text, written = train "--method examples/mean_square.lua"
    assert.equal(0, status, text)
    assert.matches('"method":"mean_square"', text)
    assert.is_true(written)
  end)
end)
