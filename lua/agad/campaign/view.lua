-- The options of a run as an expression sees them: `where` of a campaign's file, and --only.

local errors = require "agad.base.errors"
local hint = require("agad.base.options").hint

local view = {}

local tools = {math = math, string = string, tostring = tostring, tonumber = tonumber, type = type, pairs = pairs,
  ipairs = ipairs}

-- All option names of a run, for a message.
local function names_of(run)
  local list = {"data", "variant"}
  for name in pairs(run.config) do list[#list + 1] = name end
  return list
end

--- What an expression sees of a run: every option of its configuration, data, variant, and the values of its point (a
-- schedule under its name). An unknown name is an error.
-- @param run table point, config
-- @param known function(name) whether an option that has no value is one
-- @param extra table further names
-- @return table
function view.of(run, known, extra)
  return setmetatable({}, {__index = function(_, name)
    local v = run.point[name]
    if v == nil then v = run.config[name] end
    if v == nil and type(name) == "string" then
      local outer, inner = name:match "^(.-)%.(.+)$"
      v = outer and type(run.config[outer]) == "table" and run.config[outer][inner] or nil
    end
    if v == nil and extra then v = extra[name] end
    if v == nil and name ~= "variant" and not known(name) then
      local words = hint(name, names_of(run), "agad info weave --method agad")
      error(("unknown option %s%s"):format(tostring(name), words), 0)
    end
    return v
  end, __newindex = function() error("options cannot be changed here", 0) end})
end

--- A filter from the text of a Lua expression: 'gamma > 0 and net == "unet"'.
-- @param text string
-- @return function(run, known) whether the run is meant
-- @raise it is not an expression
function view.filter(text)
  local now
  local env = setmetatable({}, {__index = function(_, name) return now[name] end})
  local chunk, reason = load("return " .. text, "=--only", "t", env)
  if not chunk then
    error(("--only %s: this is not a Lua expression (%s)"):format(text, (reason:gsub("^%-%-only:1: ", ""))), 0)
  end
  return function(run, known)
    now = view.of(run, known, tools)
    local ok, v = errors.try(chunk)
    if not ok then error(("--only %s: %s"):format(text, (errors.text(v):gsub("^%-%-only:1: ", ""))), 0) end
    return v
  end
end

--- Whether `where` of a file keeps a run.
-- @raise what it raises, with the run's point
function view.where(where, run, known, keys)
  local ok, v = errors.try(where, view.of(run, known))
  if not ok then
    local words = require("agad.campaign.plan").words(run, keys)
    error(("campaign: where (%s): %s"):format(words, errors.text(v)), 0)
  end
  return v
end

return view
