-- Help: `?` alone, `? NAME`, `NAME??`, `?? WORD`, and the text of `who()`.

local calls = require "agad.cli.repl.calls"
local doc = require "agad.cli.doc"
local printing = require "agad.cli.repl.print"
local sources = require "agad.cli.repl.source"
local text = require "agad.base.text"
local tokens = require "agad.cli.repl.tokens"
local values = require "agad.base.values"

local help = {}

local overview = [[
? NAME    documents a name: ? trainer, ? agad.data.load, ? run:fit
NAME??    shows the source of a function that is written in Lua
?? WORD   lists the names whose documentation has a word
! COMMAND runs a command of the shell
Tab       completes names, fields, options and their values, and file names in strings
Up, Down  earlier inputs, and the lines of an unfinished one; Ctrl-R searches
Alt-Enter begins a new line within an input
who()     lists your names
where()   shows where the latest error arose; where(1).x is a variable there
history() lists your inputs; history "word" searches those of all REPLs
time(f)   says how long a call takes: time(agad.matmul, x, x)
Ctrl-C    clears the line, or stops what is running
Ctrl-D    quits, as do exit and quit
A result is printed, unless the input ends in a semicolon. _ is the last one,
results[3] that of input 3. Input goes on in the next line until it is whole;
an empty line gives it up. Locals survive.
Loaded: agad, and its data, task, trainer, nn, loss, model and plot.]]

-- Wraps each line.
local function fitted(lines, width)
  local out = {}
  for line in (lines .. "\n"):gmatch "(.-)\n" do out[#out + 1] = text.wrap(line, width, 10) end
  return table.concat(out, "\n")
end

-- Whether a name is documented as it is, rather than one that ends like it.
local function is_entry(name)
  local entry = doc.find(name)[1]
  return entry ~= nil and entry.name:gsub(":", ".") == name:gsub(":", ".")
end

local of_lua = {}                                 -- Lua's own functions
for _, space in ipairs {"_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table", "utf8"} do
  for _, value in pairs(package.loaded[space]) do
    if type(value) == "function" then of_lua[value] = true end
  end
end

-- What is known of a function without documentation of its own, or of a name without a value: a method of tensors, an
-- operator, Lua's.
local function of_function(name, value, env, width)
  if of_lua[value] then return ("%s: a function of Lua, described in its manual (lua.org/manual/5.4)"):format(name) end
  if value and debug.getinfo(value, "S").what ~= "C" then return nil end
  local before, last = name:match "^(.*)[.:]([%w_]+)$"
  local chunk = before and load("return " .. before:gsub(":", "."), "=?", "t", env)
  local ok, object = pcall(chunk or error)
  local entry = ok and require("agad.core").is_tensor(object) and doc.find("tensor:" .. last)[1]
  if entry then return doc.render(entry, width) end
  return printing.operator(last or name, width)
end

-- The value of a name, as pcall gives it.
local function value_of(name, env)
  return pcall(load("return " .. name:gsub(":", "."), "=?", "t", env) or error)
end

--- The text of `? NAME`.
-- @param name string
-- @param env table the names that are known
-- @param width integer columns
-- @return string
-- @return boolean whether there is anything of this name
function help.explain(name, env, width)
  if name == "" then return fitted(overview, width), true end
  local ok, value = value_of(name, env)
  local known = ok and type(value) == "function" and doc.lookup(value, width)
  if not known and (not ok or value == nil or is_entry(name)) then known = doc.lookup(name, width) end
  if not known and (type(value) == "function" or value == nil) then
    known = of_function(name, ok and value or nil, env, width)
  end
  if known then return known, true end
  if not ok or value == nil then
    return text.wrap(("there is no documentation for %s; ?? %s searches all of it, ? lists what you can do"):format(
      name, name:match "[%w_]*$"), width, 2), false
  end
  return doc.lookup(value, width) or printing.text(value, {width = width}), true
end

--- The text of `NAME??`.
-- @param name string
-- @param env table the names that are known
-- @param texts table name -> text of the inputs
-- @param width integer columns
-- @return string
function help.source(name, env, texts, width)
  local ok, value = value_of(name, env)
  local shown = ok and sources.text(value, texts)
  if shown then return shown end
  local explained, found = help.explain(name, env, width)
  local is_function = ok and type(value) == "function"
  return found and is_function and explained .. "\n(written in C)" or explained
end

--- What is known of the name at a place of a text, or else of the function whose call is around it.
-- @param source string
-- @param at integer the byte before the cursor
-- @param env table the names that are known
-- @param width integer columns
-- @return string|nil
function help.at(source, at, env, width)
  for _, name in ipairs(calls.names_at(tokens.of(source), at)) do
    local shown, found = help.explain(name, env, width)
    if found then return shown end
  end
  return nil
end

--- The text of `?? WORD`: names with their first lines; those with the word in the name come first, operators last.
-- @param word string words that all must occur, in any case
-- @param width integer
-- @return string
function help.search(word, width)
  if word == "" then return "give a word to look for: ?? threshold" end
  local found = doc.search(word)
  local operators = require "agad.tensor.operators"
  for _, name in ipairs(operators.names()) do
    if name:find(word, 1, true) and operators.schemas(name) then
      found[#found + 1] = {name = "agad." .. name, summary = "An operator of libtorch."}
    end
  end
  local out = {}
  for i, entry in ipairs(found) do
    if i > 40 then
      out[i] = ("… %d more; give another word too"):format(#found - 40)
      break
    end
    out[i] = text.wrap(("%-32s %s"):format(entry.name, entry.summary), width, 4)
  end
  return out[1] and table.concat(out, "\n") or ("nothing in the documentation has %s"):format(word)
end

--- The text of `who()`: the user's names with what they hold.
-- @param names table name -> value
-- @param width integer
-- @return string
function help.who(names, width)
  local out = {}
  for _, name in ipairs(values.keys(names)) do
    local head = ("%-12s "):format(name)
    out[#out + 1] = head .. printing.brief(names[name], math.max(10, width - #head))
  end
  return out[1] and table.concat(out, "\n") or "you have no names yet"
end

return help
