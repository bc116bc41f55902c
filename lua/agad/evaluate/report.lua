--- Results as text of at most 80 columns: the columns of AUROC, the checks to read them with, notes.

local format = require("agad.base.text").format
local keys = require("agad.base.values").keys
local less = require("agad.base.text").less
local wrap = require("agad.base.text").wrap

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

-- What is said of the averaged weights where their batch-norm statistics are not those of normals.
local statistics = {mixture = "averaged weights, mixture statistics",
  training = "averaged weights, training statistics"}

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
      lines[#lines + 1] = {(c[1]:gsub("_", "-")), figure(row[c[2]]), own and interval(row) or "",
        c[1] == "steady" and statistics[(row.config or {}).bn_eval] or c[3]}
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

-- AUROC of the scores that need no net, the best first.
local function baselines(row)
  if type(row.baselines) ~= "table" then return "" end
  local names, facts = {}, {}
  for _, name in ipairs(keys(row.baselines)) do
    if is_number(row.baselines[name]) then names[#names + 1] = name end
  end
  table.sort(names, function(a, b)
    local x, y = row.baselines[a], row.baselines[b]
    if x ~= y then return x > y end
    return less(a, b)
  end)
  for i, name in ipairs(names) do
    facts[i] = format("%s%s %.4f", i == 1 and "without a net: " or "", name, row.baselines[name])
  end
  return line_of(facts)
end

local function parts(row)
  if type(row.parts) ~= "table" or #row.parts == 0 then return "" end
  local lines = {{"part of the score", "AUROC", "correlation with it"}}
  for i, part in ipairs(row.parts) do
    local correlation = is_number(part.correlation) and format("%.2f", part.correlation) or "-"
    lines[i + 1] = {part.name, figure(part.auroc), correlation}
  end
  return report.align(lines)
end

local SHOWN, WIDTH = 3, 79                        -- of the worst pictures; columns

-- The end of a path that fits into so many columns.
local function ending(path, most)
  local n = utf8.len(path) or #path
  if n <= most then return path end
  return "…" .. path:sub(utf8.offset(path, n - most + 2))
end

-- Lines of a path and a score each; none where pictures have no paths.
local function pictures(list, most, word_of)
  local lines = {}
  for i = 1, math.min(most, #list) do
    local p = list[i]
    if type(p.path) ~= "string" then return "" end
    local score, word = format("%#.4g", p.score), word_of and word_of(p) or ""
    lines[i] = ("    %10s  %s%s\n"):format(score, ending(p.path, WIDTH - 16 - #word), word)
  end
  return table.concat(lines)
end

local function wrong(row)
  if type(row.misses) ~= "table" then return "" end
  local text, m, f = {}, row.misses, row.false_alarms
  text[1] = format("  at the threshold %.4g: %d of %d anomalies missed%s\n", row.threshold, m.count, m.of,
    m.count > 0 and type(m.worst[1].path) == "string" and ", the worst:" or "")
  text[2] = pictures(m.worst, SHOWN)
  text[3] = ("  %d of %d normals are false alarms%s\n"):format(f.count, f.of,
    f.count > 0 and type(f.worst[1].path) == "string" and ", the worst:" or "")
  text[4] = pictures(f.worst, SHOWN)
  return table.concat(text)
end

local function suspects(row)
  local list = type(row.suspects) == "table" and row.suspects or {}
  local lines = pictures(list, #list, function(p) return p.held_out and "  (held out)" or "" end)
  if lines == "" then return "" end
  return "  training normals that look least normal; check that they are:\n" .. lines
end

local function counts(row)
  local c = row.counts
  if type(c) ~= "table" then return "" end
  local tested = c.test_normals + c.test_anomalies > 0
  local function test(n) return tested and (", %d tested"):format(n) or "" end
  return wrap(("  normals: %d trained on, %d held out%s; anomalies: %d known%s"):format(c.normals, c.held_out,
    test(c.test_normals), c.anomalies, test(c.test_anomalies)), WIDTH, 4) .. "\n"
end

--- A result row as text: the columns, the figures of the column reported as `auroc`, checks, what it is wrong about,
-- notes.
-- @param row table as `run:evaluate` gives it
-- @param o table classes (true: AUROC of each class too)
-- @return string without a newline at the end
function report.text(row, o)
  local text = {aurocs(row)}
  local function add(more) text[#text + 1] = more end
  if o and o.classes then add(classes(row)) end
  add(line_of(facts_of(row, {{"aupr", "AUPR %.4f"}, {"tpr_at_1fpr", "TPR at 1%% FPR %.4f"},
    {"tpr_at_5fpr", "at 5%% %.4f"}, {"f1", "F1 %.4f"}, {"best_f1", "best F1 %.4f (oracle)"}})))
  add(baselines(row))
  add(line_of(beside(row)))
  add(parts(row))
  add(wrong(row))
  add(suspects(row))
  add(counts(row))
  add(line_of(facts_of(row, {{"images_per_second", "%.0f images/s"}, {"seconds", "%.1f s"}})))
  for _, note in ipairs(type(row.notes) == "table" and row.notes or {}) do
    add(wrap("  note: " .. note, WIDTH, 8) .. "\n")
  end
  return (table.concat(text):gsub("\n$", ""))
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
