--- The options of runs, from all rooms: `agad.options.resolve`, `schema`, `describe`, `canonical`, `hash` …
-- This file loads their definitions; the functions are in agad/base/configuration.lua.

for _, room in ipairs {"task", "train", "evaluate"} do require("agad." .. room .. ".options") end

return require "agad.base.configuration"
