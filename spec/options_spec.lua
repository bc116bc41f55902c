-- Options: typing, defaults, ranges, a method's own options, assignments, canonical text and hash.
-- To add a case: a test with resolve(method, options), or message(options) where they are refused.

require "agad"
local base = require "agad.base.options"
local options = require "agad.options"
local option = base.option

local method = {
  name = "toy",
  options = {epochs = 15, lr = 1e-4, lambda = {adv = 1, con = 50}, terms = {adv = true, lat = true},
    delta = option {default = 1e-5, min = 0}, min_anom = option {default = 32, min = 0}, eta = 1.0, advprop_bn = false,
    adcon_anom = option {choices = {"x_xhat", "xhat_xhat2", "both"}}},
  score = {"l2", "rmse"},
}

local function message(...)
  local ok, err = pcall(options.resolve, method, ...)
  assert.is_false(ok)
  assert.is_nil(err:find("\n"))
  return err
end

describe("options.resolve", function()
  it("fills the defaults, the method's before the trainer's", function()
    local c = options.resolve(method, {})
    assert.same({"toy", 15, 256, 1e-4, 0.99, 0.0}, {c.method, c.epochs, c.batch, c.lr, c.ema, c.gamma})
    assert.same({0.5, 0.999}, c.betas)
    assert.same({adv = 1.0, con = 50.0}, c.lambda)
    assert.equal("float", math.type(c.lambda.con))
    assert.equal("integer", math.type(c.epochs))
    assert.equal("l2", c.score)
    assert.equal(c.seed, c.task_seed)
    assert.is_nil(c.size)
  end)

  it("types what it is given: numbers, texts and whole floats alike", function()
    local a = options.resolve(method, {epochs = 40, lambda = {con = 40}, gamma = 0, min_anom = 8})
    local b = options.resolve(method, {epochs = 40.0, lambda = {con = 40.0}, gamma = 0.0, min_anom = 8.0})
    local c = options.resolve(method, {epochs = "40", ["lambda.con"] = "40", gamma = "0", min_anom = "8"})
    assert.same(a, b)
    assert.same(a, c)
    for _, config in ipairs {a, b, c} do
      assert.equal("integer", math.type(config.epochs))
      assert.equal("integer", math.type(config.min_anom))
      assert.equal("float", math.type(config.lambda.con))
      assert.equal("float", math.type(config.gamma))
      assert.equal(1.0, config.lambda.adv)
    end
  end)

  it("types the average of weights: a decay, or a share of the steps in lowest terms", function()
    local function ema(v) return options.resolve(method, {ema = v}).ema end
    assert.same({0.5, 0.5, 0.0}, {ema(.5), ema ".5", ema(0)})
    assert.equal("float", math.type(ema "0"))
    assert.same({"1/4", "1/4", "1/1", "3/4"}, {ema "1/4", ema " 2 / 8 ", ema "5/5", ema "3/4"})
    assert.equal(options.hash(options.resolve(method, {ema = "1/4"})),
      options.hash(options.resolve(method, {ema = "2/8"})))
    assert.not_equal(options.hash(options.resolve(method, {ema = "1/4"})),
      options.hash(options.resolve(method, {ema = .25})))
    assert.matches('"ema":"1/4"', options.canonical(options.resolve(method, {ema = "1/4"})), 1, true)
    for _, wrong in ipairs {1, -1, "1", "0/4", "5/4", "1/1001", "1/4/2", "quarter", true, 0 / 0} do
      local text = message {ema = wrong}
      assert.matches("ema = ", text, 1, true)
      assert.matches("it must be auto, a decay of at least 0 and below 1, or a share of the steps so far, from 1/1000",
        text, 1, true)
    end
  end)

  it("types classes, lists and booleans", function()
    local c = options.resolve(method, {normal = "8", anom_classes = "1,2", betas = "[0.9, 0.99]", advprop_bn = "off"})
    assert.equal(8, c.normal)
    assert.equal("integer", math.type(c.normal))
    assert.same({1, 2}, c.anom_classes)
    assert.same({0.9, 0.99}, c.betas)
    assert.is_false(c.advprop_bn)
    assert.equal(3, options.resolve(method, {anom_classes = "3"}).anom_classes)
    assert.equal("08", options.resolve(method, {normal = "08"}).normal)
    assert.equal("cloth", options.resolve(method, {normal = "cloth"}).normal)
    assert.same({1, "two, three"}, options.resolve(method, {normal = {"1", "two, three"}}).normal)
    assert.same({"fruit and vegetables", "fish"},
      options.resolve(method, {anom_classes = "fruit and vegetables, fish"}).anom_classes)
  end)

  it("takes the data set's suggestions after what was given", function()
    local c = options.resolve(method, {size = 64}, {size = 32, holdout = 0.1, channels = 1})
    assert.same({64, 0.1, 1}, {c.size, c.holdout, c.channels})
  end)

  it("does not share its defaults", function()
    options.resolve(method, {}).betas[1] = 7
    options.resolve(method, {}).lambda.con = 7
    assert.equal(0.5, options.resolve(method, {}).betas[1])
    assert.equal(50.0, options.resolve(method, {}).lambda.con)
  end)

  it("refuses unknown names, with the nearest and the known ones", function()
    local err = message {epoch = 5}
    assert.matches('^unknown option "epoch"; did you mean epochs%?; agad info weave %-%-method toy lists all %d+$', err)
    assert.matches('unknown option "lambda.cn"; did you mean lambda.con%?', (message {lambda = {cn = 1}}))
    assert.matches('^unknown option "zzzzzz"; agad info weave', (message {zzzzzz = 1}))
  end)

  it("says what is wrong with a value, in one line", function()
    assert.equal("gamma = 1: it must be at least 0 and below 1", (message {gamma = 1}))
    assert.equal("gamma = -0.1: it must be at least 0 and below 1", (message {gamma = -0.1}))
    assert.equal("lr = -0.1: it must be at least 0", (message {lr = -0.1}))
    assert.equal("epochs = 2.5: a whole number is needed", (message {epochs = 2.5}))
    assert.equal('epochs = "ten": a whole number is needed', (message {epochs = "ten"}))
    assert.equal("epochs = 0: it must be at least 1", (message {epochs = 0}))
    assert.equal("lr = nan: a finite number is needed", (message {lr = 0 / 0}):gsub("-nan", "nan"))
    assert.equal("delta = -1: it must be at least 0", (message {delta = -1}))
    assert.equal('channels = 2: it must be one of 1, 3', (message {channels = 2}))
    assert.equal("betas = {0.5}: 2 values are needed", (message {betas = {0.5}}))
    assert.equal('precision = "fp8": it must be one of auto, fp32, tf32, bf16, fp64', (message {precision = "fp8"}))
    assert.equal('device = "gpu": it must be auto, cpu, cuda or cuda:N', (message {device = "gpu"}))
    assert.equal('score = "ssim": it must be one of l2, rmse', (message {score = "ssim"}))
  end)

  it("refuses what the core would refuse, by the option's name", function()
    for name, most in pairs {threads = 4096, batch = 1 << 24, eval_batch = 1 << 24, epochs = 0x7fffffff,
      accumulate = 0x7fffffff, ["augment.shift"] = 4096} do
      for _, v in ipairs {most + 1, math.maxinteger, 2.0 ^ 80} do
        local text = message {[name] = v}
        assert.matches(("^%s = %%S+: it must be "):format(name), text)
        assert.is_truthy(text:find(("%d$"):format(most)), text)
      end
      local v = options.resolve(method, {[name] = most})
      for part in name:gmatch "[^.]+" do v = v[part] end
      assert.equal(most, v)
    end
    for _, name in ipairs {"lr", "weight_decay", "grad_clip"} do
      assert.equal(name .. " = 1e+300: it must be between 0 and 1e+30", (message {[name] = 1e300}))
    end
    assert.equal(math.maxinteger, options.resolve(method, {seed = "9223372036854775807"}).seed)
    assert.equal('seed = "9223372036854775808": it must be between 0 and 2^63 - 1',
      (message {seed = "9223372036854775808"}))
    assert.equal("limit = 1e+19: it must be between 1 and 2^63 - 1", (message {limit = 1e19}))
    assert.equal("seed = inf: a whole number is needed", (message {seed = math.huge}))
  end)

  it("says what a choice and a schedule can be", function()
    assert.equal('adcon_anom = "never": it must be one of x_xhat, xhat_xhat2, both', (message {adcon_anom = "never"}))
    assert.equal('protocol = "leave_two_out": it must be one of one_vs_rest, leave_one_out',
      (message {protocol = "leave_two_out"}))
    assert.equal("gamma = 1: it must be at least 0 and below 1", (message {gamma = {0, 1}}))
    assert.matches('^gamma: "linear" is not a schedule; give constant:V, linear:', (message {gamma = "linear"}))
  end)

  it("expands presets, and calls what is of none custom", function()
    local c = options.resolve(method, {preset = "paper_like"})
    assert.same({"batch", "sorted", "best_on_test"}, {c.bn_eval, c.test_order, c.selection})
    for _, bn in ipairs {"auto", "recalibrated", "training", "mixture"} do
      assert.equal("steady", options.resolve(method, {bn_eval = bn}).preset)
      assert.equal("custom", options.resolve(method, {preset = "plain", bn_eval = bn}).preset)
    end
    for _, bn in ipairs {"running", "batch"} do
      assert.equal("custom", options.resolve(method, {bn_eval = bn}).preset)
    end
    assert.same(c, options.resolve(method, c))
    assert.equal("custom", options.resolve(method, {preset = "custom", bn_eval = "batch"}).preset)
  end)

  it("types a resolved configuration to itself", function()
    local c = options.resolve(method, {normal = 3, gamma = 0.05, lambda = {con = 0.1}, seed = 1 << 60})
    assert.same(c, options.resolve(method, c))
  end)

  it("calls the score of a method that has a function for it its own", function()
    local own = {name = "own", options = {}, score = function() end}
    assert.equal("own", options.resolve(own, {}).score)
    assert.has_error(function() options.resolve(own, {score = "l2"}) end, 'score = "l2": it must be one of own')
  end)
end)

