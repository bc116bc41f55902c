--- Results as text of at most 80 columns: the columns of AUROC, the checks to read them with, notes.

local wrap = require("agad.base.text").wrap
local format = require("agad.base.text").format

local report = {}

--- A table as text with aligned columns; columns of numbers are aligned to the right.
-- @param lines list of lists of text; the first is the header
-- @return string lines, each ending in a newline
function report.align(lines)
  local wide, numeric, text = {}, {}, {}
  for r, line in ipairs(lines) do
    for c, cell in ipairs(line) do
      wide[c] = math.max(wide[c] or 0, utf8.len(cell) or #cell)
      if r > 1 and cell ~= "" and cell ~= "-" then
        numeric[c] = numeric[c] ~= false and cell:find("^[-+]?[%d.,]+%%?$") ~= nil
      end
    end
  end
  for _, line in ipairs(lines) do
    local cells = {}
    for c, cell in ipairs(line) do
      local pad = (" "):rep(wide[c] - (utf8.len(cell) or #cell))
      cells[c] = numeric[c] and pad .. cell or cell .. pad
    end
    text[#text + 1] = "  " .. table.concat(cells, "   "):gsub("%s+$", "") .. "\n"
  end
  return table.concat(text)
end

local columns = {
  {"steady", "auroc_steady", "averaged weights, recalibrated"},
  {"plain", "auroc_plain", "last weights, running statistics"},
  {"paper_like", "auroc_paper_like", "batch statistics, sorted: labels leak"},
}

local function is_number(v) return type(v) == "number" end
local function figure(v) return is_number(v) and format("%.4f", v) or "-" end

local function interval(row)
  local v = row.auroc_interval
  return type(v) == "table" and format("%.4f-%.4f", v.low, v.high) or "-"
end

-- A description of the column called `auroc` if it is not that of a preset.
local function own_words(config)
  return ("%s, %s, %s"):format(config.bn_eval, config.test_order, config.selection)
end

local function aurocs(row)
  local lines, any = {{"AUROC", "", "95 % interval", "how it is measured"}}, false
  for _, c in ipairs(columns) do
    local own = row.preset == c[1]
    if is_number(row[c[2]]) or own then
      any = true
      lines[#lines + 1] = {(c[1]:gsub("_", "-")), figure(row[c[2]]), own and interval(row) or "", c[3]}
    end
  end
  if row.preset == "custom" and is_number(row.auroc) then
    any = true
    lines[#lines + 1] = {"custom", figure(row.auroc), interval(row), own_words(row.config)}
  end
  if is_number(row.auroc_best_on_test) then
    lines[#lines + 1] = {"best on test", figure(row.auroc_best_on_test), "", "best epoch by test labels (oracle)"}
  end
  return any and report.align(lines) or ""
end

local function classes(row)
  if type(row.per_class) ~= "table" or #row.per_class == 0 then return "" end
  local lines = {{"class against all normals", "pictures", "AUROC"}}
  for _, c in ipairs(row.per_class) do lines[#lines + 1] = {c.class, ("%d"):format(c.n), figure(c.auroc)} end
  return report.align(lines)
end

-- Joins facts into lines, as many per line as fit.
local function line_of(facts)
  local lines = {}
  for _, fact in ipairs(facts) do
    local longer = #lines > 0 and lines[#lines] .. "   " .. fact
    if longer and utf8.len(longer) <= 79 then lines[#lines] = longer else lines[#lines + 1] = "  " .. fact end
  end
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

local function facts_of(row, list)
  local facts = {}
  for _, f in ipairs(list) do
    if is_number(row[f[1]]) then facts[#facts + 1] = format(f[2], row[f[1]]) end
  end
  return facts
end

local function beside(row)
  local facts = facts_of(row, {{"pixel_auroc", "pixel AUROC %.4f"}, {"pro", "PRO %.4f"}})
  if type(row.shortcut) == "table" then
    facts[#facts + 1] = format("shortcut %s %.4f", row.shortcut.name, row.shortcut.auroc)
  end
  if type(row.leak) == "table" then
    facts[#facts + 1] = format("thermometer %.4f", row.leak.thermometer)
    facts[#facts + 1] = row.leak.order_invariant and "scores do not depend on the batch" or "scores depend on the batch"
  end
  if type(row.selected) == "table" then facts[#facts + 1] = ("weights of epoch %d"):format(row.selected.epoch) end
  return facts
end

--- A result row as text: the columns, the figures of the column reported as `auroc`, checks, notes.
-- @param row table as `run:evaluate` gives it
-- @param o table classes (true: AUROC of each class too)
-- @return string without a newline at the end
function report.text(row, o)
  local parts = {aurocs(row)}
  if o and o.classes then parts[2] = classes(row) end
  parts[#parts + 1] = line_of(facts_of(row, {{"aupr", "AUPR %.4f"}, {"tpr_at_1fpr", "TPR at 1%% FPR %.4f"},
    {"tpr_at_5fpr", "at 5%% %.4f"}, {"f1", "F1 %.4f"}, {"best_f1", "best F1 %.4f (oracle)"}}))
  parts[#parts + 1] = line_of(beside(row))
  parts[#parts + 1] = line_of(facts_of(row, {{"images_per_second", "%.0f images/s"}, {"seconds", "%.1f s"}}))
  for _, note in ipairs(type(row.notes) == "table" and row.notes or {}) do
    parts[#parts + 1] = wrap("  note: " .. note, 79, 8) .. "\n"
  end
  return (table.concat(parts):gsub("\n$", ""))
end

--- Prints a result row.
-- @param row table
-- @param o table as for `report.text`
-- @raise standard output cannot be written
function report.print(row, o) report.out(report.text(row, o)) end

--- Prints a text and a newline at once. Once the reader of a pipe has left (`agad … | head -1`), nothing is printed;
-- the program then ends with status 1.
-- @param text string
-- @raise standard output cannot be written (its disk is full, for example)
function report.out(text)
  local ok, reason = io.stdout:write(text, "\n")
  if ok then ok, reason = io.stdout:flush() end
  if not ok and require("agad.core").output_failed() ~= "closed" then
    error("standard output cannot be written: " .. reason, 0)
  end
end

return report
