-- agad demo: the built-in textures, a short training, pictures of what was found.

local common = require "agad.cli.common"
local interrupt = require "agad.cli.interrupt"

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
  help = "Train on the built-in textures and draw what was found",
  arguments = function(c)
    c:option "--out":argname "DIR":default "demo":description "where the pictures go (default: demo)"
  end,
  run = run,
}
