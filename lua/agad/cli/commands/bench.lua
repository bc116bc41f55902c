-- agad bench: speed and memory of the training step and of scoring, beside what the machine itself can do, and beside
-- PyTorch (agad/bench).

local common = require "agad.cli.common"
local interrupt = require "agad.base.interrupt"
local words = require("agad.base.options").words

local OF_PEER = {"net", "batch", "precision", "threads", "device", "channels", "seed"}

-- The typed options, and those among them that are not this command's own.
local function configure(agad, args)
  local given = common.given(args)
  if given.method and given.method ~= "agad" then
    common.fail(("method = %s: agad bench times the method agad only"):format(given.method), 2)
  end
  local method = common.usage(require("agad.train.method").load, "agad")
  local config = common.usage(agad.options.resolve, method, given)
  local o = {net = given.net, batch = given.batch and config.batch, precision = given.precision and config.precision,
    device = config.device, channels = given.channels and config.channels or 3,
    size = given.size and config.size or 32, all = args.all, rounds = args.rounds, explain = args.explain,
    profile = args.profile, options = {}}
  if o.precision == "auto" then o.precision = nil end
  if o.device == "auto" then o.device = agad.devices > 0 and "cuda" or "cpu" end
  for name, v in pairs(given) do
    if o[name] == nil and name ~= "precision" and name ~= "threads" then o.options[name] = v end
  end
  if config.threads then agad.core.threads(config.threads) end
  return o, given
end

-- The peer to measure, or nil.
local function peer_of(agad, args, o, given)
  if not args.peer then return nil end
  local peer, plan = require "agad.bench.peer", require "agad.bench.plan"
  if o.net and not plan.is_known(o.net) then
    common.fail(("--peer has the nets naive, unet and unet++ only, not %s"):format(o.net), 2)
  end
  for _, name in ipairs(require("agad.base.values").keys(given)) do
    if not common.contains(OF_PEER, name) and not (name == "size" and o.size == 32) then
      common.fail(("--peer has no option %s; leave out one of the two"):format(name), 2)
    end
  end
  if o.device ~= "cpu" and o.device ~= "cuda" then
    common.fail(("--peer runs on cpu and cuda only, not on %s"):format(o.device), 2)
  end
  local forms = {}
  for _, form in ipairs(plan.forms) do
    local wanted = not args.forms or common.contains(args.forms, form.name)
    if wanted and (not form.device or form.device == o.device) then forms[#forms + 1] = form end
  end
  local ok, reason = peer.can_import(args.peer, "torch")
  if not ok then common.fail("--peer " .. reason) end
  return {python = args.peer, forms = forms, emulated = o.device == "cpu" and not select(2, agad.core.capability())}
end

local function append(path, row)
  local file, reason = io.open(path, "a")
  local ok = file
  if file then
    ok, reason = file:write(require("agad.core").json_encode(row), "\n")
    local closed, why = file:close()
    ok, reason = ok and closed, reason or why
  end
  if not ok then common.fail(("cannot append to %s: %s"):format(path, reason)) end
end

local function run(args)
  if args.json and args.markdown then common.fail("give either --json or --markdown, not both", 2) end
  if args.all and args.batch then common.fail("give either --all or --batch, not both", 2) end
  if args.forms and not args.peer then common.fail("--forms needs --peer", 2) end
  local agad = require "agad"
  interrupt.arm()
  if args.append then common.check_writable(args.append) end
  local o, given = configure(agad, args)
  local peer = peer_of(agad, args, o, given)
  local plan = require("agad.bench.plan").rows(o)
  for _, one in ipairs(plan) do common.usage(agad.nn.program, one.net, {o.channels, o.size, o.size}) end
  local show = require("agad.train.progress").new {quiet = args.quiet}
  local rows, call_ns = {}, require("agad.bench.machine").call_cost()
  local emulated = peer and peer.emulated and not o.precision
  if emulated then
    show {kind = "note", text = "bf16 is measured without the peer: this processor has no bf16 instructions, which " ..
      "PyTorch would emulate; --precision bf16 measures it"}
  end
  local whole, reason = pcall(function()
    for _, row in ipairs(plan) do
      row.call_ns = call_ns
      for name, v in pairs(o) do if row[name] == nil then row[name] = v end end
      row = require("agad.bench.measure").row(row, not (emulated and row.precision == "bf16") and peer or nil, show)
      rows[#rows + 1] = row
      if args.append then append(args.append, row) end
      if args.json then common.print_json(row) end
    end
  end)
  show:clear()
  local report = require "agad.bench.report"
  if #rows > 0 and not args.json then                      -- also those before Ctrl-C
    require("agad.evaluate.report").out(args.markdown and report.markdown(rows) or report.text(rows))
  end
  if not whole then error(reason, 0) end
end

return {
  help = "Measure the speed of training and scoring, also beside PyTorch",
  arguments = function(c, add)
    add.options(c, "net batch channels size")
    c:flag "--all":description "several batch sizes of each net, instead of one"
    c:option "--rounds":argname "N":default "5":convert(function(given)
      local n = math.tointeger(tonumber(given))
      return n and n >= 1 and n <= 1000 and n or nil,
        "--rounds " .. given .. ": it must be a whole number from 1 to 1000"
    end):description "rounds in which measurements take turns; a figure is the median of its rounds"
    c:option "--peer":argname "PYTHON":description("a Python with torch, for example python3: PyTorch's training " ..
      "step and scoring, measured in turn with this program's")
    c:option "--forms":argname "LIST":convert(function(given)
      local list, known = {}, {}
      for i, form in ipairs(require("agad.bench.plan").forms) do known[i] = form.name end
      for name in (given .. ","):gmatch "([^,]*)," do
        if not common.contains(known, name) then
          return nil, ("--forms %s: %s is not one of %s"):format(given, name, words(known))
        end
        list[#list + 1] = name
      end
      return list
    end):description("the forms of the peer, separated by commas: eager, fused (Adam), compiled, graph (one CUDA " ..
      "graph of the step); default: all")
    c:flag "--explain":description "also list how each convolution is computed, and what each way of it took"
    c:flag "--profile":description("also list where a step's time goes, by kind of work and by layer, measured in " ..
      "further steps; on a GPU these take longer than the others, as each layer is waited for")
    c:flag "--markdown":description "print the table in Markdown"
    c:option "--append":argname "FILE":description "also add the rows to a file, as one line of JSON each"
  end,
  run = run,
}
