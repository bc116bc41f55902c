/* max_pool.c: the largest of each window, windows side by side unless stride says otherwise (PyTorch's MaxPool2d:
 * https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html).
 *
 * x [N, C, H, W], y [N, C, H', W'], H' = (H - kernel) / stride + 1.  Its backward looks again for where each maximum
 * lies: these places would take twice the memory of y.
 */
#include "net/layer.h"

typedef struct max_pool {
  int64_t kernel[2], stride[2];
} max_pool;

static const layer_attribute attributes[] = {{"kernel", LAYER_PAIR, offsetof(max_pool, kernel),
                                              .help = "height and width of the window", .standard = 2, .min = 1,
                                              .max = LAYER_LARGEST},
                                             {"stride", LAYER_PAIR, offsetof(max_pool, stride),
                                              "step of the window in pixels, 0 = the kernel", .max = LAYER_LARGEST},
                                             {NULL}};

static int max_pool_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  max_pool *a = node->attributes;
  (void)program;
  if (in->ndim != 3) return net_node_fail(node, error, "needs an input {channels, height, width}");
  for (int i = 0; i < 2; i++) {
    if (a->stride[i] == 0) a->stride[i] = a->kernel[i];
    if (in->d[i + 1] < a->kernel[i])
      return net_node_fail(node, error, "its window of %d does not fit into %d pixels", (int)a->kernel[i],
                           (int)in->d[i + 1]);
    node->shape.d[i + 1] = (in->d[i + 1] - a->kernel[i]) / a->stride[i] + 1;
  }
  return 0;
}

static void max_pool_forward(net_frame *f) {
  const max_pool *a = f->node->attributes;
  f->y = at_max_pool(f->x[0], a->kernel, a->stride);
}

static void max_pool_backward(net_frame *f) {
  const max_pool *a = f->node->attributes;
  if (f->want_dx[0]) f->dx[0] = at_max_pool_backward(f->dy, f->x[0], a->kernel, a->stride);
}

LAYER(max_pool) = {.help = "The largest value of each window (PyTorch's MaxPool2d).",
                   .n_inputs = 1,
                   .reads = LAYER_READS_X,
                   .cheap = 1,
                   .attributes = attributes,
                   .size = sizeof(max_pool),
                   .define = max_pool_define,
                   .forward = max_pool_forward,
                   .backward = max_pool_backward};
