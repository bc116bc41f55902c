/* activation.c: leaky_relu, relu and tanh; elementwise, in place where the input is nobody else's.
 *
 * Their backward reads y alone: the sign of a leaky ReLU's output is its input's (slope >= 0), and
 * d tanh = 1 - y^2.
 */
#include "net/layer.h"

typedef struct leaky_relu {
  double slope; /* double: a float slope alone costs 4e-10 in 20 steps */
} leaky_relu;

static const layer_attribute leaky_relu_attributes[] = {{"slope", LAYER_NUMBER, offsetof(leaky_relu, slope),
                                                         .help = "slope for x below 0", .standard = 0.01,
                                                         .max = LAYER_NO_LIMIT},
                                                        {NULL}};

static double leaky_relu_slope(const net_node *node) { return ((const leaky_relu *)node->attributes)->slope; }

static double relu_slope(const net_node *node) {
  (void)node;
  return 0;
}

static void leaky_relu_forward(net_frame *f) {
  double slope = f->node->layer->slope(f->node);
  if (f->in_place) at_leaky_relu_(f->y = f->x[0], slope);
  else f->y = at_leaky_relu(f->x[0], slope);
}

static void leaky_relu_backward(net_frame *f) {
  if (f->want_dx[0]) f->dx[0] = at_leaky_relu_backward(f->dy, f->y, f->node->layer->slope(f->node));
}

static void tanh_forward(net_frame *f) {
  if (f->in_place) at_tanh_(f->y = f->x[0]);
  else f->y = at_tanh(f->x[0]);
}

static void tanh_backward(net_frame *f) {
  if (f->want_dx[0]) f->dx[0] = at_tanh_backward(f->dy, f->y);
}

LAYER(leaky_relu) = {.help = "x above 0, slope * x below (PyTorch's LeakyReLU).",
                     .n_inputs = 1,
                     .attributes = leaky_relu_attributes,
                     .size = sizeof(leaky_relu),
                     .reads = LAYER_READS_Y,
                     .slope = leaky_relu_slope,
                     .forward = leaky_relu_forward,
                     .backward = leaky_relu_backward};
LAYER(relu) = {.help = "max(x, 0).",
               .n_inputs = 1,
               .reads = LAYER_READS_Y,
               .slope = relu_slope,
               .forward = leaky_relu_forward,
               .backward = leaky_relu_backward};
LAYER(tanh) = {.help = "Hyperbolic tangent.",
               .n_inputs = 1,
               .reads = LAYER_READS_Y,
               .forward = tanh_forward,
               .backward = tanh_backward};
