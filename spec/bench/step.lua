-- Our training step against the PyTorch peer's (peer.py --serve), alternating: some steps of ours, some of the
-- peer's, ratio by ratio.  The same net, batch, precision, layout (channels_last) and threads.
-- Usage: step.lua [batch=64] [channels=1] [precision=fp32] [threads=2] [rounds=6] [steps=3] [net=naive]
-- $AGAD_PEER_PYTHON: a Python with torch (python3).  Without one the comparison is skipped, and said.

local agad = require "agad"
local core = agad.core
local bench = dofile "spec/bench/support/bench.lua"
local median, load = bench.median, bench.load

local batch, channels, precision = tonumber(arg[1] or 64), tonumber(arg[2] or 1), arg[3] or "fp32"
local threads, rounds, steps = tonumber(arg[4] or 2), tonumber(arg[5] or 6), tonumber(arg[6] or 3)
local net = arg[7] or "naive"
local compute = {fp32 = "float32", bf16 = "bfloat16"}
if not (batch and channels and threads and rounds and steps and compute[precision]) then
  io.stderr:write("usage: step.lua [batch] [channels] [fp32 or bf16] [threads] [rounds] [steps] [naive, unet or "
    .. "unet++]\n")
  os.exit(2)
end

-- The peer: ask(line) -> its answer.
local function start_peer()
  local answer, close = bench.peer("torch", {"spec/bench/peer.py", "--batch", tostring(batch), "--channels",
    tostring(channels), "--precision", precision, "--layout", "channels_last", "--threads", tostring(threads),
    "--net", net, "--serve"})
  if not answer then return nil, close end
  return function(line)
    local result = core.json_decode(answer(line))
    return result.ms or error("the peer: " .. result.error, 0)
  end, close
end

-- Our step, as the trainer builds it.
local function new_step()
  core.threads(threads)
  local methods = require "agad.train.method"
  local method = methods.load "agad"
  local options = require "agad.options"
  local chosen = options.select(options.resolve(method, {net = net}), "method")
  local step = core.step(method.name, methods.encode(method, chosen), method.family)
  local programs = method.nets(chosen, {channels, 32, 32})
  for name, program in pairs(programs) do
    step:add_net(name, agad.nn.net(program, {compute = compute[precision]}):init(1))
  end
  local adam = {lr = 2e-4, beta1 = .5, beta2 = .999, eps = 1e-8, weight_decay = 0, clip = 0, accumulate = 1}
  for name, update in pairs(method.phases[1].updates) do step:add_update(name, update.nets, adam) end
  step:add_average("generator", 0.99)
  for _, stage in ipairs(method.phases[1].step) do step:add_stage(stage) end
  step:guard("discriminator", 1e-5, true, 3)
  local batches = {}
  for i = 1, 4 do
    batches[i] = (agad.rand(batch, channels, 32, 32) * 2 - 1):contiguous {memory_format = "channels_last"}
  end
  return function(count)
    local ms = {}
    for i = 1, count do
      local began = core.clock()
      step:run(batches[i % 4 + 1], batch)
      ms[i] = (core.clock() - began) * 1e3
    end
    return ms
  end
end

local ours, ask, close = new_step(), start_peer()
print(("%s %d x 32 x 32, batch %d, %s, channels_last, %d threads; %s, libtorch %s"):format(net, channels, batch,
  precision, threads, core.processor(), core.libtorch))
if not ask then
  print("the peer is skipped: " .. close)
  ours(2)
  print(("agad alone: %.1f images/s; load %s"):format(batch / median(ours(rounds * steps)) * 1e3, load()))
  return
end
local load_before = load()
ours(steps < 2 and 1 or 2)                                -- warming up
ask("steps " .. (steps < 2 and 1 or 2))
print "round   agad images/s   peer images/s   ratio"
local ratios, own, peer = {}, {}, {}
for round = 1, rounds do
  local a, b
  if round % 2 == 1 then a = ours(steps); b = ask("steps " .. steps)
  else b = ask("steps " .. steps); a = ours(steps) end
  own[round], peer[round] = batch / median(a) * 1e3, batch / median(b) * 1e3
  ratios[round] = own[round] / peer[round]
  print(("%5d   %13.1f   %13.1f   %5.3f"):format(round, own[round], peer[round], ratios[round]))
end
close()
print(("median  %13.1f   %13.1f   %5.3f   load %s before, %s after"):format(median(own), median(peer), median(ratios),
  load_before, load()))
