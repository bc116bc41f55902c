-- The rows of `agad bench` as text, and as a table for a README.

local align = require("agad.evaluate.report").align
local format = require("agad.base.text").format
local wrap = require("agad.base.text").wrap

local report = {}

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

--- The rows as text for a terminal.
-- @param rows list
-- @return string
function report.text(rows)
  local lines = {{"net, batch, precision", "images/s", "floor", "latency", "99 %", "scored/s", "MB"}}
  for _, row in ipairs(rows) do
    lines[#lines + 1] = {name(row), speed(row.images_per_second), share(row.floor_ratio), ms(row.latency_ms),
      ms(row.latency_p99_ms), speed(row.scoring_images_per_second), megabytes(row.peak_bytes)}
  end
  local parts = {report.heading(rows), "; latency of one picture in ms\n", align(lines)}
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
  for _, row in ipairs(rows) do
    if row.convolutions then
      parts[#parts + 1] = ("\n\n%s: ways of computing convolutions\n  "):format(name(row))
      parts[#parts + 1] = row.convolutions[1] and table.concat(row.convolutions, "\n  ") or "by their shapes alone"
    end
  end
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
  return table.concat(text, "\n") .. "\n\n" .. report.machine(rows)
end

return report
