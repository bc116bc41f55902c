-- The command agad teach: commands line by line, its one-line errors, its exit status.
-- To add a case: lines of input, and what they print.

local cli = dofile "spec/support/cli.lua"
local checks = dofile "spec/support/checks.lua"
local has = checks.has
teardown(cli.remove)

cli.write(cli.dir .. "/small_net.lua", cli.read "spec/support/small_net.lua")

-- A lesson of these lines: its status, stdout and stderr.
local function lesson(lines, arguments)
  cli.write(cli.dir .. "/lines", lines)
  return cli.agad(("teach weave --net small_net.lua --batch 16 --gamma .05 --threads 1 --set min_anom=2 --limit 60 %s "
    .. "< lines"):format(arguments or ""))
end

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

  it("refuses wrong arguments before it starts", function()
    cli.refuses(2, "teach weave --memory none", "teach: memory = \"none\"")
    cli.refuses(2, "teach weave --method agda", "unknown method")
    cli.refuses(2, "teach", "missing argument 'data'")
  end)
end)
