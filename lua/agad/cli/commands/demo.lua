-- agad demo: a short training on the built-in textures, and pictures of the defects that were found.

local common = require "agad.cli.common"
local interrupt = require "agad.base.interrupt"
local lfs = require "lfs"

-- What a demonstration writes; a folder that holds anything else is not one that may be written over.
local own = {[".."] = true, ["."] = true}
for name in ("weave.run weave.run.previous weave.safetensors grid.png losses.png scratch.png"):gmatch "%S+" do
  own[name] = true
end

local function run(args)
  require("agad.base.folder").make(args.out)
  for name in lfs.dir(args.out) do
    if not own[name] and not name:find "%.agad%-part$" then
      common.fail(("--out %s: this folder holds other files (%s); give a new folder"):format(args.out, name))
    end
  end
  common.check_writable(args.out .. "/grid.png")
  local given = common.given(args)
  require "agad"
  interrupt.arm()
  local row = require("agad.cli.demo").run {out = args.out, given = given, quiet = args.quiet, json = args.json}
  if args.json then common.print_json(row) end
end

return {
  help = "Train for a minute on the built-in textures and draw the results",
  arguments = function(c)
    c:option "--out":argname "DIR":default "demo":description "the folder for what is written"
  end,
  run = run,
}
