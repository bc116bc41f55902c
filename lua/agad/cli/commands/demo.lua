-- agad demo: a short training on the built-in textures, and pictures of the defects that were found.

local common = require "agad.cli.common"
local interrupt = require "agad.base.interrupt"

local function run(args)
  require("agad.base.folder").make(args.out)
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
