-- Arguments that fit each other, for operators whose random arguments hardly ever do: by operator, then by the name of
-- an argument, the text of a value.  A # becomes a small number; now and then an argument is a random one all the same.

local function f(...) return ("agad.randn({%s})"):format((table.concat({...}, ", "))) end
local function i(high, ...) return ("agad.randint(0, %s, {%s})"):format(high, (table.concat({...}, ", "))) end

local square, vector, sparse = f(3, 3), f(4), "agad.eye(3):to_sparse()"
local csr = "agad.eye(3):to_sparse_csr()"
local function matrix(r) return setmetatable(r or {}, {__index = {self = square, A = square, input = square,
  other = square, B = square}}) end
local function index(r)
  r.self, r.dim, r.index, r.source, r.src, r.value = f(3, 4), "1", i("3", 2), f(2, 4), f(2, 4), "#"
  return r
end
local function loss(self, target, r)
  r = r or {}
  r.self, r.target, r.reduction, r.weight, r.ignore_index = self, target, "#", r.weight or "nil", "-100"
  return r
end
local function conv(dims, transposed)
  local input, weight, side = {2, 3}, transposed and {3, 2} or {4, 3}, {}
  for d = 1, dims do input[d + 2], weight[d + 2], side[d] = 6, "2", "2" end
  side = "{" .. table.concat(side, ", ") .. "}"
  local x, w = f(table.unpack(input)), f(table.unpack(weight))
  return {self = x, input = x, weight = w, bias = f(transposed and 2 or 4), kernel_size = side, groups = "1",
    transposed = tostring(transposed or false), output_padding = "{" .. ("0, "):rep(dims) .. "}",
    stride = "{" .. ("#, "):rep(dims) .. "}", padding = "{" .. ("#, "):rep(dims) .. "}",
    dilation = "{" .. ("1, "):rep(dims) .. "}"}
end
local function pool(dims)
  local input = {2, 3}
  for d = 1, dims do input[d + 2] = 6 end
  return {self = f(table.unpack(input)), kernel_size = "{" .. ("2, "):rep(dims) .. "}", padding = "{" ..
    ("0, "):rep(dims) .. "}", stride = "{" .. ("#, "):rep(dims) .. "}", dilation = "{" .. ("#, "):rep(dims) .. "}",
    output_size = "{" .. ("#, "):rep(dims) .. "}", random_samples = ("agad.rand({2, 3, %d})"):format(dims),
    indices = i("36", table.unpack(input))}
end
local function norm(r)
  r.input, r.weight, r.bias, r.running_mean, r.running_var = f(2, 4, 3), f(4), f(4), f(4), "agad.rand({4})"
  r.eps, r.momentum, r.num_groups, r.N, r.C, r.HxW, r.group = "1e-5", "0.1", "#", "2", "4", "3", "2"
  r.scale, r.zero_point = f(4), i("3", 4)
  return r
end
local function cell(gates)
  local r = {input = f(2, 3), hx = gates == 4 and "{" .. f(2, 5) .. ", " .. f(2, 5) .. "}" or f(2, 5)}
  r.w_ih, r.w_hh, r.b_ih, r.b_hh = f(gates * 5, 3), f(gates * 5, 5), f(gates * 5), f(gates * 5)
  return r
end
local function rnn(gates, hidden)
  return {input = f(4, 2, 3), hx = hidden, has_biases = "true", num_layers = "1", dropout = "0", train = "false",
    bidirectional = "false", batch_first = "false", params = ("{%s, %s, %s, %s}"):format(f(gates * 5, 3),
      f(gates * 5, 5), f(gates * 5), f(gates * 5))}
end
local state = f(1, 2, 5)

