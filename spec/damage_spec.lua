-- What harms a checkpoint: bytes cut or changed, tensors missing or added, a full disk, a stage that raises. It is
-- refused or loads the same, and the one before it stays as it was.
-- To add a case: a test that harms a checkpoint of the small run and expects it to be refused, or to load the same.

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"
core.threads(1)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local small = dofile "spec/support/small_run.lua"
local task, options, with, quiet, ended = small.task, small.options, small.with, small.quiet, small.ended

local scratch = dofile "spec/support/scratch.lua"
local folder, path, read, write = scratch.folder, scratch.path, scratch.read, scratch.write
teardown(scratch.remove)

local function resume(dir, more) return agad.trainer(task, with(more), {dir = dir, resume = true}) end

-- A run directory whose run was stopped after some steps; its state's bytes.
local function stopped(name, steps, more)
  local run = agad.trainer(task, with(more), {dir = path(name)})
  run:fit(function(e) return e.kind == "step" and e.step == steps and "stop" or nil end)
  run:close()
  return path(name), read(path(name) .. "/state.safetensors")
end

-- All that a checkpoint gives back: each tensor to the bit, the counts, the sampler, the random state.
local function picture(run)
  local tensors, names = run.step:tensors(), {}
  for name, t in pairs(run:tensors(false)) do tensors[name] = t end
  for name, t in pairs(run.best.tensors) do tensors["best." .. name] = t end
  for name in pairs(tensors) do names[#names + 1] = name end
  table.sort(names)
  local parts = {core.json_encode {run.epoch, run.done, run.steps, run.images, run.history, run.losses, run.per_batch,
    run.known, run.best.epoch, run.best.value, run.sampler:state()}}
  for _, name in ipairs(names) do parts[#parts + 1] = name .. tensors[name]:tostring_bytes() end
  return core.hash(table.concat(parts))
end

describe("a checkpoint", function()
  -- Of three places one lies in the length and the header with its metadata; every other one is a cut.
  local function damage(count)
    local dir, bytes = stopped("damage" .. count, 5)
    local run = resume(dir)
    local right, header = picture(run), 8 + string.unpack("<I8", bytes)
    run:close()
    assert.is_true(header > 10000 and #bytes > 20 * header)
    math.randomseed(count)
    local cut_loaded, loaded = 0, 0
    for i = 1, count do
      local at = i % 3 == 0 and math.random(0, header - 1) or math.random(0, #bytes - 1)
      local cut, other = i % 2 == 0, bytes:byte(at + 1) ~ (1 << math.random(0, 7))
      if i % 8 == 1 then other = math.random(0, 255) end            -- now and then the byte that it was
      write(dir .. "/state.safetensors", cut and bytes:sub(1, at)
        or bytes:sub(1, at) .. string.char(other) .. bytes:sub(at + 2))
      local ok, result = pcall(resume, dir)
      if ok then
        assert.equal(right, picture(result), at)
        result:close()
        loaded, cut_loaded = loaded + 1, cut_loaded + (cut and 1 or 0)
      else
        assert.is_nil(tostring(result):find "\n", result)
        has(result, dir .. "/state.safetensors: ")
      end
    end
    assert.equal(0, cut_loaded)
    assert.is_true(loaded <= count // 50, loaded .. " were loaded")
    write(dir .. "/state.safetensors", bytes)
    local again = resume(dir)
    ended(again:fit(quiet))                                         -- and none of the refusals has changed the run
    again:close()
  end

  it("that is cut or changed anywhere is refused, or loads the same", function() damage(60) end)

  it("that is cut or changed at any of 1,000 places is refused, or loads the same #slow", function() damage(1000) end)

  it("whose checksum has lost its name is refused, though nothing tells that it is wrong", function()
    local dir, bytes = stopped("nameless", 2)
    local at = bytes:find("agad.checksum", 1, true)
    write(dir .. "/state.safetensors", bytes:sub(1, at - 1) .. "A" .. bytes:sub(at + 1))
    has(refused(resume, dir), dir .. "/state.safetensors: it has no checksum")
    write(dir .. "/state.safetensors", bytes)
    resume(dir):close()
  end)

  it("with a tensor missing, added, or of another shape or type is refused", function()
    local dir = stopped("tensors", 5)
    local name = dir .. "/state.safetensors"
    local good, metadata = core.load(name)
    metadata["agad.checksum"] = nil
    local function with_tensors(change)
      local tensors, list = {}, {}
      for key, t in pairs(good) do tensors[key] = t end
      change(tensors)
      for key, t in pairs(tensors) do list[#list + 1] = {name = key, tensor = t} end
      core.save(name, list, core.json_encode(metadata))
      return dir
    end
    local weight, moment = "generator.conv1.weight", "update.generator.m.generator.conv1.weight"
    has(refused(resume, with_tensors(function(t) t[weight] = nil end)), name, "tensor " .. weight .. " is missing")
    has(refused(resume, with_tensors(function(t) t[moment] = nil end)), name, moment .. " is missing")
    has(refused(resume, with_tensors(function(t) t["random.cpu"] = nil end)), name, "random.cpu is missing")
    has(refused(resume, with_tensors(function(t) t.extra = agad.ones(2) end)), name, "unexpected tensor extra")
    has(refused(resume, with_tensors(function(t) t["best.extra"] = agad.ones(2) end)), name, "tensor best.extra")
    has(refused(resume, with_tensors(function(t) t[weight] = agad.ones(4, 1, 3, 3) end)), weight, "a different shape")
    has(refused(resume, with_tensors(function(t) t[weight] = t[weight]:to "float64" end)), weight, "is float64, not")
    core.save(name, {{name = "a", tensor = agad.ones(1)}}, "{}")
    has(refused(resume, dir), name, "not the checkpoint of a run")
    local run = resume(with_tensors(function() end))                -- the refusals do not keep the directory locked
    assert.equal(5, run.steps)
    run:close()
  end)

  it("of another configuration is refused, with each key that differs", function()
    local dir = stopped("other", 2)
    has(refused(resume, dir, {epochs = 2, lr = 1e-4, lambda = {adv = 2}, augment = {flip = false}, seed = 3}),
      "cannot resume " .. dir, "a different configuration (augment.flip = true, now false; augment.shift = 1, now 0; "
        .. "epochs = 3, now 2; lambda.adv = 1.0, now 2.0; lr = 0.0002, now 0.0001; seed = 1, now 3)")
    has(refused(resume, dir, {schedule = {lr = "cosine:2e-4:0"}}), "(schedule.lambda.con = {", "now not set)")
  end)
end)

describe("a model file", function()
  it("with a tensor missing, added or of another size is refused", function()
    local run = agad.trainer(task, with {epochs = 1}):fit(quiet)
    local name = path "model.st"
    run:save(name)
    local good, metadata = core.load(name)
    metadata["agad.checksum"] = nil
    local function with_tensors(change)
      local tensors, list = {}, {}
      for key, t in pairs(good) do tensors[key] = t end
      change(tensors)
      for key, t in pairs(tensors) do list[#list + 1] = {name = key, tensor = t} end
      core.save(name, list, core.json_encode(metadata))
      return name
    end
    local weight = "generator.conv1.weight"
    assert.equal(1, agad.model.open(with_tensors(function() end)).shape[1])
    has(refused(agad.model.open, with_tensors(function(t) t[weight] = nil end)), name, weight .. " is missing")
    has(refused(agad.model.open, with_tensors(function(t) t[weight] = agad.ones(4, 1, 3, 3) end)), name, weight)
    for _, extra in ipairs {"extra", "generator.conv9.weight", "discriminator.conv9.weight", "critic.conv1.weight"} do
      has(refused(agad.model.open, with_tensors(function(t) t[extra] = agad.ones(2) end)), name,
        "unexpected tensor " .. extra)
    end
  end)
end)

-- Trains on in the run directory arg[1], then saves to arg[2]: prints every note, and whether saving worked.
local child = path "child.lua"
write(child, [[
  local agad = require "agad"
  agad.core.threads(1)
  local small = dofile "spec/support/small_run.lua"
  local o = agad.core.json_decode(arg[3])
  local run = agad.trainer(small.task, o, {dir = arg[1], resume = true})
  run:fit(function(e) if e.kind == "note" then print("note: " .. e.text) end end)
  print("steps: " .. run.steps)
  print("save: ", pcall(run.save, run, arg[2]))
  local row = run:evaluate()
  print("auroc: " .. row.auroc)
  print("row: " .. table.concat(row.notes, "\nrow: "))
]])

-- Runs a shell command; what it printed.
local function output(...)
  local pipe = io.popen("(" .. string.format(...) .. ") 2>&1")
  local text = pipe:read "a"
  pipe:close()
  return text
end

describe("a full disk", function()
  local program = os.getenv "AGAD" or lfs.currentdir() .. "/build/agad"

  -- The checkpoint of step 2 is there; those of 4 and 6, of the end, and the model have no room.
  local function expect(dir, text, before, reason)
    local state = dir .. "/state.safetensors"
    local count = select(2, text:gsub("note: checkpoint of step %d+: /[^\n:]*/state.safetensors: cannot be written: "
      .. reason .. "; the previous checkpoint is kept", ""))
    assert.is_true(count >= 3, text)
    has(text, "note: checkpoint of step 4: ", "save: \tfalse", "row: checkpoint of step", "auroc: 0.",
      "model.st: cannot be written: " .. reason, "steps: " .. small.whole().steps)
    assert.is_true(before == read(state), "the checkpoint has changed")
    for name in lfs.dir(dir) do assert.is_nil(name:find "new$", name) end
    assert.is_nil(lfs.attributes(dir .. "/model.st"))
    local run = resume(dir)
    assert.equal(2, run.steps)
    ended(run:fit(quiet))                                           -- with room again it ends as if nothing had been
    run:close()
  end

  it("leaves the checkpoint before it, and training goes on to its end", function()
    local dir, before = stopped("disk", 2)
    local room = #before + (1 << 20)                                -- not enough for a second one, nor for the model
    if output("unshare -Urm sh -c 'mount -t tmpfs none %s && echo fine'", folder) ~= "fine\n" then
      pending "no tmpfs can be mounted here"
      return
    end
    lfs.mkdir(path "small")
    local text = output([[unshare -Urm sh -c 'mount -t tmpfs -o size=%d none %s && cp -r %s %s/run &&
      %s %s %s/run %s/run/model.st "$0"; rm -r %s/*; cp -r %s/run/* %s' '%s']], room, path "small", dir, path "small",
      program, child, path "small", path "small", dir, path "small", dir, core.json_encode(options))
    expect(dir, text, before, "No space left on device")
  end)

  it("and a limit on file sizes alike leave the checkpoint before, and training goes on #slow", function()
    local dir, before = stopped("limit", 2)
    local text = output([[bash -c 'trap "" XFSZ; ulimit -f 1000; exec %s %s %s %s "$0"' '%s']], program, child, dir,
      dir .. "/model.st", core.json_encode(options))
    expect(dir, text, before, "File too large")
  end)

  it("at the command line is a warning, then one line with what to do for the model #slow", function()
    lfs.mkdir(path "cli")
    local function train(limit, more)
      return output([[bash -c 'trap "" XFSZ; ulimit -f %s; exec %s train weave --net examples/small_net.lua --limit 60 \
        --epochs 2 --batch 30 --threads 1 --set checkpoint_steps=1 --out %s/m.st --quiet %s > %s/out'; echo $?]],
        limit, program, path "cli", more, path "cli")
    end
    local text = train(200, "")
    assert.matches("^agad: [^\n]+\n1\n$", text)
    has(text, "cli/m.st: cannot be written: File too large")
    assert.is_nil(text:find "--resume")                              -- there is no checkpoint either
    assert.is_nil(lfs.attributes(path "cli/m.run/state.safetensors"))
    assert.equal("0\n", train("unlimited", ""))
    local before = read(path "cli/m.st")
    text = train(200, "--resume")
    has(text, "cli/m.st: cannot be written: File too large; the trained weights are in",
      "m.run: run again with --resume")
    assert.is_true(before == read(path "cli/m.st"))
    os.remove(path "cli/m.st")
    assert.equal("0\n", train("unlimited", "--resume"))
    assert.is_true(before == read(path "cli/m.st"))
  end)

  it("under standard output is an error, not silence", function()
    if lfs.attributes("/dev/full", "mode") ~= "char device" then pending "there is no /dev/full" return end
    for _, arguments in ipairs {"info naive", "info naive --json"} do
      assert.equal("agad: standard output cannot be written: No space left on device\n1\n",
        output("bash -c '%s %s > /dev/full'; echo $?", program, arguments))
    end
  end)
end)
