-- agad info: describes a model file, a run directory, a net or a data set (agad/data/inspect.lua) in one table, printed
-- as JSON or as text.

local common = require "agad.cli.common"
local errors = require "agad.base.errors"
local wrap = require("agad.base.text").wrap
local lfs = require "lfs"
local named_sets = require "agad.data.named"
local methods = require "agad.train.method"
local options = require "agad.options"
local sorted_keys = require("agad.base.values").keys
local format = require("agad.base.text").format
local sort = require("agad.base.text").sort
local text_of = require("agad.base.text").of

local function read_json(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read "a"
  file:close()
  local ok, value = errors.try(require("agad.core").json_decode, text)
  if not ok then common.fail(("%s: this is not valid JSON: %s"):format(path, value)) end
  return value
end

local function of_run(dir)
  local row = read_json(dir .. "/result.json") or {}
  row.kind, row.path, row.config = "run", dir, row.config or read_json(dir .. "/config.json")
  row.finished = lfs.attributes(dir .. "/result.json") ~= nil
  return row
end

local function of_model(agad, path)
  local row = agad.model.open(path).info
  row.kind, row.path, row.programs, row.held_out_scores = "model", path, nil, nil
  return row
end

-- A net, with options of its own: --set norm=none.
local function of_net(agad, name, given, out)
  local own, known = {}, agad.nn.options(name) or {}
  for key, v in pairs(given) do
    if known[key] then own[key], given[key] = v, nil end
  end
  local config = common.prepare(given, {name = name, options = known})
  local shape = {config.channels or 3, config.size or 32, config.size or 32}
  if out and not out:find "%.svg$" then
    common.fail(("--out %s: for a net, give a file that ends in .svg"):format(out), 2)
  end
  local program = common.usage(agad.nn.program, name, shape, own)
  local row = agad.nn.net(program):info()
  row.kind, row.shape, row.name = "net", shape, name
  for _, l in ipairs(row.layers) do
    l.bytes = 4
    for _, d in ipairs(l.shape) do l.bytes = l.bytes * d end
  end
  if out then
    common.check_writable(out)
    row.drawing = require("agad.nn.draw").svg(program, out)
  end
  return row
end

-- The row of a data set; how many mean pictures could not be written; and how many normals a training would hold out, a
-- text, or nil if that cannot be told.
local function of_data(args, config)
  if args.out then
    require("agad.base.folder").make(args.out)
    common.check_writable(args.out:gsub("/+$", "") .. "/.agad")
  end
  local named = {command = "info", data = args.thing, root = args.root, quiet = args.quiet}
  local set = common.load(named, config)
  local known, held_out = errors.try(function()
    local picks = require("agad.train.auto").new({}, args.thing)
    return require("agad").task.about_holdout(set, picks:task(set, {normal = config.normal}))
  end)
  local row, undrawn = require("agad.data.inspect").set(set, {out = args.out})
  return row, undrawn, known and held_out or nil
end

-- Text --------------------------------------------------------------------------------------------

local function grouped(n)                         -- 2137728 -> 2,137,728
  return (("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function shape_text(shape) return table.concat(shape, " x ") end

local function print_layers(layers)
  local lines = {{"layer", "", "output", "parameters", "MACs", "bytes"}}
  for _, l in ipairs(layers) do
    lines[#lines + 1] = {l.name, l.layer, shape_text(l.shape), l.params > 0 and grouped(l.params) or "-",
      l.macs > 0 and grouped(l.macs) or "-", l.bytes and grouped(l.bytes) or "-"}
  end
  common.print_table(lines)
end

local function cell(v) return type(v) == "userdata" and "-" or tostring(v) end      -- JSON's null

local function print_classes(classes)
  local lines = {{"class", "train", "test", "best shortcut", "AUROC"}}
  for _, c in ipairs(classes) do
    local s = type(c.shortcut) == "table" and c.shortcut or {name = "-"}
    lines[#lines + 1] = {c.name, cell(c.train), cell(c.test), s.name, s.auroc and format("%.2f", s.auroc) or "-"}
  end
  common.print_table(lines)
end

-- A nested table as words: "lambda.adv=1 lambda.con=50 ...", lists as "1,2".
local function flat(v, prefix, into)
  if type(v) == "table" and #v == 0 then
    for _, key in ipairs(sorted_keys(v)) do flat(v[key], prefix and prefix .. "." .. key or key, into) end
  elseif type(v) ~= "userdata" then                -- JSON's null
    local text = tostring(v)
    if type(v) == "table" then
      local items = {}
      for i, x in ipairs(v) do items[i] = type(x) == "table" and table.concat(flat(x, nil, {}), " ") or text_of(x) end
      text = table.concat(items, type(v[1]) == "table" and ", " or ",")
    end
    if math.type(v) == "float" then text = format("%.6g", v) end
    into[#into + 1] = (prefix and prefix .. "=" or "") .. text
  end
  return into
end

local function print_fact(key, words)
  io.stdout:write(wrap(("  %-18s %s"):format(key, table.concat(words, " ")), 79, 21), "\n")
end

local function print_data(row, thing)
  local function shown(p)                          -- its path below the folder that was named
    if not p.path then return "row " .. p.row end
    return p.path:sub(1, #thing + 1) == thing .. "/" and p.path:sub(#thing + 2) or p.path
  end
  if type(row.sizes) == "table" then
    for _, name in ipairs {"height", "width", "file_bytes"} do
      local s = row.sizes[name]
      local form = "%s to %s, median %s"
      if s then print_fact(name, {form:format(grouped(s.min), grouped(s.max), grouped(s.median))}) end
    end
  end
  local d = row.duplicates
  print_fact("duplicates", {("in train %s, in test %s, in both %s; in different classes %s"):format(
    cell(d.train), cell(d.test), cell(d.between), cell(d.conflicting))})
  for _, pair in ipairs(d.examples) do
    local words = {}
    for i, p in ipairs(pair) do words[i] = ("%s (%s, %s)"):format(shown(p), p.split, p.class) end
    print_fact("", {table.concat(words, " = ")})
  end
end

local function words_of(key, v)
  if key == "shape" then return {shape_text(v)} end
  if key == "params" or key == "macs" or key == "bytes" or key == "file_bytes" then return {grouped(v)} end
  return flat(v, nil, {})
end

local below = {kind = true, layers = true, classes = true, config = true, path = true, name = true, sizes = true,
  duplicates = true}

local function print_row(row, thing)
  io.stdout:write(row.kind, " ", row.path or row.name, "\n")
  local keys = {}
  for key, v in pairs(row) do
    local nothing = type(v) == "userdata" or type(v) == "table" and next(v) == nil
    if not below[key] and not nothing then keys[#keys + 1] = key end
  end
  sort(keys)
  if row.config then keys[#keys + 1] = "config" end
  for _, key in ipairs(keys) do
    if key ~= "notes" then print_fact(key, words_of(key, row[key])) end
  end
  if row.duplicates then print_data(row, thing) end
  for _, note in ipairs(row.notes or {}) do print_fact("note", {note}) end
  if row.layers then print_layers(row.layers) end
  if row.classes then print_classes(row.classes) end
end

local function run(args)
  local agad = require "agad"
  local thing, mode, row = args.thing, lfs.attributes(args.thing, "mode"), nil
  local held_out, undrawn = nil, 0
  local given = common.given(args)
  local is_net = agad.nn.is_known(thing)
  local is_run = mode == "directory" and require("agad.train.rundir").is(thing)
  if common.contains(agad.data.names, thing) or agad.data.is_path(thing) and not is_run then
    row, undrawn, held_out = of_data(args, common.prepare(given))
  elseif is_net or thing:find "%.lua$" and mode == "file" then row = of_net(agad, thing, given, args.out)
  elseif mode == "file" or is_run then
    common.prepare(given)
    row = is_run and of_run(thing) or of_model(agad, thing)
  else
    common.fail(("%s: there is no such model file, run directory, net or data set (known sets: %s)"):format(thing,
      table.concat(agad.data.names, ", ")))
  end
  if args.out and row.kind ~= "data" and row.kind ~= "net" then
    common.fail(("--out works for data sets and nets only; %s is a %s"):format(thing, row.kind), 2)
  end
  if args.json then common.print_json(row)
  else
    if held_out then table.insert(row.notes, held_out) end
    print_row(row, thing:gsub("/+$", ""))
    if args.method then io.stdout:write("\n", options.describe(common.usage(methods.load, args.method)), "\n") end
  end
  if undrawn > 0 then common.fail(("%d of the mean pictures could not be written"):format(undrawn)) end
end

return {
  help = "Show a model, a run, a net or a data set",
  arguments = function(c, add)
    c:argument "thing":description(("a model file, a run directory, a net's name, or a data set: " ..
      "%s, a folder or a .csv file"):format(table.concat(named_sets.names, ", ")))
    add.root(c)
    add.options(c, "normal size channels")
    c:option "--out":argname "PATH":description("for a data set, the folder to write the mean picture of each " ..
      "class to; for a net, the .svg file to draw it in")
    c:option "--method":argname "NAME":description "also list the options of this method"
  end,
  run = run,
}
