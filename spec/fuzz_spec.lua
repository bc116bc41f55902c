-- Random calls of operators in a child process (spec/fuzz/operators.lua), and what they found: calls that killed the
-- process and now raise one line.
-- To add a case: a call that was found to kill goes into the test of its kind, with the words that refuse it.

local agad = require "agad"
local checks = dofile "spec/support/checks.lua"

local refused, has = checks.refused, checks.has

local function fuzz(count, seed)
  local program = os.getenv "AGAD" or "build/agad"
  local command = ("AGAD_GUARD=1 OMP_NUM_THREADS=1 nice -n 5 %s spec/fuzz/operators.lua %d %d 2>&1")
    :format(program, count, seed)
  local out = assert(io.popen(command))
  local text = out:read "a"
  return out:close(), text
end

describe("random calls of operators", function()
  it("leave the interpreter alive, memory whole, its errors in one line, and no tensor behind", function()
    local ok, text = fuzz(2000, 16)
    assert.is_true(ok, text)
    local through, failed = text:match "(%d+) got through, (%d+) errors%), 0 deaths"
    assert.is_true(tonumber(through) > 500, text)
    assert.equal(2000, through + failed)
  end)

  it("do so for long #slow", function()
    local ok, text = fuzz(50000, 17)
    assert.is_true(ok, text)
  end)
end)

