-- Options as C stages read them: choices as numbers, and what is missing or unknown fails loudly.
-- To add a case: a test with an option and what C is given for it.

local agad = require "agad"
local core = agad.core
local methods = require "agad.train.method"
local options = require "agad.options"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has
local steps = dofile "spec/support/steps.lua"

local method = methods.load "agad"
local function chosen(given) return options.select(options.resolve(method, given or {}), "method") end

describe("the options that C is given", function()
  it("are numbers where there are choices, and all else as it is", function()
    local o = core.json_decode(methods.encode(method, chosen {adcon_anom = "both", freeze_bn = "freeze", net = "unet",
      lambda = {con = 3}, terms = {lat = false}, advprop_bn = true}))
    assert.same({2, 1, 0, "unet", 3.0, false, true, 1e-3},
      {o.adcon_anom, o.freeze_bn, o.adv_anom, o.net, o.lambda.con, o.terms.lat, o.advprop_bn, o.reciprocal_eps})
  end)

  -- The first step of AGAD with options that were changed after they were encoded.
  local function run_with(change)
    local run = steps.new_run {}
    local o = core.json_decode(methods.encode(method, run.options))
    change(o)
    local step = core.step("agad", core.json_encode(o))
    for _, name in ipairs {"generator", "discriminator"} do
      step:add_net(name, run.nets[name])
      step:add_update(name, {name}, steps.adam())
    end
    step:add_stage "reconstruct"
    step:run(steps.batches(1, 6)[1], 4)
  end

  it("are all there, and of values that C knows", function()
    assert.has_no.errors(function() run_with(function() end) end)
    for _, name in ipairs {"adcon_anom", "adv_anom", "d_anom", "detach_pseudo", "latent_norm", "branch_weight",
      "bn_track", "freeze_bn", "advprop_bn", "reciprocal_eps"} do
      has(refused(run_with, function(o) o[name] = nil end), "method agad: option " .. name .. " is missing")
    end
    for _, name in ipairs {"adv", "con", "adcon", "lat"} do
      has(refused(run_with, function(o) o.lambda[name] = nil end), ("option lambda.%s is missing"):format(name))
      has(refused(run_with, function(o) o.terms[name] = nil end), ("option terms.%s is missing"):format(name))
    end
    has(refused(run_with, function(o) o.terms = nil end), "option terms.adv is missing")
    for _, wrong in ipairs {3, -1, 1.5, "both"} do
      has(refused(run_with, function(o) o.adcon_anom = wrong end), "method agad: option adcon_anom", "do not know")
    end
    has(refused(run_with, function(o) o.lambda.con = "50" end), "option lambda.con is not a number")
    has(refused(run_with, function(o) o.advprop_bn = 1 end), "option advprop_bn is neither true nor false")
  end)

  it("change by their path, numbers only", function()
    local run = steps.new_run {}
    run.step:set_option("lambda.con", 3)
    for _, path in ipairs {"lambda", "lambda.none", "none", "none.con", "net", ""} do
      has(refused(run.step.set_option, run.step, path, 3), "method agad: there is no option " .. path)
    end
  end)
end)
