/* op_refuse_rnn.c: the arguments of recurrent networks must fit together: with one layer libtorch passes them to
 * oneDNN, which checks no shape and reads and writes by those it expects.
 *
 * lstm, gru, rnn_tanh and rnn_relu: input [steps, batch, in], hx [layers, batch, hidden] (of lstm two of them), for
 * each layer and direction w_ih [gates * hidden, in], w_hh [gates * hidden, out], b_ih, b_hh [gates * hidden], with
 * projections w_hr [out, hidden]: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
 */
#include "lua/op_read.h"

#include <string.h>

static int has_shape(const at_tensor *t, int n, int64_t a, int64_t b) {
  return t && at_is_dense(t) && at_ndim(t) == n && at_size(t, 0) == a && (n < 2 || at_size(t, 1) == b);
}

static int64_t integer(const at_value *v, int64_t otherwise) {
  return v && (v->kind == AT_INT || v->kind == AT_BOOL) ? v->as.i : otherwise;
}

/* The lengths of a packed batch: at each step so many sequences go on. */
static const char *lengths(const at_tensor *t, int64_t rows, int64_t batch) {
  if (!t || at_dtype_of(t) != AT_I64 || at_ndim(t) != 1 || at_device_of(t) != AT_CPU || !at_is_contiguous(t))
    return "batch_sizes must be a contiguous 1-d int64 tensor on the CPU";
  const int64_t *sizes = at_data(t);
  int64_t sum = 0;
  for (int64_t i = 0; i < at_numel(t); i++) {
    if (sizes[i] < 1 || sizes[i] > (i ? sizes[i - 1] : batch) || sum > rows)
      return "batch_sizes must be 1 to hx's batch, and no step may have more sequences than the one before";
    sum += sizes[i];
  }
  return sum == rows && sum && sizes[0] == batch ? NULL
                                                 : "batch_sizes must begin with hx's batch and add up to data's rows";
}

const char *refuse_recurrent(const at_op *op, const at_value *values) {
  const at_value *hx = op_argument(op, values, "hx"), *params = op_argument(op, values, "params");
  const at_tensor *input = op_tensor(op, values, "input"), *data = op_tensor(op, values, "data");
  const at_tensor *x = input ? input : data;
  if (!x || !hx || !params || params->kind != AT_LIST) return "data, hx and params are needed";
  int two = hx->kind == AT_LIST;
  if (two && hx->n != 2) return "hx must be a list of two tensors";
  const at_tensor *h = two ? hx->items[0].as.tensor : hx->as.tensor, *c = two ? hx->items[1].as.tensor : h;
  if (!h || !c || at_ndim(h) != 3 || at_ndim(c) != 3) return "hx must be {layers, batch, hidden}";
  if (at_size(h, 0) != at_size(c, 0) || at_size(h, 1) != at_size(c, 1))
    return "the two tensors of hx must have the same layers and batch";
  if (at_ndim(x) != (input ? 3 : 2))
    return input ? "input must have three dimensions" : "data must have two dimensions";
  int biases = (int)integer(op_argument(op, values, "has_biases"), 1);
  int64_t layers = integer(op_argument(op, values, "num_layers"), 1);
  int64_t directions = integer(op_argument(op, values, "bidirectional"), 0) ? 2 : 1;
  int64_t out = at_size(h, 2), hidden = at_size(c, 2), projected = out != hidden, each = 2 + 2 * biases + projected;
  if (layers < 1 || layers > 1 << 16 || at_size(h, 0) != layers * directions)
    return "hx must have a state for each layer and direction";
  if (params->n != layers * directions * each) return "params must have the number of tensors that the layers need";
  if (input && at_size(input, integer(op_argument(op, values, "batch_first"), 0) ? 0 : 1) != at_size(h, 1))
    return "input and hx must have the same batch";
  const char *why = input ? NULL : lengths(op_tensor(op, values, "batch_sizes"), at_size(data, 0), at_size(h, 1));
  int64_t gates = two ? 4 : strstr(at_op_schema(op), "::gru") ? 3 : 1;
  for (int64_t i = 0; i < layers * directions && !why; i++) {
    const at_value *p = params->items + i * each;
    int64_t in = i < directions ? at_size(x, -1) : out * directions;
    int good = has_shape(p[0].as.tensor, 2, gates * hidden, in) && has_shape(p[1].as.tensor, 2, gates * hidden, out);
    for (int b = 2; b < 2 + 2 * biases; b++) good = good && has_shape(p[b].as.tensor, 1, gates * hidden, 0);
    if (projected) good = good && has_shape(p[each - 1].as.tensor, 2, out, hidden);
    for (int64_t k = 0; k < each && good; k++) good = at_dtype_of(p[k].as.tensor) == at_dtype_of(x);
    if (!good) why = "params must have the shapes and the dtype that fit input and hx";
  }
  if (!why && (at_dtype_of(h) != at_dtype_of(x) || at_dtype_of(c) != at_dtype_of(x)))
    why = "hx must have the dtype of the input";
  return why;
}
