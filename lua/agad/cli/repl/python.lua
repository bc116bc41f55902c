-- What people type who come from Python or torch7, and how it is written here: a hint below an error, a note.

local python = {}

local colon = "the colon is for calls: t:sum(); a value such as t.shape has a dot"

-- Patterns of a line without what is in its strings, the first one that is found counts.
local syntax = {
  {"!=", "not equal is ~= in Lua"},
  {"%+%+", "there is no ++ in Lua: x = x + 1"},
  {"[%+%-%*/%%]=", "there is no += in Lua: x = x + 1"},
  {"^%s*%%+timeit%f[^%w_]", "time(f) measures a call: time(function() return x:sum() end)"},
  {"^%s*%%time%f[^%w_]", "time(f) measures a call: time(function() return x:sum() end)"},
  {"^%s*%%run%f[^%w_]", "dofile \"FILE.lua\" runs a file"},
  {"^%s*%%who%w*%f[^%w_]", "who() lists your names"},
  {"^%s*%%hist%w*%f[^%w_]", "history() lists your inputs"},
  {"^%s*%%?cd%s", "require(\"lfs\").chdir \"DIR\" changes the folder"},
  {"^%s*%%?pwd%s*$", "require(\"lfs\").currentdir() is the folder"},
  {"^%s*%%debug%f[^%w_]", "where() shows the lines that led to the last error, with their variables"},
  {"^%s*[%%$]+%s*[%a_]", "! COMMAND runs a command of the shell"},
  {"^%s*del%s", "x = nil lets go of a value, t:close() frees a tensor"},
  {"&&", "a && b is a and b in Lua"},
  {"||", "a || b is a or b in Lua"},
  {"%[.*%sfor%s.*%sin%s", "a list is filled in a loop: for i, v in ipairs(list) do ... end"},
  {"[=(]%s*[^%s].-%sif%s.-%selse%s", "a if x else b is x and a or b in Lua"},
  {"^%s*assert%s", "assert is a function in Lua: assert(x, \"message\")"},
  {"^%s*raise%s", "an error is raised by error \"message\" in Lua"},
  {"^%s*class%s", "a class is a table of functions in Lua: setmetatable(object, {__index = class})"},
  {"%*%*", "a power is x ^ 2 in Lua"},
  {"%f[%w_]elif%f[^%w_]", "elif is elseif in Lua"},
  {"^%s*def%s", "a function is local function f(x) ... end in Lua"},
  {"%f[%w_]lambda%f[^%w_]", "a function without a name is function(x) return x end in Lua"},
  {"^%s*import%s", "a module is loaded by local m = require \"m\" in Lua"},
  {"^%s*from%s.*%simport%s", "a module is loaded by local m = require \"m\" in Lua"},
  {"%f[%w_]is%s+not%s", "x is not None is x ~= nil in Lua"},
  {"%sis%s", "x is None is x == nil in Lua"},
  {"^%s*for%s.*%sin%s.*:", "a loop is for i = 1, 3 do ... end, or for i, v in ipairs(list) do ... end in Lua"},
  {"^%s*while%s.*:%s*", "a loop is while x do ... end in Lua"},
  {"^%s*if%s.*:", "a condition is if x then ... end in Lua"},
  {"^%s*else%s*:", "a condition is if x then ... else ... end in Lua"},
  {"^%s*try%s*:", "errors are caught by local ok, result = pcall(f) in Lua"},
  {"^%s*with%s", "what is done inside with is given as a function, such as agad.no_grad(function() ... end)"},
  {"^%s*print%s+[%w_]", "print is a function in Lua: print(x)"},
  {"{%s*\"\"%s*:", "a table with keys is {a = 1} in Lua"},
  {"%[[^%]]*[^:]:[^:][^%]]*%]", "a range of a tensor is t[{{first, last}}], and {} is all of a dimension"},
  {"%[:", "a range of a tensor is t[{{first, last}}], and {} is all of a dimension"},
  {"[%w_%)]%[[^%]{}]*,", "several indices are one table: t[{1, 2}]"},
  {"%f[%[]%[[^%[%]=]*%]%s*$", "a list is {1, 2} in Lua"},
  {"[%w_]%([^()]*[%a_][%w_]*%s*=[^=]", "keyword arguments are a table: f {name = value}"},
  {"[%w_%)]%s*@", "a product of matrices is a:matmul(b)"},
  {"[%w_]%?+%s*$", "help is ? NAME, with the question mark first"},
  {"^%s*[%a_][%w_]*:[%a_][%w_]*%s*$", colon},
}


