-- agad score: one row per picture, in the order given, printed as soon as it is computed, while the files after it are
-- decoded. A picture that cannot be read costs its own row only: a note names it, the last line counts it, and the exit
-- status is 1, unless it was found in a folder rather than named by the user. `strict` ends the command at the first
-- one, after the rows before it.

local common = require "agad.cli.common"
local errors = require "agad.base.errors"
local format = require("agad.base.text").format
local interrupt = require "agad.base.interrupt"
local lfs = require "lfs"
local printable = require("agad.base.text").printable

local NOTES = 5                                   -- how many files are named; the others are only counted
local ENOENT, ENOTDIR = 2, 20

-- What is to be scored ----------------------------------------------------------------------------

-- Adds the pictures below a folder, sorted by name, but not masks. Names that cannot be followed are problems.
local function add_folder(list, path, notes)
  local formats, masks = require "agad.data.formats", require "agad.data.mask_names"
  local ok, names, unreadable, others = errors.try(require("agad.core").data.list, path)
  if not ok then list[#list + 1] = {named = true, problem = errors.text(names)} return end
  local base, own = path:gsub("/+$", ""), {}
  local without_masks = masks.split(base, names, {}, own)
  if #without_masks < #names then names = without_masks else own = {} end
  if #others > 0 and #names > 0 then own[#own + 1] = formats.left_out("picture", others) end
  for _, text in ipairs(own) do notes[#notes + 1] = path .. ": " .. text end
  for _, name in ipairs(names) do list[#list + 1] = {path = base .. "/" .. name} end
  for _, problem in ipairs(unreadable) do list[#list + 1] = {named = #names == 0, problem = base .. "/" .. problem} end
  if #names == 0 and #unreadable == 0 then
    list[#list + 1] = {named = true, problem = formats.none(path, others)}
  end
end

-- A list of {path, problem (why there can be no score), named (by the user)}; the paths of pictures that agad drew
-- itself, which are left out; and notes on what else is left out.
local function gather(paths)
  local all, list, ours, notes, drawn = {}, {}, {}, {}, require "agad.data.drawn"
  for _, path in ipairs(paths) do
    local mode, reason, code = lfs.attributes(path, "mode")
    if mode == "directory" then add_folder(all, path, notes)
    elseif mode then all[#all + 1] = {named = true, path = path}
    else
      reason = (code == ENOENT or code == ENOTDIR) and "no such file or folder" or errors.reason(path, reason)
      all[#all + 1] = {named = true, problem = ("%s: %s"):format(path, reason)}
    end
  end
  for _, one in ipairs(all) do
    local is_ours = one.path and drawn.kind(one.path)
    table.insert(is_ours and ours or list, is_ours and one.path or one)
  end
  return list, ours, notes
end

-- Output ------------------------------------------------------------------------------------------

-- Notes wait for the first row: where there is none, one line says it all.
local function note(self, text)
  self.notes = self.notes + 1
  if self.notes > NOTES then return end
  table.insert(self.waiting, text)
  if self.rows > 0 then self:show_notes() end
end

local function show_notes(self)
  for i, text in ipairs(self.waiting) do
    io.stderr:write("note: ", printable(text), "\n")
    self.waiting[i] = nil
  end
end

-- The columns are fixed, as rows are printed one by one.
local function print_line(...) require("agad.evaluate.report").out((("  %10s   %-9s   %s"):format(...))) end

local function verdict(row)
  if type(row.anomalous) ~= "boolean" then return "-" end
  return row.anomalous and "anomalous" or "normal"
end

local function print_row(self, row)
  if self.args.json then common.print_json(row)
  else
    if self.rows == 0 then print_line("score", "", "picture") end
    print_line(format("%.5g", row.score), verdict(row), row.path)
  end
  self.rows = self.rows + 1
  self:show_notes()
end

-- Scoring -----------------------------------------------------------------------------------------

local function lose(self, one, problem)
  if self.strict then common.fail(printable(problem)) end
  self.reason = self.reason or problem
  self:note(problem)
  self.lost = self.lost + 1
  self.failed = self.failed or one.named
end

-- The file of a picture's error map, or nil where it cannot be written.
local function draw(self, path, picture)
  local maps = require "agad.evaluate.maps"
  local ok, to = errors.try(function() return maps.write(self.args.map, path, self.model:map(picture), self.spared) end)
  if ok then return printable(to) end
  if self.strict then common.fail(printable(errors.text(to))) end
  self:note(("no error map for %s: %s"):format(path, errors.text(to)))
  self.undrawn = self.undrawn + 1
end

local function score(self, one, next_row)
  if one.problem then return self:lose(one, one.problem) end
  local row, picture, file = next_row()
  if row.error then return self:lose(one, row.error) end
  local foreign = self.model:foreign(file)
  if foreign then
    self.foreign = self.foreign + 1
    if self.foreign == 1 then self:note(("%s: %s; such pictures are converted"):format(one.path, foreign)) end
  end
  row.path = printable(one.path)
  if self.args.map then row.map = self:draw(one.path, picture) or require("agad.core").null end
  self:print_row(row)
end

-- Fails where nothing can be scored; else counts what could not be.
local function finish(self, total)
  if self.rows == 0 then
    common.fail(printable(total == 1 and self.reason
      or ("none of the %d pictures can be scored; the first: %s"):format(total, self.reason)))
  end
  if not self.args.json and not self.model.threshold then
    require("agad.evaluate.report").out "  no threshold: the model was trained with holdout = 0"
  end
  local counted = ("%d of %d pictures could not be scored"):format(self.lost, total)
  if self.foreign > 1 then
    io.stderr:write(("note: %d of %d pictures differ from those of the training in size or colour, and were converted")
      :format(self.foreign, total), "\n")
  end
  if self.lost > 0 and not self.failed then io.stderr:write("note: ", counted, "\n") end
  local failures = {self.failed and counted or nil}
  if self.undrawn > 0 then
    failures[#failures + 1] = ("%d of %d error maps could not be written"):format(self.undrawn, self.rows)
  end
  if #failures > 0 then common.fail(table.concat(failures, "; ")) end
end

local functions = {note = note, show_notes = show_notes, print_row = print_row, lose = lose, draw = draw}

-- Opens the model and the folder for maps, unless there is nothing to score; what model:rows gives.
local function open(self, list)
  local paths = {}
  for _, one in ipairs(list) do paths[#paths + 1] = one.path end
  if #paths == 0 then return end
  self.model = require("agad").model.open(self.args.model, {false_alarms = self.false_alarms})
  local how = {foreign = self.how}
  if not self.args.map then return self.model:rows(paths, how) end
  if not self.model.has_map then
    common.fail(self.args.model .. ": this model has no error maps, as its method does not reconstruct; omit --map")
  end
  require("agad.base.folder").make(self.args.map)
  self.spared = require("agad.evaluate.maps").spare(paths)
  return self.model:rows(paths, how)
end

local function run(args)
  if args.map == "" then common.fail("--map: give the name of a folder", 2) end
  require "agad"
  interrupt.arm()
  local given = common.given(args)
  local config = common.prepare(given)
  local rate = (given.false_alarms or given.threshold_quantile) and config.false_alarms or nil
  local self = setmetatable({args = args, strict = config.strict, how = config.foreign, false_alarms = rate, notes = 0,
    waiting = {}, rows = 0, lost = 0, undrawn = 0, foreign = 0}, {__index = functions})
  local list, ours, notes = gather(args.path)
  local left_out = #ours > 0 and require("agad.data.drawn").note(ours)
  if #list == 0 then common.fail(printable(left_out)) end
  if left_out then table.insert(notes, 1, left_out) end
  for _, text in ipairs(args.quiet and {} or notes) do table.insert(self.waiting, text) end
  local next_row, _, _, _ <close> = open(self, list)
  for _, one in ipairs(list) do score(self, one, next_row) end
  finish(self, #list)
end

return {
  help = "Score pictures with a saved model",
  arguments = function(c, add)
    c:argument "model":description "a model file"
    c:argument "path":args "+":description "pictures, or folders of pictures"
    c:option "--map":argname "DIR":description "write the error map of each picture to DIR/PICTURE.map.png"
    add.options(c, "false_alarms")
  end,
  run = run,
}
