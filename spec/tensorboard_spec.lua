-- Events for TensorBoard: their bytes, and what TensorBoard itself reads of a run that was killed and resumed. The
-- latter needs Python with tensorboard, which `make test-deps` puts into build/python ($AGAD_TEST_PYTHON: elsewhere).
-- To add a case: a run with the option `tensorboard`, and what `read_by_tensorboard` gives of its directory.

local agad = require "agad"
local core = agad.core
local lfs = require "lfs"
local luv = require "luv"
core.threads(1)

local tensorboard = require "agad.train.tensorboard"
local checks = dofile "spec/support/checks.lua"
local small = dofile "spec/support/small_run.lua"
local task, with, quiet = small.task, small.with, small.quiet
local scratch = dofile "spec/support/scratch.lua"
local path, read, write = scratch.path, scratch.read, scratch.write
teardown(scratch.remove)

local libraries = os.getenv "AGAD_TEST_PYTHON" or lfs.currentdir() .. "/build/python"
local python = ("PYTHONPATH='%s' python3"):format(libraries)

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local function events_in(dir)
  local names = {}
  for name in lfs.dir(dir) do if tensorboard.is_events(name) then names[#names + 1] = name end end
  table.sort(names)
  return names
end

-- By TensorBoard's own readers: that of scripts, and (steps only) that of its server.
local script = [[
import json, sys
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
one = event_accumulator.EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
two = plugin_event_accumulator.EventAccumulator(sys.argv[1], tensor_size_guidance={"scalars": 0, "images": 0})
one.Reload(); two.Reload()
print(json.dumps({
  "scalars": {t: [[e.step, e.value] for e in one.Scalars(t)] for t in one.Tags()["scalars"]},
  "images": {t: [[e.step, e.width, e.height, len(e.encoded_image_string)] for e in one.Images(t)]
    for t in one.Tags()["images"]},
  "server": {t: [e.step for e in two.Tensors(t)] for t in two.Tags()["tensors"]}}))
]]

local function read_by_tensorboard(dir)
  local pipe = io.popen(("%s %s '%s' 2> %s"):format(python, write(path "read.py", script), dir, path "read.err"))
  local text = pipe:read "a"
  pipe:close()
  assert.matches("^{", text, read(path "read.err"))
  return core.json_decode(text)
end

local function needs_tensorboard()
  if not os.execute(python .. " -c 'import tensorboard' 2> /dev/null") then
    pending("Python has no tensorboard (make test-deps)")
  end
end

describe("an event", function()
  it("is the bytes that protocol buffers make of it, between checksums", function()
    assert.equal("1a00000000000000129bd82d0900000040fc54d94110032a0d0a0b0a046c6f7373150000003f35f132ef",
      hex(tensorboard.scalars(1700000000, 3, {loss = .5})))
    local version = "1800000000000000a37f4b220900000040fc54d9411a0d627261696e2e4576656e743a32eced8f9d"
    assert.equal(version, hex(tensorboard.head(1700000000, 1)):sub(1, #version))
  end)
end)

describe("a run with the option tensorboard", function()
  -- Killed after step 5 of 6, with a record half written, and resumed from the checkpoint of step 4.
  local dir, entries = path "killed", {}

  setup(function()
    local run = agad.trainer(task, with {tensorboard = true, checkpoint_steps = 4}, {dir = dir})
    checks.refused(run.fit, run, function(e) if e.kind == "step" and e.step == 5 then error("killed", 0) end end)
    run:close()
    local first = dir .. "/" .. events_in(dir)[1]
    write(first, read(first) .. tensorboard.scalars(1700000000, 6, {["loss/con"] = 99}):sub(1, 30))
    run = agad.trainer(task, with {tensorboard = true, checkpoint_steps = 4}, {dir = dir, resume = true})
    run:fit(quiet):evaluate()
    run:close()
    for line in io.lines(dir .. "/log.jsonl") do entries[#entries + 1] = core.json_decode(line) end
  end)

  it("writes a file at its start and another one when it is resumed, in the order of their names", function()
    local names = events_in(dir)
    assert.equal(2, #names)
    assert.is_truthy(read(dir .. "/" .. names[1]):find("\x1a\x0dbrain.Event:2", 1, true))
    assert.is_true(require("agad.train.rundir").is(dir))
  end)

  it("shows in TensorBoard every step of the log once", function()
    needs_tensorboard()
    local shown, expected = read_by_tensorboard(dir), {}
    local function add(tag, step, v)
      if type(v) ~= "number" then return end
      expected[tag] = expected[tag] or {}
      table.insert(expected[tag], {step, (("<f"):unpack(("<f"):pack(v)))})
    end
    for _, e in ipairs(entries) do
      for name, v in pairs(e.losses or {}) do add("loss/" .. name, e.step, v) end
      for name, v in pairs(e.rates or {}) do add("rate/" .. name, e.step, v) end
      if e.kind == "step" then add("epoch", e.step, e.epoch) end
      if e.kind == "step" then add("speed/images_per_second", e.step, e.images_per_second) end
      if e.kind == "evaluate" then add("held_out", e.step, e.val) end
      for _, name in ipairs(e.kind == "evaluate" and {"steady", "plain", "paper_like"} or {}) do
        add("auroc/" .. name, e.step, e["auroc_" .. name])
      end
    end
    assert.same({6, 6, 3}, {#expected["loss/con"], #expected["rate/generator"], #expected["auroc/steady"]})
    assert.same(expected, shown.scalars)
    for tag, points in pairs(expected) do
      local steps = {}
      for i, p in ipairs(points) do steps[i] = p[1] end
      assert.same(steps, shown.server[tag], tag)
    end
    local pictures = shown.images.examples
    assert.equal(3, #pictures)
    for i, p in ipairs(pictures) do
      assert.same({2 * i, 8 * (128 + 6) + 10, 3 * (128 + 6) + 10}, {p[1], p[2], p[3]})
      assert.is_true(p[4] > 1000)
    end
  end)

  it("has the same hash and numbers as one without, which writes no events", function()
    assert.equal(agad.options.hash(agad.trainer(task, with()).config),
      agad.options.hash(agad.trainer(task, with {tensorboard = true}).config))
    local run = agad.trainer(task, with(), {dir = path "plain"}):fit(quiet)
    run:close()
    assert.same({}, events_in(path "plain"))
    local last = entries[#entries]
    assert.equal("result", last.kind)
    assert.equal(run.history[3].auroc_steady, last.auroc_steady)
  end)

  it("leaves no events behind when another run takes its directory", function()
    local one = path "again"
    agad.trainer(task, with {tensorboard = true, epochs = 1}, {dir = one}):fit(quiet):close()
    assert.equal(1, #events_in(one))
    local run = agad.trainer(task, with {epochs = 1}, {dir = one})
    assert.equal(1, #events_in(one .. ".previous"))
    run:fit(quiet):close()
    assert.is_nil(lfs.attributes(one .. ".previous"))
    assert.same({}, events_in(one))
  end)

  it("of a method that gives neither reconstructions nor maps has none, and says so once", function()
    local notes = {}
    local run = agad.trainer(task, {method = "deep_sad", epochs = 2, pretrain_epochs = 1, batch = 16, threads = 1,
      evaluate_every = 1, tensorboard = true}, {dir = path "no_maps"})
    run:fit(function(e) if e.kind == "note" then notes[#notes + 1] = e.text end end)
    run:close()
    local said = 0
    for _, text in ipairs(notes) do said = said + (text:find "^pictures for TensorBoard" and 1 or 0) end
    assert.equal(1, said)
    checks.has(table.concat(notes, "\n"),
      "pictures for TensorBoard: method deep_sad gives neither reconstructions nor error maps")
    assert.equal(1, #events_in(path "no_maps"))
  end)
end)

describe("a full disk", function()
  it("under the log is a note, and the training goes on", function()
    if not lfs.attributes "/dev/full" then pending "there is no /dev/full" end
    local run, notes = agad.trainer(task, with(), {dir = path "full"}), {}
    luv.fs_symlink("/dev/full", path "full/log.jsonl")
    run:fit(function(e) if e.kind == "note" then notes[#notes + 1] = e.text end end)
    run:close()
    assert.equal(6, run.steps)
    assert.equal("log.jsonl: No space left on device; entries are missing from it", notes[1])
    assert.equal(1 + 3, #notes)                           -- the others are those of the evaluations
  end)

  it("under the events is a note, and the training goes on; what was written before can be read", function()
    local program = write(path "child.lua", ([[
      local agad = require "agad"
      agad.core.threads(1)
      local small = dofile "spec/support/small_run.lua"
      local run = agad.trainer(small.task, small.with {tensorboard = true, checkpoint_steps = 0}, {dir = %q})
      run:fit(function(e) if e.kind == "note" then print(e.text) end end)
      print("steps", run.steps)]]):format(path "limit"))
    local pipe = io.popen(([[bash -c 'trap "" XFSZ; ulimit -f 70; exec "%s" %s' 2>&1]]):format(
      os.getenv "AGAD" or "build/agad", program))
    local text = pipe:read "a"
    pipe:close()
    checks.has(text, "events for TensorBoard: File too large; no more of them are written", "steps\t6")
    assert.equal(1, select(2, text:gsub("events for TensorBoard", "")))
    needs_tensorboard()
    assert.equal(2, read_by_tensorboard(path "limit").images.examples[1][1])
  end)
end)
