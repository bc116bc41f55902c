-- The commands to go on with after a training.

local lfs = require "lfs"

local next_steps = {}

--- How to call the program: by its launcher in build/ if it runs in the source tree, else by its name.
function next_steps.program()
  local build = package.searchpath("agad.cli.demo", package.path):match("^(.*/)%.%./lua/agad/cli/demo%.lua$")
  if not build then return "agad" end
  local here = lfs.currentdir() .. "/"
  if build:sub(1, #here) == here then build = build:sub(#here + 1) end
  return build .. "agad"
end

-- A word of a command, quoted for the shell where that is needed.
local function word(text)
  return text:find "^[%w_./,:=@%%+-]+$" and text or "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The data as they were given, and how known defects are added to them.
local function data_of(args, run)
  local set, gamma = run.task.set, run.config.gamma == 0 and " --gamma .05" or ""
  local normals, flat = args.normals or args.data, #set.classes == 1
  local data = args.data and word(args.data) or ("--normals %s --anomalies %s"):format(word(args.normals),
    word(args.anomalies))
  if lfs.attributes(normals, "mode") ~= "directory" then
    local listed = normals:lower():find "%.csv$"
    return data, data .. gamma, listed and "with rows of known defects added" or "with known defects"
  elseif not args.data then return data, data .. gamma, "with more known defects in " .. args.anomalies
  elseif flat then return data, ("--normals %s --anomalies DEFECTS%s"):format(data, gamma), "with known defects"
  end
  local folder = normals:gsub("/+$", "") .. (set.test and "/train" or "")
  return data, data .. gamma, ("with known defects in a folder of %s"):format(folder)
end

--- Three commands: to score pictures, to look at the model, and to train with known defects.
-- @param args table of `agad train`: data, normals, anomalies, out
-- @param run run
-- @return string lines, each ending in a newline
function next_steps.text(args, run)
  local me, model = next_steps.program(), word(args.out)
  local data, more, how = data_of(args, run)
  local look = #run.task.test.anomalous > 0 and ("evaluate %s %s"):format(model, data) or
    ("score %s NEW_PICTURES --map MAPS"):format(model)
  return ("  Next:\n    %s score %s NEW_PICTURES\n    %s %s\n    %s train %s --out %s\n      (%s)\n"):format(me, model,
    me, look, me, more, model, how)
end

return next_steps
