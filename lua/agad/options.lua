--- Options of runs, of all rooms: `agad.options.resolve`, `schema`, `describe`, `canonical`, `hash` …
-- Loads the definitions; what is done with them is in agad/base/configuration.lua.

for _, room in ipairs {"task", "train", "evaluate"} do require("agad." .. room .. ".options") end

return require "agad.base.configuration"
