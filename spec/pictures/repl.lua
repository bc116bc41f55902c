-- The README's pictures from a real terminal: examples/repl.svg and repl_training.svg, of the REPL, and teach.svg, of
-- agad teach.
--     build/agad spec/pictures/repl.lua

local core = require "agad.core"
local screenshot = dofile "spec/support/screenshot.lua"
local terminal = dofile "spec/support/terminal.lua"

if terminal.missing then error(terminal.missing, 0) end

local COLUMNS = 92

local function start(lines) return terminal.start("build/agad", {columns = COLUMNS, lines = lines}) end

local function prompt(screen) return screen:find "agad>%s*$" ~= nil end

local function enter(t, line)
  t:wait(prompt)
  t:enter(line, function(screen) return screen:find(line:sub(1, 40), 1, true) ~= nil and prompt(screen) end)
end

local function save(t, name, title)
  core.file_replace("examples/" .. name .. ".svg", screenshot.svg(t:screen(true), {columns = COLUMNS, title = title}))
  t:close()
  print("examples/" .. name .. ".svg")
end

local function explore()
  local t = start(60)
  enter(t, "x = agad.randn(2, 3)")
  enter(t, "x:softmax(2)")
  enter(t, "local task = agad.task.new(agad.data.weave(), {gamma = .05})")
  enter(t, "task")
  enter(t, "? agad.save")
  t:type 'run = agad.trainer(task, {net = "u'
  t:press "Tab"
  t:wait 'net = "unet'
  t:press("Tab", "Tab")
  t:wait "unet++"
  save(t, "repl", "The REPL: a tensor, a task, help, and the completion of an option's value")
end

local function interrupt()
  local t = start(60)
  enter(t, "task = agad.task.new(agad.data.weave {train_normals = 200, test_normals = 50}, {gamma = .05})")
  enter(t, "run = agad.trainer(task, {epochs = 20, batch = 16})")
  t:wait(prompt)
  t:enter("run:fit();", "1/20")
  t:press "C-c"
  t:wait(prompt)
  enter(t, "run")
  enter(t, "run:evaluate().auroc")
  enter(t, "run.state")
  save(t, "repl_training", "The REPL: a training that Ctrl-C has stopped, and what can be asked of it")
end

-- A stage of Algorithm 1, and what another option makes of it.
local function teach()
  local t = terminal.start("build/agad teach weave --gamma .05 --precision fp32", {columns = COLUMNS, lines = 70})
  local function command(line)
    local count = select(2, t:screen():gsub("teach>", ""))
    t:enter(line, function(screen) return select(2, screen:gsub("teach>", "")) > count end)
  end
  t:wait "teach>"
  for _ = 1, 4 do command "next" end
  command "what if adv_anom=opposite"
  save(t, "teach", "agad teach: the generator's loss, and the same stage under another option")
end

local ok, reason = pcall(function()
  explore()
  interrupt()
  teach()
end)
terminal.remove()
if not ok then error(reason, 0) end
