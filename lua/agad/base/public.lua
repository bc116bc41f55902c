-- The public names that are parts of `agad`, and the modules that they are. A part is loaded when it is first asked
-- for; `require "agad.NAME"` gives it too once agad is loaded.

local module_of = {
  campaign = "agad.train.campaign", data = "agad.data", draw = "agad.nn.draw", fetch = "agad.data.fetch",
  gradcheck = "agad.tensor.gradcheck", inspect = "agad.data.inspect", loss = "agad.nn.loss",
  model = "agad.evaluate.model", nn = "agad.nn", options = "agad.options", plot = "agad.evaluate.plot",
  progress = "agad.train.progress", schedule = "agad.task.schedule", task = "agad.task", teach = "agad.train.teach",
}

-- The module that a public name's documentation is found under: agad.nn.loss documents agad.loss.
local name_of = {}
for name, module in pairs(module_of) do name_of[module] = "agad." .. name end
name_of["agad.train.trainer"] = "agad.trainer"
name_of["agad.base.configuration"] = "agad.options"
name_of["agad.nn.layers"] = "agad.nn"

return {module_of = module_of, name_of = name_of}
