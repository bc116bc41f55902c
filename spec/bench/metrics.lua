-- What evaluation costs beside the network: AUROC of ten million scores, its interval, the shortcut statistics, the
-- thermometer, localisation. Figures, not limits: one core, the machine's load matters.

local agad = require "agad"
local core = agad.core
local metrics = agad.metrics
core.threads(1)

-- The fastest of three: others may be at work on the machine.
local function seconds(f)
  local best = math.huge
  for _ = 1, 3 do
    local began = core.clock()
    f()
    best = math.min(best, core.clock() - began)
  end
  return best
end

local function report(what, f) print(("%-72s %7.3f s"):format(what, seconds(f))) end

local function draw(n, share, dtype)
  local labels = (agad.rand(n) * -1 + share):gt(0):to "uint8"
  local scores = (agad.randn(n) + labels:to "float32"):to(dtype)
  return dtype == "float64" and scores + agad.rand(n, {dtype = "float64"}) or scores, labels
end

agad.manual_seed(1)
for _, dtype in ipairs {"float64", "float32"} do
  local scores, labels = draw(10000000, .3, dtype)
  report(("AUROC of 10,000,000 %s scores"):format(dtype), function() metrics.auroc(scores, labels) end)
end

local scores, labels = draw(10000, .5, "float64")
report("its interval from 1,000 resamples of 10,000 scores", function() metrics.auroc_interval(scores, labels) end)

local pictures = (agad.rand(10000, 1, 128, 128) * 255):to "uint8"
report("shortcut statistics of 10,000 pictures of 128 x 128", function() agad.data.shortcut(pictures, labels) end)
report("the thermometer over them, mean of 20 shuffles",
  function() metrics.thermometer(pictures, nil, pictures, labels, {shuffles = 20}) end)
pictures = nil                                                       -- luacheck: ignore 311

local maps, masks = agad.rand(100, 256, 256), (agad.rand(100, 32, 32) * -1 + .02):gt(0):to "uint8"
masks = masks:repeat_interleave(8, {dim = 2}):repeat_interleave(8, {dim = 3})
report("pixel AUROC and PRO of 1,000 maps of 256 x 256", function()
  local l = metrics.localiser(1000, 256, 256)
  for _ = 1, 10 do l:add(maps, masks) end
  l:result()
end)
for line in io.lines "/proc/self/status" do
  if line:find "^VmHWM" then print("peak memory of this process " .. line:match "%d+" // 1024 .. " MB") end
end
