-- Tracebacks: the lines of the user's own code that led to an error, without the frames of the REPL and of agad.

local common = require "agad.cli.common"
local errors = require "agad.base.errors"
local printable = require("agad.base.text").printable
local printing = require "agad.cli.repl.print"
local sources = require "agad.cli.repl.source"

local traceback = {}

local MOST = 12                                   -- lines shown
local own = debug.getinfo(1, "S").source:match "^(.*/)cli/repl/traceback%.lua$"

local function is_own(name) return name:sub(1, #own) == own and not os.getenv "AGAD_TRACEBACK" end

-- The local variables of a frame, those of inner blocks first: list of {name, value}.
local function variables(...)
  local list, i = {}, 1
  while true do
    local at = table.pack(...)
    at[at.n + 1] = i
    local name, value = debug.getlocal(table.unpack(at, 1, at.n + 1))
    if not name then return list end
    if not name:find "^%(" then table.insert(list, 1, {name = name, value = value}) end
    i = i + 1
  end
end

-- The coroutine of coroutine.wrap that failed last: the function that ran it, and its frames.
local failed = {}

require("agad.core").coroutine_watch(function(co, wrapper)
  local top, frames = debug.getinfo(co, 0, "f"), {}
  if top and rawequal(top.func, failed.wrapper) then frames = failed.frames end
  for level = 0, 60 do
    local info = debug.getinfo(co, level, "Slnf")
    if not info or #frames >= MOST then break end
    if info.what ~= "C" and not is_own(info.source) then
      frames[#frames + 1] = {source = info.source, line = info.currentline, name = info.name, f = info.func,
        variables = variables(co, level)}
    end
  end
  failed = {wrapper = wrapper, frames = frames}
end)

--- What xpcall's handler makes of an error in input.
-- @param err any
-- @param chunk function of the input: the last frame
-- @param name string of the input, "input 3"
-- @param piece table the piece of input that ran
-- @return table err, frames: list of {source, line, name, f, variables}, innermost first
function traceback.caught(err, chunk, name, piece)
  local caught = {err = err, frames = {}, name = name}
  if errors.is_interruption(err) then return caught end
  local frames, replaced = caught.frames, false
  for level = 2, 60 do
    local info = debug.getinfo(level, "Slnft")
    if not info or info.func == xpcall then break end
    if level == 2 and rawequal(info.func, failed.wrapper) then
      frames, failed = failed.frames, {}
      caught.frames = frames
    end
    local last = info.func == chunk
    if info.what ~= "C" and (last or not is_own(info.source)) then
      if #frames < MOST then
        frames[#frames + 1] = {source = info.source, line = info.currentline, name = info.name,
          f = not last and info.what ~= "main" and info.func or nil, variables = variables(level + 1)}
      end
      replaced = info.istailcall
    end
    if last then return caught end
  end
  if replaced and #frames < MOST then              -- `return f(x)`: Lua replaced the frame of the input
    frames[#frames + 1] = {source = "=" .. name, line = 1 + select(2, piece.text:match "^\n*":gsub("\n", ""))}
  end
  return caught
end

local function cut(line, width)
  line = printable((line:match "^%s*(.-)%s*$"):sub(1, 4 * width))
  local length = utf8.len(line)
  return length > width and line:sub(1, utf8.offset(line, width) - 1) .. "…" or line
end

-- A function replaced by a tail call has no name of its own: it is looked for among the user's.
local function name_of(frame, names)
  if frame.name then return "function " .. frame.name end
  for name, value in pairs(names) do if rawequal(value, frame.f) then return "function " .. name end end
  return "a function"
end

local function frame_text(frame, session, names, width)
  local name = frame.source:match "^[@=](.*)$" or "a string"
  local where = ("  %s, line %d%s"):format(printable(name), frame.line,
    frame.f and ", in " .. name_of(frame, names) or "")
  local lines = sources.lines(frame.source, frame.line, frame.line, session.texts)
  if not lines then return where end
  where = where .. ": "
  local room = width - #where
  if room >= 20 then return where .. cut(lines[1], room) end
  return where .. "\n    " .. cut(lines[1], math.max(10, width - 4))
end

--- The frames of an error with their variables, as text.
-- @param frames list of `traceback.caught`
-- @param session table texts: name -> text of the inputs
-- @param names table name -> value: the user's
-- @param width integer columns
-- @return string
function traceback.frames(frames, session, names, width)
  local out = {}
  for i, frame in ipairs(frames) do
    out[#out + 1] = ("%2d%s"):format(i, frame_text(frame, session, names, width - 2))
    for _, v in ipairs(frame.variables or {}) do
      local head = ("      %-10s "):format(v.name)
      out[#out + 1] = head .. printing.brief(v.value, math.max(10, width - #head))
    end
  end
  return table.concat(out, "\n")
end

-- The position before a message ("file.lua:3: ") if it is in the user's file and none of the frames, which stand below
-- the message, shows it: a syntax error that dofile met.
local function unseen_position(err, frames)
  local position, file = (type(err) == "string" and err or ""):match "^(([^:\n]-%.lua):%d+: )"
  if not file or err:find("^attempt to ", #position + 1) then return "" end
  local ending = file:match "^%.%.%.(.*)$"         -- Lua cuts the beginning of a long path
  if ending and ending:find(own:match "/[^/]+/[^/]+/$", 1, true) or is_own("@" .. file) then return "" end
  for _, frame in ipairs(frames) do
    if frame.source == "@" .. file or ending and frame.source:sub(-#ending) == ending then return "" end
  end
  return position
end

--- An error as text: its message, then the lines that led to it if they say more than the message does.
-- @param caught table of `traceback.caught`
-- @param session table texts: name -> text of the inputs
-- @param names table name -> value: the user's
-- @param width integer columns
-- @return string message
-- @return list of further lines
function traceback.show(caught, session, names, width)
  local err = caught.err
  if errors.is_interruption(err) then return "interrupted", {} end
  local meta = getmetatable(err)
  if err == nil then err = "the error has no message: error() was called without one" end
  local bare = type(err) == "table" and not (type(meta) == "table" and rawget(meta, "__tostring"))
  local message = bare and "the error is a table: " .. printing.text(err, {width = width})
    or common.message(err)
  message = unseen_position(err, caught.frames) .. message
  while message:find "^input %d+:%d+: " do message = message:gsub("^input %d+:%d+: ", "") end
  local lines, frames = {}, caught.frames
  if frames[1] then                                        -- its line shows where that is
    local position = ("%s:%d: "):format(frames[1].source:sub(2), frames[1].line)
    if message:sub(1, #position) == position then message = message:sub(#position + 1) end
  end
  local text = session.texts[caught.name] or ""
  local obvious = not text:find("\n", 1, true)
  for _, frame in ipairs(frames) do
    obvious = obvious and frame.source == "=" .. caught.name
    local line = frame_text(frame, session, names, width)
    if lines[#lines] ~= line then lines[#lines + 1] = line end     -- recursion: once
  end
  if obvious then lines = {} end
  return message, lines
end

return traceback