describe("what libtorch does not survive", function()
  local x, w = agad.ones(1, 3, 4, 4, 4), agad.ones(4, 3, 2, 2, 2)

  it("is refused where a look at the arguments tells", function()
    has(refused(agad.slow_conv3d, x, w, {4, 3, 3}), "kernel_size must be that of weight")
    has(refused(agad.slow_conv3d, x, agad.ones(4), {1, 1, 1}), "weight must have two")
    has(refused(agad.slow_conv3d_forward, x, agad.ones(4, 24), {4, 4, 4}, nil, {1, 1, 1}, {0, 0, 0}),
      "weight must have two")
    assert.same({1, 4, 3, 3, 3}, agad.slow_conv3d(x, w, {2, 2, 2}).shape)
    has(refused(agad.align_to, agad.ones(3, 1), {"a"}, 3), "ellipsis_idx must lie within order")
    has(refused(agad.align_tensors, {}), "at least one tensor")
    has(refused(agad.core.operator "copy", agad.randn({2, 5}):to_sparse_csr(), agad.randn({}), {out = agad.ones(2, 5)}),
      "self must be a dense tensor")
    has(refused(agad.native_channel_shuffle, agad.randn({1, 4}):to_sparse_csr(), 0), "self must be a dense tensor")
    local t = agad.ones(2, 3, 6, 6, 6)
    has(refused(agad.slow_conv_transpose3d, t, agad.ones(3, 2, 2, 2, 2), 1), "kernel_size must be that of weight")
    assert.same({2, 2, 7, 7, 7}, agad.slow_conv_transpose3d(t, agad.ones(3, 2, 2, 2, 2), 2).shape)
    has(refused(agad.slow_conv_dilated2d, agad.ones(1, 3, 4, 4), agad.ones(4, 3, 2, 2), {4, 4}), "kernel_size")
    has(refused(agad.range, .5, .75, .25, {out = agad.ones({1}, {dtype = "uint8"})}), "a step below 1")
    has(refused(agad.range, .5, .75, .25, {dtype = "int32"}), "a step below 1")
    assert.same({0, 2, 4}, agad.range(0, 5, 2, {dtype = "int32"}):totable())
    local x4 = agad.tensor {1, 2, 3, 4}
    has(refused(agad.choose_qparams_optimized, x4, 2, -1, .5, -1), "n_bins must be at least 1")
    has(refused(agad.choose_qparams_optimized, x4, 5, 200, .16, 8), "numel must be 1 to")
    assert.is_true(agad.choose_qparams_optimized(x4, 4, 200, .16, 8):item() >= 4)
    has(refused(agad.linalg_eigvals, agad.full({2, 2}, 1/0)), "must be finite")
    has(refused(agad.linalg_eigvals, agad.ones(2)), "at least 2 dimensions")
    assert.equal("complex64", agad.linalg_eigvals(agad.eye(2)).dtype)
    has(refused(agad.arange, 0, {stop = 1.33, step = .03, out = agad.ones({4}, {dtype = "int64"})}), "a step below 1")
    has(refused(agad.binomial, agad.full({3}, 0 / 0), agad.rand(3)), "count must be finite")
    has(refused(agad.binomial, agad.full({3}, 4.0), agad.full({3}, 1.5)), "prob 0 to 1")
    assert.same({4, 4}, agad.binomial(agad.full({2}, 4.0), agad.ones(2)):totable())
    for _, name in ipairs {"as_strided", "as_strided_", "as_strided_copy"} do
      has(refused(agad[name], agad.ones({1}, {dtype = "float16"}), {1 << 62}, {1}), "reach beyond any memory")
    end
    local noise = {noise = agad.ones(80), lower = .1, upper = .3, training = true}
    has(refused(agad.rrelu_with_noise, agad.ones(80), {noise = agad.ones(9)}), "self's shape")
    noise.out = agad.ones(9)
    has(refused(agad.rrelu_with_noise, agad.ones(80), noise), "self's shape")
    noise.out = nil
    assert.same({80}, agad.rrelu_with_noise(agad.ones(80), noise).shape)
    local function observed(scale, n, per_row)
      local on, none = agad.ones({1}, {dtype = "int64"}), agad.zeros({n}, {dtype = "int32"})
      return agad.fused_moving_avg_obs_fake_quant(agad.rand(2, 3), on, on, agad.zeros(n), agad.ones(n), scale, none, .1,
        0, 255, 1, per_row)
    end
    has(refused(observed, agad.ones {0}, 1, false), "one number, or one for each channel")
    has(refused(observed, agad.ones(1), 1, true), "one number, or one for each channel")
    assert.same({2, 3}, observed(agad.ones(1), 1, false).shape)
    assert.same({2, 3}, observed(agad.ones(2), 2, true).shape)
    has(refused(agad.combinations, agad.ones(2), 1 << 40), "at most 64")
    has(refused(agad.combinations, agad.ones(5), 12), "below 2^31")
    assert.same({3, 2}, agad.combinations(agad.ones(3)).shape)
    has(refused(agad.chunk, agad.ones {0}, 1 << 33), "at most 2^20 parts")
    has(refused(agad.tensor_split, agad.ones(2), 1 << 31), "at most 2^20 parts")
    has(refused(agad.hsplit, agad.ones(2), 1 << 31), "at most 2^20 parts")
    assert.equal(2, #agad.chunk(agad.ones(2), 5))
        local matrix, short = agad.rand(3, 3), agad.tensor({1, 2}, "int32")
    has(refused(agad.lu_unpack, agad.rand(5, 2), agad.zeros(0, {dtype = "int32"})), "as many pivots")
    has(refused(agad.linalg_ldl_solve, matrix, short, matrix), "as many pivots")
    has(refused(agad.linalg_ldl_solve, matrix, agad.tensor({1, 2, 3}, "int16"), matrix), "pivots must be int32")
    assert.same({5, 2}, ({agad.lu_unpack(agad.rand(5, 2), short)})[2].shape)
    has(refused(agad.linalg_matrix_power, agad.eye(2), math.mininteger), "above the smallest integer")
    has(refused(agad.matrix_power, agad.eye(2), math.mininteger), "above the smallest integer")
    local expanded = agad.ones(1):expand(3)
    has(refused(agad.log_sigmoid_forward, agad.ones(3), {output = agad.ones(3), buffer = expanded}), "contiguous")
    local powsum = agad.core.operator "linalg__powsum"
    has(refused(powsum, agad.rand(4, 5):to "complex64", 2, 1, false, {dtype = "bfloat16"}), "must not be bfloat16")
    assert.equal("bfloat16", powsum(agad.rand(4, 5), 2, 1, false, {dtype = "bfloat16"}).dtype)
    has(refused(agad.random, agad.ones(2), math.maxinteger, nil), "below the largest integer")
    has(refused(agad.max_pool1d, agad.ones(1, 1), 1 << 62), "below 2^31")
    has(refused(agad.sum, agad.ones(2), math.maxinteger), "there is no dimension 9223372036854775807")
    assert.same({{1, 1}, {1, 1}}, agad.ones(3):as_strided({2, 2}, {1, 1}):totable())
    local rows = agad.tensor({0, 1, 2}, "int64")
    has(refused(agad.embedding_bag, agad.ones(5, 3), rows, rows, false, 3), "mode must be 0")
  end)

  it("is a sparse tensor whose indices are outside of it", function()
    local two, values = agad.tensor({0, 1}, "int64"), agad.tensor {1, 2}
    for _, indices in ipairs {{{0, 99}, {0, 1}}, {{0, -9}, {0, 1}}} do
      has(refused(agad.sparse_coo_tensor, agad.tensor(indices, "int64"), values, {2, 2}), "index")
    end
    has(refused(agad.sparse_csr_tensor, agad.tensor({0, 1, 2}, "int64"), agad.tensor({0, 7}, "int64"), values, {2, 2}),
      "col_indices")
    has(refused(agad.sparse_csr_tensor, agad.tensor({0, 100, 2}, "int64"), two, values, {2, 2}), "crow_indices")
    assert.same({{1, 0}, {0, 2}}, agad.sparse_coo_tensor(agad.tensor({{0, 1}, {0, 1}}, "int64"), values, {2, 2})
      :to_dense():totable())
    local lengths = agad.tensor({100, 2}, "int64")
    has(refused(agad.segment_reduce, agad.ones(4), "sum", {lengths = lengths, unsafe = true}), "unsafe must be false")
    has(refused(agad.segment_reduce, agad.ones(4), "sum", {lengths = lengths}), "lengths")
    assert.same({2, 2}, agad.segment_reduce(agad.ones(4), "sum", {lengths = agad.tensor({2, 2}, "int64")}):totable())
  end)

  it("is a batch norm of too few numbers, or out of training without statistics", function()
    local function ones(...) return agad.ones(...) end
    local images, norm = ones(2, 50, 3, 3), agad.native_batch_norm
    has(refused(norm, images, ones(2), nil, nil, nil, true, .1, 1e-5), "one number for each channel")
    has(refused(norm, images, nil, nil, ones(2), ones(2), true, .1, 1e-5), "one number for each channel")
    has(refused(norm, images, nil, nil, nil, nil, false, .1, 1e-5), "running_mean and running_var")
    has(refused(agad.batch_norm_update_stats, images, ones(2), ones(2), .1), "one number for each channel")
    has(refused(agad.native_batch_norm_backward, ones(2, 5, 3, 3), images, nil, nil, nil, ones(50), ones(50), true,
      1e-5, {true, true, true}), "grad_out must have input's shape")
    assert.same({2, 50, 3, 3}, (norm(images, nil, nil, nil, nil, true, .1, 1e-5)).shape)
  end)

  it("is a factored matrix whose pivots are no rows of it", function()
    local matrix, b = agad.eye(2) * 2, agad.ones(2, 1)
    local lu, rows = agad.linalg_lu_factor(matrix)
    assert.same({{.5}, {.5}}, agad.linalg_lu_solve(lu, rows, b):totable())
    local ld, pairs_of_rows = agad.linalg_ldl_factor(agad.tensor {{0, 1}, {1, 0}})
    assert.same({-2, -2}, pairs_of_rows:totable())
    assert.same({{1}, {1}}, agad.linalg_ldl_solve(ld, pairs_of_rows, b):totable())
    for _, bad in ipairs {{0, 1}, {1, 3}, {99, -1}} do
      local p = agad.tensor(bad, "int32")
      has(refused(agad.linalg_lu_solve, lu, p, b), "pivots must be rows")
      has(refused(agad.linalg_ldl_solve, lu, p, b), "pivots must be rows")
      has(refused(agad.lu_solve, b, lu, p), "pivots must be rows")
      has(refused(agad.lu_unpack, lu, p), "pivots must be rows")
    end
    has(refused(agad.linalg_ldl_solve, lu, agad.tensor({1, -2}, "int32"), b), "pivots must be rows")   -- one of a pair
  end)

  it("is a recurrent network whose parts do not fit together", function()
    local z = agad.zeros
    local steps, packed, sizes = z(4, 2, 3), z(8, 3), agad.tensor({2, 2, 2, 2}, "int64")
    for gates, name in pairs {[4] = "lstm", [3] = "gru", [1] = "rnn_tanh"} do
      local function states(...)
        local h = z(...)
        return gates == 4 and {h, h} or h
      end
      local function call(input, hx, params, ...)
        return agad[name](input, hx, params, true, 1, 0.0, false, false, ...)
      end
      local function params(rows, dtype)
        local o = {dtype = dtype or "float32"}
        return {z(rows, 3, o), z(rows, 5, o), z(rows, o), z(rows, o)}
      end
      local good = params(5 * gates)
      assert.same({4, 2, 5}, (call(steps, states(1, 2, 5), good, false)).shape)
      assert.same({8, 5}, (agad[name](packed, sizes, states(1, 2, 5), good, true, 1, 0.0, false, false)).shape)
      has(refused(call, steps, states(1, 2, 5), good, true), "input and hx must have the same batch")
      has(refused(call, steps, states(1, 9, 5), good, false), "input and hx must have the same batch")
      has(refused(call, steps, states(2, 2, 5), good, false), "hx must have a state for each layer")
      has(refused(call, steps, states(1, 2, 5), {good[1], good[2]}, false), "params must have the number of tensors")
      has(refused(call, steps, states(1, 2, 5), params(5 * gates + 5), false), "params must have the shapes")
      has(refused(call, steps, states(1, 2, 5), params(5 * gates, "float64"), false), "params must have the shapes")
      for _, bad in ipairs {{2, 2, 2, 20}, {2, 2, 2, -2}, {2, 2, 2}, {1, 2, 2, 3}} do
        has(refused(agad[name], packed, agad.tensor(bad, "int64"), states(1, 2, 5), good, true, 1, 0.0, false, false),
          "batch_sizes")
      end
    end
    has(refused(agad.lstm, packed, sizes, {z(2, 2, 3), z(1, 2, 3)}, {}, false, 1, 0.0, false, true), "the same layers")
  end)

  it("is the least integer, divided by -1", function()
    for dtype, least in pairs {int64 = math.mininteger, int32 = -1 << 31} do
      local t = agad.tensor({7, least}, dtype)
      for _, other in ipairs {-1, agad.tensor({-1, -1}, dtype)} do
        for _, name in ipairs {"div", "divide", "div_", "divide_"} do
          has(refused(t[name], t, other, {rounding_mode = "trunc"}), "by -1 overflows")
        end
      end
      has(refused(agad.lcm, t, agad.tensor({-6, -6}, dtype)), "the smallest integer overflows")
      has(refused(t.lcm_, agad.tensor({6, 3}, dtype), t), "the smallest integer overflows")
      assert.same({-3, least // -2}, t:div(-2, {rounding_mode = "trunc"}):totable())
      assert.same({-7.0, -1.0 * least}, t:to("float64"):div(-1, {rounding_mode = "trunc"}):totable())
    end
    assert.same({-7, -128}, agad.tensor({7, -128}, "int8"):div(-1, {rounding_mode = "trunc"}):totable())
    assert.same({12, 6}, agad.lcm(agad.tensor({4, 6}, "int64"), agad.tensor({6, 3}, "int64")):totable())
  end)

  it("is an out in another order", function()
    local t = agad.randn {2, 3, 4}
    for _, name in ipairs {"tril", "triu"} do
      has(refused(agad[name], t:transpose(1, 3), 1, {out = agad.ones(2, 3, 4):transpose(1, 3)}), "contiguous")
      local out = agad.ones(2, 3, 4)
      agad[name](t, 1, {out = out})
      assert.is_true(out:equal(agad[name](t, 1)))
    end
  end)

  it("is refused as a whole where none does", function()
    has(refused(agad.to_mkldnn, agad.ones(2, 2)), "packed tensors are not supported")
    has(refused(agad.mkldnn_rnn_layer, x, w, w, w, w, w, w, false, {3}, 3, 1, 2, true, true, false, false), "refused")
  end)

  it("is a list of another length than the schema says", function()
    has(refused(agad.slow_conv3d, x, w, {2, 2, 2}, nil, {1, 1, 1}, {}), "a list of 3, not an empty one")
    has(refused(agad.max_pool2d, agad.ones(1, 4, 4), {2, 2, 2}), "a list of 2, not one of another length")
    assert.same({1, 4, 3, 3, 3}, agad.slow_conv3d(x, w, {2, 2, 2}, nil, {1}).shape)      -- one stands for all
    assert.same({1, 2, 2}, agad.max_pool2d(agad.ones(1, 4, 4), {2, 2}, {}).shape)        -- its default has none
  end)
end)

describe("AGAD_GUARD=1", function()
  it("stops where a tensor was written beyond its end, and only there", function()
    local function run(chunk)
      local pipe = assert(io.popen(("AGAD_GUARD=1 %s -e '%s' 2>&1"):format(os.getenv "AGAD" or "build/agad", chunk)))
      local text = pipe:read "a"
      return pipe:close(), text
    end
    local _, text = run "local t = agad.rand(3, 5):mm(agad.rand(5, 7)):softmax(2) print(t:sum():item() // .999)"
    assert.equal("3.0\n", text)
    local ok, words = run [[local places = agad.ones(2, {dtype = "int64"})
      agad.core.operator "_cummax_helper"(agad.ones(9), agad.ones(2), places, 1) collectgarbage()]]
    assert.is_nil(ok)
    assert.matches("agad: AGAD_GUARD: %d+ bytes of a tensor were written 0 bytes beyond their end", words)
  end)
end)

describe("what used to kill", function()
  it("a result that has no room leaves its tensor empty, not beyond its memory", function()
    local t = agad.ones(2, 3)
    refused(agad.ones, {1 << 40, 4, 5}, {out = t})
    assert.same({0}, t.shape)
    assert.equal(0, t:sum():item())
    refused(agad.arange, 2^53, {out = t})
    refused(t.resize_, t, {1 << 50})
    assert.same({0}, t.shape)
    assert.same({3}, agad.arange(3, {out = agad.ones(0)}).shape)
  end)

  it("a result is written to an argument, whatever its size", function()
    local t = agad.arange(6):to("float32"):reshape({1, 1, 1, 2, 3})
    agad.replication_pad3d(t, {1, 1, 0, 0, 0, 0}, {out = t})
    assert.same({0, 0, 1, 2, 2, 3, 3, 4, 5, 5}, t:flatten():totable())
    local u = agad.ones(2)
    agad.cat({u, u}, 1, {out = u})
    assert.same({1, 1, 1, 1}, u:totable())
    assert.same({2, 2, 2, 2}, agad.add(u, u, {out = u}):totable())
    has(refused(agad.std_mean, u, {1}, {correction = 1, out0 = u, out1 = u}), "two results")
  end)

  it("sparse tensors are tensors; what needs memory in order says so", function()
    local sparse = agad.eye(3):to_sparse()
    assert.same({3, 3}, sparse.shape)
    has(refused(sparse.tostring_bytes, sparse), "sparse")
    assert.same({{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, sparse:to_dense():totable())
  end)

  it("an empty tensor of very many rows is no table", function()
    has(refused(agad.empty(math.maxinteger, 0).totable, agad.empty(math.maxinteger, 0)), "empty tables")
    assert.same({{}, {}}, agad.empty(2, 0, 1 << 50):totable())
  end)

  it("finalisers call operators while the list of an operator is handed over", function()
    local calls = 0
    for round = 1, 20 do
      for _ = 1, 50 do
        setmetatable({}, {__gc = function()
          agad.split(agad.ones(6), 1)
          calls = calls + 1
        end})
      end
      local parts = {}
      for i = 1, 40 do parts[i] = agad.tensor_split(agad.arange(60), 60) end
      for i = 1, 60 do assert.equal(i - 1, parts[round][i]:item()) end
    end
    collectgarbage()
    assert.equal(1000, calls)
  end)
end)
