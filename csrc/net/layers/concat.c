/* concat.c: joins its inputs along the channels: x_i [N, C_i, H, W], y [N, sum C_i, H, W]. */
#include "net/layer.h"

#include <stdio.h>

/* "4 x 16 x 16" */
static const char *sizes(const net_shape *s, char text[64]) {
  int n = 0;
  for (int d = 0; d < s->ndim; d++) n += snprintf(text + n, 64 - (size_t)n, "%s%d", d ? " x " : "", (int)s->d[d]);
  return text;
}

static int concat_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  (void)program;
  if (in->ndim < 1) return net_node_fail(node, error, "needs inputs {channels, …}, not one number per row");
  for (int i = 1; i < node->n_inputs; i++) {
    int fits = in[i].ndim == in->ndim;
    for (int d = 1; fits && d < in->ndim; d++) fits = in[i].d[d] == in->d[d];
    char first[64], other[64];
    if (!fits)
      return net_node_fail(node, error, "input %d is %s, but the first is %s: only their channels may differ", i + 1,
                           sizes(in + i, other), sizes(in, first));
    node->shape.d[0] += in[i].d[0];
  }
  return 0;
}

static void concat_forward(net_frame *f) { f->y = at_concat(f->x, f->node->n_inputs, 1); }

static void concat_backward(net_frame *f) {
  int64_t first = 0;
  for (int i = 0; i < f->node->n_inputs; i++) {
    int64_t channels = f->program->nodes[f->node->inputs[i]].shape.d[0];
    if (f->want_dx[i]) f->dx[i] = at_narrow(f->dy, 1, first, channels);
    first += channels;
  }
}

LAYER(concat) = {.help = "Concatenates its inputs along the channels.",
                 .n_inputs = -1,
                 .cheap = 1,
                 .define = concat_define,
                 .forward = concat_forward,
                 .backward = concat_backward};
