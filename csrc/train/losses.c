#include "train/losses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- mean |a - b|, the paper's Eq. 6 and 8 ---- */

static at_tensor *l1_forward(loss_input in) { return at_l1(in.a, in.b); }

static at_tensor *l1_backward(loss_input in, double scale) {
  return at_mul_scalar(at_sign(at_sub(in.a, in.b)), scale / (double)at_numel(in.a));
}

/* ---- mean (a - b)^2, Eq. 7 squared ---- */

static at_tensor *mse_forward(loss_input in) { return at_mse(in.a, in.b); }

static at_tensor *mse_backward(loss_input in, double scale) {
  return at_mul_scalar(at_sub(in.a, in.b), 2 * scale / (double)at_numel(in.a));
}

/* ---- mean over rows of ||a_i - b_i||, Eq. 7; at a difference of 0 its gradient is 0 ---- */

/* [N, 1]: the norm of each row of d [N, ...] */
static at_tensor *row_norms(const at_tensor *d) {
  at_tensor *flat = at_reshape(d, (int64_t[]){at_size(d, 0), -1}, 2);
  at_value dim = at_vi(1), dims = {AT_LIST, {NULL}, &dim, 1};
  at_value keep = {AT_BOOL, {.i = 1}, NULL, 0};
  return at_call("linalg_vector_norm", "", (at_value[]){at_v(flat), at_vi(2), dims, keep}, 4);
}

static at_tensor *l2_rows_forward(loss_input in) { return at_mean(row_norms(at_sub(in.a, in.b))); }

static at_tensor *l2_rows_backward(loss_input in, double scale) {
  at_tensor *d = at_sub(in.a, in.b);
  int64_t sizes[AT_MAX_DIM];
  int n = at_sizes(d, sizes);
  for (int i = 1; i < n; i++) sizes[i] = 1;
  at_tensor *norms = at_call("clamp_min", "", (at_value[]){at_v(row_norms(d)), at_vd(1e-30)}, 2);
  return at_mul_scalar(at_div(d, at_reshape(norms, sizes, n)), scale / (double)sizes[0]);
}

/* ---- binary cross entropy of logits against a constant target, Eq. 5 ---- */

static at_tensor *bce_forward(loss_input in) { return at_bce_logits(in.a, in.target); }

static at_tensor *bce_backward(loss_input in, double scale) {
  at_tensor *p = at_sigmoid(in.a);
  return at_mul_scalar(in.target == 0 ? p : at_add_scalar(p, -in.target), scale / (double)at_numel(in.a));
}

/* ---- by name ---- */

const loss losses[] = {
    {"l1", 0, l1_forward, l1_backward},
    {"mse", 0, mse_forward, mse_backward},
    {"l2_rows", 0, l2_rows_forward, l2_rows_backward},
    {"bce", 1, bce_forward, bce_backward},
    {NULL, 0, NULL, NULL},
};

const loss *loss_find(const char *name) {
  for (const loss *l = losses; l->name; l++)
    if (!strcmp(l->name, name)) return l;
  return at_fail("there is no loss '%s'", name), NULL;
}

/* ---- under autograd ---- */

typedef struct loss_node {
  const loss *loss;
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
  at_tensor *da = at_mul(n->loss->backward((loss_input){n->a, n->b, n->target}, 1), grad_out[0]);
  if (needed[0]) grad_in[0] = da;
  if (n_in > 1 && needed[1]) grad_in[1] = at_neg(da);
  return at_ok() ? 0 : -1;
}

static int fail_shapes(const int64_t *a, int a_dims, const int64_t *b, int b_dims) {
  char text[2][256] = {"", ""};
  const int64_t *sizes[2] = {a, b};
  int dims[2] = {a_dims, b_dims};
  for (int i = 0; i < 2; i++)
    for (int d = 0; d < dims[i] && strlen(text[i]) < 220; d++)
      snprintf(text[i] + strlen(text[i]), 32, "%s%lld", d ? ", " : "", (long long)sizes[i][d]);
  return at_fail("loss: its tensors must have the same shape, not {%s} and {%s}", text[0], text[1]);
}

at_tensor *loss_call(const loss *l, at_tensor *a, at_tensor *b, double target) {
  int mode = at_grad_mode(0);
  int64_t a_sizes[AT_MAX_DIM] = {0}, b_sizes[AT_MAX_DIM] = {0};
  int a_dims = at_sizes(a, a_sizes), b_dims = b ? at_sizes(b, b_sizes) : 0;
  if (b && at_ok() && (a_dims != b_dims || memcmp(a_sizes, b_sizes, sizeof a_sizes)))
    fail_shapes(a_sizes, a_dims, b_sizes, b_dims);
  at_tensor *value = l->forward((loss_input){a, b, target});
  at_grad_mode(mode);
  if (!mode || !at_ok()) return value;
  loss_node *node = at_calloc(1, sizeof *node);
  if (!node) return NULL;
  *node = (loss_node){l, at_keep(at_detach(a)), b ? at_keep(at_detach(b)) : NULL, target};
  at_tensor *inputs[2] = {a, b};
  at_node("loss", inputs, b ? 2 : 1, &value, 1, loss_backward, node, release_loss);
  return at_ok() ? value : NULL;
}
