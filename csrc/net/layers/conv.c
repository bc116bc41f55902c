/* conv.c: convolution and transposed convolution (cross-correlation, as PyTorch's Conv2d and
 * ConvTranspose2d: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html).
 *
 * x [N, in, H, W]; w [out, in, kh, kw], transposed [in, out, kh, kw]; y [N, out, H', W'].
 */
#include "net/layer.h"

static int define(net_program *program, net_node *node, const net_shape *in, int transposed, agad_error *error) {
  const json_t *out = json_object_get(node->json, "out"), *bias = json_object_get(node->json, "bias");
  if (in->ndim != 3) return net_node_fail(node, error, "takes {channels, height, width}");
  if (!json_is_integer(out) || json_integer_value(out) < 1 || json_integer_value(out) > 1 << 20)
    return net_node_fail(node, error, "out (the number of channels) must be a positive integer");
  if (net_read_pair(node, "kernel", 3, node->kernel, error) || net_read_pair(node, "stride", 1, node->stride, error) ||
      net_read_pair(node, "padding", 0, node->padding, error) ||
      net_read_pair(node, "output_padding", 0, node->output_padding, error))
    return -1;
  node->out = json_integer_value(out);
  if (bias && !json_is_boolean(bias) && !json_is_null(bias)) return net_node_fail(node, error, "bias is true or false");
  node->bias = json_is_true(bias);
  node->shape = (net_shape){3, {node->out}};
  for (int i = 0; i < 2; i++) {
    int64_t size = in->d[i + 1], k = node->kernel[i], s = node->stride[i], p = node->padding[i];
    if (k < 1 || s < 1) return net_node_fail(node, error, "kernel and stride must be at least 1");
    if (node->output_padding[i] >= (transposed ? s : 1))
      return net_node_fail(node, error,
                           transposed ? "output_padding must be smaller than stride"
                                      : "output_padding belongs to conv_transpose");
    if (!transposed && size + 2 * p < k)
      return net_node_fail(node, error, "its kernel of %d does not fit into %d + 2 x %d pixels", (int)k, (int)size,
                           (int)p);
    node->shape.d[i + 1] =
        transposed ? (size - 1) * s - 2 * p + k + node->output_padding[i] : (size + 2 * p - k) / s + 1;
  }
  const net_shape *pixels = transposed ? in : &node->shape;
  double macs = (double)pixels->d[1] * (double)pixels->d[2] * (double)in->d[0] * (double)node->out *
                (double)node->kernel[0] * (double)node->kernel[1];
  node->macs = macs > (double)NET_MAX_MACS
                   ? -1
                   : pixels->d[1] * pixels->d[2] * in->d[0] * node->out * node->kernel[0] * node->kernel[1];
  int64_t sizes[4] = {transposed ? in->d[0] : node->out, transposed ? node->out : in->d[0], node->kernel[0],
                      node->kernel[1]};
  net_add_param(program, node, "weight", NET_INIT_CONV, 4, sizes);
  if (node->bias) net_add_param(program, node, "bias", NET_INIT_ZERO, 1, &node->out);
  return 0;
}

static void forward(net_frame *f, int transposed) {
  const net_node *n = f->node;
  f->y =
      at_convolution(f->x[0], f->w[0], n->bias ? f->w[1] : NULL, n->stride, n->padding, transposed, n->output_padding);
}

static void backward(net_frame *f, int transposed) {
  const net_node *n = f->node;
  at_convolution_backward(f->want_dx[0] ? &f->dx[0] : NULL, f->want_dw ? &f->dw[0] : NULL,
                          f->want_dw && n->bias ? &f->dw[1] : NULL, f->dy, f->x[0], f->w[0], n->stride, n->padding,
                          transposed, n->output_padding);
}

static int conv_define(net_program *p, net_node *n, const net_shape *in, agad_error *e) {
  return define(p, n, in, 0, e);
}
static void conv_forward(net_frame *f) { forward(f, 0); }
static void conv_backward(net_frame *f) { backward(f, 0); }
static int conv_transpose_define(net_program *p, net_node *n, const net_shape *in, agad_error *e) {
  return define(p, n, in, 1, e);
}
static void conv_transpose_forward(net_frame *f) { forward(f, 1); }
static void conv_transpose_backward(net_frame *f) { backward(f, 1); }

const layer conv_layer = {
    .name = "conv", .n_inputs = 1, .define = conv_define, .forward = conv_forward, .backward = conv_backward};
const layer conv_transpose_layer = {.name = "conv_transpose",
                                    .n_inputs = 1,
                                    .define = conv_transpose_define,
                                    .forward = conv_transpose_forward,
                                    .backward = conv_transpose_backward};
