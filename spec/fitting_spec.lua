-- Statistics fitted to training pictures: closed forms, libtorch's SVD, degenerate data, and the same as net programs.
-- To add a case: data whose answer is known on paper.

local agad = require "agad"
local fitting = require "agad.tensor.fitting"
local nn = agad.nn
local nodes = require "agad.evaluate.nodes"
agad.core.threads(1)

local refused = dofile("spec/support/checks.lua").refused

local function tensor(list) return agad.tensor(list, {dtype = "float64"}) end
local function far(a, b) return (a - b):abs():max():item() end
local function finite(t) return t:isfinite():all():item() end

describe("fitting.pca", function()
  it("finds the axes of a cross, the longer arm first, with positive largest entries", function()
    local mean, basis = fitting.pca(tensor {{1, 5}, {1, -1}, {2, 2}, {0, 2}}, 2)
    assert.is_true(far(mean, tensor {1, 2}) < 1e-15)
    assert.is_true(far(basis, tensor {{0, 1}, {1, 0}}) < 1e-12)
  end)

  for _, size in ipairs {{40, 6}, {6, 40}} do
    it(("gives the singular vectors of %d rows in %d dimensions"):format(size[1], size[2]), function()
      agad.manual_seed(3)
      local x = agad.randn(size[1], size[2]):to "float64"
      for _, centred in ipairs {true, false} do
        local mean, basis = fitting.pca(x, 4, {centred = centred})
        local _, _, v = (centred and x - x:mean {dim = {1}} or x):linalg_svd {full_matrices = false}
        local along = v:narrow(1, 1, 4):matmul(basis)
        assert.is_true(far(along:abs(), agad.eye(4):to "float64") < 1e-10)
        assert.is_true(far(mean, centred and x:mean {dim = {1}} or x:mean {dim = {1}} * 0) < 1e-15)
        assert.is_true(basis:gather(1, basis:abs():argmax {dim = 1, keepdim = true}):gt(0):all():item())
      end
    end)
  end

  it("gives as many components as there are directions, and zeros where all rows are equal", function()
    local _, basis = fitting.pca(tensor {{0, 0, 0}, {1, 1, 0}, {2, 2, 0}}, 3)
    assert.same({3, 1}, basis.shape)
    assert.is_true(far(basis:flatten(), tensor {.5 ^ .5, .5 ^ .5, 0}) < 1e-12)
    local _, none = fitting.pca(agad.ones(5, 9), 3)
    assert.same({9, 1}, none.shape)
    assert.equal("float32", none.dtype)
    assert.equal(0, none:abs():max():item())
  end)

  it("names a row that is not finite", function()
    assert.matches("row 2 holds a number that is not finite", refused(fitting.pca, tensor {{1, 2}, {0 / 0, 1}}, 1))
    assert.matches("a tensor %(n, d%)", refused(fitting.pca, tensor {1, 2}, 1))
  end)
end)

describe("fitting.standard and fitting.robust", function()
  it("raise each deviation by a twentieth of their mean", function()
    local mean, scale = fitting.standard(tensor {{1, 7}, {3, 7}, {1, 7}, {3, 7}})
    assert.is_true(far(mean, tensor {2, 7}) < 1e-15)
    assert.is_true(far(scale, tensor {1 + .025 + 1e-6, .025 + 1e-6}) < 1e-15)
  end)

  it("give the median and the interquartile range over 1.349", function()
    local median, scale = fitting.robust(tensor {1, 2, 3, 4, 100})
    assert.equal(3, median:item())
    assert.near(2 / 1.349, scale:item(), 1e-12)
    median, scale = fitting.robust(tensor {{1, 10}, {2, 20}, {3, 30}, {4, 40}, {100, 50}})
    assert.is_true(far(median, tensor {3, 30}) < 1e-12 and far(scale, tensor {2 / 1.349, 20 / 1.349}) < 1e-12)
  end)

  it("never give a scale of 0", function()
    local _, some = fitting.robust(tensor {5, 5, 5, 5, 5, 5, 5, 13})
    assert.near(7 ^ .5, some:item(), 1e-12)               -- the deviation of one in eight that lies 8 away
    local median, none = fitting.robust(tensor {5, 5, 5})
    assert.equal(5, median:item())
    assert.near(5e-5, none:item(), 1e-8)
    assert.is_true(select(2, fitting.robust(tensor {0})):item() > 0)
  end)
end)

