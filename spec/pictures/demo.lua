-- The README's picture of woven textures, examples/weave.png: what `make demo` draws.
--     build/agad spec/pictures/demo.lua

local core = require "agad.core"
local scratch = dofile "spec/support/scratch.lua"

local program, out = os.getenv "AGAD_PROGRAM", scratch.path "demo"
local ran = os.execute(("'%s' demo --out '%s'"):format(program, out))
local row = ran and core.json_decode(scratch.read(out .. "/weave.run/result.json"))
local picture = ran and scratch.read(out .. "/grid.png")
scratch.remove()
if not ran then error("the demo failed", 0) end
if row.auroc < 0.95 then error("the demo trained too little in its time; run it again on a quiet machine", 0) end
core.file_replace("examples/weave.png", picture)
print "examples/weave.png"
