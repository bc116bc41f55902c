-- The built-in scores by hand, the option that chooses one, and what is refused.
-- To add a case: a score by its formula over the nets' outputs.

local agad = require "agad"
local nn = agad.nn
local methods = require "agad.train.method"
local options = require "agad.options"
local scorer = require "agad.evaluate.scorer"
local scores = require "agad.evaluate.scores"
agad.core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local shape = {3, 16, 16}
local half = {kernel = 4, stride = 2, padding = 1}
local generator = nn.builder(shape):conv(4, half):leaky_relu(0.2):conv_transpose(3, half):tanh():build "g"
local method = {name = "m", picture = "generator"}

-- Each score of differences d [n, 3, 16, 16], from its definition.
local by_hand = {
  l1 = function(d) return d:abs():flatten(2):mean {dim = 2} end,
  l2 = function(d) return d:square():flatten(2):sum({dim = 2}):sqrt() end,
  rmse = function(d) return d:square():flatten(2):mean({dim = 2}):sqrt() end,
}

describe("a built-in score", function()
  agad.manual_seed(5)
  local pictures = (agad.rand(7, 3, 16, 16) * 255):to "uint8"
  for name, score in pairs(scores) do
    it(name .. " is what it says", function()
      local net = nn.net(scorer.program(method, name, {generator = generator}, shape), {dtype = "float64"}):init(4)
      local x = pictures:to "float64" * (2 / 255) - 1
      local made = nn.net(generator, {dtype = "float64"})
      for i, p in ipairs(net:params()) do
        net:set(p.name, p.tensor:detach() * 10)
        made:set(made:params()[i].name, p.tensor)
      end
      local want = by_hand[name](agad.no_grad(function() return made(x, {bn = "running"}) end) - x)
      local got = scorer.score(net, pictures, {input = {-1, 1}, batch = 3})
      assert.is_true(((got - want):abs() / want):max():item() <= 1e-12)
      assert.is_true((want:max() - want:min()):item() > 1e-3 * want:mean():item())
      assert.matches("^[^\n]+$", score.help)
    end)
  end

  it("is chosen by the option score: the method's own first, then all others that it can have", function()
    local m = methods.load "agad"
    local function resolve(name) return options.resolve(m, {score = name}).score end
    assert.same({"l2", "rmse", "l1"}, {resolve(nil), resolve "rmse", resolve "l1"})
    has(refused(resolve, "ssim"), 'score = "ssim": it must be one of l2, l1, rmse')
    has(refused(options.resolve, methods.load "deep_sad", {score = "l2"}), "method deep_sad defines its own score")
  end)

  it("scores a run and its saved model alike, with map and reconstruction", function()
    local small, scratch = dofile "spec/support/small_run.lua", dofile "spec/support/scratch.lua"
    local run = agad.trainer(small.task, small.with {score = "rmse", epochs = 1}):fit(small.quiet)
    local row, file = run:evaluate(small.quiet), scratch.path "rmse.safetensors"
    run:save(file)
    local model, found, truth = agad.model.open(file), {}, {}
    for i, v in ipairs(model:score(small.set.test.images)) do found[i] = v.score end
    for i, v in ipairs(small.task.test.anomalous) do truth[i] = v end
    assert.equal("rmse", row.config.score)
    assert.near(row.auroc_steady, agad.core.metrics.auroc(found, truth), 1e-6)
    assert.same(small.set.test.images.shape, model:reconstruct(small.set.test.images).shape)
    scratch.remove()
  end)
end)
