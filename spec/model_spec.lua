-- Saved models: equal to the bit after loading, scored in C as in evaluation, damaged files, and libagad.so from C.
-- To add a case: a test that saves a net or a run, opens the file and compares the scores.

local agad = require "agad"
local core = agad.core
local nn = agad.nn
local scorer = require "agad.evaluate.scorer"
core.threads(1)

local scratch = dofile "spec/support/scratch.lua"
local folder, path, read, write = scratch.folder, scratch.path, scratch.read, scratch.write
teardown(scratch.remove)

local checks = dofile "spec/support/checks.lua"
local refused, has = checks.refused, checks.has

local half = {kernel = 4, stride = 2, padding = 1}
local shape = {1, 16, 16}
local generator = nn.builder(shape):conv(4, half):batch_norm():leaky_relu(0.2):conv_transpose(1, half):tanh():build "g"
local method = {name = "agad", score = {"l2"}, picture = "generator", input = {-1, 1}}
local program = scorer.program(method, "l2", {generator = generator}, shape)
local pictures = (agad.rand(37, 1, 16, 16) * 255):to "uint8"

local function new_net()
  local net = nn.net(program):init(4)
  for _, p in ipairs(net:params()) do if p.name:find "conv" then net:set(p.name, p.tensor * 10) end end
  return net
end

local function save(name, net, about)
  about = about or {input = {-1, 1}, shape = shape, eval_batch = 16, threshold = 1.5, config = {seed = 1}}
  core.model_save(name, core.json_encode(about), net, {{name = "discriminator.conv1.weight", tensor = agad.rand(3, 2)}})
  return name
end

local net = new_net()
core.recalibrate(net, pictures, {low = -1, high = 1, batch = 16})
local how = {low = -1, high = 1, batch = 16}
local model_path = save(path "model.safetensors", net)

