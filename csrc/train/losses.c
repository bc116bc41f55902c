#include "train/losses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

at_tensor *l1_forward(const at_tensor *a, const at_tensor *b) { return at_l1(a, b); }

at_tensor *l1_backward(const at_tensor *a, const at_tensor *b, double scale) {
  return at_mul_scalar(at_sign(at_sub(a, b)), scale / (double)at_numel(a));
}

at_tensor *mse_forward(const at_tensor *a, const at_tensor *b) { return at_mse(a, b); }

at_tensor *mse_backward(const at_tensor *a, const at_tensor *b, double scale) {
  return at_mul_scalar(at_sub(a, b), 2 * scale / (double)at_numel(a));
}

/* [N, 1]: the norm of each row of d [N, ...] */
static at_tensor *row_norms(const at_tensor *d) {
  at_tensor *flat = at_reshape(d, (int64_t[]){at_size(d, 0), -1}, 2);
  at_value dim = at_vi(1), dims = {AT_LIST, {NULL}, &dim, 1};
  at_value keep = {AT_BOOL, {.i = 1}, NULL, 0};
  return at_call("linalg_vector_norm", "", (at_value[]){at_v(flat), at_vi(2), dims, keep}, 4);
}

at_tensor *l2_rows_forward(const at_tensor *a, const at_tensor *b) { return at_mean(row_norms(at_sub(a, b))); }

at_tensor *l2_rows_backward(const at_tensor *a, const at_tensor *b, double scale) {
  at_tensor *d = at_sub(a, b);
  int64_t sizes[AT_MAX_DIM];
  int n = at_sizes(d, sizes);
  for (int i = 1; i < n; i++) sizes[i] = 1;
  at_tensor *norms = at_call("clamp_min", "", (at_value[]){at_v(row_norms(d)), at_vd(1e-30)}, 2);
  return at_mul_scalar(at_div(d, at_reshape(norms, sizes, n)), scale / (double)sizes[0]);
}

at_tensor *bce_forward(const at_tensor *logits, double target) { return at_bce_logits(logits, target); }

at_tensor *bce_backward(const at_tensor *logits, double target, double scale) {
  at_tensor *p = at_sigmoid(logits);
  return at_mul_scalar(target == 0 ? p : at_add_scalar(p, -target), scale / (double)at_numel(logits));
}

/* ---- under autograd ---- */

typedef struct loss_node {
  loss_kind kind;
  at_tensor *a, *b;
  double target;
} loss_node;

static void release_loss(void *context) {
  loss_node *n = context;
  at_free(n->a);
  at_free(n->b);
  free(n);
}

static int loss_backward(void *context, at_tensor *const *grad_out, int n_out, at_tensor **grad_in, const int *needed,
                         int n_in) {
  loss_node *n = context;
  (void)n_out, (void)n_in;
  if (!grad_out[0]) return 0;
  at_tensor *da = NULL;
  switch (n->kind) {
  case LOSS_L1: da = l1_backward(n->a, n->b, 1); break;
  case LOSS_MSE: da = mse_backward(n->a, n->b, 1); break;
  case LOSS_L2_ROWS: da = l2_rows_backward(n->a, n->b, 1); break;
  case LOSS_BCE: da = bce_backward(n->a, n->target, 1); break;
  }
  da = at_mul(da, grad_out[0]);
  if (needed[0]) grad_in[0] = da;
  if (n_in > 1 && needed[1]) grad_in[1] = at_neg(da);
  return at_ok() ? 0 : -1;
}

static at_tensor *loss_forward(loss_kind kind, at_tensor *a, at_tensor *b, double target) {
  switch (kind) {
  case LOSS_L1: return l1_forward(a, b);
  case LOSS_MSE: return mse_forward(a, b);
  case LOSS_L2_ROWS: return l2_rows_forward(a, b);
  default: return bce_forward(a, target);
  }
}

static int fail_shapes(const int64_t *a, int a_dims, const int64_t *b, int b_dims) {
  char text[2][256] = {"", ""};
  const int64_t *sizes[2] = {a, b};
  int dims[2] = {a_dims, b_dims};
  for (int i = 0; i < 2; i++)
    for (int d = 0; d < dims[i] && strlen(text[i]) < 220; d++)
      snprintf(text[i] + strlen(text[i]), 32, "%s%lld", d ? ", " : "", (long long)sizes[i][d]);
  return at_fail("loss: its tensors have one shape, not {%s} and {%s}", text[0], text[1]);
}

at_tensor *loss_call(loss_kind kind, at_tensor *a, at_tensor *b, double target) {
  int mode = at_grad_mode(0);
  int64_t a_sizes[AT_MAX_DIM] = {0}, b_sizes[AT_MAX_DIM] = {0};
  int a_dims = at_sizes(a, a_sizes), b_dims = b ? at_sizes(b, b_sizes) : 0;
  if (b && at_ok() && (a_dims != b_dims || memcmp(a_sizes, b_sizes, sizeof a_sizes)))
    fail_shapes(a_sizes, a_dims, b_sizes, b_dims);
  at_tensor *loss = loss_forward(kind, a, b, target);
  at_grad_mode(mode);
  if (!mode || !at_ok()) return loss;
  loss_node *node = malloc(sizeof *node);
  *node = (loss_node){kind, at_keep(at_detach(a)), b ? at_keep(at_detach(b)) : NULL, target};
  at_tensor *inputs[2] = {a, b};
  at_node("loss", inputs, b ? 2 : 1, &loss, 1, loss_backward, node, release_loss);
  return at_ok() ? loss : NULL;
}
