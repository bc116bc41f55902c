/* op_refuse.c: operators that kill the process in libtorch itself when they are given what fits their schema.
 *
 * Found by spec/fuzz/operators.lua; spec/fuzz_spec.lua has a reproducer of each.  A check looks at the arguments and
 * says what is wrong with them, or NULL; where no cheap look tells good ones from bad, the operator is refused as a
 * whole.  Looked up once a name: what is not in the table costs nothing.
 */
#include "lua/op_read.h"

#include <string.h>

static const at_value *argument(const at_op *op, const at_value *values, const char *name) {
  for (int i = 0; i < at_op_args(op); i++)
    if (!strcmp(at_op_arg(op, i)->name, name)) return values[i].kind == AT_UNSUPPORTED ? NULL : values + i;
  return NULL;
}

static at_tensor *tensor(const at_op *op, const at_value *values, const char *name) {
  const at_value *v = argument(op, values, name);
  return v && v->kind == AT_TENSOR ? v->as.tensor : NULL;
}

/* Reads the kernel's sides from the list and the weight's memory by them, whatever the weight is. */
static const char *slow_conv3d(const at_op *op, const at_value *values) {
  const at_tensor *self = tensor(op, values, "self"), *weight = tensor(op, values, "weight");
  const at_value *kernel = argument(op, values, "kernel_size");
  if (!self || !weight || !kernel || kernel->n != 3) return "self, weight and kernel_size are needed";
  if ((at_ndim(self) != 4 && at_ndim(self) != 5) || at_ndim(weight) != 5)
    return "self has 4 or 5 dimensions, weight has 5";
  for (int i = 0; i < 3; i++)
    if (kernel->items[i].as.i != at_size(weight, 2 + i)) return "kernel_size is not weight's";
  if (at_size(self, -4) != at_size(weight, 1)) return "self has not as many channels as weight takes";
  return at_dtype_of(self) == at_dtype_of(weight) ? NULL : "self and weight have different dtypes";
}

static const char *align_to(const at_op *op, const at_value *values) {
  const at_value *order = argument(op, values, "order"), *at = argument(op, values, "ellipsis_idx");
  return order && at && (at->as.i < 0 || at->as.i > order->n) ? "ellipsis_idx is outside of order" : NULL;
}

static const char *align_tensors(const at_op *op, const at_value *values) {
  const at_value *list = argument(op, values, "tensors");
  return list && list->n < 1 ? "it needs at least one tensor" : NULL;
}

static const char *two_states(const at_op *op, const at_value *values) {
  const at_value *hx = argument(op, values, "hx");
  return hx && hx->kind == AT_LIST && hx->n != 2 ? "hx is a list of two tensors" : NULL;
}

static const char *dense_copy(const at_op *op, const at_value *values) {
  const at_tensor *self = tensor(op, values, "self"), *from = tensor(op, values, "src");
  return self && from && at_is_dense(self) && at_is_dense(from) ? NULL
                                                                : "a sparse or packed tensor; t:to_dense() can be";
}

/* Reads `numel` numbers of input as floats, and searches without end where there is no step. */
static const char *choose_qparams(const at_op *op, const at_value *values) {
  const at_tensor *input = tensor(op, values, "input");
  const at_value *numel = argument(op, values, "numel"), *bins = argument(op, values, "n_bins"),
                 *ratio = argument(op, values, "ratio"), *bits = argument(op, values, "bit_width");
  if (!input || !numel || !bins || !ratio || !bits) return "all its arguments are needed";
  if (at_dtype_of(input) != AT_F32 || !at_is_dense(input)) return "input is a dense float32 tensor";
  if (numel->as.i < 1 || numel->as.i > at_numel(input)) return "numel is 1 to input's number of elements";
  if (bins->as.i < 1 || bins->as.i > 1 << 20 || !(ratio->as.d >= 0 && ratio->as.d <= 1))
    return "n_bins is at least 1, ratio 0 to 1";
  return bits->as.i < 1 || bits->as.i > 8 ? "bit_width is 1 to 8" : NULL;
}

static const char *always(const at_op *op, const at_value *values) {
  (void)op, (void)values;
  return "it is a part of another operator, which checks its arguments; call that one";
}

static const struct {
  const char *name;
  refusal check;
} refused[] = {
    {"slow_conv3d", slow_conv3d},
    {"slow_conv3d_forward", slow_conv3d},
    {"align_to", align_to},
    {"align_tensors", align_tensors},
    {"copy", dense_copy},
    {"mkldnn_rnn_layer", always},
    {"choose_qparams_optimized", choose_qparams},
    {"quantized_lstm_cell", two_states},
};

refusal refusal_of(const char *op) {
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    if (!strcmp(op, refused[i].name)) return refused[i].check;
  return NULL;
}