local recipes = {
  addbmm = {self = f(3, 4), batch1 = f(2, 3, 5), batch2 = f(2, 5, 4)}, baddbmm = {self = f(2, 3, 4),
    batch1 = f(2, 3, 5), batch2 = f(2, 5, 4)}, addmm = {self = f(3, 4), mat1 = f(3, 5), mat2 = f(5, 4)},
  addmv = {self = f(3), mat = f(3, 4), vec = vector}, addr = {self = f(3, 4), vec1 = f(3), vec2 = vector},
  mm = matrix {mat2 = square}, mv = {self = f(3, 4), vec = vector}, dot = {self = vector, tensor = vector},
  matmul = matrix(), linalg_multi_dot = {tensors = ("{%s, %s}"):format(square, square)}, bilinear = {input1 = f(2, 3),
    input2 = f(2, 4), weight = f(5, 3, 4), bias = f(5)}, linear = {input = f(2, 3), weight = f(4, 3), bias = f(4)},
  affine_grid_generator = {theta = f(2, 2, 3), size = "{2, 3, 4, 4}"}, grid_sampler_2d = {input = f(2, 3, 4, 4),
    grid = f(2, 3, 3, 2), interpolation_mode = "#", padding_mode = "#"}, grid_sampler_3d = {input = f(2, 3, 4, 4, 4),
    grid = f(2, 3, 3, 3, 3), interpolation_mode = "1", padding_mode = "#"}, as_strided_ = {self = f(4, 4),
    size = "{2, 2}", stride = "{#, #}", storage_offset = "#"}, as_strided_scatter = {self = f(4, 4), src = f(2, 2),
    size = "{2, 2}", stride = "{#, #}", storage_offset = "#"}, bincount = {self = i("5", 6), weights = f(6)},
  cartesian_prod = {tensors = ("{%s, %s}"):format(f(3), vector)}, cross_entropy_loss = loss(f(3, 4), i("4", 3)),
  nll_loss = loss(f(3, 4), i("5", 3), {weight = vector}), nll_loss2d = loss(f(2, 4, 3, 3), i("5", 2, 3, 3),
    {weight = vector}), multi_margin_loss = loss(f(3, 4), i("5", 3), {weight = vector, p = "#"}),
  nll_loss_forward = loss(f(3, 4), i("5", 3), {weight = vector}), nll_loss2d_forward = loss(f(2, 4, 3, 3),
    i("5", 2, 3, 3), {weight = vector}), multilabel_margin_loss = loss(f(3, 4), i("5", 3, 4)),
  multilabel_margin_loss_forward = loss(f(3, 4), i("5", 3, 4)), nll_loss_nd = loss(f(3, 4), i("4", 3)),
  ctc_loss = {log_probs = f(6, 2, 4), targets = i("5", 2, 3), input_lengths = "{6, #}", target_lengths = "{3, #}",
    blank = "0", reduction = "#"}, embedding_bag = {weight = f(5, 3), indices = i("6", 6), offsets =
    "agad.tensor({0, 2, #}, \"int64\")", mode = "#", per_sample_weights = f(6), padding_idx = "#"},
  embedding = {weight = f(5, 3), indices = i("6", 4)}, embedding_renorm_ = {self = f(5, 3), indices = i("6", 4),
    max_norm = "1", norm_type = "#"}, col2im = {self = f(2, 12, 9), output_size = "{4, 4}", kernel_size = "{2, 2}",
    dilation = "{#, #}", padding = "{#, #}", stride = "{#, #}"}, im2col = {self = f(2, 3, 4, 4), kernel_size = "{2, 2}",
    dilation = "{#, #}", padding = "{#, #}", stride = "{#, #}"}, max_unpool2d = pool(2), max_unpool3d = pool(3),
  gather = {self = f(3, 4), dim = "1", index = i("4", 2, 4)}, scatter = {self = f(3, 4), dim = "1",
    index = i("4", 2, 4), src = f(2, 4), reduce = '"add"'}, scatter_add = {self = f(3, 4), dim = "1",
    index = i("4", 2, 4), src = f(2, 4)}, scatter_reduce = {self = f(3, 4), dim = "1", index = i("4", 2, 4),
    src = f(2, 4), reduce = '"amax"'}, index_put = {self = f(3, 4), indices = ("{%s, %s}"):format(i("4", 2), i("5", 2)),
    values = f(2)}, index = {self = f(3, 4), indices = ("{%s, %s}"):format(i("4", 2), i("5", 2))},
  take = {self = f(3, 4), index = i("13", 5)}, put = {self = f(3, 4), index = i("13", 5), source = f(5)},
  masked_scatter = {self = f(3, 4), mask = f(3, 4) .. ":gt(0)", source = f(8)}, repeat_interleave = {self = f(4),
    repeats = i("3", 4), dim = "1"}, searchsorted = {sorted_sequence = f(4) .. ":sort()", self = f(2),
    sorter = i("5", 4)}, bucketize = {boundaries = f(4), self = f(2, 2)}, multinomial = {self = "agad.rand({3, 4})",
    num_samples = "#", replacement = "true"}, prelu = {self = f(2, 3, 4), weight = f(3)}, histogramdd = {self = f(5, 2),
    bins = "{#, #}", weight = f(5)}, pad = {self = f(2, 3, 4), pad = "{#, #}", mode = '"reflect"'},
  lu_unpack = {LU_data = square, LU_pivots = "agad.tensor({1, 2, #}, \"int32\")"}, linalg_lu_solve = matrix {
    LU = square,
    pivots = "agad.tensor({1, 2, #}, \"int32\")"}, lu_solve = matrix {LU_data = square,
    LU_pivots = "agad.tensor({1, 2, #}, \"int32\")"}, linalg_ldl_solve = matrix {LD = square,
    pivots = "agad.tensor({1, 2, #}, \"int32\")"}, orgqr = {self = square, input2 = f(3)}, ormqr = {self = square,
    input2 = f(3), input3 = square}, linalg_householder_product = {input = square, tau = f(3)}, geqrf = matrix(),
  linalg_lstsq = matrix {driver = '"gelsd"'}, linalg_eig = matrix(), linalg_inv = matrix(), cholesky = matrix(),
  linalg_ldl_factor = matrix(), linalg_solve_ex = matrix(), linalg_solve_triangular = matrix(), cholesky_solve = matrix
    {input2 = square}, linalg_tensorsolve = {self = f(2, 3, 6), other = f(2, 3)}, triangular_solve = matrix(),
  stft = {self = f(32), n_fft = "8", hop_length = "#", window = f(8)}, istft = {self =
    "agad.randn({5, 6}, {dtype = \"complex64\"})", n_fft = "8", hop_length = "#", window = f(8)},
  coalesce = {self = sparse}, indices = {self = sparse}, values = {self = sparse}, is_coalesced = {self = sparse},
  sparse_mask = {self = square, mask = sparse}, hspmm = {mat1 = sparse, mat2 = square}, smm = {self = sparse,
    mat2 = square}, sspaddmm = {self = sparse, mat1 = sparse, mat2 = square}, crow_indices = {self = csr},
  col_indices = {self = csr}, sparse_coo_tensor = {indices = i("#", 2, 3), values = f(3), size = "{#, #}"},
  sparse_csr_tensor = {crow_indices = "agad.tensor({0, #, #, 3}, \"int64\")", col_indices = i("#", 3), values = f(3),
    size = "{3, #}"}, sparse_compressed_tensor = {compressed_indices = "agad.tensor({0, #, #, 3}, \"int64\")",
    plain_indices = i("#", 3), values = f(3), size = "{3, #}"}, sparse_resize_ = {self = sparse, size = "{#, #}",
    sparse_dim = "2", dense_dim = "0"}, to_sparse = {self = square}, sparse_sampled_addmm = {self = csr, mat1 = square,
    mat2 = square}, scaled_dot_product_attention = {query = f(2, 2, 3, 4), key = f(2, 2, 3, 4), value = f(2, 2, 3, 4)},
  fake_quantize_per_channel_affine = {self = f(2, 3), scale = "agad.rand({3})", zero_point = i("3", 3), axis = "2",
    quant_min = "0", quant_max = "255"}, quantize_per_tensor = {self = f(2, 3), scale = "0.1", zero_point = "#"},
  pixel_shuffle = {self = f(2, 4, 3, 3), upscale_factor = "2"}, channel_shuffle = {self = f(2, 4, 3, 3), groups = "#"},
  fbgemm_pack_quantized_matrix = {input = i("9", 4, 4) .. ':to("int8")', K = "#", N = "#"},
  fbgemm_linear_quantize_weight = {input = square}, quantized_batch_norm = norm {mean = f(4), var = "agad.rand({4})",
    output_scale = "1", output_zero_point = "0"}, lstm = rnn(4, ("{%s, %s}"):format(state, state)), gru = rnn(3, state),
  rnn_tanh = rnn(1, state), rnn_relu = rnn(1, state), lstm_cell = cell(4), gru_cell = cell(3), rnn_tanh_cell = cell(1),
  batch_norm = norm {}, native_batch_norm = norm {}, instance_norm = norm {}, group_norm = norm {}, native_group_norm =
    norm {}, batch_norm_stats = norm {}, batch_norm_elemt = norm {mean = f(4), invstd = f(4)}, batch_norm_update_stats =
    norm {}, layer_norm = {input = f(2, 3, 4), normalized_shape = "{4}", weight = vector, bias = vector},
  native_layer_norm = {input = f(2, 3, 4), normalized_shape = "{4}", weight = vector, bias = vector, eps = "1e-5"},
  conv_tbc = {self = f(4, 2, 3), weight = f(2, 3, 4), bias = f(4), pad = "#"}, pad_sequence = {sequences =
    ("{%s, %s}"):format(f(3), vector), padding_side = '"left"'}, einsum = {equation = '"ij,jk->ik"',
    tensors = ("{%s, %s}"):format(square, square)}, unfold = {self = f(4, 4), dimension = "1", size = "#", step = "#"},
}
for _, name in ipairs {"index_add", "index_copy", "index_fill", "index_select", "index_reduce"} do
  recipes[name] = index {reduce = '"amax"'}
end
for d = 1, 3 do
  local of = {"conv%dd", "slow_conv%dd", "slow_conv_dilated%dd", "thnn_conv%dd", "conv_depthwise%dd",
    "slow_conv%dd_forward"}
  for _, name in ipairs(of) do recipes[name:format(d)] = conv(d) end
  recipes[("conv_transpose%dd"):format(d)], recipes[("slow_conv_transpose%dd"):format(d)] = conv(d, true), conv(d, true)
  for _, name in ipairs {"max_pool%dd", "max_pool%dd_with_indices", "avg_pool%dd", "adaptive_avg_pool%dd",
    "adaptive_max_pool%dd", "fractional_max_pool%dd", "mkldnn_max_pool%dd", "quantized_max_pool%dd"} do
    recipes[name:format(d)] = pool(d)
  end
end
recipes.convolution, recipes.mkldnn_convolution, recipes.convolution_overrideable = conv(2), conv(2), conv(2)

return recipes