describe("agad.options", function()
  it("reads assignments", function()
    assert.same({lambda = {con = "40"}}, options.parse_assignment("lambda.con=40"))
    assert.same({net = "a=b.lua"}, options.parse_assignment(" net = a=b.lua "))
    for _, bad in ipairs {"lambda", "=3", "lambda.=3", "a..b=1", "epochs="} do
      assert.has_error(function() options.parse_assignment(bad) end,
        ('"%s": give key=value, for example lambda.con=40'):format(bad))
    end
  end)

  it("merges key by key", function()
    local t = options.merge({lambda = {con = 1, adv = 2}}, {lambda = {con = "3"}, lr = 1})
    assert.same({lambda = {con = "3", adv = 2}, lr = 1}, t)
  end)

  it("selects a group", function()
    local c = options.resolve(method, {gamma = 0.05})
    local t = options.select(c, "task")
    assert.equal(0.05, t.gamma)
    assert.is_nil(t.epochs)
    assert.same(c.lambda, options.select(c, "method").lambda)
  end)

  it("describes every option in one line each", function()
    local text = options.describe(method)
    assert.matches("\n  lambda%.con +50 ", text)
    assert.matches("\n  epochs +15 +passes over the normal pictures\n", text)
    assert.matches("\nmethod toy\n", text)
  end)

  it("finds the nearest name", function()
    assert.equal("batch", options.nearest("bacth", {"epochs", "batch"}))
    assert.is_nil(options.nearest("quux", {"epochs", "batch"}))
  end)
end)

