-- Every example runs, as its first lines say.
-- To add a case: a test that runs the example with few steps and checks what it prints.

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
    assert.matches("gamma 0.00: 0 known anomalies, AUROC 0%.%d+ %(plain 0%.%d+, paper%-like 0%.%d+%)\n", text)
    assert.matches("hardest to find: %w+, AUROC 0%.%d+", text)
    assert.matches("gamma 0.05: 95 known anomalies, AUROC 0%.%d+", text)
  end)

  it("tensors.lua shows parts, gradients, layers, files", function()
    local status, text = run(program .. " examples/tensors.lua")
    assert.equal(0, status, text)
    assert.truthy(text:find("  10  12  14\n[float32 3 cpu]\n1\t8.0\n2\t14.0\n", 1, true), text)
    assert.truthy(text:find("\n4\t0.3", 1, true), text)
    assert.truthy(text:find("\ntrue\ntrue\ttrue\n$"), text)
  end)

  describe("that draw", function()
    local scratch = dofile "spec/support/scratch.lua"
    teardown(scratch.remove)

    -- Runs an example that writes a picture: what it prints.
    local function drawn(name, arguments)
      local path = scratch.path(name .. ".png")
      local command = "OMP_NUM_THREADS=1 %s examples/%s.lua %s %s"
      local status, text = run(command:format(program, name, path, arguments or ""))
      assert.equal(0, status, text)
      assert.matches("^\x89PNG", scratch.read(path))
      return text
    end

    it("gradients.lua learns a curve", function()
      local text = drawn "gradients"
      local first, last = text:match "step    1: mean squared error (%S+)\n.*step 2000: mean squared error (%S+)\n$"
      assert.is_true(tonumber(first) > .3 and tonumber(last) < .01, text)
    end)

    it("thermometer.lua separates sorted batches, and no others", function()
      local text = drawn "thermometer"
      local sorted, shuffled = text:match "\n  256   (%S+)    (%S+)\n"
      assert.is_true(tonumber(sorted) > .95 and math.abs(tonumber(shuffled) - .5) < .05, text)
    end)

    it("ablation.lua shows that con matters most #slow", function()
      local text, of = drawn("ablation", "1"), {}
      for name, value in text:gmatch "([%a ]-) +mean AUROC (%S+)," do of[name] = tonumber(value) end
      assert.is_true(of["all terms"] > .85 and of["no con"] < of["all terms"] - .1, text)
      assert.is_true(of["no adcon"] ~= nil and of["no lat"] ~= nil)
      local status, said = run(program .. " examples/ablation.lua a.png two")
      assert.equal(1, status)
      assert.matches("SEEDS must be a whole number", said)
    end)

    it("own_pictures.lua trains on drawn discs, saves, and scores files #slow", function()
      local folder = scratch.path "discs"
      local status, text = run(("OMP_NUM_THREADS=1 %s examples/own_pictures.lua %s"):format(program, folder))
      assert.equal(0, status, text)
      assert.is_true(tonumber(text:match "AUROC (%S+) after 100 steps") > .8, text)
      assert.matches("intact.png: score [%d.]+, threshold [%d.]+, anomalous: %l+\n", text)
      for _, kind in ipairs {"intact", "notched"} do
        assert.matches("^\x89PNG", scratch.read(("%s/%s.map.png"):format(folder, kind)))
      end
    end)
  end)

  it("stages.lua runs a step stage by stage and changes a value between stages", function()
    local status, text = run(program .. " examples/stages.lua")
    assert.equal(0, status, text)
    assert.matches("^1 reconstruct +24 normals, 8 anomalies, mean error 0%.%d+\n2 discriminate ", text)
    assert.truthy(text:find("\n8 guard_collapse", 1, true), text)
    assert.truthy(text:find("\nwith x^ = x: con 0.000\n", 1, true), text)
  end)

  it("small_net.lua is a generator", function()
    local status, text, written = train "--net examples/small_net.lua"
    assert.equal(0, status, text)
    assert.matches('"auroc":0%.%d+', text)
    assert.is_true(written)
  end)

  it("mean_square.lua is a method", function()
    local status, text, written = train "--method examples/mean_square.lua --net examples/small_net.lua"
    assert.equal(0, status, text)
    assert.matches('"method":"mean_square"', text)
    assert.is_true(written)
  end)

  describe("cut_paste.lua", function()
    local agad = require "agad"
    local steps = dofile "spec/support/steps.lua"
    local file = "examples/cut_paste.lua"

    it("is a method", function()
      local status, text, written = train("--gamma 0 --net examples/small_net.lua --method " .. file)
      assert.equal(0, status, text)
      assert.matches('"method":"cut_paste"', text)
      assert.is_true(written)
    end)

    it("without cuts is AGAD, to the bit", function()
      local list = steps.batches(4, 8)
      local one = steps.record(steps.new_run {method = file, given = {cut = 0}, spread = 1}, list, 2)
      local two = steps.record(steps.new_run {spread = 1}, list, 2)
      assert.equal(0, (steps.furthest(one, two)))
    end)

    it("makes anomalies of the last normals, before all other stages", function()
      local cut = steps.new_run {method = file, given = {cut = .4}}
      local x = steps.batches(1, 8)[1]
      cut.step:begin(x, 6)
      cut.step:run_stage(1)
      assert.equal(4, cut.state.n_normal)
      for row = 1, 8 do
        local changed = cut.state.x[row]:ne(x[row]):sum():item()
        if row == 5 or row == 6 then assert.is_true(changed > 0 and changed <= 25, row .. ": " .. changed)
        else assert.equal(0, changed) end
      end
      assert.has_error(function() cut.state.n_normal = 0 end, "step: n_normal = 0; give 1 to 8, the rows of the batch")
      assert.has_error(function() cut.state.n_normal = 9 end, "step: n_normal = 9; give 1 to 8, the rows of the batch")
      assert.equal(4, cut.state.n_normal)
      for stage = 2, 9 do cut.step:run_stage(stage) end
      assert.is_true(cut.state.losses.adv_anom > 0)
    end)

    it("goes on to the bit where it was stopped", function()
      local small, scratch = dofile "spec/support/small_run.lua", dofile "spec/support/scratch.lua"
      local function with() return small.with {method = file} end
      agad.manual_seed(7)
      local drawn = agad.rand(5)
      agad.manual_seed(7)
      local whole = agad.trainer(small.task, with()):fit(small.quiet)
      assert.is_true(drawn:equal(agad.rand(5)))                       -- a training draws numbers of its own
      local part, count = agad.trainer(small.task, with(), {dir = scratch.path "cut"}), 0
      part:fit(function(e)
        count = count + (e.kind == "step" and 1 or 0)
        return count == 3 and "stop" or nil
      end)
      assert.is_true(part.steps < whole.steps)
      part:close()
      local rest = agad.trainer(small.task, with(), {dir = scratch.path "cut", resume = true}):fit(small.quiet)
      assert.equal(whole.steps, rest.steps)
      assert.equal(0, small.furthest(whole, rest))
      rest:close()
      scratch.remove()
    end)
  end)
end)
