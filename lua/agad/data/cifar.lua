-- What CIFAR-10 and CIFAR-100 share: options, reader, and servers.

local form = require("agad.data.set").form
local some = require("agad.data.options").some

local cifar = {
  places = {"https://www.cs.toronto.edu/~kriz/",
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/"},
}

--- The options that CIFAR-10 and CIFAR-100 share, plus others.
-- @param more table name -> option
function cifar.options(more)
  local all = some("size channels fit filter root", {size = 32, channels = 3})
  for name, d in pairs(more) do all[name] = d end
  return all
end

--- The `read` function of one of the two sets (`agad.data.named`).
function cifar.reader(kind)
  return function(o, root)
    local train, test, classes, superclasses = require("agad.core").data.cifar(root, kind, o.labels or "fine", form(o))
    return {train = train, test = test, classes = classes, superclasses = superclasses}
  end
end

return cifar
