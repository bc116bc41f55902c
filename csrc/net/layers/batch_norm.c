/* batch_norm.c: batch norm over (N, H, W), group of rows by group of rows, with the following activation
 * fused into it where the plan says so (agad::bn_act).  PyTorch's BatchNorm2d: biased variance normalises,
 * the unbiased one moves the running variance, momentum 0.1, eps 1e-5.
 *
 * x, y [N, C, H, W]; weight, bias, running_mean, running_var [C], always in the master's precision.
 */
#include "net/layer.h"

static int batch_norm_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  if (net_read_number(node, "momentum", 0.1, &node->momentum, error) ||
      net_read_number(node, "eps", 1e-5, &node->eps, error))
    return -1;
  if (in->ndim < 1) return net_node_fail(node, error, "takes {channels, …}, not one number a row");
  if (node->momentum < 0 || node->momentum > 1) return net_node_fail(node, error, "momentum lies between 0 and 1");
  if (node->eps < 0) return net_node_fail(node, error, "eps must not be negative");
  net_add_param(program, node, "weight", NET_INIT_SCALE, 1, &in->d[0]);
  net_add_param(program, node, "bias", NET_INIT_ZERO, 1, &in->d[0]);
  net_add_buffer(program, node, "running_mean", NET_INIT_ZERO, in->d[0]);
  net_add_buffer(program, node, "running_var", NET_INIT_SCALE, in->d[0]);
  return 0;
}

static at_tensor *group_forward(net_frame *f, at_tensor *x, int g) {
  const net_rows *rows = f->groups + g;
  int training = rows->bn == NET_BN_BATCH, keep = !training || rows->track;
  at_tensor *mean = keep ? f->buffers[0] : NULL, *var = keep ? f->buffers[1] : NULL;
  if (f->plain)
    return at_batch_norm(&f->save[2 * g], &f->save[2 * g + 1], x, f->w[0], f->w[1], mean, var, training, f->momentum,
                         f->node->eps);
  return at_bn_act(&f->save[2 * g], &f->save[2 * g + 1], x, f->w[0], f->w[1], mean, var, training, f->momentum,
                   f->node->eps, f->slope);
}

static void batch_norm_forward(net_frame *f) {
  if (f->n_groups == 1) {
    f->y = group_forward(f, f->x[0], 0);
    return;
  }
  at_tensor *parts[NET_MAX_GROUPS];
  for (int g = 0; g < f->n_groups; g++)
    parts[g] = group_forward(f, at_narrow(f->x[0], 0, f->groups[g].first, f->groups[g].rows), g);
  at_value items[NET_MAX_GROUPS], list = {AT_LIST, {NULL}, items, f->n_groups};
  for (int g = 0; g < f->n_groups; g++) items[g] = at_v(parts[g]);
  f->y = at_call("cat", "", (at_value[]){list, at_vi(0)}, 2);
}

static void group_backward(net_frame *f, at_tensor *dy, at_tensor *x, int g, at_tensor **dx, at_tensor *dw[2]) {
  int training = f->groups[g].bn == NET_BN_BATCH;
  at_tensor **db = f->want_dw ? &dw[1] : NULL;
  if (f->plain)
    at_batch_norm_backward(dx, f->want_dw ? &dw[0] : NULL, db, dy, x, f->w[0], training ? NULL : f->buffers[0],
                           training ? NULL : f->buffers[1], f->save[2 * g], f->save[2 * g + 1], training, f->node->eps);
  else
    at_bn_act_backward(dx, f->want_dw ? &dw[0] : NULL, db, dy, x, f->w[0], f->w[1], f->save[2 * g], f->save[2 * g + 1],
                       training, f->slope);
}

static void batch_norm_backward(net_frame *f) {
  if (f->n_groups == 1) {
    group_backward(f, f->dy, f->x[0], 0, &f->dx[0], f->dw);
    return;
  }
  at_value items[NET_MAX_GROUPS], list = {AT_LIST, {NULL}, items, f->n_groups};
  for (int g = 0; g < f->n_groups; g++) {
    const net_rows *rows = f->groups + g;
    at_tensor *dx = NULL, *dw[2] = {NULL, NULL};
    group_backward(f, at_narrow(f->dy, 0, rows->first, rows->rows), at_narrow(f->x[0], 0, rows->first, rows->rows), g,
                   &dx, dw);
    items[g] = at_v(dx);
    for (int i = 0; i < 2 && f->want_dw; i++) f->dw[i] = g ? at_add(f->dw[i], dw[i]) : dw[i];
  }
  f->dx[0] = at_call("cat", "", (at_value[]){list, at_vi(0)}, 2);
}

const layer batch_norm_layer = {.name = "batch_norm",
                                .n_inputs = 1,
                                .full_precision = 1,
                                .define = batch_norm_define,
                                .forward = batch_norm_forward,
                                .backward = batch_norm_backward};
