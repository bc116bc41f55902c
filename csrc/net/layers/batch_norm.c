/* batch_norm.c: batch norm over (N, H, W), group of rows by group of rows, with the following activation
 * fused into it where the plan says so (agad::bn_act).  PyTorch's BatchNorm2d: biased variance normalises,
 * the unbiased one moves the running variance, momentum 0.1, eps 1e-5.
 *
 * x, y [N, C, H, W]; weight, bias, running_mean, running_var [C], always in the master's precision.  With
 * sets = 2 there is a second set of all four (AdvProp's auxiliary batch norms), and a group says which it uses.
 * affine = false has no weight and bias.  bn = bypass leaves its rows as they are: no statistics, no scale, no shift.
 */
#include "net/layer.h"

typedef struct batch_norm {
  double momentum, eps;
  int64_t sets;
  int affine;
} batch_norm;

static const layer_attribute attributes[] = {
    {"momentum", LAYER_NUMBER, offsetof(batch_norm, momentum),
     .help = "weight of the batch's statistics in the running ones", .standard = 0.1, .max = 1},
    {"eps", LAYER_NUMBER, offsetof(batch_norm, eps), .help = "added to the variance, so that it is not 0",
     .standard = 1e-5, .max = LAYER_NO_LIMIT},
    {"affine", LAYER_BOOLEAN, offsetof(batch_norm, affine), .help = "whether it learns a weight and a bias per channel",
     .standard = 1},
    {"sets", LAYER_INTEGER, offsetof(batch_norm, sets),
     .help = "sets of weights and statistics, one of which each row group uses", .standard = 1, .min = 1,
     .max = NET_MAX_SETS},
    {NULL}};

_Static_assert(2 * NET_MAX_SETS <= NET_MAX_PARAMS, "a layer has room for the weight and bias of every set");

static int batch_norm_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  static const char *const names[NET_MAX_SETS][4] = {
      {"weight", "bias", "running_mean", "running_var"},
      {"weight_2", "bias_2", "running_mean_2", "running_var_2"},
  };
  const batch_norm *a = node->attributes;
  if (in->ndim < 1) return net_node_fail(node, error, "needs an input {channels, …}, not one number per row");
  node->sets = (int)a->sets;
  for (int s = 0; s < node->sets; s++) {
    if (a->affine && (net_add_param(program, node, names[s][0], NET_INIT_SCALE, 1, &in->d[0], error) ||
                      net_add_param(program, node, names[s][1], NET_INIT_ZERO, 1, &in->d[0], error)))
      return -1;
    if (net_add_buffer(program, node, names[s][2], NET_INIT_ZERO, in->d[0], error) ||
        net_add_buffer(program, node, names[s][3], NET_INIT_SCALE, in->d[0], error))
      return -1;
  }
  return 0;
}

/* The group's weight and bias, and its running mean and variance: each a pair.  Without them, 1 and 0. */
static at_tensor **weights(const net_frame *f, int g, at_tensor *pair[2]) {
  if (f->node->n_params) return f->w + 2 * f->groups[g].set;
  const at_tensor *like = f->buffers[0];
  pair[1] = at_zeros((int64_t[]){at_size(like, 0)}, 1, at_dtype_of(like), at_device_of(like));
  pair[0] = at_add_scalar(pair[1], 1);
  return pair;
}
static at_tensor **statistics(const net_frame *f, int g) { return f->buffers + 2 * f->groups[g].set; }

static void batch_norm_norm(const net_frame *f, int set, layer_norm *norm) {
  const batch_norm *a = f->node->attributes;
  at_tensor *const *running = f->buffers + 2 * set, *const *w = f->node->n_params ? f->w + 2 * set : NULL;
  norm->mean = at_to(running[0], AT_F64, AT_CPU);
  norm->scale = at_call("rsqrt", "", (at_value[]){at_v(at_add_scalar(at_to(running[1], AT_F64, AT_CPU), a->eps))}, 1);
  norm->shift = w ? at_to(w[1], AT_F64, AT_CPU) : NULL;
  if (w) norm->scale = at_mul(norm->scale, at_to(w[0], AT_F64, AT_CPU));
}

