/* conv.c: convolution and transposed convolution (cross-correlation, as PyTorch's Conv2d and
 * ConvTranspose2d: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html).
 *
 * x [N, in, H, W]; w [out, in, kh, kw], transposed [in, out, kh, kw]; y [N, out, H', W'].
 */
#include "net/layer.h"
#include "net/profile.h"

typedef struct conv {
  int64_t out, kernel[2], stride[2], padding[2], output_padding[2];
  int bias;
} conv;

/* clang-format off */
#define OF_BOTH \
  {"out", LAYER_INTEGER, offsetof(conv, out), .help = "number of output channels", \
   .min = 1, .max = LAYER_LARGEST, .required = 1}, \
  {"kernel", LAYER_PAIR, offsetof(conv, kernel), .help = "height and width of the kernel", \
   .standard = 3, .min = 1, .max = LAYER_LARGEST}, \
  {"stride", LAYER_PAIR, offsetof(conv, stride), .help = "step of the kernel in pixels", \
   .standard = 1, .min = 1, .max = LAYER_LARGEST}, \
  {"padding", LAYER_PAIR, offsetof(conv, padding), .help = "pixels of zeros added on each side", \
   .max = LAYER_LARGEST}, \
  {"bias", LAYER_BOOLEAN, offsetof(conv, bias), .help = "whether it adds a learned number per output channel"}
/* clang-format on */

static const layer_attribute conv_attributes[] = {OF_BOTH, {NULL}};
static const layer_attribute conv_transpose_attributes[] = {
    OF_BOTH,
    {"output_padding", LAYER_PAIR, offsetof(conv, output_padding),
     .help = "pixels added to one side of the output, fewer than stride", .max = LAYER_LARGEST},
    {NULL}};

static int define(net_program *program, net_node *node, const net_shape *in, int transposed, agad_error *error) {
  const conv *a = node->attributes;
  if (in->ndim != 3) return net_node_fail(node, error, "needs an input {channels, height, width}");
  node->shape = (net_shape){3, {a->out}};
  for (int i = 0; i < 2; i++) {
    int64_t size = in->d[i + 1], k = a->kernel[i], s = a->stride[i], p = a->padding[i];
    if (a->output_padding[i] >= s && transposed)
      return net_node_fail(node, error, "output_padding must be smaller than stride");
    if (!transposed && size + 2 * p < k)
      return net_node_fail(node, error, "its kernel of %d does not fit into %d + 2 x %d pixels", (int)k, (int)size,
                           (int)p);
    node->shape.d[i + 1] = transposed ? (size - 1) * s - 2 * p + k + a->output_padding[i] : (size + 2 * p - k) / s + 1;
  }
  const net_shape *pixels = transposed ? in : &node->shape;
  double macs = (double)pixels->d[1] * (double)pixels->d[2] * (double)in->d[0] * (double)a->out * (double)a->kernel[0] *
                (double)a->kernel[1];
  node->macs =
      macs > (double)NET_MAX_MACS ? -1 : pixels->d[1] * pixels->d[2] * in->d[0] * a->out * a->kernel[0] * a->kernel[1];
  int64_t sizes[4] = {transposed ? in->d[0] : a->out, transposed ? a->out : in->d[0], a->kernel[0], a->kernel[1]};
  if (net_add_param(program, node, "weight", NET_INIT_CONV, 4, sizes, error)) return -1;
  return a->bias ? net_add_param(program, node, "bias", NET_INIT_ZERO, 1, &a->out, error) : 0;
}

static void forward(net_frame *f, int transposed) {
  const conv *a = f->node->attributes;
  f->y =
      at_convolution(f->x[0], f->w[0], a->bias ? f->w[1] : NULL, a->stride, a->padding, transposed, a->output_padding);
}

static void gradients(net_frame *f, int transposed, int of_input, int of_kernel) {
  const conv *a = f->node->attributes;
  at_convolution_backward(of_input ? &f->dx[0] : NULL, of_kernel ? &f->dw[0] : NULL,
                          of_kernel && a->bias ? &f->dw[1] : NULL, f->dy, f->x[0], f->w[0], a->stride, a->padding,
                          transposed, a->output_padding);
}

/* A profile tells the two gradients apart, and what both would do: they read dy in the net's layout. */
static void backward(net_frame *f, int transposed) {
  const int dx = f->want_dx[0], dw = f->want_dw;
  if (!net_profile_on()) {
    gradients(f, transposed, dx, dw);
    return;
  }
  f->dy = at_to_layout(f->dy, f->layout);
  if (dx) net_profile_turn(NET_DX, at_size(f->dy, 0)), gradients(f, transposed, 1, 0);
  if (dw) net_profile_turn(NET_DW, at_size(f->dy, 0)), gradients(f, transposed, 0, 1);
}

/* The bias is a part of the mean that is taken away. */
static at_conv *fixed(const net_frame *f, const layer_norm *norm, double slope, int transposed) {
  const conv *a = f->node->attributes;
  layer_norm n = norm ? *norm : (layer_norm){NULL, NULL, NULL};
  at_tensor *bias = a->bias ? f->w[1] : NULL;
  if (bias && norm) n.mean = at_sub(n.mean, at_to(bias, AT_F64, AT_CPU));
  else if (bias) n.shift = bias;
  return at_conv_new(f->w[0], n.mean, n.scale, n.shift, slope, a->stride, a->padding, transposed, a->output_padding);
}

static int conv_define(net_program *p, net_node *n, const net_shape *in, agad_error *e) {
  return define(p, n, in, 0, e);
}
static void conv_forward(net_frame *f) { forward(f, 0); }
static void conv_backward(net_frame *f) { backward(f, 0); }
static at_conv *conv_fixed(const net_frame *f, const layer_norm *n, double slope) { return fixed(f, n, slope, 0); }
static int conv_transpose_define(net_program *p, net_node *n, const net_shape *in, agad_error *e) {
  return define(p, n, in, 1, e);
}
static void conv_transpose_forward(net_frame *f) { forward(f, 1); }
static void conv_transpose_backward(net_frame *f) { backward(f, 1); }
static at_conv *conv_transpose_fixed(const net_frame *f, const layer_norm *n, double slope) {
  return fixed(f, n, slope, 1);
}

LAYER(conv) = {.help = "Convolution (PyTorch's Conv2d).",
               .n_inputs = 1,
               .attributes = conv_attributes,
               .size = sizeof(conv),
               .has_weights = 1,
               .reads = LAYER_READS_X_FOR_DW | LAYER_READS_SIZES,
               .fixed = conv_fixed,
               .define = conv_define,
               .forward = conv_forward,
               .backward = conv_backward};
LAYER(conv_transpose) = {.help = "Transposed convolution (PyTorch's ConvTranspose2d).",
                         .n_inputs = 1,
                         .attributes = conv_transpose_attributes,
                         .size = sizeof(conv),
                         .has_weights = 1,
                         .reads = LAYER_READS_X_FOR_DW | LAYER_READS_SIZES,
                         .fixed = conv_transpose_fixed,
                         .define = conv_transpose_define,
                         .forward = conv_transpose_forward,
                         .backward = conv_transpose_backward};
