-- A training step of AGAD from inside: runs its stages one by one, prints what each of them adds, reads and changes
-- values between them. `agad teach weave --gamma .05` does the same at a prompt.
--   agad examples/stages.lua

local agad = require "agad"

local set = agad.data.weave {train_normals = 200, train_defects = 40, test_normals = 0, test_defects = 0}
local task = agad.task.one_vs_rest(set, {gamma = 0.1})
local run = agad.trainer(task, {batch = 32, min_anom = 8, seed = 1})

local function norm(list)                               -- of tensors, all together
  local sum = 0
  for _, t in ipairs(list) do sum = sum + t:square():sum():item() end
  return math.sqrt(sum)
end

-- The first step as Algorithm 1 has it.
for stage, state, number in agad.teach(run) do
  local line = ("%d %-20s"):format(number, stage)
  if stage == "reconstruct" then
    line = ("%s %d normals, %d anomalies, mean error %.3f"):format(line, state.n_normal, state.x:size(1) -
      state.n_normal, agad.loss.context(state.x_hat, state.x):item())
  elseif stage == "discriminate" then
    line = ("%s D's logits: real %.3f, made %.3f"):format(line, state.y:mean():item(), state.y_hat:mean():item())
  elseif stage == "pseudo_anomaly" then
    line = ("%s G's own picture, made again: mean difference %.3f"):format(line,
      agad.loss.l1(state.x_hat2, state.x_hat):item())
  elseif stage == "generator_loss" then
    line = ("%s con %.3f, adcon %.3f, gradient norm %.2f"):format(line, state.losses.con, state.losses.adcon,
      norm(run.step:gradients "generator"))
  end
  print(line)
end

-- The second step with a G that has reconstructed the normals perfectly: what remains of its loss?
for stage, state in agad.teach(run) do
  if stage == "reconstruct" then state.x_hat = state.x:clone() end
  if stage == "generator_loss" then print(("with x^ = x: con %.3f"):format(state.losses.con)) end
end
