--- The options of runs, from all parts of agad. Functions: `agad.options.resolve`, `schema`, `describe`, `canonical`,
-- `hash` … This file loads the definitions; the functions are documented as agad.base.configuration.

for _, room in ipairs {"task", "train", "evaluate"} do require("agad." .. room .. ".options") end

return require "agad.base.configuration"
