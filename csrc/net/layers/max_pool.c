/* max_pool.c: the largest of each window, windows side by side unless stride says otherwise (PyTorch's MaxPool2d:
 * https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html).
 *
 * x [N, C, H, W], y [N, C, H', W'], H' = (H - kernel) / stride + 1.  Its backward needs where each maximum lay.
 */
#include "net/layer.h"

static int max_pool_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  (void)program;
  if (in->ndim != 3) return net_node_fail(node, error, "takes {channels, height, width}");
  if (net_read_pair(node, "kernel", 2, node->kernel, error)) return -1;
  if (net_read_pair(node, "stride", 0, node->stride, error)) return -1;
  for (int i = 0; i < 2; i++) {
    if (node->stride[i] == 0) node->stride[i] = node->kernel[i];
    if (node->kernel[i] < 1 || node->stride[i] < 1)
      return net_node_fail(node, error, "kernel and stride must be at least 1");
    if (in->d[i + 1] < node->kernel[i])
      return net_node_fail(node, error, "its window of %d does not fit into %d pixels", (int)node->kernel[i],
                           (int)in->d[i + 1]);
    node->shape.d[i + 1] = (in->d[i + 1] - node->kernel[i]) / node->stride[i] + 1;
  }
  return 0;
}

static void max_pool_forward(net_frame *f) {
  f->y = at_max_pool(&f->save[0], f->x[0], f->node->kernel, f->node->stride);
}

static void max_pool_backward(net_frame *f) {
  if (f->want_dx[0]) f->dx[0] = at_max_pool_backward(f->dy, f->x[0], f->save[0], f->node->kernel, f->node->stride);
}

const layer max_pool_layer = {.name = "max_pool",
                              .n_inputs = 1,
                              .define = max_pool_define,
                              .forward = max_pool_forward,
                              .backward = max_pool_backward};
