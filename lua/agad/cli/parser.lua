-- The arguments of every subcommand, for lua-argparse. A wrong argument is one line on stderr, status 2.

local argparse = require "argparse"

local parser = {}

local help = {
  demo = "Train on the built-in textures and draw what was found",
  train = "Train on a data set, evaluate, save the model",
  campaign = "Train a grid, one process a run, and print one table",
  fetch = "Get a data set and check it",
  evaluate = "Evaluate a saved model on a data set",
  score = "Score pictures with a saved model",
  info = "Show a model, a run, a net or a data set",
}

local add = {}

local function everywhere(c)
  c:flag "--json":description "JSON on stdout, one object a line, and nothing else there"
  c:flag "--quiet":description "no progress"
  c:option "--device":argname "D":description "auto, cpu, cuda or cuda:N"
  c:option "--precision":argname "P":description "auto, fp32, tf32, bf16 or fp64"
  c:option "--seed":argname "N":description "weights, sampler, noise"
  c:option "--threads":argname "N":description "CPU threads"
  c:option "--set":argname "KEY=VALUE":count "*":description "any option, as lambda.con=40"
end

local function data(c)
  c:option "--root":argname "DIR":description "where the data sets are; else $AGAD_DATA or the cache"
  c:option "--normals":argname "DIR":description "instead of DATA: a folder of normal pictures"
  c:option "--anomalies":argname "DIR":description "with --normals: one of anomalies, a subfolder a kind"
  c:option "--normal":argname "CLASS":description "the normal class; a superclass; several: A,B"
  c:option "--anomaly":argname "CLASS":description "with leave_one_out: the anomalous class"
  c:option "--size":argname "N":description "resize pictures to N x N"
  c:option "--channels":argname "N":description "1 grey, 3 colour"
  c:option "--limit":argname "N":description "at most N normals"
  c:option "--protocol":argname "NAME":description "one_vs_rest or leave_one_out"
  c:option "--preset":argname "NAME":description "steady, plain or paper_like: the column called auroc"
  c:flag "--classes":description "print the AUROC of each class of anomalies"
  c:flag "--curves":description "with --json: ROC points and score histograms in the row"
  c:action(function(args)
    if (args.normals ~= nil) ~= (args.anomalies ~= nil) then c:error "--normals and --anomalies go together" end
    if args.data and args.normals then c:error "give a data set, or --normals and --anomalies" end
    if not args.data and not args.normals then c:error "missing argument 'data'" end
  end)
end

function add.demo(c)
  c:option "--out":argname "DIR":default "demo":description "where the pictures go (default: demo)"
end

function add.train(c)
  c:argument "data":args "?":description "a known name (agad info --help), a folder or a .csv file"
  c:option "--out":argname "MODEL":count(1):description "the model file to write"
  c:option "--run":argname "DIR":description "the run directory (default: MODEL without its ending, .run)"
  c:flag "--resume":description "go on with the run in the run directory; start afresh where there is none"
  c:option "--method":argname "NAME":description "the method (default: agad)"
  c:option "--net":argname "NET":description "a net's name or FILE.lua"
  c:option "--gamma":argname "G":description "share of known anomalies; by epoch: 0,0.05 or linear:0:0.1:10"
  c:option "--epochs":argname "N":description "passes over the normals"
  c:option "--batch":argname "N":description "images in a step"
  data(c)
end

function add.evaluate(c)
  c:argument "model":description "a model file"
  c:argument "data":args "?":description "a known name, a folder or a .csv file"
  c:option "--run":argname "DIR":description "the run directory: gives the plain and paper-like columns too"
  data(c)
end

function add.fetch(c)
  c:argument "name":args "*":description "mnist, fashion-mnist, cifar10, cifar100; none: list them"
  c:option "--root":argname "DIR":description "where the data sets are; else $AGAD_DATA or the cache"
  c:option "--from":argname "URL":description "a folder on a server that holds the same files"
  c:flag "--force":description "fetch again what is there and right"
end

function add.score(c)
  c:argument "model":description "a model file"
  c:argument "path":args "+":description "pictures or folders of them"
  c:option "--map":argname "DIR":description "write an error map of each picture there"
end

function add.campaign(c)
  c:argument "file":description "a Lua file that returns {data, options, grid}"
  c:option "--dir":argname "DIR":description "where the runs go (default: FILE without its ending, .runs)"
  c:option "--root":argname "DIR":description "where the data sets are"
  c:option "--workers":argname "N":default "1":convert(function(text)
    local n = math.tointeger(tonumber(text))
    return n and n >= 1 and n <= 1024 and n or nil, "--workers " .. text .. ": a whole number from 1 is needed"
  end):description "trainings at a time (default: 1)"
end

function add.info(c)
  c:argument "thing":description("a model file, a run directory, a net's name, or a data set: " ..
    "mnist, fashion-mnist, cifar10, cifar100, weave, a folder or a .csv file")
  c:option "--root":argname "DIR":description "where the data sets are"
  c:option "--normal":argname "CLASS":description "of weave: the texture"
  c:option "--size":argname "N":description "side of the pictures (a net: 32)"
  c:option "--channels":argname "N":description "1 grey, 3 colour (a net: 3)"
  c:option "--out":argname "PATH":description("of a data set: a folder for each class's mean picture; " ..
    "of a net: NAME.svg, its drawing")
  c:option "--method":argname "NAME":description "list the options of this method too"
end

--- The names of the subcommands, sorted.
parser.commands = {"campaign", "demo", "evaluate", "fetch", "info", "score", "train"}

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
    local c = p:command(name, help[name])
    c:help_max_width(79)
    c.error = refuse
    add[name](c)
    everywhere(c)
  end
  p.error = refuse
  return p
end

return parser
