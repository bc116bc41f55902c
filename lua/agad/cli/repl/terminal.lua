-- Reading lines at the terminal, with lua-readline: prompts, the history, completion, Ctrl-C.

local colours = require("agad.base.terminal").has_colours
local core = require "agad.core"
local history = require "agad.cli.repl.history"
local interrupt = require "agad.base.interrupt"
local rl = require "readline"

local terminal = {}

local is_whole = core.readline_open(package.searchpath("C-readline", package.cpath) or "")

local function clear_history()                    -- readline's own, not the file: another name for none empties it
  rl.set_options {histfile = rl.set_options({histfile = ""}).histfile == "" and "/dev/null" or ""}
end

-- Readline replaces the word that it sees, from `from` up to the byte before `to`; candidates replace what begins at
-- `start`.
local function adapted(text, from, to, candidates)
  local start, list, are_paths = candidates(text, to - 1)
  local before, cut = text:sub(from, start - 1), text:sub(start, from - 1)
  if are_paths and is_whole then
    core.readline_lists_files()
    for i, path in ipairs(list) do list[i] = path:gsub("/$", "") end       -- readline adds it
  end
  local fitted = {}
  for _, candidate in ipairs(list) do
    if start >= from then fitted[#fitted + 1] = before .. candidate
    elseif candidate:sub(1, #cut) == cut then fitted[#fitted + 1] = candidate:sub(#cut + 1) end
  end
  return fitted
end

-- A prompt; readline is told which parts of it take no room.
local function coloured(prompt)
  if not colours(1) then return prompt end
  local name, space = prompt:match "^(.-)(%s*)$"
  return "\1\27[1;36m\2" .. name .. "\1\27[0m\2" .. space
end

-- Waits for a key, which readline is then given; false after Ctrl-C or a request to end.
local function wait_key(idle)
  while true do
    local ready = core.wait_input(0, idle and idle.call and 0.3 or nil)
    core.readline_signals()
    if core.end_requested() or core.interrupted() then return false end
    if ready then return true end
    if idle and idle.call then
      pcall(idle.call)
      idle.call = nil
    end
  end
end

--- Opens the terminal.
-- @param o table complete: function(text, at), as `complete.at`; history: false keeps none; idle: a function that is
--   called once, while nothing is typed for a moment
-- @return function(prompt, before): a line, and whether it takes the place of the text `before`, which the arrow keys
--   bring back (nil: none); false after Ctrl-C, nil at the end of the input
-- @return function(text): adds an input to the history
function terminal.open(o)
  local kept, idle = history.open(o.history ~= false and history.default_path() or nil), {call = o.idle}
  local others, own = {}, {}
  rl.set_options {histfile = "", auto_add = false, completion = true}
  rl.set_readline_name "agad"
  rl.set_complete_function(function(text, from, to)
    rl.set_completion_append_character ""
    local list = {}
    interrupt.protected(function() list = adapted(text, from, to, o.complete) end, function() end)
    return list
  end)

  local function refresh_history()
    local news = kept:news()
    if #news == 0 then return end
    table.move(news, 1, #news, #others + 1, others)
    clear_history()
    for _, list in ipairs {others, own} do for _, text in ipairs(list) do rl.add_history(text) end end
  end

  local function read(prompt, before)
    local line, done, replaces
    refresh_history()
    if before then rl.add_history(before) end
    rl.handler_install(coloured(prompt), function(text)
      line, done, replaces = text, true, before and core.readline_recalled()
      rl.handler_remove()
    end)
    core.readline_begin()
    while not done and wait_key(idle) do rl.read_char() end
    local is_interrupted = not done and core.interrupted() and not core.end_requested()
    local mark = is_interrupted and "^C\n" or "\n"
    if not done and is_whole then                  -- lua-readline closes its stream before readline lets go of it
      core.readline_leave(mark)
      rl.handler_remove()
    elseif not line then io.stdout:write(mark) end
    core.readline_end()
    if before then core.readline_forget() end
    if is_interrupted then
      core.interrupt_clear()
      return false
    end
    if not line then return nil end
    return (line:gsub("%s+$", "")), replaces
  end

  local function add(text)
    local new, failed = kept:add(text)
    if not new then return end
    own[#own + 1] = text
    rl.add_history(text)
    if failed then
      io.stderr:write(("note: the history cannot be kept: %s\n"):format(failed))
    end
  end
  return read, add
end

--- Whether more input is waiting, as after pasting.
function terminal.is_waiting() return core.wait_input(0, 0.02) end

return terminal
