-- The program `agad`: runs a subcommand, a script, Lua code (-e), standard input, or the REPL. Its exit status is 0 if
-- all went well, 1 if it failed (with one line on stderr), 2 for wrong usage, and 130 if it was interrupted (143 by
-- SIGTERM, 129 by SIGHUP). Set AGAD_TRACEBACK=1 to see where an error came from.
-- The launcher passes the folder of the libraries as the first argument. Other versions of Lua must be able to read
-- this file, so that they report the check below.

if _VERSION ~= "Lua 5.4" then
  io.stderr:write("agad: agad needs Lua 5.4; this is ", jit and jit.version or _VERSION, "\n")   -- luacheck: ignore 113
  os.exit(1)
end

local folder = arg[0]:match "^(.*)/agad/main%.lua$"
local modules = dofile(folder .. "/agad/cli/modules.lua")
modules.open(folder, table.remove(arg, 1))

-- Tensors are short-lived objects with finalisers; generational collection keeps up with them, incremental does not.
collectgarbage "generational"

local common = require "agad.cli.common"
local errors = require "agad.base.errors"
local interrupt = require "agad.base.interrupt"
local text_of = require("agad.base.text").of

local function say(message)
  io.stdout:flush()
  io.stderr:write(require("agad.base.terminal").fitted("agad: " .. message, 2), "\n")
end

-- A script finds `arg` as it would under lua: the script at 0, its arguments from 1.
local function with_arguments(name, first)
  local given = arg
  arg = {[0] = name}                               -- luacheck: ignore 121
  table.move(given, first, #given, 1, arg)
  return table.unpack(arg)
end

-- A chunk of a whole text. If it is not valid Lua, the program ends with one line that says where.
local function chunk_of(text, name)
  local chunk = load(text, name, "t")
  if chunk then return chunk end
  local syntax = require "agad.cli.repl.syntax"
  common.fail(common.one_line(syntax.one_line(syntax.problem(text), name:sub(2))))
end

-- A script's text, whose first line may be "#!/usr/bin/env agad".
local function script_text(path)
  local file, reason = io.stdin, nil
  if path ~= "-" then file, reason = io.open(path, "rb") end
  local text = file and file:read "a"
  if not text then common.fail(("cannot read %s"):format(reason or path)) end
  return (text:gsub("^#[^\n]*", ""))
end

local function run(chunk, name, first)
  interrupt.arm()
  chunk(with_arguments(name, first))
end

local function script(path)
  local chunk = chunk_of(script_text(path), "@" .. path)
  require "agad"
  modules.beside(path)
  run(chunk, path, 2)
end

-- Code in which the REPL's names are known.
local function code(text, name, first)
  local chunk = chunk_of(text, "=" .. (name == "-" and "stdin" or "(command line)"))
  require "agad.cli.repl.environment"(_G)
  run(chunk, name, first)
end

-- agad -i [SCRIPT.lua | -e CODE | -] [ARGS]: runs that, and then the REPL.
local function interactive()
  local repl, first = require "agad.cli.repl", arg[2]
  if not first then return repl.run() end
  if first == "-e" and not arg[3] then common.fail("-e needs Lua code to run (see agad --help)", 2) end
  if first:find "^%-." and first ~= "-e" then
    common.fail(("-i takes a script or -e, not %s (see agad --help)"):format(first), 2)
  end
  local text = first == "-e" and arg[3] or script_text(first)
  with_arguments(first, first == "-e" and 4 or 3)
  if first ~= "-e" and first ~= "-" then modules.beside(first) end
  return repl.run(function(session)
    repl.script(session, text, first == "-e" and "=(command line)" or first == "-" and "=stdin" or "@" .. first)
  end)
end

local function command(parser)
  local function usage(message, at)
    local name = at and at._name and at._name ~= "agad" and "agad " .. at._name or "agad"
    common.fail(("%s (see %s --help)"):format((message:gsub("%s*\n%s*Did", "; did")), name), 2)
  end
  local args = parser.build(usage):parse(arg)
  parser.command(args.command).run(args)
end

local function main()
  require("agad.base.places").check_current()
  require "agad.base.openmp"
  local first = arg[1]
  local parser = require "agad.cli.parser"
  if not first then
    return require("agad.cli.repl").run()
  elseif first == "-" then
    code(script_text "-", "-", 2)
  elseif first == "-i" then
    return interactive()
  elseif first == "--version" or first == "-v" then
    local agad = require "agad"
    io.stdout:write(("agad %s, libtorch %s, %s\n"):format(agad.version, agad.libtorch_version or "2.11.0", _VERSION))
  elseif first == "-e" then
    if not arg[2] then common.fail("-e needs Lua code to run (see agad --help)", 2) end
    code(arg[2], "-e", 3)
  elseif not common.contains(parser.commands, first) and (first:find("%.lua$") or
         first:sub(1, 1) ~= "-" and require("lfs").attributes(first, "mode") == "file") then
    script(first)
  else
    command(parser)
  end
end

-- Tracebacks are collected only on request. From here on Ctrl-C is too late.
local function handler(err)
  interrupt.disarm()
  if errors.is_interruption(err) or common.is_failure(err) or not os.getenv "AGAD_TRACEBACK" then return err end
  return debug.traceback(text_of(err), 2)
end

local ok, result = xpcall(function()
  local status = main()
  interrupt.disarm()
  return status
end, handler)
local status = ok and (math.type(result) and result or 0) or 1
if not ok then
  if errors.is_interruption(result) then
    say "interrupted"
    status = interrupt.status()
  elseif common.is_failure(result) then
    if result.message ~= "" then say(result.message) end
    status = result.status
  elseif os.getenv "AGAD_TRACEBACK" then
    say(text_of(result))
  else
    say(common.message(result))
  end
end
local core = package.loaded["agad.core"]
local flushed, lost = io.stdout:flush()
if core then lost = core.output_failed() elseif flushed then lost = nil end
if lost and status == 0 then
  if lost ~= "closed" then say("standard output cannot be written: " .. lost) end
  status = 1
end
os.exit(status, true)
