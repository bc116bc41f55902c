-- Titles of results and models: the options in which they differ.

local core = require "agad.core"
local format = require("agad.base.text").format
local sorted_keys = require("agad.base.values").keys

local titles = {}

local first = {"method", "net", "gamma", "score", "normal"}

-- Options that say nothing of a result.
local silent = {threads = true, device = true, log_every = true, checkpoint_minutes = true, checkpoint_steps = true,
  data = true, cache = true, root = true}

-- Their values stand alone.
local plain = {method = "%s", net = "%s", variant = "%s", gamma = "γ = %s"}

local function text_of(v)
  if v == nil or v == core.null then return "-" end
  if type(v) == "table" and type(v[1]) == "string" then return table.concat(v, ", ") end
  if type(v) == "table" then return core.json_encode(v) end
  return math.type(v) == "float" and format("%.14g", v) or tostring(v)
end

--- The values of some options in words: "unet, γ = 0.05".
-- @param config table
-- @param names list
-- @return string
function titles.words(config, names)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = (plain[name] or name .. " = %s"):format(text_of(config[name])) end
  return table.concat(parts, ", ")
end

--- The options in which some differ. Of several methods, whose options are others, only the main ones count.
-- @param list list of {config = table}; those without one do not count
-- @param but table names (as keys) that do not count
-- @return list of names
function titles.differing(list, but)
  local seen, differ = {}, {}
  for _, one in ipairs(list) do
    for name, v in pairs(one.config or {}) do
      local text = text_of(v)
      seen[name] = seen[name] or text
      differ[name] = differ[name] or seen[name] ~= text
    end
  end
  local names, done = {}, {}
  local function add(name)
    if differ[name] and not (done[name] or silent[name] or but[name]) then names[#names + 1] = name end
    done[name] = true
  end
  for _, name in ipairs(first) do add(name) end
  for _, name in ipairs(differ.method and {"seed"} or sorted_keys(differ)) do add(name) end
  return names
end

--- A title for each: its own, or the options in which they differ, or (of the only one) its method.
-- @param list list of {title = string or nil, config = table or nil}
-- @return list of texts
function titles.of(list)
  local made, by, untitled = {}, titles.differing(list, {}), 0
  for _, one in ipairs(list) do untitled = untitled + (one.title and 0 or 1) end
  for i, one in ipairs(list) do
    local config = one.config
    made[i] = one.title or config and (#by > 0 and titles.words(config, by) or untitled == 1 and config.method)
      or tostring(i)
  end
  return made
end

return titles
