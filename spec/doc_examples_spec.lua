-- Runs every example of the documentation (`? NAME`) as if it were typed into the REPL, in a folder that has what they
-- name. To add one: `-- @example code`, on one line, which may use
--   set, task, run (trained), model, x (a tensor), b (a builder), parts/, normal/, defect/, parts.csv, new.png,
--   digit8.safetensors and one.run.

local cli = dofile "spec/support/cli.lua"

teardown(cli.remove)

local script = [[
  local doc = require "agad.cli.doc"
  local evaluate = require "agad.cli.repl.evaluate"
  local printing = require "agad.cli.repl.print"
  local repl = require "agad.cli.repl"
  local traceback = require "agad.cli.repl.traceback"

  local agad = require "agad"
  agad.set_num_threads(1)
  for _, folder in ipairs {"parts/good", "parts/bad", "normal", "defect"} do
    os.execute("mkdir -p " .. folder)
    for i = 1, 12 do
      agad.save(("%s/%d.png"):format(folder, i), agad.rand(3, 32, 32))
    end
  end
  agad.save("new.png", agad.rand(1, 32, 32))
  io.open("parts.csv", "w"):write("path,label\nparts/good/1.png,good\nparts/bad/1.png,bad\n"):close()

  local session = repl.session(setmetatable({}, {__index = _G}))
  local env = session.env
  env.set = agad.data.weave {train_normals = 40, test_normals = 12, test_defects = 12}
  env.task = agad.task.one_vs_rest(env.set, {gamma = .05})
  local options = {net = "naive", batch = 8, epochs = 1, evaluate_every = 1, threads = 1}
  local function trainer(dir) return agad.trainer(env.task, options, {dir = dir}) end
  env.run = trainer "one.run"
  env.run:fit(function() end)
  env.run:save "digit8.safetensors"
  env.model = agad.model.open "digit8.safetensors"
  env.x = agad.rand(2, 3)
  local kept = {}
  for name, value in pairs(env) do kept[name] = value end

  local count, failed = 0, io.open("failed", "w")
  for _, entry in ipairs(doc.entries()) do
    for _, code in ipairs(entry.examples or {}) do
      count = count + 1
      for name, value in pairs(kept) do env[name] = value end
      env.b = agad.nn.builder {1, 32, 32}
      if entry.name:find "run:fit$" or entry.name:find "run:train_step$" then env.run = trainer() end
      local list, problem = evaluate.read(code)
      local ok, caught = false, {err = problem and (problem.message or problem)}
      if list then
        ok, caught = evaluate.run(session, list, code, function(results)
          for i = 1, results.n do printing.text(results[i], {width = 79}) end
        end)
      end
      if not ok then failed:write(entry.name, "\t", (traceback.show(caught, session, {}, 79)), "\n") end
    end
  end
  failed:close()
  io.open("count", "w"):write(count):close()
]]

it("every example of the documentation runs", function()
  cli.write(cli.dir .. "/s.lua", script)
  local status, _, err = cli.agad("s.lua", "TERM=dumb")
  assert.equal(0, status, err)
  local failed = {}
  for line in cli.read(cli.dir .. "/failed"):gmatch "[^\n]+" do
    local is_absent = line:find "^agad%.data%.[%w_]+\t" and line:find("agad fetch", 1, true)    -- a set's files
    if not is_absent then failed[#failed + 1] = line end
  end
  assert.same({}, failed)
  assert.is_true(tonumber(cli.read(cli.dir .. "/count")) >= 80)
end)
