-- What to average the scored weights over: several rules from one training, three seeds, after epochs 1, 2, 4 and 8;
-- with bn_eval = recalibrated or, where anomalies are known (of all classes, or of one), with training and mixture too;
-- and whether held-out normals say when to stop where no anomaly is known. Three tables. What is missing in
-- spec/figures/measured/steady.jsonl is trained first, 5 minutes to an hour each; MNIST and Fashion-MNIST are needed
-- (AGAD_DATA), and what is not there is said and passed over. Arguments choose what is trained:
--     build/agad spec/figures/steady.lua [set=weave] [normal=cloth] [gamma=.05] [classes=1] [seed=1]

local agad = require "agad"
local core = agad.core
local measure = dofile "spec/figures/support/steady.lua"

local PATH, EPOCHS, SEEDS = "spec/figures/measured/steady.jsonl", {1, 2, 4, 8}, {1, 2, 3}
-- What is known: a share of the training side, and of how many classes; "all" where a set's anomalies are of one kind.
local KNOWN = {{gamma = 0.05, classes = "all"}, {gamma = 0.0, classes = "all"}, {gamma = 0.05, classes = 1}}
local ONE_KIND = {weave = true}
local SHARES = {["1/1"] = 1, ["1/2"] = 1 / 2, ["1/4"] = 1 / 4, ["1/9"] = 1 / 9, ["1/16"] = 1 / 16}
local OF_NORMALS = {"plain", "present", "1/1", "1/2", "1/4", "1/9", "1/16"}
local OF_MIXTURE = {"present training", "1/4 training", "1/9 training", "1/16 training", "present mixture",
  "1/9 mixture", "1/16 mixture"}                          -- where anomalies are known
