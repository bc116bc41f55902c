/* activation.c: leaky_relu, relu and tanh; elementwise, in place where the input is nobody else's.
 *
 * Their backward reads y alone: the sign of a leaky ReLU's output is its input's (slope >= 0), and
 * d tanh = 1 - y^2.
 */
#include "net/layer.h"

static int leaky_relu_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  (void)program, (void)in;
  if (net_read_number(node, "slope", 0.01, &node->slope, error)) return -1;
  return node->slope >= 0 ? 0 : net_node_fail(node, error, "slope must not be negative");
}

static int relu_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  (void)program, (void)in, (void)error;
  node->slope = 0;
  return 0;
}

static void leaky_relu_forward(net_frame *f) {
  if (f->in_place) at_leaky_relu_(f->y = f->x[0], f->node->slope);
  else f->y = at_leaky_relu(f->x[0], f->node->slope);
}

static void leaky_relu_backward(net_frame *f) {
  if (f->want_dx[0]) f->dx[0] = at_leaky_relu_backward(f->dy, f->y, f->node->slope);
}

static int tanh_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  (void)program, (void)node, (void)in, (void)error;
  return 0;
}

static void tanh_forward(net_frame *f) {
  if (f->in_place) at_tanh_(f->y = f->x[0]);
  else f->y = at_tanh(f->x[0]);
}

static void tanh_backward(net_frame *f) {
  if (f->want_dx[0]) f->dx[0] = at_tanh_backward(f->dy, f->y);
}

const layer leaky_relu_layer = {.name = "leaky_relu",
                                .n_inputs = 1,
                                .keeps_output = 1,
                                .activation = 1,
                                .define = leaky_relu_define,
                                .forward = leaky_relu_forward,
                                .backward = leaky_relu_backward};
const layer relu_layer = {.name = "relu",
                          .n_inputs = 1,
                          .keeps_output = 1,
                          .activation = 1,
                          .define = relu_define,
                          .forward = leaky_relu_forward,
                          .backward = leaky_relu_backward};
const layer tanh_layer = {.name = "tanh",
                          .n_inputs = 1,
                          .keeps_output = 1,
                          .define = tanh_define,
                          .forward = tanh_forward,
                          .backward = tanh_backward};
