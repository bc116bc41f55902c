-- The lesson of eight parts. Its text is guide.md: a part is a heading, paragraphs, a block of commands, and paragraphs
-- on what to look for. The commands of a part run in a lesson (agad.teach.lesson), which is put to where the part
-- before has left it, whatever was tried in between.

local agad = require "agad"
local commands = require "agad.teach.commands"
local lesson = require "agad.teach.lesson"
local format = require("agad.base.text").format

local guide = {}
guide.__index = guide

-- What the text speaks of.
local set, task_options, options = "weave", {gamma = 0.05, limit = 600, seed = 1},
  {seed = 1, deterministic = true, precision = "fp32"}

local function fail(form, ...) error(format(form, ...), 0) end

--- Reads parts.
-- @param text string as in guide.md
-- @return list of {title, before, commands, after}: before and after are lists of paragraphs, commands one of lines
function guide.read(text)
  local parts, part, inside, open = {}, nil, false, false
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    local title = not inside and line:match "^## %d+%. (.+)$"
    if title then
      part, open = {title = title, before = {}, commands = {}, after = {}}, false
      parts[#parts + 1] = part
    elseif line:find "^```" then inside, open = not inside, false
    elseif part and inside then table.insert(part.commands, line)
    elseif line == "" then open = false
    elseif part then
      local list = #part.commands == 0 and part.before or part.after
      if open then list[#list] = list[#list] .. " " .. line else list[#list + 1] = line end
      open = true
    end
  end
  return parts
end

-- The parts of guide.md.
local function parts()
  local path = package.searchpath("agad.teach.guide", package.path):gsub("%.lua$", ".md")
  local file <close> = assert(io.open(path, "rb"))
  return guide.read(file:read "a")
end

--- The number of a part of the lesson.
-- @param given string
-- @return integer
-- @raise there is no such part
function guide.number(given)
  local n, most = math.tointeger(tonumber(given)), #parts()
  if not n or n < 1 or n > most then fail("lesson %s: give the number of a part, 1 to %d", given, most) end
  return n
end

--- Opens the lesson.
-- @param more table threads, device: options of the trainer
-- @return guide parts; lesson (where commands run)
function guide.open(more)
  local given = {}
  for _, list in ipairs {options, more or {}} do for name, v in pairs(list) do given[name] = v end end
  local task = agad.task.new(agad.data.load(set), task_options)
  local self = setmetatable({parts = parts(), marks = {}}, guide)
  self.lesson = lesson.new(task, given, {memory = lesson.options.memory.default})
  self.marks[1] = self.lesson:mark()
  return self
end

--- Goes to the beginning of a part; the commands of the parts before run without being shown, if they have not run yet.
-- @param n integer
-- @param on_work function(first, last), called before such parts run; or nil
-- @return table the part
-- @raise as its commands; Ctrl-C has stopped one of them
function guide:go(n, on_work)
  local from = n
  while not self.marks[from] do from = from - 1 end
  self.at = n
  self.lesson:return_to(self.marks[from])
  if from < n and on_work then on_work(from, n - 1) end
  for k = from, n - 1 do
    for _, line in ipairs(self.parts[k].commands) do
      if not line:find "^plot" and not line:find "^what if" and not line:find "^evaluate" then self:run(line) end
    end
    self:reached(k + 1)
  end
  return self.parts[n]
end

--- Runs a command of a part.
-- @param line string
-- @return any what is to be printed
-- @raise as `agad.teach.commands`; Ctrl-C has stopped it
function guide:run(line)
  local value = commands.run(self.lesson, line)
  if type(value) == "table" and value.stopped then fail("%s: stopped before its end", line) end
  return value
end

--- Notes that the commands of the parts before this one have run.
-- @param n integer
function guide:reached(n) self.marks[n] = self.marks[n] or self.lesson:mark() end

return guide