describe("the checker", function()
  local known = {
    size = option {default = 32, min = 1, max = 4096}, fit = option {choices = {"resize", "crop", "pad"}},
    root = option {kind = "string"}, sides = option {default = {1, 2}, count = 2},
    on_progress = option {kind = "function"},
  }
  local function refused(given)
    local ok, err = pcall(base.check, "mnist", given, known)
    assert.is_false(ok)
    return err
  end

  it("fills defaults, types what is given, and shares nothing", function()
    assert.same({size = 32, fit = "resize", sides = {1, 2}}, base.check("mnist", nil, known))
    assert.same({size = 28, fit = "pad", root = "/data", sides = {3, 4}, on_progress = print},
      base.check("mnist", {size = "28", fit = "pad", root = "/data", sides = "3,4", on_progress = print}, known))
    base.check("mnist", {}, known).sides[1] = 7
    assert.same({1, 2}, base.check("mnist", {}, known).sides)
    assert.is_nil(base.check("mnist", {root = false}, known).root)
  end)

  it("refuses unknown names and wrong values in one line", function()
    assert.equal("mnist: unknown option sise; did you mean size?; known: fit, on_progress, root, sides, size",
      refused {sise = 1})
    assert.equal("mnist: size = 0: it must be between 1 and 4096", refused {size = 0})
    assert.equal('mnist: fit = "squeeze": it must be one of resize, crop, pad', refused {fit = "squeeze"})
    assert.equal("mnist: on_progress = 3: a function is needed", refused {on_progress = 3})
    assert.equal("mnist: options must be a table, not a number", refused(3))
  end)

  it("names the user's line where it is asked to", function()
    local ok, err = pcall(base.check, "show", {lowe = 1}, {low = option {kind = "number"}}, true)
    assert.is_false(ok)
    assert.matches("^.*options_spec%.lua:%d+: show: unknown option lowe; did you mean low%?; known: low$", err)
  end)

  it("refuses definitions that say nothing sound", function()
    assert.has_error(function() option {defualt = 3} end, "option: unknown option defualt; did you mean default?; "
      .. "known: about, above, auto, below, choices, count, default, flag, help, kind, max, min, of, results, suggest, "
      .. "unit")
    assert.has_error(function() option {default = 3, min = 4} end, "default = 3: it must be at least 4")
    assert.has_error(function() option {kind = "colour"} end, "option: there is no kind colour")
  end)
end)

