-- The figures of the README: trains what is missing in spec/figures/rows.jsonl, one process a run, and prints the
-- table. `make figures`; remove rows of the file to have them measured again. MNIST is needed (AGAD_DATA).

local core = require "agad.core"

local rows_path = "spec/figures/rows.jsonl"
local runs = {
  {title = "MNIST 1, γ = 0, 5 epochs", args = "mnist --normal 1 --gamma 0 --epochs 5"},
  {title = "MNIST 8, γ = .05, 10 epochs", args = "mnist --normal 8 --gamma 0.05 --epochs 10"},
  {title = "weave, γ = .05, 6 epochs (one seed)", args = "weave --gamma 0.05 --epochs 6", seeds = {1}},
}

local rows = {}
for line in io.lines(rows_path) do
  local row = core.json_decode(line)
  rows[row.run .. " " .. row.config.seed] = row
end

local function measure(run, seed)
  local out = os.tmpname()
  local pipe = assert(io.popen(
    ("build/agad train %s --net naive --precision fp32 --threads 1 --seed %d --out %s.safetensors --json")
    :format(run.args, seed, out)))
  local row = core.json_decode(pipe:read "l" or error("the run ended without a row", 0))
  pipe:close()
  os.execute(("rm -rf %s %s.safetensors %s.run"):format(out, out, out))
  row.run = run.args
  local file = assert(io.open(rows_path, "a"))
  file:write(core.json_encode(row), "\n")
  file:close()
  return row
end

local function figures(list, column)
  local sorted = {}
  for i, row in ipairs(list) do sorted[i] = row[column] end
  table.sort(sorted)
  local median = ("**%.4f**"):format(sorted[(#sorted + 1) // 2])
  return #list == 1 and median or ("%s (%.4f-%.4f)"):format(median, sorted[1], sorted[#sorted])
end

print "| AUROC: median (range over three seeds) | steady | plain | paper-like |\n|---|---|---|---|"
for _, run in ipairs(runs) do
  local list = {}
  for _, seed in ipairs(run.seeds or {1, 2, 3}) do
    list[#list + 1] = rows[run.args .. " " .. seed] or measure(run, seed)
  end
  print(("| %s | %s | %s | %s |"):format(run.title, figures(list, "auroc_steady"), figures(list, "auroc_plain"),
    figures(list, "auroc_paper_like")))
end
