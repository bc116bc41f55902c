/* op_refuse.c: operators in which libtorch itself crashes or never returns when given arguments that fit their schema.
 *
 * Found by spec/fuzz/operators.lua; spec/fuzz_spec.lua has a reproducer of each. A check looks at the arguments and
 * returns what is wrong with them, or NULL; where no cheap check tells good ones from bad, the operator is refused
 * altogether. Checks are looked up once per overload: an operator that is not in the table costs nothing.
 */
#include "lua/op_read.h"

#include <math.h>
#include <string.h>

const at_value *op_argument(const at_op *op, const at_value *values, const char *name) {
  for (int i = 0; i < at_op_args(op); i++)
    if (!strcmp(at_op_arg(op, i)->name, name)) return values[i].kind == AT_UNSUPPORTED ? NULL : values + i;
  return NULL;
}

at_tensor *op_tensor(const at_op *op, const at_value *values, const char *name) {
  const at_value *v = op_argument(op, values, name);
  return v && v->kind == AT_TENSOR ? v->as.tensor : NULL;
}

/* These read the sides from the list and the weight's memory by them, whatever the weight is. */
static const char *kernel_size(const at_op *op, const at_value *values, int transposed) {
  const at_tensor *self = op_tensor(op, values, "self"), *weight = op_tensor(op, values, "weight");
  const at_value *kernel = op_argument(op, values, "kernel_size");
  if (!self || !weight || !kernel) return "self, weight and kernel_size are needed";
  int sides = kernel->n;
  if (at_ndim(weight) != sides + 2 || (at_ndim(self) != sides + 1 && at_ndim(self) != sides + 2))
    return "weight must have two dimensions more than kernel_size, self one or two";
  for (int i = 0; i < sides; i++)
    if (kernel->items[i].as.i != at_size(weight, 2 + i)) return "kernel_size must be that of weight";
  if (at_size(self, -1 - sides) != at_size(weight, transposed ? 0 : 1))
    return "self must have as many channels as weight takes";
  return at_dtype_of(self) == at_dtype_of(weight) ? NULL : "self and weight must have the same dtype";
}

static const char *convolution(const at_op *op, const at_value *values) { return kernel_size(op, values, 0); }
static const char *transposed(const at_op *op, const at_value *values) { return kernel_size(op, values, 1); }

/* Divides by the step once it is an integer, as the result. */
static const char *range(const at_op *op, const at_value *values) {
  const at_tensor *out = op_tensor(op, values, "out");
  const at_value *dtype = op_argument(op, values, "dtype"), *step = op_argument(op, values, "step");
  at_dtype as = out ? at_dtype_of(out) : dtype && dtype->kind == AT_DTYPE ? (at_dtype)dtype->as.i : AT_F32;
  int below_one = step && step->kind == AT_DOUBLE && step->as.d > -1 && step->as.d < 1;
  return as <= AT_I64 && below_one ? "a step below 1 becomes 0 as an integer" : NULL;
}

static const char *align_to(const at_op *op, const at_value *values) {
  const at_value *order = op_argument(op, values, "order"), *at = op_argument(op, values, "ellipsis_idx");
  return order && at && (at->as.i < 0 || at->as.i > order->n) ? "ellipsis_idx must lie within order" : NULL;
}

static const char *align_tensors(const at_op *op, const at_value *values) {
  const at_value *list = op_argument(op, values, "tensors");
  return list && list->n < 1 ? "it needs at least one tensor" : NULL;
}

static const char *two_states(const at_op *op, const at_value *values) {
  const at_value *hx = op_argument(op, values, "hx");
  return hx && hx->kind == AT_LIST && hx->n != 2 ? "hx must be a list of two tensors" : NULL;
}

/* Reads `numel` numbers of input as floats, and searches for ever if there is no step. */
static const char *choose_qparams(const at_op *op, const at_value *values) {
  const at_tensor *input = op_tensor(op, values, "input");
  const at_value *numel = op_argument(op, values, "numel"), *bins = op_argument(op, values, "n_bins"),
                 *ratio = op_argument(op, values, "ratio"), *bits = op_argument(op, values, "bit_width");
  if (!input || !numel || !bins || !ratio || !bits) return "all its arguments are needed";
  if (at_dtype_of(input) != AT_F32 || !at_is_dense(input)) return "input must be a dense float32 tensor";
  if (numel->as.i < 1 || numel->as.i > at_numel(input)) return "numel must be 1 to input's number of elements";
  if (bins->as.i < 1 || bins->as.i > 1 << 20 || !(ratio->as.d >= 0 && ratio->as.d <= 1))
    return "n_bins must be at least 1, ratio 0 to 1";
  return bits->as.i < 1 || bits->as.i > 8 ? "bit_width must be 1 to 8" : NULL;
}

