-- The command line as a process in a folder of its own. Its file goes with cli.remove(): call it in teardown.

local lfs = require "lfs"
local assert = require "luassert"

local launcher = os.getenv "AGAD" or lfs.currentdir() .. "/build/agad"
local dir = os.tmpname()
os.remove(dir)
lfs.mkdir(dir)

local cli = {dir = dir, launcher = launcher}

function cli.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

function cli.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text):close()
end

--- Runs `agad ARGUMENTS` in the folder: its status, stdout and stderr.
function cli.agad(arguments, before)
  local command = ("cd %s && %s %s %s > out 2> err"):format(dir, before or "", launcher, arguments)
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

function cli.remove() os.execute("rm -rf " .. dir) end

return cli
