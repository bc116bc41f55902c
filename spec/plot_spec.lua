-- Loss plots through gnuplot, and the progress line.
-- To add a case: a test over rows of losses, or the events that a training tells its line of progress.

local lfs = require "lfs"
local plot = require "agad.evaluate.plot"
local progress = require "agad.train.progress"

local dir = os.tmpname()
os.remove(dir)
lfs.mkdir(dir)

local log = {}
for i = 1, 20 do
  log[i] = {step = i, epoch = 1, losses = {generator = 60 / i, discriminator = 0.7, ["con'"] = 0.5 / i}}
end

local function bytes(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function refused(...)
  local ok, err = pcall(...)
  assert.is_false(ok)
  assert.is_nil(err:find "\n")
  return err
end

describe("plot.losses", function()
  local present = os.execute "command -v gnuplot > /dev/null 2>&1"
  local function with_gnuplot() if not present then pending "no gnuplot" end end

  it("writes a PNG of the stated size, and nothing beside it", function()
    with_gnuplot()
    plot.losses(log, dir .. "/l.png")
    local png = bytes(dir .. "/l.png")
    assert.equal("\137PNG\r\n\26\n", png:sub(1, 8))
    assert.same({960, 600}, {((">I4"):unpack(png, 17)), ((">I4"):unpack(png, 21))})
    assert.is_nil(lfs.attributes(dir .. "/l.png.new"))
  end)

  it("draws one curve a loss, or those asked for", function()
    with_gnuplot()
    plot.losses(log, dir .. "/l.svg")
    local svg = bytes(dir .. "/l.svg")
    for _, name in ipairs {"generator", "discriminator", "con&#39;"} do
      assert.is_truthy(svg:find(name, 1, true) or svg:find("con'", 1, true), name)
    end
    plot.losses(log, dir .. "/g.svg", {losses = {"generator"}})
    assert.is_nil(bytes(dir .. "/g.svg"):find("discriminator", 1, true))
  end)

  it("reads a run directory's log and leaves out what is not finite", function()
    with_gnuplot()
    local core = require "agad.core"
    local file = assert(io.open(dir .. "/log.jsonl", "w"))
    for _, r in ipairs(log) do file:write(core.json_encode(r), "\n") end
    file:write '{"step": 21, "losses": {"gen'                -- a line cut short
    file:close()
    plot.losses(dir, dir .. "/run.png")
    assert.is_true(#bytes(dir .. "/run.png") > 1000)
    plot.losses({logged = {{step = 1, losses = {mine = 1}}, {step = 2, losses = {mine = 3}}}}, dir .. "/o.svg")
    assert.is_truthy(bytes(dir .. "/o.svg"):find(">mine<", 1, true))
    plot.losses({{step = 1, losses = {a = 1, b = 0 / 0}}, {step = 2, losses = {a = -1}}}, dir .. "/n.svg")
    assert.is_nil(bytes(dir .. "/n.svg"):find(">b<", 1, true))
  end)

  it("refuses in one line", function()
    assert.matches("there are no losses", refused(plot.losses, {}, dir .. "/x.png"))
    assert.matches("cannot read the log: .*nowhere", refused(plot.losses, dir .. "/nowhere", dir .. "/x.png"))
    assert.matches("must end in %.png, %.svg or %.pdf", refused(plot.losses, log, dir .. "/x.gif"))
    with_gnuplot()
    assert.matches("^cannot plot to /nowhere/x%.png: ", refused(plot.losses, log, "/nowhere/x.png"))
    assert.is_nil(lfs.attributes(dir .. "/x.png"))
  end)
end)

describe("plot.heat and plot.grid", function()
  local agad = require "agad"

  it("gives nothing black-violet and the top light yellow", function()
    local t = plot.heat(agad.tensor {0, 5, 99}:reshape {1, 3}, 5)
    assert.same({3, 1, 3}, t.shape)
    assert.same({0, 252, 252, 0, 255, 255, 4, 164, 164}, t:flatten():totable())
  end)

  it("takes a map's largest value for the top, and refuses what is no map in one line", function()
    local map = agad.tensor {{0, 5}, {2, 1}}
    assert.is_true(plot.heat(map):equal(plot.heat(map, 5)))
    assert.matches("plot%.heat: give a tensor of shape %(height, width%)$", refused(plot.heat, {{1, 2}}))
    assert.matches("plot%.heat: give a tensor of shape %(height, width%)$", refused(plot.heat, agad.ones(3)))
  end)

  it("frames enlarged pictures, and draws a mask's border outside it", function()
    local grey = agad.tensor({0, 80, 160, 240}):reshape {1, 2, 2}
    local mask = agad.tensor({1, 0, 0, 0}):reshape {2, 2}
    plot.grid({{{grey}, {grey, mask = mask}}}, dir .. "/grid.png", {side = 6})
    local t = agad.data.read(dir .. "/grid.png")
    assert.same({3, 6 + 2 * 3 + 2 * 5, 2 * (6 + 2 * 3) + 2 * 5}, t.shape)
    local function pixel(x, y) return t:select(3, x + 1):select(2, y + 1):totable() end
    assert.same({32, 32, 32}, pixel(0, 0))
    assert.same({0, 0, 0}, pixel(8, 8))
    assert.same({240, 240, 240}, pixel(13, 13))
    assert.same({0, 0, 0}, pixel(20 + 2, 8 + 2))             -- inside the mask
    assert.same({70, 240, 140}, pixel(20 + 3, 8))            -- beside it
    assert.same({80, 80, 80}, pixel(20 + 4, 8))
  end)
end)

-- A consumer that writes into a list, with a clock that moves by a second a look.
local function recorder(o)
  local written, now = {}, 0
  local out = {flush = function() end}
  function out:write(...) for _, s in ipairs {...} do written[#written + 1] = s end return self end
  local show = progress.new {out = out, live = o.live, unicode = o.unicode or false,
    columns = function() return o.columns or 80 end, clock = function() now = now + 1; return now end}
  return show, function() return table.concat(written) end
end

local step = {kind = "step", epoch = 3, batch = 5, step = 25, done = 25, total = 300, images_per_second = 1234.4,
  eta = 65.2,
  losses = {generator = 31.234, discriminator = 0.4567, con = 1}}
local total = {kind = "begin", epochs = 30, batches = 10}

describe("progress.line", function()
  it("holds epoch, bar, losses, speed and time left in 79 columns", function()
    local line = progress.line(step, total, 79, false)
    assert.equal("epoch  3/30  [##------------------]  G 31.23  D 0.457  1234 images/s  1:05 left", line)
    for _, unicode in ipairs {true, false} do
      assert.is_true(utf8.len(progress.line(step, total, 79, unicode)) <= 79)
    end
  end)

  it("leaves out what does not fit: the speed first, the losses last", function()
    local line = progress.line(step, total, 64, false)
    assert.equal("epoch  3/30  [##------------------]  G 31.23  D 0.457  1:05 left", line)
    assert.equal("epoch  3/30  [#---------]  G 31.23  D 0.457", progress.line(step, total, 43, false))
    assert.equal("epoch  3/30", progress.line(step, total, 14, false))
    for width = 11, 120 do
      assert.is_true(utf8.len(progress.line(step, total, width, true)) <= width, width)
    end
  end)

  it("shows other methods' losses by name", function()
    local shown = {epoch = 1, done = 1, total = 300, losses = {rec = 0.00012, aa = 1234567}}
    local line = progress.line(shown, total, 79, false)
    assert.matches("aa 1234567  rec 1e%-04$", line)
  end)

  it("draws bars in eighths", function()
    assert.equal("█████▍····", progress.bar(0.5375 + 0.004, 10, true))
    assert.equal("··········", progress.bar(0, 10, true))
    assert.equal("██████████", progress.bar(1.2, 10, true))
    assert.equal("[####----]", progress.bar(0.625, 10, false):gsub("#####%-%-%-", "####----"))
  end)

  it("writes durations", function()
    assert.same({"4.2 s", "12 s", "1:05", "2:03:10", "-:--"}, {progress.duration(4.2), progress.duration(12),
      progress.duration(65), progress.duration(7390), progress.duration(1 / 0)})
  end)
end)

describe("progress.new", function()
  it("draws over its line on a terminal and clears it at the end", function()
    local show, text = recorder {live = true}
    show(total)
    show(step)
    show {kind = "epoch", epoch = 3}
    show {kind = "end", interrupted = false, seconds = 71}
    assert.equal("\r" .. progress.line(step, total, 77, false) .. "\27[K\r\27[Ktrained in 1:11\n", text())
  end)

  it("writes one plain line an epoch elsewhere", function()
    local show, text = recorder {live = false}
    show(total)
    show(step)
    show(step)
    show {kind = "epoch", epoch = 3}
    show {kind = "evaluate", done = 1, total = 2}
    show {kind = "note", text = "few normals"}
    show {kind = "end", interrupted = true, seconds = 4}
    assert.equal("epoch 3/30  G 31.23  D 0.457  1234 images/s  1:05 left\n" ..
      "note: few normals\ninterrupted after 4.0 s\n", text())
  end)

  it("counts steps where they end the training, in twenty lines at most", function()
    local show, text = recorder {live = false}
    show {kind = "begin", epochs = 30, steps = 100}
    for done = 1, 100 do
      show {kind = "step", epoch = 1 + done // 40, done = done, total = 100, eta = 100 - done, phase = "train"}
      if done % 40 == 0 then show {kind = "epoch", epoch = done // 40, phase = "train"} end
    end
    local lines = {}
    for line in text():gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.same({20, "train step 5/100  1:35 left", "train step 100/100"}, {#lines, lines[1], lines[20]})
    assert.equal("step  25/100  [###---------]  1:05 left", progress.line({epoch = 3, done = 25, total = 100, eta = 65},
      {epochs = 30, steps = 100}, 39, false))
  end)

  it("is silent when quiet", function()
    local show = progress.new {quiet = true}
    show(total)
    show(step)
    show:clear()
    assert.equal("table", type(show))
  end)
end)
