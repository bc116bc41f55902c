--- The names that the REPL and `agad -e` know besides Lua's own: agad, data, task, trainer, nn, loss, model, plot.
-- @param env table that they are put into
-- @return table env
return function(env)
  local agad = require "agad"
  env.agad = agad
  for _, name in ipairs {"data", "task", "trainer", "nn", "loss", "model", "plot"} do env[name] = agad[name] end
  return env
end
