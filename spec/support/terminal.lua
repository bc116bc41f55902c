-- A program in a real terminal, which tmux provides: keys go in, the screen comes out. A spec waits for what it expects
-- to see, never for a time. It calls terminal.remove() in its teardown; without tmux it skips (terminal.missing).

local lfs = require "lfs"

local scratch = dofile "spec/support/scratch.lua"

local terminal = {folder = scratch.folder, write = scratch.write, read = scratch.read}
terminal.__index = terminal

local PATIENCE = 60                               -- seconds after which something that should show up never will

--- Why there are no terminals, or nil.
terminal.missing = not os.execute "command -v tmux > /dev/null" and "tmux is not installed (make test-deps)" or nil

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local count = 0

local function tmux(self, arguments)
  local pipe = io.popen(("TMUX_TMPDIR=%s tmux -L %s -f /dev/null %s 2>&1"):format(scratch.folder, self.name, arguments))
  local text = pipe:read "a"
  pipe:close()
  return text
end

--- Starts a command in a terminal of its own.
-- @param command string for the shell
-- @param o table columns (80), lines (40), TERM ("xterm-256color")
-- @return terminal
function terminal.start(command, o)
  o = o or {}
  count = count + 1
  local self = setmetatable({name = "agad" .. count}, terminal)
  local home = scratch.folder .. "/home"
  lfs.mkdir(home)
  local environment = "env -u XDG_CONFIG_HOME -u NO_COLOR INPUTRC=/dev/null " ..
    ("HOME=%s XDG_STATE_HOME=%s/state TERM=%s"):format(home, scratch.folder, o.TERM or "xterm-256color")
  -- Nothing stays for long if the spec is killed. (The command timeout would send each Ctrl-C a second time.)
  tmux(self, ("new-session -d -x %d -y %d %s \\; run-shell -b -d 600 -C kill-server"):format(o.columns or 80,
    o.lines or 40, quoted(("%s %s; echo status $?; exec sleep 600"):format(environment, command))))
  return self
end

--- What the screen shows, with earlier lines that have left it; trailing blanks are removed.
-- @param colours boolean true: with escape codes
-- @return string
function terminal:screen(colours)
  return (tmux(self, "capture-pane -p -S - " .. (colours and "-e" or "")):gsub(" +\n", "\n"):gsub("\n+$", "\n"))
end

--- Waits until the screen has a text, and returns the screen.
-- @param text string plain text, or a function(screen)
-- @raise it does not come
function terminal:wait(text)
  local screen
  for _ = 1, PATIENCE * 20 do
    screen = self:screen()
    if type(text) == "function" and text(screen) or type(text) == "string" and screen:find(text, 1, true) then
      return screen
    end
    os.execute "sleep .05"
  end
  error(("the terminal never showed %s; it shows:\n%s"):format(tostring(text), screen), 2)
end

--- Types a text as it is.
function terminal:type(text)
  tmux(self, "send-keys -l -- " .. quoted((text:gsub(";$", "\\;"))))        -- tmux takes a last ; as its own
end

--- Presses keys by tmux's names: "Enter", "Tab", "C-c", "Up".
function terminal:press(...) tmux(self, "send-keys " .. table.concat({...}, " ")) end

--- Types a line, and waits for a text.
function terminal:enter(line, expected)
  self:type(line)
  self:press "Enter"
  return expected and self:wait(expected)
end

--- Pastes a text as a terminal does, which marks its beginning and end; or, where `plain`, as if it were typed.
function terminal:paste(text, plain)
  local path = scratch.write(scratch.folder .. "/paste", text)
  tmux(self, ("load-buffer %s \\; paste-buffer %s"):format(path, plain and "" or "-p"))
end

--- Changes the size of the terminal.
function terminal:resize(columns, lines) tmux(self, ("resize-window -x %d -y %d"):format(columns, lines)) end

--- Ends the program and the terminal.
function terminal:close() tmux(self, "kill-server") end

terminal.remove = scratch.remove

return terminal
