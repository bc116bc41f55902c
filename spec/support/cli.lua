-- The command line as a process in a folder of its own. Its file goes with cli.remove(): call it in teardown.

local lfs = require "lfs"
local assert = require "luassert"

local launcher = os.getenv "AGAD" or lfs.currentdir() .. "/build/agad"
local scratch = dofile "spec/support/scratch.lua"
local dir = scratch.folder

local cli = {dir = dir, launcher = launcher, read = scratch.read, write = scratch.write, remove = scratch.remove}

--- Runs `agad ARGUMENTS` in the folder: its status, stdout and stderr.
function cli.agad(arguments, before)
  local command = ("cd %s && %s %s %s > out 2> err"):format(dir, before or "", launcher, arguments)
  local _, _, status = os.execute(command)
  return status, cli.read(dir .. "/out"), cli.read(dir .. "/err")
end

--- Runs it likewise, but sends it signals (default: Ctrl-C) as soon as the file that the pattern names holds something.
function cli.interrupted(arguments, file, ...)
  local kills = {}
  for i, signal in ipairs(... and {...} or {"INT"}) do kills[i] = ("kill -%s $pid"):format(signal) end
  local command = ([[cd %s; rm -f out err; %s %s > out 2> err & pid=$!
    for i in $(seq 6000); do [ -s %s ] && break; sleep .05; done
    %s; wait $pid; exit $?]]):format(dir, launcher, arguments, file, table.concat(kills, "; "))
  local _, _, status = os.execute(command)
  return status, cli.read(dir .. "/out"), cli.read(dir .. "/err")
end

--- Expects this status and one line on stderr, and nothing on stdout.
function cli.refuses(status, arguments, message)
  local s, out, err = cli.agad(arguments)
  assert.equal(status, s, arguments .. ": " .. err)
  assert.equal("", out)
  assert.matches("^agad: [^\n]+\n$", err)
  assert.is_truthy(err:find(message, 1, true), ("%s: %q"):format(arguments, err))
end

return cli
