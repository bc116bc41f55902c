-- The built-in scores by hand, the option that chooses one, and what is refused.
-- To add a case: a score by its formula over the nets' outputs.

local agad = require "agad"
local nn = agad.nn
local methods = require "agad.train.method"
local options = require "agad.options"
local report = require "agad.evaluate.report"
local scorer = require "agad.evaluate.scorer"
local scores = require "agad.evaluate.scores"
agad.core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local shape, low, high = {3, 16, 18}, -1, 1
local half = {kernel = 4, stride = 2, padding = 1}
local generator = nn.builder(shape):conv(4, half):leaky_relu(0.2):conv_transpose(3, half):tanh():build "g"
local b = nn.builder(shape)
local z = b:conv(5, half):leaky_relu(0.2)
local logits = z:conv(1, {kernel = {8, 9}})
local programs = {generator = generator, discriminator = logits:build("d", {{"logits", logits}, {"z", z}})}

local function method_with(more)
  local names = {}
  for name in pairs(scores) do names[#names + 1] = name end
  table.sort(names)
  local m = {name = "m", picture = "generator", discriminator = "discriminator", input = {low, high}, scores = names}
  for key, v in pairs(more or {}) do m[key] = v end
  return m
end

local function mean(t) return t:flatten(2):mean {dim = {2}} end
local function pixels(pictures) return pictures:to "float64" * ((high - low) / 255) + low end
local function smoothed(map)                      -- over 3 x 3, of what there is of it
  local ones, kernel = agad.ones_like(map):unsqueeze(2), agad.ones(1, 1, 3, 3):to(map.dtype)
  local function sums(t) return t:conv2d(kernel, {padding = {1, 1}}) end
  return (sums(map:unsqueeze(2)) / sums(ones)):squeeze(2)
end

-- Structural similarity with a window of 11 x 11, from its definition.
local function similarity(x, y)
  local numbers = {}
  for i = -5, 5 do
    for j = -5, 5 do numbers[#numbers + 1] = math.exp(-(i * i + j * j) / (2 * 1.5 ^ 2)) end
  end
  local window = agad.tensor(numbers, {dtype = "float64"}):reshape {1, 1, 11, 11}
  window = (window / window:sum()):repeat_interleave(3, {dim = 1})
  local function local_mean(t) return t:conv2d(window, {groups = 3}) end
  local mx, my = local_mean(x), local_mean(y)
  local vx, vy, vxy = local_mean(x * x) - mx * mx, local_mean(y * y) - my * my, local_mean(x * y) - mx * my
  local c1, c2 = (.01 * (high - low)) ^ 2, (.03 * (high - low)) ^ 2
  return (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
end

-- The mean, the components (as columns) and the projections of training pictures, by the SVD.
local function components(train, q)
  local x = train:flatten(2)
  local middle = x:mean {dim = {1}}
  local _, _, v = (x - middle):linalg_svd {full_matrices = false}
  local basis = v:narrow(1, 1, math.min(q, train:size(1) - 1)):t()
  return middle, basis, (x - middle):matmul(basis)
end

-- What the components leave of pictures.
local function left(x, train)
  local middle, basis = components(train, 30)
  local centred = x:flatten(2) - middle
  return (centred - centred:matmul(basis):matmul(basis:t())):reshape(x.shape)
end

-- Each score from its definition: of x, x_hat, D's outputs, and the training pictures.
local by_hand = {
  l1 = function(x, x_hat) return mean((x_hat - x):abs()) end,
  l2 = function(x, x_hat) return (x_hat - x):square():flatten(2):sum({dim = {2}}):sqrt() end,
  rmse = function(x, x_hat) return mean((x_hat - x):square()):sqrt() end,
  latent = function(_, _, d) return mean((d.z_hat - d.z):square()) end,
  skip = function(x, x_hat, d) return .9 * mean((x_hat - x):square()) + .1 * mean((d.z_hat - d.z):square()) end,
  ssim = function(x, x_hat) return 1 - mean(similarity(x, x_hat)) end,
  ["local"] = function(x, x_hat) return smoothed((x_hat - x):abs():mean {dim = {2}}):amax {dim = {2, 3}} end,
  discriminator = function(_, _, d) return -d.logits:flatten() end,
  mean_distance = function(x, _, _, train) return mean((x - train:mean {dim = {1}}):square()):sqrt() end,
  pca = function(x, _, _, train) return mean(left(x, train):square()):sqrt() end,
  pca_local = function(x, _, _, train)
    return smoothed(left(x, train):abs():mean {dim = {2}}):flatten(2):topk(2):mean {dim = {2}}
  end,
  knn = function(x, _, _, train)
    local middle, basis, points = components(train, 30)
    return agad.cdist((x:flatten(2) - middle):matmul(basis), points):topk(5, {dim = 2, largest = false})
      :mean {dim = {2}}
  end,
}

local function set_kept(net, keep)
  local named = {}
  for _, p in ipairs(net:buffers()) do named[p.name] = true end
  for key, t in pairs(keep) do
    if named[scorer.kept(key)] then net:set(scorer.kept(key), t:to("float64"):flatten()) end
  end
end

-- A scoring net with weights that say something, and the method's nets with the same weights.
local function nets_of(name, train)
  local m = method_with()
  local keep = scorer.fit(m, name, function() return train end)
  local program, parts = scorer.program(m, name, programs, shape, keep)
  local net, apart = nn.net(program, {dtype = "float64"}):init(4), {}
  set_kept(net, keep)
  for key, p in pairs(programs) do
    apart[key] = nn.net(p, {dtype = "float64"}):init(5)
    for _, own in ipairs(apart[key]:params()) do apart[key]:set(own.name, own.tensor:detach() * 10) end
  end
  for _, p in ipairs(net:params()) do
    local key, own = p.name:match "^(%w+)%.(.+)$"
    for _, q in ipairs(apart[key]:params()) do if q.name == own then net:set(p.name, q.tensor:detach()) end end
  end
  return net, apart, parts
end

local function wanted(name, x, train, apart)
  return agad.no_grad(function()
    local x_hat, d = (apart.generator(x, {bn = "running"})), {}
    d.logits, d.z = apart.discriminator(x, {bn = "running"})
    d.z_hat = select(2, apart.discriminator(x_hat, {bn = "running"}))
    return by_hand[name](x, x_hat, d, train)
  end)
end

local how = {input = {low, high}, batch = 3}

describe("a built-in score", function()
  agad.manual_seed(5)
  local function drawn(n) return (agad.rand(n, table.unpack(shape)) * 255):to "uint8" end
  local pictures, train = drawn(7), drawn(40)
  for name, score in pairs(scores) do
    if name ~= "combined" then
      it(name .. " is what it says", function()
        local net, apart = nets_of(name, train)
        local got, want = scorer.score(net, pictures, how), wanted(name, pixels(pictures), pixels(train), apart)
        local exact = score.fit and 1e-5 or 1e-12          -- what is kept of pictures is in float32
        assert.same({7}, got.shape)
        assert.is_true(((got - want):abs() / want:abs()):max():item() <= exact)
        assert.is_true((want:max() - want:min()):item() > 1e-3 * want:mean():abs():item())
        assert.matches("^[^\n]+$", score.help)
      end)
    end
  end

  it("combined is the sum of its parts in robust units of held-out normals, each between -1 and 4", function()
    local net, apart, parts = nets_of("combined", train)
    assert.same({"rmse", "ssim", "local", "latent", "discriminator", "pca", "knn"}, parts)
    local held_out = drawn(20)
    scorer.settle(net, "combined", function() return held_out end, how)
    local got, sum = scorer.parts(net, pictures, how), 0
    assert.same({7, #parts}, got.shape)
    for i, name in ipairs(parts) do
      local want, of = wanted(name, pixels(pictures), pixels(train), apart),
        wanted(name, pixels(held_out), pixels(train), apart)
      assert.is_true(((got:select(2, i):to "float64" - want):abs() / want:abs()):max():item() <= 1e-5, name)
      local q = of:quantile(agad.tensor({.25, .5, .75}, {dtype = "float64"}))
      sum = sum + ((want - q[2]) / ((q[3] - q[1]) / 1.349)):clamp(-1, 4)
    end
    assert.is_true((scorer.score(net, pictures, how) - sum):abs():max():item() < 1e-3)
    assert.is_nil(scorer.parts(nets_of("l2", train), pictures, how))
  end)

  it("takes pictures of any size, and few or equal training normals", function()
    for _, size in ipairs {{1, 8, 8}, {3, 70, 33}} do
      for _, n in ipairs {1, 3} do
        local normals = agad.full({n, table.unpack(size)}, 9, {dtype = "uint8"})
        for name, score in pairs(scores) do
          if score.simple then
            local m = {name = "m", input = {0, 1}, scores = {name}}
            local keep = scorer.fit(m, name, function() return normals end)
            local net = nn.net((scorer.program(m, name, {}, size, keep)), {dtype = "float64"})
            set_kept(net, keep)
            local x = agad.cat({normals, normals + 51}, 1)
            local got = scorer.score(net, x, {input = {0, 1}})
            assert.is_true(got:isfinite():all():item(), name)
            if name ~= "knn" then assert.is_true(got[-1]:item() > got[1]:item(), name) end
          end
        end
      end
    end
  end)

  it("is chosen by the option score: the method's own first, then all others that it can have", function()
    local m = methods.load "agad"
    local function resolve(name, of) return options.resolve(of or m, {score = name}).score end
    assert.same({"l2", "rmse", "ssim", "knn"}, {resolve(nil), resolve "rmse", resolve "ssim", resolve "knn"})
    has(refused(resolve, "sim"), 'score = "sim": it must be one of l2, combined, discriminator, knn, l1, latent, ' ..
      "local, mean_distance, pca, pca_local, rmse, skip, ssim")
    local sad = methods.load "deep_sad"
    assert.same({"own", "pca"}, {resolve(nil, sad), resolve("pca", sad)})
    has(refused(resolve, "l2", sad), 'score = "l2": it must be one of own, knn, mean_distance, pca, pca_local')
    assert.equal("skip", resolve(nil, methods.load "skip_ganomaly"))
  end)

  it("is explained beside the options of a method", function()
    local text = options.describe(methods.load "agad")
    for name, score in pairs(scores) do has(text, ("%-14s %s"):format(name, score.help)) end
    local readme = io.open("README.md"):read "a"
    for name, score in pairs(scores) do has(readme, ("| `%s` | %s |"):format(name, score.help)) end
  end)
end)

describe("a run", function()
  local small, scratch = dofile "spec/support/small_run.lua", dofile "spec/support/scratch.lua"
  teardown(scratch.remove)
  local task = agad.task.one_vs_rest(small.set, {gamma = .05, holdout = .3})
  local function trained(o) return agad.trainer(task, small.with(o)):fit(small.quiet) end

  for _, name in ipairs {"rmse", "discriminator", "pca_local", "combined"} do
    it(("is scored by %s as its saved model is, with map and reconstruction"):format(name), function()
      local run = trained {score = name, epochs = 1, selection = "last"}
      local row, file = run:evaluate(small.quiet), scratch.path(name .. ".safetensors")
      run:save(file)
      local model, found, truth = agad.model.open(file), {}, {}
      for i, v in ipairs(model:score(small.set.test.images)) do found[i] = v.score end
      for i, v in ipairs(task.test.anomalous) do truth[i] = v end
      assert.equal(name, row.config.score)
      assert.near(row.auroc_steady, agad.core.metrics.auroc(found, truth), 1e-6)
      assert.near(row.threshold, model.threshold, 1e-9)
      assert.same(small.set.test.images.shape, model:reconstruct(small.set.test.images).shape)
      assert.same(name == "combined" and {"rmse", "ssim", "local", "latent", "discriminator", "pca", "knn"} or nil,
        model.info.parts)
    end)
  end

  it("is scored by combined from its run directory too", function()
    local run = agad.trainer(task, small.with {score = "combined", epochs = 1, selection = "last"},
      {dir = scratch.path "c.run"}):fit(small.quiet)
    local row, file = run:evaluate(small.quiet), scratch.path "c.safetensors"
    run:save(file)
    local again = agad.model.open(file):evaluate(task, {run = scratch.path "c.run"})
    assert.near(row.auroc_steady, again.auroc_steady, 1e-6)
    assert.equal("number", type(again.auroc_plain))
  end)

  it("of a method with a score of its own can be scored by a simple one", function()
    local set = agad.data.weave {train_normals = 30, train_defects = 2, test_normals = 6, test_defects = 6}
    local run = agad.trainer(agad.task.one_vs_rest(set, {holdout = .3}), {method = "deep_sad", score = "pca",
      batch = 16, epochs = 1, pretrain_epochs = 1, threads = 1}):fit(small.quiet)
    local row = run:evaluate(small.quiet)
    assert.is_true(row.auroc > .9)
    assert.equal(row.auroc_steady, row.auroc_plain)        -- it does not see the nets
    assert.is_string(report.text(row))
  end)

  it("refuses combined without held-out normals, before training", function()
    local bare = agad.task.one_vs_rest(small.set, {gamma = .05, holdout = 0.0})
    has(refused(agad.trainer, bare, small.with {score = "combined", selection = "last"}),
      "score = combined needs held-out normals: set holdout above 0")
  end)
end)

describe("a score that is a function", function()
  local function program(score)
    return scorer.program(method_with {score = score, scores = {"own"}}, "own", programs, shape, {})
  end
  local function magnitude(x) return x:op("abs"):op("mean.dim", {dim = {2}}) end
  local function total(map) return map:op("mean.dim", {dim = {2, 3}}) end

  it("may give a map and parts", function()
    local made, names = program(function(s, n)
      local map, parts = magnitude(s.x), {}
      for i = 1, 11 do parts[i] = {"part " .. i, total(map) * (i + 0.0)} end
      return total(map) + total(magnitude(n.generator(s.x))), {map = map, parts = parts}
    end)
    assert.equal("part 11", names[11])
    local net = nn.net(made, {dtype = "float64"}):init(3)
    assert.same({"score", "map", "reconstruction", "parts"}, net:info().outputs)
    local pictures = (agad.rand(4, table.unpack(shape)) * 255):to "uint8"
    local x, parts = pixels(pictures):abs():mean {dim = {2}}, scorer.parts(net, pictures, how)
    assert.is_true((scorer.maps(net, pictures, how) - x):abs():max():item() < 1e-6)
    assert.same({4, 11}, parts.shape)
    assert.is_true((parts:select(2, 9) - x:mean {dim = {2, 3}} * 9):abs():max():item() < 1e-5)
  end)

  it("is told the shape that a map must have", function()
    has(refused(program, function(s) return total(magnitude(s.x)), {map = magnitude(s.x:max_pool())} end),
      "method m: its score's map must have the shape 16 x 18 (height, width), not 8 x 9")
  end)
end)