describe("options.canonical and options.hash", function()
  local core = require "agad.core"

  it("writes sorted keys, every option and 17 digits", function()
    local text = options.canonical(options.resolve(method, {lr = 0.1 + 0.2, seed = 1 << 60}))
    assert.matches('"lr": ?0%.30000000000000004', text)
    assert.matches('"seed": ?1152921504606846976', text)
    assert.matches('"size": ?null', text)
    assert.is_true(text:find('"adam_eps"', 1, true) < text:find('"weight_decay"', 1, true))
    local again = options.resolve(method, core.json_decode(text))
    assert.same(options.resolve(method, {lr = 0.1 + 0.2, seed = 1 << 60}), again)
  end)

  it("hashes what matters only", function()
    local function hash(given) return options.hash(options.resolve(method, given)) end
    local first = hash {}
    assert.matches("^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$", first)
    assert.equal(first, hash {epochs = 15.0, device = "cpu", log_every = 3, threads = 2, lambda = {con = "50"}})
    assert.not_equal(first, hash {seed = 2})
    assert.not_equal(first, hash {steps = 10})
    assert.not_equal(first, hash {minutes = 1})
    assert.equal(hash {steps = 10}, hash {steps = 10, minutes = 1})
    assert.not_equal(first, hash {lambda = {con = 51}})
    local c = options.resolve(method, {threads = 2})
    local one = options.resolve(method, {threads = 1})
    c.deterministic, one.deterministic = true, true
    assert.not_equal(options.hash(c), options.hash(one))
  end)

  it("leaves out limits that are off, so that they change no hash", function()
    local hashed = options.hashed(options.resolve(method, {}))
    assert.is_nil(hashed.steps)
    assert.is_nil(hashed.minutes)
    assert.equal(15, hashed.epochs)
  end)

  it("refuses to hash a function", function()
    local c = options.resolve(method, {})
    c.schedule = {lr = print}
    c.gamma = print
    assert.has_error(function() options.hash(c) end, "gamma: a Lua function cannot be hashed; use a named schedule")
  end)
end)