describe("fitting.bank", function()
  it("measures the mean distance to the nearest points", function()
    local bank = fitting.bank(tensor {{0, 0}, {6, 0}, {0, 8}, {6, 8}}, {neighbours = 2, standard = false})
    local found = fitting.distance(bank, tensor {{0, 0}, {3, 4}, {6, -3}})
    assert.is_true(far(found, tensor {3, 5, (3 + 45 ^ .5) / 2}) < 1e-9)
  end)

  it("standardises first, so that the unit of a column does not matter much", function()
    agad.manual_seed(4)
    local x, y = agad.randn(50, 8):to "float64", agad.randn(9, 8):to "float64"
    local unit = tensor {1, 1000, 1, 1, 1, 1, 1, 1}
    local function of(u) return fitting.distance(fitting.bank(x * u, {components = 8}), y * u) end
    assert.is_true(((of(unit * 1000) - of(unit * 10)):abs() / of(unit * 10)):max():item() < 1e-6)
    local mean, scale = fitting.standard(x)
    local nearest = agad.cdist((y - mean) / scale, (x - mean) / scale):topk(5, {dim = 2, largest = false})
    assert.is_true(far(of(unit / unit), nearest:mean {dim = {2}}) < 1e-9)
  end)

  it("takes fewer points than neighbours, and equal ones", function()
    local bank = fitting.bank(tensor {{1, 2}, {3, 4}}, {neighbours = 5})
    assert.equal(2, bank.neighbours)
    assert.is_true(finite(fitting.distance(bank, tensor {{1, 2}})))
    assert.is_true(finite(fitting.distance(fitting.bank(agad.zeros(4, 3)), agad.ones(2, 3))))
  end)
end)

describe("fitting.logistic", function()
  it("finds the intercept of the odds where the columns say nothing", function()
    local b = fitting.logistic(tensor {{0}, {0}, {0}, {0}}, tensor {1, 0, 0, 0}, nil, 1)
    assert.near(0, b[1]:item(), 1e-12)
    assert.near(math.log(1 / 3), b[2]:item(), 1e-5)
    b = fitting.logistic(tensor {{0}, {0}}, tensor {1, 0}, tensor {5, 1}, 1)
    assert.near(math.log(5), b[2]:item(), 1e-5)
  end)

  it("has a gradient of 0 at its coefficients", function()
    agad.manual_seed(6)
    local x, weights = agad.randn(60, 5):to "float64" * 3, agad.rand(60):to "float64" + .1
    local y = (x:select(2, 1) + agad.randn(60):to "float64"):gt(0):to "float64"
    for _, lambda in ipairs {.01, 3, 100} do
      local b = fitting.logistic(x, y, weights, lambda)
      assert.same({6}, b.shape)
      assert.equal("float64", b.dtype)
      local w = b:narrow(1, 1, 5)
      local error_ = weights * ((x:matmul(w) + b[6]):sigmoid() - y)
      assert.is_true((x:transpose(1, 2):matmul(error_) + w * lambda):abs():max():item() < 1e-6)
      assert.near(0, (error_:sum() + b[6] * 1e-6):item(), 1e-6)
    end
  end)

  it("stays finite where the classes are separable, and with more columns than rows", function()
    local apart = fitting.logistic(tensor {{-1e4}, {-2e4}, {1e4}, {3e4}}, tensor {0, 0, 1, 1}, nil, 1e-3)
    assert.is_true(finite(apart) and apart[1]:item() > 0)
    agad.manual_seed(7)
    local wide = fitting.logistic(agad.randn(8, 100), tensor {0, 1, 0, 1, 0, 1, 0, 1}, nil, 3)
    assert.is_true(finite(wide) and wide:abs():max():item() > 0)
  end)

  it("refuses a single class and a ridge of 0", function()
    local x = tensor {{1}, {2}}
    assert.matches("rows of both classes are needed", refused(fitting.logistic, x, tensor {1, 1}, nil, 1))
    assert.matches("rows of both classes are needed", refused(fitting.logistic, x, tensor {0, 1}, tensor {1, 0}, 1))
    assert.matches("lambda must be above 0", refused(fitting.logistic, x, tensor {0, 1}, nil, 0))
  end)
end)

