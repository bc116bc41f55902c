/* constant.c: a tensor that was computed once and is kept with the net: y [N, …] is the buffer `value` for each row.
 *
 * The input says how many rows there are; no gradient reaches it.
 */
#include "net/layer.h"

typedef struct constant {
  net_shape size;
} constant;

static const layer_attribute attributes[] = {
    {"size", LAYER_SHAPE, offsetof(constant, size), .help = "shape of the output per picture", .required = 1}, {NULL}};

static int constant_define(net_program *program, net_node *node, const net_shape *in, agad_error *error) {
  int64_t numbers = 1;
  (void)in;
  node->shape = ((const constant *)node->attributes)->size;
  for (int i = 0; i < node->shape.ndim; i++) numbers *= node->shape.d[i];
  return net_add_buffer(program, node, "value", NET_INIT_ZERO, numbers, error);
}

static void constant_forward(net_frame *f) {
  int64_t sizes[4] = {1};
  at_value items[4], list = {AT_LIST, {NULL}, items, f->node->shape.ndim + 1};
  for (int i = 0; i < f->node->shape.ndim; i++) sizes[i + 1] = f->node->shape.d[i];
  for (int i = 0; i < list.n; i++) items[i] = at_vi(sizes[i]);
  at_tensor *value = at_call("reshape", "", (at_value[]){at_v(f->buffers[0]), list}, 2);
  items[0] = at_vi(at_size(f->x[0], 0));
  f->y = at_call("expand", "", (at_value[]){at_v(value), list}, 2);
}

static void constant_backward(net_frame *f) { (void)f; }

LAYER(constant) = {.help = "A tensor stored with the net: the same output for every picture.",
                   .n_inputs = 1,
                   .attributes = attributes,
                   .size = sizeof(constant),
                   .full_precision = 1,
                   .define = constant_define,
                   .forward = constant_forward,
                   .backward = constant_backward};