describe("a saved model", function()
  it("is equal to the bit when it is loaded, and saved again the same file", function()
    local tensors, about = core.load(model_path)
    local count = 0
    for _, list in ipairs {net:params(), net:buffers()} do
      for _, p in ipairs(list) do
        assert.equal(p.tensor:contiguous():tostring_bytes(), tensors[p.name]:tostring_bytes(), p.name)
        count = count + 1
      end
    end
    local names = 0
    for _ in pairs(tensors) do names = names + 1 end
    assert.equal(count + 1, names)
    assert.equal(net:program(), core.json_encode(core.json_decode(about.agad).program))
    local again = scorer.net(program, tensors, false)
    local list = {}
    for name, t in pairs(tensors) do list[#list + 1] = {name = name, tensor = t} end
    table.sort(list, function(a, b) return a.name < b.name end)
    core.save(path "one", list, core.json_encode {})
    core.save(path "two", list, core.json_encode {})
    assert.equal(read(path "one"), read(path "two"))
    assert.equal(0, (core.score(again, pictures, how) - core.score(net, pictures, how)):abs():max():item())
  end)

  it("holds every dtype, empty tensors and odd layouts", function()
    local list = {}
    for dtype in ("float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool"):gmatch "%S+" do
      list[#list + 1] = {name = dtype, tensor = (agad.rand(3, 5) * 9):to(dtype)}
    end
    list[#list + 1] = {name = "none", tensor = agad.zeros(0, 4)}
    list[#list + 1] = {name = "one", tensor = agad.ones({})}
    list[#list + 1] = {name = "last", tensor = agad.rand(2, 3, 4, 5):contiguous {memory_format = "channels_last"}}
    core.save(path "all", list, core.json_encode {step = "7"})
    local tensors, metadata = core.load(path "all")
    for _, p in ipairs(list) do
      assert.same(p.tensor.shape, tensors[p.name].shape)
      assert.equal(p.tensor.dtype, tensors[p.name].dtype)
      assert.is_true(p.tensor:numel() == 0 or p.tensor:equal(tensors[p.name]), p.name)
    end
    assert.equal("7", metadata.step)
    has(refused(core.save, path "x", {{name = "z", tensor = agad.zeros(1, {dtype = "complex64"})}}, "{}"), "dtype", "z")
    has(refused(core.save, path "x", {list[1], list[1]}, "{}"), "two tensors have the name float64")
    has(refused(core.save, "/no/such/folder/x", list, "{}"), "/no/such/folder/x", "No such file")
    assert.is_nil(io.open(path "x"))
  end)

  it("scores in C as evaluation does", function()
    local model = core.model_open(model_path)
    local scores = core.score(net, pictures, how)
    assert.equal("float64", scores.dtype)
    assert.is_true(scores:equal(model:run(pictures)))
    local x = pictures:to "float32" * (2 / 255) - 1
    local x_hat, _ = agad.no_grad(nn.net(generator), x), nil
    assert.same({37, 1, 16, 16}, x_hat.shape)
    local reconstruction = model:run(pictures, "reconstruction")
    local by_hand = (reconstruction - x):reshape(37, -1):pow(2):sum(2):sqrt()
    assert.is_true(((by_hand - scores) / scores):abs():max():item() < 1e-5)
    local map = model:run(pictures, "map")
    assert.is_true((map - (reconstruction - x):abs():mean(2)):abs():max():item() < 1e-6)
    assert.near(1.5, core.json_decode(model:about()).threshold, 0)
    has(refused(model.run, model, pictures, "picture"), "no output 'picture'")
    has(refused(model.run, model, pictures:to "float32"), "uint8")
    has(refused(model.run, model, agad.zeros(2, 3, 16, 16, {dtype = "uint8"})), "[rows, 1, 16, 16]")
    has(refused(model.run, model, agad.zeros(0, 1, 16, 16, {dtype = "uint8"})), "no pictures")
  end)

  it("gives scores that depend on their picture alone", function()
    local scores = core.score(net, pictures, how)
    local function same(other) return ((scores - other) / scores):abs():max():item() <= 1e-5 end
    for _, batch in ipairs {1, 7, 36, 37, 1000} do
      assert.is_true(same(core.score(net, pictures, {low = -1, high = 1, batch = batch})))
    end
    local order = agad.randperm(37)
    local shuffled = core.score(net, pictures:index_select(1, order), how)
    assert.is_true(same(shuffled:index_select(1, order:argsort())))
    local with_batch = core.score(net, pictures, {low = -1, high = 1, batch = 16, bn = "batch"})
    assert.is_false(same(with_batch)) -- as it must be: those do not
    has(refused(core.score, net, pictures, {batch = 0}), "at least 1")
    has(refused(core.score, net, pictures, {output = "x"}), "no such output")
  end)

  local function opened(made)
    local filled, size = nn.net(made):init(4), made.input
    local x = (agad.rand(33, table.unpack(size)) * 255):to "uint8"
    core.recalibrate(filled, x, {low = -1, high = 1, batch = 16})
    return core.model_open(save(path "batches", filled, {input = {-1, 1}, shape = size})), x
  end

  local vectors = read "/proc/cpuinfo":find "[\n ]flags[^\n]* avx2[ \n]" ~= nil

  local function reconstructing(name, size, width)
    local g = require("agad.nets." .. name).build(size, {width = width, depth = 4, norm = "bn"})
    return scorer.program(method, "l2", {generator = g}, size)
  end

  -- Layers of few pixels and channels, and rows that are no whole vectors.
  local function classifying(size, score)
    local b = nn.builder(size)
    b:conv(32, half):batch_norm():relu():conv(48, half):batch_norm():leaky_relu(.2):max_pool()
    local all = b:conv(21, {kernel = 1}):tanh():conv(1, {kernel = 2})
    local result = score(b.x, all)
    return result:build("classifier", {{"score", result}})
  end

  local function sum(y) return y:op("sum.dim_IntList", {dim = {2, 3, 4}}) end

  -- Of a row of layers' numbers, and with layers that round by what else is there, or by the number of threads.
  local function by_batch(size)
    return classifying(size, function(x, y)
      local flat = y:op("flatten.using_ints", {start_dim = 2})
      local sharp = (flat:sigmoid() * 40):op("softmax.int", {dim = 2}):op("unsqueeze", {dim = 2})
      local product = sharp:op("matmul", nil, flat:op("unsqueeze", {dim = 3})):op("reshape", {shape = {-1}})
      return product:op "log1p" + sum(x)
    end)
  end

  local function same_numbers(made, apart)
    local model, x = opened(made)
    local alike, at_once = model:alike()
    assert.equal(vectors and not os.getenv "AGAD_PLAIN", alike)
    assert.equal(alike and apart and 1 or nil, at_once)
    for _, output in ipairs(alike and made.outputs or {}) do
      local alone = {}
      for i = 1, 33 do alone[i] = model:run(x:narrow(1, i, 1), output.name) end
      for threads = 1, 3 do
        core.threads(threads)
        for _, n in ipairs {1, 2, 3, 8, 17, 33} do
          local together = model:run(x:narrow(1, 1, n), output.name)
          for i = 1, n do
            local text = ("%s, %d of %d on %d threads"):format(output.name, i, n, threads)
            assert.is_true(together:narrow(1, i, 1):equal(alone[i]), text)
          end
        end
      end
      core.threads(1)
    end
  end

  it("gives a picture the same numbers in any batch and on any number of threads, to the bit", function()
    same_numbers(reconstructing("naive", {3, 32, 32}, 16))
    same_numbers(reconstructing("unet", {1, 32, 32}, 8))
    same_numbers(classifying({3, 19, 23}, function(_, y) return sum(y) end))
  end)

  it("scores each picture for itself, with the same numbers, where layers round by what else is there", function()
    same_numbers(classifying({3, 19, 23}, function(_, y) return sum(y:sigmoid()) end), true)
    same_numbers(classifying({3, 110, 110}, function(x, y) return sum(x) + sum(y) end), true)
    same_numbers(by_batch {3, 110, 110}, true)
  end)

  it("ends at the first failure of a picture that is scored for itself, and goes on after it", function()
    local model, x = opened(by_batch {3, 110, 110})
    core.threads(2)
    local before = model:run(x)
    has(refused(model.run, model, x:narrow(4, 1, 109):contiguous()), "[rows, 3, 110, 110]")
    assert.is_true(before:equal(model:run(x)))
    core.threads(1)
  end)

  it("is recalibrated to the mean over one pass, weighted by rows", function()
    local other = new_net()
    core.recalibrate(other, pictures, how)
    local mean = 0
    for first = 1, 37, 16 do
      local rows = math.min(16, 38 - first)
      local one = new_net()
      one(pictures:narrow(1, first, rows):to "float32" * (2 / 255) - 1, {track = true})
      local m = one:buffers()[1].tensor * 10 -- momentum .1 from 0
      mean = mean + m * (rows / 37)
    end
    assert.is_true((other:buffers()[1].tensor - mean):abs():max():item() < 1e-5)
  end)
end)

describe("a model file", function()
  it("that is none says why", function()
    has(refused(core.model_open, path "nothing"), path "nothing", "No such file")
    has(refused(core.model_open, folder), "not a regular file")
    write(path "empty", "")
    has(refused(core.model_open, path "empty"), "too short")
    write(path "text", "this is a text of some length, and no model")
    has(refused(core.model_open, path "text"), "not a safetensors")
    core.save(path "plain", {{name = "a", tensor = agad.rand(2)}}, "{}")
    has(refused(core.model_open, path "plain"), "not an agad model")
    local b = nn.builder(shape)
    has(refused(core.model_open, save(path "other", nn.net(b:conv(2):build("other")))), "outputs")
    local two = b:conv(2)
    has(refused(core.model_open, save(path "wide", nn.net(two:build("wide", {{"score", two}})))), "outputs")
    has(refused(core.model_open, save(path "range", net, {input = {1, 1}})), "input range")
    has(refused(core.model_open, save(path "batch", net, {input = {-1, 1}, eval_batch = 0})), "eval_batch")
  end)

  -- A whole picture of what was loaded.
  local function state(name)
    local model = core.model_open(name)
    local tensors = core.load(name)
    local parts = {model:about(), model:run(pictures:narrow(1, 1, 2)):tostring_bytes()}
    local names = {}
    for key in pairs(tensors) do names[#names + 1] = key end
    table.sort(names)
    for _, key in ipairs(names) do parts[#parts + 1] = key .. tensors[key]:tostring_bytes() end
    return table.concat(parts, "|")
  end

  local good, right = read(model_path), state(model_path)
  local header = 8 + string.unpack("<I8", good)

  local function outcome(bytes, counts)
    write(path "bad", bytes)
    local ok, result = pcall(state, path "bad")
    if ok then
      assert.equal(right, result)
      counts.same = counts.same + 1
    else
      assert.is_nil(result:find "\n", result)
      has(result, path "bad")
      counts.refused = counts.refused + 1
    end
  end

  it("that is cut anywhere is refused", function()
    math.randomseed(5)
    local counts = {same = 0, refused = 0}
    for _ = 1, 300 do outcome(good:sub(1, math.random(0, #good - 1)), counts) end
    outcome(good .. "x", counts)
    assert.same({same = 0, refused = 301}, counts)
  end)

  it("with a byte changed anywhere is refused, or read as it was", function()
    math.randomseed(6)
    local counts = {same = 0, refused = 0}
    for i = 1, 900 do
      local at = i % 3 > 0 and math.random(header) or math.random(header + 1, #good)
      local byte = good:byte(at)
      local changed = i % 2 == 0 and byte ~ (1 << math.random(0, 7)) or math.random(0, 255)
      outcome(good:sub(1, at - 1) .. string.char(changed) .. good:sub(at + 1), counts)
    end
    assert.is_true(counts.refused > 850, counts.refused)
  end)

  it("whose tensors overlap or leave gaps is refused", function()
    local function file(entries, bytes)
      local text = core.json_encode(entries)
      write(path "bad", string.pack("<I8", #text) .. text .. bytes)
      return path "bad"
    end
    local function entry(a, b) return {dtype = "U8", shape = {b - a}, data_offsets = {a, b}} end
    assert.equal(3, core.load(file({a = entry(0, 3)}, "xyz")).a:numel())
    has(refused(core.load, file({a = entry(0, 2), b = entry(1, 3), c = entry(4, 6)}, "sixbyt")), "overlap")
    has(refused(core.load, file({a = entry(0, 3)}, "four")), "fill")
    has(refused(core.load, file({a = entry(0, 5)}, "four")), "outside")
    local huge = {dtype = "U8", shape = {1 << 40, 1 << 40}, data_offsets = {0, 4}}
    has(refused(core.load, file({a = huge}, "four")), "shape")
    has(refused(core.load, file({a = {dtype = "U9", shape = {4}, data_offsets = {0, 4}}}, "four")), "dtype 'U9'")
    has(refused(core.load, file({a = {dtype = "U8", shape = {4}, data_offsets = {4, 0}}}, "four")), "invalid position")
    has(refused(core.load, file({a = 3}, "four")), "dtype")
  end)
end)

describe("libagad.so", function()
  it("opens a model and scores from C, without Lua", function()
    local function found(name) return os.execute("command -v " .. name .. " > /dev/null 2>&1") and name end
    local cc = found "cc" or found "gcc"
    if not cc then pending("no C compiler") return end
    local build = os.getenv "AGAD_BUILD" or "build"
    if build:find "asan" then pending("not under AddressSanitizer") return end
    write(path "score.c", [[
#include "score/agad.h"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  agad_error error;
  agad_model *m = agad_model_open(argv[1], &error);
  if (!m) return printf("%s\n", error.message), 1;
  agad_model_facts f = agad_model_info(m);
  long n = argc > 3 ? atol(argv[3]) : 0, size = (long)f.channels * f.height * f.width;
  unsigned char *pixels = malloc((size_t)(n * size) + 1);
  FILE *in = fopen(argv[2], "rb");
  double *scores = malloc((size_t)n * sizeof *scores + 1);
  float *maps = malloc((size_t)(n * f.height * f.width) * sizeof *maps + 1);
  if (!in || fread(pixels, (size_t)size, (size_t)n, in) != (size_t)n) return 2;
  if (agad_model_score(m, pixels, n, scores, &error)) return printf("%s\n", error.message), 1;
  if (f.has_map && agad_model_map(m, pixels, n, maps, &error)) return printf("%s\n", error.message), 1;
  printf("%d %d %d %g %d\n", f.channels, f.height, f.width, f.threshold, f.has_map);
  for (long i = 0; i < n; i++) printf("%.17g %.9g\n", scores[i], maps[i * f.height * f.width + 5]);
  agad_model_close(m);
  fclose(in), free(pixels), free(scores), free(maps);
  return 0;
}
]])
    write(path "pixels", pictures:tostring_bytes())
    local compile = ("%s -Wall -Icsrc -o %s %s -L%s/lib -lagad -Wl,-rpath,$PWD/%s/lib -Wl,--allow-shlib-undefined "
      .. "2>&1")
      :format(cc, path "score", path "score.c", build, build)
    local pipe = io.popen(compile)
    assert.equal("", pipe:read "a")
    pipe:close()
    local function run(model, n)
      local command = "OMP_NUM_THREADS=1 %s %s %s %d; echo status $?"
      local out = io.popen(command:format(path "score", model, path "pixels", n))
      local text = out:read "a"
      out:close()
      return text
    end
    local text = run(model_path, 37)
    local lines = {}
    for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal("1 16 16 1.5 1", lines[1])
    assert.equal("status 0", lines[#lines])
    local model = core.model_open(model_path)
    local scores, maps = model:run(pictures):totable(), model:run(pictures, "map"):flatten(2, 3):select(2, 6):totable()
    for i = 1, 37 do
      local score, map = lines[i + 1]:match "(%S+) (%S+)"
      assert.near(scores[i], tonumber(score), 1e-6 * scores[i])
      assert.near(maps[i], tonumber(map), 1e-6)
    end
    has(run(path "nothing", 1), "No such file", "status 1")
    has(run(model_path, 0), "no pictures", "status 1")
  end)
end)

describe("metrics", function()
  it("read tensors of scores as they read lists", function()
    local scores, labels = agad.tensor({.1, .4, .35, .8}, {dtype = "float64"}), {0, 0, 1, 1}
    assert.equal(.75, core.metrics.auroc(scores, labels))
    assert.equal(core.metrics.auroc({.1, .4, .35, .8}, labels), core.metrics.auroc(scores, labels))
    assert.near(5 / 6, core.metrics.average_precision(scores, labels), 1e-12)
    assert.near(.35 + .05 / 2, core.metrics.quantile(scores, .5), 1e-12)
    has(refused(core.metrics.auroc, agad.tensor({0 / 0, 1}, {dtype = "float64"}), {0, 1}), "not a number")
    has(refused(core.metrics.auroc, scores, {0, 0, 0, 0}), "both kinds are needed")
  end)
end)
