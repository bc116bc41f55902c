-- What `agad bench` measures: which nets, at which batch sizes and precisions, beside which forms of the peer.

local plan = {}

local nets = {
  {name = "naive", batch = 64, all = {16, 64, 256}},
  {name = "unet", batch = 64, all = {16, 64, 256}},
  {name = "unet++", batch = 16, all = {16, 32}},
}
local BATCH = 64                                           -- of a net of the user's own
local precisions = {cpu = {"fp32", "bf16"}, cuda = {"tf32", "bf16"}}

--- The forms of the peer: the names that --forms takes, options of peer.py, whether it scores too, and its only device.
plan.forms = {
  {name = "eager", args = {}, scores = true},
  {name = "fused", args = {"--fused-adam"}},
  {name = "compiled", args = {"--compile", "--fused-adam"}, scores = true},
  {name = "graph", args = {"--graph"}, device = "cuda"},
}

--- Whether a net is one of the paper's, which the peer has too.
function plan.is_known(name)
  for _, net in ipairs(nets) do if net.name == name then return true end end
  return false
end

--- The rows to measure, in order.
-- @param o table net, batch, precision (each nil: those of the standard list), all (true: every batch size of it),
--   device ("cpu" or a GPU)
-- @return list of {net, batch, precision}
function plan.rows(o)
  local rows = {}
  local chosen = o.net and {{name = o.net, batch = BATCH, all = {BATCH}}} or nets
  for _, net in ipairs(nets) do if net.name == o.net then chosen = {net} end end
  for _, net in ipairs(chosen) do
    for _, batch in ipairs(o.batch and {o.batch} or o.all and net.all or {net.batch}) do
      for _, precision in ipairs(o.precision and {o.precision} or precisions[o.device == "cpu" and "cpu" or "cuda"]) do
        rows[#rows + 1] = {net = net.name, batch = batch, precision = precision}
      end
    end
  end
  return rows
end

return plan