static const char *embedding_bag(const at_op *op, const at_value *values) {
  const at_value *mode = op_argument(op, values, "mode");
  return mode && (mode->as.i < 0 || mode->as.i > 2) ? "mode must be 0 (sum), 1 (mean) or 2 (max)" : NULL;
}

/* Takes sizes and strides of a sparse tensor, which has no dense memory. */
static const char *dense(const at_op *op, const at_value *values) {
  const at_tensor *self = op_tensor(op, values, "self");
  return self && !at_is_dense(self) ? "self must be a dense tensor" : NULL;
}

static int all(const at_tensor *condition) {
  const at_tensor *whole = at_call("all", "", (at_value[]){at_v(condition)}, 1);
  return at_ok() && at_item_int(whole);
}

/* LAPACK's routine does not survive them; linalg_eig looks for them itself. */
static const char *all_finite(const at_op *op, const at_value *values) {
  const at_tensor *self = op_tensor(op, values, "self");
  if (!self || !at_is_dense(self) || at_device_of(self) != AT_CPU) return NULL;
  int good = all(at_call("isfinite", "", (at_value[]){at_v(self)}, 1));
  return at_ok() && !good ? "its input must be finite" : NULL;
}

/* Does not look at the sizes of its weights. */
static const char *part(const at_op *op, const at_value *values) {
  (void)op, (void)values;
  return "this is an internal part of another operator, which checks the arguments; call that one";
}

/* Packed tensors have no dense memory, and half of the operators read it all the same: copy, index_copy_. */
static const char *packed(const at_op *op, const at_value *values) {
  (void)op, (void)values;
  return "packed tensors are not supported; operators pack their weights themselves";
}

/* Writes a sparse self into out as if it had dense memory. */
static const char *copied(const at_op *op, const at_value *values) {
  const at_tensor *self = op_tensor(op, values, "self"), *out = op_tensor(op, values, "out");
  return self && out && !at_is_dense(self) ? "self must be a dense tensor when out is given" : NULL;
}

static int holds(const at_tensor *t, int64_t value) {
  const at_tensor *equal = at_call("eq", "Scalar", (at_value[]){at_v(t), at_vi(value)}, 2);
  const at_tensor *some = at_call("any", "", (at_value[]){at_v(equal)}, 1);
  return at_ok() && at_item_int(some);
}

/* The least of its dtype, where the processor divides in that dtype. */
static int holds_least(const at_tensor *t) {
  at_dtype dtype = at_dtype_of(t);
  if ((dtype != AT_I32 && dtype != AT_I64) || at_device_of(t) != AT_CPU || !at_is_dense(t)) return 0;
  return holds(t, dtype == AT_I32 ? INT32_MIN : INT64_MIN);
}

/* The processor traps where the least integer is divided by -1. */
static const char *truncating(const at_op *op, const at_value *values) {
  const at_tensor *self = op_tensor(op, values, "self"), *by = op_tensor(op, values, "other");
  const at_value *mode = op_argument(op, values, "rounding_mode"), *other = op_argument(op, values, "other");
  if (!self || !other || !mode || mode->kind != AT_STRING || strcmp(mode->as.s, "trunc") || !holds_least(self))
    return NULL;
  int minus_one =
      by ? at_dtype_of(by) <= AT_I64 && at_is_dense(by) && holds(by, -1) : other->kind == AT_INT && other->as.i == -1;
  return minus_one ? "dividing the smallest integer of a dtype by -1 overflows" : NULL;
}

static const char *lcm(const at_op *op, const at_value *values) {
  const at_tensor *self = op_tensor(op, values, "self"), *other = op_tensor(op, values, "other");
  return self && other && (holds_least(self) || holds_least(other))
             ? "the least common multiple of the smallest integer overflows its dtype"
             : NULL;
}

/* LAPACK swaps the rows that they name, of LDL's two at a time where they are negative. */
static int are_pivots(const int32_t *rows, int64_t n, int pairs) {
  for (int64_t i = 0; i < n; i++) {
    int paired = pairs && rows[i] < 0;
    int64_t row = paired ? -(int64_t)rows[i] : rows[i];
    if (row < 1 || row > n || (paired && (i + 1 == n || rows[i + 1] >= 0 || rows[i + 1] < -n))) return 0;
    i += paired;
  }
  return 1;
}

