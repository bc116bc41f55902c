-- agad bench: the fields of its rows and how they hang together, its tables, what it refuses. Nothing here depends on
-- the machine's speed. The tests of the PyTorch peer need a Python with torch in $AGAD_PEER_PYTHON.
-- To add a case: a row of wrong arguments in `refuses`, or fields of `row`.

local agad = require "agad"
local core = agad.core
local cli = dofile "spec/support/cli.lua"
local refuses = cli.refuses
teardown(cli.remove)

local TINY = "bench --net naive --batch 2 --threads 1 --rounds 1 "

describe("agad bench", function()
  local rows, row = {}, nil

  setup(function()
    local status, out, err = cli.agad(TINY .. "--explain --profile --json --append rows.jsonl")
    assert.same({0, "measuring naive, batch 2, fp32\nmeasuring naive, batch 2, bf16\n"}, {status, err})
    for line in out:gmatch "[^\n]+" do rows[#rows + 1] = core.json_decode(line) end
    assert.equal(2, #rows)
    assert.equal(out, cli.read(cli.dir .. "/rows.jsonl"))
    row = rows[1]
  end)

  it("says what was measured, on what", function()
    assert.same({"naive", 2, "fp32", 3, 32, "cpu", 1, 1}, {row.net, row.batch, row.precision, row.channels, row.size,
      row.device, row.threads, row.rounds})
    assert.equal(core.libtorch, row.versions.libtorch)
    assert.equal(agad.version, row.versions.agad)
    assert.matches("^%d%d%d%d%-%d%d%-%d%d$", row.date)
    assert.is_truthy(row.processor:find(core.processor(), 1, true))
    assert.equal(2137728 + 663296, row.params)
    assert.is_nil(row.peer)
  end)

  it("gives figures that agree with each other", function()
    assert.is_true(row.step_ms > 0)
    assert.near(2, row.images_per_second * row.step_ms / 1e3, 1e-9)
    assert.equal(6 * 38404096 + 7 * 17567744, row.macs)
    assert.near(2 * row.macs * row.images_per_second, row.floor_ratio * row.product_gflops * 1e9, 1)
    assert.is_true(row.floor_ratio > 0 and row.floor_ratio < 4)          -- 4 x 4 convolutions need 2.25 times fewer
    assert.is_true(row.latency_ms > 0 and row.latency_p99_ms >= row.latency_ms)
    assert.is_true(row.scoring_images_per_second > 0 and row.copy_gb_per_second > 0 and row.call_ns > 0)
    assert.is_truthy(({["at::mm, float32"] = true, ["oneDNN, float32"] = true})[row.product_by], row.product_by)
  end)

  it("lists how each convolution is computed, and what each way took", function()
    assert.is_true(#row.convolutions > 0)
    for _, line in ipairs(row.convolutions) do assert.matches("^[^:]+: [%a%d ]+ %(.+ ms%)$", line) end
    local out = require("agad.bench.report").text {row}
    assert.is_truthy(out:find("\nnaive, 2, fp32: ways of computing convolutions\n  " .. row.convolutions[1] .. "\n", 1,
      true))
  end)

  it("says where a step's time goes, by kind of work and by layer", function()
    local method = require("agad.train.method").load "agad"
    local options = agad.options.select(agad.options.resolve(method, {net = "naive"}), "method")
    local programs = method.nets(options, {3, 32, 32})
    for _, one in ipairs(rows) do
      local p, ms, names = one.profile, 0, {}
      for _, kind in ipairs(p.kinds) do
        names[kind.name], ms = true, ms + kind.ms
        assert.near(kind.ms / p.step_ms, kind.share, 1e-12)
        local multiplies = kind.name:find "^convolution, [fg]" ~= nil       -- forward and gradients, not copies
        assert.equal(multiplies, kind.gflops ~= nil, kind.name)
        if kind.gflops then assert.near(kind.gflops / one.product_gflops, kind.of_product, 1e-9) end
      end
      assert.near(p.step_ms, ms, 1e-9 * ms)
      for _, name in ipairs {"convolution, forward", "convolution, gradient of the input",
        "convolution, gradient of the kernel", "batch_norm, forward", "batch_norm, backward", "losses",
        "Adam and averages", "the rest"} do
        assert.is_true(names[name], name)
      end
      local count, of_layers = {}, 0
      for _, layer in ipairs(p.layers) do
        local net = layer.name:match "^(%a+)%."
        count[net], of_layers = (count[net] or 0) + 1, of_layers + layer.ms
        assert.near(layer.ms, layer.forward_ms + layer.again_ms + layer.backward_ms, 1e-9 * layer.ms)
      end
      assert.same({generator = #programs.generator.nodes, discriminator = #programs.discriminator.nodes}, count)
      assert.is_true(of_layers <= ms)
    end
  end)

  it("lists the slowest layers, and what the others take together", function()
    local out = require("agad.bench.report").text {row}
    local text = out:match "\nnaive, 2, fp32: where a step's [%d.]+ ms go\n(.*)"
    assert.matches("\n  convolution, forward +[%d.]+ +[%d.]+%% +%d+ +%d+%%\n", text)
    local layers = text:match "\n\n(  ms in all passes +output +forward +again +backward +GFLOP/s\n.*)"
    assert.matches("\n  generator%.conv2 +128x8x8 +[%d.]+ +0 +[%d.]+ +%d+\n", layers)
    local _, n = layers:gsub("\n  %a+%.", "")
    assert.equal(20, n)
    assert.matches(("\n  … %d more, [%%d.]+ ms$"):format(#row.profile.layers - 20), layers)
    local slow = core.json_decode(core.json_encode(row))
    for _, entries in ipairs {slow.profile.kinds, slow.profile.layers} do
      for _, entry in ipairs(entries) do
        for _, field in ipairs {"ms", "forward_ms", "again_ms", "backward_ms"} do entry[field] = 9999.9 end
      end
    end
    slow.convolutions = nil
    for line in require("agad.bench.report").text({slow}):gmatch "[^\n]+" do
      assert.is_true(utf8.len(line) < 80, line)
    end
    out = require("agad.bench.report").markdown {row}
    assert.is_truthy(out:find("\n\n```\nnaive, 2, fp32: ways of computing convolutions\n", 1, true))
    assert.is_truthy(out:find(text .. "\n```", 1, true))
  end)

  it("names a layer's kind where its name does not", function()
    local of = {step_ms = 3, kinds = {}, layers = {
      {name = "g.conv12", kind = "conv", shape = {8, 4, 4}, forward_ms = 1, again_ms = 0, backward_ms = 1, ms = 2},
      {name = "g.stem2", kind = "conv", shape = {8, 4, 4}, forward_ms = .5, again_ms = .25, backward_ms = .25, ms = 1}}}
    local out = require("agad.bench.report").text {setmetatable({profile = of}, {__index = row})}
    assert.matches("\n  g%.conv12 +8x4x4 +1%.00 +0 +1%.00 +%-\n"
      .. "  g%.stem2 %(conv%) +8x4x4 +0%.50 +0%.25 +0%.25 +%-$", out)
  end)

  it("counts the memory of weights, gradients, averages and Adam's state, and no other row's", function()
    for _, one in ipairs(rows) do
      local weights = 4 * one.params
      assert.is_true(one.peak_bytes > 4 * weights, one.peak_bytes)
      assert.is_true(one.peak_bytes < 10 * weights, one.peak_bytes)
    end
  end)

  it("prints a table for people and one in Markdown, with a row for each precision", function()
    local plain, unasked = {}, {convolutions = true, profile = true}
    for i, one in ipairs(rows) do
      plain[i] = setmetatable({}, {__index = function(_, key) return not unasked[key] and one[key] or nil end})
    end
    local out = require("agad.bench.report").text(plain)
    assert.is_truthy(out:gsub("%s+", " "):find("1 thread, libtorch " .. core.libtorch, 1, true))
    assert.matches("\n  net, batch, precision +images/s +floor", out)
    assert.matches("\n  naive, 2, fp32 +[%d.]+ +%d+%%", out)
    assert.matches("\n  naive, 2, bf16 +[%d.]+ +%d+%%", out)
    assert.matches("\nproduct of matrices: %d+ GFLOP/s in fp32", out)
    for line in out:gmatch "[^\n]+" do assert.is_true(#line < 80, line) end
    local status, err
    status, out, err = cli.agad(TINY .. "--precision fp32 --quiet --markdown --append rows.jsonl")
    assert.same({0, ""}, {status, err})
    local lines = {}
    for line in cli.read(cli.dir .. "/rows.jsonl"):gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(3, #lines)
    local last = core.json_decode(lines[3])
    assert.same({"naive"}, {last.net, last.profile, last.convolutions})
    assert.matches("^| [^|]*1 thread, libtorch [^|]+| images/s | [^\n]+ |\n| %-%-%- | [-| ]+\n"
      .. "| naive, 2, fp32 | [%d.]+ | %d+%% | [%d.]+ %([%d.]+%) | [%d.]+ | %d+ |\n\nproduct of matrices: ", out)
  end)

  it("shows the peer's part of rows, where they have one", function()
    local with = setmetatable({peer = {ratio = {images_per_second = 1.5, latency_ms = 2, scoring_images_per_second = .5,
      peak_bytes = .75}, fastest = {images_per_second = "fused"}}}, {__index = row})
    local out = require("agad.bench.report").text {with, rows[2]}
    assert.matches("\n  x PyTorch +step +form +latency +scoring +memory\n"
      .. "  naive, 2, fp32 +1%.50 +fused +2%.00 +0%.50 +0%.75\n  naive, 2, bf16 +%- +%- +%- +%- +%-\n", out)
    out = require("agad.bench.report").markdown {with}
    assert.matches("| %*%*1%.50%*%* | fused | 2%.00 | 0%.50 | 0%.75 |\n", out)
  end)

  it("refuses with one line", function()
    refuses(2, "bench --net unett", "did you mean unet?")
    refuses(2, "bench --nonsense", "unknown option '--nonsense' (see agad bench --help)")
    refuses(2, "bench weave", "too many arguments")
    refuses(2, "bench --rounds 0", "--rounds 0: it must be a whole number from 1 to 1000")
    refuses(2, "bench --batch 0", "batch = 0: it must be at least 1")
    refuses(2, "bench --all --batch 3", "give either --all or --batch, not both")
    refuses(2, "bench --json --markdown", "give either --json or --markdown, not both")
    refuses(2, "bench --size 33", "multiples of 16")
    refuses(2, "bench --set method=ganomaly", "agad bench times the method agad only")
    refuses(2, "bench --set lambda.cn=4", "did you mean lambda.con?")
    refuses(2, "bench --forms eager", "--forms needs --peer")
    refuses(2, "bench --peer python3 --forms eager,lazy", "lazy is not one of eager, fused, compiled, graph")
    refuses(2, "bench --peer python3 --size 64", "--peer has no option size")
    refuses(2, "bench --peer python3 --net mine.lua", "--peer has the nets naive, unet and unet++ only, not mine.lua")
    refuses(1, "bench --peer /no/such/python", "--peer /no/such/python cannot be started: ENOENT")
    refuses(1, "bench --peer false", "--peer false cannot import torch: it ended with status 1")
    refuses(1, "bench --net naive --precision tf32 --device cpu", "precision = tf32 needs a GPU")
    refuses(1, "bench --append /proc", "cannot write /proc: it is a folder")
    if agad.devices == 0 then refuses(1, "bench --device cuda", "device = cuda: " .. agad.device_note) end
  end)
end)

describe("what agad bench measures", function()
  local plan = require "agad.bench.plan"

  local function words(o)
    local list = {}
    for i, r in ipairs(plan.rows(o)) do list[i] = ("%s %d %s"):format(r.net, r.batch, r.precision) end
    return list
  end

  it("is each net in each precision, with one batch or several, or what was named", function()
    assert.same({"naive 64 fp32", "naive 64 bf16", "unet 64 fp32", "unet 64 bf16", "unet++ 16 fp32", "unet++ 16 bf16"},
      words {device = "cpu"})
    assert.same({"naive 16 bf16", "naive 64 bf16", "naive 256 bf16", "unet 16 bf16", "unet 64 bf16", "unet 256 bf16",
      "unet++ 16 bf16", "unet++ 32 bf16"}, words {device = "cpu", all = true, precision = "bf16"})
    assert.same({"unet++ 3 tf32", "unet++ 3 bf16"}, words {device = "cuda", net = "unet++", batch = 3})
    assert.same({"mine.lua 64 fp32"}, words {device = "cpu", net = "mine.lua", precision = "fp32", all = true})
  end)
end)

describe("percentiles of timings", function()
  local statistics = require "agad.bench.statistics"

  it("are linear between ranks", function()
    assert.equal(3, statistics.median {5, 1, 3})
    assert.equal(2.5, statistics.median {4, 1, 2, 3})
    assert.near(9.91, statistics.percentile({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 99), 1e-12)
    assert.equal(7, statistics.percentile({7}, 99))
  end)
end)

describe("a program that answers lines", function()
  local peer = require "agad.bench.peer"
  local checks = dofile "spec/support/checks.lua"
  local refused, has = checks.refused, checks.has

  it("is asked line by line, and its end is told with its last words", function()
    local child <close> = peer.start("sh", {"-c", [[read a; echo "[$a]"; read b; printf '{"n": %s}\n' "$b"
      read c; echo '{"error": "too hot"}'; read d; echo "first" >&2; echo "no more" >&2]]})
    assert.equal("[one]", child:ask "one")
    assert.same({n = 2}, child:json "2")
    has(refused(child.json, child, "3"), "too hot")
    has(refused(child.ask, child, "4"), "sh ended: no more")
    has(refused(child.ask, child, "5"), "sh ended: no more")
  end)

  it("is ended with the value that holds it", function()
    local child = peer.start("sh", {"-c", "read a; echo $$; exec sleep 1000"})
    local pid = tonumber(child:ask "who")
    assert.equal(0, (require("luv").kill(pid, 0)))
    child:close()
    assert.is_nil((require("luv").kill(pid, 0)))
    child:close()
  end)
end)

describe("the peer of agad bench", function()
  local peer = require "agad.bench.peer"
  local python = os.getenv "AGAD_PEER_PYTHON"

  it("answers with as many times as were asked for", function()
    if not python then pending "AGAD_PEER_PYTHON names no Python with torch" end
    local child <close> = peer.start(python, {peer.script(), "--batch", "2", "--threads", "1", "--serve", "--layout",
      "channels_last"})
    for _, what in ipairs {"steps 2", "latency 3", "score 1"} do
      assert.equal(tonumber(what:match "%d"), #child:json(what).ms)
    end
    local weights = 4 * (2133632 + 661248)
    assert.is_true(child:json("peak").bytes > 4 * weights)
    assert.matches("^%d+%.%d+", child:json("about").torch)
    local ok, reason = pcall(child.json, child, "steps")
    assert.same({false, "expected 'steps N', 'score N', 'latency N', 'peak' or 'about', got 'steps'"}, {ok, reason})
  end)
end)
