-- The arguments of every subcommand, for lua-argparse. A wrong argument ends the program with one line on stderr and
-- status 2.
--
-- A subcommand is commands/NAME.lua, which returns {help = "…", arguments = function(c, add), run = function(args)}.
-- `c` is its argparse command. add.options(c, "epochs batch") adds a flag for each of these options, with the option's
-- help; add.data(c) adds the arguments that select pictures. All these files are loaded for --help, so what is slow to
-- load is required inside `run`.

local argparse = require "argparse"
local common = require "agad.cli.common"
local lfs = require "lfs"
local options = require "agad.options"
local words = require("agad.base.options").words
local sort = require("agad.base.text").sort

local parser, add = {}, {}

local ROOT = "the folder that holds the data sets (default: $AGAD_DATA, or else the cache)"

--- The definition of an option that is a flag too, or nil.
-- @param name string
function parser.flag(name)
  local d = options.shared(name) or require("agad.nn.options")[name]
  return d and d.flag and d or nil
end

function add.options(c, names)
  for name in names:gmatch "%S+" do
    local d = parser.flag(name)
    local text = d.help .. (d.kind == "choice" and ": " .. words(d.choices) or "")
    c:option("--" .. name:gsub("_", "-")):argname(d.flag):description(text)
  end
end

function add.root(c) c:option "--root":argname "DIR":description(ROOT) end

-- `instead` is an argument of the command with which no data are needed, or nil.
function add.data(c, instead)
  add.root(c)
  c:option "--normals":argname "DIR":description "a folder of normal pictures, instead of DATA"
  c:option "--anomalies":argname "DIR":description "a folder of anomalies, one subfolder per kind"
  add.options(c, "normal anomaly size channels limit protocol preset")
  c:flag "--classes":description "print the AUROC of each class of anomalies"
  c:flag "--curves":description "add ROC points and score histograms to the JSON"
  c:action(function(args)
    if (args.normals ~= nil) ~= (args.anomalies ~= nil) then
      c:error "--normals and --anomalies must be given together"
    end
    if args.data and args.normals then c:error "give either a data set, or --normals and --anomalies, not both" end
    if not args.data and not args.normals and not args[instead] then c:error "missing argument 'data'" end
  end)
end

local function everywhere(c)
  c:flag "--json":description "print JSON only, one object per line"
  c:flag "--quiet":description "do not show progress"
  add.options(c, "device precision seed threads")
  c:option "--set":argname "KEY=VALUE":count "*":description "set any option, for example lambda.con=40"
end

local MODULE = "agad.cli.commands."

-- The names of the subcommands, sorted.
local function list()
  local names, here = {}, package.searchpath(MODULE .. "train", package.path):gsub("/[^/]*$", "")
  for file in lfs.dir(here) do names[#names + 1] = file:match "^(.*)%.lua$" end
  sort(names)
  return names
end

--- The names of the subcommands, sorted.
parser.commands = list()

--- A subcommand.
-- @param name string
-- @return table help, arguments, run
function parser.command(name) return require(MODULE .. name) end

local epilog = [[
Without arguments agad starts its REPL, which reads standard input also if that
is no terminal. Also:
  agad SCRIPT.lua [ARGS]   run a Lua script
  agad -e CODE [ARGS]      run Lua code in which the REPL's names are known
  agad - [ARGS]            run standard input likewise, as one script
  agad -i [SCRIPT.lua | -e CODE] [ARGS]
                           run that, and then the REPL with what it left
  agad --version           print the version]]

--- Builds the parser. `fail(message)` is called when an argument is wrong, and must not return.
function parser.build(fail)
  local p = argparse("agad", "Trains detectors of anomalies in pictures, and scores pictures.")
  p:epilog(epilog):command_target "command"
  local function refuse(self, message) fail(message, self) end
  local function helps(c)
    c:help_max_width(79)
    c:add_help {action = function()
      io.stdout:write(c:get_help(), "\n")
      common.fail("", 0)
    end}
  end
  helps(p)
  for _, name in ipairs(parser.commands) do
    local its = parser.command(name)
    local c = p:command(name, its.help)
    helps(c)
    c.error = refuse
    its.arguments(c, add)
    everywhere(c)
  end
  p.error = refuse
  return p
end

return parser