static const char *pivots(const at_op *op, const at_value *values) {
  const at_tensor *p = op_tensor(op, values, "pivots"), *lu = op_tensor(op, values, "LU"),
                  *ld = op_tensor(op, values, "LD");
  if (!p) p = op_tensor(op, values, "LU_pivots"), lu = op_tensor(op, values, "LU_data");
  const at_tensor *matrix = lu ? lu : ld;
  if (!p || !matrix || at_device_of(p) != AT_CPU || at_ndim(matrix) < 2) return NULL;
  if (at_dtype_of(p) != AT_I32) return "pivots must be int32 (t:int())";
  if (!at_is_contiguous(p) || at_ndim(p) < 1)
    return "pivots must be contiguous, with at least one dimension (t:contiguous())";
  const int32_t *rows = at_data(p);
  int64_t n = at_size(matrix, -2), columns = at_size(matrix, -1), given = at_size(p, -1);
  if (given != (n < columns ? n : columns) || at_numel(p) * n * columns != at_numel(matrix) * given)
    return "each matrix needs as many pivots as rows or columns, whichever are fewer";
  for (int64_t i = 0; given && i < at_numel(p); i += given)
    if (!are_pivots(rows + i, given, lu == NULL)) return "pivots must be rows of the matrix, from 1";
  return NULL;
}

/* Draws until it has drawn count times, which is never if count is NaN. */
static const char *binomial(const at_op *op, const at_value *values) {
  const at_tensor *count = op_tensor(op, values, "count"), *prob = op_tensor(op, values, "prob");
  if (!count || !prob || !at_is_dense(count) || !at_is_dense(prob)) return NULL;
  int good = all(at_call("ge", "Scalar", (at_value[]){at_v(count), at_vi(0)}, 2)) &&
             all(at_call("isfinite", "", (at_value[]){at_v(count)}, 1)) &&
             all(at_call("ge", "Scalar", (at_value[]){at_v(prob), at_vi(0)}, 2)) &&
             all(at_call("le", "Scalar", (at_value[]){at_v(prob), at_vi(1)}, 2));
  return at_ok() && !good ? "count must be finite and at least 0, prob 0 to 1" : NULL;
}

/* Reads, and in training writes, a number for each channel, whatever there is. */
static const char *batch_norm(const at_op *op, const at_value *values) {
  static const char *const names[] = {"weight", "bias", "running_mean", "running_var", "save_mean", "save_invstd"};
  const at_tensor *input = op_tensor(op, values, "input");
  const at_value *training = op_argument(op, values, "training");
  if (!training) training = op_argument(op, values, "train");
  if (!input || at_ndim(input) < 2) return "input must have at least two dimensions";
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const at_tensor *t = op_tensor(op, values, names[i]);
    if (t && (at_numel(t) != at_size(input, 1) || !at_is_dense(t)))
      return "weights and statistics need one number for each channel";
  }
  const at_tensor *gradient = op_tensor(op, values, "grad_out");
  if (gradient && at_numel(gradient) != at_numel(input)) return "grad_out must have input's shape";
  int in_training = !training || training->kind != AT_BOOL || training->as.i;
  if (!in_training && (!op_tensor(op, values, "running_mean") || !op_tensor(op, values, "running_var")))
    return "running_mean and running_var are needed outside of training";
  return NULL;
}

/* Writes as many numbers as self has into noise and out. */
static const char *noise(const at_op *op, const at_value *values) {
  const at_tensor *self = op_tensor(op, values, "self"), *random = op_tensor(op, values, "noise");
  const at_tensor *out = op_tensor(op, values, "out");
  if (!self || !random) return NULL;
  int good = at_numel(random) == at_numel(self) && (!out || at_numel(out) == at_numel(self));
  return good ? NULL : "noise and out must have self's shape";
}

/* Writes a range, a scale and a zero point: one, or one for each channel. */
static const char *observer(const at_op *op, const at_value *values) {
  static const char *const names[] = {"running_min", "running_max", "scale",
                                      "zero_point",  "observer_on", "fake_quant_on"};
  const at_tensor *self = op_tensor(op, values, "self");
  const at_value *axis = op_argument(op, values, "ch_axis"), *each = op_argument(op, values, "per_row_fake_quant");
  int64_t n = 1;
  if (self && axis && each && each->kind == AT_BOOL && each->as.i) {
    if (axis->as.i < 0 || axis->as.i >= at_ndim(self)) return "ch_axis must be a dimension of self, from 1";
    n = at_size(self, (int)axis->as.i);
  }
  for (int i = 0; i < 6; i++) {
    const at_tensor *t = op_tensor(op, values, names[i]);
    if (!t || !at_is_dense(t) || at_numel(t) != (i < 4 ? n : 1))
      return "running_min, running_max, scale and zero_point need one number, or one for each channel";
  }
  return NULL;
}

