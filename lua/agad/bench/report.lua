-- The rows of `agad bench` as text, and as a table for a README.

local align = require("agad.evaluate.report").align
local format = require("agad.base.text").format
local wrap = require("agad.base.text").wrap

local report = {}

local SLOWEST, SMALLEST = 20, .001                         -- of a profile: layers, and kinds' shares, that are listed

local function cell(form, v) return type(v) == "number" and format(form, v) or "-" end
local function speed(v) return cell(v and v >= 100 and "%.0f" or "%.1f", v) end
local function ms(v) return cell(v and v >= 10 and "%.1f" or "%.2f", v) end
local function megabytes(v) return cell("%.0f", v and v / 1e6) end
local function share(v) return cell("%.0f%%", v and v * 100) end

local function has_peer(rows)
  for _, row in ipairs(rows) do if row.peer then return true end end
  return false
end

-- The machine's own speed at each precision that was measured, once.
local function products(rows)
  local seen, list = {}, {}
  for _, row in ipairs(rows) do
    if not seen[row.precision] then
      seen[row.precision] = true
      list[#list + 1] = format("%.0f GFLOP/s in %s (%s)", row.product_gflops, row.precision, row.product_by)
    end
  end
  return table.concat(list, ", ")
end

--- The line above a table: processor, threads and libtorch.
function report.heading(rows)
  local row = rows[1]
  local where = row.device == "cpu" and "" or (row.device_name or row.device) .. " beside "
  return ("%s%s, %d thread%s, libtorch %s"):format(where, row.processor, row.threads, row.threads == 1 and "" or "s",
    row.versions.libtorch)
end

--- The line below a table: what the machine does by itself.
function report.machine(rows)
  local row = rows[1]
  return format("product of matrices: %s; copy: %.1f GB/s; call of an operator: %.0f ns", products(rows),
    row.copy_gb_per_second, row.call_ns)
end

local function name(row) return ("%s, %d, %s"):format(row.net, row.batch, row.precision) end

local function explained(row)
  return ("%s: ways of computing convolutions\n  %s"):format(name(row), row.convolutions[1]
    and table.concat(row.convolutions, "\n  ") or "by their shapes alone")
end

-- "generator.conv1", which says that it is a conv; or "generator.stem (conv)".
local function layer_name(layer)
  local plain = layer.name:match "([^.]*)$":gsub("%d+$", "") == layer.kind
  return plain and layer.name or ("%s (%s)"):format(layer.name, layer.kind)
end

-- Lines for the entries that are shown, and one for the others, if there are any.
local function lines_of(entries, head, shown, line)
  local lines, n, rest = {head}, 0, 0
  for i, entry in ipairs(entries) do
    if shown(entry, i) then lines[#lines + 1] = line(entry) else n, rest = n + 1, rest + entry.ms end
  end
  return align(lines) .. (n > 0 and ("  … %d more, %s ms\n"):format(n, ms(rest)) or "")
end

local function profiled(row)
  local p = row.profile
  local kinds = lines_of(p.kinds, {"", "ms", "share", "GFLOP/s", "of product"}, function(kind)
    return kind.share >= SMALLEST
  end, function(kind)
    return {kind.name, ms(kind.ms), cell("%.1f%%", kind.share * 100), cell("%.0f", kind.gflops),
      share(kind.of_product)}
  end)
  local layers = lines_of(p.layers, {"ms in all passes", "output", "forward", "again", "backward", "GFLOP/s"},
    function(_, i) return i <= SLOWEST end, function(layer)
    return {layer_name(layer), table.concat(layer.shape, "x"), ms(layer.forward_ms),
      layer.again_ms > 0 and ms(layer.again_ms) or "0", ms(layer.backward_ms), cell("%.0f", layer.gflops)}
  end)
  return ("%s: where a step's %s ms go\n%s\n%s"):format(name(row), ms(p.step_ms), kinds, layers):sub(1, -2)
end

-- What was asked for beside the table: a text for each row and question.
local function details(rows)
  local texts = {}
  for _, row in ipairs(rows) do
    if row.convolutions then texts[#texts + 1] = explained(row) end
    if row.profile then texts[#texts + 1] = profiled(row) end
  end
  return texts
end

--- The rows as text for a terminal.
-- @param rows list
-- @return string
function report.text(rows)
  local lines = {{"net, batch, precision", "images/s", "floor", "latency", "99 %", "scored/s", "MB"}}
  for _, row in ipairs(rows) do
    lines[#lines + 1] = {name(row), speed(row.images_per_second), share(row.floor_ratio), ms(row.latency_ms),
      ms(row.latency_p99_ms), speed(row.scoring_images_per_second), megabytes(row.peak_bytes)}
  end
  local parts = {wrap(report.heading(rows) .. "; latency of one picture in ms", 79, 2), "\n", align(lines)}
  if has_peer(rows) then
    lines = {{"x PyTorch", "step", "form", "latency", "scoring", "memory"}}
    for _, row in ipairs(rows) do
      local p = row.peer or {ratio = {}, fastest = {}}
      lines[#lines + 1] = {name(row), cell("%.2f", p.ratio.images_per_second), p.fastest.images_per_second or "-",
        cell("%.2f", p.ratio.latency_ms), cell("%.2f", p.ratio.scoring_images_per_second),
        cell("%.2f", p.ratio.peak_bytes)}
    end
    parts[#parts + 1] = "\n" .. align(lines)
  end
  parts[#parts + 1] = wrap(report.machine(rows), 79, 2)
  for _, text in ipairs(details(rows)) do parts[#parts + 1] = "\n\n" .. text end
  return table.concat(parts)
end

--- The rows as a table in Markdown.
-- @param rows list
-- @return string
function report.markdown(rows)
  local head = {report.heading(rows), "images/s", "of the product's speed", "one picture, ms (99th percentile)",
    "scored images/s", "peak, MB"}
  local peer = has_peer(rows)
  if peer then
    for _, title in ipairs {"step × PyTorch", "its form", "one picture ×", "scoring ×", "memory ×"} do
      head[#head + 1] = title
    end
  end
  local lines = {head, {}}
  for i = 1, #head do lines[2][i] = "---" end
  for _, row in ipairs(rows) do
    local line = {name(row), speed(row.images_per_second), share(row.floor_ratio),
      ("%s (%s)"):format(ms(row.latency_ms), ms(row.latency_p99_ms)), speed(row.scoring_images_per_second),
      megabytes(row.peak_bytes)}
    if peer then
      local p = row.peer or {ratio = {}, fastest = {}}
      for _, text in ipairs {cell("**%.2f**", p.ratio.images_per_second), p.fastest.images_per_second or "-",
        cell("%.2f", p.ratio.latency_ms), cell("%.2f", p.ratio.scoring_images_per_second),
        cell("%.2f", p.ratio.peak_bytes)} do
        line[#line + 1] = text
      end
    end
    lines[#lines + 1] = line
  end
  local text = {}
  for i, line in ipairs(lines) do text[i] = "| " .. table.concat(line, " | ") .. " |" end
  text = {table.concat(text, "\n"), report.machine(rows)}
  for _, one in ipairs(details(rows)) do text[#text + 1] = ("```\n%s\n```"):format(one) end
  return table.concat(text, "\n\n")
end

return report
