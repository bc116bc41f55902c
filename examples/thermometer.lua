-- How an evaluation leaks labels, without any network: the "thermometer" sees only the mean and the spread of a batch
-- of test pictures, and how far they are from those of normal batches. Where the test set lists all normals first, it
-- can tell the two kinds apart, although it cannot do so from one picture.
--   agad examples/thermometer.lua [PLOT.png]        without a file the plot is drawn in the terminal

local agad = require "agad"

local set = agad.data.weave {normal = "cloth"}
local task = agad.task.one_vs_rest(set)
local labels = task.test.anomalous                      -- 0 or 1 for each test picture; here the normals come first

local function thermometer(o)
  return agad.metrics.thermometer(task.train.images, task.normals, task.test.images, labels, o)
end

local order = {}                                        -- rows of the test pictures, from 0
for i = 1, #labels do order[i] = i - 1 end

local batches, sorted, shuffled = {1, 4, 16, 64, 256}, {}, {}
print "batch   sorted   shuffled"
for i, batch in ipairs(batches) do
  sorted[i] = thermometer {batch = batch, order = order}
  shuffled[i] = thermometer {batch = batch, shuffles = 20}
  print(("%5d   %.3f    %.3f"):format(batch, sorted[i], shuffled[i]))
end

agad.plot({
  {x = batches, y = sorted, title = "sorted by label"},
  {x = batches, y = shuffled, title = "shuffled"},
  kind = "both", log = "x", yrange = {.4, 1.02}, xlabel = "pictures in a batch", ylabel = "AUROC",
  title = "What the statistics of a batch give away",
}, arg[1])