/* Makes r grids of numel^r numbers before it looks at what they would be: all memory, for minutes. */
static const char *combinations(const at_op *op, const at_value *values) {
  const at_value *r = op_argument(op, values, "r");
  const at_tensor *self = op_tensor(op, values, "self");
  if (!self || !r || r->kind != AT_INT) return NULL;
  if (r->as.i > AT_MAX_DIM) return "r must be at most 64";
  double r_grids = (double)r->as.i * pow((double)at_numel(self), (double)r->as.i);
  return r_grids > INT32_MAX ? "r times numel^r must be below 2^31" : NULL;
}

/* Makes a place for each part before it looks at whether there is anything to put there. */
static const char *parts(const at_op *op, const at_value *values) {
  const char *names[] = {"chunks", "sections"};
  for (int i = 0; i < 2; i++) {
    const at_value *n = op_argument(op, values, names[i]);
    if (n && n->kind == AT_INT && n->as.i > 1 << 20) return "at most 2^20 parts are allowed";
  }
  return NULL;
}

/* Writes complex sums where there is room for bfloat16. */
static const char *powsum(const at_op *op, const at_value *values) {
  const at_value *dtype = op_argument(op, values, "dtype");
  const at_tensor *self = op_tensor(op, values, "self");
  int complex = self && (at_dtype_of(self) == AT_C64 || at_dtype_of(self) == AT_C128);
  return complex && dtype && dtype->kind == AT_DTYPE && dtype->as.i == AT_BF16 ? "dtype must not be bfloat16" : NULL;
}

/* Negates n for ever, since the smallest integer stays negative. */
static const char *power(const at_op *op, const at_value *values) {
  const at_value *n = op_argument(op, values, "n");
  return n && n->kind == AT_INT && n->as.i == INT64_MIN ? "n must be above the smallest integer" : NULL;
}

/* Writes a number for each of self's into them as if they were contiguous. */
static const char *log_sigmoid(const at_op *op, const at_value *values) {
  const at_tensor *output = op_tensor(op, values, "output"), *buffer = op_tensor(op, values, "buffer");
  if ((!output || at_is_contiguous(output)) && (!buffer || at_is_contiguous(buffer))) return NULL;
  return "output and buffer must be contiguous (t:contiguous())";
}

/* Looks for the next number that the dtype has: there is none. */
static const char *random_from(const at_op *op, const at_value *values) {
  const at_value *from = op_argument(op, values, "from");
  return from && from->kind == AT_INT && from->as.i == INT64_MAX ? "from must be below the largest integer" : NULL;
}

/* Its loop over the pixels outside of the picture never ends. */
static const char *pool(const at_op *op, const at_value *values) {
  const at_value *kernel = op_argument(op, values, "kernel_size"), *by = op_argument(op, values, "dilation");
  for (int i = 0; kernel && i < kernel->n; i++)
    if (kernel->items[i].as.i > INT32_MAX || (by && i < by->n && by->items[i].as.i > INT32_MAX))
      return "kernel_size and dilation must be below 2^31";
  return NULL;
}

/* Multiplies without a look at what no longer fits, and then finds that it lies within the memory. */
static const char *strided(const at_op *op, const at_value *values) {
  const at_value *size = op_argument(op, values, "size"), *stride = op_argument(op, values, "stride");
  if (!size || !stride || size->kind != AT_LIST || stride->kind != AT_LIST || size->n != stride->n) return NULL;
  double last = 0, elements = 1;
  for (int i = 0; i < size->n; i++) {
    last += ((double)size->items[i].as.i - 1) * (double)stride->items[i].as.i;
    elements *= (double)size->items[i].as.i;
  }
  return last > 0x1p58 || last < 0 || elements > 0x1p58 ? "size and stride reach beyond any memory" : NULL;
}

/* Reads by the lengths without checking them. */
static const char *segments(const at_op *op, const at_value *values) {
  const at_value *blind = op_argument(op, values, "unsafe");
  return blind && blind->kind == AT_BOOL && blind->as.i ? "unsafe must be false, so that the lengths are checked"
                                                        : NULL;
}

