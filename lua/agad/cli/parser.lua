-- The arguments of every subcommand, for lua-argparse. A wrong argument is one line on stderr, status 2.
--
-- A subcommand is a file of its name in commands/: {help = "…", arguments = function(c, add), run = function(args)}.
-- `c` is its argparse command; add.options(c, "epochs batch") makes flags of options, whose help is theirs, and
-- add.data(c) the arguments that say which pictures. All are loaded for --help: what they need is required in run.

local argparse = require "argparse"
local lfs = require "lfs"
local options = require "agad.options"
local words = require("agad.base.options").words

local parser, add = {}, {}

local ROOT = "where the data sets are; else $AGAD_DATA or the cache"

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
    c:option("--" .. name):argname(d.flag):description(text)
  end
end

function add.root(c) c:option "--root":argname "DIR":description(ROOT) end

function add.data(c)
  add.root(c)
  c:option "--normals":argname "DIR":description "instead of DATA: a folder of normal pictures"
  c:option "--anomalies":argname "DIR":description "with --normals: one of anomalies, a subfolder a kind"
  add.options(c, "normal anomaly size channels limit protocol preset")
  c:flag "--classes":description "print the AUROC of each class of anomalies"
  c:flag "--curves":description "with --json: ROC points and score histograms in the row"
  c:action(function(args)
    if (args.normals ~= nil) ~= (args.anomalies ~= nil) then c:error "--normals and --anomalies go together" end
    if args.data and args.normals then c:error "give a data set, or --normals and --anomalies" end
    if not args.data and not args.normals then c:error "missing argument 'data'" end
  end)
end

local function everywhere(c)
  c:flag "--json":description "JSON on stdout, one object a line, and nothing else there"
  c:flag "--quiet":description "no progress"
  add.options(c, "device precision seed threads")
  c:option "--set":argname "KEY=VALUE":count "*":description "any option, as lambda.con=40"
end

local MODULE = "agad.cli.commands."

-- The names of the subcommands, sorted.
local function list()
  local names, here = {}, package.searchpath(MODULE .. "train", package.path):gsub("/[^/]*$", "")
  for file in lfs.dir(here) do names[#names + 1] = file:match "^(.*)%.lua$" end
  table.sort(names)
  return names
end

--- The names of the subcommands, sorted.
parser.commands = list()

--- A subcommand.
-- @param name string
-- @return table help, arguments, run
function parser.command(name) return require(MODULE .. name) end

local epilog = [[
Without arguments agad starts its REPL. Also:
  agad SCRIPT.lua [ARGS]   run a script with `arg`
  agad -e CHUNK [ARGS]     run a chunk with the REPL's names
  agad --version           say which version this is]]

--- Those of a later version.
parser.later = {"bench", "teach"}

--- Builds the parser. `fail(message)` is called with a wrong argument's message and must not return.
function parser.build(fail)
  local p = argparse("agad", "Finds what is wrong in a picture."):epilog(epilog):command_target "command"
  p:help_max_width(79)
  local function refuse(self, message) fail(message, self) end
  for _, name in ipairs(parser.commands) do
    local its = parser.command(name)
    local c = p:command(name, its.help)
    c:help_max_width(79)
    c.error = refuse
    its.arguments(c, add)
    everywhere(c)
  end
  p.error = refuse
  return p
end

return parser
