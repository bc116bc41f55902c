-- The command agad teach: commands line by line, its one-line errors, its exit status.
-- To add a case: lines of input, and what they print.

local agad = require "agad"
local cli = dofile "spec/support/cli.lua"
local checks = dofile "spec/support/checks.lua"
local has = checks.has
local terminal = dofile "spec/support/terminal.lua"

local open                                        -- the terminal of the current test

after_each(function()
  if open then open:close() end
  open = nil
end)

teardown(function()
  cli.remove()
  terminal.remove()
end)

cli.write(cli.dir .. "/small_net.lua", cli.read "spec/support/small_net.lua")

-- A lesson of these lines: its status, stdout and stderr.
local function lesson(lines, arguments)
  cli.write(cli.dir .. "/lines", lines)
  return cli.agad(("teach weave --net small_net.lua --batch 16 --gamma .05 --threads 1 --set min_anom=2 --limit 60 %s "
    .. "< lines"):format(arguments or ""))
end

local function at_prompt(t, text)
  return t:wait(function(screen)
    local _, last = screen:find(text, 1, true)
    return last and screen:find("\nteach>\n$", last) ~= nil
  end)
end

describe("agad teach at a terminal", function()
  it("asks, completes, stops training at Ctrl-C, shows pictures, and fits into 40 columns", function()
    if terminal.missing then pending(terminal.missing) end
    local command = ("cd %s && exec %s teach weave --net small_net.lua --batch 16 --gamma .05 --threads 1 --limit 60 "
      .. "--set min_anom=2"):format(cli.dir, cli.launcher)
    open = terminal.start("sh -c '" .. command .. "'", {columns = 40, lines = 100})
    open:wait "teach>"
    open:press "Enter"
    local screen = at_prompt(open, "stage 1 of 8: reconstruct")
    assert.is_truthy(screen:find("tensor   shape", 1, true))
    for line in screen:gmatch "[^\n]+" do assert.is_true((utf8.len(line) or 0) <= 40) end
    open:enter("plot", "rows: x; x_hat; |x - x_hat|")
    at_prompt(open, "rows: x;")
    open:type "what if adv_a"
    open:press "Tab"
    open:wait "what if adv_anom"
    open:press "C-c"
    at_prompt(open, "^C")
    open:enter("run to 100000", "run to 100000")
    open:press "C-c"
    at_prompt(open, "before step ")
    open:enter("back", "back")
    at_prompt(open, "before step 2 (epoch 1)")
    open:press "C-d"
    open:wait "status 0"
  end)
end)

describe("agad teach", function()
  it("walks through steps, back, under other options, and draws and saves", function()
    local status, out, err = lesson [[
next

step
what if adv_anom=opposite
set lambda.con 10
set adv_anom = off
back
step 2
plot step.png
save model.safetensors
where
run to 2
help
quit
never reached]]
    assert.equal("", err)
    assert.equal(0, status)
    has(out, "step 1, stage 1 of 8: reconstruct (epoch 1; 14 normals, 2 known anomalies)",
      "Algorithm 1, line 3: x^ = G(x)", "step 1, stage 2 of 8: discriminate", "step 1, stage 8 of 8: guard_collapse",
      "what if adv_anom = opposite", "wrote step.png", "wrote model.safetensors",
      "after stage 8 of 8: guard_collapse (epoch 1)", "(epoch 3)", "set KEY VALUE")
    assert.matches("^\x89PNG", cli.read(cli.dir .. "/step.png"))
    assert.equal(0, (cli.agad "info model.safetensors"))
  end)

  it("goes on after a command that fails, with one line each, and then ends with status 1", function()
    local status, out, err = lesson [[
back
frobnicate
step many
set seed 2
set lambda.cn 3
what now
what if
run
save
next]]
    assert.equal(1, status)
    has(out, "stage 1 of 8")
    assert.equal(9, select(2, err:gsub("agad: [^\n]*\n", "")))
    has(err, "agad: back: this is the beginning of the lesson\n", "agad: unknown command frobnicate; known: back, ",
      "agad: step many: a whole number is needed\n", "agad: set: seed belongs to the whole lesson",
      "did you mean lambda.con?", "agad: what: say what if", "agad: what if: give an option and a value",
      "agad: run: say how far", "agad: save: give a file")
  end)

  it("goes on from the state before a stage of one's own that raises, or that Ctrl-C ends", function()
    cli.write(cli.dir .. "/mine.lua", [[
local loss, luv, nn = require "agad.loss", require "luv", require "agad.nn"
local calls = 0
return {name = "mine", options = {epochs = 2, ema = 0.0}, input = {0, 1},
  nets = function(_, shape) return {g = nn.builder(shape):conv(shape[1], {kernel = 3, padding = 1}):build "g"} end,
  picture = "g", score = {"l2"}, average = {"g"},
  phases = {{name = "train", updates = {g = {nets = {"g"}}}, step = {
    {"rebuild", function(s) s.x_hat = s.net.g(s.x) end},
    {"measure", function(s)
      calls = calls + 1
      if calls == 2 then error "not today" end
      if calls == 3 then luv.kill(luv.os_getpid(), "sigint") end
      while calls == 3 do end
      s.loss.rec = loss.mse(s.x_hat, s.x)
      s:backward("g", s.loss.rec)
    end}, "g_update"}}}}]])
    cli.write(cli.dir .. "/lines", "step\nnext\nnext\nwhere\nnext\nwhere\nnext\nback 2\n")
    local status, out, err = cli.agad "teach weave --method mine.lua --batch 16 --threads 1 --limit 60 < lines"
    assert.equal(1, status)
    assert.equal("agad: step 2: stage measure: not today; the lesson is where it was before this stage\n"
      .. "agad: interrupted\n", (err:gsub("mine%.lua:%d+: ", "")))
    assert.equal(2, select(2, out:gsub("in step 2, after stage 1 of 3: rebuild", "")))
    has(out, "step 2, stage 2 of 3: measure", "before step 1 (epoch 1)")
  end)

  it("prints JSON, an object a command, also of losses that are no numbers", function()
    local status, out = lesson("step\nback\nset lr 1e30\nstep 2\n", "--json --precision fp32")
    assert.equal(0, status)
    local rows = {}
    for line in out:gmatch "[^\n]+" do rows[#rows + 1] = agad.core.json_decode(line) end
    assert.equal(4, #rows)
    assert.same({"guard_collapse", 14, 1}, {rows[1].stage, rows[1].normals, rows[1].step})
    assert.same({step = 1, epoch = 1}, rows[2])
    assert.equal(2, rows[4].step)
    assert.is_truthy(out:match "[^\n]+\n$":find('"generator":null', 1, true))
  end)

  it("refuses wrong arguments before it starts", function()
    cli.refuses(2, "teach weave --memory none", "teach: memory = \"none\"")
    cli.refuses(2, "teach weave --method agda", "unknown method")
    cli.refuses(2, "teach", "missing argument 'data'")
  end)
end)
