--- Drawings of nets: a program as a Graphviz graph, and as SVG if Graphviz is installed.

local core = require "agad.core"
local nn = require "agad.nn"
local places = require "agad.base.places"
local shell = require("agad.base.text").shell

local draw = {}

local WRITTEN = "// a net, written by agad"

local colours = {conv = "lightblue", conv_transpose = "lightcyan", batch_norm = "lightgrey", max_pool = "wheat",
  concat = "palegreen", op = "thistle"}

local function quoted(text) return '"' .. text:gsub('[\\"]', "\\%0") .. '"' end

-- The label of a node: its name, its kernel or operator, and its output shape.
local function label(node, layer)
  local lines = {node.name}
  local function pair(v) return type(v) == "table" and table.concat(v, "x") or tostring(v) end
  if node.kernel then lines[2] = ("%s, stride %s"):format(pair(node.kernel), pair(node.stride or 1)) end
  if node.op then lines[2] = node.op end
  lines[#lines + 1] = table.concat(layer.shape, " x ")
  return table.concat(lines, "\\n")
end

--- A program as a graph in Graphviz's language: a node for each layer, with its output shape.
-- @param program table
-- @return string
-- @raise the program is invalid (with net, node and reason)
function draw.dot(program)
  local layers = nn.net(program):info().layers
  local lines = {"digraph " .. quoted(program.name) .. " {", "  node [shape=box, style=filled, fillcolor=white, " ..
    'fontname="sans-serif", fontsize=10];', ("  n0 [label=\"input\\n%s\", shape=ellipse];"):format(
    table.concat(program.input, " x "))}
  local place = {}
  for _, layer in ipairs(layers) do place[layer.name] = layer end
  for i, node in ipairs(program.nodes) do
    lines[#lines + 1] = ("  n%d [label=%s, fillcolor=%s];"):format(i, '"' .. label(node, place[node.name]) .. '"',
      colours[node.layer] or "white")
    for _, from in ipairs(node.inputs) do lines[#lines + 1] = ("  n%d -> n%d;"):format(from, i) end
  end
  for i, output in ipairs(program.outputs) do
    lines[#lines + 1] = ("  o%d [label=%s, shape=ellipse];"):format(i, quoted(output.name))
    lines[#lines + 1] = ("  n%d -> o%d;"):format(output.node, i)
  end
  lines[#lines + 1] = "}\n"
  return table.concat(lines, "\n")
end

-- Writes a graph to a file that nobody named: one that agad did not write is left alone.
local function write_graph(path, graph)
  local file = io.open(path)
  local first = file and file:read "l"
  if file then file:close() end
  if first and first ~= WRITTEN then
    error(("draw: %s: there is another file of this name; it was left as it is"):format(path), 0)
  end
  core.file_replace(path, WRITTEN .. "\n" .. graph)
  return path
end

--- Draws a program to NAME.svg with Graphviz's `dot`; if that is not installed, writes the graph itself to NAME.dot.
-- @param program table
-- @param path string ends with .svg
-- @return string the file that was written
-- @raise it cannot be written; dot fails, with its message
-- @example agad.draw.svg(agad.nn.program("naive", {1, 32, 32}), "naive.svg")
function draw.svg(program, path)
  local graph = draw.dot(program)
  local has_dot = os.execute "command -v dot > /dev/null 2>&1"
  if not has_dot then return write_graph(path:gsub("%.svg$", ".dot"), graph) end
  local source, drawn = places.temporary(), places.temporary()
  core.file_replace(source, graph)
  local pipe = io.popen(("dot -Tsvg -o %s %s 2>&1"):format(shell(drawn), shell(source)))
  local message = pipe:read "a"
  local ok = pipe:close()
  local file = ok and io.open(drawn, "rb")
  local svg = file and file:read "a"
  if file then file:close() end
  os.remove(source)
  os.remove(drawn)
  if not svg then error("draw: dot failed: " .. message:gsub("%s+", " "), 0) end
  core.file_replace(path, svg)
  return path
end

return draw
