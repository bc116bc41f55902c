-- The public names in `agad` and the modules behind them. A module is loaded at first use; `require "agad.NAME"` works
-- too once agad is loaded.

local module_of = {
  campaign = "agad.campaign", data = "agad.data", draw = "agad.nn.draw", fetch = "agad.data.fetch",
  gradcheck = "agad.tensor.gradcheck", inspect = "agad.data.inspect", loss = "agad.nn.loss",
  model = "agad.evaluate.model", nn = "agad.nn", options = "agad.options", plot = "agad.evaluate.plot",
  progress = "agad.train.progress", schedule = "agad.task.schedule", task = "agad.task", teach = "agad.teach",
}

-- The public name under which a module is documented: agad.nn.loss documents agad.loss.
local name_of = {}
for name, module in pairs(module_of) do name_of[module] = "agad." .. name end
name_of["agad.train.trainer"] = "agad.trainer"
name_of["agad.base.configuration"] = "agad.options"
name_of["agad.nn.builder"] = "agad.nn"
name_of["agad.nn.layers"] = "agad.nn"
for _, part in ipairs {"curves", "draw", "pictures", "reconstructions", "scores"} do
  name_of["agad.evaluate.plot." .. part] = "agad.plot"
end

-- What users of a run need, which completion offers.
local run = {"close", "config", "device", "dtype", "epoch", "evaluate", "fit", "history", "info", "interrupted",
  "losses", "method", "nets", "next_phase", "notes", "phase_name", "precision", "rates", "recalibrate", "save",
  "scorer", "seconds", "shape", "stages", "state", "step", "steps", "task", "tensors", "train_step"}

return {module_of = module_of, name_of = name_of, members = {run = run}}