local named = {
  cd = "require(\"lfs\").chdir \"DIR\" changes the folder",
  help = "? NAME documents a name, ? alone lists what there is",
  cutorch = "t:cuda() moves a tensor, the option device = \"cuda\" a training", gnuplot = "agad.plot plots",
  nn = "agad.nn has layers and nets", null = "Lua writes nil",
  optim = "trainer(task) trains; a method's updates have Adam", paths = "require \"lfs\" has functions for files",
  ls = "! ls runs a command of the shell", pwd = "require(\"lfs\").currentdir() is the folder",
  True = "Lua writes true", False = "Lua writes false", None = "Lua writes nil",
  torch = "its operators are in agad: agad.zeros(2, 3)", np = "its operators are in agad: agad.zeros(2, 3)",
}

local called = {
  abs = "of numbers math.abs(x), of a tensor t:abs()", append = "table.insert(list, v) appends",
  astype = "t:to \"float32\" converts", dict = "a dictionary is {a = 1}",
  dir = "? x documents it, Tab after x. lists its fields, and after x: its methods",
  enumerate = "for i, v in ipairs(list) do ... end",
  extend = "table.move copies list items", f = "text is put together by (\"%d of %d\"):format(a, b)",
  float = "tonumber(s) reads a number", help = "? NAME documents a name, ? alone lists what there is",
  import = "a module is loaded by local m = require \"m\" in Lua", input = "io.read() reads a line",
  int = "x // 1 rounds down, tonumber(s) reads a number", isinstance = "type(x) == \"number\" asks for a type",
  items = "for key, v in pairs(t) do ... end", join = "table.concat(list, \", \") joins strings",
  keys = "for key in pairs(t) do ... end", len = "#x is the length of x", list = "a list is {1, 2}",
  max = "of numbers math.max(a, b), of a tensor t:max()", min = "of numbers math.min(a, b), of a tensor t:min()",
  numpy = "t:totable() makes a Lua table", open = "io.open opens a file", range = "a loop is for i = 1, n do ... end",
  size = "#list counts, t:numel() too", sorted = "table.sort(list) sorts a list in place, t:sort() a tensor",
  str = "tostring(x) makes a string", sum = "of a tensor t:sum()",
}

local messages = {
  {"^attempt to call a nil value %(%a+ '([%a_]+)'%)", called},
  {"^attempt to index a nil value %(global '([%a_]+)'%)", named},
  {"^attempt to add a 'string' with a '", "strings are joined by .. in Lua"},
  {"^attempt to add a '[%w.]+' with a 'string'", "strings are joined by .. in Lua"},
  {"^attempt to mod a 'string'", "text is put together by (\"%d of %d\"):format(a, b)"},
  {"^attempt to mul a 'string'", "text is repeated by (\"-\"):rep(3)"},
  {"^a tensor has no field or operator '([%a_]+)'$", called},
  {"^attempt to perform arithmetic on a nil value %(global '([%a_]+)'%)", named},
  {"^module '([%a_]+)' not found", named},
  {"%(local 'self'%)", "methods are called with a colon: run:fit()"},
  {"^attempt to call a table value %(for iterator", "a loop over a list is for i, v in ipairs(list) do ... end"},
  {"tensor expected, got no value", "methods are called with a colon: t:sum()"},
  {"argument 'self' is missing", "methods are called with a colon: t:sum()"},
}

--- A hint for input that is not valid Lua, or not whole.
-- @param text string the input
-- @param problem table|nil of `syntax.problem`; without it each line is looked at
-- @return string|nil
function python.of_syntax(text, problem)
  if problem and problem.message:find "^function arguments expected" then return colon end
  local row, line = 0, problem and problem.line
  for source in (text .. "\n"):gmatch "(.-)\n" do
    row = row + 1
    if (not line or row == line) and #source < 1000 then
      source = source:gsub("\"[^\"]*\"", "\"\""):gsub("'[^']*'", "\"\""):gsub("%-%-.*$", "")
      for _, one in ipairs(syntax) do if source:find(one[1]) then return one[2] end end
    end
  end
  return nil
end

--- A hint for an error that input has raised.
-- @param message string
-- @return string|nil
function python.of_error(message)
  for _, one in ipairs(messages) do
    local from, _, name = message:find(one[1])
    if from then return type(one[2]) == "string" and one[2] or one[2][name] end
  end
  return nil
end

--- A hint for a name that is not defined.
-- @param name string
-- @return string|nil
function python.of_name(name) return named[name] end

local in_place = {copy = true, fill = true, random = true, resize = true, uniform = true, zero = true}

--- What input that torch7 would change a tensor with leaves unchanged here, such as x:fill(0).
-- @param text string
-- @return string|nil the tensor's name
-- @return string|nil the method that changes it
function python.unchanged(text)
  local path, name = text:match "^%s*return%s+([%a_][%w_.]*):(%a+)%s*%(.*%)%s*;?%s*$"
  if in_place[name] then return path, name .. "_" end
end

return python