static at_tensor *group_forward(net_frame *f, at_tensor *x, int g) {
  const batch_norm *a = f->node->attributes;
  const net_rows *rows = f->groups + g;
  double momentum = f->momentum >= 0 ? f->momentum : a->momentum;
  if (rows->bn == NET_BN_BYPASS) return f->slope == 1 ? at_alias(x) : at_leaky_relu(x, f->slope);
  at_tensor *pair[2], **w = weights(f, g, pair), **running = statistics(f, g);
  if (f->again) return at_bn_act_again(x, w[0], w[1], f->save[2 * g], f->save[2 * g + 1], f->slope);
  int training = rows->bn == NET_BN_BATCH, keep = !training || (rows->track && !f->node->shared);
  at_tensor *mean = keep ? running[0] : NULL, *var = keep ? running[1] : NULL;
  if (f->plain && training)
    return at_batch_norm(&f->save[2 * g], &f->save[2 * g + 1], x, w[0], w[1], mean, var, 1, momentum, a->eps);
  if (f->plain) { /* another pass may move the statistics before the backward, which needs them as they are now */
    at_tensor *unused[2] = {NULL, NULL};
    f->save[2 * g] = at_clone(mean), f->save[2 * g + 1] = at_clone(var);
    return at_batch_norm(&unused[0], &unused[1], x, w[0], w[1], f->save[2 * g], f->save[2 * g + 1], 0, momentum,
                         a->eps);
  }
  return at_bn_act(&f->save[2 * g], &f->save[2 * g + 1], x, w[0], w[1], mean, var, training, momentum, a->eps,
                   f->slope);
}

static void batch_norm_forward(net_frame *f) {
  if (f->n_groups == 1) {
    f->y = group_forward(f, f->x[0], 0);
    return;
  }
  at_tensor *parts[NET_MAX_GROUPS];
  for (int g = 0; g < f->n_groups; g++)
    parts[g] = group_forward(f, at_narrow(f->x[0], 0, f->groups[g].first, f->groups[g].rows), g);
  f->y = at_concat(parts, f->n_groups, 0);
}

/* dx of the group's rows; its gradients of weight and bias are added to dw[2 * set], dw[2 * set + 1]. */
static at_tensor *group_backward(net_frame *f, at_tensor *dy, at_tensor *x, int g) {
  const batch_norm *a = f->node->attributes;
  const net_rows *rows = f->groups + g;
  if (rows->bn == NET_BN_BYPASS) return f->slope == 1 ? dy : at_leaky_relu_backward(dy, x, f->slope);
  int training = rows->bn == NET_BN_BATCH;
  at_tensor *dx = NULL, *dw = NULL, *db = NULL, *pair[2], **w = weights(f, g, pair);
  at_tensor **to_w = f->want_dw ? &dw : NULL, **to_b = f->want_dw ? &db : NULL;
  if (f->plain)
    at_batch_norm_backward(&dx, to_w, to_b, dy, x, w[0], training ? NULL : f->save[2 * g],
                           training ? NULL : f->save[2 * g + 1], training ? f->save[2 * g] : NULL,
                           training ? f->save[2 * g + 1] : NULL, training, a->eps);
  else at_bn_act_backward(&dx, to_w, to_b, dy, x, w[0], w[1], f->save[2 * g], f->save[2 * g + 1], training, f->slope);
  at_tensor **sum = f->dw + 2 * rows->set;
  if (dw) sum[0] = sum[0] ? at_add(sum[0], dw) : dw;
  if (db) sum[1] = sum[1] ? at_add(sum[1], db) : db;
  return dx;
}

static void batch_norm_backward(net_frame *f) {
  if (f->n_groups == 1) {
    f->dx[0] = group_backward(f, f->dy, f->x[0], 0);
    return;
  }
  at_tensor *parts[NET_MAX_GROUPS];
  for (int g = 0; g < f->n_groups; g++) {
    int64_t first = f->groups[g].first, rows = f->groups[g].rows;
    parts[g] = group_backward(f, at_narrow(f->dy, 0, first, rows), at_narrow(f->x[0], 0, first, rows), g);
  }
  f->dx[0] = at_concat(parts, f->n_groups, 0);
}

LAYER(batch_norm) = {.help = "Batch normalisation over rows and pixels (PyTorch's BatchNorm2d).",
                     .n_inputs = 1,
                     .attributes = attributes,
                     .size = sizeof(batch_norm),
                     .has_weights = 1,
                     .full_precision = 1,
                     .cheap = 1,
                     .reads = LAYER_READS_X,
                     .takes_activation = 1,
                     .norm = batch_norm_norm,
                     .define = batch_norm_define,
                     .forward = batch_norm_forward,
                     .backward = batch_norm_backward};
