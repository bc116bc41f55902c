-- The commands of a lesson as lines of text: "next", "set lambda.con 10", "what if adv_anom=opposite".

local configuration = require "agad.base.configuration"
local format = require("agad.base.text").format
local hint = require("agad.base.options").hint
local printable = require("agad.base.text").printable

local commands = {}

local function fail(form, ...) error(format(form, ...), 0) end

local help = [[
next                runs the next stage (an empty line does too)
step [N]            runs to the end of the step, or of the N-th one from here
run to EPOCH        trains to the end of this epoch; Ctrl-C ends it after a step
back [N]            goes to the beginning of the step, or to that of the step before
set KEY VALUE       changes an option from here on: set lambda.con 10
what if KEY=VALUE   this stage from the same state with another option, side by side
evaluate            AUROC of the model as it is now, and what leaks
plot [FILE]         x, the reconstructions and the error: here, or as PNG, SVG or PDF
save FILE           saves the model as it is now
where               says where the lesson is
quit                ends it (so does Ctrl-D)]]

-- A whole number, or nil if there is no text.
local function whole(name, text)
  if text == "" then return nil end
  return math.tointeger(tonumber(text)) or fail("%s %s: a whole number is needed", name, printable(text))
end

-- "KEY=VALUE KEY=VALUE" or "KEY VALUE" as a table of options.
local function assignments(name, text)
  local key, value = text:match "^([%a_][%w_.]*)%s+([^=%s].*)$"
  if key then return configuration.parse_assignment(key .. "=" .. value) end
  if text == "" then fail("%s: give an option and a value, for example %s adv_anom=opposite", name, name) end
  local all = {}
  for word in text:gsub("%s*=%s*", "="):gmatch "%S+" do
    configuration.merge(all, configuration.parse_assignment(word))
  end
  return all
end

local known = {
  next = function(lesson) return lesson:next() end,
  step = function(lesson, rest) return lesson:step(whole("step", rest)) end,
  run = function(lesson, rest)
    local epoch = rest:match "^to%s+(.-)$"
    if not epoch then fail "run: say how far, for example run to 3" end
    return lesson:run_to(whole("run to", epoch))
  end,
  back = function(lesson, rest) return lesson:back(whole("back", rest)) end,
  set = function(lesson, rest) return lesson:set(assignments("set", rest)) end,
  what = function(lesson, rest)
    local changes = rest:match "^if%s*(.-)$"
    if not changes then fail "what: say what if, for example what if adv_anom=opposite" end
    return lesson:what_if(assignments("what if", changes))
  end,
  plot = function(lesson, rest)
    lesson:plot(rest ~= "" and rest or nil)
    return rest ~= "" and "wrote " .. rest or nil
  end,
  evaluate = function(lesson) return lesson:evaluate() end,
  save = function(lesson, rest)
    if rest == "" then fail "save: give a file, for example save model.safetensors" end
    lesson:save(rest)
    return "wrote " .. rest
  end,
  where = function(lesson) return lesson:where() end,
  help = function() return help end,
}

local names = {"quit"}
for name in pairs(known) do names[#names + 1] = name end

--- The names of the commands.
commands.names = names

--- Runs a line.
-- @param lesson lesson
-- @param line string
-- @return any what is to be printed; nil: nothing
-- @return boolean true: the lesson is over
-- @raise there is no such command; as the method of the lesson
function commands.run(lesson, line)
  local word, rest = line:match "^%s*(%S*)%s*(.-)%s*$"
  if word == "" then word = "next" end
  if word == "?" then word = "help" end
  if word == "quit" or word == "exit" then return nil, true end
  local f = known[word]
  if not f then fail("unknown command %s%s", printable(word), hint(word, names)) end
  return f(lesson, rest), false
end

return commands
