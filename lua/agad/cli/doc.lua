-- Doc comments: their format, an index of them, and the text behind the REPL's `? name`.
--
-- A doc comment is a block that starts with three dashes, directly above a function or field:
--
--     --- One line that says what it does.
--     -- More text: shapes, units, the source (paper equation, page).
--     -- @param name type what it is
--     -- @return type what comes back
--     -- @raise when and with which message
--     -- @example code that uses it, on one line
--     function module.name(name) … end
--
-- The comment at the top of a file documents its module. Functions written in C are documented in a Lua file by
-- separate blocks that begin with `--- @name agad.core.hash`, or with a signature, `--- @name agad.core.hash(text)`.
-- The index is built when documentation is first requested, from the sources on the package path.

local lfs = require "lfs"
local public = require "agad.base.public"
local wrap = require("agad.base.text").wrap
local sort = require("agad.base.text").sort

local doc = {}

local index                   -- {by_name = {name = entry}, by_line = {["path:line"] = entry}, names = {…}}

local function module_of(path, root)             -- DIR/agad/nets/naive.lua -> agad.nets.naive
  local module = "agad" .. path:sub(#root + 1):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
  return public.name_of[module] or module
end

-- The name that a line of code defines, and its arguments.
local function defined_by(line)
  local name, args = line:match("^%s*local%s+function%s+([%w_]+)%s*(%b())")
  if not name then name, args = line:match("^%s*function%s+([%w_.:]+)%s*(%b())") end
  if not name then name, args = line:match("^%s*[%a_]*%s*([%w_.]+)%s*=%s*function%s*(%b())") end
  if not name then name = line:match("^%s*local%s+([%w_]+)%s*=") or line:match("^%s*([%w_.]+)%s*=") end
  return name, args
end

-- `options.nearest` in agad/options.lua is agad.options.nearest; other tables keep their name: run:fit.
local function qualify(name, module)
  local first, rest = name:match("^([%w_]+)([.:].+)$")
  if first and (first == module:match("[%w_]+$") or first == "M") then return module .. rest end
  if first == "agad" then return name end
  return module .. "." .. name
end

local function parse(lines)                      -- the block's comment lines, dashes removed
  local entry = {text = {}, params = {}, returns = {}, raises = {}, examples = {}}
  local last
  for _, line in ipairs(lines) do
    local tag, rest = line:match("^%s*@(%a+)%s*(.*)$")
    if tag == "name" then
      entry.name, entry.args = rest:match("^([^%s(]+)%s*(%b())")
      entry.name = entry.name or rest:match("^(%S+)")
    elseif tag == "param" then
      local name, kind, text = rest:match("^(%S+)%s*(%S*)%s*(.*)$")
      last = {name = name, kind = kind, text = text}
      table.insert(entry.params, last)
    elseif tag == "example" then
      last = nil
      table.insert(entry.examples, rest)
    elseif tag == "return" or tag == "raise" then
      last = {text = rest}
      table.insert(tag == "return" and entry.returns or entry.raises, last)
    elseif last and line:find("%S") then
      last.text = last.text .. " " .. line:match("^%s*(.-)%s*$")
    else
      last = nil
      table.insert(entry.text, line)
    end
  end
  -- Lines of a paragraph are joined; indented ones stand as they are. The summary is the first sentence.
  local text, open = {}, false
  for _, line in ipairs(entry.text) do
    if open and line:find "^%S" then text[#text] = text[#text] .. " " .. line
    else text[#text + 1] = line end
    open = line:find "^%S" ~= nil
  end
  while text[1] == "" do table.remove(text, 1) end
  while text[#text] == "" do text[#text] = nil end
  local first = table.remove(text, 1) or ""
  local summary, rest = first:match "^(.-%.)%s+(%S.*)$"
  if rest then table.insert(text, 1, rest) end
  entry.summary, entry.text = summary or first, text
  return entry
end

local function add(entry)
  if not index.by_name[entry.name] then table.insert(index.names, entry.name) end
  index.by_name[entry.name] = entry
end

local function scan(path, module)
  local number, block, start = 0, nil, nil
  local function close(line)
    local entry = parse(block)
    if start == 1 and not entry.name then
      entry.name = module                        -- a block with a signature says more of it
      if not (index.by_name[module] and index.by_name[module].args) then add(entry) end
    else
      local name, args = defined_by(line)
      entry.where = name and ("%s:%d"):format(path:gsub("/[^/]+/%.%./", "/"), number)
      if not entry.name and name then entry.name, entry.args = qualify(name, module), args end
      if name then index.by_line[path .. ":" .. number] = entry end
      if entry.name then add(entry) end
    end
    block = nil
  end
  for line in io.lines(path) do
    number = number + 1
    local comment = line:match("^%s*%-%-%-?(.*)$")
    local opens = line:find("^%s*%-%-%-%s*[^-%s]") or number == 1 and comment
    if block and (not comment or opens and line:find("@name")) then close(line) end
    if not block and opens then block, start = {}, number end
    if block then table.insert(block, (comment:gsub("^ ", ""))) end
  end
  if block then close("") end
end

local function walk(dir, root)
  local names = {}
  for name in lfs.dir(dir) do if name:sub(1, 1) ~= "." then names[#names + 1] = name end end
  sort(names)
  for _, name in ipairs(names) do
    local path = dir .. "/" .. name
    if lfs.attributes(path, "mode") == "directory" then walk(path, root)
    elseif name:find("%.lua$") then scan(path, module_of(path, root)) end
  end
end

--- Reads the sources again, after they were edited while the REPL was running.
function doc.refresh()
  index = {by_name = {}, by_line = {}, names = {}}
  local here = package.searchpath("agad.cli.doc", package.path)
  local root = here and here:match("^(.*)/cli/doc%.lua$")
  if root then walk(root, root) end
  for _, entry in ipairs(require "agad.nn.docs") do if not index.by_name[entry.name] then add(entry) end end
  sort(index.names)
end

local function by_function(f)
  local info = debug.getinfo(f, "S")
  local here = info.what ~= "C" and index.by_line[info.source:gsub("^@", "") .. ":" .. info.linedefined]
  if here then return here end
  for _, name in ipairs(index.names) do          -- C, or made of a table: the documented name that holds this function
    local value = package.loaded.agad
    for part in (name:match("^agad%.(.+)$") or ""):gmatch("[^.:]+") do
      value = type(value) == "table" and rawget(value, part) or nil
    end
    if value == f then return index.by_name[name] end
  end
end

local function by_table(t)
  for name, value in pairs(package.loaded) do
    if value == t and index.by_name[name] then return index.by_name[name] end
  end
  local meta = getmetatable(t)
  return meta and type(meta.__name) == "string" and index.by_name[meta.__name] or nil
end

--- Whether there is documentation of NAME.SOMETHING.
-- @param name string
-- @return boolean
function doc.is_space(name)
  if not index then doc.refresh() end
  for _, known in ipairs(index.names) do if known:sub(1, #name + 1) == name .. "." then return true end end
  return false
end

--- The documented methods of a class.
-- @param class string "run", "task" …
-- @return list of names
function doc.methods(class)
  if not index then doc.refresh() end
  local list = {}
  for _, name in ipairs(index.names) do
    local of, method = name:match "([%w_]+):([%w_]+)$"
    if of == class then list[#list + 1] = method end
  end
  return list
end

--- The doc entries for a name or a value.
-- The beginning of a name may be left out (`trainer`, `run:fit`, `fit`); exact matches come first.
-- @param what any a name, a function, or a module's table
-- @return list of entries {name, args, summary, text, params, returns, raises}, empty when there are none
function doc.find(what)
  if not index then doc.refresh() end
  if type(what) == "function" then return {by_function(what)} end
  if type(what) ~= "string" then return {type(what) == "table" and by_table(what) or nil} end
  local plain = what:gsub(":", ".")
  if index.by_name[what] then return {index.by_name[what]} end
  local found = {}
  for _, name in ipairs(index.names) do
    local n = name:gsub(":", ".")
    if n == plain then return {index.by_name[name]} end
    if n:sub(-#plain - 1) == "." .. plain then found[#found + 1] = index.by_name[name] end
  end
  return found
end

-- Whether users can reach what a name stands for: from `agad` on, or as a method of an object.
local function is_public(name)
  if name:find(":", 1, true) or not name:find "^agad%." then return true end
  local value = package.loaded.agad
  for part in name:match("^agad%.(.+)$"):gmatch "[^.]+" do
    local ok, inner = pcall(function() return value[part] end)
    if not ok or inner == nil then return false end
    value = inner
  end
  return true
end

--- The entries in which all words of a text occur, in any case: those that users can reach before those of agad's own
-- parts, and of each those with a word in the name first.
-- @param words string
-- @return list of entries
function doc.search(words)
  if not index then doc.refresh() end
  local found = {{}, {}, {}, {}}
  for _, name in ipairs(index.names) do
    local entry, lower = index.by_name[name], name:lower()
    local parts, all, in_name = {lower, entry.summary, table.concat(entry.text, " ")}, true, false
    for _, list in ipairs {entry.params, entry.returns, entry.raises} do
      for _, one in ipairs(list) do parts[#parts + 1] = ("%s %s"):format(one.name or "", one.text) end
    end
    local whole = table.concat(parts, " "):lower()
    for word in words:lower():gmatch "%S+" do
      all = all and whole:find(word, 1, true) ~= nil
      in_name = in_name or lower:find(word, 1, true) ~= nil
    end
    if all then table.insert(found[(is_public(name) and 1 or 3) + (in_name and 0 or 1)], entry) end
  end
  local list = {}
  for _, part in ipairs(found) do table.move(part, 1, #part, #list + 1, list) end
  return list
end

-- The entries of a module's members, one per line.
local function members(entry, width)
  local out = {}
  for _, name in ipairs(index.names) do
    if name:match("^(.*)[.:][^.:]+$") == entry.name then
      out[#out + 1] = wrap(("  %-28s %s"):format(name, index.by_name[name].summary), width, 31)
    end
  end
  if #out > 0 then table.insert(out, 1, "") end
  return out
end

-- A path, from the current folder on where it lies in it.
local function from_here(path)
  local here = (lfs.currentdir() or "") .. "/"
  return path:sub(1, #here) == here and path:sub(#here + 1) or path
end

--- An entry as text for a terminal of `width` columns (79).
function doc.render(entry, width)
  width = width or 79
  local out = {entry.name .. (entry.args or "")}
  local function put(line, hang) out[#out + 1] = wrap(line:gsub("%s+$", ""), width, hang) end
  put("  " .. entry.summary, 2)
  for _, line in ipairs(entry.text) do put("  " .. line, 2) end
  local wide, kind = 0, 0
  for _, p in ipairs(entry.params) do wide, kind = math.max(wide, #p.name), math.max(kind, #p.kind) end
  if #entry.params > 0 then out[#out + 1] = "" end
  for _, p in ipairs(entry.params) do
    put(("  %-" .. wide .. "s  %-" .. kind .. "s  %s"):format(p.name, p.kind, p.text), wide + kind + 6)
  end
  for _, r in ipairs(entry.returns) do put("  returns " .. r.text, 4) end
  for _, r in ipairs(entry.raises) do put("  raises " .. r.text, 4) end
  for _, code in ipairs(entry.examples or {}) do put("  example: " .. code, 11) end
  for _, line in ipairs(members(entry, width)) do out[#out + 1] = line end
  if entry.where then out[#out + 1] = "  in " .. from_here(entry.where) end
  return table.concat(out, "\n")
end

--- All entries, sorted by name.
-- @return list of entries
function doc.entries()
  if not index then doc.refresh() end
  local list = {}
  for i, name in ipairs(index.names) do list[i] = index.by_name[name] end
  return list
end

--- The text of `? name`: the documentation of a name or value, or nil when there is none.
-- If several names match, they are listed with their summaries.
function doc.lookup(what, width)
  local found = doc.find(what)
  if #found == 0 then return nil end
  if #found == 1 then return doc.render(found[1], width) end
  local out = {}
  for i, entry in ipairs(found) do out[i] = ("%-32s %s"):format(entry.name, entry.summary) end
  return table.concat(out, "\n")
end

return doc