/* Writes a batch of matrices beyond an out whose memory is in another order. */
static const char *triangle(const at_op *op, const at_value *values) {
  const at_tensor *out = op_tensor(op, values, "out");
  return out && at_ndim(out) > 2 && !at_is_contiguous(out) ? "out must be contiguous (t:contiguous())" : NULL;
}

static const struct {
  const char *name;
  refusal check;
  const char *with; /* only the overloads that have this argument */
} refused[] = {
    {"slow_conv3d", convolution, NULL},
    {"slow_conv3d_forward", convolution, NULL},
    {"thnn_conv2d", convolution, NULL},
    {"_slow_conv2d_forward", convolution, NULL},
    {"slow_conv_dilated2d", convolution, NULL},
    {"slow_conv_dilated3d", convolution, NULL},
    {"slow_conv_transpose2d", transposed, NULL},
    {"slow_conv_transpose3d", transposed, NULL},
    {"range", range, NULL},
    {"arange", range, "step"},
    {"div", truncating, "rounding_mode"},
    {"div_", truncating, "rounding_mode"},
    {"divide", truncating, "rounding_mode"},
    {"divide_", truncating, "rounding_mode"},
    {"lcm", lcm, NULL},
    {"lcm_", lcm, NULL},
    {"native_batch_norm", batch_norm, NULL},
    {"native_batch_norm_backward", batch_norm, NULL},
    {"batch_norm_update_stats", batch_norm, NULL},
    {"linalg_ldl_solve", pivots, NULL},
    {"linalg_lu_solve", pivots, NULL},
    {"lu_solve", pivots, NULL},
    {"lu_unpack", pivots, NULL},
    {"binomial", binomial, NULL},
    {"fused_moving_avg_obs_fake_quant", observer, NULL},
    {"_fused_moving_avg_obs_fq_helper", observer, NULL},
    {"_fused_moving_avg_obs_fq_helper_functional", observer, NULL},
    {"combinations", combinations, NULL},
    {"chunk", parts, NULL},
    {"unsafe_chunk", parts, NULL},
    {"tensor_split", parts, "sections"},
    {"hsplit", parts, "sections"},
    {"vsplit", parts, "sections"},
    {"dsplit", parts, "sections"},
    {"linalg__powsum", powsum, "dtype"},
    {"linalg_matrix_power", power, NULL},
    {"matrix_power", power, NULL},
    {"log_sigmoid_forward", log_sigmoid, "output"},
    {"max_pool1d", pool, NULL},
    {"random", random_from, "from"},
    {"random_", random_from, "from"},
    {"rrelu_with_noise", noise, NULL},
    {"rrelu_with_noise_", noise, NULL},
    {"rrelu_with_noise_functional", noise, NULL},
    {"as_strided", strided, NULL},
    {"as_strided_", strided, NULL},
    {"as_strided_copy", strided, NULL},
    {"as_strided_scatter", strided, NULL},
    {"segment_reduce", segments, NULL},
    {"lstm", refuse_recurrent, NULL},
    {"gru", refuse_recurrent, NULL},
    {"rnn_tanh", refuse_recurrent, NULL},
    {"rnn_relu", refuse_recurrent, NULL},
    {"tril", triangle, "out"},
    {"triu", triangle, "out"},
    {"copy", copied, NULL},
    {"native_channel_shuffle", dense, NULL},
    {"align_to", align_to, NULL},
    {"align_tensors", align_tensors, NULL},
    {"quantized_lstm_cell", two_states, NULL},
    {"embedding_bag", embedding_bag, NULL},
    {"_embedding_bag", embedding_bag, NULL},
    {"_embedding_bag_forward_only", embedding_bag, NULL},
    {"choose_qparams_optimized", choose_qparams, NULL},
    {"linalg_eigvals", all_finite, NULL},
    {"_linalg_eigvals", all_finite, NULL},
    {"mkldnn_rnn_layer", part, NULL},
    {"to_mkldnn", packed, NULL},
};

static int has_argument(const at_op *op, const char *name) {
  for (int i = 0; i < at_op_args(op); i++)
    if (!strcmp(at_op_arg(op, i)->name, name)) return 1;
  return 0;
}

refusal refusal_of(const char *name, const at_op *op) {
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    if (!strcmp(name, refused[i].name) && (!refused[i].with || has_argument(op, refused[i].with)))
      return refused[i].check;
  return NULL;
}