describe("a net program", function()
  -- Runs a program over rows of d numbers, given as d channels of one pixel.
  local function run(x, kept, build)
    local d = x:size(2)
    local b = nn.builder {d, 1, 1}
    local constants = {}
    for name, t in pairs(kept) do constants[name] = b.x:constant(t.shape, {name = name}) end
    local out = build(b.x:op("flatten.using_ints", {start_dim = 2}), constants)
    local net = nn.net(out:build "p", {dtype = "float64"})
    for name, t in pairs(kept) do net:set(name .. ".value", t:to("float64"):flatten()) end
    return agad.no_grad(function() return (net(x:reshape {-1, d, 1, 1}, {bn = "running"})) end)
  end

  agad.manual_seed(8)
  local train, x = agad.randn(30, 7):to "float64" * 2 + 1, agad.randn(4, 7):to "float64"

  it("projects and measures distances as the bank does", function()
    local bank = fitting.bank(train, {components = 3, neighbours = 4})
    local got = run(x, {mean = bank.mean, scale = bank.scale, basis = bank.basis, points = bank.points},
      function(rows, k)
        return nodes.distance(nodes.project(rows, k.mean, k.scale, k.basis), k.points, bank.neighbours)
      end)
    assert.same({4}, got.shape)
    assert.is_true(far(got, fitting.distance(bank, x)) < 1e-12)
  end)

  it("leaves what the components do not explain", function()
    local mean, basis = fitting.pca(train, 3)
    local got = run(x, {mean = mean, basis = basis}, function(rows, k) return nodes.residual(rows, k.mean, k.basis) end)
    local centred = x - mean
    assert.is_true(far(got, centred - centred:matmul(basis):matmul(basis:t())) < 1e-12)
    assert.is_true(got:matmul(basis):abs():max():item() < 1e-12)
  end)

  it("standardises", function()
    local median, scale = fitting.robust(train)
    local got = run(x, {median = median, scale = scale},
      function(rows, k) return nodes.standardised(rows, k.median, k.scale) end)
    assert.is_true(far(got, (x - median) / scale) < 1e-12)
  end)

  it("smooths maps over squares, at the borders over what there is of them, and takes the largest numbers", function()
    local maps = agad.rand(3, 9, 6):to "float64"
    for _, side in ipairs {3, 5, 11} do
      local b = nn.builder {1, 9, 6}
      local smooth = nodes.smooth(b.x:op("squeeze.dim", {dim = 2}), side)
      local net = nn.net(smooth:build("p", {{"map", smooth}, {"top", nodes.top(smooth, 4)}}), {dtype = "float64"})
      local got, top = agad.no_grad(function() return net(maps:unsqueeze(2), {bn = "running"}) end)
      local ones, kernel, half = agad.ones_like(maps):unsqueeze(2), agad.ones(1, 1, side, side):to "float64", side // 2
      local function sums(t) return t:conv2d(kernel, {padding = {half, half}}) end
      local want = (sums(maps:unsqueeze(2)) / sums(ones)):squeeze(2)
      assert.is_true(far(got, want) < 1e-12)
      assert.is_true(far(top, want:flatten(2):topk(4):mean {dim = {2}}) < 1e-12)
    end
  end)
end)