local COLUMNS = table.move(OF_MIXTURE, 1, #OF_MIXTURE, #OF_NORMALS + 1, {table.unpack(OF_NORMALS)})
local HEADS, STOPPED = {present = "ema = .99", ["present training"] = "ema = .99 training",
  ["present mixture"] = "ema = .99 mixture"}, "1/4"
local FAR = 0.01                                          -- more below another rule than a default may be
-- Sets with their normal classes and how many anomalies are tested.
local sets = {{"weave", {"cloth", "metal", "grain", "dots"}, 500}, {"mnist", {0, 1, 8}, 2500},
  {"fashion-mnist", {"t-shirt", "shirt"}, 2500}}

-- Records ------------------------------------------------------------------------------------------

local function id(set, normal, known, seed)
  return ("%s %s %g %s %d"):format(set, normal, known.gamma, known.classes, seed)
end

local records = {}
local file = io.open(PATH)
for line in file and file:lines() or function() end do
  local r = core.json_decode(line)
  records[id(r.set, r.normal, {gamma = r.gamma, classes = r.config.anom_classes}, r.seed)] = r
end
if file then file:close() end

local loaded = {}
local function load(set, normal)
  local key = set == "weave" and set .. normal or set
  if loaded[key] == nil then
    local ok, got = pcall(agad.data.load, set, set == "weave" and {normal = normal} or {})
    if not ok then io.stderr:write(("steady: %s\n"):format(got)) end
    loaded = {[key] = ok and got}
  end
  return loaded[key]
end

local function add(set, normal, known, seed, anomalies)
  local name, gamma = id(set, normal, known, seed), known.gamma
  if records[name] then return end
  local pictures = os.getenv "FIGURES" ~= "now" and load(set, normal)
  if not pictures then
    io.stderr:write(("steady: %s is not measured\n"):format(name))
    return
  end
  local record = measure(pictures, {shares = SHARES, epochs = EPOCHS, columns = gamma == 0 and OF_NORMALS or COLUMNS,
    every = gamma == 0 and {"present", STOPPED} or {},
    task = {normal = normal, gamma = gamma, anom_classes = known.classes, holdout = .1, test_limit = anomalies,
      task_seed = seed},
    run = {method = "agad", net = "naive", precision = "fp32", threads = 1, epochs = EPOCHS[#EPOCHS], ema = .99,
      seed = seed}})
  record.set, record.normal, record.gamma, record.seed = set, normal, gamma, seed
  records[name] = record
  local to = assert(io.open(PATH, "a"))
  to:write(core.json_encode(record), "\n")
  to:close()
end

local keys, wanted = {set = true, normal = true, gamma = true, classes = true, seed = true}, {}
for _, text in ipairs(arg) do
  local key, v = text:match "^(%w+)=(.+)$"
  if not keys[key] then error("steady: " .. text .. ": give set=, normal=, gamma=, classes= or seed=", 0) end
  wanted[key] = tonumber(v) or v
end

local function is_wanted(cell)
  for key, v in pairs(wanted) do if cell[key] ~= v then return false end end
  return true
end

-- The short ones first, and then every class once before any is measured again.
local function measure_all()
  local function one(set, seed)
    for _, known in ipairs(KNOWN) do
      for _, normal in ipairs(known.classes == 1 and ONE_KIND[set[1]] and {} or set[2]) do
        if is_wanted {set = set[1], normal = normal, gamma = known.gamma, classes = known.classes, seed = seed} then
          add(set[1], normal, known, seed, set[3])
        end
      end
    end
  end
  for _, seed in ipairs(SEEDS) do one(sets[1], seed) end
  for _, seed in ipairs(SEEDS) do for i = 2, #sets do one(sets[i], seed) end end
end
measure_all()

-- Tables -------------------------------------------------------------------------------------------

-- The records of a class and of what is known, one for each seed that was measured.
local function of_class(set, normal, known)
  local list = {}
  for _, seed in ipairs(SEEDS) do list[#list + 1] = records[id(set, normal, known, seed)] end
  return list
end

local function each_class(f)
  for _, set in ipairs(sets) do
    for _, normal in ipairs(set[2]) do
      for _, known in ipairs(KNOWN) do
        local list = of_class(set[1], normal, known)
        local name = ("%s %s, γ = %g%s"):format(set[1], normal, known.gamma,
          known.classes == 1 and " of one class" or "")
        if #list > 0 then f(name, list, known.gamma) end
      end
    end
  end
end

local function entry_of(record, epoch)
  for _, entry in ipairs(record.entries) do if entry.epoch == epoch then return entry end end
end

-- Median and range over the seeds. Without known anomalies, the mixture is the normals.
local function over_seeds(list, epoch, column)
  local values = {}
  for i, record in ipairs(list) do
    local columns = entry_of(record, epoch).columns
    values[i] = (columns[column] or columns[column:match "^%S+"]).auroc
  end
  table.sort(values)
  local middle = (values[(#values + 1) // 2] + values[#values // 2 + 1]) / 2
  return middle, values[#values] - values[1]
end

local function row(cells) print("| " .. table.concat(cells, " | ") .. " |") end

local function head_of(cells)
  row(cells)
  print("|" .. ("---|"):rep(#cells))
end

local head = {"AUROC %, median of the seeds after epochs 1, 2, 4, 8"}
for _, column in ipairs(COLUMNS) do head[#head + 1] = HEADS[column] or column end
head_of(head)
local totals, rows = {}, 0
for _, column in ipairs(COLUMNS) do totals[column] = {sum = 0, spread = 0, widest = 0, plain = {}, present = {}} end
each_class(function(name, list)
  local cells = {name .. (#list < #SEEDS and (", seeds: %d"):format(#list) or "")}
  for _, column in ipairs(COLUMNS) do
    local t, values = totals[column], {}
    for i, epoch in ipairs(EPOCHS) do
      local middle, spread = over_seeds(list, epoch, column)
      values[i] = ("%.1f"):format(100 * middle)
      t.sum, t.spread, t.widest = t.sum + middle, t.spread + spread, math.max(t.widest, spread)
      for _, other in ipairs {"plain", "present"} do
        local below = over_seeds(list, epoch, other) - middle
        if below > FAR then table.insert(t[other], ("%s, epoch %d: %.1f"):format(name, epoch, 100 * below)) end
      end
    end
    cells[#cells + 1] = table.concat(values, " ")
  end
  rows = rows + #EPOCHS
  row(cells)
end)

print(("\nOf %d rows (a class, what is known, and an epoch):"):format(rows))
head_of {"averaged over", "mean of the medians", "mean range over the seeds", "widest range",
  "rows more than 1 below plain", "below ema = .99"}
for _, column in ipairs(rows > 0 and COLUMNS or {}) do
  local t = totals[column]
  row {HEADS[column] or column, ("%.2f"):format(100 * t.sum / rows), ("%.2f"):format(100 * t.spread / rows),
    ("%.2f"):format(100 * t.widest), #t.plain, #t.present}
end
for _, column in ipairs(COLUMNS) do
  for _, other in ipairs {"plain", "present"} do
    for _, text in ipairs(totals[column][other]) do
      print(("%s is below %s: %s"):format(HEADS[column] or column, HEADS[other] or other, text))
    end
  end
end

-- Ranks of a list's values, from 1; ties are averaged.
local function ranks(values)
  local list = {}
  for i, v in ipairs(values) do
    local below, same = 0, 0
    for _, other in ipairs(values) do
      below, same = below + (other < v and 1 or 0), same + (other == v and 1 or 0)
    end
    list[i] = below + (same + 1) / 2
  end
  return list
end

-- Spearman's rank correlation; nil where one list is constant.
local function correlation(a, b)
  local x, y, n = ranks(a), ranks(b), #a
  local xy, xx, yy = 0, 0, 0
  for i = 1, n do
    local dx, dy = x[i] - (n + 1) / 2, y[i] - (n + 1) / 2
    xy, xx, yy = xy + dx * dy, xx + dx * dx, yy + dy * dy
  end
  return xx > 0 and yy > 0 and xy / math.sqrt(xx * yy) or nil
end

local function mean(values)
  local sum = 0
  for _, v in ipairs(values) do sum = sum + v / #values end
  return #values > 0 and sum or 0 / 0
end

local function best_place(values)
  local place = 1
  for i, v in ipairs(values) do if v > values[place] then place = i end end
  return place
end

-- Of one record: AUROC after every epoch, and what is higher the better the epoch is said to be.
local function signals_of(record)
  local auroc, signals = {}, {held_out = {}, synthetic = {}}
  for i, entry in ipairs(record.entries) do
    local c = entry.columns[STOPPED]
    auroc[i], signals.held_out[i], signals.synthetic[i] = c.auroc, -c.held_out, c.synthetic
  end
  return auroc, signals
end

print(("\n| γ = 0, average of the last %s, epochs 1 to 8: mean of the seeds | correlation: low error "
  .. "| synthetic defects | AUROC %%, last epoch | stopped by low error | by synthetic defects | by test labels |\n|%s")
  :format(STOPPED, ("---|"):rep(7)))
local every = {}
local function stopping_row(name, list)
  local got = {held_out = {}, synthetic = {}, last = {}, by_held_out = {}, by_synthetic = {}, best = {}}
  local function put(key, v) table.insert(got[key], v) end
  for _, record in ipairs(list) do
    local auroc, signals = signals_of(record)
    put("last", auroc[#auroc])
    put("best", auroc[best_place(auroc)])
    for key, values in pairs(signals) do
      put(key, correlation(auroc, values))
      put("by_" .. key, auroc[best_place(values)])
    end
  end
  local cells = {name}
  for _, key in ipairs {"held_out", "synthetic"} do cells[#cells + 1] = ("%.2f"):format(mean(got[key])) end
  for _, key in ipairs {"last", "by_held_out", "by_synthetic", "best"} do
    cells[#cells + 1] = ("%.1f"):format(100 * mean(got[key]))
  end
  row(cells)
end
each_class(function(name, list, gamma)
  if gamma > 0 then return end
  stopping_row(name:gsub(", γ.*", ""), list)
  table.move(list, 1, #list, #every + 1, every)
end)
if #every > 0 then stopping_row("mean of all", every) end
