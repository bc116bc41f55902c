-- The choice of the way in which each convolution of a step is computed: every way gives the same within rounding, what
-- was chosen is kept, and a resumed run goes on with it.
-- To add a case: a line in `nets`, or a test on `first_step`.

local agad = require "agad"
local core = agad.core
local methods = require "agad.train.method"
local nn = agad.nn
local options = require "agad.options"
local places = require "agad.base.places"

local small = dofile "spec/support/small_run.lua"
local scratch = dofile "spec/support/scratch.lua"
local ways = dofile "spec/support/ways.lua"
teardown(scratch.remove)

local threads = core.threads()
setup(function() core.threads(1) end)
teardown(function() core.threads(threads) end)

-- The losses and gradients of a net's first step with these choices (nil: shapes decide), the choices after it, and the
-- step.
local function first_step(net, compute, chosen)
  local method = methods.load "agad"
  local o = options.select(options.resolve(method, {net = net}), "method")
  local step = core.step(method.name, methods.encode(method, o), method.family)
  for name, program in pairs(method.nets(o, {3, 32, 32})) do
    step:add_net(name, nn.net(program, {compute = compute, dtype = compute == "float64" and compute or nil}):init(1))
  end
  for name, update in pairs(method.phases[1].updates) do
    step:add_update(name, update.nets, {lr = 2e-4, beta1 = .5, beta2 = .999, eps = 1e-8, weight_decay = 0, clip = 0,
      accumulate = 1})
  end
  for _, stage in ipairs(method.phases[1].step) do step:add_stage(stage) end
  step:choose(chosen)
  agad.manual_seed(3)
  local x = (agad.rand(4, 3, 32, 32) * 2 - 1):contiguous {memory_format = "channels_last"}
  if compute == "float64" then x = x:to "float64" end
  step:run(x, 3)
  local found = {losses = step:losses(), gradients = {}}
  for name, t in pairs(step:tensors()) do         -- the first moment is half the gradient
    if name:find "%.m%." then found.gradients[name] = t:clone() end
  end
  return found, step:choices(), step
end

-- The largest difference of losses, and of gradients relative to their norms.
local function apart(a, b)
  local losses, gradients = 0, 0
  for name, v in pairs(a.losses) do
    losses = math.max(losses, math.abs(v - b.losses[name]) / math.max(1, math.abs(v)))
  end
  for name, t in pairs(a.gradients) do
    gradients = math.max(gradients, ((t - b.gradients[name]):norm() / t:norm()):item())
  end
  return losses, gradients
end

describe("the ways of convolutions", function()
  for _, case in ipairs {{"naive", "float32", 1e-5, .1}, {"unet", "float32", 1e-5, .1},
    {"naive", "float64", 1e-13, 1e-10}, {"unet", "float64", 1e-13, 1e-10}, {"naive", "bfloat16", .02, .5}} do
    local slow = case[1] == "unet" and " #slow" or ""
    it(("all give the same losses within rounding: %s in %s%s"):format(case[1], case[2], slow), function()
      local standard = first_step(case[1], case[2])
      local _, text = first_step(case[1], case[2] == "float64" and "float32" or case[2], "")
      if case[2] == "float64" then                -- where nothing is measured, and oneDNN has no products
        text = text:gsub(" Float ", " Double "):gsub(": onednn rows ", ": library "):gsub("onednn rows [%d.e+-]+, ", "")
          :gsub(", onednn rows [%d.e+-]+", "")
      end
      local different = 0
      for n = 1, ways.most(text) do
        local chosen, others = ways.with(text, n)
        different = different + others
        local found, after = first_step(case[1], case[2], chosen)
        local losses, gradients = apart(standard, found)
        assert(losses <= case[3] and gradients <= case[4], ("way %d: losses %g apart, gradients %g"):format(n, losses,
          gradients))
        assert.equal(ways.names(chosen), ways.names(after))
      end
      assert.is_true(different > 0)
    end)
  end

  it("are measured anew where a line is damaged or names a way that cannot be taken", function()
    local _, text = first_step("naive", "float32", "")
    local count = select(2, text:gsub("\n", ""))
    assert.is_true(count >= 20)
    local what = text:match "^(.-): "
    local impossible = text:gsub(": %a+ %(", ": float32 rows (", 1)
    for _, damaged in ipairs {impossible, "\0\255\n: (\n\n" .. text:sub(1, #text // 2), what .. ": nothing (1 ms)\n",
      what .. ": winograd", "# a comment\n" .. text} do
      local _, after, step = first_step("naive", "float32", damaged)
      assert.equal(count, step:n_choices())
      assert.is_nil(after:find("nothing", 1, true))
      assert.is_nil(after:find(": float32 rows", 1, true))
    end
  end)

  it("are decided by shapes where nothing is to be chosen, with the same bits each time", function()
    local a, text, step = first_step("naive", "float32")
    local b = first_step("naive", "float32")
    assert.is_nil(text)
    assert.equal(0, step:n_choices())
    assert.same({0, 0}, {apart(a, b)})
  end)
end)

describe("a run", function()
  local function trained(o, more)
    local config = small.with(o)
    config.deterministic = o and o.deterministic or false
    return agad.trainer(small.task, config, more)
  end

  it("keeps its choices in the cache, whose other lines stay", function()
    local run = trained()
    run:fit(small.quiet)
    local text = run.step:choices()
    assert.is_string(text)
    local file = assert(io.popen(("cat '%s'/agad/convolutions/*.txt"):format(places.cache())))
    local cached = file:read "a"
    file:close()
    for line in text:gmatch "[^\n]+" do
      assert(cached:find(line:match "^(.-): " .. ": ", 1, true), line)
    end
  end)

  it("counts what measuring took neither as training nor in its images per second", function()
    local run, began = trained(), core.clock()
    run.step:choose ""                              -- forgets what the cache knows
    local first
    run:fit(function(e)
      if e.kind == "step" and e.step == 1 then first = {e.images_per_second, run.images, core.clock() - began} end
    end)
    local took = core.clock() - began
    assert.is_true(run.measuring > 0)
    assert.is_true(run.train_seconds > 0 and run.train_seconds + run.measuring <= took)
    assert.is_true(first[1] >= first[2] / (first[3] - run.measuring))
  end)

  it("that is deterministic measures nothing", function()
    local run = trained {deterministic = true}
    run:fit(small.quiet)
    assert.is_nil(run.step:choices())
  end)

  it("that is resumed goes on with its own choices, whatever the cache says", function()
    local run, count = trained({}, {dir = scratch.path "own"}), 0
    run.step:run(run:next_batch())
    local other = ways.with(run.step:choices(), 2)
    run.step:choose(other)                          -- as on a machine where other ways are faster
    run:fit(function(e)
      count = count + (e.kind == "step" and 1 or 0)
      return e.kind == "step" and count == 2 and "stop" or nil
    end)
    run:close()
    local again = trained({}, {dir = scratch.path "own", resume = true})
    again.step:run(again:next_batch())
    for line in other:gmatch "[^\n]+" do
      assert(ways.names(again.step:choices()):find(ways.names(line), 1, true), line)
    end
    again:close()
  end)
end)
