-- The sets with a name: what they are by default, and how the core reads them.

local core = require "agad.core"
local places = require "agad.base.places"
local sets = require "agad.data.set"

local named = {}

named.defaults = {
  mnist = {size = 32, channels = 1, fit = "resize", root = false},
  ["fashion-mnist"] = {size = 32, channels = 1, fit = "resize", root = false},
  cifar10 = {size = 32, channels = 3, fit = "resize", root = false},
  cifar100 = {size = 32, channels = 3, fit = "resize", labels = "fine", root = false},
  weave = {normal = "cloth", size = 32, channels = 1, seed = 1, train_normals = 2000, train_defects = 200,
    test_normals = 500, test_defects = 500},
}

local fits = {fit = {"resize", "pad"}}

-- MNIST and Fashion-MNIST.
function named.idx(name, given)
  local defaults = named.defaults[name]
  local o = sets.checked(name, given, defaults, fits)
  local train, test, classes = core.data.mnist(name, places.data(o.root), o.size, o.fit, o.channels)
  return sets.new {name = name, train = train, test = test, classes = classes, options = o, defaults = defaults}
end

-- CIFAR-10 and CIFAR-100.
function named.cifar(name, given)
  local defaults = named.defaults[name]
  local o = sets.checked(name, given, defaults, fits)
  local kind = name == "cifar10" and 10 or 100
  local train, test, classes, superclasses = core.data.cifar(places.data(o.root), kind, o.size,
    o.channels, o.labels or "fine", o.fit)
  return sets.new {name = name, train = train, test = test, classes = classes, superclasses = superclasses,
    options = o, defaults = defaults}
end

-- The built-in textures.
function named.weave(given)
  local defaults = named.defaults.weave
  local o = sets.checked("weave", given, defaults)
  local train, test, classes = core.data.weave(o.normal, o.size, o.channels, o.seed,
    {o.train_normals, o.train_defects, o.test_normals, o.test_defects})
  -- what a task and a run take unless they say otherwise: 2,000 pictures are too few steps at a batch of 256
  return sets.new {name = "weave", train = train, test = test, classes = classes, options = o, defaults = defaults,
    normal = o.normal, holdout = 0.1, batch = 64}
end

return named
